"""Keep the computer awake while a run is under way, where the system lets programs ask for it (wakepy: Windows, macOS, Linux desktops)."""

from collections.abc import Iterator
from contextlib import contextmanager

from wakepy import keep

KEPT = "The computer is kept awake until this run ends."
NOT_KEPT = "This computer can't be asked to stay awake: set it not to go to sleep by itself."


@contextmanager
def kept() -> Iterator[bool]:
    """Keep the computer from going to sleep by itself; yield whether the system agreed. The screen may still turn off."""
    with keep.running(on_fail="pass") as mode:
        yield bool(mode.active)
