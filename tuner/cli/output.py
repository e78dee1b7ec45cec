"""What every command of the terminal needs: how it speaks, and how it says no."""

import sys
from pathlib import Path

from tuner.errors import RequestError


class Refused(RequestError):
    """The command line itself is wrong."""


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def lines_of(name: str) -> list[str]:
    """Return the lines of a text file that was named; Refused for one that can't be read."""
    try:
        return Path(name).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"{name} can't be read as text: {error}.", asked=name, available="a file with one question a line", remedy="Name one."
        ) from error
