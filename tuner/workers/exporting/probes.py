"""Questions with the answers of a model before its export, and how another runtime's answers differ from them. No torch.

A probe: {"question", "text": the prompt as it is written, "chat": whether by a chat template, "ids": its tokens, "length": the most tokens of an answer
(64, of the first two 256: a drift shows late), "tokens": the greedy answer, "ended": whether it ended by itself, "top": for each of its tokens the ids of the likeliest 64, "logprobs": their log-probabilities}.
An answer to it: {"ids", "tokens", "ended"} of the other runtime's own, and with the tokens of the probe put in (teacher forcing) "best": the
likeliest id at each, "logprobs": those of the ids in "top".
"""

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

LENGTH, LONG, LONGER, TOP = 64, 2, 256, 64  # tokens of an answer; so many prompts get longer ones
# type of the numbers -> (least share of equal first choices, most nats of KL divergence). Measured on the starter: f16 1.000 and 2e-8 in llama.cpp, q8_0
# 1.000 and 6e-6; one layer's down projection halved 0.990 and 6e-3, which must not pass. Fewer bits: "small" may differ visibly
LIMITS = {"fp32": (0.995, 1e-4), "f16": (0.99, 1e-3), "bf16": (0.97, 0.01), "q8_0": (0.97, 0.01), "small": (0.85, 0.15)}
GENERAL = (
    "Hello", "What is your name?", "What is the capital of France?", "Name three fruits.", "Tell me about the sea.", "How do I cook rice?",
    "What is 7 plus 5?", "Write a short letter to a friend.", "Why is the sky blue?", "Give me a reason to learn to swim.", "Good morning!",
    "Translate 'house' into German.", "What can you do for me?", "Tell me a joke.", "Who wrote Hamlet?", "List the days of the week.",
    "What should I eat today?", "Describe a tree.", "Is it going to rain?", "Thank you.",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a self-test found. `first_tokens_equal`: share of the prompts whose greedy answers are equal; `first_difference`: the earliest token at which
    one differs, None when none does; `top1_agreement`: share of the positions
    with the same first choice; `kl`: mean divergence in nats over the likeliest 64 tokens and the rest; `ends`: share of the answers that end by
    themselves of those that did; `runtime`: what answered."""

    passed: bool
    runtime: str
    prompts: int
    prompt_ids_equal: float
    first_tokens_equal: float
    first_difference: int | None
    top1_agreement: float
    kl: float
    ends: float
    reason: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def prompts(own: list[str]) -> list[str]:
    """Return 20 questions: those of the data first, general ones after them."""
    return list(dict.fromkeys([*own, *GENERAL]))[: len(GENERAL)]


def compare(probes: list[dict[str, Any]], answers: list[dict[str, Any]], runtime: str, limit: str) -> Verdict:
    """Judge the answers of another runtime. `limit` names the row of LIMITS."""
    least, most = LIMITS[limit]
    pairs = list(zip(probes, answers, strict=True))
    same = sum(p["ids"] == a["ids"] for p, a in pairs) / len(pairs)
    equal = sum(p["tokens"] == a["tokens"] for p, a in pairs) / len(pairs)
    chosen = [top[0] == best for p, a in pairs for top, best in zip(p["top"], a["best"], strict=True)]
    top1 = sum(chosen) / max(1, len(chosen))
    kls = [divergence(p, q) for one, other in pairs for p, q in zip(one["logprobs"], other["logprobs"], strict=True)]
    kl = sum(kls) / max(1, len(kls))
    ended = [a["ended"] for p, a in pairs if p["ended"]]
    ends = sum(ended) / len(ended) if ended else 1.0
    wrong = [
        f"the prompt is split into other tokens in {1 - same:.0%} of the prompts" if same < 1 else "",
        f"the first choice differs at {1 - top1:.1%} of the tokens" if top1 < least else "",
        f"the divergence is {kl:.3f} nats, more than {most:g}" if not kl <= most else "",
        f"{1 - ends:.0%} of the answers no longer end by themselves" if ends < 0.9 else "",
    ]
    said = "; ".join(filter(None, wrong))
    reason = said or f"The same first choice at {top1:.1%} of the tokens, divergence {kl:.5f} nats."
    return Verdict(not said, runtime, len(pairs), same, equal, _parted(pairs), top1, kl, ends, reason[0].upper() + reason[1:])


def _parted(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> int | None:
    """Return the earliest position (from 1) at which the greedy answers to a prompt part."""
    found = []
    for p, a in pairs:
        if p["tokens"] != a["tokens"]:
            same = (x == y for x, y in zip(p["tokens"], a["tokens"], strict=False))
            found.append(1 + sum(itertools.takewhile(bool, same)))
    return min(found, default=None)


def divergence(p: list[float], q: list[float]) -> float:
    """Return the KL divergence in nats of two distributions that are known at the same tokens; the rest is one more token."""
    rest = [max(1e-12, 1 - sum(map(math.exp, side))) for side in (p, q)]
    return max(0.0, sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True)) + rest[0] * math.log(rest[0] / rest[1]))
