"""The events of a job: what was noted on the way, and one for each step that was measured."""

import json
import time
from typing import Any

from tuner.api import results
from tuner.paths import Workspace
from tuner.runs import Run


def add(ws: Workspace, job: dict[str, Any], message: str, *, level: str = "info") -> None:
    """Note an event; a line of its own at the end of a file, which several processes may write."""
    folder = ws.api / "jobs" / job["id"]
    folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"made": time.time(), "level": level, "message": message}, ensure_ascii=False)
    with open(folder / "events.jsonl", "a", encoding="utf-8") as file:
        file.write(line + "\n")


def of(ws: Workspace, job: dict[str, Any], run: Run | None) -> list[dict[str, Any]]:
    """Return all events of a job as OpenAI's API shows them, the newest first. Each keeps its id."""
    found = [(e["made"], n, _event(job, f"n{n}", e)) for n, e in enumerate(_noted(ws, job))]
    begun = job.get("begun")
    if run is not None and begun:
        for step, values in results.steps(run).items():
            made = begun + (values.get("elapsed_seconds") or 0)
            found.append((made, step, _event(job, f"s{step}", {"made": made, "level": "info", **_of_step(step, run, values)})))
    last = max((made for made, _, event in found if event["type"] == "metrics"), default=0)
    ended = job.get("settled")
    # clocks of two processes: what was said at the end stands at the end
    found = [(max(made, last) if ended and e["type"] == "message" and made >= job["finished_at"] else made, n, e) for made, n, e in found]
    return [event for *_, event in sorted(found, key=lambda f: (f[0], f[2]["type"] == "message", f[1]), reverse=True)]


def _noted(ws: Workspace, job: dict[str, Any]) -> list[dict[str, Any]]:
    file = ws.api / "jobs" / job["id"] / "events.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]  # the last one may be under way


def _of_step(step: int, run: Run, values: dict[str, float | None]) -> dict[str, Any]:
    total = run.progress.steps or run.plan.get("steps")
    train, valid = values.get("train_loss"), values.get("valid_loss")
    said = [f"training loss={train:.4f}"] if train is not None else []
    said += [f"validation loss={valid:.4f}"] if valid is not None else []
    data = {"step": step, "total_steps": total, "train_loss": train, "valid_loss": valid}
    return {"message": f"Step {step}/{total}: {', '.join(said) or 'no number'}", "data": data, "type": "metrics"}


def _event(job: dict[str, Any], id: str, event: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"ftevent-{job['id'].rpartition('-')[2]}-{id}",
        "object": "fine_tuning.job.event",
        "created_at": int(event["made"]),
        "level": event["level"],
        "message": event["message"],
        "type": event.get("type", "message"),
        "data": event.get("data", {}),
    }
