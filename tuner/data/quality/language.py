"""Detect the language of a dataset from a sample of its rows, so that a model that supports it can be recommended."""

import threading
from functools import lru_cache

from tuner.data.schema import convert
from tuner.data.store import store

ROWS, LETTERS = 60, 6000  # size of the sample
SURE = 0.8  # probability of the classifier below which no language is returned

NAMES = {  # of the most common codes; other codes are shown as they are
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def of_text(text: str) -> str | None:
    """Return the ISO 639-1 code of a text; None when it is too short or too mixed (py3langid; Lui and Baldwin 2012)."""
    if len(text.strip()) < 40:
        return None
    code, probability = _identifier().classify(text)
    return code if probability >= SURE else None


@lru_cache(maxsize=1)
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def soon(ds: store.Dataset) -> str | None:
    """Like `of_dataset`, but returns None at once while the classifier loads in the background (a second), so a page needn't wait."""
    return None if _loading().is_alive() else of_dataset(ds)


@lru_cache(maxsize=1)
def _loading() -> threading.Thread:
    thread = threading.Thread(target=_identifier, daemon=True)
    thread.start()
    return thread


def of_dataset(ds: store.Dataset) -> str | None:
    """Return the language of what is trained: answers, targets, texts. Cached per version."""
    if (key := (str(ds.folder), ds.sha256)) not in _KNOWN:
        if len(_KNOWN) >= 1000:
            _KNOWN.clear()
        _KNOWN[key] = of_text(_sample(ds))
    return _KNOWN[key]


_KNOWN: dict[tuple[str, str], str | None] = {}


def _sample(ds: store.Dataset) -> str:
    parts: list[str] = []
    for row in store.rows(ds, 0, ROWS):
        value = row["value"]
        parts.append(str(value.get("target") or value.get("text") or "") or _answers(value, ds.kind))
        if sum(map(len, parts)) > LETTERS:
            break
    return "\n".join(parts)[:LETTERS]


def _answers(value: dict, kind: str) -> str:
    turns = convert.as_messages(value, kind) if kind != "tokens" else [{"content": convert.as_text(value, kind)}]
    return " ".join(str(m.get("content") or "") for m in turns)
