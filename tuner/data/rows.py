"""rows.parquet: written in batches, read by the page; and which rows are held out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tuner.data.check import Tally
from tuner.errors import DataError

GROUP, GROUP_BYTES = 1000, 8 << 20
HELD_OUT_LIMIT, HELD_OUT_FROM = 1000, 10


class Stored(Protocol):
    """What of a Dataset is needed here."""

    ref: str
    path: Path


def write(items: Iterator, path: Path, share: float) -> tuple[Tally, int]:
    """(tally, held out). Which rows are held out is known only at the end, so the column is set in a second, quick pass."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("row", pa.int64()), ("held_out", pa.bool_()), ("value", pa.string())])
    draft = path.with_suffix(".draft")
    numbers: list[int] = []
    texts: list[str] = []

    def flush(writer):
        writer.write_table(pa.table([numbers, [False] * len(numbers), texts], schema=schema), row_group_size=GROUP)
        numbers.clear(), texts.clear()

    with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        size = 0
        for item in items:
            number, text, tally = item
            if number is not None:
                numbers.append(number)
                texts.append(text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8"))
                size += len(text)
            if numbers and (number is None or len(numbers) >= GROUP or size > GROUP_BYTES):
                flush(writer)
                size = 0
    side = sides(tally.digests, share)
    at = 0
    with pq.ParquetFile(draft) as file, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for i in range(file.num_row_groups):
            table = file.read_row_group(i)
            writer.write_table(table.set_column(1, schema.field(1), pa.array(side[at : at + len(table)], pa.bool_())))
            at += len(table)
    draft.unlink()
    return tally, int(side.sum())


def sides(digests: bytearray, share: float):
    """Which rows are held out: those whose digest is small. The same row always lands on the same side."""
    import numpy as np

    keys = np.frombuffer(bytes(digests), ">u8")[::2] if digests else np.zeros(0, ">u8")
    if len(keys) < HELD_OUT_FROM or not share:
        return np.zeros(len(keys), bool)
    side = keys < int(share * 2**64)
    if side.sum() > HELD_OUT_LIMIT:
        side = keys < np.sort(keys)[HELD_OUT_LIMIT]
    if not side.any():
        side = keys == keys.min()
    return side if not side.all() else np.zeros(len(keys), bool)


def rows(ds: Stored, offset: int = 0, limit: int = 50, held_out: bool | None = None) -> list[dict]:
    """[{"row", "held_out", "value"}] of one page; reads only the row groups it needs."""
    out: list[dict] = []
    skip = max(0, offset)
    with _opened(ds) as file:
        for i in range(file.num_row_groups):
            if len(out) >= limit:
                break
            if held_out is None:
                count = file.metadata.row_group(i).num_rows
            else:
                count = sum(side == held_out for side in file.read_row_group(i, ["held_out"]).column(0).to_pylist())
            if skip >= count:
                skip -= count
                continue
            page = [r for r in file.read_row_group(i).to_pylist() if held_out is None or r["held_out"] == held_out]
            out += page[skip : skip + limit - len(out)]
            skip = 0
    return [r | {"value": json.loads(r["value"])} for r in out]


def iterate(ds: Stored, held_out: bool | None = None) -> Iterator[dict]:
    """Every row (or one side) in the order of the file, a row group at a time."""
    with _opened(ds) as file:
        for i in range(file.num_row_groups):
            for row in file.read_row_group(i).to_pylist():
                if held_out is None or row["held_out"] == held_out:
                    yield row | {"value": json.loads(row["value"])}


def _opened(ds: Stored):
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return pq.ParquetFile(ds.path / "rows.parquet")
    except (OSError, ArrowException) as error:
        raise DataError(
            f"The rows of {ds.ref} can't be read.",
            asked=ds.ref,
            available="an undamaged dataset",
            remedy="Delete it and add the file again.",
        ) from error
