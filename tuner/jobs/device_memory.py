"""The memory of devices as it is now, and what jobs have taken of it: asked once for all jobs that are looked at together.

A chat claims the memory of each model that it loads (`claim`), in the same ledger as runs: the column `bytes` of the queue.
"""

import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from tuner import devices
from tuner.errors import DeviceError, MemoryShortError
from tuner.formatting import human_bytes
from tuner.jobs import leases, queue
from tuner.jobs.leases import Lease, Memory

FRESH = 0.5  # seconds for which a figure is good


class DeviceMemory:
    """Figures of devices that are at most half a second old."""

    def __init__(self):
        self.known: dict[str, tuple[float, devices.Device | None]] = {}

    def device(self, id: str) -> devices.Device | None:
        """Return a device as it is now; None for one that does not answer."""
        at, found = self.known.get(id, (-FRESH, None))
        if time.monotonic() - at > FRESH:
            try:
                found = devices.get(id)
            except DeviceError:
                found = None
            self.known[id] = time.monotonic(), found
        return found

    def memory(self, id: str) -> Memory | None:
        """Return the memory of a device; None for one that does not answer."""
        found = self.device(id)
        return Memory(found.total, found.free) if found else None

    def allowed(self, id: str) -> bool:
        """Return whether this process may use a device."""
        return devices.allowed(id)

    def in_use(self, lease: Lease, pid: int | None) -> Lease:
        """Return a lease with what its process has taken."""
        found = self.device(lease.device)
        return replace(lease, used=used(found, pid)) if found and pid else lease


def used(device: devices.Device, pid: int) -> int:
    """Return the bytes that a process and those it started have taken of a device; 0 where nobody knows."""
    try:
        main = psutil.Process(pid)
        family = [main, *main.children(recursive=True)]
    except psutil.Error:
        family = []
    if device.kind == "cuda":
        return sum(devices.used_by(device, p) for p in {pid, *(process.pid for process in family)})
    total = 0
    for process in family:
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def claim(machine: Path, folder: Path, device_id: str, needed: int, pid: int) -> None:
    """Claim `needed` more bytes of a device for the job in `folder`, whose process is `pid`; MemoryShortError when runs hold them.

    What no run holds may be claimed in any case: other programs may give back what they have.
    """
    memory = DeviceMemory()
    with closing(queue.connect(machine)) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            running = queue.jobs(db, "running")
            mine = next((job for job in running if job.folder == folder), None)
            device = memory.device(device_id)
            if mine is None or device is None:
                return
            others = [
                memory.in_use(lease, j.pid)
                for j in running
                if j.id != mine.id and j.bytes
                for lease in j.leases
                if lease.device == device_id
            ]
            left = leases.room(Memory(device.total, device.free), others)
            if needed > left and others:
                raise _held(device, needed, left, others)
            queue.set_bytes(db, mine.id, min(used(device, pid) + needed, device.total))
        finally:
            db.execute("COMMIT")


def _held(device: devices.Device, needed: int, left: int, others: list[Lease]) -> MemoryShortError:
    names = ", ".join(sorted({o.name for o in others}))
    return MemoryShortError(
        f"There is no room for this model on {device.id} while {names} is at work: it needs {human_bytes(needed)}, {human_bytes(left)} can be given.",
        asked=human_bytes(needed),
        available=f"{human_bytes(left)} of {human_bytes(device.total)}",
        remedy="Wait until it has ended, stop it, or load the model anyway.",
        field="device",
    )
