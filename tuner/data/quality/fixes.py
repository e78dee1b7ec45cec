"""Fixes: turn the rows of a dataset version into the rows of a new one, row by row.

A fix is a small dict, stored in dataset.json: {"key", "finding", ...}. Applied to the same version and report it gives the same rows.

    fix = fixes.make(finding, "mask")
    done = fixes.Applied(store.iterate(ds), fix, findings, ds.kind)
    for row in done: ...            # {"row", "held_out", "value"}
    fix | done.counts               # {"changed": 3, "dropped": 1, "moved": 0} is stored with it
"""

from collections.abc import Callable, Iterable, Iterator

from tuner.data.quality import heuristics
from tuner.data.quality.finding import Finding
from tuner.data.quality.pii import mask
from tuner.data.schema.fields import edited
from tuner.errors import NotFoundError, RequestError

BY_ROW = ("drop", "keep_first", "move_to_train")
EDITS: dict[str, Callable[[str], str]] = {"mend": heuristics.fix_encoding, "clean": heuristics.clean, "strip_html": heuristics.unmarked}
ANSWER = {"chat": "messages", "preference": "chosen", "rated": "answer"}


def make(finding: Finding, key: str, options: dict | None = None) -> dict:
    """Return a fix as it is stored. RequestError when the finding has no such fix."""
    offered = [fix["key"] for fix in finding.remedies]
    if key not in offered:
        raise RequestError(
            f"“{finding.title}” has no fix {key!r}.",
            field="remedy",
            asked=key,
            available=offered,
            remedy="Choose one of the fixes that the report offers.",
        )
    details = {
        "mask": lambda: {"types": [finding.details["type"]]},
        "unify": lambda: {"labels": finding.details["unify"]},
        "trim": lambda: {"beginning": finding.details["beginning"]},
    }
    return {"key": key, "finding": finding.key} | details.get(key, dict)() | (options or {})


class Applied:
    """Iterable over the rows of the new version; `counts` is final once it is exhausted. `kind` is the kind of the dataset."""

    def __init__(self, rows: Iterable[dict], fix: dict, findings: list[Finding], kind: str):
        self.rows, self.fix, self.kind = rows, fix, kind
        self.counts = {"changed": 0, "dropped": 0, "moved": 0}
        self.chosen = _chosen(fix, findings)
        self.edit = None if fix["key"] in BY_ROW else _edit(fix, kind)

    def __iter__(self) -> Iterator[dict]:
        for row in self.rows:
            if self.edit is None:
                yield from self._by_row(row)
                continue
            value = self.edit(row["value"])
            if value == row["value"]:
                yield row
            elif (value := repaired(value, self.kind)) is not None:
                self.counts["changed"] += 1
                yield row | {"value": value}
            else:
                self.counts["dropped"] += 1

    def _by_row(self, row: dict) -> Iterator[dict]:
        if row["row"] not in self.chosen:
            yield row
        elif self.fix["key"] == "move_to_train":
            self.counts["moved"] += row["held_out"]
            yield row | {"held_out": False}
        else:
            self.counts["dropped"] += 1


def _chosen(fix: dict, findings: list[Finding]) -> frozenset[int]:
    """Return the record numbers that a fix applies to; empty for a fix that examines every row."""
    if fix["key"] not in BY_ROW:
        return frozenset()
    found = next((f for f in findings if f.key == fix["finding"]), None)
    if found is None or not found.members:
        raise NotFoundError(
            "The report no longer has the finding that this fix is for.",
            asked=fix["finding"],
            available=[f.key for f in findings],
            remedy="Create the quality report again, then choose a fix.",
        )
    return frozenset(found.later if fix["key"] == "keep_first" else found.members)


def _edit(fix: dict, kind: str) -> Callable[[dict], dict]:
    """Return a function from a value to its edited value, an equal one if nothing changes. RequestError for an unknown fix."""
    key = fix["key"]
    if key == "mask":
        return lambda value: edited(value, lambda text: mask(text, fix["types"]))
    if key == "unify":
        return lambda value: _unified(value, fix["labels"])
    if key == "trim":
        return lambda value: _trimmed(value, kind, fix["beginning"])
    if key in EDITS:
        return lambda value: edited(value, EDITS[key])
    raise RequestError(
        f"There is no fix {key!r}.",
        field="remedy",
        asked=key,
        available=[*BY_ROW, "mask", "unify", "trim", *EDITS],
        remedy="Choose one of these.",
    )


def _unified(value: dict, spelled: dict[str, str]) -> dict:
    label = value["label"]
    if isinstance(label, list):
        return value | {"label": list(dict.fromkeys(spelled.get(one, one) for one in label))}
    return value | {"label": spelled.get(label, label)}


def _trimmed(value: dict, kind: str, beginning: str) -> dict:
    """Remove this opening from the answer; an answer that holds nothing else stays unchanged."""
    if kind == "seq2seq":
        return value | {"target": heuristics.without_opening(value["target"], beginning)}
    column = ANSWER[kind]
    first, last = value[column][:-1], value[column][-1]
    return value | {column: [*first, last | {"content": heuristics.without_opening(last["content"], beginning)}]}


def repaired(value: dict, kind: str) -> dict | None:
    """Return an edited row made consistent again, or None when nothing is left of it to train on."""
    if kind == "preference" and value["chosen"] == value["rejected"]:
        return None
    if kind == "qa":
        return _found_again(value)
    field = {"chat": "messages", "rated": "answer"}.get(kind)
    turns = [m for m in value[field] if not m.get("tool_calls") and m["role"] != "tool"] if field else []
    if any(not m["content"].strip() for m in turns):
        return None
    return value if all(v.strip() for v in value.values() if isinstance(v, str)) else None


def _found_again(value: dict) -> dict | None:
    """Correct the positions of extracted answers, which move when the passage is edited; None when an answer is no longer in it."""
    answers, context = value["answers"], value["context"]
    starts = []
    for text, start in zip(answers["text"], answers["answer_start"], strict=True):
        before, after = context.rfind(text, 0, start + len(text)), context.find(text, start)
        near = [at for at in (before, after) if at >= 0]
        if not text.strip() or not near:
            return None
        starts.append(min(near, key=lambda at: abs(at - start)))
    return value | {"answers": answers | {"answer_start": starts}}
