"""All findings about a run from its metrics, in the order in which they matter."""

from collections.abc import Callable
from typing import Any

from tuner.monitoring import losses, over_optimization, resources
from tuner.monitoring.facts import Facts
from tuner.monitoring.history import History
from tuner.runs import run_warnings

Finding = dict[str, Any]  # see `run_warnings.make`
LOOKS: dict[str, Callable[[History, Facts], Finding | None]] = {
    "worse_than_baseline": losses.worse_than_baseline,
    "loss_rises": losses.loss_rises,
    "memorized": losses.memorized,
    "validation_loss_rises": losses.validation_loss_rises,
    "loss_flat": losses.loss_flat,
    "gradient_spikes": losses.gradient_spikes,
    "slower_steps": resources.slower_steps,
    "waits_for_data": resources.waits_for_data,
    "memory_grows": resources.memory_grows,
    "disk_will_fill": resources.disk_will_fill,
    **over_optimization.LOOKS,
}
NAMES = frozenset(LOOKS)


def look(history: History, facts: Facts) -> list[Finding]:
    """Return the findings that hold at step `facts.step`; [] for a run without trouble."""
    found = [about(history, facts) for about in LOOKS.values()]
    known = {f["name"] for f in found if f}
    return [f for f in found if f and not (f["name"] == "validation_loss_rises" and "memorized" in known)]


def merged(old: Any, found: list[Finding]) -> list[Finding]:
    """Return a run's warnings with these findings instead of the earlier ones; one that still holds keeps the step at which it was first made."""
    before = run_warnings.read(old)
    first = {w["name"]: w["step"] for w in before if w["name"] in NAMES}
    others = [w for w in before if w["name"] not in NAMES]
    return run_warnings.add(others, [f | {"step": first.get(f["name"], f["step"])} for f in found])
