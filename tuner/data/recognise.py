"""What kind of data this is and which column plays which role, by the names of the columns and by what they hold."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tuner.data.convert import NO, YES, RowProblem, cell, plain, turns, unpack
from tuner.data.names import INSTEAD, KINDS, LANGUAGES, PAIRS, ROLES, SYNONYMS

ASIDE = re.compile(
    r"\b(ids?|idx|index|url|link|date|time|created|updated|length|count|num|tokens|author|name|hash|lang|split|version)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Recognition:
    """`format` names the shape in the field's terms; below a confidence of 0.6 `questions` say what to settle."""

    format: str
    kind: str
    mapping: dict[str, str | list[str]]
    reason: str
    confidence: float
    questions: list[str] = field(default_factory=list)


def missing(kind: str, mapping: dict) -> list[str]:
    """The roles that `mapping` still lacks for `kind`."""
    spared = {role for has, spares in INSTEAD.items() if mapping.get(has) for role in spares}
    if kind == "preference" and mapping:
        spared.add("prompt")  # chosen and rejected may hold it
    return [role for role in KINDS[kind][1] if not mapping.get(role) and role not in spared]


def kind_of(mapping: dict) -> str | None:
    """The kind that a mapping alone speaks for."""
    order = ("preference", "rated", "qa", "tokens", "seq2seq", "classification", "chat", "text")
    return next(
        (
            kind
            for kind in order
            if set(mapping) - {"system", "weight", "history"}
            and not missing(kind, mapping)
            and set(mapping) <= {*KINDS[kind][1], *KINDS[kind][2]}
        ),
        None,
    )


def recognise(columns: list[str], records: list[dict], kind: str | None = None) -> Recognition:
    """The best guess for these records, always one; with `kind` the best mapping for that kind."""
    table = _Table(columns, records)
    for guess in GUESSES:
        found = guess(table)
        if found and kind in (None, found.kind):
            return found
    return _forced(table, kind) if kind else _fallback(table)


class _Table:
    """Columns under their bare names, with what some rows hold in them."""

    def __init__(self, columns: list[str], records: list[dict]):
        self.columns, self.records = [c for c in columns if c], records[:200]
        self.bare = {c: re.sub(r"[\W_]+", "", c.lower()) for c in self.columns}

    def find(self, role: str, taken: tuple = (), sure: bool = False, empty: bool = False) -> str | None:
        """The column that bears a name of the role, else (unless `sure`) one that has such a word in its name."""
        names = SYNONYMS[role].split()
        free = [c for c in self.columns if c not in taken and (empty or self.values(c))]
        whole = next((c for name in names for c in free if self.bare[c] == name), None)
        if whole or sure:
            return whole
        words = {c: [w.lower() for w in re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", c))] for c in free if self.wordy(c)}
        return next((c for name in names if len(name) > 3 for c, has in words.items() if name in has), None)

    def named(self, *names: str) -> str | None:
        return next((c for name in names for c in self.columns if self.bare[c] == name and self.values(c)), None)

    def values(self, column: str) -> list:
        return [v for v in (cell(r, column) for r in self.records) if _raw(v).strip()]

    def wordy(self, column: str) -> bool:
        """Texts stand in it, not numbers, ids or links."""
        values = self.values(column)[:50]
        return (
            bool(values)
            and not ASIDE.search(re.sub(r"[_\W]+", " ", column))
            and all(isinstance(v, str) for v in values)
            and not all(_number(v) is not None or v.startswith(("http://", "https://")) for v in values)
        )

    def length(self, column: str) -> float:
        values = self.values(column)
        return sum(len(_raw(v)) for v in values) / len(values) if values else 0

    def repeated(self, column: str) -> bool:
        """Short and few: what a label looks like."""
        values = [_raw(v).strip() for v in self.values(column)]
        return self.length(column) <= 40 and len(set(values)) < len(values) and len(set(values)) <= max(2, min(len(values) // 2, 100))

    def turned(self, column: str) -> bool:
        """Most of its values are conversations."""
        return _most(_is_turns, self.values(column)[:50])


def _raw(value) -> str:
    """A cell as text for measuring; never refuses, whatever it holds."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) and value else plain(value)


def _most(test: Callable, values: list) -> bool:
    return bool(values) and sum(map(test, values)) >= 0.6 * len(values)


def _is_turns(value) -> bool:
    value = unpack(value)
    try:
        return isinstance(value, (list, dict)) and turns(value) is not None
    except RowProblem:
        return True


def _number(value) -> float | None:
    try:
        number = None if isinstance(value, (bool, list, dict)) else float(value)
        return number if number is not None and math.isfinite(number) else None
    except (TypeError, ValueError):
        return None


def _verdicts(values: list) -> bool:
    return bool(values) and all(_raw(v).strip().lower() in YES | NO for v in values)


def _q(columns) -> str:
    return " + ".join(f"`{c}`" for c in ([columns] if isinstance(columns, str) else columns))


def _style(values: list) -> tuple[str, str]:
    """(name of the notation, its marks) of a column of conversations."""
    first = unpack(values[0])
    turn = first[0] if isinstance(first, list) else first
    inner = turn if isinstance(turn, dict) else {}
    in_json = " as JSON in a cell" if isinstance(values[0], str) else ""
    if "from" in inner:
        return "sharegpt", f"`from`/`value` pairs{in_json}: ShareGPT"
    if "role" in inner:
        return "openai", f"`role`/`content` turns{in_json}: OpenAI messages"
    return "pairs", f"turns that take it in turn{in_json}"


def _asked(t: _Table, taken: tuple = (), sure: bool = True) -> dict:
    """Mapping of what stands before an answer: messages, or prompt (with its further input), system, history."""
    extra = {
        role: c
        for role in ("system", "history")
        if (c := t.find(role, taken, sure=True, empty=True)) and not (role == "history" and t.values(c) and not t.turned(c))
    }
    if talk := next((c for c in t.columns if c not in taken and t.bare[c] in SYNONYMS["messages"].split() and t.turned(c)), None):
        return {"messages": talk} | {k: v for k, v in extra.items() if k == "system"}
    if not (prompt := t.find("prompt", (*taken, *extra.values()), sure)):
        return extra if extra.get("history") else {}
    more = t.find("more", (*taken, prompt, *extra.values()), sure=True, empty=True)  # often empty in the first rows
    if more and t.bare[prompt] in ("instruction", "question", "query", "prompt", "instruct", "task", "指令"):
        return {"prompt": [prompt, more] if t.bare[more] != "context" or t.bare[prompt] == "instruction" else [more, prompt]} | extra
    return {"prompt": prompt} | extra


def _preference(t: _Table) -> Recognition | None:
    chosen, rejected = t.find("chosen", sure=True) or t.find("chosen"), t.find("rejected", sure=True) or t.find("rejected")
    if not chosen or not rejected or chosen == rejected or t.repeated(chosen) and len(t.records) > 4:
        return None
    mapping = _asked(t, (chosen, rejected), sure=False)
    shape = "a conversation" if "messages" in mapping else "a prompt" if mapping else "the prompt inside both"
    return Recognition(
        "preference",
        "preference",
        mapping | {"chosen": chosen, "rejected": rejected},
        f"{_q(chosen)} and {_q(rejected)} with {shape}: pairs of a better and a worse answer.",
        0.95,
    )


def _tokens(t: _Table) -> Recognition | None:
    tokens, tags = t.find("tokens", sure=True), t.find("tags", sure=True)
    listed = tokens and tags and all(isinstance(unpack(v), list) for c in (tokens, tags) for v in t.values(c)[:20])
    return (
        Recognition(
            "conll", "tokens", {"tokens": tokens, "tags": tags}, f"{_q(tokens)} and {_q(tags)} are lists: a tag for each word.", 0.95
        )
        if listed
        else None
    )


def _qa(t: _Table) -> Recognition | None:
    context, question, answers = t.find("context", sure=True), t.find("question", sure=True), t.find("answers", sure=True)
    if not (context and question and answers) or context == question:
        return None
    inside = [_spans(r, context, answers) for r in t.records if cell(r, context)]
    if not _most(bool, inside):
        return None
    return Recognition(
        "squad",
        "qa",
        {"context": context, "question": question, "answers": answers},
        f"The answers in {_q(answers)} stand in {_q(context)} word for word: extractive questions.",
        0.9,
    )


def _spans(record: dict, context: str, answers: str) -> bool:
    value = unpack(cell(record, answers))
    if isinstance(value, dict):
        return "text" in value
    items = value if isinstance(value, list) else [value]
    return all((plain(i.get("text")) if isinstance(i, dict) else plain(i)) in plain(cell(record, context)) for i in items)


def _rated(t: _Table) -> Recognition | None:
    label = next((c for name in SYNONYMS["verdict"].split() if (c := t.named(name)) and _verdicts(t.values(c))), None)
    rating = (
        None
        if label
        else next(
            (
                c
                for name in SYNONYMS["rating"].split()
                if (c := t.named(name)) and all((n := _number(v)) is not None and n == int(n) and 0 <= n <= 5 for v in t.values(c))
            ),
            None,
        )
    )
    if not (label or rating) or not (mapping := _answered(t, (label or rating,))):
        return None
    if label:
        return Recognition("rated", "rated", mapping | {"label": label}, f"Each answer has a verdict in {_q(label)}: single ratings.", 0.9)
    return Recognition(
        "rated",
        "rated",
        mapping | {"rating": rating},
        f"Each answer has a number in {_q(rating)}.",
        0.55,
        [f"Does {_q(rating)} say how good the answer is, from 1 (bad) to 5 (good)? If not, choose the kind chat."],
    )


def _answered(t: _Table, taken: tuple = (), sure: bool = True) -> dict | None:
    """Mapping of a conversation, or of a prompt with its answer; None if either is not there."""
    asked = _asked(t, taken, sure)
    if "messages" in asked:
        return asked
    used = [c for v in asked.values() for c in ([v] if isinstance(v, str) else v)]
    answer = t.find("answer", (*taken, *used), sure)
    if not asked or not answer:  # `prompt` may have taken the only column that is an answer
        return None
    return asked | {"answer": answer}


def _chat(t: _Table) -> Recognition | None:
    talk = next((c for c in t.columns if t.bare[c] in SYNONYMS["messages"].split() and t.turned(c)), None)
    talk = talk or next((c for c in t.columns if t.turned(c) and any(k in _raw(t.values(c)[0]) for k in ('"role"', '"from"'))), None)
    if talk:
        name, marks = _style(t.values(talk))
        system = t.find("system", (talk,), sure=True)
        return Recognition(name, "chat", {"messages": talk} | ({"system": system} if system else {}), f"{marks} in {_q(talk)}.", 0.97)
    return _chat_columns(t, sure=True)


def _chat_columns(t: _Table, sure: bool = False) -> Recognition | None:
    mapping = _answered(t, (), sure)
    if not mapping or "answer" not in mapping or mapping["answer"] in _language_columns(t):
        return None
    answer, prompt = mapping["answer"], mapping.get("prompt", "")
    alpaca = "instruction" in map(t.bare.get, [prompt] if isinstance(prompt, str) else prompt)
    shape = "Alpaca" if alpaca and t.bare[answer] == "output" else "a question and its answer in each row"
    return Recognition(
        "alpaca" if shape == "Alpaca" else "pairs", "chat", mapping, f"{_q(prompt)} and {_q(answer)}: {shape}.", 0.95 if sure else 0.75
    )


def _language_columns(t: _Table) -> list[str]:
    """Two columns named after languages, or two such keys of an object in a column."""
    spoken = [c for c in t.columns if LANGUAGES & {*re.split(r"[\W_]+", c.lower())} and t.wordy(c)]
    if len(spoken) == 2:
        return spoken
    for c in t.columns:
        values = t.values(c)
        if values and isinstance(values[0], dict) and len(values[0]) == 2 and all(k.lower().split("_")[0] in LANGUAGES for k in values[0]):
            return [f"{c}.{k}" for k in values[0]]
    return []


def _seq2seq(t: _Table) -> Recognition | None:
    if pair := _language_columns(t):
        return Recognition(
            "translation",
            "seq2seq",
            {"source": pair[0], "target": pair[1]},
            f"{_q(pair[0])} and {_q(pair[1])} are languages: translation.",
            0.9,
        )
    target = t.find("target", sure=True)
    source = target and t.find("source", (target,), sure=True)
    if not source or not t.wordy(target) or t.repeated(target):
        return None
    return Recognition(
        "pairs", "seq2seq", {"source": source, "target": target}, f"{_q(source)} goes in, {_q(target)} should come out.", 0.9
    )


def _labelled(t: _Table) -> Recognition | None:
    label = next((c for name in SYNONYMS["label"].split() if (c := t.named(name)) and t.length(c) <= 80), None)
    text = label and _judged(t, label)
    if (
        not text
        or isinstance(label, str)
        and t.bare[label] == "target"
        and not t.repeated(label)
        and not all(map(_is_number, t.values(label)))
    ):
        return None
    return _label_kind(t, text, label, 0.92)


def _is_number(value) -> bool:
    return _number(value) is not None


def _judged(t: _Table, label: str) -> str | list[str] | None:
    """The text a label belongs to: two columns that belong together, or the one that is named so, or the longest."""
    for a, b in PAIRS:
        pair = [t.named(a), t.named(b)]
        if all(pair) and label not in pair:
            return pair
    named = t.find("text", (label,), sure=True) or t.find("prompt", (label,), sure=True)
    wordy = [c for c in t.columns if c != label and t.wordy(c)]
    return named or max(wordy, key=t.length, default=None)


def _label_kind(t: _Table, text, label: str, confidence: float) -> Recognition:
    values = [_number(v) for v in t.values(label)]
    numbers = values and None not in values
    if numbers and (any(v != int(v) for v in values) or len(set(values)) > max(20, len(values) // 3)):
        return Recognition(
            "labelled", "regression", {"text": text, "label": label}, f"{_q(label)} holds a number for each {_q(text)}.", confidence
        )
    return Recognition(
        "labelled",
        "classification",
        {"text": text, "label": label},
        f"{_q(text)} with {len(set(map(_raw, t.values(label))))} labels in {_q(label)}.",
        confidence,
    )


def _text(t: _Table) -> Recognition | None:
    wordy = [c for c in t.columns if t.wordy(c)]
    text = t.find("text", sure=True)
    if text and (wordy == [text] or t.bare[text] in ("text", "content")):
        return Recognition("text", "text", {"text": text}, f"Plain texts in {_q(text)}.", 0.95 if wordy == [text] else 0.8)
    return (
        Recognition("text", "text", {"text": wordy[0]}, f"{_q(wordy[0])} is the only column with text.", 0.7) if len(wordy) == 1 else None
    )


def _words(t: _Table) -> Recognition | None:
    return _chat_columns(t)


GUESSES = (_preference, _tokens, _qa, _rated, _chat, _seq2seq, _labelled, _text, _words)


def _fallback(t: _Table) -> Recognition:
    """Nothing is named as usual: judge by content alone, and ask."""
    wordy = sorted((c for c in t.columns if t.wordy(c)), key=t.length, reverse=True) or t.columns
    if not wordy:
        return Recognition("unknown", "text", {}, "No column holds text.", 0.1, ["Which column holds the text?"])
    label = next((c for c in t.columns if c != wordy[0] and t.repeated(c)), None)
    if label:
        guess = _label_kind(t, wordy[0], label, 0.5)
        return Recognition(guess.format, guess.kind, guess.mapping, guess.reason, 0.5, [f"Is {_q(label)} the label of {_q(wordy[0])}?"])
    if len(wordy) > 1:
        prompt, answer = sorted(wordy[:2], key=t.columns.index)
        return Recognition(
            "pairs",
            "chat",
            {"prompt": prompt, "answer": answer},
            f"The longest texts stand in {_q(prompt)} and {_q(answer)}.",
            0.45,
            [f"Does {_q(prompt)} hold what the person says, and {_q(answer)} what the model should answer?"],
        )
    return Recognition(
        "text", "text", {"text": wordy[0]}, f"{_q(wordy[0])} holds the longest texts.", 0.4, [f"Is {_q(wordy[0])} the text to learn from?"]
    )


def _forced(t: _Table, kind: str) -> Recognition:
    """A mapping for a kind the person chose: by name where possible, then by position."""
    mapping: dict = _asked(t, sure=False) if kind in ("chat", "rated", "preference") else {}
    used = [c for v in mapping.values() for c in ([v] if isinstance(v, str) else v)]
    for role in missing(kind, mapping):
        free = [c for c in t.columns if c not in used]
        guess = (
            t.find(role, tuple(used), sure=True)
            or t.find(role, tuple(used))
            or next((c for c in free if t.wordy(c)), None)
            or next(iter(free), None)
        )
        if guess:
            mapping[role] = guess
            used.append(guess)
    lacking = missing(kind, mapping)
    questions = [f"Which column is the {role}? {ROLES[role]}" for role in lacking] or ["Is each column in its place?"]
    return Recognition(
        "chosen", kind, mapping, f"You chose {KINDS[kind][0].lower()}; the columns are a guess.", 0.3 if lacking else 0.55, questions
    )
