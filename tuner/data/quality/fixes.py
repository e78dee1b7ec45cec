"""What a click on a finding does: the rows of a new version from the rows of the old one, one at a time.

A remedy is a small dict, kept in dataset.json: {"key", "finding", ...}. With the same version and report it does the same again.

    remedy = remedies.make(finding, "mask")
    done = remedies.Applied(store.iterate(ds), remedy, findings, ds.kind)
    for row in done: ...            # {"row", "held_out", "value"}
    remedy | done.counts            # {"changed": 3, "dropped": 1, "moved": 0} added to what is kept
"""

from collections.abc import Callable, Iterable, Iterator

from tuner.data.quality import heuristics
from tuner.data.quality.finding import Finding
from tuner.data.quality.pii import mask
from tuner.data.schema.fields import edited
from tuner.errors import NotFoundError, RequestError

BY_ROW = ("drop", "keep_first", "move_to_train")
EDITS: dict[str, Callable[[str], str]] = {"mend": heuristics.mend, "clean": heuristics.clean, "strip_html": heuristics.unmarked}
ANSWER = {"chat": "messages", "preference": "chosen", "rated": "answer"}


def make(finding: Finding, key: str, options: dict | None = None) -> dict:
    """The remedy as it is kept. RequestError when the finding has no such remedy."""
    offered = [remedy["key"] for remedy in finding.remedies]
    if key not in offered:
        raise RequestError(
            f"“{finding.title}” has no remedy {key!r}.",
            field="remedy",
            asked=key,
            available=offered,
            remedy="Choose one that the report offers.",
        )
    own = {
        "mask": lambda: {"types": [finding.details["type"]]},
        "unify": lambda: {"labels": finding.details["unify"]},
        "trim": lambda: {"beginning": finding.details["beginning"]},
    }
    return {"key": key, "finding": finding.key} | own.get(key, dict)() | (options or {})


class Applied:
    """An iterator over the rows of the new version; `counts` is right once it has ended. `kind` is that of the dataset."""

    def __init__(self, rows: Iterable[dict], remedy: dict, findings: list[Finding], kind: str):
        self.rows, self.remedy, self.kind = rows, remedy, kind
        self.counts = {"changed": 0, "dropped": 0, "moved": 0}
        self.chosen = _chosen(remedy, findings)
        self.edit = None if remedy["key"] in BY_ROW else _edit(remedy, kind)

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
        elif self.remedy["key"] == "move_to_train":
            self.counts["moved"] += row["held_out"]
            yield row | {"held_out": False}
        else:
            self.counts["dropped"] += 1


def _chosen(remedy: dict, findings: list[Finding]) -> frozenset[int]:
    """The record numbers a remedy is about; none for one that looks at every row."""
    if remedy["key"] not in BY_ROW:
        return frozenset()
    found = next((f for f in findings if f.key == remedy["finding"]), None)
    if found is None or not found.members:
        raise NotFoundError(
            "The report no longer has the finding this remedy is for.",
            asked=remedy["finding"],
            available=[f.key for f in findings],
            remedy="Make the health report again, then choose.",
        )
    return frozenset(found.later if remedy["key"] == "keep_first" else found.members)


def _edit(remedy: dict, kind: str) -> Callable[[dict], dict]:
    """value -> the edited value, an equal one if there was nothing to do. RequestError for a remedy nobody knows."""
    key = remedy["key"]
    if key == "mask":
        return lambda value: edited(value, lambda text: mask(text, remedy["types"]))
    if key == "unify":
        return lambda value: _unified(value, remedy["labels"])
    if key == "trim":
        return lambda value: _trimmed(value, kind, remedy["beginning"])
    if key in EDITS:
        return lambda value: edited(value, EDITS[key])
    raise RequestError(
        f"There is no remedy {key!r}.",
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
    """The answer without this beginning; an answer that is nothing else stays."""
    if kind == "seq2seq":
        return value | {"target": heuristics.without_opening(value["target"], beginning)}
    column = ANSWER[kind]
    first, last = value[column][:-1], value[column][-1]
    return value | {column: [*first, last | {"content": heuristics.without_opening(last["content"], beginning)}]}


def repaired(value: dict, kind: str) -> dict | None:
    """An edited row made whole again, or None when nothing that can be learnt is left of it."""
    if kind == "preference" and value["chosen"] == value["rejected"]:
        return None
    if kind == "qa":
        return _found_again(value)
    texts = {"chat": "messages", "rated": "answer"}.get(kind)
    spoken = [m for m in value[texts] if not m.get("tool_calls") and m["role"] != "tool"] if texts else []
    if any(not m["content"].strip() for m in spoken):
        return None
    return value if all(v.strip() for v in value.values() if isinstance(v, str)) else None


def _found_again(value: dict) -> dict | None:
    """Answers are copied from the passage letter by letter; after an edit they stand elsewhere."""
    answers, context = value["answers"], value["context"]
    starts = []
    for text, start in zip(answers["text"], answers["answer_start"], strict=True):
        before, after = context.rfind(text, 0, start + len(text)), context.find(text, start)
        near = [at for at in (before, after) if at >= 0]
        if not text.strip() or not near:
            return None
        starts.append(min(near, key=lambda at: abs(at - start)))
    return value | {"answers": answers | {"answer_start": starts}}
