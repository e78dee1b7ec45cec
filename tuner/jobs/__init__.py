"""Work in the background: the queue and its supervisor, and everything that is started there.

`supervisor` takes jobs from the queue and starts workers, one at a time on a device; `training`, `dry_run`, `downloads`, `benchmarks` put
jobs into it. `data_jobs` and `token_preview` start processes of their own. `worker_exit` is how a worker's end is written. In: a request.
Out: an id whose state can be asked. May import `planning` and what stands below it."""
