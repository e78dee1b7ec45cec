"""Make an export of a run: a folder that is either complete or absent.

An adapter is copied here without torch; a worker makes the others (`worker.py`). exports/<run>/<format>[-<type>]/, with tunesmith.json in it.
"""

import json
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner import locks, models, paths, runs
from tuner.data.store import questions, store
from tuner.errors import NotFoundError, RequestError, WorkError, translate
from tuner.export import converter, formats, model_card, sizes, space, tool_configs, worker
from tuner.formatting import human_bytes
from tuner.paths import Workspace
from tuner.settings.run_config import Settings

QUESTIONS = 20  # of the validation rows, asked by the self-test
Waiting = Callable[[float, str], None]


def make(
    ws: Workspace,
    id: str,
    kind: str,
    out: Path | None = None,
    *,
    quantize: str = "q8_0",
    waiting: Waiting | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Export a run and return {"kind", "path", "bytes", "check"}; `waiting(seconds, what)` is called while a worker makes it. `quantize`: of a GGUF.

    Raises RequestError for an unknown format, an occupied folder or an export that is being made, ModelError for a format this run does not
    support, WorkError when it was cancelled.
    """
    run = runs.get(ws, id)
    formats.require_known(kind, quantize)
    formats.require_possible(run, kind)
    final = out or ws.exports / id / formats.folder_name(kind, quantize)
    if out is not None and (reason := _occupied(out)):
        raise RequestError(
            reason, asked=str(final), available="a new folder, or an earlier export", remedy="Choose another folder.", field="out"
        )
    _require_room(final, sizes.needed(run, kind, quantize))
    new = final.with_name(f".{final.name}.new")
    _clear(new)
    making = worker.Making(ws, run, new, waiting, cancelled)
    try:
        new.mkdir(parents=True)
        check = MAKERS[kind](making, quantize)
        about = {"run": id, "kind": kind, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "check": check}
        paths.write_json(new / "tunesmith.json", about | ({"quantize": quantize} if formats.FORMATS[kind].types else {}))
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        if out is not None:
            paths.make_shared(final)
    except OSError as error:
        raise translate(error) or error from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return {"kind": kind, "path": str(final), "bytes": paths.folder_bytes(final), "check": check}


def _clear(new: Path) -> None:
    """Remove what an export left that was killed; RequestError while its worker is at work."""
    if locks.is_held(new / "lock"):
        raise RequestError(
            "This export is being made already.",
            asked=new.name.removeprefix(".").removesuffix(".new"),
            available="its result, when it is done",
            remedy="Wait until it is done, or cancel it where it was started.",
            field="to",
        )
    shutil.rmtree(new, ignore_errors=True)


def _occupied(out: Path) -> str | None:
    """Return why a folder can't be used for an export: it has other files, or is a file; None for a free one or an earlier export."""
    there = next(p for p in (out, *out.parents) if p.exists())
    if not there.is_dir():
        return f"{there} is a file, not a folder."
    return f"{out} contains other files." if there == out and any(out.iterdir()) and not (out / "tunesmith.json").exists() else None


def _require_room(target: Path, need: int) -> None:
    there = next(p for p in (target, *target.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < need * 1.1:
        raise WorkError(
            f"The export takes {human_bytes(need)}; the disk has {human_bytes(free)} free.",
            asked=need,
            available=free,
            remedy="Free some space, or choose a folder on another disk.",
        )


def _adapter(making: worker.Making, _: str) -> dict[str, Any]:
    """Copy the run's model folder, with a small local base model, so that the folder works anywhere."""
    run, new = making.run, making.folder
    shutil.copytree(run.path / "model", new, dirs_exist_ok=True)
    about, shipped = run.plan["model"], sizes.shipped_base(run)
    base = "./base" if shipped else model_card.base_elsewhere(about)
    if shipped:
        shutil.copytree(shipped, new / "base", ignore=shutil.ignore_patterns(*sizes.NOT_SHIPPED))
    config = json.loads((new / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    config["revision"] = about["revision"] if about["kind"] == "hub" else config.get("revision")
    paths.write_json(new / "adapter_config.json", config)
    (new / "README.md").write_text(model_card.text(run, kind="adapter", base=base), encoding="utf-8")
    weights = "adapter_model.safetensors"
    same = paths.sha256(new / weights) == paths.sha256(run.path / "model" / weights)
    if not same:
        raise WorkError(
            "The copy differs from the model.", asked=run.id, available="an identical copy", remedy="Check the disk, and export again."
        )
    return {"kind": "identical to the weights of the run", "tensors": len(models.header(new / weights)), "passed": True}


def _merged(making: worker.Making, _: str) -> dict[str, Any]:
    run, new = making.run, making.folder
    if Settings.from_json(run.plan["settings"]).method == "full":
        shutil.copytree(run.path / "model", new, dirs_exist_ok=True)
        check: dict[str, Any] = {"kind": "the trained weights themselves", "passed": True}
    else:
        check = making.by_worker({"kind": "merged", "questions": _questions(making.ws, run)})
    (new / "README.md").write_text(model_card.text(run, kind="model", base="", check=check), encoding="utf-8")
    return check


def _gguf(making: worker.Making, quantize: str, *, kind: str = "gguf") -> dict[str, Any]:
    run = making.run
    request = {"kind": kind, "quantize": quantize, "tools": str(converter.place(making.ws)), "name": run.id, "system": run.system}
    check = making.by_worker(request | {"questions": _questions(making.ws, run)})
    used = "ollama" if check.get("modelfile") else kind
    (making.folder / "README.md").write_text(model_card.text(run, kind=used, base="", here=check["file"], check=check), encoding="utf-8")
    return check


def _ollama(making: worker.Making, quantize: str) -> dict[str, Any]:
    return _gguf(making, quantize, kind="ollama")


def _adapter_gguf(making: worker.Making, quantize: str) -> dict[str, Any]:
    return _gguf(making, quantize, kind="adapter-gguf")


def _llamafactory(making: worker.Making, _: str) -> dict[str, Any]:
    return tool_configs.write(making.ws, making.run, "llamafactory", making.folder)


def _axolotl(making: worker.Making, _: str) -> dict[str, Any]:
    return tool_configs.write(making.ws, making.run, "axolotl", making.folder)


def _onnx(making: worker.Making, _: str) -> dict[str, Any]:
    check = making.by_worker({"kind": "onnx"})
    (making.folder / "README.md").write_text(model_card.text(making.run, kind="onnx", base="", check=check), encoding="utf-8")
    return check


def _space(making: worker.Making, quantize: str) -> dict[str, Any]:
    run, part = making.run, space.part(making.run, formats.kinds(making.run)) or "merged"
    inner = replace(making, folder=making.folder / "model")
    inner.folder.mkdir()
    MAKERS[part](inner, quantize)
    (inner.folder / "README.md").unlink(missing_ok=True)  # the Space has one of its own
    space.write(run, making.folder, part)
    return making.by_worker({"kind": "space", "part": part, "questions": _questions(making.ws, run)})


def _script(making: worker.Making, _: str) -> dict[str, Any]:
    tool_configs.data_of(making.ws, making.run, "script")
    return making.by_worker({"kind": "script"})


MAKERS = {
    "adapter": _adapter,
    "merged": _merged,
    "gguf": _gguf,
    "ollama": _ollama,
    "adapter-gguf": _adapter_gguf,
    "onnx": _onnx,
    "space": _space,
    "script": _script,
    "llamafactory": _llamafactory,
    "axolotl": _axolotl,
}


def _questions(ws: Workspace, run: runs.Run) -> list[str]:
    """Return questions of the validation rows; none where the data is gone or asks nothing."""
    try:
        return questions.distinct(store.get(ws, str(run.config.get("data") or "")), QUESTIONS)
    except (NotFoundError, RequestError):
        return []


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
    """Return the exports of a run in the workspace, in the order of the formats and their types."""
    place = ws.exports / paths.checked_id(id, "run")
    found = [(paths.read_json(about), about.parent) for about in place.glob("[!.]*/tunesmith.json")]
    known = [
        _typed(about) | {"path": str(folder), "bytes": paths.folder_bytes(folder)}
        for about, folder in found
        if about and about["kind"] in formats.FORMATS
    ]
    order = [formats.folder_name(kind, type) for kind, f in formats.FORMATS.items() for type in f.types or (None,)]
    return sorted(known, key=lambda about: order.index(formats.folder_name(about["kind"], about.get("quantize"))))


def _typed(about: dict[str, Any]) -> dict[str, Any]:
    """Return the record of an export with its type of numbers, which those of before autumn 2026 have in the file's name alone."""
    if not formats.FORMATS[about["kind"]].types or about.get("quantize"):
        return about
    return about | {"quantize": "f16" if about["check"]["file"].endswith("f16.gguf") else "q8_0"}
