"""All limits on the size of an untrusted file, each with its reason.

The size of a file says little about its content: a few kilobytes can hold a grid of 17 billion cells, a petabyte of zeros, or a list
nested ten million times. Anything beyond these bounds is rejected with its cause before it is read, or reported as a problem of its
row. The limits of the process (tuner/system/limits.py) catch everything else.
"""

from typing import Any

from tuner.errors import DataError

UNPACKED = 20 * 10**9  # bytes that a gzip archive may decompress to: ten times the largest upload
WORKBOOK = 2 * 10**9  # bytes that a workbook may decompress to: it is held in memory completely
RATIO = 100  # decompressed bytes per byte of an archive; text compresses 3 to 20 to 1, the limit of DEFLATE is 1,032
RATIO_FROM = 256 << 20  # decompressed bytes below which any ratio is fine: a short file of one repeated row is no attack
TABLE_RATIO = 300  # the same for Parquet, whose dictionaries legitimately hold one long text for many rows
TABLE_FROM = 1 << 30
REPEATED = 1_000_000  # cells of an OpenDocument sheet that may be stored in fewer bytes than there are cells, by repetition
ENTRIES = 10_000  # files in one workbook; Excel writes a few dozen
CELLS = 64_000_000  # in the rectangle from A1 to the last cell: 2 GB at 32 bytes each; 1,048,576 full rows of 60 columns fit
COLUMNS = 16_384  # in any table: as many as an Excel sheet has
ROWS = 100_000_000  # 28 bytes per row are kept while a file is read: 2.8 GB
LINE = 1 << 27  # characters in one line or one record, and in a JSON document that can't be streamed
FIELD = 1 << 24  # characters in one CSV cell
DIGITS = 4300  # of a whole number that Python parses; longer ones stay text


def refuse_columns(name: str, count: int) -> None:
    """Raise DataError for a table with more columns than any spreadsheet has."""
    if count > COLUMNS:
        raise DataError(
            f"{name} has {count:,} columns; at most {COLUMNS:,} are read.",
            asked=count,
            available=f"up to {COLUMNS:,} columns",
            remedy="Keep the columns with the texts and labels, and delete the others.",
        )


def refuse_rows(name: str, count: int) -> None:
    """Raise DataError for a file with more rows than can be tracked."""
    if count > ROWS:
        raise DataError(
            f"{name} has more than {ROWS:,} rows.",
            asked=count,
            available=f"up to {ROWS:,} rows",
            remedy="Split the file and import a part of it.",
        )


def refuse_ratio(name: str, packed: int, unpacked: int, *, ratio: int = RATIO, beyond: int = RATIO_FROM) -> None:
    """Raise DataError for an archive with a compression ratio that no text reaches. Sizes in bytes."""
    if unpacked > beyond and unpacked > ratio * max(1, packed):
        raise DataError(
            f"{name} has {packed / 1e6:,.1f} MB and unpacks to {unpacked / 1e6:,.0f} MB or more, over {ratio} times as much: "
            "it repeats the same bytes.",
            asked=unpacked,
            available=f"up to {ratio} times its size, or {beyond / 1e6:,.0f} MB",
            remedy="Check where the file comes from. If you trust it, decompress it yourself and choose a part.",
        )


def refuse_table(name: str, packed: int, before: int, batch: Any) -> int:
    """Return `before` plus the bytes of one more Arrow batch, dictionaries expanded; DataError if the file decompresses to too much."""
    import pyarrow as pa

    types = [column.type for column in batch.columns]
    plain = [c.cast(k.value_type) if pa.types.is_dictionary(k) else c for c, k in zip(batch.columns, types, strict=True)]
    size = before + sum(column.nbytes for column in plain)
    refuse_ratio(name, packed, size, ratio=TABLE_RATIO, beyond=TABLE_FROM)
    return size
