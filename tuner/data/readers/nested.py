"""Convert files whose records are not rows: nested SQuAD, message trees, one turn or one word per record.

The reader calls `folding(head)` once. If it returns a Fold, `fold.rows(pairs)` turns (number, record) into (number, row) in bounded
memory: records that belong together must be adjacent, as in all known files.
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
    """How records become rows: the columns of the rows, a note for the user, and the conversion."""

    columns: list[str]
    note: str
    rows: Callable[[Pairs], Iterator[tuple[int, dict | None]]]  # None: a record with another structure


def find_fold(records: list[dict]) -> Fold | None:
    """Return how the records of this file must be split or joined; None if each record is a row."""
    table = Table(list(dict.fromkeys(key for record in records[:50] for key in record)), records)
    return _squad(table) or _tree(table) or _messages(table) or _turns(table) or _words(table)


def each(explode: Callable[[dict], Iterable[dict]]) -> Callable[[Pairs], Iterator[tuple[int, dict]]]:
    """Return the conversion that splits each record with `explode`."""
    return lambda pairs: ((number, row) for number, record in pairs for row in _exploded(explode, record))


def _exploded(explode: Callable[[dict], Iterable[dict]], record: dict) -> list[dict | None]:
    """Return the rows of one record; [None] if its structure differs from that of the first records."""
    try:
        return list(explode(record))
    except (RowProblem, TypeError, ValueError, AttributeError, LookupError, RecursionError):
        return [None]


def _squad(table: Table) -> Fold | None:
    first = table.records[0] if table.records else {}
    inner = first.get("paragraphs", [first])
    if not (isinstance(inner, list) and inner and isinstance(inner[0], dict) and isinstance(inner[0].get("qas"), list)):
        return None
    note = "The questions are nested in paragraphs (SQuAD): each question became a row."
    return Fold(["title", "context", "question", "answers"], note, each(squad_rows))


def squad_rows(record: dict) -> Iterator[dict]:
    """Yield a row for each question of an article in SQuAD's own JSON, or of one paragraph."""
    for paragraph in record.get("paragraphs", [record]):
        for item in paragraph.get("qas") or []:
            answers = [] if item.get("is_impossible") else item.get("answers") or []
            answers = answers if isinstance(answers, list) else [answers]
            found = {"text": [x.get("text") for x in answers], "answer_start": [x.get("answer_start", -1) for x in answers]}
            yield {
                "title": record.get("title"),
                "context": paragraph.get("context"),
                "question": item.get("question"),
                "answers": found,
            }


def _tree(table: Table) -> Fold | None:
    first = table.records[0].get("prompt") if table.records else None
    if not (isinstance(first, dict) and "replies" in first):
        return None
    return Fold(["messages"], "The file holds message trees: each path from a question to a last answer became a row.", each(tree_rows))


def tree_rows(record: dict) -> Iterator[dict]:
    """Yield a conversation for each path through an OASST tree that ends with the assistant."""
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


def _messages(table: Table) -> Fold | None:
    if not {"message_id", "parent_id", "text", "role"} <= set(table.columns):
        return None
    note = "Each record is one message of a tree: each path from a question to a last answer became a row."
    by = "message_tree_id" if "message_tree_id" in table.columns else None
    return Fold(["messages"], note, lambda pairs: _trees(pairs, by))


def _trees(pairs: Pairs, by: str | None) -> Iterator[tuple[int, dict]]:
    """Group adjacent messages into trees: those with one tree id, or from one message without a parent to the next."""
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


def _turns(table: Table) -> Fold | None:
    """Join records with one turn each and the number of their conversation."""
    by, speaker, content = _column(table, GROUPS), _column(table, SPEAKERS), _column(table, SAID)
    if not (by and speaker and content):
        return None
    if not all(bare(plain(v)) in ROLE_NAMES for v in table.values(speaker)) or table.turned(content):
        return None
    if not _adjacent(table, by):
        return None
    note = f"Each record is one turn: the turns with the same {by} became a conversation."
    return Fold(["messages"], note, lambda pairs: _joined(pairs, by, lambda rows: {"messages": [_turn(r, speaker, content) for r in rows]}))


def _turn(record: dict, speaker: str, content: str) -> dict:
    return {"role": record.get(speaker), "content": record.get(content)}


def _words(table: Table) -> Fold | None:
    """Join records with one word each; every word has the number of its sentence, or only the first word has it."""
    word, tag, by = _column(table, WORDS), _column(table, TAGS), _column(table, SENTENCES)
    if not (word and tag and by) or not all(" " not in plain(v).strip() for v in table.values(word)):
        return None
    note = f"Each record is one word: the words with the same {by} became a row."

    def row(records: list[dict]) -> dict:
        return {"tokens": [plain(r.get(word)) for r in records], "tags": [plain(r.get(tag)) for r in records]}

    return Fold(["tokens", "tags"], note, lambda pairs: _joined(pairs, by, row))


def _column(table: Table, names: tuple[str, ...]) -> str | None:
    return next((c for name in names for c in table.columns if table.bare[c] == name and table.values(c)), None)


def _adjacent(table: Table, by: str) -> bool:
    """Return whether some group numbers repeat, and none reappears after another one."""
    values = [plain(v) for v in table.values(by)]
    runs = [key for key, _ in groupby(values)]
    return len(set(values)) == len(runs) < len(values)


def _joined(pairs: Pairs, by: str, row: Callable[[list[dict]], dict]) -> Iterator[tuple[int, dict]]:
    """Yield one row for adjacent records with the same number; an empty number continues the previous one."""
    last = ""

    def key(pair: tuple[int, dict]) -> str:
        nonlocal last
        last = plain(pair[1].get(by)) or last
        return last

    for _, group in groupby(pairs, key):
        members = list(group)
        yield members[0][0], row([record for _, record in members])
