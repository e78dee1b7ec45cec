"""Plain rows: rows whose canonical form equals their cells, detected column by column with pyarrow's compute functions.

Most rows of most files need no conversion: a question and an answer, or alternating turns of user and assistant. They are
checked and stored as columns, at the speed of the library; a row with anything unusual in it (an empty cell, marked turns, a
carriage return, a rare role) is left to `convert`. `convert` would leave a row that `examine` calls plain unchanged: a test
compares the two.

Why pyarrow: it is a dependency of `datasets`, it reads JSON Lines as well as CSV and reports errors, and it keeps the text of every
cell as it is. (polars hashes rows faster, but differently from version to version, which would move rows between the training and
validation rows; duckdb guesses types and returns "007" as 7.)
"""

from functools import reduce
from typing import NamedTuple

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from tuner.data.schema.conversation import SEPARATORS
from tuner.data.schema.media import HINT
from tuner.data.schema.tool_calls import CALLS, TAGGED
from tuner.data.schema.transcripts import OPENINGS
from tuner.data.schema.turns import ROLE_NAMES, TURN_ROLE, TURN_TEXT

FORMS = {  # the roles of a plain row; the first one identifies what the row is about (see `split.split_key`)
    "chat": (("prompt", "answer"), ("messages",)),
    "text": (("text",),),
    "seq2seq": (("source", "target"),),
    "classification": (("text", "label"),),
}
COLUMNS = ("messages", "prompt", "answer", "system", "text", "label", "source", "target")
ROLES = {name: role for name, role in ROLE_NAMES.items() if role != "tool" and name not in CALLS}
CODES = {"system": 0, "user": 1, "assistant": 2}
SEAM = "\n\n"  # joins several columns of one role, as in `cells.cell`


class Plain(NamedTuple):
    """n examined records: which are plain, their columns, and for each record its group, digest (16 bytes) and length in characters."""

    sure: object  # bool[n]
    columns: dict  # role -> Arrow array of n
    groups: list[int]
    digests: list[bytes]
    lengths: object  # int64[n]


def form(kind: str, mapping: dict, columns: list[str]) -> dict[str, list[str]] | None:
    """Return {role: [column, ...]} when rows with this mapping can be plain; None when every row must be converted."""
    roles = {role: [c] if isinstance(c, str) else list(c) for role, c in mapping.items() if c}
    fits = any(set(roles) - {"system"} == set(wanted) for wanted in FORMS.get(kind, ())) and ("system" not in roles or kind == "chat")
    single = all(len(c) == 1 or role == "prompt" for role, c in roles.items())
    return roles if fits and single and all(name in columns for names in roles.values() for name in names) else None


def examine(table, roles: dict[str, list[str]], system: str = "") -> Plain | None:
    """Check all records of a table at once; None when a column is not text (or, for messages, not turns with a role and a text)."""
    import pyarrow.compute as pc

    cells = {role: [table.column(name).combine_chunks() for name in names] for role, names in roles.items()}
    if not all(_is_text(column) for role, columns in cells.items() if role != "messages" for column in columns):
        return None
    own, unsure = _system(cells.pop("system", None), table.num_rows, system)
    if "messages" in cells:
        turns = _turns(cells["messages"][0])
        if turns is None:
            return None
        return _conversations(*turns, own, unsure)
    texts = {}
    for role, columns in cells.items():
        texts[role], doubt = _joined(columns)
        unsure |= doubt | _odd(texts[role], role) | _marked(texts[role])
    first, *_ = texts.values()
    parts = [own, *texts.values()] if own is not None else list(texts.values())
    lengths = sum(_numbers(pc.utf8_length(part)) for part in parts)
    return Plain(~unsure, texts | ({"system": own} if own is not None else {}), _hashes(first), _digests(parts, own is not None), lengths)


def rebuild(stored: dict) -> dict:
    """Return the canonical row of a plain row from its stored columns."""
    if stored["text"] is not None:
        return {"text": stored["text"]} | ({"label": stored["label"]} if stored["label"] is not None else {})
    if stored["source"] is not None:
        return {"source": stored["source"], "target": stored["target"]}
    messages = stored["messages"] or [
        {"role": "user", "content": stored["prompt"]},
        {"role": "assistant", "content": stored["answer"]},
    ]
    return {"messages": [{"role": "system", "content": stored["system"]}, *messages] if stored["system"] else messages}


def texts(row: dict, kind: str) -> list[str] | None:
    """Return the texts that identify a row; None for a row that holds more than its texts."""
    if kind == "chat":
        simple = len(row) == 1 and all(len(m) == 2 and m["role"] != "tool" for m in row["messages"])
        return [m["content"] for m in row["messages"]] if simple else None
    simple = kind in FORMS and all(isinstance(part, str) for part in row.values())
    return list(row.values()) if simple else None


def digest(parts: list[str]) -> bytes:
    """Return the 16-byte XXH3 digest of the texts of a row."""
    return xxh3_128_digest("\0".join(parts).encode("utf-8", "surrogatepass"))


# ---- cells


def _is_text(column) -> bool:
    import pyarrow as pa

    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _mask(array):
    """Convert an Arrow boolean array to numpy; null becomes True, because an unknown cell is not plain."""
    import pyarrow.compute as pc

    return pc.fill_null(array, True).to_numpy(zero_copy_only=False)


def _numbers(array):
    import pyarrow.compute as pc

    return pc.fill_null(array, 0).to_numpy(zero_copy_only=False).astype("int64")


def _ends(column):
    """Return (first byte, last byte) of each cell, 0 for an empty one: enough to rule out most cells without reading their text."""
    import numpy as np
    import pyarrow as pa

    width = "i8" if pa.types.is_large_string(column.type) else "i4"
    _, offsets, data = column.buffers()
    at = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1]
    text = np.append(np.frombuffer(data or b"", "u1")[: int(at[-1])], 0) if not data or data.size <= at[-1] else np.frombuffer(data, "u1")
    filled = at[1:] > at[:-1]
    return np.where(filled, text[at[:-1]], 0), np.where(filled, text[at[1:] - 1], 0)


def _where(column, candidates, check):
    """Return a mask: the result of `check` (an Arrow function) for the candidates, False for all other cells."""
    import numpy as np
    import pyarrow as pa

    mask, at = np.zeros(len(column), bool), np.flatnonzero(candidates)
    if len(at):
        mask[at] = _mask(check(column.take(pa.array(at))))
    return mask


def _blank(column):
    """Return a mask of the cells that hold only white space."""
    import pyarrow.compute as pc

    first, _ = _ends(column)
    return _where(column, (first <= 32) | (first >= 128), lambda cells: pc.equal(pc.utf8_trim_whitespace(cells), ""))


def _doubtful(column):
    """Return a mask of the cells that `cells.plain` would change, and of missing ones. The whole buffer is searched before single cells."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    doubt = _mask(pc.is_null(column))
    if (_numbers(pc.binary_length(column)) == 3).any():
        doubt |= _mask(pc.is_in(column, pa.array(["NaN", "nan"], column.type)))
    data = column.buffers()[2]
    if data is not None and (np.frombuffer(data, "u1") == ord("\r")).any():
        doubt |= _mask(pc.match_substring(column, "\r"))
    return doubt


def _marked(column):
    """Return a mask of the cells that may hold an image marker or a tagged tool call, which `convert` must examine."""
    import numpy as np
    import pyarrow.compute as pc

    data = column.buffers()[2]
    if data is None or not (np.frombuffer(data, "u1") == ord("<")).any():
        return np.zeros(len(column), bool)
    return _mask(pc.match_substring_regex(column, f"{HINT.pattern}|{TAGGED.pattern}", ignore_case=True))


def _any(check, cells, marks):
    import pyarrow.compute as pc

    found = [check(cells, mark) for mark in marks]
    return reduce(pc.or_, found)


def _odd(column, role: str):
    """Return a mask of the cells that are blank or that `convert` may parse in this role (JSON, transcripts, list labels)."""
    import numpy as np
    import pyarrow.compute as pc

    odd, (first, last) = _blank(column), _ends(column)
    space = (first <= 32) | (first >= 128)
    begins = {"prompt": ("[", "{", *OPENINGS), "label": ("[", "{")}.get(role, ())
    if begins:
        marked = space | np.isin(first, [ord(mark[0]) for mark in begins])
        odd |= _where(column, marked, lambda cells: _any(pc.starts_with, pc.utf8_ltrim_whitespace(cells), begins))
    if role == "prompt":
        marked = np.isin(last, [ord(mark[-1]) for mark in SEPARATORS])
        odd |= _where(column, marked, lambda cells: _any(pc.ends_with, cells, SEPARATORS))
    if role == "label":
        spaced = space | (last <= 32) | (last >= 128)
        odd |= _where(column, spaced, lambda cells: pc.not_equal(pc.utf8_trim_whitespace(cells), cells))
    return odd


def _joined(columns: list):
    """Join the columns of a role into (one column, mask of doubtful cells): blank cells are skipped, the others joined by a blank line."""
    import pyarrow as pa
    import pyarrow.compute as pc

    doubt = _doubtful(columns[0])
    if len(columns) == 1:
        return columns[0], doubt
    whole = pc.if_else(pa.array(_blank(columns[0])), "", columns[0])
    for column in columns[1:]:
        doubt |= _doubtful(column)
        both = pc.binary_join_element_wise(whole, column, SEAM)
        whole = pc.if_else(pa.array(_blank(column)), whole, pc.if_else(pc.equal(whole, ""), column, both))
    return whole, doubt


def _system(cells: list | None, n: int, system: str):
    """Return (system prompts or None, mask of doubtful ones): a row's own system prompt wins over the dataset's."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not cells:
        return (pa.repeat(system, n) if system else None), np.zeros(n, bool)
    column = pc.fill_null(cells[0], "")
    return pc.if_else(pa.array(_blank(column)), system, column), _doubtful(column)


# ---- conversations


def _turns(column):
    """Return (list array, roles, contents) of a column of turns that have exactly a role and a text; None for any other column."""
    import pyarrow as pa

    kind = column.type
    if not ((pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_struct(kind.value_type) and column.null_count == 0):
        return None
    names = [field.name for field in kind.value_type]
    who, what = [n for n in names if n in TURN_ROLE], [n for n in names if n in TURN_TEXT]
    flat = column.flatten()
    if len(names) != 2 or len(who) != 1 or len(what) != 1 or flat.null_count:
        return None
    roles, contents = flat.field(who[0]), flat.field(what[0])
    return (column, roles, contents) if _is_text(roles) and _is_text(contents) else None


def _conversations(column, roles, contents, own, unsure) -> Plain:
    """Examine conversations: plain are alternating user and assistant turns after an optional system prompt, ending with the assistant."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = _numbers(pc.list_value_length(column))
    starts = np.concatenate([[0], np.cumsum(counts)])
    known = pc.index_in(roles, pa.array(list(ROLES), roles.type))
    codes = np.array([CODES[role] for role in ROLES.values()] + [-1])[pc.fill_null(known, len(ROLES)).to_numpy()]
    filled = counts > 0
    at = starts[:-1][filled]
    has_system = np.zeros(len(counts), bool)
    has_system[filled] = codes[at] == CODES["system"]
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(codes)) - starts[:-1][row] - has_system[row]
    wrong = np.where(place < 0, codes != 0, codes != 1 + place % 2) | _doubtful(contents) | _blank(contents) | _marked(contents)
    unsure |= (counts - has_system < 2) | ((counts - has_system) % 2 == 1)
    unsure[filled] |= np.logical_or.reduceat(wrong, at) if len(at) else False
    role_names = pa.array(["system", "user", "assistant"]).take(pa.array(np.where(codes < 0, 1, codes)))
    offsets = pa.array(starts, pa.int32())
    messages = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([role_names, contents.cast(pa.string())], ["role", "content"]))
    texts, lengths = pa.ListArray.from_arrays(offsets, contents.cast(pa.string())), _numbers(pc.utf8_length(contents))
    totals = np.zeros(len(counts), "int64")
    np.add.at(totals, row, lengths)
    first = (
        contents.take(pa.array(np.minimum(starts[:-1] + has_system, max(len(codes) - 1, 0))))
        if len(codes)
        else pa.nulls(len(counts), pa.string())
    )
    joined, columns = pc.binary_join(texts, "\0"), {"messages": messages}
    if own is not None:
        own = pc.if_else(pa.array(has_system), "", own)
        columns["system"], totals = own, totals + _numbers(pc.utf8_length(own))
        joined = pc.if_else(pc.equal(own, ""), joined, pc.binary_join_element_wise(own, joined, "\0"))
    return Plain(~unsure, columns, _hashes(first), _each(joined), totals)


def _bytes(column) -> list[bytes]:
    import pyarrow as pa

    return column.cast(pa.binary()).to_pylist()


def _hashes(column) -> list[int]:
    return [xxh3_64_intdigest(cell or b"") for cell in _bytes(column)]


def _each(column) -> list[bytes]:
    return [xxh3_128_digest(cell or b"") for cell in _bytes(column)]


def _digests(parts: list, with_system: bool) -> list[bytes]:
    """Return the digest of each row's texts; with `with_system` the first part is the system prompt, skipped where it is empty."""
    import pyarrow.compute as pc

    rest = parts[1:] if with_system else parts
    joined = pc.binary_join_element_wise(*rest, "\0") if len(rest) > 1 else rest[0]
    if with_system:
        joined = pc.if_else(pc.equal(parts[0], ""), joined, pc.binary_join_element_wise(parts[0], joined, "\0"))
    return _each(joined)
