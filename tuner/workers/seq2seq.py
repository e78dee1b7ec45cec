"""One text from another: `python -m tuner.workers.seq2seq RUN_DIR`. Translation, summaries, rewriting, on encoder-decoders (T5, BART).

The encoder reads the source, the decoder learns each token of the target after those before it. Held-out rows are judged by their loss,
and some of them by what the model writes by itself (greedy), as chrF.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuner import scoring
from tuner.workers import learn
from tuner.workers.learner import Learner, Pad, Rows, batched, token_losses, weight_of
from tuner.workers.prepare import IGNORED
from tuner.workers.report import Reporter, guarded, leave

WRITTEN = 64  # held-out rows that are written
LIMIT = 60.0  # seconds of writing in one test, after which those written by then count
CHEAP = 5.0  # seconds of writing that are spent again in every test; what took longer is done at the end only


def source_of(messages: list[dict]) -> str:
    """A conversation as a source: a single question as it is, else a line for each turn."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"] or ""
    return "\n".join(f"{m['role']}: {m['content'] or ''}" for m in messages)


def as_pair(value: dict, kind: str) -> tuple[str, str]:
    """(source, target) of a canonical row; of a conversation the last answer that is to be learnt, and what came before it."""
    if kind == "seq2seq":
        return value["source"], value["target"]
    messages = value["messages"]
    said = [i for i, m in enumerate(messages) if m["role"] == "assistant" and m.get("weight", 1)]
    return (source_of(messages[: said[-1]]), messages[said[-1]]["content"] or "") if said else ("", "")


class Rewriter(Learner):
    """Tests write `WRITTEN` rows as well as they can in time; `cost` is how long the last writing took, in seconds."""

    def __init__(self, job, model, train, held):
        super().__init__(job, model, train, held, Pad(job.tokenizer, learn.multiple(job.settings), wide=("labels",)))
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
        return inputs["labels"].new_zeros(len(inputs["labels"]))  # what is guessed is written after the loss is known

    def measure(self, rows, guesses):
        if self.is_in_train and self.cost > CHEAP:
            return {}
        begun = time.monotonic()
        said, golds = self.written(rows, begun + LIMIT)
        self.cost = time.monotonic() - begun
        return scoring.rewritten(said, golds)

    def written(self, rows: Rows, until: float) -> tuple[list[str], list[str]]:
        """(what the model writes, what is right) of the first rows, in batches until the time is over; one batch at least."""
        n, said, golds, tok = min(WRITTEN, len(rows)), [], [], self.processing_class
        model = self.accelerator.unwrap_model(self.model).eval()
        most = int(rows.columns["labels"].lengths()[:n].max())
        for at in range(0, n, size := self.args.per_device_eval_batch_size):
            some = [rows[i] for i in range(at, min(n, at + size))]
            batch = self._prepare_inputs({k: v for k, v in self.plain(some).items() if k in ("input_ids", "attention_mask")})
            with torch.no_grad(), self.compute_loss_context_manager():
                out = model.generate(**batch, max_new_tokens=most, do_sample=False, num_beams=1, use_cache=True)
            said += tok.batch_decode(out, skip_special_tokens=True)
            golds += tok.batch_decode([r["labels"] for r in some], skip_special_tokens=True)
            if time.monotonic() > until:
                break
        return said, golds

    @property
    def plain(self) -> Pad:
        """The collator without the counting around it."""
        return getattr(self.data_collator, "inner", self.data_collator)


def shifted(model, labels: torch.Tensor, filled: torch.Tensor) -> torch.Tensor:
    """What the decoder reads: the target one place later, begun in the way of its family."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        return model.prepare_decoder_input_ids_from_labels(labels=labels)
    start = filled.new_full((len(filled), 1), model.config.decoder_start_token_id)
    return torch.cat([start, filled[:, :-1]], dim=1)


def tokenised(tokenizer, values, kind: str, max_length: int) -> Rows:
    """Source and target as tokens, each cut at `max_length`; a target ends with the end token, unless it was cut."""
    rows = Rows(("labels",))
    for batch in batched(values):
        pairs = [as_pair(value, kind) for value in batch]
        sources = tokenizer([s for s, _ in pairs], truncation=True, max_length=max_length)["input_ids"]
        targets = tokenizer(text_target=[t for _, t in pairs])["input_ids"]
        for value, pair, source, target in zip(batch, pairs, sources, targets, strict=True):
            if not pair[0].strip() or not pair[1].strip() or not source:
                rows.leave_out("its source or its target is empty")
                continue
            target = target if target[-1:] == [tokenizer.eos_token_id] else [*target, tokenizer.eos_token_id]
            rows.cut += len(source) >= max_length or len(target) > max_length
            rows.add(input_ids=source, labels=target[:max_length], weight=weight_of(value))
    return rows


def summary(train: Rows, held: Rows) -> dict[str, Any]:
    return learn.summary(train, held) | {"learnt_tokens": int(np.sum(train.columns["labels"].lengths()))}


def work(r: Reporter) -> None:
    job = learn.begin(r)
    s, kind = job.settings, job.data.kind
    train = tokenised(job.tokenizer, job.values(False), kind, s["max_length"]).needed(s["max_length"])
    held = tokenised(job.tokenizer, job.values(True), kind, s["max_length"])
    job.notes["task.json"] = {
        "objective": "seq2seq",
        "max_length": s["max_length"],
        "longest_target": int(train.columns["labels"].lengths().max()),
    }
    model = learn.build(job)
    learn.train(job, Rewriter(job, model, train, held), summary(train, held))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
