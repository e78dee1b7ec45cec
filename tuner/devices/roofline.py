"""The peak throughput of a device (roofline): measured once by workers/device_benchmark.py, from data sheets until then.

The result is kept in the machine folder by device name, torch version and number of threads, because it is only valid for these.
`jobs/benchmarks.py` starts the benchmark.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tuner import paths
from tuner.devices import detection
from tuner.devices.detection import Device

RESULT = "ceilings.json"  # the benchmark's result file
LAYER = {"cuda": 0.5e-3, "mps": 1e-3, "cpu": 0.5e-3}  # seconds for one small layer forward and backward, until it is measured
SUSTAINED = 0.75  # the share of the data sheet's figure that large matrix products reach
NARROW = 8  # how much slower fp32 is than the data sheet's 16-bit figure (L4 4, T4 8, H100 15)


@dataclass(frozen=True)
class Roofline:
    """The peak throughput of a device.

    `fp32`, `bf16`: FLOP/s of matrix products. `bandwidth`: bytes/s. `layer`: fixed seconds per layer, forward and backward. `measured`: the
    time of the benchmark (ISO 8601), None for data sheets.
    """

    fp32: float
    bf16: float
    bandwidth: float
    layer: float
    measured: str | None = None


def of(device: Device) -> Roofline:
    """Return the roofline of a device: measured, or from data sheets (CPU: from a short matrix product in numpy)."""
    found = paths.read_json(folder(device) / RESULT) or {}
    if all(isinstance(found.get(name), (int, float)) and found[name] > 0 for name in ("fp32", "bf16", "bandwidth", "layer")):
        return Roofline(found["fp32"], found["bf16"], found["bandwidth"], found["layer"], found.get("measured") or "unknown")
    return from_data_sheet(device)


def from_data_sheet(device: Device) -> Roofline:
    """Return the roofline from data sheets."""
    wide = device.tflops * 1e12 * (1 if device.kind == "cpu" else SUSTAINED)
    if device.kind == "cpu":  # without a figure for 16 bits: twice fp32 where the CPU has bf16 instructions
        return Roofline(wide, wide * (2 if device.bf16 else 0.1), device.bandwidth, LAYER["cpu"])
    return Roofline(wide / NARROW, wide if device.bf16 else wide / NARROW / 8, device.bandwidth, LAYER[device.kind])


def folder(device: Device, machine: Path | None = None) -> Path:
    """Return the folder of the device's benchmark, with its result."""
    words = f"{device.name} torch {detection.torch_build()['version']} {detection.threads()} threads"
    return (machine or paths.machine_folder()) / "probe" / re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")
