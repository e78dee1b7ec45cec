"""Read a file in one pass: detect its format, convert the usable rows, and collect the problems of the others."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import compress
from pathlib import Path

import orjson
from xxhash import xxh3_64_intdigest

from tuner.data.detection.detect import Recognition, kind_of, missing, recognise
from tuner.data.detection.labels import with_options
from tuner.data.importing.arrow_rows import Plain, digest, texts
from tuner.data.importing.split import split_key
from tuner.data.readers.bounds import refuse_rows
from tuner.data.readers.reader import Reader
from tuner.data.schema.cells import NO_MEDIA
from tuner.data.schema.column_aliases import KINDS
from tuner.data.schema.column_profile import Table
from tuner.data.schema.convert import RowProblem, convert, template_columns
from tuner.errors import DataError, SettingError, raise_all

SHOWN = 200
EXAMPLES = 1 << 20  # characters, all examples together
CONVERSATION_FIELDS = {"chat": "messages", "preference": "prompt", "rated": "prompt"}  # the field that a system prompt is added to
Progress = Callable[[int, int, int], None]


class Cancelled(Exception):
    """The work was cancelled; nothing of it remains."""


class Tally:
    """Counts, problems and row digests collected in one pass over a file; takes 28 bytes per row."""

    def __init__(self):
        self.records = self.usable = self.empty = self.problem_count = 0
        self.problems: list[dict] = []
        self.common: Counter = Counter()
        self.fixed: Counter = Counter()
        self.digests, self.groups, self.lengths, self.labels = bytearray(), bytearray(), bytearray(), bytearray()
        self.label_numbers: dict[str, int] = {}

    def problem(self, row: int | None, message: str, remedy: str) -> None:
        """Count a problem and keep it while fewer than SHOWN are kept."""
        self.problem_count += 1
        if len(self.problems) < SHOWN:
            self.problems.append({"row": row, "message": message, "remedy": remedy})
        if message in self.common or len(self.common) < 1000:
            self.common[message] += 1

    def refuse(self, row: int, problem: RowProblem) -> None:
        """Count a row that can't be used."""
        self.empty += problem.empty
        self.problem(row, problem.message, problem.remedy)

    def keys_of(self, text: str, row: dict, kind: str) -> tuple[bytes, int, int]:
        """Return (digest of the row, hash of what it is about, length in characters)."""
        parts = texts(row, kind)
        subject = split_key(row, kind, text).encode("utf-8", "surrogatepass")
        return digest(parts if parts is not None else [text]), xxh3_64_intdigest(subject), min(characters(row, kind), 2**32 - 1)

    def keep(self, text: str, row: dict, kind: str) -> None:
        """Count a usable row; `text` is its JSON."""
        self.usable += 1
        row_digest, group, length = self.keys_of(text, row, kind)
        self.digests += row_digest
        self.groups += group.to_bytes(8, "little")
        self.lengths += length.to_bytes(4, "little")
        if kind == "classification":
            self.labels += self.number(str(row["label"])).to_bytes(4, "little")

    def number(self, label: str) -> int:
        """Return the number of a label, a new one for a new label; 0 beyond 10,000 labels."""
        return self.label_numbers.setdefault(label, len(self.label_numbers)) if len(self.label_numbers) < 10_000 else 0

    def extend(self, seen: Plain, labels: list[str] | None, keep) -> None:
        """Count the kept rows of a block."""
        import numpy as np

        self.usable += int(keep.sum())
        self.digests += b"".join(compress(seen.digests, keep))
        self.groups += np.array(seen.groups, "<u8")[keep].tobytes()
        self.lengths += np.minimum(seen.lengths[keep], 2**32 - 1).astype("<u4").tobytes()
        if labels is not None:
            self.labels += np.array([self.number(label) for label in compress(labels, keep)], "<u4").tobytes()

    def join(self, other: "Tally") -> None:
        """Add the tally of the records that follow."""
        import numpy as np

        for problem in other.problems[: max(0, SHOWN - len(self.problems))]:
            self.problems.append(problem | {"row": problem["row"] + self.records})
        for name in ("records", "usable", "empty", "problem_count"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for message, count in other.common.items():
            if message in self.common or len(self.common) < 1000:
                self.common[message] += count
        self.fixed.update(other.fixed)
        self.digests += other.digests
        self.groups += other.groups
        self.lengths += other.lengths
        if other.labels:
            ours = np.array([self.number(label) for label in other.label_numbers], "<u4")
            self.labels += ours[np.frombuffer(other.labels, "<u4")].tobytes()

    def keys(self) -> tuple:
        """Return (64-bit hash of what each row is about, the number of each label or None), for the split."""
        import numpy as np

        return np.frombuffer(bytes(self.groups), "<u8"), np.frombuffer(bytes(self.labels), "<u4") if self.labels else None

    def health(self) -> dict:
        """Return {"empty", "duplicates", "characters": {"median", "p95", "max"}}."""
        import numpy as np

        lengths = np.sort(np.frombuffer(bytes(self.lengths), "<u4"))
        n = len(lengths)
        at = (lambda q: int(lengths[min(n - 1, int(n * q))])) if n else (lambda q: 0)
        halves = np.frombuffer(bytes(self.digests), "<u8").reshape(-1, 2)
        first = np.sort(halves[:, 0].copy())
        distinct = int((first[1:] != first[:-1]).sum()) + 1 if n else 0
        if distinct < n:  # compare all 16 bytes only when the first 8 repeat
            distinct = len(np.unique(halves.view("V16")))
        return {"empty": self.empty, "duplicates": n - distinct, "characters": {"median": at(0.5), "p95": at(0.95), "max": at(1)}}

    def notes(self, reader: Reader) -> list[str]:
        """Return sentences about what was left out or fixed while the file was read."""
        left_out = self.common[NO_MEDIA[0]]
        media = f"{left_out:,} row{'s refer' if left_out > 1 else ' refers'} to images, audio or video and {'were' if left_out > 1 else 'was'} left out: only text is trained."
        return [note for note in (reader.note, media if left_out else None) if note] + [
            f"In {n} record{'s' * (n > 1)} {what}." for what, n in self.fixed.items()
        ]


def characters(row: dict, kind: str) -> int:
    """Return the length of a canonical row in characters, without its field names."""
    if kind == "chat":
        return sum([len(m["content"]) for m in row["messages"]])
    if kind in CONVERSATION_FIELDS:
        turns = [m for name, part in row.items() if isinstance(part, list) and name != "tools" for m in part]
        return sum([len(m["content"]) for m in turns])
    return sum([len(v) if isinstance(v, str) else len(str(v)) for v in row.values()])


def each_row(
    reader: Reader, kind: str, mapping: dict, progress: Progress | None, cancelled: Callable[[], bool] | None, system: str = ""
) -> Iterator[tuple[int, str, "Tally"]]:
    """Yield (record number, canonical row as JSON, tally) for each usable record; the last item is (None, None, tally)."""
    tally = Tally()
    for record in reader:
        tally.records += 1
        if tally.records % 200 == 0:
            refuse_rows(reader.name, tally.records)
            tick(progress, cancelled, reader.position, reader.bytes, tally.usable)
        if record.value is None:
            tally.problem(record.row, record.problem, record.remedy)
            continue
        try:
            text, row = convert_record(record.value, kind, mapping, system, tally)
        except RowProblem as problem:
            tally.refuse(record.row, problem)
            continue
        tally.keep(text, row, kind)
        yield record.row, text, tally
    tick(progress, cancelled, reader.bytes, reader.bytes, tally.usable)
    yield None, None, tally


def convert_record(value: dict, kind: str, mapping: dict, system: str, tally: Tally) -> tuple[str, dict]:
    """Return (JSON, canonical row) of a record, with the dataset's system prompt added; RowProblem when it can't be used."""
    mended: list[str] = []
    try:
        row = convert(value, kind, mapping, mended)
    except (RowProblem, MemoryError):
        raise
    except Exception as error:  # untrusted data: an unexpected failure must affect this row only
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        raise RowProblem(f"The row can't be read as {kind}: {reason}.", "Correct the row, or leave it out.") from error
    tally.fixed.update(mended)
    if system and (conversation := row.get(CONVERSATION_FIELDS.get(kind))) and conversation[0]["role"] != "system":
        conversation.insert(0, {"role": "system", "content": system})
    return as_json(row), row


def as_json(row: dict) -> str:
    """Return compact JSON; the standard library writes what orjson rejects (integers beyond 64 bits, lone surrogates)."""
    try:
        return orjson.dumps(row).decode()
    except TypeError:
        return json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "replace").decode("utf-8")


def tick(progress: Progress | None, cancelled: Callable[[], bool] | None, done: int, total: int, rows: int) -> None:
    """Report progress, and raise Cancelled when the work was cancelled."""
    if cancelled and cancelled():
        raise Cancelled
    if progress:
        progress(done, total, rows)


def recognize_with_choices(reader: Reader, kind: str | None, mapping: dict | None) -> Recognition:
    """Return the detected format with the chosen kind and mapping applied; SettingError for an unknown role, kind or column."""
    if kind is not None and kind not in KINDS:
        raise SettingError(
            f"There is no kind of data named {kind!r}.", field="kind", asked=kind, available=list(KINDS), remedy="Choose one of them."
        )
    mapping = {role: columns for role, columns in (mapping or {}).items() if columns}
    records = [r.value for r in reader.head if r.value is not None]
    kind = kind or (kind_of(mapping) if mapping else None)
    guess = _recognised(reader, records, kind)
    if not mapping:
        return guess
    kind = guess.kind
    if missing(kind, mapping):
        mapping = {role: c for role, c in guess.mapping.items() if role in KINDS[kind][1] + KINDS[kind][2]} | mapping
    _check_mapping(kind, mapping, reader.columns)
    mapping = with_options(Table(reader.columns, records), kind, mapping)
    return replace(guess, mapping=mapping, reason="You chose the column mapping.", confidence=1.0, questions=[])


def _recognised(reader: Reader, records: list[dict], kind: str | None) -> Recognition:
    """Detect kind and mapping from the first records; DataError when they can't be examined."""
    try:
        return recognise(reader.columns, records, kind)
    except MemoryError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise DataError(
            f"The first rows of {reader.name} can't be understood: {reason}",
            asked=reader.name,
            available="rows of text, numbers, labels and conversations",
            remedy="Open the file in an editor, correct what is unusual in its first rows, and import it again.",
        ) from error


def _check_mapping(kind: str, mapping: dict, columns: list[str]) -> None:
    known, errors = KINDS[kind][1] + KINDS[kind][2], []
    for role, asked in mapping.items():
        if role not in known:
            errors.append(
                SettingError(
                    f"Data of kind {kind} has no role {role!r}.",
                    field="mapping",
                    asked=role,
                    available=list(known),
                    remedy="Choose one of these roles, or another kind of data.",
                )
            )
        names = [n for c in ([asked] if isinstance(asked, str) else asked) for n in ([c] if c in columns else template_columns(c) or [c])]
        for column in names:
            if column not in columns and column.split(".")[0] not in columns:
                errors.append(
                    SettingError(
                        f"There is no column {column!r} for {role}.",
                        field="mapping",
                        asked=column,
                        available=columns,
                        remedy="Choose one of the columns of the file.",
                    )
                )
    if lacking := missing(kind, mapping):
        errors.append(
            SettingError(
                f"Data of kind {kind} needs a column for {' and '.join(lacking)}.",
                field="mapping",
                asked=sorted(mapping),
                available=columns,
                remedy="Choose the column in the column mapping.",
            )
        )
    raise_all(errors)


def check(
    path: str | Path,
    *,
    mapping: dict | None = None,
    kind: str | None = None,
    encoding: str | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict:
    """Return the document that `tunesmith data check` prints. An unreadable file gives zero rows, one problem (row null) and `errors`."""
    try:
        reader = Reader(path, encoding)
    except DataError as error:
        return unread(error)
    found = recognize_with_choices(reader, kind, mapping)
    *_, (_, _, tally) = each_row(reader, found.kind, found.mapping, progress, cancelled)
    return {
        "format": reader.format,
        "shape": found.format,
        "kind": found.kind,
        "mapping": found.mapping,
        "rows": tally.records,
        "usable": tally.usable,
        "problems": tally.problems,
        "problem_count": tally.problem_count,
        "health": tally.health(),
        "columns": reader.columns,
        "reason": found.reason,
        "confidence": found.confidence,
        "questions": found.questions,
        "encoding": reader.encoding,
        "notes": tally.notes(reader),
        "examples": _examples(reader),
    }


def unread(error: DataError) -> dict:
    """Return the document of `check` for a file that can't be read at all."""
    return {
        "format": None,
        "kind": None,
        "mapping": {},
        "rows": 0,
        "usable": 0,
        "errors": error.as_list(),
        "columns": [],
        "examples": [],
        "problems": [{"row": None, "message": error.message, "remedy": error.remedy}],
        "problem_count": 1,
        "health": Tally().health(),
        "reason": error.message,
        "confidence": 0.0,
        "questions": [],
        "encoding": None,
        "notes": [],
    }


def _examples(reader: Reader) -> list[dict]:
    """Return the first records, at most 20 and at most EXAMPLES characters, so that the document stays small."""
    examples, size = [], 0
    for record in reader.head:
        if record.value is not None and (size := size + len(str(record.value))) <= EXAMPLES and len(examples) < 20:
            examples.append(record.value)
    return examples
