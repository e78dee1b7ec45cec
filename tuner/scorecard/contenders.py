"""The models of a scorecard: a run, its base, another run, or a constant guess where the base has no output of its own."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tuner import runs
from tuner.data.store import store
from tuner.data.store.store import Dataset
from tuner.errors import RequestError
from tuner.paths import Workspace
from tuner.serving import chat_client
from tuner.serving.served_models import is_run, named
from tuner.settings import objectives

BASE = "base"
LENGTH = 4096  # of rows for a model that is no run, at most the model's own context


@dataclass(frozen=True)
class Contender:
    """A model that is evaluated. `constant` answers each row alike, without a model; `examples` are turns that stand before each question."""

    name: str
    objective: str
    spec: dict[str, Any] = field(default_factory=dict)
    max_length: int = LENGTH
    fold_system: bool = False
    constant: Any = None
    examples: tuple[dict[str, Any], ...] = ()


def of(ws: Workspace, ref: str) -> Contender:
    """Return a run or model as a contender; ModelError when it can't answer."""
    served = named(ws, ref)
    spec = served.spec(ws)
    if not is_run(ws, served.ref):
        return Contender(ref, "chat", spec)
    run = runs.get(ws, served.ref)
    settings = run.plan["settings"]
    name = run.name + ("/base" if served.base else "" if served.step is None else f"@{served.step}")
    return Contender(name, settings["objective"], spec, settings["max_length"], bool(settings.get("fold_system")))


def base_of(ws: Workspace, run_id: str, ds: Dataset) -> Contender:
    """Return what a run is compared with: its base model, or, where that has no trained output layer, the guess that knows only the data."""
    run = runs.get(ws, run_id)
    settings = run.plan["settings"]
    objective = objectives.get(settings["objective"])
    if objective.head == "lm":
        spec = chat_client.serving_spec(ws, run_id, base=True)
        return Contender(f"{run.name}/base", objective.name, spec, settings["max_length"], bool(settings.get("fold_system")))
    return Contender(*_constant(ds, objective.name))


def _constant(ds: Dataset, objective: str) -> tuple:
    """Return (name, objective, and the fields of a constant guess) from the training rows."""
    values = [r["value"] for r in store.iterate(ds, held_out=False)]
    if objective == "classification":
        common = Counter(tuple(sorted(as_labels(v["label"]))) for v in values).most_common(1)[0][0]
        return f"always {' + '.join(common) or 'no label'}", objective, {}, LENGTH, False, list(common)
    if objective == "regression":
        mean = sum(float(v["label"]) for v in values) / len(values)
        return f"always the mean, {mean:.4g}", objective, {}, LENGTH, False, mean
    if objective == "tokens":
        tag = Counter(tag for v in values for tag in v["tags"]).most_common(1)[0][0]
        return f"always {tag}", objective, {}, LENGTH, False, tag
    if objective == "qa":
        return "never an answer", objective, {}, LENGTH, False, ""
    return "no preference", objective, {}, LENGTH, False, 0.0


def as_labels(label: Any) -> list[str]:
    """Return the labels of a row as a list of texts."""
    return [str(n) for n in label] if isinstance(label, list) else [str(label)]


def require_alike(one: Contender, other: Contender) -> None:
    """Raise RequestError for models that do different things."""
    if one.objective != other.objective:
        raise RequestError(
            f"{other.name} has another objective ({other.objective}) than {one.name} ({one.objective}).",
            asked=other.name,
            available=f"models with the objective {one.objective}",
            remedy="Choose another model to compare with.",
            field="against",
        )
