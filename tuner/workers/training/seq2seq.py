"""Sequence-to-sequence: `python -m tuner.workers.training.seq2seq RUN_DIR`. Translation, summarization, rewriting, on encoder-decoders (T5, BART).

The encoder reads the source, the decoder is trained to predict each token of the target. Validation rows are scored by their loss, and some
of them also by chrF of the text that the model generates (greedy).
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuner.evaluation import scoring
from tuner.settings import trainer_arguments
from tuner.workers.modelling.batches import Pad
from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.task_rows import text_pairs
from tuner.workers.tokenization.tokenized_rows import Rows
from tuner.workers.training import run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.trainer import TaskTrainer, token_losses

WRITTEN = 64  # validation rows that are generated
LIMIT = 60.0  # seconds of generation in one evaluation; then only the rows generated so far count
CHEAP = 5.0  # seconds of generation that are acceptable in every evaluation; slower generation is done at the end only


class Rewriter(TaskTrainer):
    """The trainer. An evaluation generates up to `WRITTEN` rows within `LIMIT`; `cost` is the duration of the last generation in seconds."""

    def __init__(self, job, model, train, validation):
        super().__init__(job, model, train, validation, Pad(job.tokenizer, trainer_arguments.multiple(job.settings), wide=("labels",)))
        self.cost = 0.0

    def forward(self, model, inputs):
        base = self.accelerator.unwrap_model(model)
        base = base.get_base_model() if hasattr(base, "get_base_model") else base
        labels = inputs["labels"]
        filled = labels.masked_fill(labels == IGNORED, base.config.pad_token_id)
        return super().forward(model, inputs | {"decoder_input_ids": shifted(base, labels, filled)})

    def losses(self, out, labels):
        return token_losses(out.logits[:, -labels.shape[1] :], labels)

    def guess(self, out, inputs):
        return inputs["labels"].new_zeros(len(inputs["labels"]))  # unused: texts are generated after the loss is known

    def measure(self, rows, guesses):
        if self.is_in_train and self.cost > CHEAP:
            return {}
        begun = time.monotonic()
        texts, golds = self.written(rows, begun + LIMIT)
        self.cost = time.monotonic() - begun
        return scoring.rewritten(texts, golds)

    def written(self, rows: Rows, until: float) -> tuple[list[str], list[str]]:
        """Return (generated texts, reference texts) of the first rows, in batches until the time is over; at least one batch."""
        n, texts, golds, tok = min(WRITTEN, len(rows)), [], [], self.processing_class
        model = self.accelerator.unwrap_model(self.model).eval()
        most = int(rows.columns["labels"].lengths()[:n].max())
        for at in range(0, n, size := self.args.per_device_eval_batch_size):
            some = [rows[i] for i in range(at, min(n, at + size))]
            batch = self._prepare_inputs({k: v for k, v in self.plain(some).items() if k in ("input_ids", "attention_mask")})
            with torch.no_grad(), self.compute_loss_context_manager():
                out = model.generate(**batch, max_new_tokens=most, do_sample=False, num_beams=1, use_cache=True)
            texts += tok.batch_decode(out, skip_special_tokens=True)
            golds += tok.batch_decode([r["labels"] for r in some], skip_special_tokens=True)
            if time.monotonic() > until:
                break
        return texts, golds

    @property
    def plain(self) -> Pad:
        """The collator without the token counter around it."""
        return getattr(self.data_collator, "inner", self.data_collator)


def shifted(model, labels: torch.Tensor, filled: torch.Tensor) -> torch.Tensor:
    """Return the decoder's input: the target shifted right, with the start token of the model family."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        return model.prepare_decoder_input_ids_from_labels(labels=labels)
    start = filled.new_full((len(filled), 1), model.config.decoder_start_token_id)
    return torch.cat([start, filled[:, :-1]], dim=1)


def summary(train: Rows, validation: Rows) -> dict[str, Any]:
    return run_loop.summary(train, validation) | {"learnt_tokens": int(np.sum(train.columns["labels"].lengths()))}


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    settings, kind = job.settings, job.data.kind
    train = text_pairs(job.tokenizer, job.values(False), kind, settings.max_length).needed(settings.max_length)
    validation = text_pairs(job.tokenizer, job.values(True), kind, settings.max_length)
    job.notes["task.json"] = {
        "objective": "seq2seq",
        "max_length": settings.max_length,
        "longest_target": int(train.columns["labels"].lengths().max()),
    }
    model = run_loop.build(job)
    run_loop.train(job, Rewriter(job, model, train, validation), summary(train, validation))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
