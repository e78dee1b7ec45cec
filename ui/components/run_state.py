"""The state of a run as icon, word and colour, wherever a run is named."""

from tuner import runs
from ui.components import html
from ui.text import text

STATES = {  # (colour, icon)
    "queued": ("quiet", "queued"),
    "preparing": ("good", "running"),
    "running": ("good", "running"),
    "stopping": ("warning", "stopped"),
    "finished": ("good", "good"),
    "stopped": ("quiet", "stopped"),
    "failed": ("bad", "bad"),
    "interrupted": ("warning", "warning"),
}


def badge(state: str, troubled: bool = False) -> str:
    """Return a state as icon, word and colour; beside it that something ruins the run (HTML)."""
    colour, sign = STATES[state]
    trouble = " " + html.state("bad", text("runs-note-bad")) if troubled else ""
    return html.state(colour, text(f"runs-state-{state}"), sign) + trouble


def distinct(chosen: list[runs.Run]) -> list[str]:
    """Return the names of some runs; those that have the same are told apart by their ids."""
    names = [run.name for run in chosen]
    return [f"{run.name} ({run.id})" if names.count(run.name) > 1 else run.name for run in chosen]


def name_link(run: runs.Run, shown: str = "") -> str:
    """Return the name of a run as a link to its page; cut where there is no room, whole when it is pointed at (HTML). `shown`: other words."""
    name = html.escape(shown or run.name)
    return f'<a class="ts-name" href="runs?run={html.escape(run.id)}" data-page="runs" translate="no" title="{name}">{name}</a>'
