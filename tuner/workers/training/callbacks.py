"""Write a run's status and metrics, and stop it when asked. Training workers write both only through this module."""

import math
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from transformers import TrainerCallback

from tuner import locks, monitoring, paths, runs
from tuner.errors import ConflictError, MemoryShortError, translate
from tuner.evaluation import checkpoints, scoring
from tuner.jobs import worker_exit
from tuner.planning.eta import Eta
from tuner.runs import run_warnings
from tuner.settings import losses
from tuner.workers.training import memory_usage, ranks
from tuner.workers.training.heartbeat import Heartbeat


class Reporter:
    """Holds the run's lock for the life of the worker; writes its progress at most twice a second."""

    def __init__(self, folder: Path):
        self.folder = folder
        if not locks.acquire(folder / "lock", timeout=5):
            raise ConflictError(
                "Another process is working on this run.",
                asked=folder.name,
                available="one worker per run",
                remedy="Wait for it, or stop it.",
            )
        self.db: sqlite3.Connection = runs.metrics_db(folder)
        self.history = monitoring.History(runs.read_metrics(self.db))
        self.process = psutil.Process()
        self._written = 0.0
        self._writing = threading.RLock()  # the heartbeat's thread writes as well
        self.heartbeat = Heartbeat(folder, self._stuck, self._moves, self._end)
        self.heartbeat.start()

    def write_status(self, state: str | None = None, **change: Any) -> None:
        with self._writing:
            runs.write_status(self.folder, **({"state": state} if state else {}), **change)
            if "progress" in change:  # what else is written says nothing of how far it is
                self._written = time.monotonic()

    def change_warnings(self, change: Callable[[Any], list[dict[str, Any]]]) -> None:
        """Replace the warnings of the run by what `change` returns for those that it has."""
        with self._writing:
            before = (paths.read_json(self.folder / "status.json", {}) or {}).get("warnings")
            if (after := change(before)) != before:
                self.write_status(warnings=after)

    def warn(self, new: list[dict[str, Any]]) -> None:
        """Add warnings to those of the run."""
        self.change_warnings(lambda old: run_warnings.add(old, new))

    # --- what the heartbeat notices --------------------------------------------------------------------------------------------

    def _stuck(self, seconds: float) -> None:
        message = f"There has been no progress for {seconds:.0f} seconds."
        remedy = "The device or the disk may hang: look at the log. Stop the run and resume it; it continues from its last checkpoint."
        self._no_progress(message, remedy, "error")

    def _moves(self, seconds: float) -> None:
        message = f"There was no progress for {seconds:.0f} seconds; the run went on by itself."
        self._no_progress(message, "Look at what else used the computer at that time.", "info")

    def _no_progress(self, message: str, remedy: str, severity: str) -> None:
        print(message, flush=True)
        self.change_warnings(lambda old: [w for w in run_warnings.read(old) if w["name"] != "no_progress"])
        self.warn([run_warnings.make("no_progress", message, remedy, severity=severity)])

    def _end(self, seconds: float) -> None:
        """End the process, which was asked to stop and makes no progress."""
        self._writing.acquire(timeout=5)  # the thread that hangs may hold it for ever
        said = f"Ended: it was asked to stop and made no progress for {seconds:.0f} seconds. {worker_exit.kept(self.folder)}".rstrip()
        print(said, flush=True)
        worker_exit.attempt((self.folder / "control").unlink, missing_ok=True)
        worker_exit.attempt(runs.write_status, self.folder, state="stopped", reason=said)
        worker_exit.leave(0 if ranks.count() == 1 else 1)  # else the other processes of the run would wait for this one

    def progress(self, **progress: Any) -> None:
        if time.monotonic() - self._written > 0.5:
            self.write_status(progress=progress)

    def metrics(self, step: int, values: dict[str, float]) -> None:
        if values:
            self.history.add(step, values)
            runs.write_metrics(self.db, step, values)

    def memory_bytes(self) -> int:
        """Return the memory in use: on a GPU the reserved memory, on a CPU the process."""
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_reserved()
        return self.process.memory_info().rss

    @property
    def stop_asked(self) -> bool:
        return (self.folder / "control").exists()

    def close(self) -> None:
        self.heartbeat.stop()
        self.db.close()


class Follower(Reporter):
    """The reporter of every process of a run but the first: it remembers, and writes nothing."""

    def __init__(self, folder: Path):
        self.folder, self.process = folder, psutil.Process()
        self.history = monitoring.History([])
        self.heartbeat = Heartbeat(folder, self._stuck, self._moves, self._end)  # not started

    def write_status(self, state: str | None = None, **change: Any) -> None:
        pass

    def change_warnings(self, change: Callable[[Any], list[dict[str, Any]]]) -> None:
        pass

    def progress(self, **progress: Any) -> None:
        pass

    def metrics(self, step: int, values: dict[str, float]) -> None:
        self.history.add(step, values)

    @property
    def stop_asked(self) -> bool:
        return False  # the first one looks, and all stop with it

    def close(self) -> None:
        pass


class Report(TrainerCallback):
    """Writes the Trainer's events to status.json and metrics.db; stops training at a step boundary when asked."""

    KEYS = ("loss", "learning_rate", "grad_norm", "mean_token_accuracy", *losses.METRICS)

    def __init__(
        self,
        reporter: Reporter,
        elapsed_before: float = 0.0,
        names: tuple[str, ...] = (),
        patience: int = 0,
        *,
        keep: int = 2,
        best: dict[str, Any] | None = None,
    ):
        self.notes: dict[str, Any] = {}  # JSON documents that describe the weights, by file name: in each checkpoint, so that it can answer
        self.r, self.before, self.names = reporter, elapsed_before, names  # names: the objective's metrics
        self.kept = checkpoints.Kept(reporter.folder, keep)
        self.best = self.saved_best = best  # of all evaluations, and of those whose weights are on disk
        self.patience, self.early = patience, None  # evaluations; why the run ended before its last step
        self.tokens = self.tokens_logged = 0  # real tokens seen, counted by the trainer's collator
        self.eta = Eta(paths.read_json(reporter.folder / "plan.json") or {})
        self.began = self.logged_at = time.monotonic()
        self.paused = 0.0  # seconds spent on evaluation and saving since the last log: not part of the training speed
        self.peak = 0
        self.prefix_seen: set[str] = set()

    def on_train_begin(self, args, state, control, **_):
        self.began, self.paused = time.monotonic(), 0.0  # the baseline before it is not training time
        self.logged_at = self.stepped_at = self.began
        self.args = args
        self.first_step = state.global_step
        self.r.write_status("running", reason=None, progress=self.progress_of(state))

    def on_step_end(self, args, state, control, **_):
        now = time.monotonic()
        self.eta.step(now - self.stepped_at)
        self.stepped_at = now
        self.r.progress(**self.progress_of(state))
        if self.r.stop_asked:
            self.r.write_status("stopping", progress=self.progress_of(state))
            control.should_save = control.should_training_stop = True
        return control

    def progress_of(self, state) -> dict[str, Any]:
        done = state.global_step
        middle, low, high = (None if v is None else round(v, 1) for v in self.to_come(state) or (None,) * 3)
        return {
            "step": done,
            "steps": state.max_steps,
            "epoch": round(state.epoch or 0, 3),
            "eta_seconds": middle,
            "eta_low": low,
            "eta_high": high,
            "elapsed_seconds": round(self.before + time.monotonic() - self.began, 1),
        }

    def to_come(self, state) -> tuple[float, float, float] | None:
        """Return (middle, low, high) seconds until the end: steps, evaluations (with the baseline's), saves (with the final model's)."""
        done, steps, args = state.global_step, state.max_steps, self.args
        tests = steps // int(args.eval_steps) - done // int(args.eval_steps) + 1 if args.eval_strategy != "no" else 0
        saves = math.ceil(steps / int(args.save_steps)) - done // int(args.save_steps) + 1  # the last step is always saved
        return self.eta.left(max(0, steps - done), tests, saves)

    def on_log(self, args, state, control, logs=None, **_):
        logs = logs or {}
        if any(k.startswith("eval_") for k in logs) or "train_runtime" in logs:
            return
        values = {k: float(logs[k]) for k in self.KEYS if k in logs}
        now = time.monotonic()
        spent = now - self.logged_at - self.paused
        if self.tokens > self.tokens_logged and spent > 0:
            values["tokens_per_second"] = (self.tokens - self.tokens_logged) / spent
        self.tokens_logged, self.logged_at, self.paused = self.tokens, now, 0.0
        values["memory_bytes"] = self.r.memory_bytes()
        values["epoch"], values["elapsed_seconds"] = state.epoch or 0.0, self.before + now - self.began  # the other axes of a chart
        self.peak = max(self.peak, int(values["memory_bytes"]))
        self.r.metrics(state.global_step, values)

    def on_prediction_step(self, args, state, control, **_):
        self._evaluation_began = getattr(self, "_evaluation_began", None) or time.monotonic()

    def on_evaluate(self, args, state, control, metrics=None, **_):
        if begun := getattr(self, "_evaluation_began", None):
            seconds, self.stepped_at = time.monotonic() - begun, time.monotonic()
            self.paused += seconds
            if state.global_step:  # the baseline is evaluated on fewer rows
                self.eta.other("test", seconds)
            self._evaluation_began = None
        if metrics and "eval_loss" in metrics and state.is_world_process_zero:
            values = {"eval_loss": float(metrics["eval_loss"])}
            values |= {n: float(metrics[f"eval_{n}"]) for n in self.names if f"eval_{n}" in metrics}
            values |= scoring.of_loss(values["eval_loss"], self.names)
            preference_metrics = {f"eval_{k}": float(metrics[f"eval_{k}"]) for k in losses.METRICS if f"eval_{k}" in metrics}
            self.r.metrics(state.global_step, values | preference_metrics)
            if metrics["eval_loss"] < (self.best or {}).get("eval_loss", math.inf):
                self.best = {**values, "step": state.global_step}
                control.should_save = args.save_strategy != "no"
                if not control.should_save:  # a dry run saves nothing
                    self.r.write_status(best=self.best)
            self.stop_early(args, state, control, (self.best or {}).get("step", state.global_step))
        return control

    def stop_early(self, args, state, control, best: int) -> None:
        """Stop after `patience` evaluations in a row without improvement. Derived from the steps, so that a resumed run stops at the same step."""
        if self.patience and state.global_step - best >= self.patience * args.eval_steps:
            control.should_save = control.should_training_stop = True
            self.early = f"Stopped early: {self.patience} evaluations in a row did not improve on step {best}, which is kept."

    def on_save(self, args, state, control, **_):
        begun = time.monotonic()
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if checkpoint.is_dir() and ranks.first():
            runs.write_manifest(checkpoint, self.notes)
            self.kept.added(checkpoint)
            if self.best and self.best["step"] == state.global_step:  # reported only now that its weights exist
                self.saved_best = self.best
                self.r.write_status(best=self.best)
            self.kept.rotate((self.saved_best or {}).get("step"))
        self.paused += time.monotonic() - begun
        # includes the writing: nothing else happened in between
        self.eta.other("save", time.monotonic() - max(self.stepped_at, self.logged_at))
        self.stepped_at = time.monotonic()


def guarded(folder: Path, work) -> int:
    """Run `work(reporter)` and return the exit code. Any error is written to status.json in plain words and to the log in full."""
    reporter = None
    try:
        reporter = Reporter(folder) if ranks.first() else Follower(folder)
        work(reporter)
        ranks.end()
        return 0
    except Exception as error:
        if not ranks.first():
            worker_exit.log(error)
            if not ranks.lost(error):  # else it only saw that another one is gone
                ranks.tell_first(folder, worker_exit.document(error, folder))
            return getattr(error, "exit_code", 1)
        if ranks.lost(error):
            return ended_by_another(folder, error)
        if not locks.is_mine(folder / "lock"):  # another process is working on the run and writes its final state
            worker_exit.log(error)
            return getattr(error, "exit_code", 1)
        found = {"measured": memory_usage.peaks()} if isinstance(translate(error), MemoryShortError) else {}
        return worker_exit.failed(folder, error, **found)
    finally:
        if reporter is not None:
            worker_exit.attempt(reporter.close)


def ended_by_another(folder: Path, error: BaseException) -> int:
    """Write how a run in several processes ended one of which is gone: with its error, or as interrupted where it left none."""
    worker_exit.log(error)
    if told := ranks.error_of_another(folder, error):
        return worker_exit.failed(folder, told)
    reason = f"One of the {ranks.count()} processes ended unexpectedly. {worker_exit.kept(folder)} Resume the run to go on from there."
    worker_exit.attempt(runs.write_status, folder, state="interrupted", reason=reason)
    return 1


leave = worker_exit.leave
