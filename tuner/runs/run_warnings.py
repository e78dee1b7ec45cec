"""The warnings of a run: one document each, kept in status.json until the run is deleted.

{"name": its identifier, "step": where it happened or None, "severity": "info" | "warning" | "error", "message", "remedy",
"fixes": [{"title", "settings"}]: settings that a click or `-s` can change}

A plan has the same documents (`Plan.warnings`): what is known before the start is shown before the start, with the same texts.
"""

from typing import Any

NO_TRAINED_TOKENS = "no tokens to train are left within the maximum length"
SAME_ANSWERS = "both answers are the same within the maximum length"
NO_CALLS = "the model's chat template does not support the tool calls of its answers"
NO_REASONING = "the model's chat template does not support reasoning, and the answer contains nothing else"
NO_SYSTEM = "the model's chat template does not support system messages"
PARTS = {"tools": "tools", "reasoning_content": "reasoning", "tool_calls": "tool calls"}  # what a chat template may leave out
MOST = 50  # warnings per run; the oldest are dropped
OVER_OPTIMIZATION = ("over_optimization", "answers_less_likely", "answers_longer", "validation_margin_falls", "pairs_trivial")
SEVERITIES = ("info", "warning", "error")


def make(
    name: str, message: str, remedy: str, *, step: int | None = None, severity: str = "warning", fixes: list[dict] | None = None
) -> dict[str, Any]:
    """Build a warning; ValueError for an unknown severity."""
    if severity not in SEVERITIES:
        raise ValueError(f"{severity!r} is not one of {SEVERITIES}")
    return {"name": name, "step": step, "severity": severity, "message": message, "remedy": remedy, "fixes": fixes or []}


def add(old: Any, new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge two lists: a warning with the same name and step replaces the old one. `old` may be anything read from disk."""
    known = {(w.get("name"), w.get("step")): w for w in read(old)}
    for warning in new:
        known.pop((warning["name"], warning["step"]), None)
        known[warning["name"], warning["step"]] = warning
    return list(known.values())[-MOST:]


def read(found: Any) -> list[dict[str, Any]]:
    """Return the warnings from the content of status.json, each with all its keys."""
    listed = [w for w in found if isinstance(w, dict) and w.get("message")] if isinstance(found, list) else []
    empty = {"name": "unknown", "step": None, "severity": "warning", "message": "", "remedy": "", "fixes": []}
    return [{k: w.get(k, default) for k, default in empty.items()} for w in listed]


def by_severity(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return warnings with the most severe first, else in their order."""
    return sorted(found, key=lambda w: -SEVERITIES.index(w["severity"]) if w["severity"] in SEVERITIES else 0)


def signs(found: list[dict[str, Any]]) -> list[str]:
    """Return the sentences about over-optimization, which `tunesmith show` has listed on their own from the start."""
    return [sentence(w) for w in found if w["name"] in OVER_OPTIMIZATION]


# --- warnings about rows ----------------------------------------------------------------------------------------------------


def of_rows(prepared: dict[str, Any], max_length: int | None, fixes: dict[str, list[dict]] | None = None) -> list[dict[str, Any]]:
    """Return the warnings about preparing the rows: truncated, left out, or not fully supported by the model's chat template.

    `prepared` is that of status.json, or what the plan expects: {"rows", "cut", "left_out": {reason: rows}, "notes", "unseen": {part: rows},
    "held_out": {"rows", "left_out"}}. `fixes`: the fixes that the plan found, by the reason why rows are left out.
    """
    out, left, fixes = [], prepared.get("left_out") or {}, fixes or {}
    total = (prepared.get("rows") or 0) + sum(left.values())
    if cut := prepared.get("cut"):
        message = f"{_share(cut, total)} are longer than the maximum length of {max_length or 0:,} tokens. They are truncated, and the rest is not trained."
        out.append(make("rows_cut", message, "Raise the maximum length, or shorten these rows.", fixes=fixes.get("cut")))
    if left:
        why = _most_common(left)
        severity = "warning" if prepared.get("rows") else "error"
        message = f"{_share(sum(left.values()), total)} are left out: {_reasons(left)}."
        out.append(make("rows_left_out", message, remedy_of(why), severity=severity, fixes=fixes.get(why)))
    validation = prepared.get("held_out") or {}
    if lost := validation.get("left_out"):
        why, n = _most_common(lost), sum(lost.values())
        severity = "warning" if validation.get("rows") else "error"
        message = f"{_share(n, n + (validation.get('rows') or 0), 'validation rows')} are left out: {_reasons(lost)}."
        out.append(make("validation_rows_left_out", message, remedy_of(why), severity=severity, fixes=fixes.get(why)))
    for part, n in (prepared.get("unseen") or {}).items():
        out.append(
            make(
                f"{part}_not_seen",
                not_seen(part, n, total),
                "Choose a model whose chat template supports it, or remove it from the data.",
            )
        )
    if notes := prepared.get("notes"):
        out.append(make("rows_changed", " ".join(notes), "Check the token preview of the data.", severity="info"))
    return out


def not_seen(part: str, rows: int, total: int) -> str:
    """Return the sentence about rows of which the model's chat template leaves a part out."""
    return f"{_share(rows, total)} contain {PARTS[part]} that the model's chat template leaves out: the model will not see them."


def without_rows(found: Any) -> list[dict[str, Any]]:
    """Return the warnings that are not about rows."""
    return [w for w in read(found) if "rows" not in w["name"] and not w["name"].endswith("_not_seen") and w["name"] != "lengths_guessed"]


def _reasons(left: dict[str, int]) -> str:
    """Return 'the reason', or for several '3 × the first reason; 1 × the second'."""
    if len(left) == 1:
        return next(iter(left))
    return "; ".join(f"{n:,} × {why}" for why, n in sorted(left.items(), key=lambda kv: -kv[1])[:5])


def _share(n: int, total: int, what: str = "rows") -> str:
    return f"{n:,} of {total:,} {what} ({n / max(1, total):.0%})"


def _most_common(left: dict[str, int]) -> str:
    return max(left, key=left.get)


def remedy_of(why: str) -> str:
    """Return what to do about rows that were left out for a reason; a longer maximum length only where that would help."""
    text = why.lower()
    if "length" in text or "too long" in text:
        return "Raise the maximum length, or shorten these rows."
    if "tool call" in text:
        return "Choose a model whose chat template supports tool calls, or leave these rows out."
    if "reasoning" in text:
        return "Choose a model whose chat template supports reasoning, or move the reasoning into the answers."
    if "system" in text:
        return "Merge the system message into the first question (fold_system=true), or choose another model."
    if any(word in text for word in ("role", "alternate", "template", "turn")):
        return "The model's chat template does not support these messages: check the order of the roles, or choose another model."
    return "Check the format and columns of the dataset, and correct these rows or leave them out."


def sentence(warning: dict[str, Any]) -> str:
    """Return a warning as one text."""
    return f"{warning['message']} {warning['remedy']}".strip()
