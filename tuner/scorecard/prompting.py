"""The base model with the best prompt: examples from the training rows before each question. Should it have been fine-tuned at all?

Few-shot prompting after Brown et al. 2020 (arXiv:2005.14165). Which examples are used is decided on some of the validation rows.
"""

import random
from typing import Any

from tuner.data.schema import convert
from tuner.data.store import store
from tuner.data.store.store import Dataset

NUMBERS = (2, 5)  # of examples in a prompt that is tried
TRIES = 24  # rows on which the prompts are compared
LONGEST = 1200  # characters of an example


def candidates(ds: Dataset, seed: int = 0) -> list[tuple[dict[str, Any], ...]]:
    """Return the prompts to try, each as turns of a conversation: examples of like length as most rows, none where there are no training rows."""
    pool: list[list[dict[str, Any]]] = []
    for row in store.iterate(ds, held_out=False):
        messages, answer = question(row["value"], ds.kind)
        turns = [m for m in messages if m["role"] not in ("system", "developer")]
        if len(turns) == 1 and answer.strip() and len(turns[0]["content"] or "") + len(answer) <= LONGEST:
            pool.append([turns[0], {"role": "assistant", "content": answer}])
    chance = random.Random(seed)
    return [tuple(m for pair in chance.sample(pool, n) for m in pair) for n in NUMBERS if len(pool) >= n]


def within(messages: list[dict[str, Any]], examples: tuple[dict[str, Any], ...], *, weight: bool = False) -> list[dict[str, Any]]:
    """Return a conversation with examples after its system turns; with `weight` their answers count nothing towards the loss."""
    if not examples:
        return messages
    first = next((i for i, m in enumerate(messages) if m["role"] not in ("system", "developer")), len(messages))
    shown = [m | {"weight": 0} if weight and m["role"] == "assistant" else m for m in examples]
    return [*messages[:first], *shown, *messages[first:]]


def question(value: dict, kind: str) -> tuple[list[dict], str]:
    """Return the conversation up to its last answer, and that answer."""
    messages = convert.as_messages(value, kind)
    last = max((i for i, m in enumerate(messages) if m["role"] == "assistant"), default=len(messages))
    return messages[:last], (messages[last]["content"] or "") if last < len(messages) else ""
