"""Choices of a dropdown when there are many: the newest, what is chosen, and a line that says so."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from tuner import runs

NEWEST = 200  # choices: a browser builds each of them, and every session is sent them all


@lru_cache(maxsize=8192)
def option(title: str, value: str) -> tuple[str, str]:
    """The same object for all sessions: each of them keeps the choices of its dropdowns."""
    return title, value


def newest(found: list[tuple[str, str]], chosen: str | None) -> list[tuple[str, str]]:
    """(title, value) of the first NEWEST, and of the chosen one wherever it stands."""
    return [option(*o) for o in (*found[:NEWEST], *(o for o in found[NEWEST:] if o[1] == chosen))]


def answering(found: Iterable[runs.Run], chosen: str | None) -> Iterator[runs.Run]:
    """The newest runs that have a model, and the chosen one: no other folder is looked into."""
    left = NEWEST
    for run in found:
        if (left > 0 or run.id == chosen) and run.can_answer:
            left -= 1
            yield run


def info(said: str, total: int, elsewhere: str) -> str:
    """What stands under the dropdown, with the line when not all of `total` can be in it."""
    return said if total <= NEWEST else f"{said} The newest {NEWEST} of {total:,} are listed; {elsewhere}"


def whole(checkpoint: Path) -> bool:
    """`runs.is_whole`, which reads all of a checkpoint, once for as long as none of its files changes."""
    found = sorted((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in checkpoint.rglob("*") if f.is_file())
    return _whole(checkpoint, tuple(found))


@lru_cache(maxsize=1024)
def _whole(checkpoint: Path, _files: tuple) -> bool:
    return runs.is_whole(checkpoint)
