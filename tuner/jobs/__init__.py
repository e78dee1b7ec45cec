"""Work in the background: one runtime for everything that a process of its own does.

`kinds` is the table of what can run, with its states; `job` starts, watches, stops and removes one; `queue`, `leases` and `supervisor` hand
out the devices. `training`, `dry_run`, `downloads`, `benchmarks`, `data_jobs` and `token_preview` are what people ask for, `run_queue` looks
after runs, `token_counting` has tokens counted, `handover` passes on a token, `worker_exit` writes how a worker ended. In: a request.
Out: a state that can be asked. May import `planning` and what stands below it."""
