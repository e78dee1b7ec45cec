"""All datasets of a workspace with their versions, without reading them anew: see folder_index.

A version never changes once it has moved in, so that the mtime of `versions/` tells of a new or deleted one.
"""

import os
from pathlib import Path

from tuner.data.store.dataset import Dataset, load, versions
from tuner.paths import Workspace
from tuner.system.folder_index import FolderIndex, Shared, stamp


def read(root: Path) -> list[Dataset] | None:
    """The readable versions of a dataset, the newest first; None when there is none."""
    return [d for n in reversed(versions(root)) if (d := load(root / "versions" / str(n)))] or None


def stamps(root: str) -> tuple:
    """Those of each version's description, and whether its rows are there."""
    place = os.path.join(root, "versions")
    try:
        names = sorted(n for n in os.listdir(place) if n.isdecimal())
    except OSError:
        return ()
    return tuple(stamp(os.path.join(place, n, file)) for n in names for file in ("dataset.json", "rows.parquet"))


_shared = Shared(lambda ws: FolderIndex(ws.datasets, read, stamps, part="versions"))


def of(ws: Workspace) -> FolderIndex[list[Dataset]]:
    """The index of a workspace."""
    return _shared.of(ws)


def listing(ws: Workspace) -> list[list[Dataset]]:
    """Each dataset as its versions, the newest first; the dataset with the newest version first."""
    return list(of(ws).derived("listing", lambda found: sorted(found.values(), key=lambda versions: versions[0].created, reverse=True)))
