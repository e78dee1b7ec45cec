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


def sentence(warning: dict[str, Any]) -> str:
    """Return a warning as a person reads it."""
    return f"{warning['message']} {warning['remedy']}".strip()
