"""What a run has to say about itself beside how it ended: one document a warning, kept in status.json until the run is deleted.

{"name": what kind, for programs, "step": where it happened or None, "severity": "info" | "warning" | "error", "message", "remedy",
"fixes": [{"title", "settings"}]: what a click or `-s` can change}

A plan has the same documents (`Plan.warnings`): what is known before the start is said before the start, in the same words.
"""

from typing import Any

NOTHING = "nothing to learn is left within the maximum length"
SAME = "nothing of the difference between both answers is left within the maximum length"
NO_CALLS = "the model's chat template has no place for the tool calls of its answers"
NO_REASONING = "the model's chat template has no place for reasoning, and its answer holds nothing else"
NO_SYSTEM = "the model's chat template takes no system turn"
PARTS = {"tools": "tools", "reasoning_content": "reasoning", "tool_calls": "tool calls"}  # what a chat template may leave out
MOST = 50  # warnings of one run; the oldest go
SEVERITIES = ("info", "warning", "error")


def make(
    name: str, message: str, remedy: str, *, step: int | None = None, severity: str = "warning", fixes: list[dict] | None = None
) -> dict[str, Any]:
    """Build a warning; ValueError for a severity that nobody knows."""
    if severity not in SEVERITIES:
        raise ValueError(f"{severity!r} is none of {SEVERITIES}")
    return {"name": name, "step": step, "severity": severity, "message": message, "remedy": remedy, "fixes": fixes or []}


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
    empty = {"name": "unknown", "step": None, "severity": "warning", "message": "", "remedy": "", "fixes": []}
    return [{k: w.get(k, default) for k, default in empty.items()} for w in listed]


# --- what became of the rows ------------------------------------------------------------------------------------------------


def of_rows(prepared: dict[str, Any], max_length: int | None, fixes: dict[str, list[dict]] | None = None) -> list[dict[str, Any]]:
    """Return what preparing the rows has to say: cut, left out, and what the model's template could not express.

    `prepared` is that of status.json, or what the plan expects of it: {"rows", "cut", "left_out": {reason: rows}, "notes", "unseen": {part:
    rows}, "held_out": {"rows", "left_out"}}. `fixes` are those that the plan found, by the reason why rows are left out."""
    out, left, fixes = [], prepared.get("left_out") or {}, fixes or {}
    total = (prepared.get("rows") or 0) + sum(left.values())
    if cut := prepared.get("cut"):
        told = f"{_share(cut, total)} are longer than the maximum length of {max_length or 0:,} tokens. Their ends are cut off and not trained."
        out.append(make("rows_cut", told, "Raise the maximum length, or shorten these rows.", fixes=fixes.get("cut")))
    if left:
        why = _commonest(left)
        severity = "warning" if prepared.get("rows") else "error"
        told = f"{_share(sum(left.values()), total)} are left out: {_reasons(left)}."
        out.append(make("rows_left_out", told, remedy_of(why), severity=severity, fixes=fixes.get(why)))
    held = prepared.get("held_out") or {}
    if lost := held.get("left_out"):
        why, n = _commonest(lost), sum(lost.values())
        severity = "warning" if held.get("rows") else "error"
        told = f"{_share(n, n + (held.get('rows') or 0), 'validation rows')} are left out: {_reasons(lost)}."
        out.append(make("validation_rows_left_out", told, remedy_of(why), severity=severity, fixes=fixes.get(why)))
    for part, n in (prepared.get("unseen") or {}).items():
        out.append(
            make(
                f"{part}_not_seen",
                not_seen(part, n, total),
                "Choose a model whose chat template has a place for it, or leave it out of the data.",
            )
        )
    if notes := prepared.get("notes"):
        out.append(make("rows_changed", " ".join(notes), "Look at the token preview of the data.", severity="info"))
    return out


def not_seen(part: str, rows: int, total: int) -> str:
    """Return the sentence about rows of which the model's chat template leaves a part out."""
    return f"{_share(rows, total)} hold {PARTS[part]} that the model's chat template leaves out: the model will not see that."


def without_rows(found: Any) -> list[dict[str, Any]]:
    """Return the warnings that are not about what becomes of the rows."""
    return [w for w in read(found) if "rows" not in w["name"] and not w["name"].endswith("_not_seen") and w["name"] != "lengths_guessed"]


def _reasons(left: dict[str, int]) -> str:
    """'the first reason', or with more than one '3 x the first reason; 1 x the second'."""
    if len(left) == 1:
        return next(iter(left))
    return "; ".join(f"{n:,} × {why}" for why, n in sorted(left.items(), key=lambda kv: -kv[1])[:5])


def _share(n: int, total: int, what: str = "rows") -> str:
    return f"{n:,} of {total:,} {what} ({n / max(1, total):.0%})"


def _commonest(left: dict[str, int]) -> str:
    return max(left, key=left.get)


def remedy_of(why: str) -> str:
    """Return what to do about rows that were left out for a reason; a longer maximum length is proposed only where that would help."""
    text = why.lower()
    if "length" in text or "too long" in text:
        return "Raise the maximum length, or shorten these rows."
    if "tool call" in text:
        return "Choose a model whose chat template has a place for tool calls, or leave these rows out."
    if "reasoning" in text:
        return "Choose a model whose chat template has a place for reasoning, or put it into the answers."
    if "system" in text:
        return "Fold the system turns into the first question (fold_system=true), or choose another model."
    if any(word in text for word in ("role", "alternate", "template", "turn")):
        return "The model's chat template does not take these turns: check the order of the roles, or choose another model."
    return "Look at how the data is read (columns and kind), and correct these rows or leave them out."


def sentence(warning: dict[str, Any]) -> str:
    """Return a warning as a person reads it."""
    return f"{warning['message']} {warning['remedy']}".strip()
