"""Log-probabilities of tokens in OpenAI's two shapes."""

from collections.abc import Iterable
from typing import Any

from tuner.workers.serving.sampling import Chosen


def chat_shape(tokenizer, chosen: Iterable[Chosen]) -> list[dict[str, Any]]:
    """Return [{"token", "logprob", "bytes", "top_logprobs"}] as chat completions have it."""

    def one(token: int, logprob: float) -> dict[str, Any]:
        text = tokenizer.decode([token])
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    return [one(c.token, c.logprob) | {"top_logprobs": [one(*t) for t in c.top]} for c in chosen]


def text_shape(tokenizer, chosen: Iterable[Chosen]) -> dict[str, Any]:
    """Return {"tokens", "token_logprobs", "top_logprobs", "text_offset"} as completions have it."""
    out: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    at = 0
    for c in chosen:
        text = tokenizer.decode([c.token])
        out["tokens"].append(text)
        out["token_logprobs"].append(c.logprob)
        out["top_logprobs"].append({tokenizer.decode([t]): p for t, p in c.top})
        out["text_offset"].append(at)
        at += len(text)
    return out
