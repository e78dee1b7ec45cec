"""Write a run as a script with its rows, and compare its first losses with those of the run.

The rows are written as the text that the model read, with the letters that were trained; each is tokenized by the script's own function first, which has to
give the tokens and labels of the run.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import devices, paths, runs
from tuner.data.store import store
from tuner.errors import ModelError, WorkError
from tuner.export.script import assembly as script
from tuner.export.script import language, task
from tuner.export.sizes import NOT_SHIPPED, shipped_base
from tuner.formatting import human_bytes, human_time
from tuner.paths import Workspace
from tuner.settings.run_config import Settings
from tuner.workers.exporting import first_losses, rows_as_text, self_test
from tuner.workers.modelling import load

STEPS = 3  # that are compared
PATIENCE = 300  # seconds that comparing may take: a large model on a slow computer is not compared
WITHIN = {"fp32": 1e-4, "bf16": 0.03, "fp16": 0.03}  # of a loss; in half precision TRL's own loss rounds differently from ours
LEAST = 0.1  # a smaller loss is compared as if it were this large


def export(folder: Path, request: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
    """Write the script into `folder` and return its check. WorkError when it trains something else than the run did."""
    place = Path(request["run"])
    run = runs.read(place, paths.read_json(place / "status.json"))
    settings = Settings.from_json(run.plan["settings"])
    tell("Writing the rows.")
    load.local_folder(run.plan["model"]["base"])
    tokenizer = load.tokenizer(place / "model", settings.template)
    tokenizer.save_pretrained(folder / "tokenizer")
    data = store.get(Workspace(place.parents[2], place.parents[1].name), str(run.config["data"]))
    halves = {script.TRAIN: False, script.VALIDATION: True}
    weighted = any(float(row["value"].get("weight", 1.0)) != 1.0 for half in halves.values() for row in store.iterate(data, held_out=half))
    written = {name: write_rows(folder / name, tokenizer, data, run, settings, half, weighted) for name, half in halves.items()}
    if not written[script.VALIDATION]:
        (folder / script.VALIDATION).unlink()
    if shipped := shipped_base(run):
        shutil.copytree(shipped, folder / "base", ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    source = script.text(run, validation=bool(written[script.VALIDATION]), weighted=weighted)
    compile(source, script.FILE, "exec")
    (folder / script.FILE).write_text(source, encoding="utf-8")
    (folder / "requirements.txt").write_text(script.requirements(run), encoding="utf-8")
    check = compared(folder, run, settings, tell) | {"rows": sum(written.values())}
    counts = {"train": written[script.TRAIN], "validation": written[script.VALIDATION]}
    (folder / "README.md").write_text(script.readme(run, counts, check), encoding="utf-8")
    return check


def write_rows(file: Path, tokenizer, data: store.Dataset, run: runs.Run, settings: Settings, held_out: bool, weighted: bool) -> int:
    """Write the rows that are trained on, or validated, and return their number. `weighted`: each with its weight."""
    known: dict[str, Any] = {"tokenizer": tokenizer, "problem": task.problem(run)} | script.constants(run)
    exec(script.tokenized(run), known)  # the script's own function
    values, at = (row["value"] for row in store.iterate(data, held_out=held_out)), 0
    found = rows_as_text.of_language if settings.objective in language.OBJECTIVES else rows_as_text.of_pairs
    found = rows_as_text.of_tasks if settings.objective in task.OBJECTIVES else found
    with open(file, "w", encoding="utf-8") as out:
        for row, truth, weight in found(tokenizer, values, data.kind, settings, known):
            _require_same(known["tokenized"](row), truth, at)
            out.write(json.dumps(row | ({"sample_weight": weight} if weighted else {}), ensure_ascii=False) + "\n")
            at += 1
    return at


def _require_same(found: dict[str, Any], truth: dict[str, Any], at: int) -> None:
    if found != truth:
        raise ModelError(
            f"Row {at + 1:,} can't be written as text: its tokens would be others than those of the run.",
            asked=f"row {at + 1:,}",
            available="the other exports",
            remedy="Export the model itself; this tokenizer does not give back the places of its tokens.",
        )


def compared(folder: Path, run: runs.Run, settings: Settings, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run the first steps of the script and return the check; `passed` is None where they can't be run here."""
    theirs = [value for step, _, value in runs.metrics(run, keys=("loss",)) if step <= STEPS]
    if reason := why_not(run, settings, theirs):
        return self_test.untested(reason)
    tell(f"Running its first {len(theirs)} steps.")
    base = load.local_folder(run.plan["model"]["base"])
    ours = first_losses.of_script(folder, base, len(theirs), settings.device)
    if isinstance(ours, str):
        raise WorkError(
            f"The script does not run: {ours}",
            asked=script.FILE,
            available="the other exports",
            remedy="Export the model itself; please report this with the settings of the run (tunesmith show).",
        )
    difference = max(abs(a - b) / max(abs(b), LEAST) for a, b in zip(ours, theirs, strict=True))
    if difference > WITHIN[settings.precision]:
        raise WorkError(
            f"The script does not train the same: its losses are {_listed(ours)}, those of the run {_listed(theirs)}.",
            asked=script.FILE,
            available="the other exports",
            remedy="Export the model itself; if the libraries are others than those of the run (see its card), train it again first.",
        )
    return {"kind": script.KIND, "passed": True, "steps": len(theirs), "difference": difference}


def _listed(losses: list[float]) -> str:
    return ", ".join(f"{loss:.4f}" for loss in losses)


def why_not(run: runs.Run, settings: Settings, losses: list[float]) -> str | None:
    """Return why the script isn't run here; None when it can be."""
    device = next((d for d in devices.listing() if d.id == settings.device), None)
    if not losses:
        return "the run has no loss of its first steps."
    if device is None:
        return f"the run was trained on {settings.device}, which this computer does not have."
    if device.free < (need := run.plan.get("peak_bytes") or 0):
        return f"training takes {human_bytes(need)}, and {device.name} has {human_bytes(device.free)} free."
    measured, steps = run.status.measured.get("seconds") or 0.0, run.progress.step or 1
    if (seconds := measured / steps * len(losses)) > PATIENCE:
        return f"its first steps take {human_time(seconds)}."
    return None
