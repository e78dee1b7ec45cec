"""The run loop shared by all training workers: the job, its model, the training arguments, the baseline, and the end of a run.

A worker calls `begin`, loads its rows, calls `build`, makes a trainer and calls `train`. The trainer is TRL's for chat and text, else
`trainer.TaskTrainer`.
"""

import math
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed

from tuner import models, paths, runs
from tuner.data.store import store
from tuner.errors import DataError, ModelError
from tuner.evaluation import checkpoints, scoring
from tuner.export import model_card
from tuner.models import mixed_precision
from tuner.paths import Workspace
from tuner.planning import fitting, time_estimate
from tuner.planning.memory import calibration
from tuner.runs import run_warnings
from tuner.scorecard import automatic
from tuner.settings import continuation, objectives, trackers, trainer_arguments
from tuner.settings.run_config import Settings
from tuner.system import awake
from tuner.workers.modelling import load, multimodal, peft_methods, sharding
from tuner.workers.training import dry_run_steps, memory_usage, ranks, recovery, samples, sweep_halving, tracking
from tuner.workers.training.callbacks import Report, Reporter
from tuner.workers.training.monitor import Monitor

ENOUGH = 8  # steps that are needed to measure the speed of a machine
BASELINE_ROWS = 64  # for full fine-tuning, whose base model can't be evaluated at the end


@dataclass
class Job:
    """A training job. `start` is the adapter of the run to continue from, `resume` the checkpoint to resume from."""

    reporter: Reporter
    run: runs.Run
    data: store.Dataset
    base: Path
    tokenizer: Any
    start: Path | None
    resume: Path | None
    report: Report
    began: float
    fresh_head: bool = False  # a new random head: the baseline's answers are random too

    @property
    def notes(self) -> dict[str, Any]:
        """JSON documents that are written beside the weights, by file name."""
        return self.report.notes

    @property
    def settings(self) -> Settings:
        return Settings.from_json(self.run.plan["settings"])

    @property
    def switchable(self) -> bool:
        """Whether switching the adapter off gives the model before this run: not for full fine-tuning, and not when the run continues from
        another one, where it would give the base model."""
        changes_base = self.settings.lora_init != "default"  # PiSSA and OLoRA subtract the initial adapter from the base
        return self.settings.method != "full" and self.start is None and not changes_base

    @property
    def before(self) -> dict[str, Any]:
        """labels.json of the model to continue from; empty for a base model."""
        return paths.read_json((self.start or self.base) / "labels.json", {})

    @property
    def dry(self) -> bool:
        """Whether this is a dry run: two steps are measured, and nothing is saved."""
        return bool(self.run.plan.get("dry_run"))

    def values(self, held_out: bool) -> Iterator[dict]:
        """Return the canonical training rows or validation rows; in a dry run the longest only."""
        values = (r["value"] for r in store.iterate(self.data, held_out=held_out))
        return dry_run_steps.longest_values(values) if self.dry else values


def begin(r: Reporter) -> Job:
    """Prepare the job: the plan, the folder of the weights, the tokenizer, the checkpoint to resume from."""
    ws = Workspace(r.folder.parents[2], r.folder.parents[1].name)
    run = (
        runs.get(ws, r.folder.name)
        if r.folder.parent.name == ws.runs.name
        else runs.read(r.folder, paths.read_json(r.folder / "status.json"))
    )
    about, began = run.plan["model"], time.monotonic()
    r.write_status("preparing", reason="Loading the model.", error=None)
    ranks.begin(run.plan["settings"]["device"])
    load.use_cores()
    tracking.prepare(trackers.names(run.plan["settings"].get("report_to")), r.folder, run.name, run.about.get("wandb"))
    settings = Settings.from_json(run.plan["settings"])
    load.hold_share(settings.device, run.plan.get("free_bytes"))
    base = load.local_folder(about["base"])
    if about["kind"] == "hub" and about["revision"] is None:  # downloaded for this run: its revision is known now
        about["revision"] = base.name
        paths.write_json(r.folder / "plan.json", run.plan)
    stock = ranks.decided(checkpoints.take_stock(r.folder) if ranks.first() else None)
    report_checkpoints(r, stock)
    resume = stock.resume
    before = run.progress.elapsed_seconds if resume else 0.0
    report = Report(
        r,
        before,
        objectives.get(settings.objective).metrics,
        settings.early_stopping or 0,
        keep=settings.keep_checkpoints,
        best=stock.best,
    )
    start = Path(about["adapter"]) if about.get("adapter") else None
    data = store.get(ws, run.config["data"])
    tokenizer_folder = start if start and (start / "tokenizer.json").exists() else base  # keep the chat template of the earlier run
    if start and settings.method != "full" and not continuation.trains_further(start, settings.method, settings.objective):
        r.write_status("preparing", reason="Merging the earlier adapter into a copy of the base model.")
        base, start = ranks.decided(merged_base(run, base, start) if ranks.first() else None), None
        tokenizer_folder = base
    tokenizer = load.tokenizer(tokenizer_folder, settings.template)
    return Job(r, run, data, base, tokenizer, start, resume, report, began)


def merged_base(run: runs.Run, base: Path, start: Path) -> Path:
    """Return RUN_DIR/base: the base model with the adapter of another method (`start`) merged into it, as the base of this run. Made once, in
    the precision of the training; plan.json names it from then on, so that every later load of the run finds it."""
    settings, about, folder = Settings.from_json(run.plan["settings"]), run.plan["model"], run.path / "base"
    if not (folder / "config.json").exists():
        new = folder.with_name("base.new")
        shutil.rmtree(new, ignore_errors=True)
        before = continuation.objective_of(start) or settings.objective  # the head of the earlier run, not of this one
        model = load.base_model(base, merged_in(settings), "cpu", objective=before, **load.head_of(start))
        peft_methods.merged(peft_methods.load_saved(model, start)).save_pretrained(new)
        load.tokenizer(start if (start / "tokenizer.json").exists() else base, settings.template).save_pretrained(new)
        multimodal.copy_processor(base, new)
        if (start / "labels.json").exists():
            shutil.copy(start / "labels.json", new)
        new.rename(folder)
    about |= {"base": str(folder), "adapter": None, "kind": "run", "bytes_per_weight": 2 if merged_in(settings) == "bf16" else 4}
    paths.write_json(run.path / "plan.json", run.plan)
    return folder


def merged_in(settings: Settings) -> str:
    """Return the precision of a merged base, which is made on the CPU: fp16 is for GPUs only."""
    return "fp32" if settings.precision == "fp16" else settings.precision


def require_offsets(job: Job, consequence: str) -> None:
    """Raise ModelError for a tokenizer without offsets (a slow tokenizer)."""
    if not job.tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of this model has no token offsets, so {consequence}.",
            asked=type(job.tokenizer).__name__,
            available="tokenizers with a tokenizer.json",
            remedy="Choose another model.",
            field="model",
        )


def report_checkpoints(r: Reporter, stock: checkpoints.Stock) -> None:
    """Update the warnings and the best checkpoint in status.json after damaged checkpoints were found."""
    before = paths.read_json(r.folder / "status.json", {})
    if stock.warnings:
        r.write_status(warnings=run_warnings.add(before.get("warnings"), stock.warnings))
    if before.get("best") and before["best"] != stock.best:
        r.write_status(best=stock.best)


def build(job: Job, *, names: list[str] | None = None, problem: str | None = None):
    """Return the model to train: the base model with the method applied. A new head is the same at each start or resume of the run."""
    settings = job.settings
    set_seed(settings.seed)
    model = load.base_model(
        job.base,
        mixed_precision.stored(settings.precision, settings.method),
        settings.device,
        objective=settings.objective,
        labels=len(names) if names else None,
        names=names,
        problem=problem,
        quantization=settings.quantization,
        in_parts=in_parts(settings),
    )
    job.fresh_head = settings.objective in objectives.HEADS and job.start is None and bool(model.fresh_modules)
    facts = models.folder_facts(job.base)
    model = peft_methods.build(model, settings, facts, objective=settings.objective, tokenizer=job.tokenizer, start=job.start)
    if settings.precision == "fp16":
        for parameter in model.parameters():  # the loss scaler unscales fp32 gradients only
            if parameter.requires_grad and parameter.is_floating_point() and parameter.dtype != torch.float32:
                parameter.data = parameter.data.float()
    model.config.use_cache = False
    if job.run.plan["model"]["bytes_per_weight"] == 2:
        model.stored_dtype = torch.bfloat16  # a full model is saved in the dtype of its base
    return model


def in_parts(settings: Settings) -> bool:
    """Return whether each process of the run holds its part of the model."""
    return bool(settings.sharding) and ranks.count() > 1


def arguments(settings: Settings, steps: int, folder: Path, test: bool, kind: type = TrainingArguments, **more: Any) -> TrainingArguments:
    """Return the plan's settings as transformers' arguments (`settings.trainer_arguments`), and how they are used here."""
    cpu = settings.device == "cpu"
    return kind(
        **trainer_arguments.shared(settings, steps, test),
        output_dir=str(folder / "checkpoints"),
        bf16=_autocast(settings),
        use_cpu=cpu,
        save_total_limit=None,  # transformers deletes before the manifest is written: `checkpoints.Kept` does it afterwards
        load_best_model_at_end=False,  # transformers does not verify what it loads: `restore_best` does
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_pin_memory=not cpu,
        ddp_find_unused_parameters=False,  # all that is trained has a part in each step
        save_only_model=in_parts(settings),  # else transformers refuses the model; `sharding.resumable` saves the rest
        **more,
    )


def _autocast(settings: Settings) -> bool:
    """Return whether to use bf16 autocast: on GPUs that support it, with fp32 weights too, which keep small updates."""
    if settings.device == "cpu" or settings.precision == "fp16":
        return False
    return torch.cuda.is_bf16_supported(including_emulation=False) if torch.cuda.is_available() else settings.precision == "bf16"


class CountingCollator:
    """A collator that counts the real training tokens in the report."""

    def __init__(self, inner, report: Report):
        self.inner, self.report, self.training = inner, report, True

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        if self.training:
            self.report.tokens += sum(len(v) for r in rows for k, v in r.items() if k.endswith("input_ids"))
        return self.inner(rows)


def counted(trainer, report: Report):
    """Return the trainer with a collator that counts the tokens of training, not of evaluation."""
    collator = CountingCollator(trainer.data_collator, report)
    trainer.data_collator, evaluate = collator, trainer.evaluate

    def evaluate_uncounted(*args, **kwargs):
        collator.training = False
        try:
            return evaluate(*args, **kwargs)
        finally:
            collator.training = True

    trainer.evaluate = evaluate_uncounted
    return trainer


def train(job: Job, trainer, summary: dict[str, Any]) -> None:
    """Train and finish the run, or put it back into the queue with less at once when the memory did not suffice. `summary` reports what happened
    to the rows."""
    r = job.reporter
    print(f"prepared: {summary}", flush=True)
    trainer = counted(trainer, job.report)
    if job.dry:
        return dry_run_steps.measure(job, trainer)
    needs_validation(job, trainer, summary)
    monitor, phase = Monitor(r, job.run.plan, job.settings.keep_checkpoints), recovery.Phase()
    monitor.attach(trainer)
    trainer.add_callback(phase)
    samples.watch(job, trainer)
    part = sweep_halving.join(job, trainer) if ranks.first() else None
    tracking.guard(trainer, r)
    ranks.join(trainer)
    if in_parts(job.settings):
        sharding.resumable(trainer)
    least = fitting.smallest_micro_batch(job.settings)
    if ranks.count() == 1:  # several would have to do it alike
        recovery.retry_evaluations(
            trainer, phase, least, lambda *sizes: r.warn([recovery.evaluation_change(trainer.state.global_step, *sizes)])
        )
    try:
        with awake.kept() as agreed:
            print(awake.KEPT if agreed else awake.NOT_KEPT, flush=True)
            r.write_status(awake=agreed)
            carry_out(job, trainer, monitor, summary)
        if part and not r.stop_asked:
            part.contender.end(job.report.best and job.report.best.get("eval_loss"), behind=part.behind)
    except Exception as error:
        short = error if recovery.is_short(error) else ranks.error_of_another(r.folder, error)
        if not ranks.first() or short is None or not recovery.is_short(short):
            raise
        recovery.again(job, trainer, phase, short)
        ranks.leave_the_others()


def carry_out(job: Job, trainer, monitor: Monitor, summary: dict[str, Any]) -> None:
    """Evaluate the baseline, train, choose the best checkpoint, and finish."""
    r = job.reporter
    if trainer.eval_dataset is not None and not job.resume:
        if not job.switchable:
            r.write_status(baseline=baseline(job, trainer, BASELINE_ROWS if job.settings.method == "full" else None))
    # without the plan's row warnings: the exact ones follow
    known = run_warnings.without_rows(paths.read_json(r.folder / "status.json", {}).get("warnings"))
    warnings = run_warnings.add(known, run_warnings.of_rows(summary, job.settings.max_length))
    r.write_status(prepared=summary, warnings=warnings, ready_seconds=round(time.monotonic() - job.began, 2))
    job.report.waited = time.time() - r.process.create_time()
    trainer.train(resume_from_checkpoint=str(job.resume) if job.resume else None)
    state = trainer.state
    stopped = ranks.decided(r.stop_asked) and state.global_step < state.max_steps
    restore_best(job, trainer)
    judge(job, trainer)
    finish(job, trainer, stopped, summary, monitor.look(state.global_step, ended=True))


def needs_validation(job: Job, trainer, summary: dict[str, Any]) -> None:
    """Raise DataError when rows were set aside for validation and none of them can be used: the run must not end as if it had been validated."""
    wanted = job.data.held_out
    if trainer.eval_dataset is not None or not wanted:
        return
    left_out = (summary.get("held_out") or {}).get("left_out") or {}
    why = max(left_out, key=left_out.get) if left_out else "none is left"
    raise DataError(
        f"None of the {wanted:,} validation rows can be used: {why}.",
        asked=f"{wanted:,} validation rows",
        available="validation rows that the model takes, or data without any (a validation share of 0)",
        remedy=run_warnings.remedy_of(why),
        field="data",
    )


def restore_best(job: Job, trainer) -> None:
    """Load the best undamaged checkpoint and report its metrics; without one the last state stays, and `judge` evaluates it."""
    if trainer.eval_dataset is None:
        return
    r, reported = job.reporter, job.report.best
    path, best = ranks.decided((checkpoints.best_whole(r.folder) if ranks.first() else None) or (None, None))
    damaged = {checkpoints.step_of(c): "damaged" for c in runs.checkpoints(r.folder)}
    if lost := checkpoints.best_changed(reported, best, damaged, ended=True):
        r.write_status(warnings=run_warnings.add(paths.read_json(r.folder / "status.json").get("warnings"), lost))
    if path is not None:
        trainer.state.best_model_checkpoint = str(path)
        trainer._load_best_model()
    r.write_status(best=best)


def baseline(job: Job, trainer, rows: int | None = None) -> dict[str, Any]:
    """Return validation loss and metrics before training; they are not written among the run's own evaluations."""
    data, n = trainer.eval_dataset, len(trainer.eval_dataset)
    data = data if rows is None or n <= rows else data.select(range(rows))
    measured = trainer.evaluate(data, metric_key_prefix="baseline")
    out = numbers(measured, "baseline", job.report.names) | {"rows": int(measured.get("baseline_rows", len(data)))}
    return out | {"fresh_head": True} if job.fresh_head else out


def numbers(metrics: dict[str, float], prefix: str, names: tuple[str, ...]) -> dict[str, float | None]:
    """Return {"eval_loss", "accuracy", ...} from a trainer's metrics with this prefix; None where a value is not finite."""
    found = {"eval_loss": metrics.get(f"{prefix}_loss")} | {n: metrics[f"{prefix}_{n}"] for n in names if f"{prefix}_{n}" in metrics}
    found |= scoring.of_loss(found["eval_loss"], names)
    return {k: float(v) if v is not None and math.isfinite(v) else None for k, v in found.items()}


def judge(job: Job, trainer) -> None:
    """Evaluate the base model for comparison, and the missing metrics of the best checkpoint."""
    r, report = job.reporter, job.report
    if trainer.eval_dataset is None:
        return
    if job.switchable:
        with peft_methods.disabled(trainer.accelerator.unwrap_model(trainer.model)):
            r.write_status(baseline=baseline(job, trainer))
    best = ranks.decided(paths.read_json(r.folder / "status.json", {}).get("best"))
    if best and not set(report.names) - set(best):
        return
    found = numbers(trainer.evaluate(metric_key_prefix="final"), "final", report.names)
    best = {**found, "step": trainer.state.global_step} if not best else {**best, **{k: found.get(k) for k in report.names}}
    r.metrics(best["step"], {k: v for k, v in best.items() if k != "step" and v is not None})
    r.write_status(best=best)


def finish(job: Job, trainer, stopped: bool, summary: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """Save the best checkpoint to model/, write the measurements to status.json, and the final state last. `found`: what the monitor found."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    weights = sharding.whole(model, model.stored_dtype) if in_parts(job.settings) else None
    if not ranks.first():
        return
    r, report, state = job.reporter, job.report, trainer.state
    save(job, model, weights)
    progress = report.progress_of(state)
    peaks = memory_usage.peaks()
    r.write_status(
        measured={"peak_bytes": report.peak, **peaks, "seconds": progress["elapsed_seconds"], "tokens": report.tokens} | report.eta.seen()
    )
    learn_pace(job.run, report)
    if not job.resume:  # this process has seen only a part of a resumed run
        calibration.record_run(job.run.plan, peaks, steps=state.global_step, epochs=state.epoch or 0.0, longest=summary.get("longest") or 0)
    model_card.write(job.run.path)
    (r.folder / "control").unlink(missing_ok=True)
    reason = "Stopped as requested; the trained model is saved." if stopped else report.early
    ruined = [f["message"] for f in found if f["severity"] == "error"]
    reason = " ".join([*ruined[:1], *filter(None, [reason])]) or None  # a ruined run says so first
    r.write_status("stopped" if stopped else "finished", reason=reason, progress=progress | {"eta_seconds": 0, "eta_low": 0, "eta_high": 0})
    if not stopped:
        print(automatic.begin(Workspace(r.folder.parents[2], r.folder.parents[1].name), job.run), flush=True)


def save(job: Job, model, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Write model/ completely or not at all; `weights` of a model that is held in parts. ModelError when no weights were written."""
    new, final = job.run.path / "model.new", job.run.path / "model"
    shutil.rmtree(new, ignore_errors=True)
    model.config.use_cache = True
    peft_methods.save(model, new, job.settings, weights)
    job.tokenizer.save_pretrained(new)
    if (new / "config.json").exists():
        multimodal.copy_processor(job.base, new)
    for name, document in job.notes.items():
        paths.write_json(new / name, document)
    if not list(new.glob("*.safetensors")):
        raise ModelError(
            "The trained weights were not written.", asked=str(new), available="safetensors", remedy="Check the log and resume the run."
        )
    (new / "README.md").unlink(missing_ok=True)  # PEFT's empty model card; Tunesmith's is written at the end
    shutil.rmtree(final, ignore_errors=True)
    new.rename(final)


def summary(train, validation) -> dict[str, Any]:
    """Return what happened to the rows, for status.json; of validation rows how many can be used, are truncated, and are left out."""
    return train.summary() | {"held_out": {"rows": len(validation), "cut": validation.cut, "left_out": validation.left_out}}


def learn_pace(run: runs.Run, report: Report) -> None:
    """Store the measured speed for later time estimates; a run whose plan has no time estimate ("pace") is skipped."""
    planned, steps = run.plan.get("pace"), report.eta.steps
    if planned and len(steps) >= ENOUGH:
        time_estimate.learn(planned["key"], statistics.fmean(steps) / planned["step"] * planned["factor"])
        device = planned["key"].rsplit("|", 2)[0]
        time_estimate.learn(f"{device}|{time_estimate.STARTED}", report.waited / planned["start"] * planned["started"])
