"""Have a person's chat template tried and a row shown with it, by a process beside this one (workers/template_preview.py, no torch).

One process answers all questions of this one, so that its imports are paid once. A template that does not finish ends it, and the next question
starts another. What was found is remembered, since the form asks at every change.
"""

import contextlib
import json
import queue
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from tuner import models, paths
from tuner.data.store import store
from tuner.errors import SettingError, restore
from tuner.models import custom_template
from tuner.paths import Workspace
from tuner.planning import token_counts
from tuner.settings import objectives
from tuner.system import processes

SECONDS, MEMORY = 2, 512  # that a template may take, of time and of MB: see workers/tokenization/template_sandbox.py
PATIENCE, REMEMBERED = 90.0, 100  # seconds for the process to start, read a tokenizer and answer; trials
MODULE = "tuner.workers.template_preview"


@dataclass(frozen=True)
class Trial:
    """What came of it: `problem`, or a `row` as tokens ("length" is None without a tokenizer: then special tokens are `placeholders`).
    `sample`: the row is an example, since there is no dataset with conversations."""

    problem: SettingError | None = None
    notes: list[str] = field(default_factory=list)
    row: dict[str, Any] | None = None
    sample: bool = False
    placeholders: bool = False


def look(
    ws: Workspace,
    template: str,
    ds: store.Dataset | None,
    model: models.Model | None,
    *,
    objective: str | None = None,
    fold_system: bool = False,
) -> Trial:
    """Return what comes of a template with the first rows of a dataset and a model's tokenizer, as far as they are here."""
    if found := custom_template.problem(template):
        return Trial(found.as_error())
    ask = _question(ws, template, ds, model, objective) | {"fold_system": fold_system}
    key = json.dumps(ask, sort_keys=True)
    with _asking:
        if key in _found:
            _found.move_to_end(key)
            return _found[key]
        trial, lasting = _trial(template, _answer(ask))
        if lasting:
            _found[key] = trial
            while len(_found) > REMEMBERED:
                _found.popitem(last=False)
        return trial


def notes_on(ws: Workspace, values: dict[str, Any], ds: store.Dataset | None, model: models.Model) -> list[str]:
    """Try the template of a request, if it has one that is used; SettingError when it can't be used, else notes about it."""
    template, objective = values.get("chat_template"), values.get("objective")
    objective = objective or (objectives.default_for(ds.kind, model.facts.family) if ds else "chat")
    used = objective in objectives.USES_CHAT_TEMPLATE and model.facts.family == "decoder"
    if not used or not custom_template.is_custom(template):
        return []
    found = look(ws, template, ds, model, objective=objective, fold_system=bool(values.get("fold_system")))
    if found.problem:
        raise found.problem
    return found.notes


def _question(ws: Workspace, template: str, ds: store.Dataset | None, model: models.Model | None, objective: str | None) -> dict[str, Any]:
    folder = token_counts.tokenizer_folder(model) if model else None
    return {
        "template": template,
        "home": str(ws.home.resolve()),
        "owner": ws.owner,
        "data": ds.ref if ds else None,
        "created": ds.created if ds else None,
        "folder": str(folder.resolve()) if folder else None,
        "files": token_counts.tokenizer_files(folder) if folder else None,
        "objective": objective,
    }


def _trial(template: str, answer: dict[str, Any]) -> tuple[Trial, bool]:
    """Return what an answer says, and whether the same question would be answered alike: a busy computer may have been too slow."""
    if answer.get("errors"):
        raise restore(answer["errors"])
    if why := answer.get("ended"):
        asked = str(custom_template.brief(template))
        can = f"templates that write a few conversations within {SECONDS} seconds and {MEMORY} MB"
        error = SettingError(
            f"The chat template can't be used: {why}.", asked=asked, available=can, remedy="Simplify its loops.", field="chat_template"
        )
        return Trial(error), False
    problem = answer.pop("problem")
    known = {k: answer[k] for k in ("notes", "row", "sample", "placeholders")}
    return Trial(custom_template.Problem(**problem).as_error() if problem else None, **known), True


# --- the process ----------------------------------------------------------------------------------------------------------------


class Child:
    """The process that tries templates."""

    def __init__(self):
        self.log = paths.machine_folder() / "template_preview.log"
        self.process = processes.converse(MODULE, self.log)
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer; None when the process ended instead, or takes too long and is ended."""
        with contextlib.suppress(BrokenPipeError, queue.Empty):
            self.process.stdin.write((json.dumps(question) + "\n").encode())
            self.process.stdin.flush()
            if line := self.lines.get(timeout=PATIENCE):
                return json.loads(line)
        self.process.kill()
        self.process.wait()
        return None

    @property
    def timed_out(self) -> bool:
        """Whether its watchdog ended it: faulthandler says so in the log."""
        with contextlib.suppress(OSError):
            return b"Timeout" in self.log.read_bytes()[-20_000:]
        return False

    def why(self) -> str:
        """Return why it ended, in words."""
        if self.timed_out:
            return f"it does not finish within {SECONDS} seconds"
        return f"its test ended with code {self.process.returncode}"


_children: list[Child] = []
_asking = threading.RLock()
_found: OrderedDict[str, Trial] = OrderedDict()


def _answer(ask: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of the process, or {"ended": why it has none}. One that had left before it was asked is started anew."""
    if _children and _children[0].alive:
        if (found := _children[0].ask(ask)) is not None:
            return found
        if _children[0].timed_out:
            return {"ended": _children[0].why()}
    _children[:] = [Child()]
    return _children[0].ask(ask) or {"ended": _children[0].why()}
