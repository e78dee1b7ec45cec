"""A bundle: all that a run needs on another computer, in one file, with a notebook that trains it there (Colab, Kaggle, any Jupyter).

It holds the rows (in their canonical form, validation rows apart), what was asked for, and this program itself. The other computer plans anew for
its own hardware, trains an ordinary run in a workspace of its own, and packs it (`tuner.runs.run_archive`); that file becomes a run here. Done
again in the same folder, it resumes.
"""

import json
import os
import time
import uuid
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from tuner import paths, runs
from tuner.data.store import store
from tuner.errors import DataError
from tuner.formatting import yaml_text
from tuner.jobs import training
from tuner.paths import Workspace
from tuner.runs import run_archive

ABOUT, ROWS, HELD, NOTEBOOK, CODE = "bundle.json", "rows.jsonl", "held_out.jsonl", "train.ipynb", "code"
PACKAGES = ("tuner", "presets")
LEFT_OUT = ("__pycache__", ".pyc")
LIBRARIES = ("gradio", "fastapi", "uvicorn")  # the page's: nothing of it runs there
RESULT = "result.tunesmith.zip"


def write(
    ws: Workspace,
    values: dict[str, Any],
    file: Path,
    *,
    preset: str | None = None,
    name: str | None = None,
    id: str | None = None,
    shared: bool = False,
    each: Callable[[dict], None] | None = None,
) -> dict[str, Any]:
    """Check a request and write its bundle; return {"file", "bytes", "notebook", "run"}. ConflictError for a model that the other computer can't
    get: only those of the Hub, and the starter. `id`: of the run there, instead of a new one; `shared`: it
    sees this computer's disks."""
    plan, model, ds, asked = training.prepare(
        ws, {k: v for k, v in values.items() if k != "device"}, preset=preset, need_data=True, each=each
    )
    training.require_portable(model, shared=shared)
    if plan.question:
        training.refuse(plan, anyway=True)
    effort = training.preset_of(ws, preset)
    chosen = training.chosen(asked, effort) if effort and effort.own else asked.given()  # a preset of one's own is not there
    title = name or training.unused_name(ws, f"{ds.name}-{model.facts.name.split('/')[-1]}")
    about = {
        "id": id or f"bundle-{uuid.uuid4().hex[:8]}",
        "name": title,
        "values": {"model": model.ref} | {k: v for k, v in chosen.items() if k != "device"},
        "preset": None if effort and effort.own else preset,
        "data": {"ref": ds.ref, "name": ds.name, "kind": ds.kind, "sha256": ds.sha256},
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    new = file.with_name(f".{file.name}.part")
    try:
        with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            archive.writestr(ABOUT, json.dumps(about, indent=1))
            for held, member in ((False, ROWS), (True, HELD)):
                with archive.open(member, "w", force_zip64=True) as out:
                    for row in store.iterate(ds, held_out=held):
                        out.write((json.dumps(row["value"], ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
            archive.writestr("requirements.txt", "\n".join(requirements()) + "\n")
            _code(archive)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    book = file.with_suffix(".ipynb")
    book.write_text(json.dumps(notebook(file.name, title), indent=1), encoding="utf-8")
    return {"file": str(file), "bytes": file.stat().st_size, "notebook": str(book), "name": title}


def requirements() -> list[str]:
    """Return what has to be installed there: this package's own requirements, but for the page."""
    found = [r for r in metadata.requires("tunesmith") or [] if "extra ==" not in r]
    return [r for r in found if not r.lower().startswith(LIBRARIES)]


def _code(archive: zipfile.ZipFile) -> None:
    root = paths.PRESETS.parent
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*")):
            if file.is_file() and not any(part in str(file) for part in LEFT_OUT):
                archive.write(file, f"{CODE}/{file.relative_to(root).as_posix()}")


def carry_out(file: Path, folder: Path, out: Path, *, each: Callable[[runs.Run], None] | None = None) -> runs.Run:
    """Train what a bundle asks for, in a workspace in `folder`, and pack the run as `out`; there already, it is resumed, or packed again."""
    os.environ.setdefault("TUNESMITH_EVALUATE", "0")  # this computer may be gone a minute after the run
    with zipfile.ZipFile(file) as archive:
        try:
            about = json.loads(archive.read(ABOUT))
        except KeyError as error:
            raise DataError(
                f"{file.name} is no bundle of Tunesmith.",
                asked=file.name,
                available="a file of `tunesmith bundle`",
                remedy="Choose such a file.",
                field="file",
            ) from error
        ws = Workspace(folder).prepare()
        ds = _data(ws, archive, about)
    id = about["id"]
    if (ws.runs / id).exists():
        run = runs.get(ws, id)
        if run.state in ("stopped", "failed", "interrupted"):
            run = training.resume(ws, id)
    else:
        values = about["values"] | {"data": ds.ref}
        run = training.start(ws, values, preset=about["preset"], name=about["name"], id=id)
    run = training.wait(ws, id, each=each)
    run_archive.pack(run, out, checkpoints=True, more={"bundle": id, "data": about["data"]})
    return run


def _data(ws: Workspace, archive: zipfile.ZipFile, about: dict[str, Any]) -> store.Dataset:
    """Return the rows of the bundle as a dataset, which is added once."""
    if there := next((ds for ds in store.listing(ws) if ds.name == about["id"]), None):
        return there
    place = ws.root / "bundle"
    place.mkdir(parents=True, exist_ok=True)
    for member in (ROWS, HELD):
        archive.extract(member, place)
    held = place / HELD if (place / HELD).stat().st_size else None
    return store.add(ws, place / ROWS, name=about["id"], kind=about["data"]["kind"], held_out=0.0, test_file=held)


def take_in(ws: Workspace, file: Path, *, name: str | None = None) -> runs.Run:
    """Put the result of a bundle into the workspace: a run on the dataset that it was made of."""
    taken = {run.name for run in runs.listing(ws)}
    run = run_archive.take_in(ws, file, name=name)
    if run.name in taken:
        runs.describe(ws, run.id, name=training.unused_name(ws, run.name))
    data = run.about.get("data")
    if isinstance(data, dict) and isinstance(data.get("ref"), str):
        config, plan = run.config | {"data": data["ref"]}, run.plan | {"data": run.plan.get("data", {}) | data}
        (run.path / "config.yaml").write_text(yaml_text(config), encoding="utf-8")
        paths.write_json(run.path / "plan.json", plan)
    return runs.get(ws, run.id)


def notebook(bundle: str, title: str) -> dict[str, Any]:
    """Return a Jupyter notebook that trains a bundle, on Colab, on Kaggle and elsewhere."""
    cells = [
        _text(f"# {title}\n\nTrains a model from a Tunesmith bundle on this computer's GPU. Run the cells in order. The last one hands you `{RESULT}`:\n"
              "add it in Tunesmith with `tunesmith take-in`, or on the Runs page.\n\nOn Colab choose *Runtime → Change runtime type → GPU* first."),
        _code_cell(
            f"BUNDLE = {bundle!r}\n"
            "import os, pathlib, sys, zipfile\n"
            "found = [p for p in (pathlib.Path(BUNDLE), *pathlib.Path('/kaggle/input').rglob(BUNDLE)) if p.exists()]\n"
            "if not found:  # Colab: choose the file\n"
            "    from google.colab import files\n"
            "    files.upload()\n"
            "    found = [pathlib.Path(BUNDLE)]\n"
            "# with Google Drive mounted at /content/drive the work survives a lost session: run the cells again, and it resumes\n"
            "drive = pathlib.Path('/content/drive/MyDrive')\n"
            "HOME = (drive if drive.exists() else pathlib.Path.cwd()) / ('tunesmith-' + pathlib.Path(BUNDLE).stem)\n"
            "HOME.mkdir(parents=True, exist_ok=True)\n"
            "with zipfile.ZipFile(found[0]) as z:\n"
            f"    z.extractall(HOME / {CODE!r}, [n for n in z.namelist() if n.startswith('{CODE}/') or n == 'requirements.txt'])\n"
            "print('Working in', HOME)"
        ),
        _code_cell(f"!\"{{sys.executable}}\" -m pip install -q -r \"{{HOME}}/{CODE}/requirements.txt\""),
        _code_cell(
            "import subprocess\n"
            f"os.environ['PYTHONPATH'] = str(HOME / {CODE!r} / {CODE!r})\n"
            f"RESULT = pathlib.Path.cwd() / {RESULT!r}\n"
            "command = [sys.executable, '-m', 'tuner.cli', 'run-bundle', str(found[0]), '--folder', str(HOME / 'work'), '--out', str(RESULT)]\n"
            "done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
            "for line in done.stdout:\n"
            "    print(line, end='')\n"
            "assert done.wait() == 0, 'The training did not finish: the lines above say why.'"
        ),
        _code_cell(
            "print('The result is', RESULT)\n"
            "try:\n"
            "    from google.colab import files\n"
            "    files.download(str(RESULT))\n"
            "except ImportError:\n"
            "    pass  # Kaggle and Jupyter: it is among the files of the notebook"
        ),
    ]  # fmt: skip
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "accelerator": "GPU"}
    return {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": os.urandom(4).hex(), "metadata": {}, "source": source}


def _code_cell(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "id": os.urandom(4).hex(), "metadata": {}, "source": source, "outputs": [], "execution_count": None}
