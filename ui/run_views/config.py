"""The config of a run: each setting with its value, who chose it, and why."""

from tuner import runs
from ui.components import html
from ui.text import term, text


def table(run: runs.Run) -> str:
    """Return all settings of a run as a table (HTML)."""
    rows = [
        (term("setting", r["setting"]) if r in run.plan["reasons"] else r["setting"], r["value"], r["by"], r["reason"])
        for r in [*run.plan["reasons"], *run.plan.get("fixed", [])]
    ]
    return html.table([text(f"runs-head-{name}") for name in ("setting", "value", "by", "reason")], rows)
