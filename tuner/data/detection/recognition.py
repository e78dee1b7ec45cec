"""The result of detection, and the part that several recognizers share: finding what comes before an answer."""

from dataclasses import dataclass, field

from tuner.data.schema.cells import unpack
from tuner.data.schema.column_aliases import ASKED_PAIRS, ASKED_WEAKLY, REPLIES, TASKED
from tuner.data.schema.column_profile import Table, bare, most, names_of


@dataclass(frozen=True)
class Recognition:
    """A recognized kind and mapping. `format` is the format's common name; below a confidence of 0.6, `questions` list what to confirm."""

    format: str
    kind: str
    mapping: dict[str, str | list[str]]
    reason: str
    confidence: float
    questions: list[str] = field(default_factory=list)


def map_prompt(table: Table, taken: tuple = (), sure: bool = True, conversations: bool = True) -> dict:
    """Return the mapping of what comes before an answer: messages, or prompt (with its further input), system, history."""
    extra = {
        role: c
        for role in ("system", "history")
        if (c := table.find(role, taken, sure=True, empty=True)) and not (role == "history" and table.values(c) and not table.turned(c))
    }
    conversation = conversations and next(
        (c for c in table.columns if c not in taken and table.bare[c] in names_of("messages") and table.turned(c)), None
    )
    if conversation:
        return {"messages": conversation} | {k: v for k, v in extra.items() if k == "system"}
    if pair := _pair(table, taken):
        return {"prompt": pair} | extra
    if not (prompt := table.find("prompt", (*taken, *extra.values()), sure)):
        return extra if extra.get("history") else {}
    return {"prompt": _with_more(table, prompt, (*taken, *extra.values()))} | extra


def _with_more(table: Table, prompt: str, taken: tuple) -> str | list[str]:
    """Return the prompt, with a further input after an instruction, or a passage before a question."""
    more = table.find("more", (*taken, prompt), sure=True, empty=True)  # often empty in the first rows
    if not more or table.bare[prompt] not in TASKED or table.values(more) and not table.wordy(more):
        return prompt
    passage = any(word in table.bare[more] for word in ("context", "passage", "schema", "kontext"))
    return [more, prompt] if passage and table.bare[prompt] not in ("instruction", "instruct") else [prompt, more]


def _pair(table: Table, taken: tuple) -> list[str] | None:
    """Return two columns written by one person: subject and body, title and question text."""
    for first, second in ASKED_PAIRS:
        pair = [table.named(first), table.named(second)]
        if all(pair) and not set(pair) & set(taken) and table.named(*REPLIES) and table.named(*REPLIES) not in pair:
            return pair
    return None


def map_prompt_and_answer(table: Table, taken: tuple = (), sure: bool = True) -> dict | None:
    """Return the mapping of a conversation, or of a prompt with its answer; None if one of them is missing."""
    found = map_prompt(table, taken, sure)
    used = columns_of(found)
    answer = table.find("answer", (*taken, *used), sure)
    if "messages" in found:
        open_end = most(lambda v: _last_role(v) in ("user", "human"), table.values(found["messages"])[:50])
        return found | ({"answer": answer} if open_end and answer else {})
    if not found and (weak := table.named(*map(bare, ASKED_WEAKLY))):
        answer = table.named(*map(bare, REPLIES))
        found, used = {"prompt": weak}, [weak]
    if not found or not answer or answer in used:  # `prompt` may have taken the only column that is an answer
        return None
    solution = table.named("solution", "generatedsolution")
    if (
        solution and solution not in used and table.length(solution) > table.length(answer)
    ):  # training on the full solution helps more than on the bare result
        answer = solution
    return found | {"answer": answer}


def _last_role(value) -> str:
    value = unpack(value)
    last = value[-1] if isinstance(value, list) and value else {}
    return str(last.get("role", last.get("from", ""))).lower() if isinstance(last, dict) else ""


def columns_of(mapping: dict) -> list[str]:
    """Return all columns that a mapping names."""
    return [c for v in mapping.values() for c in ([v] if isinstance(v, str) else v)]
