"""A run as one file: packed where it was trained, taken in here as an ordinary run, with its curves, samples, log, model and checkpoints.

A zip whose first member, `tunesmith-run.json`, lists every file with its size and sha256. What is taken in may come from a stranger: names that
lead elsewhere, more bytes than were listed, files that are pickles and so may run code are refused, and nothing is left of a file that is.
"""

import hashlib
import json
import shutil
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from tuner import paths
from tuner.errors import DataError, RequestError
from tuner.paths import Workspace
from tuner.runs import checkpoint_files, run_folder, store
from tuner.runs.run_folder import Run

LIST, FORM = "tunesmith-run.json", 1
KEPT = ("config.yaml", "plan.json", "status.json", "about.json", "metrics.db", "samples.jsonl", "prompts.json", "worker.log", "card.md")
FOLDERS = ("model", "checkpoints", "evaluations", "tensorboard")
PICKLED = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")  # torch.load may run what is in them
MOST_FILES, BLOCK = 20_000, 1 << 20


def pack(run: Run, file: Path, *, checkpoints: bool = False, more: dict[str, Any] | None = None) -> Path:
    """Write a run that has ended as one file; with `checkpoints` those without their optimizer, to be looked at and used. `more` is added to its
    about.json."""
    if run.live:
        raise RequestError(
            f"The run {run.name} is {run.state}.",
            asked=run.id,
            available="runs that have ended",
            remedy="Wait for its end, or stop it.",
            field="run",
        )
    chosen = _files(run.path, checkpoints)
    listed = {f.relative_to(run.path).as_posix(): {"bytes": f.stat().st_size, "sha256": paths.sha256(f)} for f in chosen}
    about = {"form": FORM, "id": run.id, "about": run.about | (more or {}), "files": listed}
    new = file.with_name(f".{file.name}.part")
    try:
        with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:  # weights can't be packed further
            archive.writestr(LIST, json.dumps(about, indent=1))
            for f in chosen:
                archive.write(f, f.relative_to(run.path).as_posix())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return file


def _files(folder: Path, checkpoints: bool) -> list[Path]:
    """Return the files of a run that are carried: nothing that only this computer needs, and no pickles."""
    found = [folder / name for name in KEPT if (folder / name).is_file()]
    for name in FOLDERS:
        if name != "checkpoints" or checkpoints:
            found += [f for f in sorted((folder / name).rglob("*")) if f.is_file() and f.suffix not in PICKLED]
    return found


def take_in(ws: Workspace, file: Path, *, name: str | None = None) -> Run:
    """Check a packed run and put it into the workspace as a run of its own; DataError for a file that is damaged or no such file."""
    ws.prepare()
    new = ws.runs / f".new-{time.time_ns()}"
    try:
        with zipfile.ZipFile(file) as archive:
            about = _list(archive, file)
            for member, told in about["files"].items():
                _extract(archive, member, told, new / member)
        return _settle(ws, new, about, name)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, EOFError) as error:
        raise _damaged(file, f"{type(error).__name__}: {str(error)[:100]}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _list(archive: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    if LIST not in archive.namelist():
        raise DataError(
            f"{file.name} is no packed run of Tunesmith.",
            asked=file.name,
            available="the result file of a notebook, or of `tunesmith pack`",
            remedy="Choose such a file.",
            field="file",
        )
    info = archive.getinfo(LIST)
    if info.file_size > 16 * BLOCK:
        raise _damaged(file, "its list of files is too long")
    about = json.loads(archive.read(info))
    if about["form"] > FORM:
        raise DataError(
            f"{file.name} was written by a later version of Tunesmith.",
            asked=f"form {about['form']}",
            available=f"form {FORM}",
            remedy="Install the newest version: `pip install -U tunesmith`.",
            field="file",
        )
    if len(about["files"]) > MOST_FILES or not isinstance(about["about"], dict):
        raise _damaged(file, f"{len(about['files']):,} files")
    for member in about["files"]:
        place = PurePosixPath(member)
        allowed = len(place.parts) == 1 and member in KEPT or place.parts[0] in FOLDERS
        if place.is_absolute() or ".." in place.parts or "\\" in member or ":" in member or not allowed or place.suffix in PICKLED:
            raise _damaged(file, f"it holds {member[:80]!r}, which belongs to no run")
    return about


def _extract(archive: zipfile.ZipFile, member: str, told: dict[str, Any], target: Path) -> None:
    """Write a member; ValueError when it is not what the list says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left, digest = int(told["bytes"]), hashlib.sha256()
    with archive.open(member) as source, open(target, "wb") as out:
        while block := source.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise ValueError(f"{member} is longer than listed")
            digest.update(block)
            out.write(block)
    if left or digest.hexdigest() != told["sha256"]:
        raise ValueError(f"{member} differs from what was packed")


def _settle(ws: Workspace, new: Path, about: dict[str, Any], name: str | None) -> Run:
    """Make a folder that was taken in a run of this workspace; DataError for one whose documents are none of a run."""
    try:
        status = paths.read_json(new / "status.json")
        found = run_folder.read(new, status)
        title = str(name or about["about"].get("name") or about["id"])[:120]
        if found.state not in run_folder.ENDED:
            raise ValueError(f"it is {found.state}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"The packed run can't be read: {str(error)[:200]}.",
            asked=about.get("id"),
            available="config.yaml, plan.json and status.json as a run has them",
            remedy="Pack it again where it was trained.",
            field="file",
        ) from error
    for checkpoint in checkpoint_files.checkpoints(new):  # without the optimizer's state, which was left behind
        checkpoint_files.write_manifest(checkpoint)
    paths.write_json(new / "about.json", about["about"] | {"name": title, "taken_in": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
    while True:
        place = ws.runs / paths.new_id(title, ws.runs)
        try:
            new.rename(place)
            return store.get(ws, place.name)
        except OSError:
            if not place.exists():
                raise


def _damaged(file: Path, why: str) -> DataError:
    return DataError(
        f"{file.name} is damaged: {why}.",
        asked=file.name,
        available="the file as it was written",
        remedy="Copy or download it again.",
        field="file",
    )
