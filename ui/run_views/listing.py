"""All runs as a list: what is known of them, made once for all sessions; found, sorted and cut into pages for one visitor."""

import hashlib
from dataclasses import asdict, dataclass, field, fields, replace
from heapq import nlargest

from tuner import runs
from tuner.errors import NotFoundError
from tuner.paths import Workspace
from tuner.runs import index
from ui.text import text

LAST = 5  # runs in the Home page
PER_PAGE = 50  # rows of the table at a time: a browser draws them all
COLUMNS = ("name", "state", "data", "model", "method", "loss", "time", "started")


@dataclass(frozen=True)
class Row:
    """A run in the table: `loss` is the best validation loss, `time` in seconds, `started` in UTC as it is kept."""

    id: str
    name: str
    state: str
    data: str
    model: str
    method: str
    loss: float | None
    time: float
    started: str
    notes: str
    troubled: bool = False
    sweep: str = ""

    @property
    def words(self) -> str:
        """All that a filter looks at."""
        return " ".join((self.name, self.id, self.data, self.model, self.method, self.notes, self.sweep)).casefold()


@dataclass(frozen=True)
class AllRuns:
    """What the page shows of all runs, newest first. `shape` is another when the list is to be sent again: not for each step of a live run."""

    rows: list[Row]
    ids: frozenset[str]
    shape: str
    newest: list[runs.Run]
    live: list[runs.Run]
    told: list[runs.Run]  # that ended lately, or are under way and in trouble


@dataclass(frozen=True)
class View:
    """What a visitor sees of the list: the words looked for, the column sorted by, the page, the runs ticked."""

    query: str = ""
    sort: str = ""
    down: bool = False
    page: int = 0
    picked: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, kept: dict | None) -> "View":
        return cls(**{f.name: kept[f.name] for f in fields(cls) if f.name in (kept or {})})

    def sorted_by(self, column: str) -> "View":
        """Return the list sorted by a column: upwards, at a second press downwards, at a third as it was."""
        if column not in COLUMNS:
            return self
        if column != self.sort:
            return replace(self, sort=column, down=False, page=0)
        return replace(self, down=True, page=0) if not self.down else replace(self, sort="", down=False, page=0)

    def ticked(self, id: str) -> "View":
        """Return the list with a run ticked, or no longer."""
        left = tuple(p for p in self.picked if p != id)
        return replace(self, picked=left if len(left) < len(self.picked) else (*self.picked, id))

    def as_dict(self) -> dict:
        return asdict(self)


def all_runs(ws: Workspace, *, glance: bool = False) -> AllRuns:
    return index.derived(ws, "what the page shows of all runs", _all_runs, glance=glance)


def _all_runs(found: list[runs.Run]) -> AllRuns:
    rows, live = [_row(r) for r in found], [r for r in found if r.live]
    going = {r.id for r in live}
    still = [[r.id, r.name, r.state, r.data, r.notes, r.troubled, *([] if r.id in going else [r.loss, r.time])] for r in rows]
    shape = hashlib.sha256(repr(still).encode()).hexdigest()[:16]
    lately = nlargest(LAST, (r for r in found if not r.live), key=lambda r: r.status.document.get("updated") or 0)
    return AllRuns(rows, frozenset(r.id for r in found), shape, found[:LAST], live, [*lately, *(r for r in live if r.troubled)])


def _row(r: runs.Run) -> Row:
    started = (r.about.get("created") or "")[:16].replace("T", " ")
    data, model = str(r.config.get("data", "")), r.brief["model"] or ""
    return Row(
        r.id,
        r.name,
        r.state,
        data,
        model,
        r.brief["method"],
        r.best,
        r.progress.elapsed_seconds,
        started,
        r.notes,
        r.troubled,
        r.about.get("sweep") or "",
    )


def seen(found: AllRuns, view: View) -> list[Row]:
    """Return the rows with all words of the query, in the order asked for; runs without a value come last either way."""
    words = view.query.casefold().split()
    rows = (
        [r for r in found.rows if all(word in f"{r.words} {text(f'runs-state-{r.state}').casefold()}" for word in words)]
        if words
        else found.rows
    )
    if not view.sort:
        return rows
    known = [r for r in rows if getattr(r, view.sort) not in (None, "")]
    value = lambda r: v.casefold() if isinstance(v := getattr(r, view.sort), str) else v  # noqa: E731
    return sorted(known, key=value, reverse=view.down) + [r for r in rows if getattr(r, view.sort) in (None, "")]


def find(ws: Workspace, id: str | None) -> runs.Run | None:
    """Return the run, or None when there is none (any more): a page may know a run that another page deleted."""
    try:
        return runs.get(ws, id) if id else None
    except NotFoundError:
        return None


def options(found: AllRuns) -> list[tuple[str, str]]:
    """Return (title, id) of all runs for a dropdown."""
    return [(f"{r.name} · {text(f'runs-state-{r.state}')}", r.id) for r in found.rows]
