"""The config of a run: each setting that had an effect, with its value, who chose it, and why."""

from tuner import runs
from tuner.planning.decisions import matters
from tuner.settings.run_config import FIELDS, Settings
from ui.components import html
from ui.run_views.compare import value
from ui.text import term, text


def table(run: runs.Run) -> str:
    """Return the settings of a run as a table (HTML); one that its method or objective doesn't use is listed only if a person chose it."""
    settings = Settings.from_json(run.plan["settings"])
    reasons = [r for r in run.plan["reasons"] if r["by"] == "you" or r["setting"] not in FIELDS or matters(r["setting"], settings)]
    rows = [(term("setting", r["setting"]), value(r["setting"], r["value"]), r["by"], r["reason"]) for r in reasons]
    rows += [(r["setting"], r["value"], r["by"], r["reason"]) for r in run.plan.get("fixed", [])]
    return html.table([text(f"runs-head-{name}") for name in ("setting", "value", "by", "reason")], rows)
