"""Watch a run while it trains: look for findings (`tuner.monitoring`), beat for its heartbeat."""

import math
import shutil
import time
from dataclasses import replace
from typing import Any

from transformers import TrainerCallback

from tuner import monitoring, paths
from tuner.errors import DivergedError
from tuner.runs import run_warnings
from tuner.runs.checkpoint_files import checkpoints
from tuner.workers.training.callbacks import Reporter

EVERY, SHARE = 20.0, 100.0  # seconds between two looks beside those after evaluations: at least, and as a multiple of what a look takes
OVERFLOWS = 25  # steps in a row; halving the scale from 2^16 to 1 takes 16


class Monitor(TrainerCallback):
    """Looks for findings after each evaluation, every 20 seconds and at the end; each event is progress."""

    def __init__(self, reporter: Reporter, plan: dict[str, Any], keep: int):
        self.r, self.keep = reporter, max(2, keep)
        settings = plan["settings"]
        self.scaled = settings.get("precision") == "fp16"  # a scaler skips steps whose gradients overflow
        self.facts = monitoring.Facts(
            step=0,
            steps=plan.get("steps") or 0,
            learning_rate=settings.get("learning_rate") or 0.0,
            rates=tuple(plan.get("rates") or (0.0, math.inf)),
            warmup=settings.get("warmup") or 0.0,
            memory_free=plan.get("free_bytes") or 0,
        )
        self.looked, self.took, self.skipped = time.monotonic(), 0.0, 0
        self.fetched, self.logged = 0.0, time.monotonic()

    def attach(self, trainer) -> None:
        """Watch a trainer; how long it waits for rows is measured around its own fetching."""
        fetch = trainer.get_batch_samples

        def timed(*args, **named):
            began = time.monotonic()
            try:
                return fetch(*args, **named)
            finally:
                self.fetched += time.monotonic() - began

        trainer.get_batch_samples = timed
        trainer.add_callback(self)

    # --- events ----------------------------------------------------------------------------------------------------------------

    def on_train_begin(self, args, state, control, **_):
        self.r.heartbeat.begin()
        self.facts = replace(self.facts, steps=state.max_steps)

    def on_step_end(self, args, state, control, **_):
        self.r.heartbeat.beat()

    def on_substep_end(self, args, state, control, **_):
        self.r.heartbeat.beat()

    def on_prediction_step(self, args, state, control, **_):
        self.r.heartbeat.beat()

    def on_optimizer_step(self, args, state, control, optimizer=None, **_):
        """Warn of fp16 overflows: a few are normal while the scaler adjusts its scale; many in a row train nothing."""
        self.skipped = self.skipped + 1 if getattr(optimizer, "step_was_skipped", False) else 0
        if self.skipped == OVERFLOWS:
            message = f"{OVERFLOWS} steps in a row were skipped because their gradients overflowed in fp16: they train nothing."
            self.r.warn([run_warnings.make("fp16_overflow", message, "Start again with precision fp32.", step=state.global_step + 1)])

    def on_log(self, args, state, control, logs=None, **_):
        logs = logs or {}
        if "loss" not in logs:
            return
        for name in ("loss", "grad_norm"):
            if not math.isfinite(logs.get(name, 0.0)) and not (name == "grad_norm" and self.scaled):
                raise diverged(name, state.global_step, logs.get("learning_rate", 0.0))
        now = time.monotonic()
        share = self.fetched / max(now - self.logged, 1e-9)
        self.facts = replace(self.facts, waited=0.9 * self.facts.waited + 0.1 * min(1.0, share))  # of the last steps, smoothed
        self.fetched, self.logged = 0.0, now
        if now - self.looked > max(EVERY, SHARE * self.took):
            self.look(state.global_step)

    def on_evaluate(self, args, state, control, metrics=None, **_):
        self.r.heartbeat.beat()
        self.fetched, self.logged = 0.0, time.monotonic()
        if metrics and "eval_loss" in metrics and time.monotonic() - self.looked > SHARE * self.took:
            self.look(state.global_step)

    def on_save(self, args, state, control, **_):
        self.r.heartbeat.beat()
        self.fetched, self.logged = 0.0, time.monotonic()
        kept = checkpoints(self.r.folder)
        if kept and state.global_step < state.max_steps:
            one = paths.folder_bytes(kept[0])
            missing = max(0, self.keep + 1 - len(kept))  # a new one is complete before an old one is deleted
            needed, free = (missing + 1) * one, shutil.disk_usage(self.r.folder).free
            self.facts = replace(self.facts, disk_needed=needed, disk_free=free)
            if free < needed:
                self.look(state.global_step)

    # --- findings --------------------------------------------------------------------------------------------------------------

    def look(self, step: int, *, ended: bool = False) -> list[dict[str, Any]]:
        """Write the findings that hold now into the run's warnings; return them."""
        began = time.monotonic()
        status = paths.read_json(self.r.folder / "status.json", {})
        before, best = (status.get(key) or {} for key in ("baseline", "best"))
        facts = replace(self.facts, step=step, baseline=before.get("eval_loss"), best=best.get("eval_loss"), ended=ended)
        found = monitoring.look(self.r.history, facts)
        self.r.change_warnings(lambda old: monitoring.merged(old, found))
        self.looked = time.monotonic()
        self.took = self.looked - began
        return found


def diverged(name: str, step: int, rate: float) -> DivergedError:
    """Return the error of a loss or a gradient that is not a number."""
    what = "loss" if name == "loss" else "gradient"
    return DivergedError(
        f"The {what} is no longer a number (NaN or infinite) at step {step:,}: the learning rate was too high.",
        asked=f"learning rate {rate:g}",
        available="a smaller learning rate",
        remedy="Start again with a third of the learning rate, or with precision fp32.",
        field="learning_rate",
    )
