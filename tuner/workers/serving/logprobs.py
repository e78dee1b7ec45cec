"""Log-probabilities of tokens in OpenAI's two shapes."""

import re
from collections.abc import Iterable
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

from tuner.workers.serving.sampling import Chosen

BYTES = {character: byte for byte, character in bytes_to_unicode().items()}  # of byte-level BPE


def chat_shape(tokenizer, chosen: Iterable[Chosen]) -> list[dict[str, Any]]:
    """Return [{"token", "logprob", "bytes", "top_logprobs"}] as chat completions have it."""

    def one(token: int, logprob: float) -> dict[str, Any]:
        return {"token": tokenizer.decode([token]), "logprob": logprob, "bytes": list(bytes_of(tokenizer, token))}

    return [one(c.token, c.logprob) | {"top_logprobs": [one(*t) for t in c.top]} for c in chosen]


def bytes_of(tokenizer, token: int) -> bytes:
    """Return the bytes of a token, which may be a part of a character."""
    text = tokenizer.decode([token])
    if "\ufffd" not in text:
        return text.encode()
    name = tokenizer.convert_ids_to_tokens(token)
    if match := re.fullmatch(r"<0x([0-9A-F]{2})>", name):  # sentencepiece
        return bytes([int(match[1], 16)])
    return bytes(BYTES[c] for c in name) if all(c in BYTES for c in name) else text.encode()


def text_shape(tokenizer, chosen: Iterable[Chosen], at: int = 0) -> dict[str, Any]:
    """Return {"tokens", "token_logprobs", "top_logprobs", "text_offset"} as completions have it, the first token at character `at`."""
    out: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for c in chosen:
        text = tokenizer.decode([c.token])
        out["tokens"].append(text)
        out["token_logprobs"].append(c.logprob)
        out["top_logprobs"].append({tokenizer.decode([t]): p for t, p in c.top})
        out["text_offset"].append(at)
        at += len(text)
    return out
