"""Read a cell as text or as an object, by column name or by a small template of several columns."""

import ast
import json
import math
import re
from functools import lru_cache
from typing import Any

from tuner.data.schema.numbers import digits

Column = str | list[str] | None
SPLIT, FROM_ONE = " split at ", " counted from 1"  # "{genres} split at ;" is a list of labels, "{answer} counted from 1" a number
COMMAS = {"decimal": " with decimal commas", "thousands": " with commas between thousands"}  # what a comma means in a column of numbers
BEST_FIRST, BEST_LAST = " best first", " best last"  # "{output} best first" is a list of answers, ordered by quality
ANSWERED_BY = " answered by "  # "{messages} answered by Anna": Anna's turns are the assistant's
BY_POSITION = " by position"  # "{labels} by position" is a vector of 0 and 1; a following " of {names}" or ": joy, anger" names its labels


class RowProblem(Exception):
    """Why one record can't be used. `empty`: the record is merely empty."""

    def __init__(self, message: str, remedy: str, empty: bool = False):
        self.message, self.remedy, self.empty = message, remedy, empty
        super().__init__(message)


def cell(value: dict, column: Column) -> Any:
    """Return the value of a column. "a.b" reads a field, "{a}: {b}" is a template; several columns are joined by a blank line."""
    if isinstance(column, (list, tuple)):
        return "\n\n".join(part for part in (plain(cell(value, c)) for c in column) if part.strip())
    if column is None or column in value:
        return value.get(column)
    if "{" in column and (parts := _parts(column)):
        return _filled(value, parts)
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


@lru_cache(maxsize=256)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return pairs of (text, the column after it); empty if no column is named in braces."""
    pieces = re.split(r"\{([^{}]+)\}", template)
    columns = [*pieces[1::2], None]
    return tuple(zip(pieces[::2], columns, strict=True)) if len(pieces) > 1 else ()


def _filled(value: dict, parts: tuple) -> str:
    """Return the template filled with the cells; empty if all its cells are empty."""
    cells = [plain(cell(value, column)) if column else "" for _, column in parts]
    return "".join(text + content for (text, _), content in zip(parts, cells, strict=True)) if any(map(str.strip, cells)) else ""


def template_columns(value: str | list[str]) -> list[str] | None:
    """Return the columns that a template such as "{title}: {body}" names; None for a plain column name."""
    parts = _parts(value) if isinstance(value, str) else ()
    return [column for _, column in parts if column] or None


def option(column: Column, mark: str) -> tuple[Column, str | None]:
    """Return ("genres", ";") for "{genres} split at ;" and the mark " split at "; (column, None) for any other column."""
    if not isinstance(column, str) or mark not in column:
        return column, None
    head, _, rest = column.partition(mark)
    named = template_columns(head)
    return (named[0], rest) if named and head == "{" + named[0] + "}" else (column, None)


def plain(content: Any) -> str:
    """Return a cell as text: None and NaN are empty, 3.0 is "3", typed parts are joined, other objects become JSON."""
    if isinstance(content, str):
        return "" if content in ("NaN", "nan") else content.replace("\r\n", "\n")
    if content is None or isinstance(content, float) and math.isnan(content):
        return ""
    if isinstance(content, bool):
        return str(content).lower()
    if isinstance(content, float):
        return digits(content)
    if is_typed(content):
        return "\n".join(_part(part) for part in content if part_type(part) not in THOUGHTS)
    if isinstance(content, (dict, list)):
        return json.dumps(content, ensure_ascii=False, default=str) if content else ""
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)


TEXTS = ("text", "input_text", "output_text", "refusal")
THOUGHTS = ("thinking", "reasoning", "thought", "reasoning_text", "summary_text", "redacted_thinking")
CALL_PARTS = ("tool_call", "tool_use", "function_call", "functioncall", "toolcall", "server_tool_use", "function")
RESULT_PARTS = ("tool_result", "tool_response", "function_response", "functionresponse", "function_call_output", "toolresult")
MEDIA = ("image", "img", "picture", "video", "audio", "sound", "input_image", "input_audio", "input_video")
NO_MEDIA = (
    "The row refers to an image, audio or video; only text is trained.",
    "Text-only training needs rows without media: leave these rows out, or replace the media with a description in words.",
)


def is_typed(content: Any) -> bool:
    """Return whether this is a list of content parts: objects with a type (or only a text), mixed with plain texts."""
    return (
        isinstance(content, list) and bool(content) and all(isinstance(part, (str, dict)) for part in content) and any(map(_typed, content))
    )


def _typed(part: Any) -> bool:
    return isinstance(part, dict) and ("type" in part or part.keys() == {"text"} or len(part) == 1 and part.keys() <= GEMINI)


GEMINI = {"functionCall", "functionResponse", "function_call", "function_response"}


def part_type(part: str | dict) -> str:
    """Return the type of a content part, with underscores; without a type it is text, or what its only key says."""
    if isinstance(part, str):
        return "text"
    kind = part.get("type")
    if kind is None:
        kind = next((key for key in GEMINI if part.get(key)), "text")
    return re.sub(r"[^a-z0-9]+", "_", str(kind).lower())


def part_text(part: str | dict) -> str:
    """Return the text of a part: under `text`, `value`, the part's own type or `content`, or the `value` of an object there."""
    if isinstance(part, str):
        return plain(part)
    keys = ("text", "value", str(part.get("type")), part_type(part), "content", "thought", "summary")
    found = next((part[k] for k in keys if part.get(k) is not None), None)
    return plain(found.get("value", found.get("text"))) if isinstance(found, dict) else plain(found)


def _part(part: str | dict) -> str:
    kind = part_type(part)
    if kind in TEXTS:
        return part_text(part)
    if kind.partition("_")[0] in MEDIA or kind in MEDIA:
        raise RowProblem(*NO_MEDIA)
    raise RowProblem(
        f"A message holds a part of the type {part.get('type')!r}, which is not text.", "Write it as text, or leave the row out."
    )


def unpack(content: Any) -> Any:
    """Return the list or object that a cell holds as JSON or Python literal; anything else unchanged."""
    if isinstance(content, str) and content.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(content, strict=False)
        except (ValueError, RecursionError):
            return _python(content.strip())
    return content


def _python(text: str) -> Any:
    """Parse what pandas wrote with str(): "['a', 'b']", and arrays of objects or numbers without commas."""
    if text[-1] not in "]}" or len(text) > 1_000_000:
        return text
    if "'" not in text:
        numbers = re.fullmatch(r"\[[-+.\de\s]+\]", text) and text[1:-1].split()
        return [float(n) if "." in n or "e" in n else int(n) for n in numbers] if numbers else text
    if "', " not in text and "{" not in text:  # Python would concatenate 'a' 'b'
        text = re.sub(r"'\s+'", "', '", text)
    for attempt in (text, re.sub(r"\}\s+\{", "}, {", text)):
        try:
            return ast.literal_eval(attempt)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def text_of(value: dict, mapping: dict, role: str) -> str:
    """Return the text of a role; RowProblem if there is none."""
    column = mapping.get(role)
    text = plain(cell(value, column))
    if text and not text.isspace():
        return text
    if not column:
        raise RowProblem(f"No column is mapped to {role}.", "Choose a column.")
    named = " and ".join(column) if isinstance(column, list) else column
    raise RowProblem(f"{named} is empty.", "Fill it in or leave the row out.", empty=True)
