"""What a run would lose of its rows, known before it starts: announced, and beyond a hundredth asked about.

A person who chose the maximum length chose what it cuts. What nobody chose and costs more than `ASK` of the rows is asked: the run starts
when a fix is taken, or with accept_lost_rows. Without a single training row, or validation row where some were set aside, it can't start.
"""

from typing import Any

from tuner.errors import SettingError
from tuner.models import ModelFacts
from tuner.planning.decisions import Choices
from tuner.runs import run_warnings
from tuner.settings.methods import SOFT

ASK = 0.01  # of the rows
FOLD = {"title": "Fold the system turns into the first question", "settings": {"fold_system": True}}
ACCEPT = {"title": "Train without them", "settings": {"accept_lost_rows": True}}


def warnings(prepared: dict[str, Any], c: Choices, facts: ModelFacts, longest: int) -> list[dict[str, Any]]:
    """Return the plan's warnings about rows, each with the settings that would mend it."""
    room = facts.context - (c["virtual_tokens"] if c["method"] in SOFT else 0)
    need = min(room, -(-longest // 64) * 64)
    longer = (
        [{"title": f"Maximum length {c['max_length']:,} → {need:,}", "settings": {"max_length": need}}] if need > c["max_length"] else []
    )
    fixes = {run_warnings.NO_SYSTEM: [FOLD], "cut": longer} | {why: longer for why in prepared["left_out"] if "maximum length" in why}
    return run_warnings.of_rows(prepared, c["max_length"], fixes)


def refusal(prepared: dict[str, Any], found: list[dict[str, Any]], c: Choices) -> SettingError | None:
    """Return the error of a run that can't start so, or must be asked about first; None when nothing much is lost."""
    hard = [w for w in found if w["severity"] == "error"]
    asked = [] if c.values.get("accept_lost_rows") else asks(prepared, found, c)
    told = hard + [w for w in asked if w not in hard]
    if not told:
        return None
    fixes = [f for w in told for f in w["fixes"]] + ([] if hard else [ACCEPT])
    offers = "; ".join(f"{f['title']} ({_as_settings(f['settings'])})" for f in {f["title"]: f for f in fixes}.values())
    return SettingError(
        " ".join(w["message"] for w in told),
        asked=f"{prepared['rows'] + sum(prepared['left_out'].values()):,} training rows",
        available=offers or "rows that the model takes",
        remedy=" ".join(dict.fromkeys(w["remedy"] for w in told)) + (" Or train without them: accept_lost_rows=true." if not hard else ""),
        field="accept_lost_rows" if not hard else "data",
    )


def asks(prepared: dict[str, Any], found: list[dict[str, Any]], c: Choices) -> list[dict[str, Any]]:
    """Return the warnings that must be agreed to: more than `ASK` of the rows, and nobody chose it."""
    total = max(1, prepared["rows"] + sum(prepared["left_out"].values()))
    held = prepared["held_out"]
    lost = {
        "rows_cut": 0 if c.by["max_length"][0] == "you" else prepared["cut"] / total,
        "rows_left_out": sum(prepared["left_out"].values()) / total,
        "validation_rows_left_out": sum(held["left_out"].values()) / max(1, held["rows"] + sum(held["left_out"].values())),
    } | {f"{part}_not_seen": n / total for part, n in prepared["unseen"].items()}
    return [w for w in found if lost.get(w["name"], 0) > ASK]


def _as_settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items())
