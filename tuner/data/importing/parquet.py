"""Write and read the rows of a dataset version: rows.parquet, and held_out.npy, a boolean per row that marks the validation rows.

A row is stored in the column `value` as JSON or, when it is plain (see arrow_rows.py), in the columns of its texts.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tuner.data.importing.arrow_rows import COLUMNS, rebuild
from tuner.data.importing.import_pass import Tally
from tuner.data.importing.split import draw_split
from tuner.errors import DataError

GROUP, GROUP_BYTES = 1000, 8 << 20


class Stored(Protocol):
    """The part of a Dataset that is needed here."""

    ref: str
    rows: int
    path: Path


def write(items: Iterator, folder: Path, share: float | None, seed: int = 0) -> tuple[Tally, int]:
    """Write rows and their split, and return (tally, number of validation rows).

    Items are (row, JSON, tally), the last one (None, None, tally). With a share of None they are (row, JSON, held out, tally), and
    the split is taken from them instead of being drawn.
    """
    numbers, texts, given, size = [], [], bytearray(), 0
    with Writer(folder) as writer:
        for item in items:
            number, text, tally = item[0], item[1], item[-1]
            if number is not None:
                numbers.append(number)
                texts.append(text)
                size += len(text)
                if share is None:
                    given.append(item[2])
            if numbers and (number is None or len(numbers) >= GROUP or size > GROUP_BYTES):
                writer.add(numbers, texts)
                numbers, texts, size = [], [], 0
    return tally, writer.split(tally, share, seed, given)


class Writer:
    """Context manager that writes rows.parquet in batches."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self) -> "Writer":
        import pyarrow as pa
        import pyarrow.parquet as pq

        turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
        texts = [(name, turns if name == "messages" else pa.string()) for name in COLUMNS]
        self.schema = pa.schema([("row", pa.int64()), ("value", pa.string()), *texts])
        few = ["system", "label", "messages.list.element.role"]
        long = [name for name in ("messages.list.element.content", *COLUMNS[1:]) if name not in few]
        self.file = pq.ParquetWriter(  # plain texts stay uncompressed: compressing them would take longer than all the checks
            self.folder / "rows.parquet",
            self.schema,
            compression={"row": "zstd", "value": "zstd"} | dict.fromkeys(long + few, "none"),
            compression_level={"value": 1},
            use_dictionary=few,
            column_encoding=dict.fromkeys(long, "DELTA_LENGTH_BYTE_ARRAY"),
            write_statistics=False,
        )
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def add(self, numbers, values: list | None, columns: dict | None = None, keep=None) -> None:
        """Write a batch: record numbers, the JSON of each row (None if it is plain), columns of plain rows, mask of rows to keep."""
        import pyarrow as pa

        n = len(numbers)
        arrays = {"row": pa.array(numbers, pa.int64()), "value": pa.array(values or [None] * n, pa.string())} | (columns or {})
        table = pa.table([arrays.get(f.name, pa.nulls(n, f.type)) for f in self.schema], schema=self.schema)
        self.file.write_table(table if keep is None or keep.all() else table.filter(pa.array(keep)), row_group_size=max(n, 1))

    def split(self, tally: Tally, share: float | None, seed: int, given: bytes = b"") -> int:
        """Write held_out.npy: drawn by hash, or as `given` when `share` is None. Returns the number of validation rows."""
        import numpy as np

        side = np.frombuffer(bytes(given), bool) if share is None else draw_split(*tally.keys(), share=share, seed=seed)
        np.save(self.folder / "held_out.npy", side)
        return int(side.sum())


def rows(ds: Stored, offset: int = 0, limit: int = 50, held_out: bool | None = None) -> list[dict]:
    """Return one page as [{"row", "held_out", "value"}]; reads only the row groups it needs."""
    import numpy as np

    side = _side(ds)
    wanted = np.arange(len(side)) if held_out is None else np.flatnonzero(side == held_out)
    page = wanted[max(0, offset) : max(0, offset) + limit]
    out: list[dict] = []
    with _opened(ds) as file:
        at = 0
        for i in range(file.num_row_groups):
            n = file.metadata.row_group(i).num_rows
            mine = page[(page >= at) & (page < at + n)]
            if len(mine):
                table = file.read_row_group(i).take(mine - at).to_pylist()
                out += [_row(r, side[j]) for r, j in zip(table, mine, strict=True)]
            at += n
    return out


def row(ds: Stored, number: int) -> dict | None:
    """Return the row with this record number; None when the version has none."""
    import pyarrow.compute as pc

    with _opened(ds) as file:
        at = 0
        for i in range(file.num_row_groups):
            place = pc.index(file.read_row_group(i, ["row"]).column(0), number).as_py()
            if place >= 0:
                return rows(ds, at + place, 1)[0]
            at += file.metadata.row_group(i).num_rows
    return None


def iterate(ds: Stored, held_out: bool | None = None) -> Iterator[dict]:
    """Yield all rows, or only validation or training rows, in file order, reading one row group at a time."""
    side, at = _side(ds), 0
    with _opened(ds) as file:
        for i in range(file.num_row_groups):
            for j, row in enumerate(file.read_row_group(i).to_pylist(), at):
                if held_out is None or side[j] == held_out:
                    yield _row(row, side[j])
            at += file.metadata.row_group(i).num_rows


def _row(stored: dict, held_out) -> dict:
    value = stored["value"]
    return {"row": stored["row"], "held_out": bool(held_out), "value": rebuild(stored) if value is None else json.loads(value)}


def _side(ds: Stored):
    import numpy as np

    try:
        return np.load(ds.path / "held_out.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _damaged(ds) from error


def _opened(ds: Stored):
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return pq.ParquetFile(ds.path / "rows.parquet")
    except (OSError, ArrowException) as error:
        raise _damaged(ds) from error


def _damaged(ds: Stored) -> DataError:
    return DataError(
        f"The rows of {ds.ref} can't be read.",
        asked=ds.ref,
        available="an undamaged dataset",
        remedy="Delete it and import the file again.",
    )
