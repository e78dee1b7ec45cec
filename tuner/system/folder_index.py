"""What the folders side by side in one folder hold: read once, and again when they change. Derived from them and never the truth.

A look costs one listing and one `stat` a folder. A folder whose files are replaced by renaming (`paths.write_json`) gets a new mtime by it;
so only folders with another mtime, those that may change at any moment (`busy`) and a few in turn (a file may have been edited in place)
have their files looked at. What was written less than `RACY` before it was read is not trusted: two changes may bear one time.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tuner.paths import ID, Workspace

T = TypeVar("T")
RACY = 2 * 10**9  # nanoseconds: the coarsest clock of a file system in use
IN_TURN = 32  # settled folders whose files are looked at in one look, one after the other
KEPT = 64  # workspaces whose indexes stay in memory
GLANCE = 0.5  # seconds for which one look answers all who only want to know whether anything changed

Stamp = tuple[Any, ...]


@dataclass(slots=True)
class Entry(Generic[T]):
    """What was read of a folder at `at` (ns): None when it holds nothing that counts. While its folder bears `trusted`, nothing changed."""

    files: Stamp
    at: int
    value: T | None
    trusted: Stamp | None = None


class FolderIndex(Generic[T]):
    """`read(folder)` gives what a folder holds, or None; `stamps(folder)` those of the files that it reads. Of a folder that is not `busy`
    only `part` (or the whole) has its mtime looked at, unless that changed."""

    def __init__(
        self,
        root: Path,
        read: Callable[[Path], T | None],
        stamps: Callable[[str], Stamp],
        *,
        part: str = "",
        busy: Callable[[T], bool] = lambda _: False,
        same: Callable[[T, T], bool] = lambda a, b: a == b,
    ):
        self.root, self.read, self.stamps, self.part, self.busy, self.same = root, read, stamps, part, busy, same
        self.entries: dict[str, Entry[T]] = {}
        self.version = 0  # counts up whenever anything is another
        self.read_since = 0  # settled folders read since the last `read_since = 0`
        self._lock = threading.RLock()
        self._looked = float("-inf")  # when the last look began
        self._turn = 0
        self._made: dict[str, Any] = {}  # what was derived from this version

    def look(self) -> int:
        """The version now, after a look at every folder. A caller that waits for a look that began after its own call takes that answer."""
        asked = time.monotonic()
        with self._lock:
            if self._looked <= asked:
                self._looked = time.monotonic()
                self._look()
            return self.version

    def glance(self) -> int:
        """The version as it was at most `GLANCE` seconds ago."""
        with self._lock:
            return self.version if time.monotonic() - self._looked < GLANCE else self.look()

    def values(self) -> dict[str, T]:
        """What each folder holds, by its name."""
        with self._lock:
            self.look()
            return {name: e.value for name, e in self.entries.items() if e.value is not None}

    def derived(self, name: str, make: Callable[[dict[str, T]], Any], *, glance: bool = False) -> Any:
        """`make(values)`, kept until anything changes: shared by all who ask, so nobody may change it."""
        with self._lock:
            self.glance() if glance else self.look()
            if name not in self._made:
                self._made[name] = make({n: e.value for n, e in self.entries.items() if e.value is not None})
            return self._made[name]

    # --- looking ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        names, entries, root, part = self._names(), self.entries, str(self.root) + os.sep, os.sep + self.part if self.part else ""
        for gone in entries.keys() - set(names):
            if entries.pop(gone).value is not None:
                self._changed()
        turn = self._in_turn(names)
        for name in names:
            known, folder = entries.get(name), stamp(f"{root}{name}{part}")
            if known is None or known.trusted is None or known.trusted != folder or name in turn:
                self._look_closely(name, root + name, folder, known)

    def _names(self) -> list[str]:
        try:
            with os.scandir(self.root) as found:
                return [e.name for e in found if ID.fullmatch(e.name)]  # others are being made or deleted, or not ours
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _in_turn(self, names: list[str]) -> set[str]:
        if len(names) <= IN_TURN:
            return set(names)
        begin, self._turn = self._turn % len(names), self._turn + IN_TURN
        return set((names * 2)[begin : begin + IN_TURN])

    def _look_closely(self, name: str, place: str, folder: Stamp | None, known: Entry[T] | None) -> None:
        now, files = time.time_ns(), self.stamps(place)
        entry = known
        if known is None or known.files != files or not settled(files, known.at):
            entry = self.entries[name] = Entry(files, now, self.read(Path(place)))
            self._compare(known, entry)
        restless = entry.value is None or self.busy(entry.value) or not settled((folder, *files), now)
        entry.trusted = None if restless else folder

    def _compare(self, known: Entry[T] | None, entry: Entry[T]) -> None:
        value, before = entry.value, known.value if known else None
        if value is not None and not self.busy(value) and (known is None or known.files != entry.files):
            self.read_since += 1
        if (value is None) != (before is None) or (value is not None and before is not None and not self.same(value, before)):
            self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._made = {}


class Shared(Generic[T]):
    """The index of each workspace, one for all who ask in this process; of the `KEPT` that were asked for last: guests come and go."""

    every: "list[Shared]" = []

    def __init__(self, make: Callable[[Workspace], T]):
        self.make, self.found, self.lock = make, OrderedDict[Path, T](), threading.Lock()
        Shared.every.append(self)

    def of(self, ws: Workspace) -> T:
        with self.lock:
            if ws.root not in self.found:
                self.found[ws.root] = self.make(ws)
            self.found.move_to_end(ws.root)
            while len(self.found) > KEPT:
                self.found.popitem(last=False)
            return self.found[ws.root]


def forget(ws: Workspace) -> None:
    """Let go of a workspace that is to be deleted."""
    for shared in Shared.every:
        with shared.lock:
            shared.found.pop(ws.root, None)


def settled(stamps: Stamp, at: int) -> bool:
    """Whether none of these was written so near to `at` that it may have been written again with the same time."""
    return all(s is None or abs(at - s[1]) > RACY for s in stamps)


def stamp(path: str) -> Stamp | None:
    """(inode, mtime, size) of a file or folder; None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
