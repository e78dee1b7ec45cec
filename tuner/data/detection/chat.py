"""Recognize data with questions and answers: conversations, columns, multiple choice, texts with marked turns."""

import re

from tuner.data.detection.recognition import Recognition, map_prompt_and_answer
from tuner.data.schema.cells import FROM_ONE, RowProblem, unpack
from tuner.data.schema.column_aliases import CHOICE_ANSWER, CHOICE_ASKED, CHOICE_STEMS, CHOICES
from tuner.data.schema.column_profile import Table, bare, most, names_of, quoted, raw
from tuner.data.schema.multiple_choice import choice, options
from tuner.data.schema.transcripts import transcript
from tuner.data.schema.turns import ROLE_NAMES, TURN_ROLE

JUDGEMENTS = ("label", "labels", "class", "sentiment", "toxicity", "score", "rating", "intent", "target")
WRITTEN = (
    "text",
    "conversation",
    "conversations",
    "chat",
    "dialogue",
    "dialog",
    "prompt",
    "content",
    "sample",
    "formatted",
    "messages",
    "data",
)


def conversations(table: Table) -> Recognition | None:
    """Recognize a column with whole conversations."""
    column = next((c for c in table.columns if table.bare[c] in names_of("messages") and table.turned(c)), None)
    column = column or next(
        (c for c in table.columns if table.turned(c) and any(k in raw(table.values(c)[0]) for k in ('"role"', '"from"'))), None
    )
    if column and table.bare[column] in names_of("prompt") and map_prompt_and_answer(table):
        return None
    if not column:
        return None
    name, marks = _style(table.values(column))
    system = table.find("system", (column,), sure=True)
    mapping = {"messages": column} | ({"system": system} if system else {})
    open_end = map_prompt_and_answer(table) or {}
    if open_end.get("messages") == column and "answer" in open_end:
        return Recognition(name, "chat", open_end, f"{marks} in {quoted(column)}, the last answer in {quoted(open_end['answer'])}.", 0.9)
    return Recognition(name, "chat", mapping, f"{marks} in {quoted(column)}.", 0.97)


def _style(values: list) -> tuple[str, str]:
    """Return (name of the format, its description) for a column of conversations."""
    first = unpack(values[0])
    turn = first[0] if isinstance(first, list) and first else first
    inner = turn if isinstance(turn, dict) else {}
    in_json = " as JSON in a cell" if isinstance(values[0], str) else ""
    if "from" in inner:
        return "sharegpt", f"`from`/`value` pairs{in_json}: ShareGPT"
    if "role" in inner:
        return "openai", f"`role`/`content` turns{in_json}: OpenAI messages"
    return "pairs", f"alternating turns{in_json}"


def single_turns(table: Table) -> Recognition | None:
    """Recognize one turn per row (OASST's messages, chat logs). No mapping can join rows, so the user is asked."""
    role = next((c for c in table.columns if table.bare[c] in (*TURN_ROLE, "speakerrole", "role") and _roles(table, c)), None)
    text = role and table.named("text", "content", "message", "value", "utterance", "body")
    if not text or table.turned(text):
        return None
    return Recognition(
        "turns",
        "text",
        {"text": text},
        f"Each row is one turn of a conversation; {quoted(role)} is its role.",
        0.3,
        [
            "Should the rows be joined into conversations? Then put each conversation into one row, with its turns in one column. "
            f"For now, {quoted(text)} is plain text."
        ],
    )


def _roles(table: Table, column: str) -> bool:
    values = [bare(raw(v)) for v in table.values(column)]
    return bool(values) and all(v in ROLE_NAMES for v in values) and (len(set(values)) > 1 or len(values) == 1)


def multiple_choice(table: Table) -> Recognition | None:
    """Recognize a question, its options, and the right one."""
    columns = _options(table)
    used = columns if isinstance(columns, list) else [columns]
    question = columns and next(
        (c for n in CHOICE_ASKED for c in table.columns if table.bare[c] == n and c not in used and table.wordy(c)), None
    )
    right = question and next(
        (c for n in CHOICE_ANSWER for c in table.columns if table.bare[c] == n and c not in (*used, question) and table.values(c)), None
    )
    if not right:
        return None
    passage = next(
        (
            c
            for c in table.columns
            if table.bare[c] in ("context", "article", "passage", "story") and c not in (question, right) and table.wordy(c)
        ),
        None,
    )
    mapping = {"prompt": [passage, question] if passage else question, "choices": columns, "answer": right}
    reason = f"{quoted(columns)} are options for {quoted(question)}, {quoted(right)} is the right one: multiple choice."
    numbers, sure = table.numbers(right), True
    if numbers and 0 not in numbers and not _labelled(table, columns):
        mapping["answer"] = f"{{{right}}}{FROM_ONE}"
        sure = max(numbers) == _most_options(table, columns)
    if not most(lambda r: _fits(r, mapping), table.records):
        return None
    ask = [] if sure else [f"Does 1 in {quoted(right)} mean the first option? If 0 means the first, remove `{FROM_ONE.strip()}`."]
    return Recognition("choices", "chat", mapping, reason, 0.55 if ask else 0.92, ask)


def _options(table: Table) -> str | list[str] | None:
    """Return a column with a list of options, or one column per option."""
    if whole := next((c for n in CHOICES for c in table.columns if table.bare[c] == n and table.listed(c)), None):
        return whole
    for stem in CHOICE_STEMS:
        alike = [c for c in table.columns if re.fullmatch(re.escape(stem) + r"[a-h0-9]", table.bare[c]) and table.values(c)]
        if len(alike) > 1:
            return alike
    letters = [c for c in table.columns if table.bare[c] in "abcdefgh" and len(table.bare[c]) == 1 and table.values(c)]
    return letters if len(letters) > 2 else None


def _most_options(table: Table, columns: str | list[str]) -> int:
    return (
        len(columns)
        if isinstance(columns, list)
        else max(len(unpack(v)) for v in table.values(columns) if isinstance(unpack(v), list | dict))
    )


def _labelled(table: Table, columns: str | list[str]) -> bool:
    """Return whether the options have their own labels, so that a number can only be one of them."""
    try:
        return isinstance(columns, str) and bool(table.records) and options(table.records[0], columns)[0][0] not in ("A", "a")
    except RowProblem:
        return False


def _fits(record: dict, mapping: dict) -> bool:
    try:
        return bool(choice(record, mapping))
    except RowProblem:
        return False


def columns_sure(table: Table) -> Recognition | None:
    """Recognize a question and an answer in columns with exactly such names."""
    return by_columns(table, sure=True)


def by_columns(table: Table, sure: bool = False) -> Recognition | None:
    """Recognize a question and an answer in columns with such words in their names."""
    mapping = map_prompt_and_answer(table, (), sure)
    if not mapping or "answer" not in mapping or table.repeated(mapping["answer"]) and not sure:
        return None
    answer, prompt = mapping["answer"], mapping.get("prompt", mapping.get("messages", ""))
    alpaca = "instruction" in map(table.bare.get, [prompt] if isinstance(prompt, str) else prompt)
    shape = "Alpaca" if alpaca and table.bare[answer] == "output" else "a question and its answer in each row"
    confidence = 0.95 if sure else 0.75
    return Recognition(
        "alpaca" if shape == "Alpaca" else "pairs", "chat", mapping, f"{quoted(prompt)} and {quoted(answer)}: {shape}.", confidence
    )


def written_out(table: Table) -> Recognition | None:
    """Recognize texts with marked turns. They become messages, so that the model's own chat template replaces the marks."""
    if any(table.bare[c] in JUDGEMENTS and table.distinct(c) > 1 for c in table.columns):
        return None
    likely = [c for n in WRITTEN for c in table.columns if table.bare[c] == n] + [c for c in table.columns if table.wordy(c)]
    column = next((c for c in likely if most(_is_written, table.values(c)[:50])), None)
    if not column:
        return None
    system = table.find("system", (column,), sure=True)
    return Recognition(
        "transcript",
        "chat",
        {"messages": column} | ({"system": system} if system else {}),
        f"{quoted(column)} holds conversations with marked turns, such as {_mark(table.values(column)[0])!r}; the marks become turns.",
        0.9,
    )


def _is_written(value) -> bool:
    found = transcript(value) if isinstance(value, str) else None
    return bool(found) and any(m["role"] == "assistant" for m in found)


def _mark(text: str) -> str:
    return " ".join(text.split()[:2])[:24]
