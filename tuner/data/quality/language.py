"""Detect the languages of a dataset from a sample of its rows: for a warning before the start, and for the model that is recommended.

A row counts with what is trained of it (answers, targets, texts). Its language comes from a classifier of 140 languages (py3langid; Lui and Baldwin
2012), and where that is unsure from its script. Short rows are read together with their neighbours; code, numbers and single words are in none.
"""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tuner.data.schema import convert
from tuner.data.store import store
from tuner.languages import NAMES, SCRIPTS, code

__all__ = ["NAMES", "Languages", "of_dataset", "of_rows", "of_text", "of_texts", "soon", "soon_of_rows", "texts", "told", "wait"]
ROWS, BLOCKS = 200, 8  # rows of the sample; parts of a larger dataset from which they come
LETTERS = 400  # characters of a row
# characters of which the classifier is asked, that rows are read together for, and that an answer needs to count without its question; words of
# a row that is read together with others
LEAST, TOGETHER, ANSWER, WORDS = 15, 160, 40, 3
# probability of the classifier below which it tells nothing: of 5,500 English texts of 15 to 80 characters it then took 15 for another language
SURE = 0.8
NOT_WORDS = re.compile(r"```.*?(```|$)|https?://\S+|\S+@\S+", re.DOTALL)
OF_SCRIPT = {  # the first word of a character's Unicode name -> what is written with it
    "CYRILLIC": "Cyrl", "ARABIC": "Arab", "DEVANAGARI": "Deva", "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "GREEK": "el",
    "HEBREW": "he", "THAI": "th", "ARMENIAN": "hy", "GEORGIAN": "ka", "BENGALI": "bn", "GURMUKHI": "pa", "GUJARATI": "gu", "ORIYA": "or",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si", "LAO": "lo", "TIBETAN": "bo", "MYANMAR": "my",
    "ETHIOPIC": "am", "KHMER": "km",
}  # fmt: skip
CLOSE = {"an": "es", "ext": "es", "vec": "it", "lij": "it", "lb": "de", "pcm": "en"}  # too close to be told apart in a sentence


@dataclass(frozen=True)
class Languages:
    """The language of each row of a sample: an ISO 639-1 code, a script ("Cyrl") where no more is known, None for a row that is in none."""

    rows: tuple[str | None, ...] = ()

    @property
    def shares(self) -> dict[str, float]:
        """The share of the rows by language, the largest first."""
        found = Counter(language for language in self.rows if language)
        return {language: n / len(self.rows) for language, n in found.most_common()}

    @property
    def main(self) -> str | None:
        """The language of at least half of the rows."""
        return next((language for language, share in self.shares.items() if share >= 0.5 and language not in SCRIPTS), None)


# --- texts ----------------------------------------------------------------------------------------------------------------


def of_text(text: str) -> str | None:
    """Return the ISO 639-1 code of a text, or its script; None when it is too short, too mixed, or no language."""
    text = NOT_WORDS.sub(" ", text).strip()
    letters = [ch for ch in text if ch.isalpha()]
    if len(letters) < 0.5 * len("".join(text.split())):
        return None
    if script := _script(letters):
        return script if script not in SCRIPTS else _classified(text, SCRIPTS[script]) or script
    return _classified(text) if len(text) >= LEAST else None


def _script(letters: list[str]) -> str | None:
    """Return what letters other than Latin ones write, where they are most of the text."""
    found = Counter(OF_SCRIPT.get(unicodedata.name(ch, "").split(" ")[0].split("-")[0]) for ch in letters)
    if found["ja"] >= 0.1 * len(letters):  # Japanese is written with Chinese characters too
        found["ja"] += found.pop("zh", 0)
    script, n = max(found.items(), key=lambda item: item[1], default=(None, 0))
    return script if len(letters) > 1 and n > 0.5 * len(letters) else None


def _classified(text: str, among: set[str] | None = None) -> str | None:
    """Return what the classifier is sure of; where the script is known, its language must be one that is written in it."""
    language, probability = _identifier().classify(text)
    if probability < SURE or language == "zxx":
        return None
    language = code(CLOSE.get(language, language))
    return language if among is None or language in among else None


@lru_cache(maxsize=1)
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def of_texts(rows: list[str]) -> Languages:
    """Return the language of each text; those that are too short by themselves are read together."""
    found = [of_text(text) for text in rows]
    short = [i for i, text in enumerate(rows) if found[i] is None and len(text.split()) >= WORDS]
    for group in _groups(short, rows):
        together = of_text("\n".join(rows[i] for i in group))
        for i in group:
            found[i] = together
    return Languages(tuple(_like_others(found)))


def _like_others(found: list[str | None]) -> list[str | None]:
    """Give rows of which only the script is known the language that the others in it are in."""
    count = Counter(found)
    others = {script: max(written & set(found), key=count.get, default=script) for script, written in SCRIPTS.items()}
    return [others.get(language, language) for language in found]


def _groups(short: list[int], rows: list[str]) -> Iterator[list[int]]:
    """Yield neighbours that are long enough together."""
    group: list[int] = []
    for i in short:
        group.append(i)
        if sum(len(rows[j]) for j in group) >= TOGETHER:
            yield group
            group = []
    if group:
        yield group


# --- datasets -------------------------------------------------------------------------------------------------------------


def of_rows(ds: store.Dataset) -> Languages:
    """Return the languages of what is trained. Cached per version."""
    key = _key(ds)
    if (known := _KNOWN.get(key)) is None:
        known = of_texts(texts(ds))
        if len(_KNOWN) >= 1000:
            _KNOWN.clear()
        _KNOWN[key] = known
    return known


_KNOWN: dict[tuple, Languages] = {}


def _key(ds: store.Dataset) -> tuple:
    return (str(ds.folder), ds.ref, ds.sha256, ds.rows)


def of_dataset(ds: store.Dataset) -> str | None:
    """Return the language of at least half of the rows."""
    return of_rows(ds).main


def soon_of_rows(ds: store.Dataset) -> Languages:
    """Like `of_rows`, but returns nothing at once while the classifier loads in the background (a second), so a page needn't wait."""
    return Languages() if not told(ds) and _loading().is_alive() else of_rows(ds)


def soon(ds: store.Dataset) -> str | None:
    """Like `of_dataset`, but without waiting for the classifier."""
    return soon_of_rows(ds).main


def told(ds: store.Dataset) -> bool:
    """Return whether the languages of a dataset are known already; what was asked of `soon` before may have been answered without them."""
    return _key(ds) in _KNOWN


def wait(seconds: float = 30.0) -> None:
    """Wait until the classifier is loaded."""
    _loading().join(seconds)


@lru_cache(maxsize=1)
def _loading() -> threading.Thread:
    thread = threading.Thread(target=_identifier, daemon=True)
    thread.start()
    return thread


def texts(ds: store.Dataset) -> list[str]:
    """Return the text of each row of the sample, from all parts of the dataset: what is trained of it."""
    each = ROWS // BLOCKS
    starts = [0] if ds.rows <= ROWS else [i * (ds.rows - each) // (BLOCKS - 1) for i in range(BLOCKS)]
    found = (row["value"] for start in starts for row in store.rows(ds, start, ROWS if len(starts) == 1 else each))
    return [_trained(value, ds.kind)[:LETTERS] for value in found]


def _trained(value: dict, kind: str) -> str:
    """Return the answers of a row; with the questions where the answers are too short to tell a language. System prompts don't count."""
    if own := value.get("target") or value.get("text"):
        return str(own)
    turns = [{"role": "assistant", "content": convert.as_text(value, kind)}] if kind == "tokens" else convert.as_messages(value, kind)
    answers = _said(turns, ("assistant",))
    return answers if len(answers) >= ANSWER else _said(turns, ("user", "assistant"))


def _said(turns: list[dict], roles: tuple[str, ...]) -> str:
    return "\n".join(str(m.get("content") or "") for m in turns if m["role"] in roles).strip()
