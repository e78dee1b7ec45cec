"""Parse numbers as people and programs write them: decimal commas, thousands separators, non-finite numbers."""

import math
import re
from decimal import Decimal
from typing import Any, Literal

Commas = Literal["decimal", "thousands"] | None
NOT_FINITE = re.compile(r"[-+]?(?:nan|inf|infinity|1\.#inf|1\.#ind|1\.#qnan)", re.I)
ONE = re.compile(r"[-+]?\d+,\d+")  # one comma
EITHER = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")  # one comma that can separate thousands or decimals
GERMAN = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+,\d+")
ENGLISH = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+\.\d+|[-+]?\d{1,3}(?:,\d{3}){2,}")
DOTTED = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+")
POINT = re.compile(r"[-+]?\d*\.\d+")


def number_of(content: Any, commas: Commas = None) -> float | None:
    """Return a finite number, or None. `commas`: what commas mean in the column; without it, a comma must be unambiguous."""
    if isinstance(content, str):
        content = _pointed(_bare(content), commas)
    try:
        number = None if content is None or isinstance(content, (list, dict)) else float(content)
        return number if number is not None and math.isfinite(number) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _bare(text: str) -> str:
    """Remove spaces and apostrophes between thousands, and use a plain minus."""
    return re.sub(r"(?<=\d)[ '\u2019\u00a0\u202f](?=\d{3}(?!\d))", "", text.strip()).replace("\u2212", "-")


def _pointed(text: str, commas: Commas) -> str:
    """Return the number in Python's notation; unchanged if it is not a number, or if its comma is ambiguous."""
    if GERMAN.fullmatch(text) or commas == "decimal" and DOTTED.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if ENGLISH.fullmatch(text) or commas == "thousands" and EITHER.fullmatch(text):
        return text.replace(",", "")
    if ONE.fullmatch(text) and (commas == "decimal" or not EITHER.fullmatch(text)):
        return text.replace(",", ".")
    return text


def finite(content: Any) -> bool:
    """Return False for NaN and infinity (as numbers or as text), and for numbers that are too large."""
    if isinstance(content, str):
        if NOT_FINITE.fullmatch(content.strip()):
            return False
        try:
            return math.isfinite(float(content))
        except ValueError:
            return True
    return not isinstance(content, float) or math.isfinite(content)


def commas_of(cells: list) -> tuple[Commas, bool]:
    """Return (what a comma means in these numbers, or None if there is none or they disagree; whether it is certain)."""
    texts = [_bare(cell) for cell in cells if isinstance(cell, str)]
    with_commas = [text for text in texts if "," in text]
    decimal = any(GERMAN.fullmatch(text) or ONE.fullmatch(text) and not EITHER.fullmatch(text) for text in with_commas)
    english = any(ENGLISH.fullmatch(text) or POINT.fullmatch(text) and not DOTTED.fullmatch(text) for text in texts)
    if not with_commas or decimal and english:
        return None, True
    if decimal:
        return "decimal", True
    return ("thousands", english) if all(EITHER.fullmatch(text) or ENGLISH.fullmatch(text) for text in with_commas) else (None, True)


def digits(number: float) -> str:
    """Return a number without a trailing .0 and without an exponent: 3 for 3.0, all digits of large and small floats."""
    if not math.isfinite(number):
        return str(number)
    text = repr(number)
    text = format(Decimal(text), "f") if "e" in text else text
    return "0" if number == 0 else text.removesuffix(".0")
