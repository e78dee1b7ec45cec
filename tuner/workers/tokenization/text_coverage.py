"""How well a tokenizer covers the text of a dataset: tokens per byte beside those of English, and what becomes an unknown token. No torch."""

from collections import Counter
from typing import Any

from tuner.data.quality import language
from tuner.data.store import store

ENGLISH = (  # plain sentences, against which other languages are measured
    "My order has still not arrived, although I paid for it three weeks ago. Could you please tell me when the parcel will be delivered? The "
    "weather was beautiful yesterday, so we walked along the river and ate ice cream. If the machine does not start, check whether the cable is "
    "plugged in and try again. Many children in our town learn a foreign language at school."
)
DISTINCT, SHOWN = 2000, 8  # characters that are tried for being unknown, and those that are told


def measure(tokenizer, ds: store.Dataset) -> dict[str, Any]:
    """Return {"english": [tokens, bytes], "rows": [[tokens, bytes, unknown tokens] of each text of the sample], "unknown": characters}."""
    texts = language.texts(ds)
    rows = [_cut(tokenizer, text) for text in texts]
    unknown = _unknown(tokenizer, texts) if any(row[2] for row in rows) else []
    return {"english": _cut(tokenizer, ENGLISH)[:2], "rows": rows, "unknown": unknown}


def _cut(tokenizer, text: str) -> list[int]:
    ids = _ids(tokenizer, text)
    return [len(ids), len(text.encode("utf-8", "replace")), ids.count(tokenizer.unk_token_id) if tokenizer.unk_token_id is not None else 0]


def _ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def _unknown(tokenizer, texts: list[str]) -> list[str]:
    """Return the most common characters that the tokenizer does not have."""
    common = (ch for ch, _ in Counter("".join(texts)).most_common(DISTINCT) if ch.isprintable() and not ch.isspace())
    found = (ch for ch in common if tokenizer.unk_token_id in _ids(tokenizer, ch))
    return [ch for ch, _ in zip(found, range(SHOWN), strict=False)]
