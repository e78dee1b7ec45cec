"""Too little memory in mid-run: the run goes on by itself, with less at once and the same effective batch.

In an evaluation its batch is halved and it is done again, in this process. In a step, or a save, the run goes back into the queue with half
the micro-batch and twice the accumulation, at one row with gradient checkpointing, and a new process goes on from the last good state: the
memory of this one is in pieces. When nothing is left to reduce, the run fails with what else would make it fit.
"""

import gc
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback

from tuner import paths, runs
from tuner.errors import MemoryShortError, translate
from tuner.formatting import human_bytes
from tuner.jobs import training, worker_exit
from tuner.paths import Workspace
from tuner.planning import fitting
from tuner.planning.memory import calibration
from tuner.runs import run_warnings
from tuner.settings import methods
from tuner.settings.run_config import Settings
from tuner.workers.training import memory_usage, ranks

WORDS = {"step": "in the training step", "optimizer": "in the optimizer", "evaluation": "in the evaluation", "other": "while saving"}


def is_short(error: BaseException) -> bool:
    """Return whether an error means that the memory did not suffice."""
    return isinstance(translate(error), MemoryShortError)


class Phase(TrainerCallback):
    """Knows what the trainer is doing, and the random states before the step: with them a step that failed can be saved as not begun."""

    def __init__(self):
        self.now, self.random = "other", None

    def on_step_begin(self, args, state, control, **_):
        self.now, self.random = "step", _random_states()

    def on_pre_optimizer_step(self, args, state, control, **_):
        self.now = "optimizer"  # from here on some weights may be changed and others not

    def on_step_end(self, args, state, control, **_):
        self.now, self.random = "other", None


def _random_states() -> tuple:
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None


def retry_evaluations(trainer, phase: Phase, least: int, told: Callable[[int, int], None]) -> None:
    """Have a trainer's evaluations done again with half their batch (down to `least`) when the memory does not suffice; `told(planned, now)`
    hears of it."""
    evaluate, planned = trainer.evaluate, trainer.args.per_device_eval_batch_size

    def with_less(*args: Any, **named: Any):
        while True:
            phase.now = "evaluation"
            try:
                found = evaluate(*args, **named)
                phase.now = "other"
                return found
            except Exception as error:
                size = trainer.args.per_device_eval_batch_size
                if not is_short(error) or size <= least:
                    raise
                worker_exit.log(error)
                trainer.args.per_device_eval_batch_size = max(least, size // 2)
                told(planned, trainer.args.per_device_eval_batch_size)
            _free()

    trainer.evaluate = with_less


def _free() -> None:
    """Release what the failed attempt held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def evaluation_change(step: int, planned: int, now: int) -> dict[str, Any]:
    """Return the warning of an evaluation that had to be done with a smaller batch."""
    message = f"The memory did not suffice for an evaluation with batches of {planned}: it is done with batches of {now}."
    return run_warnings.make("evaluation_memory", message, "Nothing needs to be done.", step=step, severity="info")


def less(plan: dict[str, Any]) -> dict[str, Any] | None:
    """Return the settings that need less memory and train the same; None when there are none left."""
    settings = Settings.from_json(plan["settings"])
    micro = fitting.next_smaller(settings)
    if micro is not None:
        return {"micro_batch": micro}
    if not settings.gradient_checkpointing and methods.get(settings.method).checkpointing:
        return {"gradient_checkpointing": True}
    return None


def again(job, trainer, phase: Phase, error: BaseException) -> None:
    """Put a run whose memory did not suffice back into the queue with less at once; raise the final error when nothing is left to reduce."""
    worker_exit.log(error)
    where, step, plan, folder = phase.now, trainer.state.global_step, job.run.plan, job.run.path
    change = less(plan)
    if change is None:
        raise refusal(job) from error
    alone = ranks.count() == 1  # several would have to save together, and one of them can't
    kept = _saved(trainer, phase, job) if where == "step" and alone else None
    kept = kept or runs.newest_whole_checkpoint(folder)
    begun = f"from step {kept.name.rpartition('-')[2]}" if kept else "from the start"
    said = f"Out of memory {WORDS[where]} after step {step:,}: the run continues {begun} with {described(plan['settings'], change)}."
    calibration.record_shortage(plan, memory_usage.peaks())
    remember(plan, change, said)
    paths.write_json(folder / "plan.json", plan)
    job.reporter.warn([run_warnings.make("out_of_memory", said, "Nothing needs to be done.", step=max(1, step), severity="info")])
    print(said, flush=True)
    job.reporter.write_status("queued", reason=said)


def described(settings: dict[str, Any], change: dict[str, Any]) -> str:
    """Return 'micro-batch 2 × 8 instead of 4 × 4 (the effective batch stays)' or 'gradient checkpointing'."""
    if "micro_batch" not in change:
        return "gradient checkpointing"
    old, new = settings["micro_batch"], change["micro_batch"]
    shared = settings["effective_batch"] // settings.get("processes", 1)  # by each process
    return f"micro-batch {new} × {shared // new} instead of {old} × {shared // old} (the effective batch stays)"


def remember(plan: dict[str, Any], change: dict[str, Any], why: str) -> None:
    """Write a change into a plan with its reason. Batches are still grouped as planned, so that the rows keep their order."""
    plan.setdefault("grouped_by", plan["settings"]["micro_batch"])
    plan["settings"] |= change
    plan["uncorrected_bytes"] = None  # the prediction was for other settings: it must not be compared with what they take
    for reason in plan["reasons"]:
        if reason["setting"] in change:
            reason |= {"value": change[reason["setting"]], "reason": why, "by": "planner"}


def _saved(trainer, phase: Phase, job) -> Any:
    """Save the state before the step that failed as a checkpoint; None when it is saved already, or can't be."""
    folder = job.run.path
    step, newest = trainer.state.global_step, runs.newest_whole_checkpoint(folder)
    if not step or phase.random is None or newest and newest.name.endswith(f"-{step}"):
        return None
    trainer.model.zero_grad(set_to_none=True)
    _free()
    torch.set_rng_state(phase.random[0])
    if phase.random[1] is not None:
        torch.cuda.set_rng_state_all(phase.random[1])
    try:
        trainer._save_checkpoint(trainer.model, trial=None)
        runs.write_manifest(folder / "checkpoints" / f"checkpoint-{step}", job.notes)
    except Exception as error:  # then the last one counts, which is whole
        worker_exit.log(error)
        return None
    return folder / "checkpoints" / f"checkpoint-{step}"


def refusal(job) -> MemoryShortError:
    """Return the error of a run that can't be made smaller, with the plan's ways to reduce memory."""
    run, measured = job.run, memory_usage.peaks()
    ws = Workspace(run.path.parents[2], run.path.parents[1].name)
    free = run.plan["free_bytes"]
    took = max(calibration.measured_peak(measured, run.plan["breakdown"]) or 0, free)
    try:
        offers = "; ".join(str(r) for r in training.remedies(ws, run.config, run.plan, {"peak_bytes": took, "free_bytes": free}) if r.fits)
    except Exception as error:  # what is offered must not hide what happened
        worker_exit.log(error)
        offers = ""
    return MemoryShortError(
        f"The memory of {run.plan['device']} does not suffice for this run, with one row at a time and gradient checkpointing either.",
        asked=f"more than {human_bytes(took)}",
        available=human_bytes(free),
        remedy=offers or "Choose a smaller maximum length, QLoRA, or a smaller model.",
        field="micro_batch",
    )
