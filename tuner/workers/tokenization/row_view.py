"""One row as the tokens that a person looks at: each with its text, and whether it is trained."""

from typing import Any

from tuner.workers.tokenization.loss_mask import Encoded, Rendered

SHOWN = 8192  # tokens of one row


def view(row: Encoded, tokenizer, special: set[int]) -> dict[str, Any]:
    """Return {"length", "learnt", "problem", "tokens"} of one row; see `tuner.jobs.token_preview.look`."""
    trained = bytearray(len(row.ids))
    for a, b in row.ranges:
        trained[a:b] = b"\1" * (b - a)
    ids = row.ids[:SHOWN]
    shown = [
        {"text": text, "id": id, "trained": bool(mark), "special": id in special}
        for text, id, mark in zip(texts(row, tokenizer, len(ids)), ids, trained, strict=False)
    ]
    return {"length": len(row.ids), "learnt": sum(trained), "problem": row.refused, "tokens": shown}


def texts(row: Encoded, tokenizer, count: int) -> list[str]:
    """Return the piece of text of each token: a character that takes several tokens is shown at the first, the others get "".

    Special tokens that were added to the text (a start, an end) show their names.
    """
    offsets = row.encoding.offsets if row.encoding is not None else None
    if offsets is None:
        return [tokenizer.decode([id]) for id in row.ids[:count]]
    out, at = [], 0
    for i in range(count):
        a, b = offsets[i] if i < len(offsets) else (0, 0)
        added = i >= len(offsets) or (a == b and row.ids[i] in tokenizer.all_special_ids)
        out.append(tokenizer.convert_ids_to_tokens(row.ids[i]) if added else row.text[at:b])
        at = at if added else max(at, b)
    return out


def pieces(row: Rendered) -> dict[str, Any]:
    """Return the same for a row that no tokenizer has read: its parts, trained or not, in place of tokens; "length" is None."""
    cuts = [0, *(at for span in row.spans or () for at in span), len(row.text)]
    shown = [
        {"text": row.text[a:b], "id": None, "trained": bool(i % 2), "special": False}
        for i, (a, b) in enumerate(zip(cuts, cuts[1:], strict=False))
        if b > a
    ]
    return {"length": None, "learnt": None, "problem": row.refused, "tokens": shown}
