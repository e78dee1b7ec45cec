"""Check a Space: its own app.py, run in a fresh process, has to give the answers of the tuned model."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import WorkError
from tuner.export.space import KIND
from tuner.system import processes
from tuner.workers.exporting import fresh_process, self_test
from tuner.workers.modelling import load

QUESTIONS = 5
MODULE = "tuner.workers.exporting.probe_space"


def check(folder: Path, request: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
    """Return the check of the Space in `folder`. WorkError when its app does not run, or answers otherwise."""
    whole = request["part"] == "merged"  # which was compared with the tuned model when it was made
    place = folder / "model" if whole else load.local_folder(request["base"])
    if reason := self_test.too_large(place):
        return self_test.untested(reason)
    tell("Asking the tuned model.")
    adapter = None if whole else Path(request["run"]) / "model"
    asked = self_test.asked_of(place, adapter, "fp32", request["questions"], True)[:QUESTIONS]
    tokenizer = load.tokenizer(adapter or place)
    expected = [tokenizer.decode(p["tokens"], skip_special_tokens=True).strip() for p in asked]
    tell("Asking the app.")
    found = answers(folder, [{"question": p["question"], "length": p["length"]} for p in asked])
    if isinstance(found, str):
        raise WorkError(
            f"The app of the Space does not run: {found}",
            asked="app.py",
            available="the adapter or the merged model",
            remedy="Export the model itself; please report this with the settings of the run (tunesmith show).",
        )
    same = sum(a.strip() == b for a, b in zip(found, expected, strict=True))
    if same < len(asked):
        at = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a.strip() != b)
        raise WorkError(
            f"The app of the Space answers otherwise than the tuned model: {found[at][:120]!r} and {expected[at][:120]!r}.",
            asked="app.py",
            available=f"{same} of {len(asked)} answers are the same",
            remedy="Export the adapter or the merged model.",
        )
    return {"kind": KIND, "passed": True, "answers": same}


def answers(folder: Path, asked: list[dict[str, Any]]) -> list[str] | str:
    """Return the greedy answers of the app in `folder`, or why it gives none."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-space-") as scratch:
        request, out = Path(scratch) / "request.json", Path(scratch) / "answers.json"
        paths.write_json(request, {"asked": asked, "out": str(out)})
        env = processes.environment("cpu", offline=True) | {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONDONTWRITEBYTECODE": "1"}
        code, said = fresh_process.run(MODULE, str(request), env=env, cwd=folder)
        return paths.read_json(out) if code == 0 and out.is_file() else said
