"""How large a stranger's file may be in each way that a file can be large, and why: every limit of reading stands here.

The size of a file says little about what it turns into: a few kilobytes can hold a grid of 17 billion cells, a petabyte of zeros, or a
list within a list ten million times. What is beyond these bounds is refused with its cause before it is read, or told as the problem of
its row. What no bound foresees ends at the limits of the process (tuner/system/limits.py).
"""

from typing import Any

from tuner.errors import DataError

UNPACKED = 20 * 10**9  # bytes that a gzip archive may unpack to: ten times the largest upload
WORKBOOK = 2 * 10**9  # bytes that a workbook may unpack to: it is held in memory whole
RATIO = 100  # bytes out of one byte of an archive; text packs 3 to 20 to 1, and DEFLATE ends at 1,032
RATIO_FROM = 256 << 20  # bytes unpacked, below which any ratio is fine: a short file of one repeated row is no attack
TABLE_RATIO = 300  # the same for Parquet, whose dictionaries honestly hold one long text for many rows
TABLE_FROM = 1 << 30
REPEATED = 1_000_000  # cells of an OpenDocument sheet that may be said in fewer bytes than they are, by repeating one
ENTRIES = 10_000  # files in one workbook; Excel's own hold some dozen
CELLS = 64_000_000  # of the rectangle from A1 to the last cell: 32 bytes each are 2 GB, and 1,048,576 full rows of 60 columns fit
COLUMNS = 16_384  # of any table: as many as a sheet of Excel has
ROWS = 100_000_000  # 28 bytes are kept of each while a file is read: 2.8 GB
LINE = 1 << 27  # characters in one line or one record, and in a JSON document that can't be streamed
FIELD = 1 << 24  # characters in one cell of CSV
DIGITS = 4300  # of a whole number that Python reads as one; longer ones stay the text that they are


def refuse_columns(name: str, count: int) -> None:
    """DataError for a table of more columns than any spreadsheet has."""
    if count > COLUMNS:
        raise DataError(
            f"{name} has {count:,} columns; at most {COLUMNS:,} are read.",
            asked=count,
            available=f"up to {COLUMNS:,} columns",
            remedy="Keep the columns with the texts and labels, and delete the others.",
        )


def refuse_rows(name: str, count: int) -> None:
    """DataError for a file of more rows than can be kept count of."""
    if count > ROWS:
        raise DataError(
            f"{name} has more than {ROWS:,} rows.",
            asked=count,
            available=f"up to {ROWS:,} rows",
            remedy="Split it, and import a part.",
        )


def refuse_ratio(name: str, packed: int, unpacked: int, *, ratio: int = RATIO, beyond: int = RATIO_FROM) -> None:
    """DataError for an archive that unpacks to what no text packs to. Sizes in bytes."""
    if unpacked > beyond and unpacked > ratio * max(1, packed):
        raise DataError(
            f"{name} has {packed / 1e6:,.1f} MB and unpacks to {unpacked / 1e6:,.0f} MB or more, over {ratio} times as much: it holds the same bytes over and over.",
            asked=unpacked,
            available=f"up to {ratio} times its size, or {beyond / 1e6:,.0f} MB",
            remedy="Check where the file comes from. If it is what you want, unpack it yourself and choose a part.",
        )


def refuse_table(name: str, packed: int, before: int, batch: Any) -> int:
    """`before` and the bytes of one more Arrow batch, dictionaries written out; DataError where a Parquet file unpacks to absurdly much."""
    import pyarrow as pa

    kinds = [column.type for column in batch.columns]
    plain = [c.cast(k.value_type) if pa.types.is_dictionary(k) else c for c, k in zip(batch.columns, kinds, strict=True)]
    size = before + sum(column.nbytes for column in plain)
    refuse_ratio(name, packed, size, ratio=TABLE_RATIO, beyond=TABLE_FROM)
    return size
