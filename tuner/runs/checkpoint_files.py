"""The checkpoint folders of a run: each has a manifest, written last, by which complete ones are recognized."""

import json
from pathlib import Path
from typing import Any

from tuner import paths


def write_manifest(checkpoint: Path, notes: dict[str, Any] | None = None) -> None:
    """Write `notes` ({file name: document}: what describes the weights) and then the manifest, as the last file: a checkpoint without one, or that
    differs from it, does not count."""
    for name, document in (notes or {}).items():
        paths.write_json(checkpoint / name, document)
    files = {
        f.relative_to(checkpoint).as_posix(): {"bytes": f.stat().st_size, "sha256": paths.sha256(f)}
        for f in sorted(checkpoint.rglob("*"))
        if f.is_file() and f.name != "MANIFEST.json"
    }
    paths.write_json(checkpoint / "MANIFEST.json", files)


def is_whole(checkpoint: Path) -> bool:
    """Return whether every file of a checkpoint has the size and sha256 of its manifest."""
    try:
        files = json.loads((checkpoint / "MANIFEST.json").read_text(encoding="utf-8"))
        return bool(files) and all(
            (checkpoint / n).stat().st_size == f["bytes"] and paths.sha256(checkpoint / n) == f["sha256"] for n, f in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def step_of(checkpoint: Path) -> int:
    """Return the step in a checkpoint's name."""
    return int(checkpoint.name.rpartition("-")[2])


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoint folders of a run, complete or not, the newest first."""
    found = [p for p in (folder / "checkpoints").glob("checkpoint-*") if p.name.split("-")[-1].isdigit()]
    return sorted(found, key=step_of, reverse=True)


def newest_whole_checkpoint(folder: Path) -> Path | None:
    return next((c for c in checkpoints(folder) if is_whole(c)), None)
