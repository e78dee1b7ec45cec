"""What a device reaches: measured once by workers/device_benchmark.py, and from data sheets until then.

The measurement lies in the machine's folder under the device's name, torch's version and the number of threads, for it holds for these
alone. `jobs/benchmarks.py` has it made.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tuner import paths
from tuner.devices import detection
from tuner.devices.detection import Device

RESULT = "ceilings.json"  # what a benchmark writes in its folder
LAYER = {"cuda": 0.5e-3, "mps": 1e-3, "cpu": 0.5e-3}  # s, of one small layer forwards and backwards, until it is measured
SUSTAINED = 0.75  # the share of a data sheet's figure that large products reach
NARROW = 8  # how much slower a card computes in fp32 than its sheet says of 16 bits (L4 4, T4 8, H100 15)


@dataclass(frozen=True)
class Roofline:
    """`fp32`, `bf16` in FLOP/s of matrix products, `bandwidth` in bytes/s, `layer` the fixed seconds of one layer forwards and backwards;
    `measured` when (ISO 8601), None from data sheets."""

    fp32: float
    bf16: float
    bandwidth: float
    layer: float
    measured: str | None = None


def of(device: Device) -> Roofline:
    """Of a device: as measured, else from data sheets (a CPU: from a short product in numpy)."""
    found = paths.read_json(folder(device) / RESULT) or {}
    if all(isinstance(found.get(name), (int, float)) and found[name] > 0 for name in ("fp32", "bf16", "bandwidth", "layer")):
        return Roofline(found["fp32"], found["bf16"], found["bandwidth"], found["layer"], found.get("measured") or "unknown")
    return on_paper(device)


def on_paper(device: Device) -> Roofline:
    wide = device.tflops * 1e12 * (1 if device.kind == "cpu" else SUSTAINED)
    if device.kind == "cpu":  # whose 16 bits are told by nobody: twice fp32 where there are instructions for them
        return Roofline(wide, wide * (2 if device.bf16 else 0.1), device.bandwidth, LAYER["cpu"])
    return Roofline(wide / NARROW, wide if device.bf16 else wide / NARROW / 8, device.bandwidth, LAYER[device.kind])


def folder(device: Device, machine: Path | None = None) -> Path:
    """Where a probe of that device works and leaves what it measured."""
    words = f"{device.name} torch {detection.torch_build()['version']} {detection.threads()} threads"
    return (machine or paths.machine_folder()) / "probe" / re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")
