"""What differs between runs: the settings, and what came of them."""

from typing import Any

from tuner import runs
from tuner.settings import methods, run_config
from ui.components import html, run_state, units
from ui.components.html import escape
from ui.text import term, text


def differences(chosen: list[runs.Run]) -> str:
    """Return a table of the settings in which runs differ, and their best validation loss (HTML)."""
    if len(chosen) < 2:
        return f'<p class="ts-quiet">{escape(text("runs-choose-two"))}</p>' if chosen else ""
    keys = dict.fromkeys(k for r in chosen for k in r.plan["settings"])
    rows = [
        (term("setting", "model"), *[r.brief["model"] for r in chosen]),
        (term("setting", "data"), *[r.config.get("data") for r in chosen]),
    ]
    rows += [(term("setting", k), *[value(k, r.plan["settings"].get(k)) for r in chosen]) for k in keys]
    different = [row for row in rows if len(set(map(str, row[1:]))) > 1]
    different += measured(chosen)
    losses = ["" if r.best is None else units.decimal(r.best) for r in chosen]
    return html.table([text("runs-differs"), *run_state.distinct(chosen)], [*different, (text("runs-best-loss"), *losses)])


def measured(chosen: list[runs.Run]) -> list[tuple[str, ...]]:
    """Return the rows of the newest scorecards: what each says, on which rows, and its metrics."""
    cards = [next(iter(runs.scorecards(r.path)), None) for r in chosen]
    if not any(cards):
        return []
    verdicts = [text(f"evaluation-{c['verdict']}") if c and c.get("verdict") else "" for c in cards]
    rows = [f"{units.count(c['rows'])} · {c['data']}" if c else "" for c in cards]
    names = dict.fromkeys(name for c in cards if c for name in c["metrics"])
    shown = [[units.decimal(c["metrics"][name]["value"]) if c and name in c["metrics"] else "" for c in cards] for name in names]
    metrics = [(text(f"metric-{name.replace('_', '-')}"), *values) for name, values in zip(names, shown, strict=True)]
    return [(text("runs-evaluation"), *verdicts), (text("runs-evaluation-rows"), *rows), *metrics]


def value(name: str, stored: Any) -> str:
    """Return a setting as it is read: a method by its title, a switch as on or off, numbers with few digits."""
    if name == "method" and stored in methods.METHODS:
        return methods.get(stored).title
    if isinstance(stored, bool):
        return text("on" if stored else "off")
    if isinstance(stored, float):
        return units.decimal(stored)
    shown = run_config.shown(name, stored)
    return ", ".join(shown) if isinstance(shown, list) else "" if shown is None else str(shown)
