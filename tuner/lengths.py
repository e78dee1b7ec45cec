"""How long rows are in tokens of a model.

Counts come from the `tokenizers` library (Rust, no torch) on a sample of the rows; without a local tokenizer.json a
token counts as four characters, the usual figure for English.
"""

from functools import lru_cache
from pathlib import Path

from tuner import models
from tuner.errors import ModelError
from tuner.untrusted import regular

LARGEST = 200 << 20  # bytes of a tokenizer.json; the largest published has 35 MB
SAMPLE = 400
PER_TURN = 6  # the template's own tokens around one message


@lru_cache(maxsize=4)
def _tokenizer(path: str, changed: float):
    from tokenizers import Tokenizer

    if (size := regular(path).st_size) > LARGEST:
        raise _unread(path, f"it has {size / 1e6:,.0f} MB, of {LARGEST / 1e6:,.0f} MB at most")
    try:
        return Tokenizer.from_file(path)
    except BaseException as error:  # the library throws bare Exceptions, and a panic of Rust's is none at all
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise _unread(path, str(error)[:200]) from error


def _unread(path: str, why: str) -> ModelError:
    return ModelError(
        f"The tokenizer.json in {Path(path).parent.name} can't be read: {why}.",
        asked=path,
        available="a tokenizer as save_pretrained writes it",
        remedy="Copy the model's own tokenizer.json again.",
        field="model",
    )


def count(facts: models.ModelFacts, texts: list[str]) -> list[int]:
    """Tokens of each text."""
    file = Path(facts.path or "/nonexistent") / "tokenizer.json"
    if not file.is_file():
        return [len(t) // 4 + 1 for t in texts]
    encoded = _tokenizer(str(file), file.stat().st_mtime).encode_batch(texts, add_special_tokens=False)
    return [len(e.ids) for e in encoded]


def of_rows(facts: models.ModelFacts, values: list[dict], kind: str) -> list[int]:
    """Tokens of canonical rows, of the first `SAMPLE`, ascending.

    An encoder-decoder reads one text and writes the other: the longer of the two counts.
    """
    turns = [_parts(value, kind, facts.family) for value in values[:SAMPLE]]
    flat = [text for t in turns for text in t]
    sizes, i, totals = count(facts, flat) if flat else [], 0, []
    template, whole = (PER_TURN if facts.family == "decoder" else 1), max if facts.family == "encoder-decoder" else sum
    for t in turns:
        totals.append(whole(size + template for size in sizes[i : i + len(t)]) if t else 0)
        i += len(t)
    return sorted(totals)


def _parts(value: dict, kind: str, family: str) -> list[str]:
    from tuner.data import convert

    if kind in ("text", "tokens"):
        return [convert.as_text(value, kind)]
    if kind in ("classification", "regression") and family != "decoder":
        return [value["text"]]
    if kind == "qa" and family == "encoder":
        return [value["context"], value["question"]]
    if kind == "preference":  # the longer of both answers sets how long the row is
        value = value | {"chosen": max(value["chosen"], value["rejected"], key=lambda side: sum(len(m.get("content") or "") for m in side))}
    return [str(m.get("content") or "") for m in convert.as_messages(value, kind)]
