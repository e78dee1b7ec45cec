"""The two steps of a dry run, by the trainer of the real one: on the longest rows, with one test batch, and nothing saved.

What is measured is the process itself (`usage.peaks`), so a dry run is always a process of its own: see `tuner/jobs/dry_run.py`.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
from torch.utils.data import SequentialSampler
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from tuner.workers.training import memory_usage

ROWS = 512  # that are made tokens: the longest in characters, enough for those with most tokens to be among them


def longest_values(values: Iterable[dict], rows: int = ROWS) -> Iterator[dict]:
    """The longest canonical rows by their characters, and of each label one, so that the head is as wide as in the real run."""
    kept: list[tuple[int, int, dict]] = []
    first, labels, order = [], set(), count()  # `order` settles ties: rows themselves can't be compared
    for value in values:
        if not labels_of(value) <= labels:
            labels |= labels_of(value)
            first.append(value)
            continue
        item = (characters(value), -next(order), value)
        if len(kept) < rows:
            heapq.heappush(kept, item)
        else:
            heapq.heappushpop(kept, item)
    yield from first
    yield from (value for _, _, value in sorted(kept, reverse=True))


def labels_of(value: dict) -> set[str]:
    """Labels of a row's text, or of its words; empty for numbers and for what has none."""
    found = value.get("tags", value.get("label"))
    return {str(v) for v in found} if isinstance(found, list) else {found} if isinstance(found, str) else set()


def characters(value: Any) -> int:
    """Of all texts in a row, however deep they lie."""
    if isinstance(value, str):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(characters, parts))


def longest(data, rows: int, *, test: bool = False):
    """The longest `rows` rows of a trainer's data (datasets' or our own)."""
    if hasattr(data, "longest"):
        return data.longest(rows, test=test)
    texts = [name for name in data.column_names if name.endswith("input_ids")]  # of a pair the longer answer counts
    lengths = np.max([np.fromiter((len(ids) for ids in data[name]), np.int64, len(data)) for name in texts], axis=0)
    return data.select(np.argsort(-lengths, kind="stable")[:rows].tolist())


def repeated(data, rows: int):
    """The same rows again and again until there are `rows`: each micro-batch holds the longest."""
    places = np.resize(np.arange(len(data)), rows).tolist()
    return data.select(places)


def measure(job, trainer) -> None:
    """Two steps and a test batch; status.json gets what they took, in bytes and in seconds for a step of the real run."""
    r, args, micro = job.reporter, trainer.args, job.settings["micro_batch"]
    args.save_strategy, args.eval_strategy, args.load_best_model_at_end = SaveStrategy.NO, IntervalStrategy.NO, False
    together = args.gradient_accumulation_steps
    trainer.train_dataset = repeated(longest(trainer.train_dataset, micro), micro * together * job.run.plan["steps"])
    trainer._get_train_sampler = lambda data=None: SequentialSampler(trainer.train_dataset)
    trainer.train()
    if r.stop_asked:
        return r.say("stopped", reason="Taken back.")
    if trainer.eval_dataset is not None:
        r.say(reason="Testing with the longest held-out rows.")
        trainer.evaluate(longest(trainer.eval_dataset, micro, test=True))
    one = job.report.eta.seen()["step_seconds"]  # of the second step: the first also compiles
    step = one * job.run.plan["of_micro_batches"] / together if one else None
    r.say("finished", reason=None, measured=memory_usage.peaks() | {"step_seconds": step})
