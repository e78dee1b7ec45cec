"""Supervised fine-tuning with TRL's SFTTrainer: `python -m tuner.workers.training.sft RUN_DIR`. Chat (trained on answers only) and plain text.

Reads config.yaml and plan.json, resumes from the newest undamaged checkpoint if there is one, and writes model/ (the best checkpoint as
safetensors, tokenizer, model card) and the final state in status.json.
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

from tuner.settings import trainer_arguments
from tuner.settings.run_config import Settings
from tuner.workers.tokenization.lm_rows import IGNORED, Prepared, prepare
from tuner.workers.training import run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.exact_eval_loss import ExactLoss
from tuner.workers.training.trainer import token_losses


class Exact(ExactLoss, SFTTrainer):
    """TRL's trainer with a validation loss that is the mean over all trained tokens."""

    def units(self, inputs):
        return (inputs["labels"][:, 1:] != IGNORED).sum()


class OwnLoss(Exact):
    """A trainer that uses the model's own head and loss, on the trained positions only, each times the weight of its row.

    For CPUs, where TRL's fused head is emulated and computes prompts and padding too; and for weighted rows, which TRL does not support.
    The sum over the trained tokens divided by their number in the whole step is the same loss.
    """

    loss_is_scaled_for_ga = True

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"][:, 1:]
        trained = labels != IGNORED
        positions = trained.any(dim=0).nonzero().squeeze(1)
        some = {"logits_to_keep": positions} if keeps_some(self.accelerator.unwrap_model(model)) else {}
        out = model(input_ids=inputs["input_ids"], use_cache=False, **some)
        logits = out.logits if some else out.logits[:, -labels.shape[1] - 1 :][:, positions]  # virtual tokens precede the text
        losses = token_losses(logits, labels[:, positions])
        total = (losses * inputs["weight"][:, None]).sum() if "weight" in inputs else losses.sum()
        if num_items_in_batch is None:
            num_items_in_batch = trained.sum() * (self.current_gradient_accumulation_steps if model.training else 1)
        elif self.args.average_tokens_across_devices:
            total = total * self.accelerator.num_processes  # the tokens of all ranks were counted, and ranks are averaged
        loss = total / torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)
        return (loss, out) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        Trainer.log(self, logs, start_time)  # TRL's log averages entropy and accuracy of its fused head, which is not used here


def arguments(settings: Settings, steps: int, folder: Path, test: bool, *, keep: bool = False) -> SFTConfig:
    """Return the arguments of all workers and those of SFTConfig; `keep` columns that TRL does not know."""
    return run_loop.arguments(
        settings,
        steps,
        folder,
        test,
        kind=SFTConfig,
        pad_to_multiple_of=trainer_arguments.multiple(settings),
        max_length=settings.max_length if settings.packing else None,
        packing=settings.packing,
        eval_packing=False if settings.packing else None,
        dataset_kwargs=None if settings.packing else {"skip_prepare_dataset": True},
        prediction_loss_only=True,
        remove_unused_columns=not keep,
    )


def rows_of(job: run_loop.Job, held_out: bool) -> Prepared:
    """Return the rows as tokens, with labels on the trained ones."""
    settings = job.settings
    return prepare(
        job.tokenizer,
        job.values(held_out),
        kind=job.data.kind,
        objective=settings.objective,
        max_length=settings.max_length,
        fold_system=settings.fold_system,
        needed=not held_out,  # a run can train without validation rows
    )


def as_dataset(rows: Prepared) -> Dataset:
    """Return the rows as a `datasets.Dataset`, without copying the tokens."""
    ends = pa.array(np.frombuffer(rows.ends, np.int64).astype(np.int32) if len(rows.ids) < 2**31 else np.frombuffer(rows.ends, np.int64))
    list_type = pa.ListArray if len(rows.ids) < 2**31 else pa.LargeListArray
    columns = {
        name: list_type.from_arrays(ends, pa.array(np.frombuffer(flat, np.int32)))
        for name, flat in (("input_ids", rows.ids), ("labels", rows.marks))
    }
    if rows.weighted:
        columns["weight"] = pa.array(np.frombuffer(rows.weights, np.float32))
    return Dataset(pa.table(columns))


def with_weights(collator):
    """Return TRL's collator, extended by the `weight` [rows] of weighted rows."""

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        weights = [r["weight"] for r in rows if "weight" in r]
        batch = collator([{k: v for k, v in r.items() if k != "weight"} for r in rows])
        return batch | {"weight": torch.tensor(weights)} if weights else batch

    return collate


def make_trainer(job: run_loop.Job, model, train: Prepared, validation: Prepared) -> SFTTrainer:
    settings = job.settings
    weighted = train.weighted or validation.weighted
    own = settings.device == "cpu" and not settings.packing
    kind = OwnLoss if own or weighted else Exact
    whole = {n: p.data for n, p in model.named_parameters() if p.requires_grad}
    trainer = kind(
        model=model,
        args=arguments(settings, job.run.plan["steps"], job.run.path, bool(len(validation)), keep=weighted),
        train_dataset=as_dataset(train),
        eval_dataset=as_dataset(validation) if len(validation) else None,
        processing_class=job.tokenizer,
        callbacks=[job.report],
    )
    if kind is Exact and not settings.packing:
        trainer.hook = model.register_forward_pre_hook(unmasked, with_kwargs=True)
    # with quantized weights TRL casts them to bf16, which loses small updates; on resume, PEFT would cast them to fp32 again
    for name, parameter in model.named_parameters():
        if name in whole:
            parameter.data = whole[name]
    if weighted:
        trainer.data_collator = with_weights(trainer.data_collator)
    return trainer


def unmasked(model, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Remove the attention mask from a model call. Rows are right-padded, and causal attention never looks ahead: without a mask SDPA uses its
    causal kernel, which is faster, keeps no mask per layer and does not repeat keys for grouped-query attention."""
    return args, {k: v for k, v in kwargs.items() if k != "attention_mask"}


def keeps_some(model) -> bool:
    """Return whether logits can be computed for some positions only: not where virtual tokens shift them all."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    moved = getattr(model, "peft_type", None) in ("PROMPT_TUNING", "P_TUNING")
    return "logits_to_keep" in inspect.signature(inner.forward).parameters and not moved


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    train, validation = rows_of(job, False), rows_of(job, True)
    model = run_loop.build(job)
    trainer = make_trainer(job, model, train, validation)
    run_loop.train(job, trainer, run_loop.summary(train, validation))
    if hasattr(trainer, "hook"):  # restore the model's own forward
        trainer.hook.remove()


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
