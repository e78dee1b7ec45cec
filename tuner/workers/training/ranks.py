"""One run in several processes (data-parallel): which of them this is, and what they must do alike. In one process all of it does nothing.

The first process, rank 0, is the run's worker: it holds the lock, writes the folder and decides. The others follow: they train their part of
each batch, and take what rank 0 decides at the same places of the program, since each of these places is a message that all of them await.
"""

import contextlib
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback

from tuner import paths
from tuner.errors import restore
from tuner.jobs import worker_exit
from tuner.jobs.data_parallel import PEER

WAIT = timedelta(minutes=30)  # for a process that does not answer; longer than any evaluation or save that only rank 0 does


def rank() -> int:
    """Return the number of this process among those of the run."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """Return how many processes train this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Return whether this process is the one that writes."""
    return rank() == 0


def begin(device: str) -> None:
    """Join the other processes."""
    if count() > 1 and not distributed.is_initialized():
        if device.startswith("cuda"):
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=WAIT)


def decided(value: Any) -> Any:
    """Return rank 0's value in every process."""
    if count() == 1:
        return value
    told = [value]
    distributed.broadcast_object_list(told, src=0)
    return told[0]


def together() -> None:
    """Wait until all processes are here."""
    decided(None)


def lost(error: BaseException) -> bool:
    """Return whether an error says that another process of the run is gone."""
    said = f"{type(error).__name__}: {error}".lower()
    return count() > 1 and any(word in said for word in ("gloo", "nccl", "connection closed by peer", "distbackenderror", "watchdog"))


def tell_first(folder: Path, document: dict[str, Any]) -> None:
    """Leave this process's error where the first one looks for it."""
    with contextlib.suppress(OSError):
        paths.write_json(folder / PEER, {"rank": rank(), "error": document})


def of_another(folder: Path, seconds: float = 3.0) -> dict[str, Any] | None:
    """Return {"rank", "error"} of the process that is gone; None when it said nothing, as after a kill."""
    end_ = time.monotonic() + seconds
    while (found := paths.read_json(folder / PEER)) is None and time.monotonic() < end_:
        time.sleep(0.1)
    return found


def error_of_another(folder: Path, error: BaseException) -> BaseException | None:
    """Return the error of the process that is gone; None when `error` does not say that one is, or it left none."""
    told = of_another(folder) if lost(error) else None
    return restore([told["error"]]) if told else None


def leave_the_others() -> None:
    """End this process, of several, in a way that makes the launcher end the others, which wait for it."""
    if count() > 1:
        worker_exit.leave(1)


def end() -> None:
    """Leave the others."""
    if count() > 1 and distributed.is_initialized():
        distributed.destroy_process_group()


class Alike(TrainerCallback):
    """Has all processes stop, save and evaluate at the same steps: as rank 0 decides, after its own callbacks."""

    NAMES = ("should_training_stop", "should_save", "should_evaluate", "should_epoch_stop", "should_log")

    def _agree(self, control):
        for name, value in zip(self.NAMES, decided([getattr(control, name) for name in self.NAMES]), strict=True):
            setattr(control, name, value)
        return control

    def on_step_end(self, args, state, control, **_):
        return self._agree(control)

    def on_evaluate(self, args, state, control, metrics=None, **_):
        return self._agree(control) if metrics and "eval_loss" in metrics else control


class SavedByAll(TrainerCallback):
    """Stands before the report of the run: a checkpoint is complete when each process has written its part."""

    def on_save(self, args, state, control, **_):
        together()


def join(trainer) -> None:
    """Have the processes of a run act alike; a trainer of one process stays as it is."""
    if count() > 1:
        trainer.callback_handler.callbacks.insert(0, SavedByAll())
        trainer.add_callback(Alike())
