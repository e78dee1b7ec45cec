"""Several datasets of one kind as one, each with a weight: 0.5 takes half of its rows, 2 takes each twice."""

import hashlib
import math
from collections.abc import Callable, Iterator

from tuner.data.importing.import_pass import Progress, Tally, as_json, beat
from tuner.data.importing.parquet import iterate
from tuner.errors import RequestError, SettingError, raise_all

MOST = 20.0


def check_parts(parts: list[tuple], kinds: list[str]) -> None:
    """All that is wrong with a wish to mix: the number, a weight, kinds that differ."""
    problems = []
    if len(parts) < 2:
        problems.append(
            SettingError(
                "A mixture needs at least two datasets.",
                field="mix",
                asked=len(parts),
                available="2 and more",
                remedy="Choose another one.",
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
                    remedy="Choose 1.",
                )
            )
    if len(set(kinds)) > 1:
        problems.append(
            RequestError(
                f"The datasets are of different kinds: {', '.join(sorted(set(kinds)))}.",
                asked=kinds,
                available="datasets of one kind",
                field="mix",
                remedy="Read one of them as the kind of the other first.",
            )
        )
    raise_all(problems)


def mixed(
    parts: list[tuple], progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
) -> Iterator[tuple[int | None, str | None, bool | None, Tally]]:
    """(row, canonical row as JSON, held out, tally), as `rows.write` takes them; sides are kept, and only learnt rows are weighted."""
    tally, read, total = Tally(), 0, sum(ds.rows for ds, _ in parts)
    for ds, weight in parts:
        for row in iterate(ds):
            read += 1
            if read % 200 == 0:
                beat(progress, cancelled, read, total, tally.usable)
            text = as_json(row["value"])
            for _ in range(1 if row["held_out"] else _times(text, weight)):
                tally.records += 1
                tally.keep(text, row["value"], ds.kind)
                yield tally.records, text, row["held_out"], tally
    yield None, None, None, tally


def _times(text: str, weight: float) -> int:
    """How often a row is taken; the fraction is decided by its hash, so the same rows are taken each time."""
    draw = int.from_bytes(hashlib.sha256(b"mix" + text.encode("utf-8", "replace")).digest()[:8], "big") / 2**64
    return math.floor(weight) + (draw < weight - math.floor(weight))
