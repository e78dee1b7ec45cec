"""Token counts of a dataset for a model, and how many rows each maximum length truncates or drops: the plan's figures.

`jobs/token_counting.py` has the rows counted, with the model's own tokenizer and chat template and the same functions that training calls. The
result is stored with the dataset version, in token_counts/<key>.npz, so a version is counted once per model; a sample of a large dataset is
there earlier.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tuner import __version__, models
from tuner.data.store import store
from tuner.models import custom_template
from tuner.runs.run_warnings import NO_TRAINED_TOKENS, SAME_ANSWERS
from tuner.settings import losses, objectives

KEPT = 12  # files per dataset version
FORMAT = 2  # version of the file and of what is counted: increased with every change of either


@dataclass(frozen=True)
class Side:
    """Training rows or validation rows, as columns: `length` in tokens of each usable row; `first`: the row is trained only if more tokens than
    this remain; for pairs `differs`: how many tokens both answers share; for questions the tokens of `question` and `context`. `left_out` is
    {reason: rows} for rows that are dropped at any length."""

    columns: dict[str, np.ndarray]
    left_out: dict[str, int]
    labels: int = 0
    unseen: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def length(self) -> np.ndarray:
        return self.columns.get("length", np.zeros(0, np.int32))

    def prepared(self, limit: int, each: int = 1) -> dict[str, Any]:
        """Return {"rows", "cut", "left_out"} as in a worker's summary; `each` is the number of training rows made from one row."""
        length, left_out = self.length, dict(self.left_out)
        lost = self.columns.get("first", length) >= limit if len(length) else np.zeros(0, bool)
        same = ~lost & (self.columns["differs"] >= limit) if "differs" in self.columns else np.zeros(len(length), bool)
        for why, n in ((NO_TRAINED_TOKENS, int(lost.sum())), (SAME_ANSWERS, int(same.sum()))):
            if n:
                left_out[why] = left_out.get(why, 0) + n
        kept = ~(lost | same)
        rows = int(self._windows(limit).sum()) if "context" in self.columns else int(kept.sum()) * each
        return {"rows": rows, "cut": self._cut(limit), "left_out": left_out}

    def _cut(self, limit: int) -> int:
        if "question" in self.columns:  # a text is read in several windows; a question longer than half a window is truncated
            return int((self.columns["question"] > limit // 2).sum())
        return int((self.length > limit).sum())

    def _windows(self, limit: int) -> np.ndarray:
        """Return the number of windows of each text; see workers/tokenization/task_rows.py."""
        question, context = np.minimum(self.columns["question"], limit // 2), self.columns["context"]
        own = self.length - self.columns["question"] - context
        room = np.maximum(1, limit - question - own)
        step = np.maximum(1, room - np.minimum(limit // 4, room // 2))
        return 1 + np.maximum(0, -(-(context - room) // step))


@dataclass(frozen=True)
class Coverage:
    """How the tokenizer cuts the texts of `language.texts`: [tokens, bytes, unknown tokens] of each in `rows`, [tokens, bytes] of an `english`
    text, and the most common `unknown` characters."""

    english: list[int]
    rows: list[list[int]]
    unknown: list[str]


@dataclass(frozen=True)
class Counts:
    """Token counts of a dataset for one model and objective. `sample`: of some rows only. `each`: training rows made from one row (KTO makes
    a good and a bad answer from a pair)."""

    train: Side
    validation: Side
    sample: bool = False
    each: int = 1
    coverage: Coverage | None = None

    def lengths(self) -> np.ndarray:
        """Return the lengths of all usable rows in tokens, ascending."""
        return np.sort(np.concatenate([self.train.length, self.validation.length]))

    def prepared(self, limit: int) -> dict[str, Any]:
        """Return what a run with this maximum length reports about its rows: {"rows", "cut", "left_out", "notes", "unseen", "held_out": {...}}."""
        validation = self.validation.prepared(limit, self.each)
        training = self.train.prepared(limit, self.each) | {"notes": self.train.notes, "unseen": self.train.unseen}
        return training | {"held_out": {k: validation[k] for k in ("rows", "cut", "left_out")}}


@lru_cache(maxsize=16)
def _read(file: str, changed: int, each: int) -> Counts:
    with np.load(file, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        columns = {side: {k.removeprefix(f"{side}_"): stored[k] for k in stored.files if k.startswith(side)} for side in ("train", "held")}
    sides = {side: Side(columns[side], **about[side]) for side in columns}
    return Counts(sides["train"], sides["held"], sample=about["sample"], each=each, coverage=Coverage(**about["coverage"]))


# --- questions --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """What to count. `folder` holds the tokenizer; None when it is not on this computer yet."""

    ds: store.Dataset
    folder: Path | None
    objective: str
    template: str | None = None
    fold_system: bool = False
    loss: str | None = None

    @property
    def each(self) -> int:
        return 2 if self.unpaired and self.ds.kind == "preference" else 1

    @property
    def unpaired(self) -> bool:
        return self.objective == "preference" and bool(self.loss) and losses.get(self.loss).unpaired

    @property
    def file(self) -> Path:
        """The file that holds the answer once it is counted."""
        about = {
            "data": [self.ds.ref, self.ds.created, self.ds.sha256, self.ds.share, self.ds.seed, self.ds.rows],
            "tokenizer": [str(self.folder.resolve()), tokenizer_files(self.folder)],
            "how": [self.objective, self.template, self.fold_system, self.unpaired, FORMAT, __version__],
        }
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        return self.ds.folder / "token_counts" / f"{key}.npz"

    @property
    def sample_file(self) -> Path:
        return self.file.with_name(f"sample-{self.file.name}")


def question(ds: store.Dataset, model: models.Model, values: dict[str, Any]) -> Question:
    """Return what to count for a request; `values` are its settings, at least those that a person chose."""
    objective = values.get("objective") or objectives.default_for(ds.kind, model.facts.family)
    loss = values.get("preference_loss") or losses.default_for(ds.kind, False)[0] if objective == "preference" else None
    if ds.kind not in objectives.get(objective).kinds or objectives.refusal(objective, model.facts):
        return Question(ds, None, objective)  # the planner raises the error for this
    folder = tokenizer_folder(model)
    template = values.get("chat_template") if objective in objectives.USES_CHAT_TEMPLATE else None
    if model.facts.has_template and not custom_template.is_custom(template):
        template = None  # a name is for a model without one
    return Question(ds, folder, objective, template, bool(values.get("fold_system")), loss)


def tokenizer_folder(model: models.Model) -> Path | None:
    """Return the folder of the tokenizer that a run with this model uses; None when it is not on this computer yet."""
    if model.adapter and (model.adapter / "tokenizer.json").exists():
        return model.adapter
    folder = Path(model.base) if Path(model.base).is_dir() else models.cached_snapshot(model.base)
    return folder if folder and tokenizer_files(folder) else None


def tokenizer_files(folder: Path) -> list:
    """Return [name, size, modification time] of each tokenizer file: it differs when another tokenizer replaced the files."""
    wanted = [f for pattern in ("*token*", "*vocab*", "chat_template*", "*.model", "merges*") for f in folder.glob(pattern) if f.is_file()]
    return sorted([f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in set(wanted))


# --- what is counted --------------------------------------------------------------------------------------------------------------


def stored(q: Question) -> Counts | None:
    """Return the counts of all rows; None while they are not there."""
    return _stored(q, q.file)


def stored_sample(q: Question) -> Counts | None:
    """Return the counts of some rows; None while they are not there."""
    return _stored(q, q.sample_file)


def _stored(q: Question, file: Path) -> Counts | None:
    try:
        return _read(str(file), file.stat().st_mtime_ns, q.each)
    except (OSError, ValueError, KeyError):  # missing or incomplete
        return None
