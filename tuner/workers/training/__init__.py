"""Training: one process an objective, started with `python -m tuner.workers.training.NAME RUN_DIR`.

`run_loop` is what all share, `callbacks` tells the run folder what happens. In: a run folder with a plan. Out: metrics, checkpoints, model/.
May import `modelling`, `tokenization` and the engine."""
