"""What jobs take of a device, and who may begin beside whom. Pure: the supervisor asks, and carries out the answer.

One job that needs the whole device is at work on it at a time. The leases carry their bytes, so that several runs can share a device once
the free memory is counted here too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Use(Enum):
    """How a job uses its device."""

    NOTHING = "nothing"  # it computes on the CPU beside everything else
    SHARED = "shared"  # it stays in memory, computes when it is asked, and is stopped for a run
    WHOLE = "whole"  # one of these at a time on a device
    IDLE = "idle"  # it gives a true result only while nothing else computes or waits for a device


@dataclass(frozen=True)
class Lease:
    """A job's claim on a device: `bytes` of its memory at most (0: not known)."""

    device: str
    use: Use
    bytes: int = 0


def may_begin(wanted: Lease, running: Iterable[Lease], waiting: Iterable[Lease] = ()) -> bool:
    """Return whether a job may begin beside those that run; `waiting` are the others in the queue."""
    if wanted.use is Use.WHOLE:
        return not any(r.use is Use.WHOLE and r.device == wanted.device for r in running)
    if wanted.use is Use.IDLE:
        return all(r.use is Use.SHARED for r in running) and not any(w.use is Use.WHOLE for w in waiting)
    return True
