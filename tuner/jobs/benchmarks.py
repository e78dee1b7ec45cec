"""Have a device measured by workers/device_benchmark.py: once, in the background, when nothing else is at work."""

import os
import time
from pathlib import Path

from tuner import devices, paths, runs
from tuner.devices import Device, roofline
from tuner.devices.roofline import Roofline
from tuner.errors import ConflictError, DeviceError
from tuner.jobs.job import Job
from tuner.paths import Workspace

BUSY = 0.25  # the share of the processor that others took during a benchmark, from which on it is done again
AGAIN = 3600  # after so many seconds


def ask(ws: Workspace, device: Device) -> None:
    """See that the device gets measured, once and in the background; TUNESMITH_PROBE=0 forbids it. Returns at once."""
    place = roofline.folder(device, ws.machine_folder())
    if os.environ.get("TUNESMITH_PROBE") == "0" or not devices.torch_build()["version"] or _good(place):
        return
    if not _failed(place):
        _submit(ws, device, place)


def _good(place: Path) -> bool:
    """Whether a measurement lies there that was not taken beside other programs, or not long ago."""
    found = paths.read_json(place / roofline.RESULT)
    if found is None:
        return False
    return (found.get("others") or 0) < BUSY or time.time() - (place / roofline.RESULT).stat().st_mtime < AGAIN


def _failed(place: Path) -> bool:
    """Whether a probe ended there without a result today: what fails once would fail with each plan."""
    log = place / "worker.log"
    if (place / roofline.RESULT).exists():
        return False
    return log.exists() and log.stat().st_size > 0 and time.time() - log.stat().st_mtime < 24 * 3600


def _submit(ws: Workspace, device: Device, place: Path) -> Job:
    place.mkdir(parents=True, exist_ok=True)
    job = Job(ws, "probe", place)
    job.submit(device.id)
    return job


def measure(ws: Workspace, device: Device, patience: float = 90.0) -> Roofline:
    """Measure now and wait for it. ConflictError while a run is live, DeviceError when there is nothing after `patience` seconds."""
    if live := [r.name for r in runs.listing(ws) if r.live]:
        raise ConflictError(
            f"The run {live[0]} is under way: measured beside it, {device.name} would seem slow.",
            asked=device.id,
            available="a device that nothing works on",
            remedy="Try again when it has ended.",
            field="device",
        )
    place = roofline.folder(device, ws.machine_folder())
    before = _stamp(place)
    if _submit(ws, device, place).wait(lambda: _stamp(place), lambda stamp: stamp == before, seconds=patience) == before:
        raise DeviceError(
            f"{device.name} could not be measured within {patience:.0f} seconds.",
            asked=device.id,
            available="a device that nothing works on",
            remedy=f"Try again when the computer is idle; the log is {place / 'worker.log'}.",
            field="device",
        )
    return roofline.of(device)


def _stamp(place: Path) -> int | None:
    """When the result was written, in ns."""
    file = place / roofline.RESULT
    return file.stat().st_mtime_ns if file.exists() else None
