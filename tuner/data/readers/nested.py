"""Files whose records are not rows yet: nested SQuAD, trees of messages, one turn or one word to a record.

The reader asks `folding(head)` once; when it gives something, `fold.rows(pairs)` turns (number, record) into (number, row), in
bounded memory: records that belong together must stand together, as all known files have it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tuner.data.schema.cells import RowProblem, plain
from tuner.data.schema.column_profile import Table, bare
from tuner.data.schema.turns import ROLE_NAMES

Pairs = Iterable[tuple[int, dict]]
GROUPS = ("conversationid", "dialogueid", "dialogid", "chatid", "threadid", "sessionid", "convid", "conversation", "ticketid")
SPEAKERS, SAID = ("role", "from", "speaker", "sender", "author"), ("text", "content", "message", "value", "utterance", "body")
WORDS, SENTENCES = ("word", "token"), ("sentence", "sentenceid", "sentid", "sentencenumber")
TAGS = ("tag", "nertag", "ner", "label", "bio", "entity")


@dataclass(frozen=True)
class Fold:
    """How records become rows: the rows' columns, a note for the person, and the way there."""

    columns: list[str]
    note: str
    rows: Callable[[Pairs], Iterator[tuple[int, dict | None]]]  # None: a record that is not built like the others


def folding(records: list[dict]) -> Fold | None:
    """How the records of this file must be unfolded or joined; None when each is a row."""
    t = Table(list(dict.fromkeys(key for record in records[:50] for key in record)), records)
    return _squad(t) or _tree(t) or _messages(t) or _talk(t) or _words(t)


def each(explode: Callable[[dict], Iterable[dict]]) -> Callable[[Pairs], Iterator[tuple[int, dict]]]:
    return lambda pairs: ((number, row) for number, record in pairs for row in _exploded(explode, record))


def _exploded(explode: Callable[[dict], Iterable[dict]], record: dict) -> list[dict | None]:
    """The rows of one record; None stands for a record that is not built like those that the file begins with."""
    try:
        return list(explode(record))
    except (RowProblem, TypeError, ValueError, AttributeError, LookupError, RecursionError):
        return [None]


def _squad(t: Table) -> Fold | None:
    first = t.records[0] if t.records else {}
    inner = first.get("paragraphs", [first])
    if not (isinstance(inner, list) and inner and isinstance(inner[0], dict) and isinstance(inner[0].get("qas"), list)):
        return None
    note = "The questions stand nested in paragraphs (SQuAD): each became a row."
    return Fold(["title", "context", "question", "answers"], note, each(squad_rows))


def squad_rows(record: dict) -> Iterator[dict]:
    """A row for each question of an article of SQuAD's own JSON, or of one paragraph."""
    for paragraph in record.get("paragraphs", [record]):
        for asked in paragraph.get("qas") or []:
            answers = [] if asked.get("is_impossible") else asked.get("answers") or []
            answers = answers if isinstance(answers, list) else [answers]
            found = {"text": [x.get("text") for x in answers], "answer_start": [x.get("answer_start", -1) for x in answers]}
            yield {
                "title": record.get("title"),
                "context": paragraph.get("context"),
                "question": asked.get("question"),
                "answers": found,
            }


def _tree(t: Table) -> Fold | None:
    first = t.records[0].get("prompt") if t.records else None
    if not (isinstance(first, dict) and "replies" in first):
        return None
    return Fold(["messages"], "The file holds trees of messages: each way from a question to a last answer became a row.", each(tree_rows))


def tree_rows(record: dict) -> Iterator[dict]:
    """A conversation for each way through an OASST tree that ends with the assistant."""
    stack: list[tuple[dict, list[dict]]] = [(record["prompt"], [])]
    while stack:
        node, before = stack.pop()
        path = [*before, {"role": node.get("role"), "content": node.get("text")}]
        replies = [reply for reply in node.get("replies") or [] if not reply.get("deleted")]
        if _answers(node) and not any(_answers(below) for reply in replies for below in [reply, *(reply.get("replies") or [])]):
            yield {"messages": path}
        stack += [(reply, path) for reply in reversed(replies)]


def _answers(node: dict) -> bool:
    return ROLE_NAMES.get(bare(str(node.get("role")))) == "assistant"


def _messages(t: Table) -> Fold | None:
    if not {"message_id", "parent_id", "text", "role"} <= set(t.columns):
        return None
    note = "Each record is one message of a tree: each way from a question to a last answer became a row."
    by = "message_tree_id" if "message_tree_id" in t.columns else None
    return Fold(["messages"], note, lambda pairs: _trees(pairs, by))


def _trees(pairs: Pairs, by: str | None) -> Iterator[tuple[int, dict]]:
    """Messages that stand together as a tree: those of one tree's number, or from one without a parent to the next."""
    tree = 0

    def key(pair: tuple[int, dict]) -> Any:
        nonlocal tree
        tree += not plain(pair[1].get("parent_id"))
        return plain(pair[1].get(by)) if by else tree

    for _, group in groupby(pairs, key):
        members = list(group)
        nodes = {plain(record.get("message_id")): dict(record, replies=[]) for _, record in members}
        for node in nodes.values():
            if parent := nodes.get(plain(node.get("parent_id"))):
                parent["replies"].append(node)
        for node in nodes.values():
            if plain(node.get("parent_id")) not in nodes:
                yield from ((members[0][0], row) for row in tree_rows({"prompt": node}))


def _talk(t: Table) -> Fold | None:
    """One turn to a record, with the conversation's number beside it."""
    by, speaker, said = _one(t, GROUPS), _one(t, SPEAKERS), _one(t, SAID)
    if not (by and speaker and said) or not all(bare(plain(v)) in ROLE_NAMES for v in t.values(speaker)) or t.turned(said):
        return None
    if not _standing_together(t, by):
        return None
    note = f"Each record is one turn: the turns with the same {by} became a conversation."
    return Fold(["messages"], note, lambda pairs: _joined(pairs, by, lambda rows: {"messages": [_turn(r, speaker, said) for r in rows]}))


def _turn(record: dict, speaker: str, said: str) -> dict:
    return {"role": record.get(speaker), "content": record.get(said)}


def _words(t: Table) -> Fold | None:
    """One word to a record; the sentence's number stands beside each, or only beside its first word."""
    word, tag, by = _one(t, WORDS), _one(t, TAGS), _one(t, SENTENCES)
    if not (word and tag and by) or not all(" " not in plain(v).strip() for v in t.values(word)):
        return None
    note = f"Each record is one word: the words with the same {by} became a row."

    def row(records: list[dict]) -> dict:
        return {"tokens": [plain(r.get(word)) for r in records], "tags": [plain(r.get(tag)) for r in records]}

    return Fold(["tokens", "tags"], note, lambda pairs: _joined(pairs, by, row))


def _one(t: Table, names: tuple[str, ...]) -> str | None:
    return next((c for name in names for c in t.columns if t.bare[c] == name and t.values(c)), None)


def _standing_together(t: Table, by: str) -> bool:
    """Some numbers come several times, and none comes back after another."""
    values = [plain(v) for v in t.values(by)]
    runs = [key for key, _ in groupby(values)]
    return len(set(values)) == len(runs) < len(values)


def _joined(pairs: Pairs, by: str, row: Callable[[list[dict]], dict]) -> Iterator[tuple[int, dict]]:
    """One row for the records with the same number; an empty number goes on with the one before."""
    last = ""

    def key(pair: tuple[int, dict]) -> str:
        nonlocal last
        last = plain(pair[1].get(by)) or last
        return last

    for _, group in groupby(pairs, key):
        members = list(group)
        yield members[0][0], row([record for _, record in members])
