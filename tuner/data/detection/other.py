"""Shapes with words and tags, questions about a passage, one text for another, or text alone."""

import re

from tuner.data.detection.labels import numbered
from tuner.data.detection.recognition import Recognition
from tuner.data.schema.cells import cell, plain, unpack
from tuner.data.schema.column_aliases import LANGUAGES
from tuner.data.schema.column_profile import Table, most, names_of, quoted
from tuner.data.schema.spans import marked

RIVALS = ("label", "sentiment", "score", "rating", "stars", "class")
VALUES = re.compile(r"^(?!language|confidence|quality|toxicity|edu).*(score|rating|price|grade|points|salary|mark)$")
SPANS = ("entities", "spans", "label", "labels", "annotations", "ner", "ents", "privacymask")


def tags(t: Table) -> Recognition | None:
    """A list of words and a tag for each."""
    tokens, found = t.find("tokens", sure=True), None
    for name in names_of("tags"):
        column = t.named(name)
        if tokens and column and column != tokens and most(lambda r, c=column: _alike(r, tokens, c), t.records[:20]):
            found = column
            break
    if not found:
        return None
    return Recognition(
        "conll", "tokens", {"tokens": tokens, "tags": found}, f"{quoted(tokens)} and {quoted(found)} are lists: a tag for each word.", 0.95
    )


def _alike(record: dict, tokens: str, tagged: str) -> bool:
    words, labels = unpack(cell(record, tokens)), unpack(cell(record, tagged))
    if isinstance(words, str) and isinstance(labels, str):
        words, labels = words.split(), labels.replace(",", " ").split()
        return len(words) == len(labels) > 1
    return isinstance(words, list) and isinstance(labels, list) and len(words) == len(labels)


def spans(t: Table) -> Recognition | None:
    """A text and where in it the names stand: start, end and label."""
    text = t.named("text", "sentence", "content", "sourcetext")
    column = text and next((c for n in SPANS for c in t.columns if t.bare[c] == n and any(marked(unpack(v)) for v in t.values(c))), None)
    if not column or not all(marked(unpack(v)) is not None for v in t.values(column)):
        return None
    reason = f"{quoted(column)} marks places in {quoted(text)} by start, end and label: a tag for each word."
    return Recognition("spans", "tokens", {"tokens": text, "tags": column}, reason, 0.9)


def passages(t: Table) -> Recognition | None:
    """Questions whose answers stand in a passage."""
    context, question, answers = t.find("context", sure=True), t.find("question", sure=True), t.find("answers", sure=True)
    if not (context and question and answers) or context == question:
        return None
    if not most(lambda r: _inside(r, context, answers), [r for r in t.records if cell(r, context)]):
        return None
    return Recognition(
        "squad",
        "qa",
        {"context": context, "question": question, "answers": answers},
        f"The answers in {quoted(answers)} stand in {quoted(context)} word for word: extractive questions.",
        0.9,
    )


def _inside(record: dict, context: str, answers: str) -> bool:
    value = unpack(cell(record, answers))
    if isinstance(value, dict):
        return "text" in value
    items = value if isinstance(value, list) else [value]
    return all((plain(i.get("text")) if isinstance(i, dict) else plain(i)) in plain(cell(record, context)) for i in items)


def languages(t: Table) -> list[str]:
    """Columns named after languages, or such keys of an object in a column."""
    spoken = [c for c in t.columns if _language(c) and t.wordy(c)]
    if len(spoken) > 1:
        return spoken
    for c in t.columns:
        values = t.values(c)
        if values and isinstance(first := unpack(values[0]), dict) and len(first) > 1 and all(map(_language, first)):
            return [f"{c}.{k}" for k in first] if isinstance(values[0], dict) else []
    return []


def _language(name: str) -> bool:
    words = [w for w in re.split(r"[\W_]+", name.lower()) if w not in ("text", "sentence", "src", "source", "tgt", "target", "lang")]
    return bool(words) and words[0] in LANGUAGES and all(len(w) <= 4 or w in LANGUAGES for w in words) and len(words) <= 2


def pairs(t: Table) -> Recognition | None:
    """A text that goes in and a text that should come out."""
    if spoken := languages(t):
        mapping = {"source": spoken[0], "target": spoken[1]}
        ask = f"The languages are {', '.join(spoken)}. Which is translated into which?" if len(spoken) > 2 else None
        reason = f"{quoted(spoken)} are languages: translation from {quoted(spoken[0])} into {quoted(spoken[1])}."
        return Recognition("translation", "seq2seq", mapping, reason, 0.5 if ask else 0.9, [ask] if ask else [])
    target = t.find("target", sure=True)
    source = target and t.find("source", (target,), sure=True)
    if not source or not t.wordy(target) or not t.wordy(source) or t.repeated(target):
        return None
    rival = next((c for c in t.columns if t.bare[c] in RIVALS and t.repeated(c)), None)
    ask = (
        f"Is {quoted(target)} what should come out? If {quoted(rival)} is to be learnt, choose the kind classification." if rival else None
    )
    reason = f"{quoted(source)} goes in, {quoted(target)} should come out."
    return Recognition("pairs", "seq2seq", {"source": source, "target": target}, reason, 0.5 if ask else 0.9, [ask] if ask else [])


def texts(t: Table) -> Recognition | None:
    """Text alone."""
    wordy = [c for c in t.columns if t.wordy(c)]
    text = t.find("text", sure=True)
    value = next((c for c in t.columns if VALUES.search(t.bare[c]) and t.numbers(c) and t.distinct(c) > 1), None)
    if value and (text or len(wordy) == 1):
        ask = f"Is the number in {quoted(value)} to be learnt for each text? If not, choose the kind text."
        return numbered(t, text or wordy[0], value, 0.5, ask)
    if text and t.wordy(text) and (wordy == [text] or t.bare[text] in ("text", "content")):
        return Recognition("text", "text", {"text": text}, f"Plain texts in {quoted(text)}.", 0.95 if wordy == [text] else 0.8)
    if len(wordy) != 1 or t.repeated(wordy[0]):
        return None
    return Recognition("text", "text", {"text": wordy[0]}, f"{quoted(wordy[0])} is the only column with text.", 0.7)
