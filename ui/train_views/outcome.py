"""What becomes of a draft: a plan, or all that is wrong with it."""

from dataclasses import dataclass, field

from tuner import models
from tuner.data.quality import language
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import training
from tuner.paths import Workspace
from tuner.planning.planner import Plan
from ui.components import html
from ui.train_views.draft import Draft

PATIENCE = 0.2  # seconds that a plan waits for the count of all rows; then it is made from a sample, and again when the count is there


@dataclass(frozen=True)
class Outcome:
    """What became of a draft: a plan, or the error with what is `wrong` by field; the model and dataset as far as they were found. `told`: the
    languages of the rows were known to the plan."""

    ds: store.Dataset | None
    plan: Plan | None = None
    model: models.Model | None = None
    error: BaseException | None = None
    wrong: dict[str, str] = field(default_factory=dict)
    told: bool = True


def planned(ws: Workspace, draft: Draft) -> Outcome:
    """Plan a draft; nothing chosen yet is no mistake."""
    before = dataset_of(ws, draft.data)
    told = before is None or language.told(before)
    try:
        plan, model, ds, _ = training.prepare(ws, draft.request(), preset=draft.preset, wait=PATIENCE)
        return Outcome(ds, plan, model, told=told)
    except Exception as error:
        wrong = html.field_errors(error) if isinstance(error, TunerError) else {}
        return Outcome(before, error=error, wrong=wrong)


def dataset_of(ws: Workspace, ref: str | None) -> store.Dataset | None:
    """Return the dataset that a form names, where it is here."""
    try:
        return store.get(ws, ref) if ref else None
    except TunerError:
        return None  # `planned` says so beside the field
