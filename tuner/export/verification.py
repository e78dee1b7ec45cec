"""Verify an export that was made anywhere: does it answer like the model it was made from? The self-test of our own exports, alone."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import models, paths, runs
from tuner.errors import RequestError
from tuner.export import worker
from tuner.models import model_files
from tuner.paths import Workspace


def verify(
    ws: Workspace,
    base: str,
    export: str,
    adapter: str | None = None,
    *,
    waiting: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Return the check of an export, a folder or a GGUF, against `base`, a folder or model id, with the `adapter`, a folder or run, if it was made with one.

    The check says whether it `passed`; None where nothing here can open it. RequestError for what is no model or export.
    """
    found = {"base": str(_base(base)), "adapter": str(_adapter(ws, adapter)) if adapter else None, "export": str(_export(export))}
    ws.jobs.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="export-verify-", dir=ws.jobs))
    try:
        return worker.carry_out(ws, place, {"kind": "verify"} | found, waiting, cancelled)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _base(asked: str) -> Path:
    folder = paths.STARTER if asked == "starter" else models.base_folder(asked)
    if folder is None or not model_files.document(folder / "config.json"):
        raise _refused(
            "base", asked, "There is no model here called", "a folder with config.json and weights, or a model that is downloaded"
        )
    named = model_files.document(folder / "config.json").get("architectures") or [""]
    if not named[0].endswith(("CausalLM", "LMHeadModel", "ConditionalGeneration")):
        raise _refused("base", asked, "No answers can be compared of", f"models that write text; this is {named[0] or 'unknown'}")
    return folder


def _adapter(ws: Workspace, asked: str) -> Path:
    folder = paths.path_from_user(asked)
    if not folder.exists() and (ws.run(paths.checked_id(asked, "run")) / "model").is_dir():
        folder = runs.get(ws, asked).path / "model"
    if not (folder / "adapter_config.json").is_file() and not (folder / "layers.json").is_file():
        raise _refused("adapter", asked, "There is no adapter in", "a folder with adapter_config.json, or a run")
    return folder


def _export(asked: str) -> Path:
    place = paths.path_from_user(asked)
    if place.is_file() and place.suffix == ".gguf":
        return place
    files = sorted(place.glob("*.gguf")) if place.is_dir() else []
    if len(files) == 1:
        return files[0]
    if not any((place / name).is_file() for name in ("config.json", "adapter_config.json")):
        raise _refused("export", asked, "There is no exported model in", "a folder with config.json or adapter_config.json, or a GGUF file")
    return place


def _refused(field: str, asked: str, said: str, available: str) -> RequestError:
    return RequestError(f"{said} {asked!r}.", asked=asked, available=available, remedy="Name another one.", field=field)
