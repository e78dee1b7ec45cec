"""The tools of `tunesmith mcp`, as functions of a workspace: each returns a JSON document. Training begins only from a plan that a person confirmed."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from tuner import runs
from tuner.api import proposals
from tuner.data.store import store
from tuner.errors import TunerError, translate
from tuner.export import formats, making
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from tuner.scorecard import evaluation

INSTRUCTIONS = """Tunesmith fine-tunes language models on this computer. The way: check_data, import_data, plan, then ask the person to confirm the plan
(`tunesmith confirm PLAN` in a terminal), then train with its id, show until it has ended, evaluate, export. Nothing is trained without a confirmed plan."""
ROWS = 3  # problems and rows that an answer names


def tools(ws: Workspace) -> list[Callable[..., dict[str, Any]]]:
    """Return the tools. What a person may read of an error is an answer, too: {"errors": [...]}."""

    def list_datasets() -> dict[str, Any]:
        """List the datasets: id, version, kind, rows."""
        return {
            "datasets": [
                {"ref": d.ref, "name": d.name, "kind": d.kind, "rows": d.rows, "validation_rows": d.held_out} for d in store.listing(ws)
            ]
        }

    def list_runs() -> dict[str, Any]:
        """List the runs: id, name, state, model, data, best validation loss."""
        return {"runs": [run.summary() for run in runs.listing(ws)]}

    def check_data(path: str) -> dict[str, Any]:
        """Check a file of rows (CSV, JSONL, Parquet, ...) without importing it: its kind, its columns, its problems with a remedy each."""
        return data_jobs.check(ws, path)

    def import_data(path: str, name: str | None = None) -> dict[str, Any]:
        """Import a file as a dataset and return its ref, which `plan` takes."""
        ds = data_jobs.wait(ws, data_jobs.start(ws, path, name))
        problems = {"problems": ds.problems[:ROWS], "problem_count": ds.problem_count}
        return {"dataset": ds.ref, "kind": ds.kind, "rows": ds.rows, "validation_rows": ds.held_out, **problems}

    def plan(
        model: str, data: str, preset: str | None = None, settings: dict[str, Any] | None = None, name: str | None = None
    ) -> dict[str, Any]:
        """Plan a training: whether it fits, memory, time, each setting with its reason, what would be cut. `model`: starter, a folder, a Hub id or a
        run; `preset`: quick, balanced, quality; `settings` are those of `tunesmith train -s`. The plan must be confirmed by a person."""
        found = proposals.propose(ws, {"model": model, "data": data, **(settings or {})}, preset=preset, name=name)
        return {"plan": found["id"], "state": found["state"], "confirm": f"tunesmith confirm {found['id']}", **found["plan"]}

    def train(plan: str) -> dict[str, Any]:
        """Start the training of a confirmed plan. It runs in the background; `show` tells how far it is."""
        run = proposals.begin(ws, plan)
        return {"run": run.id, "state": run.state}

    def show(run: str) -> dict[str, Any]:
        """Show a run: its state, how far it is, its losses, warnings, what its evaluation says."""
        found = runs.get_settled(ws, run)
        return found.detail() | {"scorecard": found.status.scorecard or None}

    def stop(run: str) -> dict[str, Any]:
        """Stop a run at its next step; it is saved and can be resumed on the Runs page."""
        return {"run": run, "state": runs.ask_to_stop(ws, run).state}

    def evaluate(run: str, rows: int = 50) -> dict[str, Any]:
        """Evaluate a run against its base model on its validation rows: metrics with intervals, and in words whether it helped."""
        found = evaluation.follow(ws, evaluation.start(ws, run, rows=rows), lambda now: None)
        return {key: value for key, value in found.items() if key != "changed"}

    def export(run: str, to: str = "adapter") -> dict[str, Any]:
        """Export a run (adapter, merged, gguf, ollama, script, ...) and test what was exported against the run."""
        formats.require_known(to, "q8_0")
        formats.require_possible(runs.get(ws, run), to)
        return making.make(ws, run, to)

    return [_answering(tool) for tool in (list_datasets, list_runs, check_data, import_data, plan, train, show, stop, evaluate, export)]


def _answering(tool: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return a tool whose errors that a person may read are its answer; a defect stays an error."""

    @wraps(tool)
    def answering(*args: Any, **given: Any) -> dict[str, Any]:
        try:
            return tool(*args, **given)
        except (TunerError, OSError) as error:
            known = translate(error)
            if known is None:
                raise
            return {"errors": known.as_list()}

    return answering
