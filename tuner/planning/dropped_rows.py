"""Rows that a run would truncate or drop, known before it starts: a warning, and beyond 1% a question that must be answered.

A person who chose the maximum length chose what it truncates. What nobody chose and costs more than `ASK` of the rows is asked: the run starts
when a fix is applied, or with accept_lost_rows. A run without a single training row, or without a usable validation row where some were set
aside, can't start.
"""

from typing import Any

from tuner.errors import SettingError
from tuner.models import ModelFacts
from tuner.planning.decisions import Choices
from tuner.runs import run_warnings
from tuner.settings.methods import PROMPT_METHODS

ASK = 0.01  # share of the rows
FOLD = {"title": "Merge the system message into the first question", "settings": {"fold_system": True}}
ACCEPT = {"title": "Train without them", "settings": {"accept_lost_rows": True}}


def warnings(prepared: dict[str, Any], choices: Choices, facts: ModelFacts, longest: int) -> list[dict[str, Any]]:
    """Return the plan's warnings about rows, each with the settings that would fix it."""
    settings = choices.settings
    room = facts.context - (settings.virtual_tokens if settings.method in PROMPT_METHODS else 0)
    needed = min(room, -(-longest // 64) * 64)
    longer = (
        [{"title": f"Maximum length {settings.max_length:,} → {needed:,}", "settings": {"max_length": needed}}]
        if needed > settings.max_length
        else []
    )
    fixes = {run_warnings.NO_SYSTEM: [FOLD], "cut": longer} | {why: longer for why in prepared["left_out"] if "maximum length" in why}
    return run_warnings.of_rows(prepared, settings.max_length, fixes)


def refusal(prepared: dict[str, Any], found: list[dict[str, Any]], choices: Choices) -> SettingError | None:
    """Return the error for a run that can't start, or that needs a person's consent first; None when little is lost."""
    hard = [w for w in found if w["severity"] == "error"]
    asked = [] if choices.settings.accept_lost_rows else asks(prepared, found, choices)
    reported = hard + [w for w in asked if w not in hard]
    if not reported:
        return None
    fixes = [f for w in reported for f in w["fixes"]] + ([] if hard else [ACCEPT])
    offers = "; ".join(f"{f['title']} ({_as_settings(f['settings'])})" for f in {f["title"]: f for f in fixes}.values())
    return SettingError(
        " ".join(w["message"] for w in reported),
        asked=f"{prepared['rows'] + sum(prepared['left_out'].values()):,} training rows",
        available=offers or "rows that the model takes",
        remedy=" ".join(dict.fromkeys(w["remedy"] for w in reported))
        + (" Or train without them: accept_lost_rows=true." if not hard else ""),
        field="accept_lost_rows" if not hard else "data",
    )


def asks(prepared: dict[str, Any], found: list[dict[str, Any]], choices: Choices) -> list[dict[str, Any]]:
    """Return the warnings that need consent: they concern more than `ASK` of the rows, and nobody chose the setting that causes them."""
    total = max(1, prepared["rows"] + sum(prepared["left_out"].values()))
    validation = prepared["held_out"]
    lost = {
        "rows_cut": 0 if choices.by("max_length") == "you" else prepared["cut"] / total,
        "rows_left_out": sum(prepared["left_out"].values()) / total,
        "validation_rows_left_out": sum(validation["left_out"].values())
        / max(1, validation["rows"] + sum(validation["left_out"].values())),
    } | {f"{part}_not_seen": n / total for part, n in prepared["unseen"].items()}
    return [w for w in found if lost.get(w["name"], 0) > ASK]


def _as_settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items())
