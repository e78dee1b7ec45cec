"""The state of a run as an object: what its worker has written to status.json so far."""

from dataclasses import dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is. `steps`: the planned number; 0 until it is known. Seconds; the estimate lies between `eta_low` and `eta_high`."""

    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    eta_seconds: float | None = None
    eta_low: float | None = None
    eta_high: float | None = None
    elapsed_seconds: float = 0.0

    @classmethod
    def from_json(cls, document: dict[str, Any] | None) -> Self:
        """Return the progress that a document states; ValueError if it is none."""
        return cls(**_known(cls, document))


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """`state`: see `tuner/jobs/kinds.py`. `reason`: a sentence on it; `error`: the error that ended the run.

    `baseline` and `best`: the metrics on the validation rows before the first step and at the best checkpoint (with its `step`); empty without
    an evaluation. `prepared`: what happened to the rows. `measured`: memory, time and tokens of a run that ended; `scorecard`: what its newest
    evaluation says ("verdict", "says", "rows", "against", "prompt_enough"). `dry_run`: the measurement before it. `warnings`: see `run_warnings`; `signs` are sentences of earlier versions. `document` is status.json itself.
    """

    state: str = "queued"
    reason: str | None = None
    error: dict[str, Any] | None = None
    exit_code: int | None = None
    progress: Progress = Progress()
    baseline: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)
    prepared: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    scorecard: dict[str, Any] = field(default_factory=dict)
    dry_run: dict[str, Any] = field(default_factory=dict)
    warnings: list[Any] = field(default_factory=list)
    signs: list[Any] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Return the status that a document states; what is missing or null there takes its default. ValueError for a part of another form."""
        known = _known(cls, document)
        return cls(**known | {"progress": Progress.from_json(document.get("progress")), "document": document})


def _known(kind: type, document: dict[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a dataclass that a document gives, without nulls; ValueError where a dict or a list is something else."""
    if not isinstance(document, dict | None):
        raise ValueError(f"status.json has {str(document)[:80]!r} where names and values belong")
    forms = {f.name: f.default_factory for f in fields(kind) if f.default_factory in (dict, list)}
    names, given = {f.name for f in fields(kind)}, {k: v for k, v in (document or {}).items() if v is not None}
    if wrong := next((k for k, form in forms.items() if not isinstance(given.get(k, form()), form)), None):
        raise ValueError(f"status.json has {str(given[wrong])[:80]!r} as {wrong}")
    return {k: v for k, v in given.items() if k in names}
