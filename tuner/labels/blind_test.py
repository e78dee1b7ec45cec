"""A blind test of two runs: both answer the same questions, and a person judges which answer is better without knowing whose it is."""

from tuner import runs
from tuner.data.store import store
from tuner.errors import NotFoundError, RequestError
from tuner.labels import generate, projects
from tuner.labels.generate import ASKED, Request, Writer
from tuner.paths import Workspace
from tuner.settings.objectives import GENERATIVE

QUESTIONS = 20  # what one person judges in a few minutes; more can be generated in the project
ENOUGH = 10  # validation rows; with fewer the training rows are asked as well, since two questions compare nothing
TEMPERATURE, MAX_TOKENS = 0.7, 256


def begin(ws: Workspace, first: str, second: str, *, questions: int = QUESTIONS) -> str:
    """Create a label project in which two runs answer the same questions, start to generate, and return the project's id.

    The questions are those of the data of the first run (else of the second): its validation rows, which neither run was trained on, where
    there are enough. RequestError for runs that can't be compared so.
    """
    chosen = [_answering(ws, id) for id in (first, second)]
    if first == second:
        raise _refusal("Both are the same run.", first, "two different runs", "Choose another one.")
    ds = next((found for run in chosen if (found := _questions(ws, run))), None)
    if ds is None:
        wanted = f"a dataset of one of the kinds {', '.join(ASKED)}"
        raise _refusal(
            "The data of these runs is gone, or has no questions.", first, wanted, "Make a label project, and choose the questions there."
        )
    writers = [Writer(run.id, temperature=TEMPERATURE, max_tokens=MAX_TOKENS, seed=seed) for seed, run in enumerate(chosen)]
    project = projects.create(ws, projects.unused(ws, " / ".join(run.name[: projects.NAME // 2 - 4] for run in chosen))).id
    try:
        generate.ask(
            ws, project, Request((writers[0], writers[1]), data=ds.ref, held_out=True if ds.held_out >= ENOUGH else None, limit=questions)
        )
    except Exception:
        projects.delete(ws, project)  # an empty project would be left behind
        raise
    return project


def _answering(ws: Workspace, id: str) -> runs.Run:
    """Return a run that can answer in a chat."""
    run = runs.get(ws, id)
    objective = run.plan["settings"]["objective"]
    if objective not in GENERATIVE:
        raise _refusal(f"{run.name} writes no answers (its objective is {objective}).", id, list(GENERATIVE), "Choose another run.")
    if not run.can_answer:
        raise _refusal(
            f"{run.name} has no model yet.", id, "runs that are completed or were saved", "Wait for its end, or choose another run."
        )
    return run


def _questions(ws: Workspace, run: runs.Run) -> store.Dataset | None:
    """Return the data of a run if it is still there and has questions."""
    try:
        ds = store.get(ws, str(run.config.get("data") or ""))
    except (NotFoundError, RequestError):
        return None
    return ds if ds.kind in ASKED else None


def _refusal(message: str, asked: str, available, remedy: str) -> RequestError:
    return RequestError(message, asked=asked, available=available, remedy=remedy, field="runs")
