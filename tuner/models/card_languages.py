"""The languages that a model knows, as its model card (the README.md of its folder or repository) or the catalog names them.

A language is an ISO 639-1 code in the form of `languages.code`, EVERY where so many are known that they are not listed; () when nothing is said.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tuner.errors import TunerError
from tuner.languages import EVERY, code
from tuner.system.untrusted import regular

MANY = 29  # languages: a model that counts at least so many instead of naming them is taken to know any that people ask for
CARD, FRONT, LANGUAGE = 4 << 20, 256 << 10, 8 << 10  # bytes of the largest card, its front matter, and the languages in it
LISTED = 500  # languages of one card


def listed(found: Any) -> tuple[str, ...]:
    """Return the codes of a card's `language`, which may be one word or a list of them."""
    values = found if isinstance(found, list) else found.split(",") if isinstance(found, str) else [found]
    codes = [code(v) for v in values[:LISTED] if isinstance(v, (str, bool))]
    return (EVERY,) if EVERY in codes else tuple(dict.fromkeys(c for c in codes if c))


def of_entry(entry: dict[str, Any]) -> tuple[str, ...]:
    """Return the languages of a catalog entry: EVERY for 'more than 100', () where some are counted and not named ('en and 7 more')."""
    values = entry.get("languages", [])
    if counts := [int(n) for v in values for n in re.findall(r"\d+", str(v))]:
        return (EVERY,) if max(counts) >= MANY else ()
    return listed(values)


def of_card(folder: Path) -> tuple[str, ...]:
    """Return the languages that the model card in a folder names; () without a card, and for one that can't be read."""
    file = folder / "README.md"
    try:
        about = regular(file)
        return _of_file(str(file), about.st_mtime_ns, about.st_size) if about.st_size <= CARD else ()
    except (TunerError, OSError):
        return ()


@lru_cache(maxsize=64)
def _of_file(file: str, _changed: int, _size: int) -> tuple[str, ...]:
    with open(file, encoding="utf-8", errors="replace") as card:
        return of_text(card.read(FRONT))


def of_text(card: str) -> tuple[str, ...]:
    """Return the languages that the front matter of a model card names. Nothing but its `language` is read, so what else it holds does no harm."""
    front = re.match(r"\ufeff?\s*---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", card, re.DOTALL)
    own = re.search(r"^languages?:.*(?:\n(?:[ \t\]-].*)?)*", front[1], re.MULTILINE) if front else None
    try:
        found = yaml.safe_load(own[0][:LANGUAGE]) if own else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return ()
    return listed(next(iter(found.values()), [])) if isinstance(found, dict) else ()
