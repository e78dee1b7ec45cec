"""Have the tokens of a dataset counted, by a process beside this one (workers/count_tokens.py, no torch).

One process answers all questions of this one, so that its imports and its tokenizers are paid once; it ends with this one. Unlike the jobs
of `kinds.py` it is answered through pipes: the form asks at every change, and a folder for each question costs more than most counts.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import ModelError, restore
from tuner.paths import Workspace
from tuner.planning.token_counts import Counts, Question, stored, stored_sample
from tuner.system import processes

KEPT = 12  # files per dataset version


def counts(q: Question, ws: Workspace, wait: float | None = 0.0, each: Callable[[dict], None] | None = None) -> Counts | None:
    """Return the counts of all rows, waiting up to `wait` seconds (None: until the end). After that a sample, or None before there is one; None
    too when the tokenizer is not on this computer. `each({"done", "total"})` is called while waiting. Errors of the child are raised."""
    if q.folder is None:
        return None
    if (found := stored(q)) is not None:
        return found
    end = None if wait is None else time.monotonic() + wait
    child, tries = _child(), 2
    id = child.ask(q, ws)
    while True:
        state = child.state(id)
        if state["state"] == "cancelled" and (tries := tries - 1):  # it ended because there was no question for long
            child = _child()
            child.ask(q, ws)
            continue
        if state["state"] == "failed":
            raise restore(state["errors"])
        if state["state"] == "done" and (found := stored(q)) is not None:
            return found
        if state["state"] in ("done", "cancelled"):
            raise _interrupted(q)
        if end is not None and time.monotonic() > end:
            return stored_sample(q)
        if each:
            each(state)
        child.changed(0.1 if end is None else min(0.1, max(0.01, end - time.monotonic())))


def progress(q: Question) -> dict[str, Any] | None:
    """Return {"done", "total"} of a count in progress, else None; starts nothing."""
    if q.folder is None or not _children or q.file.is_file():
        return None
    state = _children[0].state(str(q.file))
    return state if state["state"] in ("running", "sample") else None


def _interrupted(q: Question) -> ModelError:
    return ModelError(
        "Counting the tokens of all rows stopped unexpectedly.",
        asked=q.ds.ref,
        available="a count of all rows",
        remedy="Try again. If it stops again, the computer may have too little memory.",
    )


class Child:
    """The counting process, and the last state it reported for each question."""

    def __init__(self):
        self.process = processes.converse("tuner.workers.count_tokens", paths.machine_folder() / "token_counts.log")
        self.states: dict[str, dict[str, Any]] = {}
        self.gone = False  # its output has ended: it is exiting, though the process may live a moment longer
        self.changes = threading.Condition()
        threading.Thread(target=self._read_states, daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self.gone and self.process.poll() is None

    def _read_states(self) -> None:
        for line in self.process.stdout:
            with self.changes, contextlib.suppress(ValueError):
                message = json.loads(line)
                before = self.states.get(message["id"], {})
                self.states[message["id"]] = before | message
                self.changes.notify_all()
        with self.changes:
            self.gone = True
            for state in self.states.values():
                if state["state"] in ("running", "sample"):
                    state["state"] = "cancelled"
            self.changes.notify_all()

    def ask(self, q: Question, ws: Workspace) -> str:
        """Send the question unless it is already being counted; return its id."""
        id = str(q.file)
        with self.changes:
            if self.states.get(id, {}).get("state") in ("running", "sample"):
                return id
            self.states[id] = {"state": "cancelled" if self.gone else "running", "done": 0, "total": q.ds.rows}
        _tidy(q.file.parent)
        about = {"home": str(ws.home.resolve()), "owner": ws.owner, "data": q.ds.ref, "folder": str(q.folder.resolve()), "rows": q.ds.rows}
        how = {"objective": q.objective, "template": q.template, "fold_system": q.fold_system, "unpaired": q.unpaired}
        self._send({"id": id, "file": id, "sample": str(q.sample_file)} | about | how)
        return id

    def _send(self, document: dict[str, Any]) -> None:
        with self.changes, contextlib.suppress(BrokenPipeError):  # `_read_states` handles a child that died
            self.process.stdin.write((json.dumps(document) + "\n").encode())
            self.process.stdin.flush()

    def state(self, id: str) -> dict[str, Any]:
        with self.changes:
            return dict(self.states.get(id) or {"state": "cancelled"})

    def changed(self, seconds: float) -> None:
        """Wait until a state changes, at most `seconds`."""
        with self.changes:
            self.changes.wait(seconds)


_children: list[Child] = []
_starting = threading.Lock()


def _child() -> Child:
    with _starting:
        if not _children or not _children[0].alive:
            _children[:] = [Child()]
        return _children[0]


def _tidy(folder: Path) -> None:
    """Keep only the `KEPT` newest files."""
    found = sorted(folder.glob("*.npz"), key=lambda f: f.stat().st_mtime) if folder.is_dir() else []
    for old in found[: max(0, len(found) - KEPT)]:
        old.unlink(missing_ok=True)
