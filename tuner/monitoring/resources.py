"""Findings about the speed of a run, its memory and its disk."""

from typing import Any

import numpy as np

from tuner.formatting import human_bytes
from tuner.monitoring.facts import Facts
from tuner.monitoring.history import History
from tuner.runs.run_warnings import make

STEPS, FIRST = 20, 3  # steps that are compared; the first ones compile and allocate
SLOWER = 0.5  # of the speed at the start
WAITED = 0.3  # share of a step's time
LONG = 100  # steps before memory that grows is more than rows of changing length
GROWTH, LEAST = 1.02, 256 * 2**20  # from quarter to quarter, and bytes in all


def slower_steps(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a speed in tokens per second that has fallen to less than half."""
    steps, values = history.series("tokens_per_second", f.step)
    if len(values) < FIRST + 2 * STEPS:
        return None
    first, now = np.median(values[FIRST : FIRST + STEPS]), np.median(values[-STEPS:])
    if now > SLOWER * first:
        return None
    message = f"Training has become slower: {first:,.0f} tokens per second at first, {now:,.0f} now."
    remedy = "Another program may use the same device, or the computer may be too hot or on battery. On Windows, close what uses the memory of the GPU."
    return make("slower_steps", message, remedy, step=int(steps[-STEPS]))


def waits_for_data(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a device that waits for rows."""
    if f.waited < WAITED:
        return None
    message = f"{f.waited:.0%} of the training time is spent on fetching rows; the device waits meanwhile."
    return make("waits_for_data", message, "Move the workspace to a faster disk, or end what else uses this computer.", step=f.step)


def memory_grows(history: History, f: Facts) -> dict[str, Any] | None:
    """Find memory that grows from quarter to quarter of the run, and would not suffice until its end."""
    _, values = history.series("memory_bytes", f.step)
    if len(values) < LONG or not f.memory_free:
        return None
    quarters = [part.max() for part in np.array_split(values, 4)]
    grows = all(b > GROWTH * a for a, b in zip(quarters, quarters[1:], strict=False)) and quarters[3] - quarters[1] > LEAST
    at_end = quarters[3] + (quarters[3] - quarters[1]) / (f.step / 2) * max(0, f.steps - f.step)
    if not grows or at_end <= f.memory_free:
        return None
    message = (
        f"The memory of the run grows: {human_bytes(quarters[1])} in the first half, {human_bytes(quarters[3])} now. At this rate it will not "
        f"suffice until the last step ({human_bytes(f.memory_free)})."
    )
    return make(
        "memory_grows", message, "Stop the run and resume it: a new process starts with little memory, and nothing is lost.", step=f.step
    )


def disk_will_fill(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a disk that can't hold the next checkpoint and the model."""
    if f.disk_free is None or f.disk_needed is None or f.disk_free >= f.disk_needed:
        return None
    message = f"The disk will be full before the run ends: {human_bytes(f.disk_free)} are free, the next checkpoint and the model need {human_bytes(f.disk_needed)}."
    return make("disk_will_fill", message, "Free some of the disk now. The run then goes on by itself.", step=f.step, severity="error")
