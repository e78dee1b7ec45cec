"""Convert rows for extractive question answering and for token classification."""

import re
from typing import Any

from tuner.data.schema.cells import RowProblem, cell, plain, text_of, unpack

WORD = re.compile(r"\w+|[^\w\s]")


def qa(value: dict, mapping: dict, notes: list[str]) -> dict:
    """Return {"context", "question", "answers": {"text", "answer_start"}}; empty answers mean that the question can't be answered."""
    context, question = text_of(value, mapping, "context"), text_of(value, mapping, "question")
    texts, starts = _answers(unpack(cell(value, mapping.get("answers"))))
    starts = [s if s >= 0 and context[s : s + len(t)] == t else context.find(t) for t, s in zip(texts, starts, strict=True)]
    if missing := [t for t, s in zip(texts, starts, strict=True) if s < 0]:
        raise RowProblem(
            f"The answer {missing[0][:60]!r} is not in the context.", "Copy the answer from the context character by character."
        )
    return {"context": context, "question": question, "answers": {"text": texts, "answer_start": starts}}


def _answers(answers: Any) -> tuple[list[str], list[int]]:
    """Return (texts, start of each or -1) from SQuAD's object of lists, a list of objects, a list of texts, or a text."""
    if isinstance(answers, dict) and isinstance(answers.get("text"), (list, str)):
        texts, starts = answers["text"], answers.get("answer_start")
        texts, starts = ([texts], [starts]) if isinstance(texts, str) else (texts, starts)
    else:
        items = answers if isinstance(answers, list) else [answers] if plain(answers).strip() else []
        texts = [item.get("text") if isinstance(item, dict) else item for item in items]
        starts = [item.get("answer_start") if isinstance(item, dict) else -1 for item in items]
    if not isinstance(starts, list) or len(starts) != len(texts):
        starts = [-1] * len(texts)
    return [plain(t) for t in texts], [s if isinstance(s, int) else -1 for s in starts]


def tokens(value: dict, mapping: dict, notes: list[str]) -> dict:
    """Return {"tokens", "tags"} from two lists, or from a text with marked spans that is split into words."""
    words, tags = (unpack(cell(value, mapping.get(role))) for role in ("tokens", "tags"))
    if isinstance(words, str) and (found := marked(tags)) is not None:
        return _tagged(words, found)
    words, tags = (v.replace(",", " ").split() if role and isinstance(v, str) else v for role, v in enumerate((_split(words), tags)))
    if not words or not isinstance(words, list) or not isinstance(tags, list):
        raise RowProblem("There are no tokens, or no tags.", "Provide one list of words and one list of tags.", empty=not words)
    if len(words) != len(tags):
        raise RowProblem(f"There are {len(words)} tokens but {len(tags)} tags.", "Give each token exactly one tag.")
    return {"tokens": [plain(t) for t in words], "tags": [plain(t) for t in tags]}


def _split(words: Any) -> Any:
    return words.split() if isinstance(words, str) else words


def marked(spans: Any) -> list[tuple[int, int, str]] | None:
    """Return (start, end, label) of each span in any common notation; None if these are not spans."""
    spans = spans.get("entities") if isinstance(spans, dict) else spans
    if not isinstance(spans, list):
        return None
    found = [_span(span) for span in spans]
    return None if None in found else found


def _span(span: Any) -> tuple[int, int, str] | None:
    if isinstance(span, dict):
        label = next((span[k] for k in ("label", "type", "entity", "tag", "entity_group", "labels", "entity_type") if k in span), None)
        label = label[0] if isinstance(label, list) and label else label
        span = [span.get("start", span.get("start_offset")), span.get("end", span.get("end_offset")), label]
    if isinstance(span, (list, tuple)) and len(span) == 3 and isinstance(span[0], int) and isinstance(span[1], int) and span[2]:
        return span[0], span[1], plain(span[2])
    return None


def _tagged(text: str, spans: list[tuple[int, int, str]]) -> dict:
    """Return words and BIO tags: a word belongs to the span it touches."""
    words = list(WORD.finditer(text))
    if not words:
        raise RowProblem("There are no words in the text.", "Fill it in or leave the row out.", empty=True)
    tags = ["O"] * len(words)
    for start, end, label in spans:
        if not 0 <= start < end <= len(text):
            raise RowProblem(
                f"The span {start} to {end} does not lie within the text of {len(text)} characters.", "Count from 0; the end is exclusive."
            )
        inside = [i for i, word in enumerate(words) if word.start() < end and word.end() > start]
        for n, i in enumerate(inside):
            tags[i] = ("I-" if n else "B-") + label
    return {"tokens": [word[0] for word in words], "tags": tags}
