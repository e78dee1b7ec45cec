"""Index of all datasets of a workspace with their versions, cached per folder: see folder_index.

A version never changes once it is published, so the mtime of `versions/` shows when one was added or deleted.
"""

import os
from pathlib import Path

from tuner.data.store.dataset import Dataset, load, versions
from tuner.paths import Workspace
from tuner.system.folder_index import FolderIndex, Shared, stamp


def read(root: Path) -> list[Dataset] | None:
    """Return the readable versions of a dataset, newest first; None when there is none."""
    return [d for n in reversed(versions(root)) if (d := load(root / "versions" / str(n)))] or None


def stamps(root: str) -> tuple:
    """Return the stamps of each version's dataset.json and rows.parquet."""
    folder = os.path.join(root, "versions")
    try:
        names = sorted(n for n in os.listdir(folder) if n.isdecimal())
    except OSError:
        return ()
    return tuple(stamp(os.path.join(folder, n, file)) for n in names for file in ("dataset.json", "rows.parquet"))


_shared = Shared(lambda ws: FolderIndex(ws.datasets, read, stamps, part="versions"))


def of(ws: Workspace) -> FolderIndex[list[Dataset]]:
    """Return the index of a workspace."""
    return _shared.of(ws)


def listing(ws: Workspace) -> list[list[Dataset]]:
    """Return the versions of each dataset, newest first; the dataset with the newest version comes first."""
    return list(of(ws).derived("listing", lambda found: sorted(found.values(), key=lambda versions: versions[0].created, reverse=True)))
