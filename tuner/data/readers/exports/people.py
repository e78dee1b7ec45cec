"""Read group chats exported from Slack, Discord, Telegram and WhatsApp. A pause begins a new conversation.

No export says which person is the assistant: detection asks the user, and the turns keep the names.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from tuner.data.readers.nested import Fold, Pairs
from tuner.data.schema.cells import plain

PAUSE, MOST = 4 * 3600, 500  # a new conversation begins after this many seconds without a message, or this many messages
NOTE = (
    "{program}'s export: messages without a pause of more than 4 hours became a conversation; "
    "notices and messages without text were skipped."
)
SLACK = (None, "bot_message", "thread_broadcast", "me_message", "file_share")
DISCORD = ("Default", "Reply", "ThreadStarterMessage", "0", "19")


class Line(NamedTuple):
    """One message: its thread ("" for the channel itself), its author, its text, and its time in seconds."""

    thread: str
    who: str
    text: str
    when: float


def conversations(read: Callable[[dict], Line | None], program: str) -> Fold:
    """Return the Fold of a program's export. `read` returns the line of a record, or None for a record that is not a message."""

    def rows(pairs: Pairs) -> Iterator[tuple[int, dict | None]]:
        lines: list[tuple[int, Line]] = []
        for number, record in pairs:
            try:
                line = read(record)
            except (TypeError, ValueError, AttributeError, LookupError):
                yield number, None
                continue
            if line is None or not line.text.strip():
                continue
            if lines and (line.when - lines[-1][1].when > PAUSE or len(lines) >= MOST):
                yield from _joined(lines)
                lines = []
            lines.append((number, line))
        yield from _joined(lines)

    return Fold(["messages"], NOTE.format(program=program), rows)


def _joined(lines: list[tuple[int, Line]]) -> Iterator[tuple[int, dict]]:
    """Yield a row for each thread; consecutive messages of one person are one turn."""
    threads: dict[str, tuple[int, list[dict]]] = {}
    for number, line in lines:
        _, turns = threads.setdefault(line.thread, (number, []))
        if turns and turns[-1]["from"] == line.who:
            turns[-1]["value"] += "\n" + line.text.strip()
        else:
            turns.append({"from": line.who, "value": line.text.strip()})
    yield from ((number, {"messages": turns}) for number, turns in threads.values())


def _most(records: Iterable[dict], test: Callable[[dict], Any]) -> bool:
    found = [bool(test(record)) for record in records]
    return sum(found) >= 0.6 * len(found) > 0


def slack(records: list[dict]) -> Fold | None:
    """Recognize Slack's JSON of a channel or a day."""
    if not _most(records, lambda r: r.get("type") == "message" and re.fullmatch(r"\d{9,}\.\d+", plain(r.get("ts")))):
        return None
    names: dict[str, str] = {}
    return conversations(lambda record: _slack(record, names), "Slack")


def _slack(record: dict, names: dict[str, str]) -> Line | None:
    if record.get("type") != "message" or record.get("subtype") not in SLACK:
        return None
    profile, bot = record.get("user_profile") or {}, record.get("bot_profile") or {}
    user = plain(record.get("user") or record.get("bot_id"))
    candidates = (profile.get("real_name"), profile.get("display_name"), profile.get("name"), bot.get("name"), record.get("username"))
    if who := next((plain(name) for name in candidates if name), None):
        names[user] = who
    text = re.sub(r"<@(\w+)(?:\|[^>]*)?>", lambda m: "@" + names.get(m[1], m[1]), plain(record.get("text")))
    text = re.sub(r"<([^<>|]+)(?:\|([^<>]*))?>", lambda m: m[2] or m[1], text)
    thread = plain(record.get("thread_ts"))
    return Line(thread, names.get(user, user), html.unescape(text), float(record["ts"]))


def discord(records: list[dict]) -> Fold | None:
    """Recognize the JSON of DiscordChatExporter."""

    def is_one(record: dict) -> bool:
        author = record.get("author")
        return isinstance(author, dict) and "name" in author and bool({"isBot", "discriminator"} & author.keys()) and "timestamp" in record

    return conversations(_discord, "Discord") if _most(records, is_one) else None


def _discord(record: dict) -> Line | None:
    if plain(record.get("type", "Default")) not in DISCORD:
        return None
    author = record["author"]
    when = datetime.fromisoformat(record["timestamp"]).timestamp()
    return Line("", plain(author.get("nickname") or author.get("name")), plain(record.get("content")), when)


def telegram(records: list[dict]) -> Fold | None:
    """Recognize Telegram Desktop's `result.json` of one chat, as one record or as its messages."""

    def is_one(record: dict) -> bool:
        return record.get("type") in ("message", "service") and "date" in record and bool({"from_id", "actor_id"} & record.keys())

    if not _most(chain.from_iterable(_messages(r)[:50] for r in records), is_one):
        return None
    fold = conversations(_telegram, "Telegram")

    def rows(pairs: Pairs) -> Iterator[tuple[int, dict | None]]:
        return fold.rows((number, message) for number, record in pairs for message in _messages(record))

    return Fold(fold.columns, fold.note, rows)


def _messages(record: dict) -> list[dict]:
    inner = record.get("messages")
    return [m for m in inner if isinstance(m, dict)] if isinstance(inner, list) else [record]


def _telegram(record: dict) -> Line | None:
    if record.get("type") != "message":
        return None
    pieces = record.get("text") or ""
    pieces = pieces if isinstance(pieces, list) else [pieces]
    text = "".join(piece if isinstance(piece, str) else plain(piece.get("text")) for piece in pieces)
    when = float(record["date_unixtime"]) if record.get("date_unixtime") else datetime.fromisoformat(record["date"]).timestamp()
    return Line("", plain(record.get("from") or record.get("from_id")), text, when)


WHATSAPP = conversations(lambda record: Line("", record["from"], record["text"], record["when"]), "WhatsApp")
