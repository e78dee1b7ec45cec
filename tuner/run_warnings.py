"""What a run has to say about itself beside how it ended: one document a warning, kept in status.json until the run is deleted.

{"name": what kind, for programs, "step": where it happened or None, "severity": "info" | "warning" | "error", "message", "remedy"}
"""

from typing import Any

MOST = 50  # warnings of one run; the oldest go
SEVERITIES = ("info", "warning", "error")


def make(name: str, message: str, remedy: str, *, step: int | None = None, severity: str = "warning") -> dict[str, Any]:
    """Build a warning; ValueError for a severity that nobody knows."""
    if severity not in SEVERITIES:
        raise ValueError(f"{severity!r} is none of {SEVERITIES}")
    return {"name": name, "step": step, "severity": severity, "message": message, "remedy": remedy}


def add(old: Any, new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge two lists: a warning of the same kind at the same step replaces the former one. `old` may be anything that lay on disk."""
    known = {(w.get("name"), w.get("step")): w for w in read(old)}
    for warning in new:
        known.pop((warning["name"], warning["step"]), None)
        known[warning["name"], warning["step"]] = warning
    return list(known.values())[-MOST:]


def read(found: Any) -> list[dict[str, Any]]:
    """Return the warnings in what status.json holds, each with all its keys."""
    listed = [w for w in found if isinstance(w, dict) and w.get("message")] if isinstance(found, list) else []
    empty = {"name": "unknown", "step": None, "severity": "warning", "message": "", "remedy": ""}
    return [{k: w.get(k, default) for k, default in empty.items()} for w in listed]


# --- what became of the rows ------------------------------------------------------------------------------------------------


def of_rows(prepared: dict[str, Any], max_length: int | None) -> list[dict[str, Any]]:
    """Return what preparing the rows has to say: cut, left out, and what the model's template could not express. `prepared` is that of
    status.json: {"rows", "cut", "left_out": {reason: rows}, "notes", "held_out": {"rows", "left_out"}}."""
    out, left = [], prepared.get("left_out") or {}
    total = (prepared.get("rows") or 0) + sum(left.values())
    if cut := prepared.get("cut"):
        told = f"{_share(cut, total)} are longer than the maximum length of {max_length or 0:,} tokens. Their ends were cut off and not trained."
        out.append(make("rows_cut", told, "Raise the maximum length, or shorten these rows."))
    if left:
        why = _commonest(left)
        out.append(make("rows_left_out", f"{_share(sum(left.values()), total)} were left out: {why}.", remedy_of(why)))
    held = prepared.get("held_out") or {}
    if lost := held.get("left_out"):
        why, n = _commonest(lost), sum(lost.values())
        told = f"{_share(n, n + (held.get('rows') or 0), 'validation rows')} were left out: {why}."
        out.append(make("validation_rows_left_out", told, remedy_of(why)))
    if notes := prepared.get("notes"):
        out.append(make("rows_changed", " ".join(notes), "Look at the token preview of the data.", severity="info"))
    return out


def _share(n: int, total: int, what: str = "rows") -> str:
    return f"{n:,} of {total:,} {what} ({n / max(1, total):.0%})"


def _commonest(left: dict[str, int]) -> str:
    return max(left, key=left.get)


def remedy_of(why: str) -> str:
    """Return what to do about rows that were left out for a reason; a longer maximum length is proposed only where that would help."""
    text = why.lower()
    if "length" in text or "too long" in text:
        return "Raise the maximum length, or shorten these rows."
    if "system" in text:
        return "The model's chat template takes no system turns: move their text into the first question, or choose another model."
    if any(word in text for word in ("role", "alternate", "template", "turn")):
        return "The model's chat template does not take these turns: check the order of the roles, or choose another model."
    return "Look at how the data is read (columns and kind), and correct these rows or leave them out."


def sentence(warning: dict[str, Any]) -> str:
    """Return a warning as a person reads it."""
    return f"{warning['message']} {warning['remedy']}".strip()
