"""The models that a gateway serves, by name: runs, their checkpoints and base models, and models that are no runs."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tuner import paths, runs
from tuner.errors import NotFoundError
from tuner.paths import Workspace
from tuner.runs import checkpoint_files
from tuner.serving import chat_client
from tuner.serving.protocol import Refused


@dataclass(frozen=True)
class Served:
    """A model with its name for clients; `spec()` says how to load it, as it is now."""

    name: str
    ref: str
    base: bool = False
    step: int | None = None
    created: int = 0

    @property
    def whole(self) -> bool:
        """Return whether this is a run or model itself, and no checkpoint or base of one."""
        return not self.base and self.step is None

    def spec(self, ws: Workspace) -> dict[str, Any]:
        return chat_client.serving_spec(ws, self.ref, self.base, self.step)


class OtherNames(Protocol):
    """Models under names of their own, such as those that fine-tuning jobs made."""

    def find(self, name: str) -> Served | None: ...

    def listing(self) -> list[Served]: ...


class ServedModels:
    """What is served. `refs`: runs and models by id or name; empty: all runs that can answer, also those that come later. `others`: beside them."""

    def __init__(self, ws: Workspace, refs: list[str], others: OtherNames | None = None):
        self.ws, self.others = ws, others
        self.refs = [named(ws, ref) for ref in refs]
        for served in self.refs:  # a model that can't be served is refused before anything starts
            served.spec(ws)

    def listing(self) -> list[Served]:
        """Return the models by name: each run, its checkpoints, its base model. Runs of one name are called by their ids."""
        if self.refs:
            found = [runs.get(self.ws, s.ref) if s.whole and is_run(self.ws, s.ref) else s for s in dict.fromkeys(self.refs)]
        else:
            found = [run for run in runs.listing(self.ws) if run.can_answer]
        times = Counter(run.name for run in found if isinstance(run, runs.Run))
        out: list[Served] = []
        for item in found:
            out += [item] if isinstance(item, Served) else _of_run(item, item.id if times[item.name] > 1 else item.name)
        return out + (self.others.listing() if self.others else [])

    def find(self, name: str) -> Served:
        """Return the model of this name, or of this run's id; Refused with status 404 names those there are. Where all runs are served the name is
        looked up by itself: to list a thousand runs with their checkpoints takes too long for each request."""
        if self.others and (other := self.others.find(name)):
            return other
        if not self.refs and is_run(self.ws, (served := named(self.ws, name)).ref) and runs.get(self.ws, served.ref).can_answer:
            return served
        listing = self.listing()
        by_name = {served.name: served for served in listing}
        by_id = {served.ref: served for served in listing if not served.base and served.step is None}
        if found := by_name.get(name) or by_id.get(name):
            return found
        shown = ", ".join(list(by_name)[:20]) or "none: no run can answer yet"
        raise Refused(404, f"There is no model {name[:120]!r} here. Available: {shown}.", param="model", code="model_not_found")


def named(ws: Workspace, ref: str) -> Served:
    """Return what a name means: a run by its id or name, its checkpoint NAME@STEP, its base model NAME/base, or a model that is no run."""

    def run_of(name: str) -> str | None:
        return name if is_run(ws, name) else next((run.id for run in runs.listing(ws) if run.name == name), None)

    if run := run_of(ref):
        return Served(ref, run)
    if ref.endswith("/base") and (run := run_of(ref.removesuffix("/base"))):
        return Served(ref, run, base=True)
    name, _, step = ref.rpartition("@")
    if step.isdecimal() and (run := run_of(name)):
        return Served(ref, run, step=int(step))
    return Served(ref, ref)


def is_run(ws: Workspace, ref: str) -> bool:
    """Return whether `ref` is the id of a run."""
    return bool(paths.ID.fullmatch(ref)) and (ws.runs / ref / "status.json").exists()


def _of_run(run: runs.Run, name: str) -> list[Served]:
    """Return a run, its checkpoints with a manifest and its base model. Whether a checkpoint is whole is checked when it is asked for, since that
    reads all of it."""
    created = int((run.path / "status.json").stat().st_mtime)
    steps = [checkpoint_files.step_of(c) for c in checkpoint_files.checkpoints(run.path) if (c / "MANIFEST.json").exists()]
    own = Served(name, run.id, created=created)
    return [own, *(replace(own, name=f"{name}@{step}", step=step) for step in steps), replace(own, name=f"{name}/base", base=True)]


def missing(error: NotFoundError) -> Refused:
    """Return a model that is gone since it was listed as a refusal."""
    return Refused(404, f"{error.message} {error.remedy or ''}".strip(), param="model", code="model_not_found")
