"""Read WhatsApp's `_chat.txt`: "[31.12.20, 23:59:03] Name: text" (iPhone), "12/31/20, 11:59 PM - Name: text" (Android)."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

MARKS = "\u200e\u200f\u202a\u202c\ufeff"
STAMP = (
    r"(?P<date>\d{1,4}[./-]\d{1,2}[./-]\d{1,4}),?[ \u202f\u00a0]+(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.]\d{2})?"
    r"(?:[ \u202f\u00a0]?(?P<half>[AaPp])\.?[ \u00a0]?[Mm]\.?)?"
)
BEGINS = re.compile(rf"[{MARKS}]*(?:\[{STAMP}\]\s|{STAMP.replace('?P<', '?P<a_')} [-–] )(?P<rest>.*)", re.S)
NAMED = re.compile(r"(?P<name>[^:\n]{1,80}):\s(?P<text>.*)", re.S)
LEFT_OUT = re.compile(
    rf"[{MARKS}].*|<[^<>\n]{{3,40}}>|(?:this message was deleted|you deleted this message|diese nachricht wurde gelöscht|null|"
    r"(?:image|video|audio|sticker|gif|document|contact card) omitted)\.?|\S+\.(?:jpe?g|png|webp|mp4|opus|m4a|pdf|vcf) \([^)\n]+\)",
    re.I,
)
EDITED = re.compile(rf"[{MARKS}]?<[^<>\n]*edited[^<>\n]*>\s*$", re.I)
ORDERS = ((0, 1, 2), (1, 0, 2), (2, 1, 0))  # positions of day, month and year


def dated(head: str) -> tuple[int, int, int] | None:
    """Return the positions of day, month and year in the dates of a WhatsApp chat; None for any other text."""
    lines = [line for line in head.split("\n") if line.strip()][:200]
    found = [m for m in map(BEGINS.match, lines) if m]
    if not lines or not BEGINS.match(lines[0]) or len(found) < 0.2 * len(lines) or not any(NAMED.match(m["rest"]) for m in found):
        return None
    for order in ORDERS:
        times = [_when(m, order) for m in found]
        if None not in times and times == sorted(times):
            return order
    return next((order for order in ORDERS if all(_when(m, order) is not None for m in found)), None)


def _when(found: re.Match, order: tuple[int, int, int]) -> float | None:
    """Return seconds since 1970, taken as UTC (only differences are used); None for an impossible date."""
    parts = {name: found[name] or found[f"a_{name}"] for name in ("date", "hour", "minute", "half")}
    numbers = [int(n) for n in re.split(r"[./-]", parts["date"])]
    day, month, year = (numbers[i] for i in order)
    hour = int(parts["hour"]) % 12 + 12 * (parts["half"].lower() == "p") if parts["half"] else int(parts["hour"])
    try:
        return datetime.fromisoformat(
            f"{year + 2000 * (year < 100):04}-{month:02}-{day:02}T{hour:02}:{parts['minute']}:00+00:00"
        ).timestamp()
    except ValueError:
        return None


def messages(lines: Iterable[str], order: tuple[int, int, int]) -> Iterator[dict]:
    """Yield {"from", "text", "when"} of each message of a person. Notices are skipped; placeholders of media become empty texts."""
    current: dict | None = None
    for line in lines:
        if not (begun := BEGINS.match(line)):
            if current:
                current["text"] += "\n" + line.rstrip("\r\n")
            continue
        if current:
            yield _clean(current)
        named = NAMED.match(begun["rest"])
        when = _when(begun, order)
        current = (
            {"from": named["name"].strip(MARKS + " ~\u202f"), "text": named["text"].rstrip("\r\n"), "when": when or 0.0} if named else None
        )
    if current:
        yield _clean(current)


def _clean(message: dict) -> dict:
    text = EDITED.sub("", message["text"]).strip(" \n")
    return message | {"text": "" if LEFT_OUT.fullmatch(text) else text.strip(MARKS)}
