"""An index of all runs of a workspace, so that they are not read again: one per process and workspace, derived from the folders.

`<workspace>/.runs-index.json` lets a new process start from what an earlier one read. It is only a cache: each run in it is checked against
its files first, and the file is rebuilt when it is missing, damaged or of another version.
"""

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tuner import paths
from tuner.errors import NotFoundError
from tuner.paths import Workspace
from tuner.runs import run_folder, settling
from tuner.runs.run_status import RunStatus
from tuner.system.folder_index import Entry, FolderIndex, Shared, settled, stamp

FILES = ("status.json", "about.json", "config.yaml", "plan.json", run_folder.NOTICED)
CACHE, VERSION = ".runs-index.json", 2
SAVED = 50  # runs that are read before the file is written again


class Listed(run_folder.Run):
    """A run from the index. Its plan, the largest of its files, is only read when it is needed."""

    def __init__(self, path: Path, status: RunStatus, config: dict, about: dict, brief: dict):
        vars(self).update(id=path.name, path=path, status=status, config=config, about=about, brief=brief)

    def with_status(self, status: RunStatus) -> "Listed":
        return Listed(self.path, status, self.config, self.about, self.brief)

    @property
    def brief(self) -> dict[str, Any]:
        """As kept: `Run.brief` is a property, which would come before it and read the plan each time."""
        return vars(self)["brief"]

    @property
    def plan(self) -> dict[str, Any]:
        return _plan(str(self.path / "plan.json"), stamp(str(self.path / "plan.json")))

    def __eq__(self, other: object) -> bool:
        names = ("id", "path", "status", "config", "about", "plan")
        return isinstance(other, run_folder.Run) and all(getattr(self, n) == getattr(other, n) for n in names)

    __hash__ = None


@lru_cache(maxsize=16)
def _plan(file: str, _stamp: tuple | None) -> dict[str, Any]:
    found = paths.read_json(Path(file))
    if found is None:
        name = Path(file).parent.name
        raise NotFoundError(
            f"The run {name!r} no longer exists.", asked=name, available="the remaining runs", remedy="`tunesmith runs` lists them."
        )
    return run_folder.located(found, Path(file).parent)


def read(folder: Path) -> Listed | None:
    """Return what the index keeps of a run; None for a folder that is damaged or not yet a run."""
    try:
        status = paths.read_json(folder / "status.json")
        if status is None:
            return None
        run = run_folder.read(folder, status)
        return Listed(folder, run.status, run.config, run.about, run.brief)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        return None


def stamps(folder: str) -> tuple:
    return tuple(stamp(f"{folder}{os.sep}{name}") for name in FILES)


class Index(FolderIndex[Listed]):
    def __init__(self, ws: Workspace):
        super().__init__(ws.runs, read, stamps, busy=lambda r: r.live, same=lambda a, b: vars(a) == vars(b))
        self.file = ws.root / CACHE
        self.entries = load(self.file, ws.runs)

    def _look(self) -> None:
        super()._look()
        if self.read_since >= SAVED:
            self.read_since = 0
            save(self.file, self.entries)


_shared = Shared(Index)


def of(ws: Workspace) -> Index:
    """Return the index of a workspace."""
    return _shared.of(ws)


def listing(ws: Workspace) -> list[run_folder.Run]:
    """Return all runs, the newest first."""
    return list(of(ws).derived("listing", _sorted))


def derived(ws: Workspace, name: str, make: Callable[[list[Listed]], Any], *, glance: bool = False) -> Any:
    """Return `make(all runs, the newest first)`, cached until a run changes; callers must not modify it.

    With `glance`, the result may be up to half a second old.
    """
    index = of(ws)
    settling.listing(ws, index.derived("live", _live, glance=glance))  # writes how dead runs ended, which the index then sees
    return index.derived(name, lambda found: make(settling.listing(ws, _sorted(found))), glance=glance)


def _live(found: dict[str, Listed]) -> list[Listed]:
    return [r for r in found.values() if r.live]


def _sorted(found: dict[str, Listed]) -> list[Listed]:
    return sorted(found.values(), key=lambda r: (str(r.about.get("created") or ""), r.id), reverse=True)


# --- the file ---------------------------------------------------------------------------------------------------------


def save(file: Path, entries: dict[str, Entry[Listed]]) -> None:
    """Save what was read for the next process."""
    good = {
        n: e for n, e in entries.items() if e.value is not None and not e.value.live and settled(e.files, e.at) and plain(e.value.config)
    }
    kept = {n: [e.files, e.at, e.value.status.document, e.value.config, e.value.about, e.value.brief] for n, e in good.items()}
    try:
        paths.write_json(file, {"version": VERSION, "runs": kept})
    except OSError:
        return  # a full or read-only disk: the next process reads the folders itself


def plain(config: dict) -> bool:
    """Return whether a config survives JSON unchanged: YAML has dates, and keys that are numbers."""
    try:
        return json.loads(json.dumps(config)) == config
    except (TypeError, ValueError):
        return False


def load(file: Path, root: Path) -> dict[str, Entry[Listed]]:
    """Return what an earlier process read; {} when the file can't be used. Entries have no folder stamp: each is checked against its files first."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            return {}
        return {name: _entry(root / name, *kept) for name, kept in document["runs"].items() if paths.ID.fullmatch(name)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(path: Path, files: list, at: int, *parts: dict) -> Entry[Listed]:
    if not all(isinstance(p, dict) for p in parts) or not isinstance(at, int):
        raise TypeError("unexpected content")
    status, config, about, brief = parts
    return Entry(tuple(tuple(s) if s else None for s in files), at, Listed(path, RunStatus.from_json(status), config, about, brief))
