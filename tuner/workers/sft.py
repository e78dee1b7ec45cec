"""Supervised fine-tuning with TRL's SFTTrainer: `python -m tuner.workers.sft RUN_DIR`. Chat (answers only) and plain text.

Reads config.yaml and plan.json, goes on from the newest whole checkpoint if there is one, and leaves model/ (the best
state, safetensors, tokenizer, card) and a true ending in status.json.
"""

import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from transformers import Trainer
from trl import SFTConfig, SFTTrainer

from tuner import card, lengths, models, paths, runs
from tuner.data import store
from tuner.errors import ModelError
from tuner.paths import Workspace
from tuner.workers import load
from tuner.workers.prepare import IGNORED, Prepared, prepare
from tuner.workers.report import Report, Reporter, guarded, leave

BASELINE_ROWS = 64  # of a full run, whose untuned self is gone at the end


class OwnLoss(SFTTrainer):
    """The model's own head and loss, on the learnt positions alone.

    For CPUs: TRL's fused head is emulated there, and scores prompts and padding too. The sum over the learnt tokens
    divided by their number in the whole step is the same loss.
    """

    loss_is_scaled_for_ga = True

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"][:, 1:]
        learnt = labels != IGNORED
        positions = learnt.any(dim=0).nonzero().squeeze(1)
        out = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False, logits_to_keep=positions)
        total = torch.nn.functional.cross_entropy(
            out.logits.float().flatten(0, 1), labels[:, positions].flatten(), ignore_index=IGNORED, reduction="sum"
        )
        if num_items_in_batch is None:
            num_items_in_batch = learnt.sum() * (self.current_gradient_accumulation_steps if model.training else 1)
        loss = total / torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)
        return (loss, out) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        Trainer.log(self, logs, start_time)  # TRL's averages entropy and accuracy of its fused head, which is not used here


class CountingCollator:
    """TRL's collator; tells the report how many real tokens went by."""

    def __init__(self, inner, report: Report):
        self.inner, self.report, self.training = inner, report, True

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        if self.training:
            self.report.tokens += sum(len(r["input_ids"]) for r in rows)
        return self.inner(rows)


def arguments(s: dict[str, Any], steps: int, folder: Path, test: bool) -> SFTConfig:
    """The plan's settings in the words of TRL; nothing is left to its defaults that the plan decides."""
    cpu = s["device"] == "cpu"
    return SFTConfig(
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
        optim={"adamw": "adamw_torch", "adamw_8bit": "adamw_8bit", "adafactor": "adafactor"}[s["optimizer"]],
        bf16=not cpu and (s["precision"] == "bf16" or torch.cuda.is_available()),
        use_cpu=cpu,
        gradient_checkpointing=s["gradient_checkpointing"],
        pad_to_multiple_of=32 if cpu and s["precision"] == "bf16" else None,  # oneDNN compiles a kernel for every new length
        max_length=s["max_length"] if s["packing"] else None,
        packing=s["packing"],
        eval_packing=False if s["packing"] else None,
        dataset_kwargs=None if s["packing"] else {"skip_prepare_dataset": True},
        eval_strategy="steps" if test else "no",
        eval_steps=s["eval_steps"],
        save_strategy="steps",
        save_steps=s["save_steps"],
        save_total_limit=s["keep_checkpoints"],
        load_best_model_at_end=test,
        metric_for_best_model="eval_loss" if test else None,
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=not cpu,
        prediction_loss_only=True,
    )


def rows_of(ws: Workspace, ref: str, tokenizer, s: dict[str, Any], held_out: bool) -> Prepared:
    ds = store.get(ws, ref)
    return prepare(
        tokenizer,
        (r["value"] for r in store.iterate(ds, held_out=held_out)),
        kind=ds.kind,
        objective=s["objective"],
        max_length=s["max_length"],
        needed=not held_out,  # without a row to test with a run can still learn
    )


def as_dataset(p: Prepared) -> Dataset:
    """The rows without a copy of their tokens."""
    ends = pa.array(np.frombuffer(p.ends, np.int64).astype(np.int32) if len(p.ids) < 2**31 else np.frombuffer(p.ends, np.int64))
    made = pa.ListArray if len(p.ids) < 2**31 else pa.LargeListArray
    columns = {
        name: made.from_arrays(ends, pa.array(np.frombuffer(flat, np.int32))) for name, flat in (("input_ids", p.ids), ("labels", p.marks))
    }
    return Dataset(pa.table(columns))


def work(r: Reporter) -> None:
    ws = Workspace(r.folder.parents[2], r.folder.parents[1].name)
    run = runs.get(ws, r.folder.name)
    s, about = run.plan["settings"], run.plan["model"]
    began = time.monotonic()
    r.say("preparing", reason="Loading the model.", error=None)
    load.use_cores()
    base = load.local_folder(about["base"])
    if about["kind"] == "hub" and about["revision"] is None:  # downloaded for this run: now it is known which revision it is
        about["revision"] = base.name
        paths.write_json(r.folder / "plan.json", run.plan)
    tokenizer = load.tokenizer(base)
    train, held = rows_of(ws, run.config["data"], tokenizer, s, False), rows_of(ws, run.config["data"], tokenizer, s, True)
    print(f"prepared: {train.summary()}", flush=True)
    model = load.base_model(base, s["precision"], s["device"])
    start = Path(about["adapter"]) if about.get("adapter") else None
    if s["method"] == "lora":
        model = load.with_adapter(model, s, models.folder_facts(base), start)
    elif start is not None:
        model = load.with_adapter(model, s, models.folder_facts(base), start).merge_and_unload()
    model.config.use_cache = False

    resume = good_checkpoint(r.folder)
    report = Report(r, elapsed_before=(run.progress.get("elapsed_seconds") or 0.0) if resume else 0.0)
    trainer = make_trainer(model, tokenizer, s, run.plan["steps"], r.folder, train, held, report)
    if s["method"] == "full" and len(held) and not resume:
        r.say(baseline={"eval_loss": baseline(trainer, held, rows=BASELINE_ROWS), "rows": min(BASELINE_ROWS, len(held))})
    if (
        start is not None and s["method"] == "lora" and not resume
    ):  # the adapter switched off would be the base, not what the run began with
        r.say(baseline={"eval_loss": baseline(trainer, held), "rows": len(held)})
    r.say(prepared=train.summary(), ready_seconds=round(time.monotonic() - began, 2))
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    finish(r, run, trainer, tokenizer, report, held, start)


def good_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; half-written ones beside it are removed, so that nothing ever chooses them."""
    good = runs.newest_whole_checkpoint(folder)
    for checkpoint in runs.checkpoints(folder):
        if checkpoint != good and not runs.is_whole(checkpoint):
            print(f"{checkpoint.name} is incomplete and is left out", flush=True)
            shutil.rmtree(checkpoint)
    return good


def make_trainer(
    model, tokenizer, s: dict[str, Any], steps: int, folder: Path, train: Prepared, held: Prepared, report: Report
) -> SFTTrainer:
    own = s["device"] == "cpu" and not s["packing"] and "logits_to_keep" in inner_forward(model)
    kind = OwnLoss if own else SFTTrainer
    trainer = kind(
        model=model,
        args=arguments(s, steps, folder, bool(len(held))),
        train_dataset=as_dataset(train),
        eval_dataset=as_dataset(held) if len(held) else None,
        processing_class=tokenizer,
        callbacks=[report],
    )
    collator = CountingCollator(trainer.data_collator, report)
    trainer.data_collator = collator
    evaluate = trainer.evaluate

    def quietly(*args, **kwargs):
        collator.training = False
        try:
            return evaluate(*args, **kwargs)
        finally:
            collator.training = True

    trainer.evaluate = quietly
    return trainer


def inner_forward(model) -> set[str]:
    import inspect

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inspect.signature(inner.forward).parameters)


def baseline(trainer: SFTTrainer, held: Prepared, rows: int | None = None) -> float | None:
    """Held-out loss before the tuning; not written among the run's own test results."""
    if not len(held):
        return None
    data = trainer.eval_dataset.select(range(min(rows or len(held), len(held))))
    loss = trainer.evaluate(data, metric_key_prefix="baseline")["baseline_loss"]
    return float(loss) if math.isfinite(loss) else None


def finish(r: Reporter, run: runs.Run, trainer: SFTTrainer, tokenizer, report: Report, held: Prepared, start: Path | None) -> None:
    """The best state into model/, the numbers into status.json, the ending last."""
    s = run.plan["settings"]
    state = trainer.state
    stopped = r.stop_asked and state.global_step < state.max_steps
    model = trainer.accelerator.unwrap_model(trainer.model)
    status = paths.read_json(r.folder / "status.json", {})
    if s["method"] == "lora" and start is None and len(held):
        with model.disable_adapter():
            r.say(baseline={"eval_loss": baseline(trainer, held), "rows": len(held)})
    if not status.get("best") and len(held):
        loss = trainer.evaluate()["eval_loss"]
        r.say(best={"eval_loss": float(loss), "step": state.global_step})
    save(r, run, model, tokenizer)
    elapsed = report.progress_of(state)["elapsed_seconds"]
    r.say(measured={"peak_bytes": report.peak, "seconds": elapsed, "tokens": report.tokens})
    learn(run, report, state)
    card.write(run.path)
    done = {
        "step": state.global_step,
        "steps": state.max_steps,
        "epoch": round(state.epoch or 0, 3),
        "eta_seconds": 0,
        "elapsed_seconds": elapsed,
    }
    (r.folder / "control").unlink(missing_ok=True)
    r.say("stopped" if stopped else "finished", reason="Stopped as asked; what was learnt is saved." if stopped else None, progress=done)


def save(r: Reporter, run: runs.Run, model, tokenizer) -> None:
    """model/ whole or not at all; full runs in the width the base was stored in."""
    new, final = r.folder / "model.new", r.folder / "model"
    shutil.rmtree(new, ignore_errors=True)
    if run.plan["settings"]["method"] == "full" and run.plan["model"]["bytes_per_weight"] == 2:
        model = model.to(torch.bfloat16)
    model.config.use_cache = True
    model.save_pretrained(new)
    tokenizer.save_pretrained(new)
    if not list(new.glob("*.safetensors")):
        raise ModelError(
            "The trained weights were not written.", asked=str(new), available="safetensors", remedy="Look at the log, and resume the run."
        )
    (new / "README.md").unlink(missing_ok=True)  # PEFT's empty card; ours is written at the end
    shutil.rmtree(final, ignore_errors=True)
    new.rename(final)


def learn(run: runs.Run, report: Report, state) -> None:
    """Remember how fast this machine really was, for the next guess."""
    guessed = run.plan["seconds"] - 8
    steps = state.global_step - getattr(report, "first_step", 0)
    if steps >= 10 and guessed > 0 and run.plan["steps"]:
        true = (time.monotonic() - report.began) / steps
        lengths.learn_speed(run.plan["device_name"], lengths.learned_speed(run.plan["device_name"]) * (guessed / run.plan["steps"]) / true)


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
