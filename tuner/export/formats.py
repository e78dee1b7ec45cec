"""Export formats of a run: the adapter or one merged model, as safetensors with tokenizer, chat template and model card; or one GGUF file.

An adapter is copied here without torch; a worker makes the others. Each export is a folder that is either complete or absent.
"""

import json
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

from tuner import models, paths, runs
from tuner.data.store import questions, store
from tuner.errors import ModelError, NotFoundError, RequestError, WorkError, restore, translate
from tuner.export import converter, model_card, sizes
from tuner.formatting import human_bytes
from tuner.jobs.job import Job, JobStatus
from tuner.models import model_files, stored_formats
from tuner.paths import Workspace
from tuner.settings import methods, objectives
from tuner.settings.run_config import Settings

KINDS = {
    "adapter": "Only the trained adapter: small, and used together with the base model.",
    "merged": "One complete model with the adapter merged into it, for any program.",
    "gguf": "One file for llama.cpp, Ollama and LM Studio.",
}
QUANTIZE = {"q8_0": "8-bit: half the size of f16, hardly a difference in the answers.", "f16": "16-bit: the weights as they were trained."}
QUESTIONS = 20  # of the validation rows, asked by the self-test


def kinds(run: runs.Run) -> list[str]:
    """Return the export formats that are possible for a run."""
    if not run.can_answer:
        return []
    settings = Settings.from_json(run.plan["settings"])
    method, merges = methods.get(settings.method), not base_is_quantized(run)
    whole = ["merged"] if method.merges and merges else []
    generates = objectives.get(settings.objective).task == "CAUSAL_LM"
    return (["adapter"] if methods.is_peft(method.name) else []) + whole + (["gguf"] if whole and generates else [])


def base_is_quantized(run: runs.Run) -> bool:
    """Return whether the base model of a run is stored quantized, so that nothing can be merged into it."""
    folder = models.base_folder(run.plan["model"]["base"])
    return folder is not None and stored_formats.bnb_quantization(model_files.document(folder / "config.json")) is not None


def make(ws: Workspace, id: str, kind: str, out: Path | None = None, *, quantize: str = "q8_0", waiting=None) -> dict[str, Any]:
    """Export a run and return {"path", "bytes", "check"}; `waiting(seconds, what)` is called while a worker makes it. `quantize`: of a GGUF.

    Raises RequestError for an unknown format or an occupied folder, ModelError for a format this run does not support.
    """
    run = runs.get(ws, id)
    _among(kind, KINDS, "export format", "to")
    _among(quantize, QUANTIZE, "GGUF type", "quantize")
    _refuse(run, kind)
    final = out or ws.exports / id / kind
    if out is not None and (reason := _occupied(out)):
        raise RequestError(
            reason, asked=str(final), available="a new folder, or an earlier export", remedy="Choose another folder.", field="out"
        )
    _room(final, sizes.needed(run, kind, quantize))
    new = final.with_name(f".{final.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        makers = {
            "adapter": lambda: _adapter(run, new),
            "merged": lambda: _merged(ws, run, new, waiting),
            "gguf": lambda: _gguf(ws, run, new, quantize, waiting),
        }
        check = makers[kind]()
        paths.write_json(new / "tunesmith.json", {"run": id, "kind": kind, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "check": check})
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        if out is not None:
            paths.make_shared(final)
    except OSError as error:
        raise translate(error) or error from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return {"path": str(final), "bytes": paths.folder_bytes(final), "check": check}


def _among(asked: str, known: dict[str, str], what: str, field: str) -> None:
    """Raise RequestError for a name that is not known."""
    if asked not in known:
        raise RequestError(
            f"There is no {what} called {asked!r}.", asked=asked, available=list(known), remedy=f"Choose {' or '.join(known)}.", field=field
        )


def _refuse(run: runs.Run, kind: str) -> None:
    """Raise ModelError for a format that a run can't be exported as."""
    if kind in ("merged", "gguf") and "adapter" in kinds(run) and base_is_quantized(run):
        raise ModelError(
            f"{run.plan['model']['name']}, the base of {run.name}, is quantized, and nothing can be merged into quantized weights.",
            asked=kind,
            available=kinds(run),
            remedy="Export the adapter; for a merged model, train again from the 16-bit model that the base was made from.",
            field="to",
        )
    if kind not in kinds(run):
        raise ModelError(
            f"{run.name} can't be exported as {kind}.",
            asked=kind,
            available=kinds(run) or "runs that have a model",
            remedy=f"Choose {' or '.join(kinds(run))}." if kinds(run) else "Wait until the run has ended, or resume it.",
            field="to",
        )


def _occupied(out: Path) -> str | None:
    """Return why a folder can't be used for an export: it has other files, or is a file; None for a free one or an earlier export."""
    there = next(p for p in (out, *out.parents) if p.exists())
    if not there.is_dir():
        return f"{there} is a file, not a folder."
    return f"{out} contains other files." if there == out and any(out.iterdir()) and not (out / "tunesmith.json").exists() else None


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
    """Copy the run's model folder, with a small local base model, so that the folder works anywhere."""
    shutil.copytree(run.path / "model", new, dirs_exist_ok=True)
    about, shipped = run.plan["model"], sizes.shipped_base(run)
    base = "./base" if shipped else about["base"]
    if shipped:
        shutil.copytree(shipped, new / "base", ignore=shutil.ignore_patterns(*sizes.NOT_SHIPPED))
    config = json.loads((new / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    config["revision"] = about["revision"] if about["kind"] == "hub" else config.get("revision")
    paths.write_json(new / "adapter_config.json", config)
    named = "./base" if shipped else model_card.base_elsewhere(about)
    (new / "README.md").write_text(model_card.text(run, kind="adapter", base=named), encoding="utf-8")
    weights = "adapter_model.safetensors"
    same = paths.sha256(new / weights) == paths.sha256(run.path / "model" / weights)
    if not same:
        raise WorkError(
            "The copy differs from the model.", asked=run.id, available="an identical copy", remedy="Check the disk, and export again."
        )
    return {"kind": "identical to the weights of the run", "tensors": len(models.header(new / weights)), "passed": True}


def _merged(ws: Workspace, run: runs.Run, new: Path, waiting) -> dict[str, Any]:
    settings = Settings.from_json(run.plan["settings"])
    if settings.method == "full":
        shutil.copytree(run.path / "model", new, dirs_exist_ok=True)
        (new / "README.md").write_text(model_card.text(run, kind="model", base=""), encoding="utf-8")
        return {"kind": "the trained weights themselves", "passed": True}
    check = _worker(ws, run, new, {"kind": "merged"}, waiting)
    (new / "README.md").write_text(model_card.text(run, kind="model", base=""), encoding="utf-8")
    return check


def _gguf(ws: Workspace, run: runs.Run, new: Path, quantize: str, waiting) -> dict[str, Any]:
    request = {"kind": "gguf", "quantize": quantize, "tools": str(converter.place(ws)), "name": run.id, "questions": _questions(ws, run)}
    check = _worker(ws, run, new, request, waiting)
    (new / "README.md").write_text(model_card.text(run, kind="gguf", base="", here=check["file"]), encoding="utf-8")
    return check


def _questions(ws: Workspace, run: runs.Run) -> list[str]:
    """Return questions of the validation rows; none where the data is gone or asks nothing."""
    try:
        return questions.distinct(store.get(ws, str(run.config.get("data") or "")), QUESTIONS)
    except (NotFoundError, RequestError):
        return []


def _worker(ws: Workspace, run: runs.Run, new: Path, more: dict[str, Any], waiting) -> dict[str, Any]:
    """Have a worker make an export in the folder `new` and return its check."""
    settings = Settings.from_json(run.plan["settings"])
    request = {"precision": settings.precision, "objective": settings.objective, "method": settings.method}
    paths.write_json(new / "request.json", request | {"run": str(run.path), "base": run.plan["model"]["base"]} | more)
    job = Job(ws, "export", new)
    job.submit()
    began = time.monotonic()

    def died() -> WorkError:
        return WorkError(
            "The export stopped unexpectedly, without a result.",
            asked=run.id,
            available=f"its log: {_log(new)}",
            remedy="Free some memory and export again.",
        )

    def each(_: JobStatus) -> None:
        if waiting:
            waiting(time.monotonic() - began, (paths.read_json(new / "progress.json") or {}).get("said", ""))

    now = job.wait(lambda: job.status(died), lambda s: s.running, each=each, poll=0.2)
    if now.errors:
        kept = ws.exports / run.id / f"{more['kind']}.log"
        kept.parent.mkdir(parents=True, exist_ok=True)
        if (new / "worker.log").is_file():  # else the error counts, and no missing file takes its place
            shutil.copy(new / "worker.log", kept)
        raise restore([e | {"remedy": f"{e['remedy']} The log: {kept}"} for e in now.errors])
    for file in ("request.json", "result.json", "progress.json", "worker.log", "lock"):
        (new / file).unlink(missing_ok=True)
    return now.result["check"]


def _log(folder: Path) -> str:
    try:
        return (folder / "worker.log").read_text(encoding="utf-8", errors="replace")[-500:]
    except FileNotFoundError:
        return "empty"


def make_zip(export: Path) -> Path:
    """Pack the export into a .zip beside it, for download in a browser; stored without compression, which saves nothing on weights."""
    target = export.with_suffix(".zip")
    new = target.with_suffix(".zip.new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as z:
        for file in sorted(export.rglob("*")):
            if file.is_file():
                z.write(file, Path(export.parent.name) / file.relative_to(export))
    new.replace(target)
    return target


def exports_of(ws: Workspace, id: str) -> list[dict[str, Any]]:
    """Return the exports of a run in the workspace."""
    out = []
    for kind in KINDS:
        folder = ws.exports / paths.checked_id(id, "run") / kind
        about = paths.read_json(folder / "tunesmith.json")
        if about:
            out.append(about | {"path": str(folder), "bytes": paths.folder_bytes(folder)})
    return out
