"""Fast import of large files: pyarrow reads blocks of whole records, which are checked column by column in several threads.

A block with anything wrong in it (a broken line, a row with another number of cells, an unexpected type) is read again record by
record, so that every problem is reported with its row, as for small files. A file with misplaced quotes can't be split into blocks
safely: `Irregular` is raised, and the whole file is read record by record.
"""

import contextlib
import csv
import io
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tuner.data.detection.detect import Recognition
from tuner.data.importing import arrow_rows as plain_rows
from tuner.data.importing.import_pass import Progress, Tally, convert_record, each_row, tick
from tuner.data.importing.parquet import Writer
from tuner.data.readers.bounds import refuse_table
from tuner.data.readers.decompress import binary
from tuner.data.readers.duplicate_columns import unique_names
from tuner.data.readers.reader import Reader, Record, arrow_rows
from tuner.data.schema import media
from tuner.data.schema.convert import RowProblem

FROM = 4 << 20  # bytes: smaller files are imported record by record before threads and tables are set up
SIZE, LONGEST = 4 << 20, 64 << 20  # bytes of a block, and of the longest record that is accepted
THREADS, WAITING = 2, 2  # blocks examined in parallel, and blocks read ahead
FORMATS = ("csv", "tsv", "jsonl", "parquet")


class Irregular(Exception):
    """The file can't be split into blocks of whole records."""


class Block(NamedTuple):
    """A block of whole records: `data` as bytes (or an Arrow table), the number of its first line, and the file position in bytes."""

    data: object
    line: int
    position: int


@dataclass
class BlockResult:
    """The result of examining a block. `tally` numbers its rows from 1; `values` holds the JSON of rows that are not plain."""

    tally: Tally
    numbers: object
    values: list | None
    columns: dict
    keep: object


def supports(reader, recognition: Recognition) -> bool:
    """Return whether the rows of this file, with this kind and mapping, can be checked column by column."""
    if (
        not isinstance(reader, Reader)
        or reader.bytes < FROM
        or reader.format not in FORMATS
        or reader._fold
        or reader._headless
        or reader._above
        or reader.format == "parquet"
        and reader.doubles.columns
        or media.columns(reader.columns)
    ):
        return False
    utf8 = reader.format == "parquet" or reader.encoding in ("utf-8", "utf-8-sig") and reader._errors == "strict"
    return utf8 and plain_rows.form(recognition.kind, recognition.mapping, reader.columns) is not None


class Import:
    """One pass over a file: blocks are examined by threads and written in order."""

    def __init__(self, reader: Reader, recognition: Recognition, system: str = ""):
        self.reader, self.kind, self.mapping, self.system = reader, recognition.kind, recognition.mapping, system
        self.roles = plain_rows.form(recognition.kind, recognition.mapping, reader.columns)
        self.tally = Tally()

    def write(self, folder: Path, share: float, seed: int, progress: Progress | None, cancelled: Callable[[], bool] | None):
        """Import the file into `folder` and return (tally, number of validation rows), like `parquet.write`.

        Raises Irregular, Cancelled, DataError.
        """
        with _short_switch_interval(), ThreadPoolExecutor(THREADS) as pool, Writer(folder) as writer:
            waiting: deque = deque()
            try:
                for piece in self.pieces():
                    waiting.append((piece, pool.submit(self.examine, piece)))
                    if len(waiting) >= THREADS + WAITING:
                        self.take(waiting.popleft(), writer, progress, cancelled)
                while waiting:
                    self.take(waiting.popleft(), writer, progress, cancelled)
            finally:
                for _, work in waiting:
                    work.cancel()
        tick(progress, cancelled, self.reader.bytes, self.reader.bytes, self.tally.usable)
        return self.tally, writer.split(self.tally, share, seed)

    def take(self, item, writer: Writer, progress, cancelled) -> None:
        """Wait for an examined block, write its rows and report progress."""
        piece, work = item
        while not wait([work], 0.1).done:
            tick(None, cancelled, 0, 0, 0)
        done = work.result()
        writer.add(done.numbers + self.tally.records, done.values, done.columns, done.keep)
        self.tally.join(done.tally)
        tick(progress, cancelled, piece.position, self.reader.bytes, self.tally.usable)

    # ---- one block

    def examine(self, piece: Block) -> BlockResult:
        """Check the rows of a block column by column, or record by record where anything in it is unusual."""
        import pyarrow as pa

        try:
            table = self.table(piece.data) if isinstance(piece.data, bytes) else piece.data
            seen = plain_rows.examine(table, self.roles, self.system) if table is not None else None
        except (pa.ArrowException, KeyError):  # reading record by record reports the problem with its row
            seen = None
        return self.fast(table, seen) if seen else self.slow(piece)

    def table(self, data: bytes):
        """Return the block as an Arrow table of the mapped columns; None, or an Arrow exception, when it is malformed."""
        return self._json(data) if self.reader.format == "jsonl" else self._csv(data)

    def _csv(self, data: bytes):
        import pyarrow as pa
        from pyarrow import csv as pc

        if b"\0" in data:
            return None
        names = self.reader.columns
        return pc.read_csv(
            pa.BufferReader(data),
            read_options=pc.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
            parse_options=pc.ParseOptions(delimiter=self.reader.delimiter, newlines_in_values=True),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), include_columns=self.wanted(), strings_can_be_null=False
            ),
        )

    def _json(self, data: bytes):
        import pyarrow as pa
        from pyarrow import json as pj

        if re.search(rb"\n[ \t\r]*\n", data) or data.count(b"\r") != data.count(b"\r\n"):
            return None  # blank lines or bare carriage returns: not one record per line
        schema = pa.schema([(name, pa.string()) for role, columns in self.roles.items() if role != "messages" for name in columns])
        table = pj.read_json(
            pa.BufferReader(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
        )
        return table.select(self.wanted()) if table.num_rows == data.count(b"\n") + (not data.endswith(b"\n")) else None

    def wanted(self) -> list[str]:
        """Return the columns that are read."""
        return [name for columns in self.roles.values() for name in columns]

    def fast(self, table, seen: plain_rows.Plain) -> BlockResult:
        """Keep plain rows as columns; convert the others one by one and keep the usable ones as JSON."""
        import numpy as np

        n, tally = table.num_rows, Tally()
        tally.records, keep, values = n, seen.sure.copy(), None
        labels = seen.columns["label"].to_pylist() if self.kind == "classification" else None
        for i in np.flatnonzero(~seen.sure).tolist():
            values = values or [None] * n
            record = arrow_rows(table.slice(i, 1))[0]
            try:
                text, row = convert_record(record, self.kind, self.mapping, self.system, tally)
            except RowProblem as problem:
                tally.refuse(i + 1, problem)
                continue
            values[i], keep[i] = text, True
            seen.digests[i], seen.groups[i], seen.lengths[i] = tally.keys_of(text, row, self.kind)
            if labels:
                labels[i] = str(row["label"])
        tally.extend(seen, labels, keep)
        return BlockResult(tally, np.arange(1, n + 1), values, seen.columns, keep)

    def slow(self, piece: Block) -> BlockResult:
        """Read and convert the block record by record, as for a small file."""
        import numpy as np

        *rows, (_, _, tally) = each_row(BlockRecords(self.reader, piece), self.kind, self.mapping, None, None, self.system)
        numbers, values = [number for number, _, _ in rows], [text for _, text, _ in rows]
        return BlockResult(tally, np.array(numbers, "int64"), values, {}, np.ones(len(numbers), bool))

    # ---- blocks

    def pieces(self) -> Iterator[Block]:
        """Yield the file as blocks of whole records. Raises Irregular."""
        if self.reader.format == "parquet":
            yield from self._batches()
            return
        cut = lines if self.reader.format == "jsonl" else Quoted(self.reader).cut
        content, raw = binary(self.reader.path, self.reader.name, 1 << 20)
        with content:
            rest, line = content.read(3).removeprefix(b"\xef\xbb\xbf"), 1
            while True:
                block = content.read(SIZE)
                data, rest = cut(rest + block, not block)
                if data:
                    yield Block(data, line, raw.tell())
                    line += data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
                if not block:
                    return
                if len(rest) > LONGEST:
                    raise Irregular

    def _batches(self) -> Iterator[Block]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.reader.path) as file:
                total, row, size = max(1, file.metadata.num_rows), 0, 0
                for batch in file.iter_batches(batch_size=4096, columns=self.wanted()):
                    row += batch.num_rows
                    size = refuse_table(self.reader.name, self.reader.bytes, size, batch)
                    yield Block(pa.Table.from_batches([batch]), row - batch.num_rows + 1, self.reader.bytes * row // total)
        except (pa.ArrowException, OSError) as error:
            raise Irregular from error  # damaged: reading record by record reports where


@contextlib.contextmanager
def _short_switch_interval():
    """Switch threads after 1 instead of 5 ms: threads returning from pyarrow otherwise wait a quarter of the time for the GIL."""
    default = sys.getswitchinterval()
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        sys.setswitchinterval(default)


class BlockRecords:
    """The records of one block, with the attributes of a Reader that `each_row` uses."""

    def __init__(self, reader: Reader, piece: Block):
        self.reader, self.piece, self.position, self.bytes = reader, piece, 0, 0

    def __iter__(self):
        if isinstance(self.piece.data, bytes):
            return self.reader.within(self.piece.data, self.piece.line)
        return (Record(row, value) for row, value in enumerate(arrow_rows(self.piece.data), 1))


def lines(data: bytes, last: bool) -> tuple[bytes, bytes]:
    """Split `data` into (whole lines, the incomplete rest)."""
    at = len(data) if last else data.rfind(b"\n") + 1
    return data[:at], data[at:]


class Quoted:
    """Splits CSV where a line ends outside quotes. Every quote must open a cell, close it, or be doubled inside it."""

    def __init__(self, reader: Reader):
        self.reader, self.begun = reader, False
        self.before = frozenset(b'\n\r"' + reader.delimiter.encode())

    def cut(self, data: bytes, last: bool) -> tuple[bytes, bytes]:
        """Split `data` into (whole records, the incomplete rest). Raises Irregular for misplaced quotes."""
        import numpy as np

        text = np.frombuffer(data, "u1")
        quotes = np.flatnonzero(text == ord('"'))
        end = self.end(data, quotes, last)
        quotes = quotes[: np.searchsorted(quotes, end)]
        if len(quotes) % 2 or not self.regular(text[:end], quotes):
            raise Irregular
        return self.headless(data[:end], quotes), data[end:]

    def end(self, data: bytes, quotes, last: bool) -> int:
        """Return the position after the last line end outside quotes; 0 when there is none yet."""
        import numpy as np

        at = len(data) if last else data.rfind(b"\n") + 1
        while at and (n := int(np.searchsorted(quotes, at))) % 2:
            if last:
                raise Irregular
            at = data.rfind(b"\n", 0, int(quotes[n - 1])) + 1
        return at

    def regular(self, text, quotes) -> bool:
        """Return whether every quote opens a cell, closes it, or is doubled inside it."""
        import numpy as np

        table = np.zeros(256, bool)
        table[list(self.before)] = True
        opening, closing = quotes[0::2], quotes[1::2]
        inner = opening[opening > 0]
        doubled = np.isin(inner - 1, closing, assume_unique=True, kind="sort") if (text[inner - 1] == ord('"')).any() else True
        after = table[text[closing[closing < len(text) - 1] + 1]] | (text[closing[closing < len(text) - 1] + 1] == ord("\r"))
        return bool(table[text[inner - 1]].all() and after.all() and np.all(doubled | (text[inner - 1] != ord('"'))))

    def headless(self, data: bytes, quotes) -> bytes:
        """Remove the header from the first block. Raises Irregular when it differs from the header that the reader found."""
        import numpy as np

        if self.begun or not data:
            return data
        at = data.find(b"\n") + 1
        while at and int(np.searchsorted(quotes, at)) % 2:
            at = data.find(b"\n", at) + 1
        header = next(csv.reader(io.StringIO(data[:at].decode("utf-8", "replace"), newline=""), delimiter=self.reader.delimiter), [])
        if unique_names(header) != self.reader.columns:
            raise Irregular
        self.begun = True
        return data[at:]
