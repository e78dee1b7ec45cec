"""Read Label Studio's JSON and JSON-MIN exports: texts with choices, numbers, marked spans or written answers."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from tuner.data.readers.nested import Fold, each
from tuner.data.schema.cells import plain, unpack
from tuner.errors import DataError

MIN = ("annotator", "annotation_id", "lead_time", "updated_at")  # keys that JSON-MIN adds to the fields of the task
ASIDE = (*MIN, "id", "created_at", "agreement", "completed_by")
EMPTY = (None, "", [], {})
TAKES = ("choices", "labels", "rating", "number", "textarea", "taxonomy")


def annotated(records: list[dict]) -> Fold | None:
    """Recognize Label Studio's JSON or JSON-MIN; DataError that names the export to use if there is no text to train on."""
    if all(isinstance(r.get("data"), dict) and _annotations(r) is not None for r in records):
        named = Counter(plain(result.get("from_name")) for r in records for result in _results(r))
        return _fold(records, lambda r: _whole(r, _first(named)), list(named))
    if all(len({*MIN} & r.keys()) >= 2 for r in records):
        named = Counter({f: sum(r.get(f) not in EMPTY for r in records) for f in _fields(records)})
        return _fold(records, lambda r: _short(r, _first(named), list(named)), list(named))
    return None


def _first(named: Counter) -> str | None:
    """Return the control that was annotated most often; the first one in a tie."""
    return max(named, key=named.get, default=None)


def _annotations(record: dict) -> list | None:
    found = record.get("annotations", record.get("completions"))
    return found if isinstance(found, list) and all(isinstance(a, dict) and "result" in a for a in found) else None


def _results(record: dict) -> list[dict]:
    """Return the results of the first annotation that was not cancelled; a ground truth takes precedence."""
    kept = [a for a in _annotations(record) or [] if not a.get("was_cancelled")]
    kept = [a for a in kept if a.get("ground_truth")] or kept
    return [r for r in (kept[0]["result"] if kept else []) if isinstance(r, dict) and r.get("type") not in ("relation", None)]


def _whole(record: dict, name: str | None) -> dict:
    """Return {"data", "type", "values"} of a task: the results of its annotation for one control."""
    same = [r for r in _results(record) if plain(r.get("from_name")) == name]
    return {"data": record["data"], "type": same[0]["type"] if same else None, "values": [r.get("value") or {} for r in same]}


def _fields(records: list[dict]) -> list[str]:
    """Return the keys with annotations in JSON-MIN, which come after the task's fields and its id, and before JSON-MIN's own keys."""
    keys = list(dict.fromkeys(k for r in records for k in r))
    at = min((keys.index(k) for k in MIN if k in keys), default=len(keys))
    begin = keys.index("id") + 1 if "id" in keys else at
    inner = [k for k in keys[:at] if k not in ASIDE]
    behind = [k for k in keys[begin:at] if k not in ASIDE] if begin > 1 else []
    return behind or [k for k in inner if any(isinstance(r.get(k), (dict, list)) for r in records)] or inner[1:][-1:]


def _short(record: dict, name: str | None, names: list[str]) -> dict:
    """Return the same as `_whole` for a record of JSON-MIN, in which a single choice is a plain value."""
    content = unpack(record.get(name))
    data = {k: v for k, v in record.items() if k not in (*ASIDE, *names)}
    items = content if isinstance(content, list) else [content]
    if content in EMPTY:
        return {"data": data, "type": None, "values": []}
    if isinstance(items[0], dict):
        kind = next((t for t in (*TAKES, "rectanglelabels") if t in items[0]), next((k for k in items[0] if "labels" in k), "choices"))
        return {"data": data, "type": kind, "values": items}
    kind = "rating" if all(isinstance(i, (int, float)) for i in items) else "choices"
    return {"data": data, "type": kind, "values": [{kind: items[0] if kind == "rating" else items}]}


def _fold(records: list[dict], read: Callable[[dict], dict], names: list[str]) -> Fold:
    """Return the conversion of all tasks, using the annotation type of most of the first ones."""
    tasks = [read(record) for record in records]
    kinds = [t["type"] for t in tasks if t["type"]]
    kind = max(set(kinds), key=kinds.count) if kinds else None
    text = _text_field([t["data"] for t in tasks])
    if kind not in TAKES or not text:
        raise _refused(kind)
    several = any(len(_choices(t, kind)) > 1 for t in tasks)
    column = {"labels": "entities", "textarea": "answer", "rating": "rating", "number": "score"}.get(kind, "label")
    first = "prompt" if kind == "textarea" else "text"

    def row(record: dict) -> list[dict]:
        task = read(record)
        return [{first: task["data"].get(text), column: _annotation(task, kind, several)}]

    others = f" Of several controls ({', '.join(names[:5])}), the one annotated most often was read." * (len(names) > 1)
    note = (
        f"Label Studio's export: the text in `{text}` and its annotation ({kind}) became a row; the first annotation of a task counts."
        + others
    )
    return Fold([first, column], note, each(row))


def _text_field(data: list[dict]) -> str | None:
    """Return the field with the text: the one named "text", else the one with the longest texts that are not links."""
    keys = list(dict.fromkeys(k for d in data for k in d))
    texts = {
        k: [d[k] for d in data if isinstance(d.get(k), str) and not d[k].startswith(("http://", "https://", "/data/", "s3://"))]
        for k in keys
    }
    filled = {k: sum(map(len, v)) for k, v in texts.items() if v}
    return "text" if "text" in filled else max(filled, key=filled.get, default=None)


def _choices(task: dict, kind: str | None) -> list[str]:
    found = [choice for value in task["values"] for choice in _listed(value.get(kind, value.get("text")))]
    return [" > ".join(map(plain, c)) if isinstance(c, list) else plain(c) for c in found]


def _listed(value: Any) -> list:
    return value if isinstance(value, list) else [] if value is None else [value]


def _annotation(task: dict, kind: str, several: bool) -> Any:
    """Return the annotation: a label or a list of labels, a number, spans, or a written text."""
    if task["type"] not in (kind, None):
        return None
    if kind == "labels":
        return [
            {"start": v.get("start"), "end": v.get("end"), "label": _listed(v.get("labels"))[0]} for v in task["values"] if v.get("labels")
        ]
    choices = _choices(task, kind)
    if kind in ("rating", "number"):
        return next((v[kind] for v in task["values"] if kind in v), None)
    return "\n".join(choices) if kind == "textarea" else choices if several and task["type"] else (choices or [None])[0]


def _refused(kind: str | None) -> DataError:
    what = f"the annotations have the type {kind}" if kind else "no task has an annotation"
    return DataError(
        f"The Label Studio export has no text with a label: {what}.",
        asked=kind or "tasks without annotations",
        available="texts with choices, word labels, ratings or written answers",
        remedy="Annotate texts with Choices, Labels, Rating or TextArea and export them as JSON, JSON-MIN or CSV.",
    )
