"""Extractive question answering: `python -m tuner.workers.training.question_answering RUN_DIR`. The model predicts the answer's first and last token.

A long text is read in windows that overlap by a quarter; for a window without the answer, and for a question without one, the target is
the first token (Devlin et al. 2018, arXiv:1810.04805, section 4.3). The answer is the best span of all windows, unless "no answer" scores higher
than it even in the window where "no answer" scores lowest; that is considered only if the data has questions without answers.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tuner.evaluation import scoring
from tuner.settings import trainer_arguments
from tuner.workers.modelling.batches import Pad, best_spans
from tuner.workers.tokenization.task_rows import Windows, windows
from tuner.workers.training import run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.trainer import TaskTrainer

LONGEST = 64  # maximum tokens of an answer, or a quarter of the window's length where that is more


class Pointer(TaskTrainer):
    """The trainer. `nothing`: whether a question may have no answer."""

    aside = ("begins", "ends", "row", "text")

    def __init__(self, job, model, train, validation, nothing: bool):
        types = "token_type_ids" in job.tokenizer.model_input_names
        self.aside = Pointer.aside if types else (*Pointer.aside, "token_type_ids")
        super().__init__(
            job,
            model,
            train,
            validation,
            Pad(job.tokenizer, trainer_arguments.multiple(job.settings), ("token_type_ids", "begins", "ends")),
        )
        self.nothing, self.longest = nothing, longest_answer(job.settings.max_length)

    def losses(self, out, labels):
        logits = torch.stack([out.start_logits, out.end_logits], dim=-1).float()  # [windows, tokens, 2]
        return F.cross_entropy(logits, labels, reduction="none")

    def guess(self, out, inputs):
        return best_spans(out.start_logits.float(), out.end_logits.float(), inputs["text"], self.longest)

    def measure(self, rows, guesses):
        predicted = answers(rows, guesses, self.nothing)
        golds = [q["answers"]["text"] for q in rows.questions]
        return scoring.answers(predicted, golds) | {"rows": len(golds)}


def longest_answer(max_length: int) -> int:
    return max(LONGEST, max_length // 4)


def answers(windows: Windows, guesses: np.ndarray, nothing: bool) -> list[str]:
    """Return the answer of each question over all its windows; "" where "no answer" scores higher."""
    texts, best, no_answer = [""] * len(windows.questions), {}, {}
    for w, (first, last, score, null) in enumerate(guesses):
        row = windows.columns["row"][w]
        no_answer[row] = min(no_answer.get(row, np.inf), null)
        if score > best.get(row, -np.inf):
            begin, end = windows.columns["begins"][w][int(first)], windows.columns["ends"][w][int(last)]
            best[row], texts[row] = score, windows.questions[row]["context"][begin:end]
    return ["" if nothing and no_answer[row] > best[row] else text for row, text in enumerate(texts)]


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    settings = job.settings
    run_loop.require_offsets(job, "answers can't be found")
    train = windows(job.tokenizer, job.values(False), settings.max_length, False).needed(settings.max_length)
    validation = windows(job.tokenizer, job.values(True), settings.max_length, True)
    nothing = train.unanswered > 0
    about: dict[str, Any] = {"objective": "qa", "no_answer": nothing, "max_length": settings.max_length, "stride": settings.max_length // 4}
    job.notes["task.json"] = about | {"longest_answer": longest_answer(settings.max_length)}
    model = run_loop.build(job)
    run_loop.train(job, Pointer(job, model, train, validation, nothing), run_loop.summary(train, validation))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
