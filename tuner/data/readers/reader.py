"""Read a data file of any supported format record by record, in bounded memory."""

import contextlib
import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from tuner.data.readers import exports, header_row
from tuner.data.readers.bounds import FIELD, refuse_columns, refuse_rows, refuse_table
from tuner.data.readers.decompress import binary, is_packed, suffix
from tuner.data.readers.duplicate_columns import DuplicateNames, counted, unique_names
from tuner.data.readers.excel import Sheet
from tuner.data.readers.exports import people, whatsapp
from tuner.data.readers.file_format import HEAD, READABLE, SUFFIXES, encoding_of, format_of, is_workbook, refuse_binary
from tuner.data.readers.json_stream import CHUNK, LARGEST, NESTED, Broken, Cursor, decode, documents
from tuner.data.readers.nested import Fold, find_fold
from tuner.data.schema.cells import RowProblem
from tuner.data.schema.tool_calls import nested, unfilled
from tuner.errors import DataError
from tuner.system.untrusted import DEPTH, regular, shown, too_deep

PASSAGE = 8000
PEEK = 200
EXACT = 2.0**63
UNLIKE = ("The record doesn't have the structure of the first records of the file.", "Give it the same structure, or leave it out.")
ONE_LINE = "Save the data as one JSON object per line (JSONL)."


class Record(NamedTuple):
    """One record of a file: its `value`, or the `problem` why it can't be read and the `remedy`. `row` counts from 1."""

    row: int
    value: dict | None
    problem: str | None = None
    remedy: str | None = None


class Reader:
    """An iterable of the `Record`s of a file; it can be iterated again. `head` holds the first 200 records.

    The constructor raises NotFoundError (no such file) or DataError (a folder, empty, header only, not text, invalid JSON).
    """

    def __init__(self, path: str | Path, encoding: str | None = None, name: str | None = None):
        self.path, self.name, self._raw, self._done = Path(path), shown(name or Path(path).name), None, 0
        self.bytes = _size(self.path, self.name)
        self.columns: list[str] = []
        self.doubles, self._dates = DuplicateNames(), None
        self._decoder = json.JSONDecoder(strict=False, object_pairs_hook=self.doubles.pairs)
        self.encoding: str | None = None
        notes = []
        packed = is_packed(self.path)
        with binary(self.path, self.name)[0] as f:
            head = f.read(HEAD)
        if (head.startswith(b"PAR1") or is_workbook(self.path, head)) and packed:
            raise DataError(
                f"{self.name} is a gzipped file of a format that is already compressed.",
                asked=self.name,
                available=READABLE,
                remedy="Decompress it and choose the file inside.",
            )
        if head.startswith(b"PAR1"):
            self.format, self.delimiter = "parquet", ""
        elif is_workbook(self.path, head):
            self.format, self.delimiter = "xlsx", ""
            self._sheet = Sheet(self.path, self.name)
            notes += [self._sheet.note] if self._sheet.note else []
        else:
            refuse_binary(self.path, head, self.name)
            self.encoding, self._errors, note = encoding_of(self.path, head, encoding)
            notes += [note] if note else []
            with self._open(newline="") as stream:
                text = stream.read(HEAD)
            if not text.strip("\ufeff \t\r\n\x00"):
                raise _empty(self.name, "holds only blank lines")
            self._blank_lines = bool(re.search(r"\n[ \t]*\r?\n", text.strip()))
            self.format, self.delimiter = format_of(text, suffix(self.name), len(text) < HEAD)
            if self.format in ("text", "csv") and (dates := whatsapp.dated(text)):
                self.format, self.delimiter, self._dates = "text", "", dates
        expected = SUFFIXES.get(suffix(self.name))
        if expected and expected != self.format and {expected, self.format} != {"csv", "tsv"}:
            notes.append(f"Its name ends in {suffix(self.name)}, but it holds {self.format.upper()} and was read as such.")
        self._headless, self._fold, self._above, self._header_note = False, None, 0, None
        if self.format in ("csv", "tsv"):
            self._above = header_row.above_csv(text if len(text) < HEAD else text.rpartition("\n")[0], self.delimiter)
        elif self.format == "xlsx":
            self._above = header_row.above(list(islice(self._sheet.rows(), header_row.LOOKED_AT)), sheet=True)
        self.head = list(islice(self, PEEK))
        self._settle()
        notes += [self._header_note] if self._header_note else []
        if fold := self._folding():
            self._fold, self.columns = fold, fold.columns
            self.head = list(islice(self, PEEK))
            notes.append(fold.note)
        self._notes = notes + ["It has no header, so its columns were numbered."] * self._headless

    @property
    def note(self) -> str | None:
        """How the file was read so far, or None."""
        return " ".join(self._notes + [self.doubles.note] * bool(self.doubles.note)) or None

    def _folding(self) -> Fold | None:
        """Return how records become rows; None if each is a row, or if the records have an unexpected structure."""
        with contextlib.suppress(RowProblem, TypeError, ValueError, AttributeError, LookupError, RecursionError):
            records = [r.value for r in self.head if r.value is not None]
            return people.WHATSAPP if self._dates else exports.find_fold(records) or find_fold(records)

    def _settle(self) -> None:
        """Set the columns, and reject a file without any record."""
        if not self.head:
            raise _empty(self.name, "holds a header but no rows" if self.columns else "holds no records")
        readable = [r.value for r in self.head if r.value is not None]
        if self.format == "json" and not readable:
            first = self.head[0]
            raise DataError(
                f"{self.name} can't be read as JSON: {first.problem}", asked=self.name, available=READABLE, remedy=first.remedy or ONE_LINE
            )
        self.columns = self.columns or list(dict.fromkeys(key for value in readable for key in value))
        refuse_columns(self.name, len(self.columns))

    def _note_skipped(self, skipped: list[str], number: int, unit: str) -> None:
        if skipped:
            self._header_note = header_row.note(skipped, number, unit)

    @property
    def position(self) -> int:
        """Bytes read so far, for a progress bar."""
        return self._raw.tell() if self._raw and not self._raw.closed else self._done

    def __iter__(self) -> Iterator[Record]:
        kinds = {
            "csv": self._csv,
            "tsv": self._csv,
            "json": self._json,
            "jsonl": self._lines,
            "text": self._passages,
            "parquet": self._parquet,
            "xlsx": self._workbook,
        }
        self._done = 0
        records = kinds[self.format]()
        yield from self._folded(records) if self._fold else records
        self._done = self.bytes

    def _folded(self, records: Iterator[Record]) -> Iterator[Record]:
        """Yield one record per row, for files with several rows per record or several records per row."""
        broken: deque[Record] = deque()

        def whole():
            for record in records:
                if record.value is None:
                    broken.append(record)
                else:
                    yield record.row, record.value

        try:
            for number, row in self._fold.rows(whole()):
                while broken:
                    yield broken.popleft()
                yield Record(number, row) if row is not None else Record(number, None, *UNLIKE)
        except (RowProblem, TypeError, ValueError, AttributeError, LookupError) as error:
            raise DataError(
                f"{self.name} changes its structure along the way: {str(error)[:200]}",
                asked=self.name,
                available=self._fold.note,
                remedy="Give all records the structure of the first ones. " + ONE_LINE,
            ) from error
        yield from broken

    def _open(self, newline: str | None = None) -> io.TextIOWrapper:
        content, self._raw = binary(self.path, self.name, CHUNK)
        return io.TextIOWrapper(content, encoding=self.encoding, errors=self._errors, newline=newline)

    # ---- CSV and its relatives

    def _csv(self) -> Iterator[Record]:
        csv.field_size_limit(max(csv.field_size_limit(), FIELD))
        with self._open(newline="") as stream:
            lines = _Lines(stream)
            if re.match(r"sep=.\r?\n$", first := next(lines, "")):
                first = next(lines, "")
            lines.back.appendleft(first)
            lines.taken.clear()
            lines.number -= 1
            rows = csv.reader(lines, delimiter=self.delimiter)
            try:
                filled = ((lines.number, cells) for cells in rows if cells)
                skipped, header, number = header_row.below(filled, self._above)
            except csv.Error as error:
                raise DataError(
                    f"The header of {self.name} can't be read: {error}.",
                    asked=self.name,
                    available=READABLE,
                    remedy="Give the first line one short name per column.",
                ) from error
            self._note_skipped(skipped, number, "line")
            self._headless = any(len(cell) > 120 or "\n" in cell.strip() for cell in header)
            refuse_columns(self.name, len(header))
            self.columns = unique_names([""] * len(header) if self._headless else header, self.doubles.columns)
            if self._headless:
                lines.back.extendleft(reversed(lines.taken))
            lines.taken.clear()
            yield from self._cells(rows, lines)

    def _cells(self, rows, lines: "_Lines") -> Iterator[Record]:
        width, row = len(self.columns), 0
        while True:
            try:
                cells, problem = next(rows), None
            except StopIteration:
                return
            except csv.Error as error:
                cells, problem = [], f"The row can't be read: {error}."
            while len(cells) > width and not cells[-1].strip():
                cells.pop()
            if len(lines.taken) > 1 and sum(line.count('"') for line in lines.taken) % 2:
                problem = problem or "A quote is opened in this row but never closed."
            if problem or cells and len(cells) != width:
                problem = problem or f"The row has {len(cells)} cells; the header has {width}."
                lines.return_swallowed(width, self.delimiter)
            elif not cells:
                lines.taken.clear()
                continue
            row += 1
            lines.taken.clear()
            yield Record(
                row,
                None if problem else dict(zip(self.columns, cells, strict=True)),
                problem,
                'Put a text with the delimiter or a quote in "double quotes", and double each quote inside it.' if problem else None,
            )

    # ---- JSON

    def _json(self) -> Iterator[Record]:
        row = 0
        with self._open() as stream:
            for value in documents(Cursor(stream, self._decoder)):
                row += 1
                if isinstance(value, Broken):
                    yield Record(row, None, f"The JSON is invalid at {value}.", "Correct that place. " + ONE_LINE)
                else:
                    yield _record(row, value)

    def _lines(self) -> Iterator[Record]:
        with self._open() as stream:
            yield from self._json_lines(stream, 0)

    def _json_lines(self, stream: io.TextIOBase, number: int) -> Iterator[Record]:
        row = 0
        while line := stream.readline(LARGEST):
            number += 1
            if len(line) >= LARGEST and not line.endswith("\n"):
                row += 1
                yield Record(row, None, f"Line {number} has more than {LARGEST:,} characters.", "Split the line into several objects.")
                _pass_over(stream)
                continue
            if not line.strip("\ufeff \t\r\n\x00"):
                continue
            row += 1
            try:
                yield _record(row, _parsed(line.strip("\ufeff \t\r\n\x00"), self._decoder))
            except (json.JSONDecodeError, RecursionError) as error:
                why = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else NESTED
                yield Record(
                    row,
                    None,
                    f"Line {number} is not JSON: {why}.",
                    "Correct or delete the line; each line must hold one complete JSON object.",
                )

    # ---- a part of the file

    def within(self, data: bytes, line: int) -> Iterator[Record]:
        """Yield the records of some complete lines; `line` is the number of the first one, `row` counts from 1."""
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline=None if self.format == "jsonl" else "")
        if self.format == "jsonl":
            return self._json_lines(text, line - 1)
        lines = _Lines(text)
        return self._cells(csv.reader(lines, delimiter=self.delimiter), lines)

    # ---- text and Parquet

    def _passages(self) -> Iterator[Record]:
        row = 0
        with self._open() as stream:
            if self._dates:
                yield from (Record(*item) for item in enumerate(whatsapp.messages(_each_line(stream), self._dates), 1))
                return
            for text in _paragraphs(stream) if self._blank_lines else iter(lambda: stream.readline(LARGEST), ""):
                if text := text.strip("\ufeff\r\n\x00").rstrip():
                    row += 1
                    yield Record(row, {"text": text})

    def _parquet(self) -> Iterator[Record]:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException

        row = 0
        try:
            with pq.ParquetFile(self.path) as file:
                total, size = max(1, file.metadata.num_rows), 0
                refuse_rows(self.name, total)
                self.columns = unique_names(file.schema_arrow.names, self.doubles.columns)
                refuse_columns(self.name, len(self.columns))
                for batch in file.iter_batches(batch_size=128):
                    size = refuse_table(self.name, self.bytes, size, batch)
                    for value in arrow_rows(batch.rename_columns(self.columns)):
                        row += 1
                        yield Record(row, value)
                    self._done = self.bytes * row // total
        except (ArrowException, OSError) as error:
            raise DataError(
                f"{self.name} can't be read as Parquet: {str(error)[:200]}",
                asked=self.name,
                available="complete Parquet files",
                remedy="Copy or export the file again.",
            ) from error

    def _workbook(self) -> Iterator[Record]:
        rows = self._sheet.rows()
        skipped, header, number = header_row.below(rows, self._above)
        self._note_skipped(skipped, number, "row")
        self.columns = unique_names(header, self.doubles.columns)
        total = max(1, self._sheet.sheet.height if self._sheet.sheet else 1)
        for row, (_, cells) in enumerate(rows, 1):
            self._done = self.bytes * row // total
            if extra := len(cells) - len(self.columns):
                if extra > 0:
                    yield Record(row, None, f"The row has {len(cells)} cells; the header has {len(header)}.", "Give each column a name.")
                    continue
                cells += [""] * -extra
            yield Record(row, dict(zip(self.columns, cells, strict=True)))


class _Lines:
    """Lines for `csv` that can be returned: a stray quote swallows the lines after it."""

    def __init__(self, stream):
        self.stream, self.back, self.taken, self.number = stream, deque(), [], 0

    def __iter__(self):
        return self

    def __next__(self) -> str:
        line = self.back.popleft() if self.back else self.stream.readline(LARGEST)
        if not line:
            raise StopIteration
        self.taken.append(line)
        self.number += 1
        return line

    def return_swallowed(self, width: int, delimiter: str) -> None:
        """Return the lines after the first one of the current record if one of them is a row by itself."""
        rest = self.taken[1:]
        if any(len(next(csv.reader([line], delimiter=delimiter), [])) == width for line in rest[:50]):
            self.back.extendleft(reversed(rest))


def _parsed(line: str, decoder: json.JSONDecoder):
    """Parse one line with orjson (three times as fast), or with the standard library if orjson rejects it (NaN, long numbers, raw tabs).

    Raises json.JSONDecodeError, RecursionError (nested deeper than DEPTH).
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value, end = decode(line, 0, decoder)
        if rest := line[end:].strip():
            raise json.JSONDecodeError("Extra data", line, len(line) - len(rest)) from None
        return value
    if line.count("[") + line.count("{") > DEPTH and too_deep(value):
        raise RecursionError(NESTED)
    if isinstance(value, dict) and any(type(v) is float and abs(v) >= EXACT for v in value.values()):
        return decode(line, 0, decoder)[0]  # orjson keeps only 17 digits of a whole number of more than 64 bits
    if isinstance(value, dict) and line.count('":') != counted(value):
        return decode(line, 0, decoder)[0]  # a key may be repeated, and orjson keeps only the last
    return value


def arrow_rows(table) -> list[dict]:
    """Return the records of an Arrow batch or table, without the nulls that Arrow adds where calls and schemas have different fields."""
    rows = table.to_pylist()
    return [unfilled(row) for row in rows] if nested(table.schema) else rows


def _pass_over(stream: io.TextIOBase) -> None:
    """Skip to the end of a line that is too long to hold in memory."""
    while (piece := stream.readline(CHUNK)) and not piece.endswith("\n"):
        pass


def _record(row: int, value) -> Record:
    if isinstance(value, str):
        value = {"text": value}
    elif isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        value = {"messages": value}
    if isinstance(value, dict):
        return Record(row, value)
    return Record(
        row,
        None,
        f"The record is {'a list' if isinstance(value, list) else f'the bare value {value!r}'[:60]}, not an object with named fields.",
        'Write it as {"column": "text", ...}.',
    )


def _each_line(stream) -> Iterator[str]:
    return iter(lambda: stream.readline(LARGEST), "")


def _paragraphs(stream) -> Iterator[str]:
    """Yield blocks between blank lines, cut at line ends when they are long; a Markdown heading stays with the text below it."""
    kept, size = [], 0
    for line in iter(lambda: stream.readline(PASSAGE), ""):
        blank = not line.strip()
        heading = kept and all(part.startswith("#") or not part.strip() for part in kept)
        if kept and (blank and not heading or size + len(line) > PASSAGE):
            yield "".join(kept)
            kept, size = [], 0
        if not blank or kept:
            kept.append(line)
            size += len(line)
    yield "".join(kept)


def _size(path: Path, name: str) -> int:
    size = regular(path, name, f"one file: {READABLE}").st_size
    if not size:
        raise _empty(name, "is empty")
    return size


def _empty(name: str, why: str) -> DataError:
    return DataError(f"{name} {why}.", asked=name, available=READABLE, remedy="Choose a file with at least one row of data.")
