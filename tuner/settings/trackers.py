"""Trackers that a run can report to, through transformers' own integrations: off unless somebody names them in `report_to`."""

from importlib.util import find_spec

TRACKERS = {  # name -> (package, where its records go)
    "tensorboard": ("tensorboard", "files in the run's folder; `tensorboard --logdir RUN_FOLDER` opens them"),
    "mlflow": ("mlflow", "the run's folder, or MLFLOW_TRACKING_URI"),
    "trackio": ("trackio", "this computer"),
    "wandb": (
        "wandb",
        "the account of `wandb login` or WANDB_API_KEY: metrics, settings and the names of model and data leave this computer",
    ),
}
EXTRA = "trackers"


def names(value: str | None) -> list[str]:
    """Return the trackers of a `report_to`."""
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def missing(value: str | None) -> list[str]:
    """Return the packages that a `report_to` needs and that are not installed."""
    return [TRACKERS[name][0] for name in names(value) if find_spec(TRACKERS[name][0]) is None]
