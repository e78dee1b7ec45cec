"""Training workers, one per objective, started with `python -m tuner.workers.training.NAME RUN_DIR`.

All share `run_loop`; `callbacks` writes status and metrics into the run folder. In: a run folder with a plan. Out: metrics, checkpoints, model/.
May import `modelling`, `tokenization` and the engine."""
