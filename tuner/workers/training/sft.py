"""Supervised fine-tuning with TRL's SFTTrainer: `python -m tuner.workers.training.sft RUN_DIR`. Chat (answers only) and plain text.

Reads config.yaml and plan.json, goes on from the newest whole checkpoint if there is one, and leaves model/ (the best
state, safetensors, tokenizer, card) and a true ending in status.json.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from transformers import Trainer
from trl import SFTConfig, SFTTrainer

from tuner.workers.tokenization.lm_rows import IGNORED, Prepared, prepare
from tuner.workers.training import run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.exact_eval_loss import ExactLoss
from tuner.workers.training.trainer import token_losses


class Exact(ExactLoss, SFTTrainer):
    """TRL's trainer; its validation loss is the mean over all trained tokens."""

    def units(self, inputs):
        return (inputs["labels"][:, 1:] != IGNORED).sum()


class OwnLoss(Exact):
    """The model's own head and loss, on the learnt positions alone, each times its row's weight.

    For CPUs, where TRL's fused head is emulated and scores prompts and padding too; and for rows that count differently, which it
    does not know. The sum over the learnt tokens divided by their number in the whole step is the same loss.
    """

    loss_is_scaled_for_ga = True

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"][:, 1:]
        learnt = labels != IGNORED
        positions = learnt.any(dim=0).nonzero().squeeze(1)
        some = {"logits_to_keep": positions} if keeps_some(self.accelerator.unwrap_model(model)) else {}
        out = model(input_ids=inputs["input_ids"], use_cache=False, **some)
        logits = out.logits if some else out.logits[:, -labels.shape[1] - 1 :][:, positions]  # invisible words stand before the text
        each = token_losses(logits, labels[:, positions])
        total = (each * inputs["weight"][:, None]).sum() if "weight" in inputs else each.sum()
        if num_items_in_batch is None:
            num_items_in_batch = learnt.sum() * (self.current_gradient_accumulation_steps if model.training else 1)
        loss = total / torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)
        return (loss, out) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        Trainer.log(self, logs, start_time)  # TRL's averages entropy and accuracy of its fused head, which is not used here


def arguments(s: dict[str, Any], steps: int, folder: Path, test: bool, *, keep: bool = False) -> SFTConfig:
    """What all workers ask for, and what only TRL knows; `keep` columns that it does not know."""
    return run_loop.arguments(
        s,
        steps,
        folder,
        test,
        kind=SFTConfig,
        pad_to_multiple_of=run_loop.multiple(s),
        max_length=s["max_length"] if s["packing"] else None,
        packing=s["packing"],
        eval_packing=False if s["packing"] else None,
        dataset_kwargs=None if s["packing"] else {"skip_prepare_dataset": True},
        prediction_loss_only=True,
        remove_unused_columns=not keep,
    )


def rows_of(job: run_loop.Job, held_out: bool) -> Prepared:
    """The rows as tokens, with a mark on each that is learnt."""
    s = job.settings
    return prepare(
        job.tokenizer,
        job.values(held_out),
        kind=job.data.kind,
        objective=s["objective"],
        max_length=s["max_length"],
        fold_system=bool(s.get("fold_system")),
        needed=not held_out,  # without a row to test with a run can still learn
    )


def as_dataset(p: Prepared) -> Dataset:
    """The rows without a copy of their tokens."""
    ends = pa.array(np.frombuffer(p.ends, np.int64).astype(np.int32) if len(p.ids) < 2**31 else np.frombuffer(p.ends, np.int64))
    made = pa.ListArray if len(p.ids) < 2**31 else pa.LargeListArray
    columns = {
        name: made.from_arrays(ends, pa.array(np.frombuffer(flat, np.int32))) for name, flat in (("input_ids", p.ids), ("labels", p.marks))
    }
    if p.weighted:
        columns["weight"] = pa.array(np.frombuffer(p.weights, np.float32))
    return Dataset(pa.table(columns))


def with_weights(collator):
    """TRL's collator, and beside its batch the `weight` [rows] of rows that count differently."""

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        weights = [r["weight"] for r in rows if "weight" in r]
        batch = collator([{k: v for k, v in r.items() if k != "weight"} for r in rows])
        return batch | {"weight": torch.tensor(weights)} if weights else batch

    return collate


def make_trainer(job: run_loop.Job, model, train: Prepared, held: Prepared) -> SFTTrainer:
    s = job.settings
    weighted = train.weighted or held.weighted
    own = s["device"] == "cpu" and not s["packing"]
    kind = OwnLoss if own or weighted else Exact
    whole = {n: p.data for n, p in model.named_parameters() if p.requires_grad}
    trainer = kind(
        model=model,
        args=arguments(s, job.run.plan["steps"], job.run.path, bool(len(held)), keep=weighted),
        train_dataset=as_dataset(train),
        eval_dataset=as_dataset(held) if len(held) else None,
        processing_class=job.tokenizer,
        callbacks=[job.report],
    )
    if kind is Exact and not s["packing"]:
        trainer.hook = model.register_forward_pre_hook(unmasked, with_kwargs=True)
    for name, parameter in model.named_parameters():  # beside packed weights TRL makes them bf16, which loses small steps; resumed, PEFT
        if name in whole:  # would make them fp32 again
            parameter.data = whole[name]
    if weighted:
        trainer.data_collator = with_weights(trainer.data_collator)
    return trainer


def unmasked(model, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Rows are padded at their end, where a decoder never looks from before: without a mask attention takes its causal kernel, which is
    faster, keeps no mask for each layer and writes no grouped keys out."""
    return args, {k: v for k, v in kwargs.items() if k != "attention_mask"}


def keeps_some(model) -> bool:
    """Whether the head can be asked for some positions alone: not where invisible words move them all."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    moved = getattr(model, "peft_type", None) in ("PROMPT_TUNING", "P_TUNING")
    return "logits_to_keep" in inspect.signature(inner.forward).parameters and not moved


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    train, held = rows_of(job, False), rows_of(job, True)
    model = run_loop.build(job)
    trainer = make_trainer(job, model, train, held)
    run_loop.train(job, trainer, run_loop.summary(train, held))
    if hasattr(trainer, "hook"):  # the model is itself again
        trainer.hook.remove()


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
