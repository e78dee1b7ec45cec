"""One thing the health report found, and how findings are kept beside the dataset version they are about.

health.json    the findings as the page reads them          health.npz    all rows of each finding, for its remedies
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tuner import paths

LISTED, GROUPS = 200, 50
REMEDIES = {
    "drop": "Leave these rows out",
    "keep_first": "Keep the first of each",
    "move_to_train": "Move them to the training rows",
    "mask": "Put a placeholder in their place",
    "mend": "Put the letters right",
    "clean": "Remove these characters",
    "strip_html": "Take the markup out",
    "trim": "Cut this beginning off",
    "unify": "Spell them alike",
}


@dataclass
class Finding:
    """`rows` are the first 200 record numbers of `members`, which are all; `later` is `members` without the first of each group.

    severity "decide": a person should choose before training; "remark": good to know. `remedies` are {"key", "title"}.
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
        return {k: v for k, v in vars(self).items() if k not in ("members", "later")}

    @classmethod
    def from_dict(cls, document: dict, members: Iterable[int] = (), later: Iterable[int] = ()) -> "Finding":
        return cls(**document, members=list(members), later=list(later))


def finding(
    key: str, title: str, why: str, members: list[int], remedies: Iterable[str] = ("drop",), *, later=(), count=None, **more
) -> Finding:
    """`title` holds {n}, the count, which is the number of members unless it is given."""
    count = len(members) if count is None else count
    return Finding(
        key,
        title.replace("{n}", f"{count:,}", 1),
        count,
        why,
        rows=list(members[:LISTED]),
        remedies=[{"key": r, "title": REMEDIES[r]} for r in remedies],
        members=list(members),
        later=list(later),
        **more,
    )


def many(n: int, one: str, more: str) -> str:
    """The sentence for this number, with {n} in it."""
    return (one if n == 1 else more).replace("{n}", f"{n:,}")


def as_dict(findings: list[Finding]) -> dict:
    return {"findings": [f.as_dict() for f in findings]}


def from_dict(document: dict) -> list[Finding]:
    """For showing; what `remedies` need is not in the document, see `load`."""
    return [Finding.from_dict(f) for f in document["findings"]]


def save(folder: Path, findings: list[Finding], **more) -> None:
    """health.npz first: health.json says that both are there. `more` goes into the document (score, charts ...)."""
    import numpy as np

    arrays = {f"{f.key}/{name}": np.array(getattr(f, name), np.int64) for f in findings for name in ("members", "later")}
    draft = folder / "health.draft.npz"
    np.savez_compressed(draft, **arrays)
    draft.replace(folder / "health.npz")
    paths.write_json(folder / "health.json", as_dict(findings) | more)


def load(folder: Path) -> list[Finding] | None:
    """The findings with all their rows; None when there is no whole report, which is then to be made anew."""
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
