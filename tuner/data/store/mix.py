"""Mix several datasets of one kind into one, each with a weight: 0.5 takes half of its rows, 2 takes each row twice."""

import hashlib
import math
from collections.abc import Callable, Iterator

from tuner.data.importing.import_pass import Progress, Tally, as_json, tick
from tuner.data.importing.parquet import iterate
from tuner.errors import RequestError, SettingError, raise_all

MOST = 20.0


def check_parts(parts: list[tuple], kinds: list[str]) -> None:
    """Check a mixture and raise all problems at once: too few datasets, a weight out of range, different kinds."""
    problems = []
    if len(parts) < 2:
        problems.append(
            SettingError(
                "A mixture needs at least two datasets.",
                field="mix",
                asked=len(parts),
                available="2 or more",
                remedy="Choose another dataset.",
            )
        )
    for ds, weight in parts:
        if not (isinstance(weight, (int, float)) and 0 < weight <= MOST):
            problems.append(
                SettingError(
                    f"The weight of {ds.id} is {weight}.",
                    field="mix",
                    asked=weight,
                    available=f"above 0, at most {MOST:g}",
                    remedy="Choose a weight in this range, such as 1.",
                )
            )
    if len(set(kinds)) > 1:
        problems.append(
            RequestError(
                f"The datasets are of different kinds: {', '.join(sorted(set(kinds)))}.",
                asked=kinds,
                available="datasets of one kind",
                field="mix",
                remedy="Change the kind of one dataset to that of the other first.",
            )
        )
    raise_all(problems)


def mixed(
    parts: list[tuple], progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
) -> Iterator[tuple[int | None, str | None, bool | None, Tally]]:
    """Yield (row, canonical row as JSON, held out, tally), as `parquet.write` takes them.

    The split is kept: weights apply to training rows only, and each validation row is taken once.
    """
    tally, read, total = Tally(), 0, sum(ds.rows for ds, _ in parts)
    for ds, weight in parts:
        for row in iterate(ds):
            read += 1
            if read % 200 == 0:
                tick(progress, cancelled, read, total, tally.usable)
            text = as_json(row["value"])
            for _ in range(1 if row["held_out"] else _times(text, weight)):
                tally.records += 1
                tally.keep(text, row["value"], ds.kind)
                yield tally.records, text, row["held_out"], tally
    yield None, None, None, tally


def _times(text: str, weight: float) -> int:
    """Return how often a row is taken; its hash decides the fractional part, so the same rows are taken each time."""
    draw = int.from_bytes(hashlib.sha256(b"mix" + text.encode("utf-8", "replace")).digest()[:8], "big") / 2**64
    return math.floor(weight) + (draw < weight - math.floor(weight))
