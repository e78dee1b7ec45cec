"""The fast way in for large files: read in blocks of whole records by pyarrow, checked a column at a time, on all cores.

A block with anything wrong in it (a broken line, a row of another width, an unexpected type) is read again record by record, so
that every problem is told with its row as always. A file whose quotes are not where a quote belongs can't be cut safely:
`Irregular` says so, and the whole file is read the slow way.
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
from tuner.data.importing.import_pass import Progress, Tally, beat, each_row, settled_row
from tuner.data.importing.parquet import Writer
from tuner.data.readers.bounds import refuse_table
from tuner.data.readers.decompress import binary
from tuner.data.readers.duplicate_columns import named
from tuner.data.readers.reader import Reader, Record, arrow_rows
from tuner.data.schema import media
from tuner.data.schema.convert import RowProblem

FROM = 4 << 20  # bytes: below it the slow way is done before threads and tables have begun
SIZE, LONGEST = 4 << 20, 64 << 20  # bytes of a block, and of the longest record that is looked for
THREADS, WAITING = 2, 2  # blocks at once, and blocks read ahead
FORMATS = ("csv", "tsv", "jsonl", "parquet")


class Irregular(Exception):
    """The file can't be cut into blocks."""


class Piece(NamedTuple):
    """Some whole records: `data` as bytes (or a table), the number of their first line, how far the file is read."""

    data: object
    line: int
    position: int


@dataclass
class Done:
    """What became of a block. `tally` counts its rows from 1; `values` holds the JSON of rows that are not plain."""

    tally: Tally
    numbers: object
    values: list | None
    columns: dict
    keep: object


def suits(reader, found: Recognition) -> bool:
    """Whether this file, read so, has rows that can be checked a column at a time."""
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
    told = reader.format == "parquet" or reader.encoding in ("utf-8", "utf-8-sig") and reader._errors == "strict"
    return told and plain_rows.form(found.kind, found.mapping, reader.columns) is not None


class Import:
    """One pass over a file: pieces are examined by threads and written in order."""

    def __init__(self, reader: Reader, found: Recognition, system: str = ""):
        self.reader, self.kind, self.mapping, self.system = reader, found.kind, found.mapping, system
        self.roles = plain_rows.form(found.kind, found.mapping, reader.columns)
        self.tally = Tally()

    def write(self, folder: Path, share: float, seed: int, progress: Progress | None, cancelled: Callable[[], bool] | None):
        """(tally, held out), as `rows.write` gives them. Raises Irregular, Cancelled, DataError."""
        with _taking_turns(), ThreadPoolExecutor(THREADS) as pool, Writer(folder) as writer:
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
        beat(progress, cancelled, self.reader.bytes, self.reader.bytes, self.tally.usable)
        return self.tally, writer.split(self.tally, share, seed)

    def take(self, item, writer: Writer, progress, cancelled) -> None:
        piece, work = item
        while not wait([work], 0.1).done:
            beat(None, cancelled, 0, 0, 0)
        done = work.result()
        writer.add(done.numbers + self.tally.records, done.values, done.columns, done.keep)
        self.tally.join(done.tally)
        beat(progress, cancelled, piece.position, self.reader.bytes, self.tally.usable)

    # ---- one piece

    def examine(self, piece: Piece) -> Done:
        import pyarrow as pa

        try:
            table = self.table(piece.data) if isinstance(piece.data, bytes) else piece.data
            seen = plain_rows.examine(table, self.roles, self.system) if table is not None else None
        except (pa.ArrowException, KeyError):  # told, with its row, where each record is read by itself
            seen = None
        return self.fast(table, seen) if seen else self.slow(piece)

    def table(self, data: bytes):
        """The block as an Arrow table of the columns that matter; None or an error of Arrow's when it is not as it should be."""
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
            return None  # blank lines, or old line ends: not one record to a line
        schema = pa.schema([(name, pa.string()) for role, named in self.roles.items() if role != "messages" for name in named])
        table = pj.read_json(
            pa.BufferReader(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
        )
        return table.select(self.wanted()) if table.num_rows == data.count(b"\n") + (not data.endswith(b"\n")) else None

    def wanted(self) -> list[str]:
        return [name for named in self.roles.values() for name in named]

    def fast(self, table, seen: plain_rows.Plain) -> Done:
        """Plain rows as columns; the others converted one by one and kept as JSON, where they can be used."""
        import numpy as np

        n, tally = table.num_rows, Tally()
        tally.records, keep, values = n, seen.sure.copy(), None
        labels = seen.columns["label"].to_pylist() if self.kind == "classification" else None
        for i in np.flatnonzero(~seen.sure).tolist():
            values = values or [None] * n
            record = arrow_rows(table.slice(i, 1))[0]
            try:
                text, row = settled_row(record, self.kind, self.mapping, self.system, tally)
            except RowProblem as problem:
                tally.refuse(i + 1, problem)
                continue
            values[i], keep[i] = text, True
            seen.digests[i], seen.groups[i], seen.lengths[i] = tally.keys_of(text, row, self.kind)
            if labels:
                labels[i] = str(row["label"])
        tally.extend(seen, labels, keep)
        return Done(tally, np.arange(1, n + 1), values, seen.columns, keep)

    def slow(self, piece: Piece) -> Done:
        """Each record read and converted by itself, as in a small file."""
        import numpy as np

        *found, (_, _, tally) = each_row(Held(self.reader, piece), self.kind, self.mapping, None, None, self.system)
        numbers, values = [number for number, _, _ in found], [text for _, text, _ in found]
        return Done(tally, np.array(numbers, "int64"), values, {}, np.ones(len(numbers), bool))

    # ---- pieces

    def pieces(self) -> Iterator[Piece]:
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
                    yield Piece(data, line, raw.tell())
                    line += data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
                if not block:
                    return
                if len(rest) > LONGEST:
                    raise Irregular

    def _batches(self) -> Iterator[Piece]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.reader.path) as file:
                total, row, size = max(1, file.metadata.num_rows), 0, 0
                for batch in file.iter_batches(batch_size=4096, columns=self.wanted()):
                    row += batch.num_rows
                    size = refuse_table(self.reader.name, self.reader.bytes, size, batch)
                    yield Piece(pa.Table.from_batches([batch]), row - batch.num_rows + 1, self.reader.bytes * row // total)
        except (pa.ArrowException, OSError) as error:
            raise Irregular from error  # damaged: the slow way says where


@contextlib.contextmanager
def _taking_turns():
    """Threads that mostly wait for pyarrow get Python's lock five times as soon: a quarter of the time is waiting otherwise."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class Held:
    """The records of one piece, with the face of a Reader that `each_row` wants."""

    def __init__(self, reader: Reader, piece: Piece):
        self.reader, self.piece, self.position, self.bytes = reader, piece, 0, 0

    def __iter__(self):
        if isinstance(self.piece.data, bytes):
            return self.reader.within(self.piece.data, self.piece.line)
        return (Record(row, value) for row, value in enumerate(arrow_rows(self.piece.data), 1))


def lines(data: bytes, last: bool) -> tuple[bytes, bytes]:
    """(whole lines, the rest)."""
    at = len(data) if last else data.rfind(b"\n") + 1
    return data[:at], data[at:]


class Quoted:
    """Cuts CSV where a line ends outside quotes. Every quote must open a cell, close it, or stand doubled in it."""

    def __init__(self, reader: Reader):
        self.reader, self.begun = reader, False
        self.before = frozenset(b'\n\r"' + reader.delimiter.encode())

    def cut(self, data: bytes, last: bool) -> tuple[bytes, bytes]:
        import numpy as np

        text = np.frombuffer(data, "u1")
        quotes = np.flatnonzero(text == ord('"'))
        end = self.end(data, quotes, last)
        quotes = quotes[: np.searchsorted(quotes, end)]
        if len(quotes) % 2 or not self.regular(text[:end], quotes):
            raise Irregular
        return self.headless(data[:end], quotes), data[end:]

    def end(self, data: bytes, quotes, last: bool) -> int:
        """After the last line end that stands outside quotes; 0 when there is none yet."""
        import numpy as np

        at = len(data) if last else data.rfind(b"\n") + 1
        while at and (n := int(np.searchsorted(quotes, at))) % 2:
            if last:
                raise Irregular
            at = data.rfind(b"\n", 0, int(quotes[n - 1])) + 1
        return at

    def regular(self, text, quotes) -> bool:
        import numpy as np

        table = np.zeros(256, bool)
        table[list(self.before)] = True
        opening, closing = quotes[0::2], quotes[1::2]
        inner = opening[opening > 0]
        doubled = np.isin(inner - 1, closing, assume_unique=True, kind="sort") if (text[inner - 1] == ord('"')).any() else True
        after = table[text[closing[closing < len(text) - 1] + 1]] | (text[closing[closing < len(text) - 1] + 1] == ord("\r"))
        return bool(table[text[inner - 1]].all() and after.all() and np.all(doubled | (text[inner - 1] != ord('"'))))

    def headless(self, data: bytes, quotes) -> bytes:
        """The first block without its header, which must be the one that the reader found."""
        import numpy as np

        if self.begun or not data:
            return data
        at = data.find(b"\n") + 1
        while at and int(np.searchsorted(quotes, at)) % 2:
            at = data.find(b"\n", at) + 1
        header = next(csv.reader(io.StringIO(data[:at].decode("utf-8", "replace"), newline=""), delimiter=self.reader.delimiter), [])
        if named(header) != self.reader.columns:
            raise Irregular
        self.begun = True
        return data[at:]
