"""Who takes part in a label project: each labeller with their judgments and when they were last there. AI judges are not people."""

from dataclasses import dataclass

from tuner.labels import ai_labellers
from tuner.labels import db as files
from tuner.labels.db import DONE, LEASED
from tuner.labels.queue import LEASE
from tuner.paths import Workspace

SEEN = f"""SELECT labeller, max(at) FROM (
  SELECT labeller, created AS at FROM events WHERE reason IS NOT 'offered again'
  UNION ALL SELECT labeller, created FROM readers
  UNION ALL SELECT labeller, until - {LEASE} FROM tasks WHERE state = {LEASED} AND until IS NOT NULL
) WHERE labeller IS NOT NULL GROUP BY labeller"""


@dataclass(frozen=True)
class Labeller:
    """A labeller. `last_seen` in seconds since the epoch; `guidelines`: the version they have read, None for none."""

    name: str
    judgments: int
    last_seen: float
    guidelines: int | None


def spelled(ws: Workspace, project: str, name: str) -> str:
    """Return a labeller's name as the project knows it already: "maria" is Maria, and no second person."""
    return next((known.name for known in roster(ws, project) if known.name.casefold() == name.casefold()), name)


def roster(ws: Workspace, project: str) -> list[Labeller]:
    """Return the labellers of a project, whoever was there last first. NotFoundError when there is no such project."""
    with files.reading(ws, project) as db:
        seen = dict(db.execute(SEEN).fetchall())
        counted = "SELECT labeller, count(*) FROM tasks WHERE state = ? AND labeller IS NOT NULL GROUP BY labeller"
        given = dict(db.execute(counted, (DONE,)).fetchall())
        read = dict(db.execute("SELECT labeller, version FROM readers").fetchall())
    people = [n for n in seen.keys() | given.keys() if not ai_labellers.is_judge(n)]
    found = [Labeller(n, given.get(n, 0), seen.get(n, 0.0), read.get(n)) for n in people]
    return sorted(found, key=lambda who: (-who.last_seen, who.name))
