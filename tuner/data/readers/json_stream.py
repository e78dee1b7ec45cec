"""Stream the records of JSON of any size and shape, with one record in memory at a time.

The standard library's decoder reads from a sliding window: errors have exact positions, NaN is allowed, any encoding works, and one
invalid element of a list doesn't affect the others.
"""

import json
import re
from collections.abc import Iterator

from tuner.data.readers.bounds import DIGITS
from tuner.data.readers.bounds import LINE as LARGEST
from tuner.system.untrusted import DEPTH, too_deep

CHUNK = 1 << 18
DECODER = json.JSONDecoder(strict=False)
LONG = json.JSONDecoder(strict=False, parse_int=lambda text: int(text) if len(text) <= DIGITS else text)
NESTED = f"nested more than {DEPTH} deep"
SPACE = re.compile(r"[\s\ufeff\x00]*")


class Broken(Exception):
    """Invalid JSON at one position; `line` and `column` count from 1."""

    def __init__(self, reason: str, line: int, column: int):
        self.reason, self.line, self.column = reason, line, column
        super().__init__(f"line {line}, column {column}: {reason}")


def decode(text: str, at: int = 0, decoder: json.JSONDecoder = DECODER) -> tuple:
    """Return (the JSON value that begins at `at`, its end). A whole number too long for Python's `int` stays text.

    Raises json.JSONDecodeError, RecursionError (nested deeper than DEPTH).
    """
    try:
        value, end = decoder.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number with more digits than Python's `int` parses
        value, end = LONG.raw_decode(text, at)
    if text.count("[", at, end) + text.count("{", at, end) > DEPTH and too_deep(value):
        raise RecursionError(NESTED)
    return value, end


class Cursor:
    """A cursor over a stream of JSON text that holds one value at a time and tracks its line."""

    def __init__(self, stream, decoder: json.JSONDecoder = DECODER):
        self.decoder = decoder
        self.stream, self.text, self.at, self.line, self.column, self.ended, self.indent = stream, "", 0, 1, 1, False, None

    def more(self) -> None:
        """Read the next piece of the stream and drop the text before the cursor."""
        line, column = self.place(self.at)
        piece = self.stream.read(max(CHUNK, len(self.text) - self.at))
        self.text, self.at, self.line, self.column, self.ended = self.text[self.at :] + piece, 0, line, column, not piece

    def place(self, at: int) -> tuple[int, int]:
        """Return (line, column) of an index of the text, counted from 1."""
        breaks = self.text.count("\n", 0, at)
        return self.line + breaks, at - self.text.rfind("\n", 0, at) if breaks else self.column + at

    def broken(self, reason: str, at: int | None = None) -> Broken:
        return Broken(reason, *self.place(self.at if at is None else at))

    def peek(self) -> str:
        """Return the next non-space character, or "" at the end."""
        while True:
            start = self.at
            self.at = SPACE.match(self.text, self.at).end()
            if self.at < len(self.text):
                lead = self.text[start : self.at]
                self.indent = lead.rpartition("\n")[2] if "\n" in lead else self.indent
                return self.text[self.at]
            if self.ended:
                return ""
            self.more()

    def value(self):
        """Return the next JSON value; Broken if it is invalid or longer than LARGEST."""
        self.peek()
        while True:
            try:
                value, end = decode(self.text, self.at, self.decoder)
                if end < len(self.text) or self.ended:
                    self.at = end
                    return value
            except json.JSONDecodeError as error:
                unfinished = error.pos >= len(self.text) - 16 or error.msg.startswith("Unterminated")
                if self.ended or not unfinished:
                    raise self.broken("the text ends too early" if self.ended and unfinished else error.msg, error.pos) from None
            except RecursionError:
                raise self.broken(NESTED) from None
            if len(self.text) - self.at > LARGEST:
                raise self.broken(f"a single value is longer than {LARGEST >> 20} million characters")
            self.more()

    def elements(self):
        """Yield each element of the array whose `[` was read. An invalid one is yielded as Broken, and reading continues if possible."""
        while (mark := self.peek()) != "]":
            if mark == ",":
                self.at += 1
                continue
            try:
                if not mark:
                    raise self.broken("the text ends inside a list")
                yield self.value()
            except Broken as error:
                yield error
                if not self.skip():
                    return
        self.at += 1

    def skip(self) -> bool:
        """Move to the next line that begins an object at the same depth; return whether there is one."""
        while self.indent is not None:
            found = self.text.find(f"\n{self.indent}{{", self.at + 1)
            if found >= 0 or self.ended:
                self.at = found + 1 if found >= 0 else len(self.text)
                return found >= 0
            self.at = max(self.at, len(self.text) - len(self.indent) - 2)
            self.more()
        return False


def documents(text: Cursor) -> Iterator:
    """Yield the records of a JSON file of any shape, and a Broken for each part that can't be read."""
    start = text.peek()
    try:
        if start == "[":
            text.at += 1
            yield from text.elements()
        elif start == "{":
            found = False
            for value in _inside(text):
                found = True
                yield value
            if not found:
                text.stream.seek(0)
                yield from _whole(Cursor(text.stream, text.decoder))
        else:
            yield text.broken("neither an object {...} nor a list [...]")
    except Broken as error:
        yield error


def _inside(text: Cursor, depth: int = 0, shape: list | None = None) -> Iterator:
    """Yield the records in the lists of an object ({"data": [...]}, {"train": [...], "test": [...]})."""
    shape = [] if shape is None else shape
    text.at += 1
    while (mark := text.peek()) != "}":
        if mark == ",":
            text.at += 1
            continue
        text.value()
        if text.peek() != ":":
            raise text.broken("Expecting ':' delimiter")
        text.at += 1
        mark = text.peek()
        if mark == "{" and depth < 3:
            yield from _inside(text, depth + 1, shape)
        elif mark == "[":
            text.at += 1
            yield from _listed(text, shape)
        else:
            text.value()
        if shape == ["one"]:
            return
    text.at += 1


def _listed(text: Cursor, shape: list) -> Iterator:
    """Yield the elements if they are records. Chat turns mean that the object around them is the (only) record."""
    for value in text.elements():
        if isinstance(value, Broken):
            yield value
            continue
        if not isinstance(value, dict):
            continue
        if not shape:
            turn = {"role", "from", "speaker"} & value.keys() and {"content", "value", "text"} & value.keys()
            shape.append("one" if turn else set(value))
        if shape == ["one"]:
            return
        if shape[0] & value.keys():
            yield value


def _whole(text: Cursor) -> Iterator:
    """Yield the records of a document that can't be streamed: columns, an index, one record, or several documents in sequence."""
    first = text.value()
    if text.peek():
        yield first
        while text.peek():
            yield text.value()
        return
    columns = list(first.values())
    if (
        columns
        and all(isinstance(c, list) and not any(isinstance(v, dict) for v in c) for c in columns)
        and len({len(c) for c in columns}) == 1
    ):
        yield from (dict(zip(first, cells, strict=True)) for cells in zip(*columns, strict=True))
    elif columns and all(isinstance(c, dict) and c and all(k.isdigit() for k in c) for c in columns):
        yield from ({name: cells.get(i) for name, cells in first.items()} for i in columns[0])
    elif len(columns) > 1 and all(isinstance(c, dict) for c in columns):
        yield from columns
    elif first:
        yield first
