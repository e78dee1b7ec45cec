"""The two steps of a dry run, with the trainer of the real run: on the longest rows, with one evaluation batch, and nothing saved.

The memory of the whole process is measured (`memory_usage.peaks`), so a dry run is always a separate process: see `tuner/jobs/dry_run.py`.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
from torch.utils.data import SequentialSampler
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from tuner.workers.training import memory_usage

ROWS = 512  # rows that are tokenized: the longest in characters, enough to include those with the most tokens


def longest_values(values: Iterable[dict], rows: int = ROWS) -> Iterator[dict]:
    """Yield the longest canonical rows in characters, and one of each label, so that the head has the same size as in the real run."""
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
    """Return the labels of a row's text or of its words; empty for numbers and for rows without labels."""
    found = value.get("tags", value.get("label"))
    return {str(v) for v in found} if isinstance(found, list) else {found} if isinstance(found, str) else set()


def characters(value: Any) -> int:
    """Return the number of characters of all texts in a row, at any depth."""
    if isinstance(value, str):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(characters, parts))


def longest(data, rows: int, *, test: bool = False):
    """Return the longest `rows` rows of a trainer's data (a `datasets.Dataset` or `Rows`)."""
    if hasattr(data, "longest"):
        return data.longest(rows, test=test)
    texts = [name for name in data.column_names if name.endswith("input_ids")]  # of a pair the longer answer counts
    lengths = np.max([np.fromiter((len(ids) for ids in data[name]), np.int64, len(data)) for name in texts], axis=0)
    return data.select(np.argsort(-lengths, kind="stable")[:rows].tolist())


def repeated(data, rows: int):
    """Repeat the same rows until there are `rows`, so that each micro-batch holds the longest."""
    indices = np.resize(np.arange(len(data)), rows).tolist()
    return data.select(indices)


def measure(job, trainer) -> None:
    """Run two steps and an evaluation batch; write their memory in bytes, and the seconds of a step of the real run, to status.json."""
    r, args, micro = job.reporter, trainer.args, job.settings.micro_batch
    args.save_strategy, args.eval_strategy, args.load_best_model_at_end = SaveStrategy.NO, IntervalStrategy.NO, False
    accumulation = args.gradient_accumulation_steps
    trainer.train_dataset = repeated(longest(trainer.train_dataset, micro), micro * accumulation * job.run.plan["steps"])
    trainer._get_train_sampler = lambda data=None: SequentialSampler(trainer.train_dataset)
    trainer.train()
    if r.stop_asked:
        return r.write_status("stopped", reason="Cancelled.")
    if trainer.eval_dataset is not None:
        r.write_status(reason="Evaluating on the longest validation rows.")
        trainer.evaluate(longest(trainer.eval_dataset, micro, test=True))
    micro_seconds = job.report.eta.seen()["step_seconds"]  # of the second step: the first also compiles
    step = micro_seconds * job.run.plan["of_micro_batches"] / accumulation if micro_seconds else None
    r.write_status("finished", reason=None, measured=memory_usage.peaks() | {"step_seconds": step})
