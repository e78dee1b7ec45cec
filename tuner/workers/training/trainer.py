"""The trainer of all that is not chat or text: rows in flat arrays, batches of like length, one exact loss, and the objective's metrics.

A unit is what one loss is counted for: a text's label, a word's tag, the begin or the end of an answer, a target token. The loss of a
step is the sum over its units, each times its row's weight, divided by their number, however the step is cut into batches.
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

TOGETHER = 50  # batches that are sorted by length at once: less padding, and still chance


class ByLength(Sampler):
    """Rows of like length in one batch, batches in an order of chance that depends on seed and epoch alone: a resumed run reads on
    where it was. The longest batch comes first, so that too little memory shows at once."""

    def __init__(self, lengths: np.ndarray, batch: int, seed: int):
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        chance = np.random.default_rng((self.seed, self.epoch))
        order, size = chance.permutation(len(self.lengths)), self.batch * TOGETHER
        parts = [p[np.argsort(-self.lengths[p], kind="stable")] for p in (order[i : i + size] for i in range(0, len(order), size))]
        order = np.concatenate(parts) if parts else order
        whole = len(order) // self.batch * self.batch
        batches = order[:whole].reshape(-1, self.batch)
        if len(batches):
            batches = batches[chance.permutation(len(batches))]
            first = self.lengths[batches].max(axis=1).argmax()
            batches[[0, first]] = batches[[first, 0]]
        return iter([*batches.flatten().tolist(), *order[whole:].tolist()])


def token_losses(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """The cross-entropy of each label [rows, length] from logits [rows, length, classes]; 0 where a label is IGNORED.

    On flat tensors: on a CPU the kernel for [rows, classes, length] is several times slower (bench/cross_entropy.py).
    """
    flat = torch.nn.functional.cross_entropy(
        logits.float().reshape(-1, logits.shape[-1]), labels.reshape(-1), weight=weight, ignore_index=IGNORED, reduction="none"
    )
    return flat.view(labels.shape)


class Learner(Trainer):
    """What a worker says: `losses` of the units, the `guess` of each row (small: it is kept for all held-out rows) and what
    they `measure`. `aside` are columns of a batch that the model does not take."""

    aside: tuple[str, ...] = ()
    loss_is_scaled_for_ga = True

    def __init__(self, job: run_loop.Job, model, train: Rows, held: Rows, pad: Pad, **more: Any):
        s = job.settings
        checkpointing = {"gradient_checkpointing_kwargs": {"use_reentrant": False}} if s["gradient_checkpointing"] else {}
        super().__init__(
            model=model,
            args=run_loop.arguments(s, job.run.plan["steps"], job.run.path, bool(len(held)), remove_unused_columns=False, **checkpointing),
            train_dataset=train,
            eval_dataset=held if len(held) else None,
            data_collator=pad,
            processing_class=job.tokenizer,
            callbacks=[job.report],
            **more,
        )
        self.model_accepts_loss_kwargs, self._loss_shifts_labels = True, False  # units are counted over the whole step

    def losses(self, out, labels: torch.Tensor) -> torch.Tensor:
        """The loss of each unit, in the shape of `labels`; 0 where they are IGNORED."""
        raise NotImplementedError

    def guess(self, out, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """[rows, ...] of what the model answers."""
        raise NotImplementedError

    def measure(self, rows: Rows, guesses: np.ndarray) -> dict[str, float]:
        raise NotImplementedError

    def forward(self, model, inputs: dict[str, torch.Tensor]):
        """(what the model says, the loss of each unit times its row's weight)"""
        kept = {k: v for k, v in inputs.items() if k not in ("labels", "weight", *self.aside)}
        out = model(**kept)
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
        """Sums and numbers of units by row instead of a loss by batch, so that the held-out loss is exact."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            out, losses = self.forward(model, inputs)
            guess = self.guess(out, inputs)
        rows = len(losses)
        return None, (losses.view(rows, -1).sum(1), inputs["labels"].ne(IGNORED).view(rows, -1).sum(1), guess), None

    def evaluation_loop(self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"):
        out = super().evaluation_loop(dataloader, description, False, ignore_keys, metric_key_prefix)
        sums, units, guesses = out.predictions
        back = np.argsort(by_length(dataloader.dataset), kind="stable")
        found = {"loss": float(sums.sum(dtype=np.float64) / max(1, units.sum())), **self.measure(dataloader.dataset, guesses[back])}
        out.metrics.update({f"{metric_key_prefix}_{k}": v for k, v in found.items()})
        return out

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        rows = train_dataset if train_dataset is not None else self.train_dataset
        return ByLength(rows.lengths(), self.args.per_device_train_batch_size, self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Rows):
        return by_length(eval_dataset).tolist()


def by_length(rows: Rows) -> np.ndarray:
    """The places of rows, the longest first."""
    return np.argsort(-rows.lengths(), kind="stable")
