"""The trainer of all objectives other than chat and text: rows in flat arrays, batches of similar length, one exact loss, the objective's metrics.

A unit is anything with a loss of its own: a text's label, a word's tag, the start or the end of an answer, a target token. The loss of a step
is the sum over its units, each times the weight of its row, divided by their number, however the step is split into micro-batches.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler
from transformers import Trainer

from tuner.workers.modelling.batches import Pad
from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.tokenized_rows import Rows
from tuner.workers.training import run_loop

TOGETHER = 50  # batches that are sorted by length together: less padding, and still random


class LengthGroupedSampler(Sampler):
    """A sampler that puts rows of similar length into one batch. The order of batches is random and depends on seed and epoch only, so a resumed
    run continues where it was. The longest batch comes first, so that a run that doesn't fit fails at once."""

    def __init__(self, lengths: np.ndarray, batch: int, seed: int):
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order, size = rng.permutation(len(self.lengths)), self.batch * TOGETHER
        parts = [p[np.argsort(-self.lengths[p], kind="stable")] for p in (order[i : i + size] for i in range(0, len(order), size))]
        order = np.concatenate(parts) if parts else order
        whole = len(order) // self.batch * self.batch
        batches = order[:whole].reshape(-1, self.batch)
        if len(batches):
            batches = batches[rng.permutation(len(batches))]
            first = self.lengths[batches].max(axis=1).argmax()
            batches[[0, first]] = batches[[first, 0]]
        return iter([*batches.flatten().tolist(), *order[whole:].tolist()])


def token_losses(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Return the cross-entropy of each label [rows, length] from logits [rows, length, classes]; 0 where a label is IGNORED.

    On flat tensors: on a CPU the kernel for [rows, classes, length] is several times slower (bench/cross_entropy.py).
    """
    flat = torch.nn.functional.cross_entropy(
        logits.float().reshape(-1, logits.shape[-1]), labels.reshape(-1), weight=weight, ignore_index=IGNORED, reduction="none"
    )
    return flat.view(labels.shape)


class TaskTrainer(Trainer):
    """Base class of the trainers. A subclass defines the `losses` of the units, the `guess` (prediction) of each row (small: it is kept for all
    validation rows) and the metrics (`measure`). `aside` are columns of a batch that the model does not take."""

    aside: tuple[str, ...] = ()
    loss_is_scaled_for_ga = True

    def __init__(self, job: run_loop.Job, model, train: Rows, validation: Rows, pad: Pad, **more: Any):
        settings = job.settings
        checkpointing = {"gradient_checkpointing_kwargs": {"use_reentrant": False}} if settings.gradient_checkpointing else {}
        super().__init__(
            model=model,
            args=run_loop.arguments(
                settings, job.run.plan["steps"], job.run.path, bool(len(validation)), remove_unused_columns=False, **checkpointing
            ),
            train_dataset=train,
            eval_dataset=validation if len(validation) else None,
            data_collator=pad,
            processing_class=job.tokenizer,
            callbacks=[job.report],
            **more,
        )
        self.grouped_by = job.run.plan.get("grouped_by") or settings.micro_batch  # the planned one: less memory must not change the order
        self.model_accepts_loss_kwargs, self._loss_shifts_labels = True, False  # units are counted over the whole step

    def losses(self, out, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of each unit, in the shape of `labels`; 0 where they are IGNORED."""
        raise NotImplementedError

    def guess(self, out, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the model's predictions, [rows, ...]."""
        raise NotImplementedError

    def measure(self, rows: Rows, guesses: np.ndarray) -> dict[str, float]:
        raise NotImplementedError

    def forward(self, model, inputs: dict[str, torch.Tensor]):
        """Return (the model's output, the loss of each unit times the weight of its row)."""
        out = model(**{k: v for k, v in inputs.items() if k not in ("labels", "weight", *self.aside)})
        losses = self.losses(out, inputs["labels"])
        weight = inputs["weight"].to(losses.dtype).view(-1, *[1] * (losses.dim() - 1))
        return out, losses * weight

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        out, losses = self.forward(model, inputs)
        if num_items_in_batch is None:
            num_items_in_batch = inputs["labels"].ne(IGNORED).sum()
        elif self.args.average_tokens_across_devices:
            losses = losses * self.accelerator.num_processes  # the units of all ranks were counted, and ranks are averaged
        loss = losses.sum() / torch.as_tensor(num_items_in_batch, device=losses.device).clamp(min=1)
        return (loss, out) if return_outputs else loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Return sums and numbers of units per row instead of a loss per batch, so that the validation loss is exact."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            out, losses = self.forward(model, inputs)
            guess = self.guess(out, inputs)
        rows = len(losses)
        return None, (losses.view(rows, -1).sum(1), inputs["labels"].ne(IGNORED).view(rows, -1).sum(1), guess), None

    def evaluation_loop(self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"):
        out = super().evaluation_loop(dataloader, description, False, ignore_keys, metric_key_prefix)
        sums, units, guesses = out.predictions
        order = np.argsort(by_length(dataloader.dataset), kind="stable")
        found = {"loss": float(sums.sum(dtype=np.float64) / max(1, units.sum())), **self.measure(dataloader.dataset, guesses[order])}
        out.metrics.update({f"{metric_key_prefix}_{k}": v for k, v in found.items()})
        return out

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        rows = train_dataset if train_dataset is not None else self.train_dataset
        return LengthGroupedSampler(rows.lengths(), self.grouped_by, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Rows):
        return by_length(eval_dataset).tolist()


def by_length(rows: Rows) -> np.ndarray:
    """Return the indices of rows, the longest first."""
    return np.argsort(-rows.lengths(), kind="stable")
