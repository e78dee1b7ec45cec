"""Recognize conversations between named people. The user is asked which person is the assistant; the most likely one is preselected."""

import re
from collections import Counter

from tuner.data.detection.recognition import Recognition
from tuner.data.schema.cells import ANSWERED_BY, plain, unpack
from tuner.data.schema.column_profile import Table, bare, quoted
from tuner.data.schema.turns import ROLE_NAMES, TURN_ROLE, TURN_TEXT

HELPS = re.compile(r"\b(?:\w*bot|assistant|agent|support|help\s?desk|service|ai|gpt|team|mod(?:erator)?|admin)\b", re.I)


def named_speakers(table: Table) -> Recognition | None:
    """Recognize a column of turns in which most speakers have names that are not roles."""
    column = next((c for c in table.columns if table.turned(c) and table.listed(c)), None)
    conversations = [turns for value in table.values(column)[:200] if (turns := _turns(value))] if column else []
    names = Counter(who for turns in conversations for who, _ in turns)
    people = [name for name in names if bare(name) not in ROLE_NAMES]
    if len(names) < 2 or sum(names[name] for name in people) < 0.3 * names.total():
        return None
    likely = _likely(conversations, names, people)
    others = ", ".join(map(repr, _others(names, likely)))
    ask = f"Whose messages should the model be trained to write? Currently {likely!r}; the other speakers are {others}."
    reason = f"{quoted(column)} holds conversations of {len(names)} people: {likely!r} is the assistant, the others are users."
    return Recognition("people", "chat", {"messages": f"{{{column}}}{ANSWERED_BY}{likely}"}, reason, 0.5, [ask])


def _turns(value) -> list[tuple[str, str]]:
    """Return (speaker, text) of each turn of a list."""
    turns = unpack(value)
    found = []
    for turn in turns if isinstance(turns, list) else []:
        role = next((k for k in TURN_ROLE if isinstance(turn, dict) and isinstance(turn.get(k), str)), None)
        text = role and next((k for k in TURN_TEXT if k in turn), None)
        if text:
            found.append((turn[role], plain(turn[text]) if isinstance(turn[text], str) else ""))
    return found


def _likely(conversations: list[list[tuple[str, str]]], names: Counter, people: list[str]) -> str:
    """Return the speaker with an assistant's name or role; else the most frequent last speaker, in a tie the one who writes most."""
    helper = next(
        (name for name in names if HELPS.search(name) or ROLE_NAMES.get(bare(name)) == "assistant" and len(people) < len(names)), None
    )
    last = Counter(turns[-1][0] for turns in conversations if len(turns) > 1)
    written = Counter()
    for who, text in (turn for turns in conversations for turn in turns):
        written[who] += len(text)
    return helper or max(names, key=lambda name: (last[name], written[name]))


def _others(names: Counter, likely: str) -> list[str]:
    return [name for name, _ in names.most_common(6) if name != likely]
