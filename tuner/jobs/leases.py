"""What jobs take of a device, and who may begin beside whom. Pure: the supervisor asks, and carries out the answer.

A lease is (device, use, bytes). What was granted never exceeds what the device has: a grant is compared with what is free now, less what
others were granted and have not taken yet. Runs share a GPU when their estimates fit together. On a CPU one run is at work at a time, since
two would slow each other down many times over; a chat stays beside it when both fit into memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from tuner.formatting import human_bytes

ELSEWHERE = "elsewhere"  # the device of a run that another computer trains: nothing here is taken
RESERVE = 0.05  # share of a device's memory that is never granted: the system's, and the driver's


class Use(Enum):
    """How a job uses its device."""

    NOTHING = "nothing"  # it computes on the CPU beside everything else
    SHARED = "shared"  # it stays in memory, computes when it is asked, and gives way to a run
    WHOLE = "whole"  # a run: alone on a CPU, beside others on a GPU where their estimates fit
    IDLE = "idle"  # it gives a true result only while nothing else computes or waits for a device


@dataclass(frozen=True)
class Lease:
    """A job's claim on a device: `bytes` of its memory at most (0: not known), of which its process has taken `used`. `name` is shown to people."""

    device: str
    use: Use
    bytes: int = 0
    used: int = 0
    name: str = ""


@dataclass(frozen=True)
class Memory:
    """The memory of a device in bytes, as it is now."""

    total: int
    free: int


@dataclass(frozen=True)
class Answer:
    """Whether a job may begin now, with `granted` bytes. `leave`: the chats on its device are asked to leave first. `waits`: for what, in words."""

    begin: bool
    granted: int = 0
    leave: bool = False
    waits: str = ""


def room(memory: Memory, running: Iterable[Lease]) -> int:
    """Return the bytes that can be granted now."""
    promised = sum(max(0, lease.bytes - lease.used) for lease in running)
    return max(0, int(memory.free - RESERVE * memory.total) - promised)


def may_begin(wanted: Lease, running: Iterable[Lease], memory: Memory | None = None, waiting: Iterable[Lease] = ()) -> Answer:
    """Return whether a job may begin beside those that run; `waiting` are the others in the queue. Without `memory` (a device that can't be
    asked) nothing shares it."""
    running = list(running)
    if wanted.use is Use.IDLE:
        quiet = all(r.use is Use.SHARED for r in running) and not any(w.use is Use.WHOLE for w in waiting)
        return Answer(quiet, waits="" if quiet else "Waiting until nothing else computes.")
    here = [r for r in running if r.device == wanted.device]
    if wanted.use is Use.WHOLE:
        return _run(wanted, here, memory)
    if not wanted.bytes or memory is None:
        return Answer(True, wanted.bytes)
    left = room(memory, here)
    if wanted.bytes <= left or not any(r.bytes for r in here):
        return Answer(True, min(wanted.bytes, left) or wanted.bytes)
    return Answer(False, waits=_for_memory(wanted, left, here))


def _run(wanted: Lease, here: list[Lease], memory: Memory | None) -> Answer:
    """Return the answer to a run, or to a dry run."""
    others, chats = [r for r in here if r.use is Use.WHOLE], [r for r in here if r.use is Use.SHARED]
    alone = wanted.device.partition(":")[0] != "cuda" or memory is None or not wanted.bytes or not all(o.bytes for o in others)
    if others and alone:
        return Answer(False, waits=f"Waiting for {_named(others)} on {wanted.device}.")
    if memory is None:
        return Answer(True, wanted.bytes)
    left = room(memory, here)
    if wanted.bytes and wanted.bytes <= left:
        return Answer(True, wanted.bytes)
    if chats and (wanted.bytes or wanted.device != "cpu"):
        return Answer(False, leave=True, waits="Waiting until a chat has left the memory.")
    if others:
        return Answer(False, waits=_for_memory(wanted, left, others))
    return Answer(True, min(wanted.bytes, left))  # alone: what it lacks, other programs hold, and it may be given back


def _for_memory(wanted: Lease, left: int, others: list[Lease]) -> str:
    held = [o for o in others if o.bytes]
    return (
        f"Waiting for memory on {wanted.device}: it needs {human_bytes(wanted.bytes)}, {human_bytes(left)} can be given. "
        f"{_named(held or others)} {'hold' if len(held) > 1 else 'holds'} {human_bytes(sum(o.bytes for o in held))}."
    )


def _named(leases: list[Lease]) -> str:
    names = [lease.name or "another job" for lease in leases]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
