"""What a guess says, and the part of it that several guesses share: what stands before an answer."""

from dataclasses import dataclass, field

from tuner.data.schema.cells import unpack
from tuner.data.schema.column_aliases import ASKED_PAIRS, ASKED_WEAKLY, REPLIES, TASKED
from tuner.data.schema.column_profile import Table, bare, most, names_of


@dataclass(frozen=True)
class Recognition:
    """`format` names the shape in the field's terms; below a confidence of 0.6 `questions` say what to settle."""

    format: str
    kind: str
    mapping: dict[str, str | list[str]]
    reason: str
    confidence: float
    questions: list[str] = field(default_factory=list)


def asked(t: Table, taken: tuple = (), sure: bool = True, talks: bool = True) -> dict:
    """Mapping of what stands before an answer: messages, or prompt (with its further input), system, history."""
    extra = {
        role: c
        for role in ("system", "history")
        if (c := t.find(role, taken, sure=True, empty=True)) and not (role == "history" and t.values(c) and not t.turned(c))
    }
    talk = talks and next((c for c in t.columns if c not in taken and t.bare[c] in names_of("messages") and t.turned(c)), None)
    if talk:
        return {"messages": talk} | {k: v for k, v in extra.items() if k == "system"}
    if pair := _pair(t, taken):
        return {"prompt": pair} | extra
    if not (prompt := t.find("prompt", (*taken, *extra.values()), sure)):
        return extra if extra.get("history") else {}
    return {"prompt": _with_more(t, prompt, (*taken, *extra.values()))} | extra


def _with_more(t: Table, prompt: str, taken: tuple) -> str | list[str]:
    """The prompt, with a further input after an instruction, or a passage before a question."""
    more = t.find("more", (*taken, prompt), sure=True, empty=True)  # often empty in the first rows
    if not more or t.bare[prompt] not in TASKED or t.values(more) and not t.wordy(more):
        return prompt
    passage = any(word in t.bare[more] for word in ("context", "passage", "schema", "kontext"))
    return [more, prompt] if passage and t.bare[prompt] not in ("instruction", "instruct") else [prompt, more]


def _pair(t: Table, taken: tuple) -> list[str] | None:
    """Subject and body, title and question text: written by one person."""
    for a, b in ASKED_PAIRS:
        pair = [t.named(a), t.named(b)]
        if all(pair) and not set(pair) & set(taken) and t.named(*REPLIES) and t.named(*REPLIES) not in pair:
            return pair
    return None


def answered(t: Table, taken: tuple = (), sure: bool = True) -> dict | None:
    """Mapping of a conversation, or of a prompt with its answer; None if either is not there."""
    found = asked(t, taken, sure)
    used = columns_of(found)
    answer = t.find("answer", (*taken, *used), sure)
    if "messages" in found:
        open_end = most(lambda v: _last_role(v) in ("user", "human"), t.values(found["messages"])[:50])
        return found | ({"answer": answer} if open_end and answer else {})
    if not found and (weak := t.named(*map(bare, ASKED_WEAKLY))):
        answer = t.named(*map(bare, REPLIES))
        found, used = {"prompt": weak}, [weak]
    if not found or not answer or answer in used:  # `prompt` may have taken the only column that is an answer
        return None
    solution = t.named("solution", "generatedsolution")
    if solution and solution not in used and t.length(solution) > t.length(answer):  # the way to the result teaches more than the result
        answer = solution
    return found | {"answer": answer}


def _last_role(value) -> str:
    value = unpack(value)
    last = value[-1] if isinstance(value, list) and value else {}
    return str(last.get("role", last.get("from", ""))).lower() if isinstance(last, dict) else ""


def columns_of(mapping: dict) -> list[str]:
    """All columns that a mapping names."""
    return [c for v in mapping.values() for c in ([v] if isinstance(v, str) else v)]
