"""Questions of a dataset that nothing was trained on, to ask a model that was trained on the others."""

from tuner.data.schema import convert
from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.errors import RequestError

LOOKED_AT = 200  # validation rows: a dataset with several answers to each question repeats them


def distinct(ds: Dataset, most: int) -> list[str]:
    """Return up to `most` different questions of the validation rows, in their order; none for rows that ask nothing (plain text)."""
    try:
        found = [convert.question_of(r["value"], ds.kind) for r in store.rows(ds, 0, LOOKED_AT, held_out=True)]
    except RequestError:
        return []
    once: dict[str, str] = {}
    for question in filter(str.strip, found):
        once.setdefault(" ".join(question.split()).casefold(), question)
    return list(once.values())[:most]
