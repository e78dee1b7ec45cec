"""Recognize tagged words, questions about a passage, pairs of input and output texts, and plain text."""

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


def tags(table: Table) -> Recognition | None:
    """Recognize a list of words with one tag each."""
    tokens, found = table.find("tokens", sure=True), None
    for name in names_of("tags"):
        column = table.named(name)
        if tokens and column and column != tokens and most(lambda r, c=column: _alike(r, tokens, c), table.records[:20]):
            found = column
            break
    if not found:
        return None
    return Recognition(
        "conll", "tokens", {"tokens": tokens, "tags": found}, f"{quoted(tokens)} and {quoted(found)} are lists: one tag per word.", 0.95
    )


def _alike(record: dict, tokens: str, tagged: str) -> bool:
    words, labels = unpack(cell(record, tokens)), unpack(cell(record, tagged))
    if isinstance(words, str) and isinstance(labels, str):
        words, labels = words.split(), labels.replace(",", " ").split()
        return len(words) == len(labels) > 1
    return isinstance(words, list) and isinstance(labels, list) and len(words) == len(labels)


def spans(table: Table) -> Recognition | None:
    """Recognize a text with marked spans: start, end and label."""
    text = table.named("text", "sentence", "content", "sourcetext")
    column = text and next(
        (c for n in SPANS for c in table.columns if table.bare[c] == n and any(marked(unpack(v)) for v in table.values(c))), None
    )
    if not column or not all(marked(unpack(v)) is not None for v in table.values(column)):
        return None
    reason = f"{quoted(column)} marks spans in {quoted(text)} by start, end and label: one tag per word."
    return Recognition("spans", "tokens", {"tokens": text, "tags": column}, reason, 0.9)


def passages(table: Table) -> Recognition | None:
    """Recognize questions whose answers are spans of a passage."""
    context, question, answers = table.find("context", sure=True), table.find("question", sure=True), table.find("answers", sure=True)
    if not (context and question and answers) or context == question:
        return None
    if not most(lambda r: _inside(r, context, answers), [r for r in table.records if cell(r, context)]):
        return None
    return Recognition(
        "squad",
        "qa",
        {"context": context, "question": question, "answers": answers},
        f"The answers in {quoted(answers)} appear word for word in {quoted(context)}: extractive question answering.",
        0.9,
    )


def _inside(record: dict, context: str, answers: str) -> bool:
    value = unpack(cell(record, answers))
    if isinstance(value, dict):
        return "text" in value
    items = value if isinstance(value, list) else [value]
    return all((plain(i.get("text")) if isinstance(i, dict) else plain(i)) in plain(cell(record, context)) for i in items)


def languages(table: Table) -> list[str]:
    """Return the columns named after languages, or such keys of an object in a column."""
    spoken = [c for c in table.columns if _language(c) and table.wordy(c)]
    if len(spoken) > 1:
        return spoken
    for c in table.columns:
        values = table.values(c)
        if values and isinstance(first := unpack(values[0]), dict) and len(first) > 1 and all(map(_language, first)):
            return [f"{c}.{k}" for k in first] if isinstance(values[0], dict) else []
    return []


def _language(name: str) -> bool:
    words = [w for w in re.split(r"[\W_]+", name.lower()) if w not in ("text", "sentence", "src", "source", "tgt", "target", "lang")]
    return bool(words) and words[0] in LANGUAGES and all(len(w) <= 4 or w in LANGUAGES for w in words) and len(words) <= 2


def pairs(table: Table) -> Recognition | None:
    """Recognize an input text and an output text."""
    if spoken := languages(table):
        mapping = {"source": spoken[0], "target": spoken[1]}
        ask = f"The languages are {', '.join(spoken)}. Which one is translated into which?" if len(spoken) > 2 else None
        reason = f"{quoted(spoken)} are languages: translation from {quoted(spoken[0])} into {quoted(spoken[1])}."
        return Recognition("translation", "seq2seq", mapping, reason, 0.5 if ask else 0.9, [ask] if ask else [])
    target = table.find("target", sure=True)
    source = target and table.find("source", (target,), sure=True)
    if not source or not table.wordy(target) or not table.wordy(source) or table.repeated(target):
        return None
    rival = next((c for c in table.columns if table.bare[c] in RIVALS and table.repeated(c)), None)
    ask = f"Is {quoted(target)} the output? To train on {quoted(rival)} instead, choose the kind classification." if rival else None
    reason = f"{quoted(source)} is the input, {quoted(target)} the output."
    return Recognition("pairs", "seq2seq", {"source": source, "target": target}, reason, 0.5 if ask else 0.9, [ask] if ask else [])


def texts(table: Table) -> Recognition | None:
    """Recognize plain text."""
    wordy = [c for c in table.columns if table.wordy(c)]
    text = table.find("text", sure=True)
    value = next((c for c in table.columns if VALUES.search(table.bare[c]) and table.numbers(c) and table.distinct(c) > 1), None)
    if value and (text or len(wordy) == 1):
        ask = f"Should the model be trained to predict the number in {quoted(value)}? If not, choose the kind text."
        return numbered(table, text or wordy[0], value, 0.5, ask)
    if text and table.wordy(text) and (wordy == [text] or table.bare[text] in ("text", "content")):
        return Recognition("text", "text", {"text": text}, f"Plain texts in {quoted(text)}.", 0.95 if wordy == [text] else 0.8)
    if len(wordy) != 1 or table.repeated(wordy[0]):
        return None
    return Recognition("text", "text", {"text": wordy[0]}, f"{quoted(wordy[0])} is the only column with text.", 0.7)
