"""The heartbeat of a training worker: a thread that shows that the process lives, and notices when its training does not go on.

`heartbeat` in the run folder is touched every two seconds: a process that is stopped, or stuck in code that never releases Python's lock,
touches it no longer, and the supervisor sees that. A training that makes no progress in a process that lives is seen here.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tuner.jobs import worker_exit

EVERY = 2.0  # seconds
LEAST, TIMES = 120.0, 20.0  # seconds without progress that are too many: at least, and as a multiple of the longest so far
GRACE = 60.0  # seconds after a request to stop, without progress, until the process is ended; a long step gets three times its length


class Heartbeat(threading.Thread):
    """`beat` says that the training has made progress. `stuck(seconds)` is called once when it makes none, `moves(seconds)` when it goes on;
    `end()` when it makes none although it was asked to stop. All three are called in this thread or in that of `beat`."""

    def __init__(self, folder: Path, stuck: Callable[[float], None], moves: Callable[[float], None], end: Callable[[float], None]):
        super().__init__(daemon=True, name="heartbeat")
        self.folder, self.stuck, self.moves, self.end = folder, stuck, moves, end
        self.last, self.longest, self.watched, self.told = time.monotonic(), 0.0, False, False
        self.asked: float | None = None  # when the request to stop was seen
        self._done = threading.Event()

    def begin(self) -> None:
        """Watch the progress from now on."""
        self.last, self.watched = time.monotonic(), True

    def beat(self) -> None:
        """Note that the training has made progress."""
        now = time.monotonic()
        quiet, self.last = now - self.last, now
        if self.told:
            self.told = False
            self.moves(quiet)
        elif self.watched:
            self.longest = max(self.longest, quiet)

    def run(self) -> None:
        while not self._done.wait(EVERY):
            try:
                (self.folder / "heartbeat").touch()
                self.look()
            except OSError as error:
                worker_exit.log(error)

    def look(self) -> None:
        """Tell when nothing has moved for too long."""
        quiet = time.monotonic() - self.last
        if self.watched and not self.told and quiet > max(LEAST, TIMES * self.longest):
            self.told = True
            self.stuck(quiet)
        if not (self.folder / "control").exists():
            self.asked = None
            return
        self.asked = self.asked or time.monotonic()
        if min(quiet, time.monotonic() - self.asked) > max(GRACE, 3 * self.longest):
            self.end(quiet)

    def stop(self) -> None:
        """End the thread."""
        self._done.set()
