"""Correct memory predictions by measured runs: ratios of measured to predicted peak memory, by device, method and size of model.

peaks.json in the machine's folder keeps the last ratios of each bucket. A ratio is the measured peak over the uncorrected prediction, so that
corrections never build on each other. No torch.
"""

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

from tuner import paths
from tuner.settings.run_config import Settings

KEPT = 20  # ratios per bucket
RATIOS = (0.25, 4.0)  # ratios are clamped to this: more extreme ones don't measure the formula
FACTORS = (0.7, 1.6)  # corrections are clamped to this: beyond it the formula is wrong, and more runs don't fix it
ENOUGH = 4  # steps of a run that counts: the optimizer state is allocated, and rows of more than one length were read
NEAR = 64  # tokens: the planner rounds the maximum length up to the next multiple
CAUTION = 3  # imaginary runs with a correct prediction, added to the real ones before a lower prediction is trusted
GROUPS = {"full": "whole", "last_layers": "whole", "qlora": "packed"}  # methods that use memory in the same way; all others are "added"


@dataclass(frozen=True)
class Correction:
    """A `factor` for a predicted peak (1.03: 3% more), from this many `runs`."""

    factor: float = 1.0
    runs: int = 0


def bucket(method: str, parameters: int) -> str:
    """Return the bucket of runs that share a correction, by size because the CUDA context or process is most of a toy's memory."""
    return f"{GROUPS.get(method, 'added')}-1e{round(math.log10(max(1, parameters)))}"


def correction(device_name: str, kind: str, method: str) -> Correction:
    """Return the correction from the runs of a bucket (`method`, see `bucket`) on the device of this name and kind (cpu, cuda, mps).

    A higher prediction is trusted at once, a lower one gradually: an error of the first costs a little speed, of the second a run.
    """
    if not (known := _ratios().get(f"{device_name}|{kind}|{method}")):
        return Correction()
    middle = median(math.log(r) for r in known)  # one odd run changes it little
    middle *= len(known) / (len(known) + CAUTION) if middle < 0 else 1.0
    return Correction(round(_within(math.exp(middle), FACTORS), 4), len(known))


def describe(found: Correction) -> str:
    """Return 'on this machine: +3% from 12 runs'; empty without runs."""
    return f"on this machine: {found.factor - 1:+.0%} from {found.runs} {'run' if found.runs == 1 else 'runs'}" if found.runs else ""


def corrected(terms: dict[str, int], factor: float) -> dict[str, int]:
    """Return the terms of an estimate in bytes with a sum `factor` times as large: the difference goes into "fragmentation", at least 0."""
    total = sum(terms.values())
    return terms | {"fragmentation": max(0, terms.get("fragmentation", 0) + round(total * factor) - total)}


def measured_peak(measured: dict[str, Any], breakdown: dict[str, int]) -> int | None:
    """Return the peak memory of a process on the device in bytes, to compare with a plan's `peak_bytes`; None where it is unknown.

    On a GPU what torch reserved and the CUDA context (the driver's figure where there is one, else the predicted one); on a CPU the process.
    """
    reserved, process = measured.get("reserved_bytes"), measured.get("process_bytes")
    return process if reserved is None else max(process or 0, reserved + (0 if process else breakdown["context"]))


def least(measured: dict[str, Any], breakdown: dict[str, int]) -> int | None:
    """Return the bytes that are needed at least: on a GPU torch releases reserved but unused memory before it fails."""
    allocated = measured.get("allocated_bytes")
    return measured.get("process_bytes") if allocated is None else allocated + breakdown["context"]


def learn(device_name: str, kind: str, method: str, ratio: float) -> None:
    """Store the ratio of measured to predicted bytes (without a correction) of one run in the bucket `method`."""
    key, known = f"{device_name}|{kind}|{method}", _ratios()
    known[key] = [*known.get(key, []), round(_within(ratio, RATIOS), 4)][-KEPT:]
    paths.write_json(paths.machine_folder() / "peaks.json", {"ratios": known})


def record_run(plan: dict[str, Any], measured: dict[str, Any], *, steps: int, epochs: float, longest: int) -> bool:
    """Store the ratio of a run that succeeded after `steps` steps in a single process; `longest` row in tokens. Return whether it was stored.

    A run that has not read all rows, or whose rows were all much shorter than planned, may raise later predictions but never lower them.
    """
    predicted, settings = plan.get("uncorrected_bytes"), Settings.from_json(plan["settings"])
    if not predicted or steps < ENOUGH or not (measured_bytes := measured_peak(measured, plan["breakdown"])):
        return False
    full = epochs >= 1 and (settings.packing or longest > settings.max_length - NEAR or longest >= 0.8 * settings.max_length)
    if measured_bytes < predicted and not full:
        return False
    key = bucket(settings.method, plan["total_parameters"])
    learn(plan["device_name"], plan["device"].partition(":")[0], key, measured_bytes / predicted)
    return True


def record_shortage(plan: dict[str, Any], measured: dict[str, Any]) -> bool:
    """Store the ratio of a run whose memory did not suffice, if it had taken more than predicted. Return whether it was stored.

    Only what the process itself took counts: another program may have taken the rest.
    """
    predicted = plan.get("uncorrected_bytes")
    took = measured_peak(measured, plan["breakdown"]) if predicted else None
    if not predicted or not took or took <= predicted:
        return False
    key = bucket(plan["settings"]["method"], plan["total_parameters"])
    learn(plan["device_name"], plan["device"].partition(":")[0], key, took / predicted)
    return True


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(bounds[1], max(bounds[0], value))


def _ratios() -> dict[str, list[float]]:
    return (paths.read_json(paths.machine_folder() / "peaks.json") or {}).get("ratios") or {}
