"""What all training workers share: the run at hand, its model, the trainer's arguments, the untuned baseline, and how a run ends.

A worker reads `begin` → its rows → `build` → a trainer → `train`. The trainer is TRL's for chat and text, `learner.Learner` else.
"""

import math
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from tuner.planning import time_estimate
from tuner.planning.memory import calibration
from tuner.runs import run_warnings
from tuner.settings import continuation, objectives
from tuner.workers.modelling import load, multimodal, peft_methods
from tuner.workers.training import dry_run_steps, memory_usage
from tuner.workers.training.callbacks import Report, Reporter

ENOUGH = 8  # steps that tell how fast a machine is
BASELINE_ROWS = 64  # of a run without an addition to switch off, whose untuned self is gone at the end


@dataclass
class Job:
    """The run at hand. `start` is the addition of the run to go on from, `resume` the checkpoint; `notes` are JSON documents
    that are written beside the weights, by file name."""

    reporter: Reporter
    run: runs.Run
    data: store.Dataset
    base: Path
    tokenizer: Any
    start: Path | None
    resume: Path | None
    report: Report
    began: float
    notes: dict[str, Any] = field(default_factory=dict)
    fresh_head: bool = False  # which answers by chance, and so does the baseline

    @property
    def settings(self) -> dict[str, Any]:
        return self.run.plan["settings"]

    @property
    def switchable(self) -> bool:
        """Whether the model answers as untuned when what is learnt is switched off: not when all of it is changed, and not when the
        run went on from another one, for off would then be the base."""
        moved = self.settings.get("lora_init", "default") != "default"  # PiSSA and OLoRA take their start out of the base
        return self.settings["method"] != "full" and self.start is None and not moved

    @property
    def before(self) -> dict[str, Any]:
        """labels.json of the model to go on from; empty for a base."""
        return paths.read_json((self.start or self.base) / "labels.json", {})

    @property
    def dry(self) -> bool:
        """Whether two steps are to be measured, and nothing learnt."""
        return bool(self.run.plan.get("dry_run"))

    def values(self, held_out: bool) -> Iterator[dict]:
        """The canonical rows to learn from, or to test with; of a dry run the longest."""
        values = (r["value"] for r in store.iterate(self.data, held_out=held_out))
        return dry_run_steps.longest_values(values) if self.dry else values


def begin(r: Reporter) -> Job:
    """Everything before the rows: the plan, the weights' folder, the tokenizer, the checkpoint to go on from."""
    ws = Workspace(r.folder.parents[2], r.folder.parents[1].name)
    run = (
        runs.get(ws, r.folder.name)
        if r.folder.parent.name == ws.runs.name
        else runs.read(r.folder, paths.read_json(r.folder / "status.json"))
    )
    about, began = run.plan["model"], time.monotonic()
    r.say("preparing", reason="Loading the model.", error=None)
    load.use_cores()
    load.hold_share(run.plan["settings"]["device"], run.plan.get("free_bytes"))
    base = load.local_folder(about["base"])
    if about["kind"] == "hub" and about["revision"] is None:  # downloaded for this run: now it is known which revision it is
        about["revision"] = base.name
        paths.write_json(r.folder / "plan.json", run.plan)
    stock = checkpoints.take_stock(r.folder)
    say_stock(r, stock)
    resume = stock.resume
    before = (run.progress.get("elapsed_seconds") or 0.0) if resume else 0.0
    told = run.plan["settings"]
    report = Report(
        r,
        before,
        objectives.get(told["objective"]).metrics,
        told.get("early_stopping") or 0,
        keep=told.get("keep_checkpoints") or checkpoints.LEAST,
        best=stock.best,
    )
    start = Path(about["adapter"]) if about.get("adapter") else None
    data = store.get(ws, run.config["data"])
    spoken = start if start and (start / "tokenizer.json").exists() else base  # the talk goes on in the form in which it began
    s = run.plan["settings"]
    if start and s["method"] != "full" and not continuation.same(start, s["method"], s["objective"]):
        r.say("preparing", reason="Merging what was learnt before into a base of the run's own.")
        base, start = own_base(run, base, start), None
        spoken = base
    tokenizer = load.tokenizer(spoken, run.plan["settings"].get("chat_template"))
    return Job(r, run, data, base, tokenizer, start, resume, report, began)


def own_base(run: runs.Run, base: Path, start: Path) -> Path:
    """RUN_DIR/base: the base with what another technique learnt (`start`) merged into it, for what is learnt now stands on that. Made once,
    in the width in which it is trained on; plan.json names it from then on, so whoever loads the run finds it."""
    s, about, folder = run.plan["settings"], run.plan["model"], run.path / "base"
    if not (folder / "config.json").exists():
        new = folder.with_name("base.new")
        shutil.rmtree(new, ignore_errors=True)
        before = continuation.objective_of(start) or s["objective"]  # its own head, not the one that is to be learnt now
        model = load.base_model(base, merged_in(s), "cpu", objective=before, **load.head_of(start))
        peft_methods.merged(peft_methods.with_saved(model, start)).save_pretrained(new)
        load.tokenizer(start if (start / "tokenizer.json").exists() else base, s.get("chat_template")).save_pretrained(new)
        multimodal.copy_processor(base, new)
        if (start / "labels.json").exists():
            shutil.copy(start / "labels.json", new)
        new.rename(folder)
    about |= {"base": str(folder), "adapter": None, "kind": "run", "bytes_per_weight": 2 if merged_in(s) == "bf16" else 4}
    paths.write_json(run.path / "plan.json", run.plan)
    return folder


def merged_in(s: dict[str, Any]) -> str:
    """The precision in which a base of the run's own is made, on the processor: fp16 is for cards."""
    return "fp32" if s["precision"] == "fp16" else s["precision"]


def needs_places(job: Job, what: str) -> None:
    """ModelError for a tokenizer that can't tell where in a text its tokens stand."""
    if not job.tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of this model can't tell where in the text its tokens stand, so {what}.",
            asked=type(job.tokenizer).__name__,
            available="tokenizers with a tokenizer.json",
            remedy="Choose another model.",
            field="model",
        )


def say_stock(r: Reporter, stock: checkpoints.Stock) -> None:
    """Say in status.json what was left out and which state is the best one now, where that is not what stands there."""
    before = paths.read_json(r.folder / "status.json", {})
    if stock.warnings:
        r.say(warnings=run_warnings.add(before.get("warnings"), stock.warnings))
    if before.get("best") and before["best"] != stock.best:
        r.say(best=stock.best)


def build(job: Job, *, names: list[str] | None = None, problem: str | None = None):
    """The base with what is to be learnt; a fresh head is the same one each time the run is begun or resumed."""
    s = job.settings
    set_seed(s["seed"])
    model = load.base_model(
        job.base,
        mixed_precision.stored(s["precision"], s["method"]),
        s["device"],
        objective=s["objective"],
        labels=len(names) if names else None,
        names=names,
        problem=problem,
        quantization=s.get("quantization"),
    )
    task = objectives.get(s["objective"]).task
    job.fresh_head = task in ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS") and job.start is None and bool(model.fresh_modules)
    facts = models.folder_facts(job.base)
    model = peft_methods.build(model, s, facts, objective=s["objective"], tokenizer=job.tokenizer, start=job.start)
    if s["precision"] == "fp16":
        for parameter in model.parameters():  # a scaler unscales gradients of fp32 alone
            if parameter.requires_grad and parameter.is_floating_point() and parameter.dtype != torch.float32:
                parameter.data = parameter.data.float()
    model.config.use_cache = False
    if job.run.plan["model"]["bytes_per_weight"] == 2:
        model.stored_dtype = torch.bfloat16  # a whole model is written as wide as its base was
    return model


def arguments(s: dict[str, Any], steps: int, folder: Path, test: bool, kind: type = TrainingArguments, **more: Any) -> TrainingArguments:
    """The plan's settings in the words of transformers; nothing is left to its defaults that the plan decides."""
    cpu = s["device"] == "cpu"
    return kind(
        output_dir=str(folder / "checkpoints"),
        per_device_train_batch_size=s["micro_batch"],
        per_device_eval_batch_size=s["micro_batch"],
        gradient_accumulation_steps=s["effective_batch"] // s["micro_batch"],
        num_train_epochs=s["epochs"],
        max_steps=steps if s.get("max_steps") else -1,  # the plan's count: of transformers' two limits the other one would be forgotten
        learning_rate=s["learning_rate"],
        lr_scheduler_type=s["schedule"],
        warmup_steps=s["warmup"],
        weight_decay=s["weight_decay"],
        max_grad_norm=s["max_grad_norm"],
        seed=s["seed"],
        optim=optimizer(s),
        bf16=_autocast(s),
        fp16=s["precision"] == "fp16",
        use_cpu=cpu,
        gradient_checkpointing=s["gradient_checkpointing"],
        eval_strategy="steps" if test else "no",
        eval_steps=s["eval_steps"],
        save_strategy="steps",
        save_steps=s["save_steps"],
        save_total_limit=None,  # transformers rotates before the manifest is written: `checkpoints.Kept` does it afterwards
        load_best_model_at_end=False,  # nor does it verify what it loads: `restore_best` does
        metric_for_best_model="eval_loss" if test else None,
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=not cpu,
        **more,
    )


def optimizer(s: dict[str, Any]) -> str:
    """In transformers' words. On a card the fused AdamW: the plain one takes a copy of all that is learnt at every step."""
    fused = "adamw_torch" if s["device"] == "cpu" else "adamw_torch_fused"
    return {"adamw": fused, "adamw_8bit": "adamw_8bit", "paged_adamw_8bit": "paged_adamw_8bit", "adafactor": "adafactor"}[s["optimizer"]]


def _autocast(s: dict[str, Any]) -> bool:
    """Whether products are computed in bf16: on cards that can, over fp32 weights as well, which then keep the small steps."""
    if s["device"] == "cpu" or s["precision"] == "fp16":
        return False
    return torch.cuda.is_bf16_supported(including_emulation=False) if torch.cuda.is_available() else s["precision"] == "bf16"


def multiple(s: dict[str, Any]) -> int | None:
    """Lengths are padded to multiples of this: on a CPU oneDNN compiles a bf16 kernel for every new length."""
    return 32 if s["device"] == "cpu" and s["precision"] == "bf16" else None


class CountingCollator:
    """A collator that tells the report how many real tokens went by."""

    def __init__(self, inner, report: Report):
        self.inner, self.report, self.training = inner, report, True

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        if self.training:
            self.report.tokens += sum(len(v) for r in rows for k, v in r.items() if k.endswith("input_ids"))
        return self.inner(rows)


def counted(trainer, report: Report):
    """The trainer, its collator counting what is learnt and not what is tested."""
    collator = CountingCollator(trainer.data_collator, report)
    trainer.data_collator, evaluate = collator, trainer.evaluate

    def quietly(*args, **kwargs):
        collator.training = False
        try:
            return evaluate(*args, **kwargs)
        finally:
            collator.training = True

    trainer.evaluate = quietly
    return trainer


def train(job: Job, trainer, summary: dict[str, Any]) -> None:
    """Baseline, training, ending. `summary` tells what became of the rows."""
    r = job.reporter
    print(f"prepared: {summary}", flush=True)
    trainer = counted(trainer, job.report)
    if job.dry:
        return dry_run_steps.measure(job, trainer)
    needs_validation(job, trainer, summary)
    if trainer.eval_dataset is not None and not job.resume:
        if not job.switchable:
            r.say(baseline=baseline(job, trainer, BASELINE_ROWS if job.settings["method"] == "full" else None))
    known = run_warnings.without_rows(paths.read_json(r.folder / "status.json", {}).get("warnings"))  # the plan's: now it is known
    warnings = run_warnings.add(known, run_warnings.of_rows(summary, job.settings.get("max_length")))
    r.say(prepared=summary, warnings=warnings, ready_seconds=round(time.monotonic() - job.began, 2))
    job.report.waited = time.time() - r.process.create_time()
    trainer.train(resume_from_checkpoint=str(job.resume) if job.resume else None)
    state = trainer.state
    stopped = r.stop_asked and state.global_step < state.max_steps
    restore_best(job, trainer)
    judge(job, trainer)
    finish(job, trainer, stopped, summary)


def needs_validation(job: Job, trainer, summary: dict[str, Any]) -> None:
    """DataError when rows were set aside for validation and none of them can be used: a run must not end as if it had been validated."""
    wanted = job.data.held_out
    if trainer.eval_dataset is not None or not wanted:
        return
    left = (summary.get("held_out") or {}).get("left_out") or {}
    why = max(left, key=left.get) if left else "none is left"
    raise DataError(
        f"None of the {wanted:,} validation rows can be used: {why}.",
        asked=f"{wanted:,} validation rows",
        available="validation rows that the model takes, or data without any (a held-out share of 0)",
        remedy=run_warnings.remedy_of(why),
        field="data",
    )


def restore_best(job: Job, trainer) -> None:
    """Load the best state whose checkpoint is whole, and say its figures; without one the last state stays, and `judge` evaluates it."""
    if trainer.eval_dataset is None:
        return
    r, said = job.reporter, job.report.best
    path, best = checkpoints.best_whole(r.folder) or (None, None)
    harmed = {checkpoints.step_of(c): "damaged" for c in runs.checkpoints(r.folder)}
    if lost := checkpoints.best_changed(said, best, harmed, ended=True):
        r.say(warnings=run_warnings.add(paths.read_json(r.folder / "status.json").get("warnings"), lost))
    if path is not None:
        trainer.state.best_model_checkpoint = str(path)
        trainer._load_best_model()
    r.say(best=best)


def baseline(job: Job, trainer, rows: int | None = None) -> dict[str, Any]:
    """Held-out loss and metrics before the tuning; not written among the run's own test results."""
    data, n = trainer.eval_dataset, len(trainer.eval_dataset)
    data = data if rows is None or n <= rows else data.select(range(rows))
    measured = trainer.evaluate(data, metric_key_prefix="baseline")
    out = numbers(measured, "baseline", job.report.names) | {"rows": int(measured.get("baseline_rows", len(data)))}
    return out | {"fresh_head": True} if job.fresh_head else out


def numbers(metrics: dict[str, float], prefix: str, names: tuple[str, ...]) -> dict[str, float | None]:
    """{"eval_loss", "accuracy", ...} of what a trainer measured under a prefix; None where it is no number."""
    found = {"eval_loss": metrics.get(f"{prefix}_loss")} | {n: metrics[f"{prefix}_{n}"] for n in names if f"{prefix}_{n}" in metrics}
    found |= scoring.of_loss(found["eval_loss"], names)
    return {k: float(v) if v is not None and math.isfinite(v) else None for k, v in found.items()}


def judge(job: Job, trainer) -> None:
    """The untuned model for comparison, and what is not yet known of the best state."""
    r, report = job.reporter, job.report
    if trainer.eval_dataset is None:
        return
    if job.switchable:
        with peft_methods.off(trainer.accelerator.unwrap_model(trainer.model)):
            r.say(baseline=baseline(job, trainer))
    best = paths.read_json(r.folder / "status.json", {}).get("best")
    if best and not set(report.names) - set(best):
        return
    found = numbers(trainer.evaluate(metric_key_prefix="final"), "final", report.names)
    best = {**found, "step": trainer.state.global_step} if not best else {**best, **{k: found.get(k) for k in report.names}}
    r.metrics(best["step"], {k: v for k, v in best.items() if k != "step" and v is not None})
    r.say(best=best)


def finish(job: Job, trainer, stopped: bool, summary: dict[str, Any]) -> None:
    """The best state into model/, the numbers into status.json, the ending last."""
    r, report, state = job.reporter, job.report, trainer.state
    save(job, trainer.accelerator.unwrap_model(trainer.model))
    progress = report.progress_of(state)
    took = memory_usage.peaks()
    r.say(measured={"peak_bytes": report.peak, **took, "seconds": progress["elapsed_seconds"], "tokens": report.tokens} | report.eta.seen())
    learn_pace(job.run, report)
    if not job.resume:  # of a resumed run this process has seen a part
        calibration.teach(job.run.plan, took, steps=state.global_step, epochs=state.epoch or 0.0, longest=summary.get("longest") or 0)
    model_card.write(job.run.path)
    (r.folder / "control").unlink(missing_ok=True)
    reason = "Stopped as asked; what was learnt is saved." if stopped else report.early
    r.say("stopped" if stopped else "finished", reason=reason, progress=progress | {"eta_seconds": 0, "eta_low": 0, "eta_high": 0})


def save(job: Job, model) -> None:
    """model/ whole or not at all."""
    new, final = job.run.path / "model.new", job.run.path / "model"
    shutil.rmtree(new, ignore_errors=True)
    model.config.use_cache = True
    peft_methods.save(model, new, job.settings)
    job.tokenizer.save_pretrained(new)
    if (new / "config.json").exists():
        multimodal.copy_processor(job.base, new)
    for name, document in job.notes.items():
        paths.write_json(new / name, document)
    if not list(new.glob("*.safetensors")):
        raise ModelError(
            "The trained weights were not written.", asked=str(new), available="safetensors", remedy="Look at the log, and resume the run."
        )
    (new / "README.md").unlink(missing_ok=True)  # PEFT's empty card; ours is written at the end
    shutil.rmtree(final, ignore_errors=True)
    new.rename(final)


def summary(train, held) -> dict[str, Any]:
    """What became of the rows, for status.json; of validation rows how many can be used, how many lost their ends, which are left out."""
    return train.summary() | {"held_out": {"rows": len(held), "cut": held.cut, "left_out": held.left_out}}


def learn_pace(run: runs.Run, report: Report) -> None:
    """Remember how fast this machine really was, for the next guess; a run that was planned before there were paces teaches nothing."""
    planned, steps = run.plan.get("pace"), report.eta.steps
    if planned and len(steps) >= ENOUGH:
        time_estimate.learn(planned["key"], statistics.fmean(steps) / planned["step"] * planned["factor"])
        device = planned["key"].rsplit("|", 2)[0]
        time_estimate.learn(f"{device}|{time_estimate.STARTED}", report.waited / planned["start"] * planned["started"])
