"""Report a run to the trackers that it names, through transformers' integrations; a tracker that fails never ends the training."""

import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import MLflowCallback, TensorBoardCallback, TrackioCallback, WandbCallback

from tuner.jobs import worker_exit
from tuner.runs import run_warnings

KINDS = {"tensorboard": TensorBoardCallback, "mlflow": MLflowCallback, "trackio": TrackioCallback, "wandb": WandbCallback}
PROJECT = "tunesmith"


def prepare(names: list[str], folder: Path, name: str, wandb: dict[str, Any] | None = None) -> None:
    """Tell the trackers' libraries where to write, by the variables that they read; what a person has set there stays, unless this run names
    another place in Weights & Biases (`wandb`: project, name, entity, tags)."""
    if not names:
        return
    if "trackio" in names:
        os.environ.pop("TRACKIO_DISABLED", None)
        os.environ.setdefault("TRACKIO_PROJECT", PROJECT)
    for key, value in (wandb or {}).items():
        os.environ[f"WANDB_{key.upper()}"] = ",".join(value) if isinstance(value, list) else value
    for variable, value in {
        "TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard"),
        "MLFLOW_TRACKING_URI": (folder / "mlflow").as_uri(),
        "MLFLOW_EXPERIMENT_NAME": PROJECT,
        "MLFLOW_RUN_NAME": name,
        "WANDB_PROJECT": PROJECT,
        "WANDB_NAME": name,
        "WANDB_DIR": str(folder),
        "WANDB_LOG_MODEL": "false",
    }.items():
        os.environ.setdefault(variable, value)


class Guarded(TrainerCallback):
    """A tracker whose errors are told once; after the first it hears nothing more."""

    def __init__(self, name: str, inner: TrainerCallback, reporter):
        self.name, self.inner, self.r, self.off = name, inner, reporter, False

    def tell(self, event: str, *args, **named) -> None:
        if self.off:
            return
        try:
            getattr(self.inner, event)(*args, **named)
        except Exception as error:
            worker_exit.log(error)
            self.off = True
            message = f"{self.name} hears nothing more of this run: {type(error).__name__}: {str(error)[:200]}"
            self.r.warn(
                [run_warnings.make("tracker_off", message.rstrip(".") + ".", "The training is not affected; the log has all of it.")]
            )


def _event(name: str):
    def heard(self, args, state, control, **named):
        self.tell(name, args, state, control, **named)

    return heard


for _name in [n for n in dir(TrainerCallback) if n.startswith("on_")]:
    setattr(Guarded, _name, _event(_name))


def guard(trainer, reporter) -> None:
    """Put each tracker of a trainer behind a guard."""
    kinds = {kind: name for name, kind in KINDS.items()}
    handler = trainer.callback_handler
    handler.callbacks = [Guarded(kinds[type(c)], c, reporter) if type(c) in kinds else c for c in handler.callbacks]
