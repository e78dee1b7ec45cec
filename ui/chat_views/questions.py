"""Questions to try: of the validation rows of a model's own data, each once."""

from collections.abc import Iterable, Iterator
from itertools import islice

from tuner import runs
from tuner.data.schema import convert
from tuner.data.store import store
from tuner.errors import RequestError
from tuner.paths import Workspace
from ui.chat_views.models import STARTER

SHOWN, READ = 5, 100  # questions; validation rows that are looked at for as many different ones
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
            asked = (convert.question_of(r["value"], ds.kind) for r in store.rows(ds, 0, READ, held_out=True))
            if found := first_different((q[:LONGEST] for q in asked if q), SHOWN):
                return found
        except RequestError:
            pass  # the data was deleted, or its rows ask nothing (plain text)
    return STARTER_QUESTIONS


def first_different(texts: Iterable[str], most: int) -> list[str]:
    """Return the first texts that differ in more than case and spaces."""
    return list(islice(_different(texts), most))


def _different(texts: Iterable[str]) -> Iterator[str]:
    seen = set()
    for text in texts:
        key = " ".join(text.split()).casefold()
        if key and key not in seen:
            seen.add(key)
            yield text


def first(ws: Workspace, id: str) -> str:
    """What a demo that ended asks by itself: a short one, for the style to stand out."""
    found = to_try(ws, id)
    return next((q for q in found if q.endswith("?") and len(q) < 60), found[0])
