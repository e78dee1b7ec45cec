"""Shapes with questions and answers: conversations, columns, options to choose from, texts with marked turns."""

import re

from tuner.data.detection.recognition import Recognition, answered
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


def conversations(t: Table) -> Recognition | None:
    """A column with whole conversations."""
    talk = next((c for c in t.columns if t.bare[c] in names_of("messages") and t.turned(c)), None)
    talk = talk or next((c for c in t.columns if t.turned(c) and any(k in raw(t.values(c)[0]) for k in ('"role"', '"from"'))), None)
    if talk and t.bare[talk] in names_of("prompt") and answered(t):
        return None
    if not talk:
        return None
    name, marks = _style(t.values(talk))
    system = t.find("system", (talk,), sure=True)
    mapping = {"messages": talk} | ({"system": system} if system else {})
    open_end = answered(t) or {}
    if open_end.get("messages") == talk and "answer" in open_end:
        return Recognition(name, "chat", open_end, f"{marks} in {quoted(talk)}, the last answer in {quoted(open_end['answer'])}.", 0.9)
    return Recognition(name, "chat", mapping, f"{marks} in {quoted(talk)}.", 0.97)


def _style(values: list) -> tuple[str, str]:
    """(name of the notation, its marks) of a column of conversations."""
    first = unpack(values[0])
    turn = first[0] if isinstance(first, list) and first else first
    inner = turn if isinstance(turn, dict) else {}
    in_json = " as JSON in a cell" if isinstance(values[0], str) else ""
    if "from" in inner:
        return "sharegpt", f"`from`/`value` pairs{in_json}: ShareGPT"
    if "role" in inner:
        return "openai", f"`role`/`content` turns{in_json}: OpenAI messages"
    return "pairs", f"turns that take it in turn{in_json}"


def single_turns(t: Table) -> Recognition | None:
    """One turn of a conversation in each row (OASST's messages, chat logs): no mapping can join rows, so it is asked."""
    role = next((c for c in t.columns if t.bare[c] in (*TURN_ROLE, "speakerrole", "role") and _roles(t, c)), None)
    text = role and t.named("text", "content", "message", "value", "utterance", "body")
    if not text or t.turned(text):
        return None
    return Recognition(
        "turns",
        "text",
        {"text": text},
        f"Each row is one turn of a conversation: {quoted(role)} says whose.",
        0.3,
        [
            f"Should the rows be joined to conversations? Give each conversation one row, with its turns in a column; now {quoted(text)} is plain text."
        ],
    )


def _roles(t: Table, column: str) -> bool:
    values = [bare(raw(v)) for v in t.values(column)]
    return bool(values) and all(v in ROLE_NAMES for v in values) and (len(set(values)) > 1 or len(values) == 1)


def multiple_choice(t: Table) -> Recognition | None:
    """A question, its options, and which is right."""
    columns = _options(t)
    used = columns if isinstance(columns, list) else [columns]
    question = columns and next((c for n in CHOICE_ASKED for c in t.columns if t.bare[c] == n and c not in used and t.wordy(c)), None)
    right = question and next(
        (c for n in CHOICE_ANSWER for c in t.columns if t.bare[c] == n and c not in (*used, question) and t.values(c)), None
    )
    if not right:
        return None
    passage = next(
        (c for c in t.columns if t.bare[c] in ("context", "article", "passage", "story") and c not in (question, right) and t.wordy(c)),
        None,
    )
    mapping = {"prompt": [passage, question] if passage else question, "choices": columns, "answer": right}
    reason = f"{quoted(columns)} are options for {quoted(question)}, {quoted(right)} is the right one: multiple choice."
    numbers, sure = t.numbers(right), True
    if numbers and 0 not in numbers and not _labelled(t, columns):
        mapping["answer"] = f"{{{right}}}{FROM_ONE}"
        sure = max(numbers) == _most_options(t, columns)
    if not most(lambda r: _fits(r, mapping), t.records):
        return None
    ask = [] if sure else [f"Does 1 in {quoted(right)} mean the first option? If 0 does, remove `{FROM_ONE.strip()}`."]
    return Recognition("choices", "chat", mapping, reason, 0.55 if ask else 0.92, ask)


def _options(t: Table) -> str | list[str] | None:
    """A column with a list of options, or a column for each."""
    if whole := next((c for n in CHOICES for c in t.columns if t.bare[c] == n and t.listed(c)), None):
        return whole
    for stem in CHOICE_STEMS:
        alike = [c for c in t.columns if re.fullmatch(re.escape(stem) + r"[a-h0-9]", t.bare[c]) and t.values(c)]
        if len(alike) > 1:
            return alike
    letters = [c for c in t.columns if t.bare[c] in "abcdefgh" and len(t.bare[c]) == 1 and t.values(c)]
    return letters if len(letters) > 2 else None


def _most_options(t: Table, columns: str | list[str]) -> int:
    return (
        len(columns) if isinstance(columns, list) else max(len(unpack(v)) for v in t.values(columns) if isinstance(unpack(v), list | dict))
    )


def _labelled(t: Table, columns: str | list[str]) -> bool:
    """The options bring labels of their own, so a number can only be one of them."""
    try:
        return isinstance(columns, str) and bool(t.records) and options(t.records[0], columns)[0][0] not in ("A", "a")
    except RowProblem:
        return False


def _fits(record: dict, mapping: dict) -> bool:
    try:
        return bool(choice(record, mapping))
    except RowProblem:
        return False


def columns_sure(t: Table) -> Recognition | None:
    """A question and an answer in columns that are named so."""
    return by_columns(t, sure=True)


def by_columns(t: Table, sure: bool = False) -> Recognition | None:
    """A question and an answer in columns with such words in their names."""
    mapping = answered(t, (), sure)
    if not mapping or "answer" not in mapping or t.repeated(mapping["answer"]) and not sure:
        return None
    answer, prompt = mapping["answer"], mapping.get("prompt", mapping.get("messages", ""))
    alpaca = "instruction" in map(t.bare.get, [prompt] if isinstance(prompt, str) else prompt)
    shape = "Alpaca" if alpaca and t.bare[answer] == "output" else "a question and its answer in each row"
    confidence = 0.95 if sure else 0.75
    return Recognition(
        "alpaca" if shape == "Alpaca" else "pairs", "chat", mapping, f"{quoted(prompt)} and {quoted(answer)}: {shape}.", confidence
    )


def written_out(t: Table) -> Recognition | None:
    """Texts in which the turns are marked: they become turns, so that the model's own template takes the place of the marks."""
    if any(t.bare[c] in JUDGEMENTS and t.distinct(c) > 1 for c in t.columns):
        return None
    likely = [c for n in WRITTEN for c in t.columns if t.bare[c] == n] + [c for c in t.columns if t.wordy(c)]
    talk = next((c for c in likely if most(_is_written, t.values(c)[:50])), None)
    if not talk:
        return None
    system = t.find("system", (talk,), sure=True)
    return Recognition(
        "transcript",
        "chat",
        {"messages": talk} | ({"system": system} if system else {}),
        f"{quoted(talk)} holds conversations with marked turns, such as {_mark(t.values(talk)[0])!r}; the marks become turns.",
        0.9,
    )


def _is_written(value) -> bool:
    found = transcript(value) if isinstance(value, str) else None
    return bool(found) and any(m["role"] == "assistant" for m in found)


def _mark(text: str) -> str:
    return " ".join(text.split()[:2])[:24]
