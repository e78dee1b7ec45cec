"""All runs as lists: what is shown of them, made once for all sessions; in each visitor's language when it is sent."""

import hashlib
from dataclasses import dataclass

from tuner import runs
from tuner.errors import NotFoundError
from tuner.paths import Workspace
from tuner.runs import index
from ui.components import units
from ui.text import text

LAST = 5  # runs in the Home page
HEAD = ("name", "state", "data", "model", "method", "loss", "time", "started", "notes")
WIDTHS = ["240px", "120px", "160px", "220px", "100px", "120px", "90px", "140px", "240px"]


@dataclass(frozen=True)
class AllRuns:
    """What the page shows of all runs, made once for all sessions. `shape` is another when the lists are to be sent again: not for each
    step of a live run. `first` is the run to show to who chose none: one under way, else the newest."""

    titles: list[tuple[str, str, str]]  # name, state, id
    rows: list[list]  # as HEAD, unformatted
    ids: frozenset[str]
    shape: str
    newest: list[runs.Run]
    live: list[runs.Run]

    @property
    def first(self) -> str | None:
        return next((r.id for r in (*self.live, *self.newest)), None)


def all_runs(ws: Workspace, *, glance: bool = False) -> AllRuns:
    return index.derived(ws, "what the page shows of all runs", _all_runs, glance=glance)


def _all_runs(found: list[runs.Run]) -> AllRuns:
    rows = [_row(r) for r in found]
    still = [[r.id, *row[:5], *([] if r.live else row[5:7]), *row[7:]] for r, row in zip(found, rows, strict=True)]
    shape = hashlib.sha256(repr(still).encode()).hexdigest()[:16]
    titles, live = [(r.name, r.state, r.id) for r in found], [r for r in found if r.live]
    return AllRuns(titles, rows, frozenset(r.id for r in found), shape, found[:LAST], live)


def _row(r: runs.Run) -> list:
    return [
        r.name,
        r.state,
        str(r.config.get("data", "")),
        r.brief["model"] or "",
        r.brief["method"],
        r.best,
        r.progress.elapsed_seconds,
        (r.about.get("created") or "")[:16].replace("T", " "),
        r.notes[:80],
    ]


def find(ws: Workspace, id: str | None) -> runs.Run | None:
    """The run, or None when there is none (any more): a page may know a run that another page deleted."""
    try:
        return runs.get(ws, id) if id else None
    except NotFoundError:
        return None


def by_name(ws: Workspace, row: list) -> str | None:
    """The run that a row of the table shows; names may repeat, name and start together rarely do."""
    same = [r for r in runs.listing(ws) if r.name == row[0]]
    exact = [r for r in same if (r.about.get("created") or "")[:16].replace("T", " ") in row]
    return (exact or same)[0].id if same else None


def options(found: AllRuns) -> list[tuple[str, str]]:
    """Return (title, id) of all runs for a dropdown."""
    return [(f"{name} · {text(f'runs-state-{state}')}", id) for name, state, id in found.titles]


def table(found: AllRuns) -> dict:
    """Return the value of the table of all runs."""
    words = {state: text(f"runs-state-{state}") for state in runs.SENTENCES}

    def shown(row: list) -> list[str]:
        name, state, data, model, method, loss, seconds, *rest = row
        figures = ["" if loss is None else units.decimal(loss), units.duration(seconds) if seconds else ""]
        return [name, words[state], data, model, method, *figures, *rest]

    return {"headers": headers(), "data": [shown(row) for row in found.rows]}


def headers() -> list[str]:
    return [text(f"runs-head-{name}") for name in HEAD]
