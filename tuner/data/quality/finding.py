"""A finding of the quality report, and how findings are stored in the folder of their dataset version.

health.json    the findings as the page reads them          health.npz    all rows of each finding, for its fixes
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tuner import paths

LISTED, GROUPS = 200, 50
FIXES = {
    "drop": "Remove these rows",
    "keep_first": "Keep only the first of each",
    "move_to_train": "Move them to the training rows",
    "mask": "Replace with a placeholder",
    "mend": "Fix the encoding",
    "clean": "Remove these characters",
    "strip_html": "Remove the markup",
    "trim": "Remove this opening",
    "unify": "Unify the spelling",
}


@dataclass
class Finding:
    """A finding. `members` are all its record numbers, `rows` the first 200 of them, `later` all but the first of each group.

    severity "decide": a person should decide before training; "remark": good to know. `remedies` are the fixes, each {"key", "title"} and, where
    it removes rows, how many ("removes").
    """

    key: str
    title: str
    count: int
    why: str
    severity: str = "remark"
    rows: list[int] = field(default_factory=list)
    remedies: list[dict] = field(default_factory=list)
    details: dict = field(default_factory=dict)
    members: list[int] = field(default_factory=list, repr=False)
    later: list[int] = field(default_factory=list, repr=False)

    def as_dict(self) -> dict:
        """Return the finding as the page reads it, without `members` and `later`."""
        return {k: v for k, v in vars(self).items() if k not in ("members", "later")}

    @classmethod
    def from_dict(cls, document: dict, members: Iterable[int] = (), later: Iterable[int] = ()) -> "Finding":
        return cls(**document, members=list(members), later=list(later))


def finding(
    key: str, title: str, why: str, members: list[int], remedies: Iterable[str] = ("drop",), *, later=(), count=None, **more
) -> Finding:
    """Make a finding. {n} in `title` is replaced by the count, which is the number of members unless it is given."""
    count = len(members) if count is None else count
    return Finding(
        key,
        title.replace("{n}", f"{count:,}", 1),
        count,
        why,
        rows=list(members[:LISTED]),
        remedies=[{"key": r, "title": FIXES[r], **_removed(r, members, later)} for r in remedies],
        members=list(members),
        later=list(later),
        **more,
    )


def _removed(fix: str, members: list[int], later: Iterable[int]) -> dict[str, int]:
    """Return how many rows a fix removes, where it removes any."""
    rows = {"drop": members, "keep_first": later}.get(fix)
    return {} if rows is None else {"removes": len(list(rows))}


def many(n: int, one: str, more: str) -> str:
    """Return the singular or plural sentence for this number, with {n} filled in."""
    return (one if n == 1 else more).replace("{n}", f"{n:,}")


def as_dict(findings: list[Finding]) -> dict:
    return {"findings": [f.as_dict() for f in findings]}


def from_dict(document: dict) -> list[Finding]:
    """Return findings for display only; the rows that fixes need are not in the document, see `load`."""
    return [Finding.from_dict(f) for f in document["findings"]]


def save(folder: Path, findings: list[Finding], **more) -> None:
    """Write health.npz, then health.json: its existence means that both are complete. `more` is added to it (score, charts ...)."""
    import numpy as np

    arrays = {f"{f.key}/{name}": np.array(getattr(f, name), np.int64) for f in findings for name in ("members", "later")}
    draft = folder / "health.draft.npz"
    np.savez_compressed(draft, **arrays)
    draft.replace(folder / "health.npz")
    paths.write_json(folder / "health.json", as_dict(findings) | more)


def load(folder: Path) -> list[Finding] | None:
    """Return the findings with all their rows; None when there is no complete report, so that it must be created again."""
    import numpy as np

    try:
        document = paths.read_json(folder / "health.json")
        with np.load(folder / "health.npz", allow_pickle=False) as stored:
            return [
                Finding.from_dict(f, stored[f"{f['key']}/members"].tolist(), stored[f"{f['key']}/later"].tolist())
                for f in document["findings"]
            ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
