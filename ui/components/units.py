"""Numbers, sizes and durations as people write them in the visitor's language (Babel): '4,508', '3.2 GB', '6 min', '6–9 min'."""

from babel import Locale
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from babel.units import format_unit

from ui import text

STEPS = (("second", 1, 90), ("minute", 60, 5400), ("hour", 3600, 172800), ("day", 86400, float("inf")))  # unit, its seconds, up to
SIZES = ("byte", "kilobyte", "megabyte", "gigabyte", "terabyte")


def locale() -> Locale:
    return Locale.parse("en" if text.language() == text.PSEUDO else text.language())


def count(n: float) -> str:
    """Return a whole number with thousands separators."""
    return format_decimal(round(n), locale=locale())


def decimal(x: float, digits: int = 4) -> str:
    """Return a number with up to so many significant digits; very small and very large ones as 2e-5."""
    if x and not 1e-4 <= abs(x) < 1e7:
        return f"{x:.2g}"
    return format_decimal(float(f"{x:.{digits}g}"), format="#,##0.######", locale=locale())


def compact(n: float) -> str:
    """Return '360M', '1.5B'."""
    return format_compact_decimal(n, locale=locale(), fraction_digits=1 if n >= 1e9 else 0)


def percent(share: float, digits: int = 0) -> str:
    return format_percent(share, format="#,##0" + ("." + "#" * digits if digits else "") + "%", locale=locale())


def size(n: float) -> str:
    """Return bytes as '3.2 GB' (powers of ten)."""
    step = 0
    while abs(n) >= 1000 and step < len(SIZES) - 1:
        n, step = n / 1000, step + 1
    return format_unit(n, f"digital-{SIZES[step]}", "short", format="#,##0.#" if step >= 3 else "#,##0", locale=locale())


def duration(seconds: float) -> str:
    """Return seconds as '6 min'."""
    unit, length, _ = _step(seconds)
    return _unit(max(1, seconds) / length, unit)


def span(low: float, high: float) -> str:
    """Return two numbers of seconds as '6–9 min', or as one where they hardly differ."""
    low, high = max(0.0, low), max(0.0, low, high)
    if high - low < 0.15 * (low + high) / 2 or duration(low) == duration(high):
        return duration((low + high) / 2)
    (unit, length, _), (last, *_) = _step(low), _step(high)
    if unit != last:
        return f"{duration(low)} – {duration(high)}"
    return f"{_number(low / length, unit)}–{duration(high)}"


def _step(seconds: float) -> tuple[str, int, float]:
    return next(s for s in STEPS if seconds < s[2])


def _number(value: float, unit: str) -> str:
    return format_decimal(value, format="#,##0.#" if unit in ("hour", "day") else "#,##0", locale=locale())


def _unit(value: float, unit: str) -> str:
    return format_unit(value, f"duration-{unit}", "short", format="#,##0.#" if unit in ("hour", "day") else "#,##0", locale=locale())
