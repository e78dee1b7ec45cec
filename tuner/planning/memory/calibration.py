"""What runs really took beside what was predicted: ratios by device, technique and size of model, and the correction that they make.

peaks.json in the machine's folder keeps the last ratios of each bucket. A ratio is what was measured over the prediction without any
correction, so that corrections never stand on each other. No torch.
"""

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

from tuner import paths

KEPT = 20  # ratios of a bucket
RATIOS = (0.25, 4.0)  # what lies beyond was no measure of the formula
FACTORS = (0.7, 1.6)  # a correction never goes further: beyond that the formula is wrong, and more runs don't mend it
ENOUGH = 4  # steps of a run that teaches: the optimizer's states are there, and rows of more than one length were read
NEAR = 64  # tokens: the planner rounds the maximum length up to the next multiple
CAUTION = 3  # as many runs are imagined beside the real ones to which the prediction was right, before less is believed
GROUPS = {"full": "whole", "last_layers": "whole", "qlora": "packed"}  # techniques that use memory in the same way; all others are "added"


@dataclass(frozen=True)
class Correction:
    """`factor` on a predicted peak (1.03: three hundredths more), learnt from so many `runs`."""

    factor: float = 1.0
    runs: int = 0


def bucket(method: str, parameters: int) -> str:
    """Runs that teach each other: the program itself is most of a toy's memory, and next to nothing of a large model's."""
    return f"{GROUPS.get(method, 'added')}-1e{round(math.log10(max(1, parameters)))}"


def correction(device_name: str, kind: str, method: str) -> Correction:
    """What runs of a bucket (`method`, see `bucket`) taught about the device of that name and kind (cpu, cuda, mps).

    That more is needed is believed at once, that less is needed by and by: the first costs a little speed, the second a run.
    """
    if not (known := _ratios().get(f"{device_name}|{kind}|{method}")):
        return Correction()
    middle = median(math.log(r) for r in known)  # one odd run moves it little
    middle *= len(known) / (len(known) + CAUTION) if middle < 0 else 1.0
    return Correction(round(_within(math.exp(middle), FACTORS), 4), len(known))


def words(found: Correction) -> str:
    """'on this machine: +3% from 12 runs'; empty without runs."""
    return f"on this machine: {found.factor - 1:+.0%} from {found.runs} {'run' if found.runs == 1 else 'runs'}" if found.runs else ""


def corrected(terms: dict[str, int], factor: float) -> dict[str, int]:
    """The terms of an estimate in bytes whose sum is `factor` times as large: the difference goes into the gaps, which are never below 0."""
    total = sum(terms.values())
    return terms | {"fragmentation": max(0, terms.get("fragmentation", 0) + round(total * factor) - total)}


def taken(measured: dict[str, Any], breakdown: dict[str, int]) -> int | None:
    """Bytes of the device that a process took at its peak, the figure to hold beside a plan's `peak_bytes`; None where nobody knows.

    On a card what torch reserved and the program itself (as the driver counts it where it tells, else as predicted); on a CPU the process.
    """
    reserved, process = measured.get("reserved_bytes"), measured.get("process_bytes")
    return process if reserved is None else max(process or 0, reserved + (0 if process else breakdown["context"]))


def least(measured: dict[str, Any], breakdown: dict[str, int]) -> int | None:
    """Bytes without which it can't be done: on a card torch gives back what it reserved for nothing before it fails."""
    allocated = measured.get("allocated_bytes")
    return measured.get("process_bytes") if allocated is None else allocated + breakdown["context"]


def learn(device_name: str, kind: str, method: str, ratio: float) -> None:
    """Remember measured over predicted bytes (the prediction without a correction) of one run of the bucket `method`."""
    key, known = f"{device_name}|{kind}|{method}", _ratios()
    known[key] = [*known.get(key, []), round(_within(ratio, RATIOS), 4)][-KEPT:]
    paths.write_json(paths.machine_folder() / "peaks.json", {"ratios": known})


def teach(plan: dict[str, Any], measured: dict[str, Any], *, steps: int, epochs: float, longest: int) -> bool:
    """Learn from a run that ended well after `steps` steps of its only process; `longest` of its rows in tokens. Whether it taught.

    A run that has not read all rows, or whose rows were all much shorter than planned, may tell that more was needed and never that less.
    """
    predicted, s = plan.get("uncorrected_bytes"), plan["settings"]
    if not predicted or steps < ENOUGH or not (took := taken(measured, plan["breakdown"])):
        return False
    full = epochs >= 1 and (s.get("packing") or longest > s["max_length"] - NEAR or longest >= 0.8 * s["max_length"])
    if took < predicted and not full:
        return False
    learn(plan["device_name"], plan["device"].partition(":")[0], bucket(s["method"], plan["total_parameters"]), took / predicted)
    return True


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(bounds[1], max(bounds[0], value))


def _ratios() -> dict[str, list[float]]:
    return (paths.read_json(paths.machine_folder() / "peaks.json") or {}).get("ratios") or {}
