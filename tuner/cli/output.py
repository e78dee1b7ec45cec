"""What every command of the terminal needs: how it speaks, and how it says no."""

import sys

from tuner.errors import RequestError


class Refused(RequestError):
    """The command line itself is wrong."""


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)
