"""The newest scorecard of each run as one table: for a person, a spreadsheet or a script."""

from typing import Any

from tuner import runs
from tuner.errors import RequestError
from tuner.formatting import csv_text
from tuner.paths import Workspace
from tuner.scorecard import conclusions
from tuner.scorecard.measures import OBJECTIVES

FACTS = (
    "run",
    "name",
    "model",
    "data",
    "rows",
    "against",
    "verdict",
    "prompt_enough",
    "general_right",
    "general_before",
    "general_questions",
    "made",
)
RISES = {m.name: m.rises for measures in OBJECTIVES.values() for m in measures}


def of(ws: Workspace, *, sort: str | None = None) -> list[dict[str, Any]]:
    """Return a row for each run with a scorecard: FACTS, "metrics" and "difference" {name: {"value", "low", "high"}}. The newest run comes first, or the
    best by the metric `sort`; runs without that metric come last. RequestError for a metric that none has."""
    found = [_row(run, cards[0]) for run in runs.listing(ws) if (cards := runs.scorecards(run.path))]
    if sort is None:
        return found
    if not any(sort in row["metrics"] for row in found):
        raise RequestError(
            f"No scorecard has the metric {sort!r}.",
            asked=sort,
            available=sorted({name for row in found for name in row["metrics"]}) or "no scorecard yet",
            remedy="Sort by another metric, or evaluate a run first.",
            field="sort",
        )
    sign = -1 if RISES.get(sort, True) else 1
    return sorted(found, key=lambda row: (sort not in row["metrics"], sign * row["metrics"].get(sort, {}).get("value", 0.0)))


def _row(run: runs.Run, card: dict[str, Any]) -> dict[str, Any]:
    enough = conclusions.does_as_well(card["prompted"]) if card.get("prompted") else None
    told = {"run": run.id, "name": run.name, "model": run.brief["model"], "prompt_enough": enough}
    general = card.get("general") or {}
    told |= {
        "general_right": general.get("right"),
        "general_before": general.get("baseline_right"),
        "general_questions": general.get("questions"),
    }
    told |= {name: card.get(name) for name in ("data", "rows", "against", "verdict", "made")}
    return {name: told[name] for name in FACTS} | {"metrics": card["metrics"], "difference": card.get("difference")}


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return the table as CSV: a column for each metric, its interval and its difference to what the run is compared with."""
    names = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    lines = []
    for row in rows:
        line = [row[name] for name in FACTS]
        for name in names:
            m, d = row["metrics"].get(name) or {}, (row["difference"] or {}).get(name) or {}
            line += [m.get("value"), m.get("low"), m.get("high"), d.get("value")]
        lines.append(line)
    return csv_text([*FACTS, *(c for name in names for c in (name, f"{name}_low", f"{name}_high", f"{name}_difference"))], lines)


def as_text(rows: list[dict[str, Any]]) -> str:
    """Return the table for a terminal: each run with its conclusion, and its metrics below it."""
    if not rows:
        return "No run has a scorecard yet. `tunesmith evaluate RUN` makes one."
    lines = []
    for row in rows:
        against = f"{row['verdict'] or 'measured'}, against {row['against']}" if row["against"] else "measured"
        lines.append(f"{row['run']}: {against}, {row['rows']} rows of {row['data']}")
        shown = (f"{name} {m['value']:.3f} ({m['low']:.3f} to {m['high']:.3f})" for name, m in row["metrics"].items())
        lines.append("  " + ", ".join(shown))
    return "\n".join(lines)
