"""What can be made of a run, and what was made: the adapter, or one merged model; safetensors, tokenizer, template, card.

Copying an adapter needs no torch and happens here; merging is a worker's. Each export is a folder that is whole or absent.
"""

import json
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

from tuner import locks, models, paths, runs
from tuner.errors import ModelError, RequestError, WorkError, translate
from tuner.export import model_card
from tuner.formatting import human_bytes
from tuner.jobs import supervisor
from tuner.models import model_files, stored_formats
from tuner.paths import Workspace
from tuner.settings import methods
from tuner.system import machine

KINDS = {
    "adapter": "What was learnt alone, small: it works together with the base model.",
    "merged": "One model with what was learnt inside, for any program.",
}
SHIP_BASE = 64_000_000  # a base up to this size travels with its adapter


def kinds(run: runs.Run) -> list[str]:
    if not run.can_answer:
        return []
    method = methods.get(run.plan["settings"]["method"])
    return (["adapter"] if methods.is_peft(method.name) else []) + (["merged"] if method.merges and not packed(run) else [])


def packed(run: runs.Run) -> bool:
    """Whether the base of a run is stored in a few bits, into which nothing can be merged."""
    folder = models.base_folder(run.plan["model"]["base"])
    return folder is not None and stored_formats.packed(model_files.document(folder / "config.json")) is not None


def size(run: runs.Run, kind: str) -> int:
    """Bytes that the export will take, roughly."""
    own = paths.folder_bytes(run.path / "model")
    if kind == "adapter":
        base = shipped_base(run)
        return own + (paths.folder_bytes(base) if base else 0)
    if run.plan["settings"]["method"] == "full":
        return own
    return run.plan["total_parameters"] * run.plan["model"]["bytes_per_weight"]


def shipped_base(run: runs.Run) -> Path | None:
    """The base that travels with the adapter: a small one that lies in a folder here, and nowhere else to be had."""
    about = run.plan["model"]
    folder = Path(about["base"])
    return folder if about["kind"] != "hub" and folder.is_dir() and paths.folder_bytes(folder) <= SHIP_BASE else None


def make(ws: Workspace, id: str, kind: str, out: Path | None = None, *, waiting=None) -> dict[str, Any]:
    """{"path", "bytes", "check"} of the finished export; `waiting(seconds)` is called while a worker merges."""
    run = runs.get(ws, id)
    if kind not in KINDS:
        raise RequestError(
            f"There is no export called {kind!r}.", asked=kind, available=list(KINDS), remedy=f"Choose {' or '.join(KINDS)}.", field="to"
        )
    if kind == "merged" and "adapter" in kinds(run) and packed(run):
        raise ModelError(
            f"{run.plan['model']['name']}, the base of {run.name}, is stored in a few bits, and nothing can be merged into such weights.",
            asked=kind,
            available=kinds(run),
            remedy="Export the adapter; for a merged model, train again from the 16-bit model that the base was made from.",
            field="to",
        )
    if kind not in kinds(run):
        raise ModelError(
            f"{run.name} can't be taken away as {kind}.",
            asked=kind,
            available=kinds(run) or "runs that have a model",
            remedy=f"Choose {' or '.join(kinds(run))}." if kinds(run) else "Wait for the run's end, or resume it.",
            field="to",
        )
    final = out or ws.exports / id / kind
    if out is not None and (what := _occupied(out)):
        raise RequestError(what, asked=str(final), available="a new folder, or a former export", remedy="Name another folder.", field="out")
    _room(final, size(run, kind))
    new = final.with_name(f".{final.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        check = _adapter(run, new) if kind == "adapter" else _merged(ws, run, new, waiting)
        paths.write_json(new / "tunesmith.json", {"run": id, "kind": kind, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "check": check})
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        if out is not None:
            paths.open_to_others(final)
    except OSError as error:
        raise translate(error) or error from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return {"path": str(final), "bytes": paths.folder_bytes(final), "check": check}


def _occupied(out: Path) -> str | None:
    """What stands in the way, if it is no former export: other files there, or a file where a folder must be."""
    there = next(p for p in (out, *out.parents) if p.exists())
    if not there.is_dir():
        return f"{there} is a file, not a folder."
    return f"{out} holds other files." if there == out and any(out.iterdir()) and not (out / "tunesmith.json").exists() else None


def _room(target: Path, need: int) -> None:
    there = next(p for p in (target, *target.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < need * 1.1:
        raise WorkError(
            f"The export takes {human_bytes(need)}; the disk has {human_bytes(free)} free.",
            asked=need,
            available=free,
            remedy="Free some space, or choose a folder on another disk.",
        )


def _adapter(run: runs.Run, new: Path) -> dict[str, Any]:
    """The run's model folder; a small local base goes with it, so that the folder works wherever it is taken."""
    shutil.copytree(run.path / "model", new, dirs_exist_ok=True)
    about, shipped = run.plan["model"], shipped_base(run)
    base = "./base" if shipped else about["base"]
    if shipped:
        shutil.copytree(shipped, new / "base", ignore=shutil.ignore_patterns("*.md", ".*"))
    config = json.loads((new / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    config["revision"] = about["revision"] if about["kind"] == "hub" else config.get("revision")
    paths.write_json(new / "adapter_config.json", config)
    (new / "README.md").write_text(model_card.text(run, kind="adapter", base=base), encoding="utf-8")
    weights = "adapter_model.safetensors"
    same = paths.sha256(new / weights) == paths.sha256(run.path / "model" / weights)
    if not same:
        raise WorkError(
            "The copy differs from the model.", asked=run.id, available="a copy, byte for byte", remedy="Check the disk, and make it again."
        )
    return {"kind": "byte for byte the weights that were chatted with", "tensors": len(models.header(new / weights)), "passed": True}


def _merged(ws: Workspace, run: runs.Run, new: Path, waiting) -> dict[str, Any]:
    if run.plan["settings"]["method"] == "full":
        shutil.copytree(run.path / "model", new, dirs_exist_ok=True)
        (new / "README.md").write_text(model_card.text(run, kind="model", base=""), encoding="utf-8")
        return {"kind": "the trained weights themselves", "passed": True}
    settings = run.plan["settings"]
    request = {k: settings[k] for k in ("precision", "objective", "method")}
    paths.write_json(new / "request.json", request | {"run": str(run.path), "base": run.plan["model"]["base"]})
    supervisor.submit(ws, "export", new, "cpu")
    began = looked = time.monotonic()
    while True:
        if time.monotonic() - looked > 5:  # the supervisor may have been killed before it began
            looked = time.monotonic()
            machine.ensure(ws.machine_folder())
        working = locks.held(new / "lock")  # asked before the result: a worker may write it and leave in between
        if (new / "result.json").exists():
            break
        if time.monotonic() - began > 15 and not working:
            raise WorkError(
                "The merging process ended without a result.",
                asked=run.id,
                available=f"its log: {_log(new)}",
                remedy="Free some memory and try again.",
            )
        if waiting:
            waiting(time.monotonic() - began)
        time.sleep(0.2)
    result = paths.read_json(new / "result.json")
    if "error" in result:
        raise WorkError(
            result["error"]["message"], asked=run.id, available=result["error"].get("available"), remedy=result["error"]["remedy"]
        )
    for file in ("request.json", "result.json", "worker.log", "lock"):
        (new / file).unlink(missing_ok=True)
    (new / "README.md").write_text(model_card.text(run, kind="model", base=""), encoding="utf-8")
    return result["check"]


def _log(folder: Path) -> str:
    try:
        return (folder / "worker.log").read_text(encoding="utf-8", errors="replace")[-500:]
    except FileNotFoundError:
        return "none was written"


def pack(export: Path) -> Path:
    """The export as one .zip beside it, for a browser to download; weights are stored, since they don't get smaller."""
    target = export.with_suffix(".zip")
    new = target.with_suffix(".zip.new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as z:
        for file in sorted(export.rglob("*")):
            if file.is_file():
                z.write(file, Path(export.parent.name) / file.relative_to(export))
    new.replace(target)
    return target


def made(ws: Workspace, id: str) -> list[dict[str, Any]]:
    """The exports of a run that lie in the workspace."""
    out = []
    for kind in KINDS:
        folder = ws.exports / paths.checked(id, "run") / kind
        about = paths.read_json(folder / "tunesmith.json")
        if about:
            out.append(about | {"path": str(folder), "bytes": paths.folder_bytes(folder)})
    return out
