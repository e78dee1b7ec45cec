"""Conversations whose turns bear people's names: which of them is the assistant is asked, with the likeliest filled in."""

import re
from collections import Counter

from tuner.data.detection.recognition import Recognition
from tuner.data.schema.cells import ANSWERED_BY, plain, unpack
from tuner.data.schema.column_profile import Table, bare, quoted
from tuner.data.schema.turns import ROLE_NAMES, TURN_ROLE, TURN_TEXT

HELPS = re.compile(r"\b(?:\w*bot|assistant|agent|support|help\s?desk|service|ai|gpt|team|mod(?:erator)?|admin)\b", re.I)


def named_speakers(t: Table) -> Recognition | None:
    """A column of turns in which most speakers have names that are no roles."""
    column = next((c for c in t.columns if t.turned(c) and t.listed(c)), None)
    talks = [talk for value in t.values(column)[:200] if (talk := _spoken(value))] if column else []
    names = Counter(who for talk in talks for who, _ in talk)
    strange = [name for name in names if bare(name) not in ROLE_NAMES]
    if len(names) < 2 or sum(names[name] for name in strange) < 0.3 * names.total():
        return None
    likely = _likely(talks, names, strange)
    ask = f"Whose messages should the model learn to write? Now it is {likely!r}; it may be {', '.join(map(repr, _others(names, likely)))} as well."
    reason = f"{quoted(column)} holds conversations of {len(names)} people: {likely!r} is taken as the assistant, the others ask."
    return Recognition("people", "chat", {"messages": f"{{{column}}}{ANSWERED_BY}{likely}"}, reason, 0.5, [ask])


def _spoken(value) -> list[tuple[str, str]]:
    """(who, what) of each turn of a list."""
    turns = unpack(value)
    found = []
    for turn in turns if isinstance(turns, list) else []:
        role = next((k for k in TURN_ROLE if isinstance(turn, dict) and isinstance(turn.get(k), str)), None)
        text = role and next((k for k in TURN_TEXT if k in turn), None)
        if text:
            found.append((turn[role], plain(turn[text]) if isinstance(turn[text], str) else ""))
    return found


def _likely(talks: list[list[tuple[str, str]]], names: Counter, strange: list[str]) -> str:
    """Who bears an assistant's name or role; else who has the last word most often, and of equals who writes most."""
    helper = next(
        (name for name in names if HELPS.search(name) or ROLE_NAMES.get(bare(name)) == "assistant" and len(strange) < len(names)), None
    )
    last = Counter(talk[-1][0] for talk in talks if len(talk) > 1)
    written = Counter()
    for who, text in (line for talk in talks for line in talk):
        written[who] += len(text)
    return helper or max(names, key=lambda name: (last[name], written[name]))


def _others(names: Counter, likely: str) -> list[str]:
    return [name for name, _ in names.most_common(6) if name != likely]
