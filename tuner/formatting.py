"""Format and parse sizes and durations, number names, and write YAML and CSV."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from itertools import chain, count
from typing import Any

import yaml

from tuner.errors import SettingError

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet begins a formula (OWASP, CSV injection)


def human_bytes(n: float) -> str:
    """Return bytes as '3.2 GB' (powers of ten)."""
    for unit in ("bytes", "kB", "MB"):
        if abs(n) < 1000:
            return f"{n:.0f} {unit}"
        n /= 1000
    return f"{n:.1f} GB" if n < 1000 else f"{n / 1000:.1f} TB"


def human_time(seconds: float) -> str:
    """Return seconds as '6 minutes'."""
    if seconds < 1:
        return "a moment"
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 172800:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"


def human_range(low: float, high: float) -> str:
    """Return two numbers of seconds as '6 to 9 minutes', or as one value like `human_time` when they hardly differ."""
    low, high = max(0.0, low), max(0.0, low, high)
    middle = (low + high) / 2
    if high < 1 or high - low < 0.15 * middle or human_time(low) == human_time(high):
        return human_time(middle)
    if low < 1:
        return f"up to {human_time(high)}"
    first, last = human_time(low), human_time(high)
    return f"{first.split()[0]} to {last}" if first.split()[1] == last.split()[1] else f"{first} to {last}"


def parse_bytes(text: str, *, field: str = "device_memory") -> int:
    """Return bytes: '24GB' is 24e9, '24GiB' is 24 x 2^30, a bare number is bytes. SettingError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([kKMGT]?)(i?)[bB]?\s*", str(text))
    if not match:
        raise SettingError(
            f"{text!r} is not a size.",
            asked=text,
            available="24GB, 24GiB or a number of bytes",
            remedy="Write a size such as 24GB.",
            field=field,
        )
    power = " kMGT".index(match[2].replace("K", "k") or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as a block, so that it can be read and edited."""


def _text(dumper: yaml.SafeDumper, text: str):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def yaml_text(values: dict[str, Any]) -> str:
    """Return values as YAML, in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def csv_text(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV. No spreadsheet computes its cells: text that begins like a formula gets an apostrophe."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow([_plain(cell) for cell in head])
    table.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def numbered(name: str, taken: Callable[[str], bool]) -> str:
    """Return the name, or "name 2", "name 3" ... the first that is not taken."""
    return next(n for n in chain((name,), (f"{name} {i}" for i in count(2))) if not taken(n))
