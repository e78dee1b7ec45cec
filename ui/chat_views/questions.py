"""Questions to try: of the validation rows of a model's own data, each once."""

from tuner import runs
from tuner.data.store import questions, store
from tuner.errors import RequestError
from tuner.paths import Workspace
from ui.chat_views.models import STARTER

SHOWN = 5
LONGEST = 300  # characters
STARTER_QUESTIONS = [
    "What sound does a cow make?",
    "How do I make tea?",
    "Tell me a story about a fox and a red ball.",
    "What is 7 plus 8?",
    "Why do we sleep?",
]


def to_try(ws: Workspace, id: str) -> list[str]:
    """Return what to ask a model: validation questions of its data, or what the starter knows."""
    if id != STARTER:
        run = runs.get(ws, id)
        try:
            ds = store.get(ws, run.config["data"])
            if found := questions.distinct(ds, SHOWN):
                return [q[:LONGEST] for q in found]
        except RequestError:
            pass  # the data was deleted
    return STARTER_QUESTIONS


def first(ws: Workspace, id: str) -> str:
    """What a demo that ended asks by itself: a short one, for the style to stand out."""
    found = to_try(ws, id)
    return next((q for q in found if q.endswith("?") and len(q) < 60), found[0])
