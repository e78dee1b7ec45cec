"""What a device reaches: measured once by workers/probe.py, and from data sheets until then.

The measurement lies in the machine's folder under the device's name, torch's version and the number of threads, for it holds for these
alone. The supervisor starts a probe when nothing else is at work; `ask` only puts it into the queue.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from tuner import hardware, paths, runs, supervisor
from tuner.errors import ConflictError, DeviceError
from tuner.hardware import Device
from tuner.paths import Workspace

LAYER = {"cuda": 0.5e-3, "mps": 1e-3, "cpu": 0.5e-3}  # s, of one small layer forwards and backwards, until it is measured
SUSTAINED = 0.75  # the share of a data sheet's figure that large products reach
BUSY, AGAIN = 0.25, 3600  # the share of the processor that others took during a probe, from which it is done again after so many seconds
NARROW = 8  # how much slower a card computes in fp32 than its sheet says of 16 bits (L4 4, T4 8, H100 15)


@dataclass(frozen=True)
class Ceilings:
    """`fp32`, `bf16` in FLOP/s of matrix products, `bandwidth` in bytes/s, `layer` the fixed seconds of one layer forwards and backwards;
    `measured` when (ISO 8601), None from data sheets."""

    fp32: float
    bf16: float
    bandwidth: float
    layer: float
    measured: str | None = None


def of(device: Device) -> Ceilings:
    """Of a device: as measured, else from data sheets (a CPU: from a short product in numpy)."""
    found = paths.read_json(folder(device) / supervisor.PROBED) or {}
    if all(isinstance(found.get(name), (int, float)) and found[name] > 0 for name in ("fp32", "bf16", "bandwidth", "layer")):
        return Ceilings(found["fp32"], found["bf16"], found["bandwidth"], found["layer"], found.get("measured") or "unknown")
    return on_paper(device)


def on_paper(device: Device) -> Ceilings:
    wide = device.tflops * 1e12 * (1 if device.kind == "cpu" else SUSTAINED)
    if device.kind == "cpu":  # whose 16 bits are told by nobody: twice fp32 where there are instructions for them
        return Ceilings(wide, wide * (2 if device.bf16 else 0.1), device.bandwidth, LAYER["cpu"])
    return Ceilings(wide / NARROW, wide if device.bf16 else wide / NARROW / 8, device.bandwidth, LAYER[device.kind])


def folder(device: Device, machine: Path | None = None) -> Path:
    """Where a probe of that device works and leaves what it measured."""
    words = f"{device.name} torch {hardware.torch_build()['version']} {hardware.threads()} threads"
    return (machine or paths.machine_folder()) / "probe" / re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-")


def ask(ws: Workspace, device: Device) -> None:
    """See that the device gets measured, once and in the background; TUNESMITH_PROBE=0 forbids it. Returns at once."""
    place = folder(device, ws.machine_folder())
    if os.environ.get("TUNESMITH_PROBE") == "0" or not hardware.torch_build()["version"] or _good(place):
        return
    if not _failed(place):
        _submit(ws, device, place)


def _good(place: Path) -> bool:
    """Whether a measurement lies there that was not taken beside other programs, or not long ago."""
    found = paths.read_json(place / supervisor.PROBED)
    if found is None:
        return False
    return (found.get("others") or 0) < BUSY or time.time() - (place / supervisor.PROBED).stat().st_mtime < AGAIN


def _failed(place: Path) -> bool:
    """Whether a probe ended there without a result today: what fails once would fail with each plan."""
    log = place / "worker.log"
    if (place / supervisor.PROBED).exists():
        return False
    return log.exists() and log.stat().st_size > 0 and time.time() - log.stat().st_mtime < 24 * 3600


def _submit(ws: Workspace, device: Device, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    supervisor.submit(ws, "probe", place, device.id)


def measure(ws: Workspace, device: Device, patience: float = 90.0) -> Ceilings:
    """Measure now and wait for it. ConflictError while a run is live, DeviceError when there is nothing after `patience` seconds."""
    if live := [r.name for r in runs.listing(ws) if r.live]:
        raise ConflictError(
            f"The run {live[0]} is under way: measured beside it, {device.name} would seem slow.",
            asked=device.id,
            available="a device that nothing works on",
            remedy="Try again when it has ended.",
            field="device",
        )
    place = folder(device, ws.machine_folder())
    before, end = _stamp(place), time.monotonic() + patience
    _submit(ws, device, place)
    while _stamp(place) == before:
        if time.monotonic() > end:
            raise DeviceError(
                f"{device.name} could not be measured within {patience:.0f} seconds.",
                asked=device.id,
                available="a device that nothing works on",
                remedy=f"Try again when the computer is idle; the log is {place / 'worker.log'}.",
                field="device",
            )
        time.sleep(0.1)
    return of(device)


def _stamp(place: Path) -> int | None:
    """When the result was written, in ns."""
    file = place / supervisor.PROBED
    return file.stat().st_mtime_ns if file.exists() else None
