"""Exact validation loss: one mean over all units, independent of how the rows are split into batches.

transformers averages the means of batches and counts a short last batch like a full one, so the same weights get a different loss with
another micro-batch. Here each batch contributes its sum and its number of units: trained tokens for language models, pairs for preferences.
"""

from typing import Any

import torch
from transformers import Trainer


class ExactLoss:
    """A mixin for TRL's trainers. `unpaired`: the loss of a batch is not a mean over its rows, so each row is evaluated alone."""

    unpaired = False

    def units(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor | int:
        """Return the number of units that the loss of this batch averages."""
        raise NotImplementedError

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        real = self.real_rows()
        parts = rows_of(inputs) if self.unpaired else [inputs]
        parts = parts if real is None else self.first(inputs, real)
        if not parts:
            return torch.zeros((), device=self.accelerator.device), None, None
        losses = [super(ExactLoss, self).prediction_step(model, part, True, ignore_keys)[0] for part in parts]
        self.seen = [*getattr(self, "seen", []), *((loss.detach(), self.units(part)) for loss, part in zip(losses, parts, strict=True))]
        return torch.stack(losses).mean(), None, None

    def first(self, inputs: dict[str, torch.Tensor], rows: int) -> list[dict[str, torch.Tensor]]:
        """Return the first rows of a batch, as batches of their own."""
        return [{k: v[:rows] if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}] if rows else []

    def real_rows(self) -> int | None:
        """Return how many rows of this process's batch are validation rows, where it is not all of them: with several processes accelerate fills
        the last batches up with rows from the beginning, which would count twice."""
        if self.accelerator.num_processes == 1:
            return None
        number, self.batch_number = self.batch_number, self.batch_number + 1
        each = self.total_batch // self.accelerator.num_processes
        left = self.total_rows - number * self.total_batch - self.accelerator.process_index * each
        return None if left >= each else max(0, left)

    def evaluation_loop(self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"):
        self.seen: list[tuple[torch.Tensor, torch.Tensor | int]] = []
        self.batch_number, self.total_rows = 0, len(dataloader.dataset)
        self.total_batch = getattr(dataloader, "total_batch_size", dataloader.batch_size)
        out = Trainer.evaluation_loop(self, dataloader, description, True, ignore_keys, metric_key_prefix)
        out.metrics[f"{metric_key_prefix}_loss"] = self.mean(self.seen)
        return out

    def mean(self, seen: list[tuple[torch.Tensor, torch.Tensor | int]]) -> float:
        """Return the mean of (mean loss, units) of batches, over all processes; batches without units don't count."""
        found = [(float(loss), int(n)) for loss, n in seen if int(n)]
        sums = torch.tensor([sum(loss * n for loss, n in found), sum(n for _, n in found)], dtype=torch.float64)
        if self.accelerator.num_processes > 1:
            sums = self.accelerator.reduce(sums.float().to(self.accelerator.device), "sum").double().cpu()
        return float(sums[0] / sums[1].clamp(min=1))


def rows_of(inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Split a batch of pairs into batches of one pair. Columns are [pairs, ...], or [all chosen rows, then all rejected rows, ...]."""
    sizes = {len(v) for v in inputs.values() if isinstance(v, torch.Tensor)}
    n = min(sizes) if len(sizes) > 1 or "chosen_input_ids" in inputs else min(sizes) // 2
    return [{k: v[i::n] if isinstance(v, torch.Tensor) else v for k, v in inputs.items()} for i in range(n)]
