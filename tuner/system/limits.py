"""Limits that a worker sets on itself before it reads a stranger's file: memory, and time without progress.

Both hold against native code, which no exception reaches. Memory: RLIMIT_AS on Linux makes an allocation fail, and a thread watches the
resident size everywhere. Time: `faulthandler` ends the process from a thread in C, which needs no lock of Python's. What ended it stands
in files of the job's folder, so that a page that was started anew can say it too: `limits.json` what was allowed, `fault.log` what broke.
"""

import contextlib
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tuner import paths
from tuner.errors import DataError, MemoryShortError, TunerError

ADDRESSES = sys.platform.startswith("linux")
if ADDRESSES:
    import resource

STILL = 120.0  # seconds without progress; the slowest honest step is a workbook of 2 GB of XML, which takes 40 s
LEAST, MOST = 2 << 30, 6 << 30  # bytes that a reader may take: CSV of 2 GB streams in 0.6, Parquet in a single row group of 1.2 GB in 1.8
SHARE = 0.6  # of the memory that is free when it begins
RESERVED = 3 << 30  # bytes of addresses that allocators and threads set aside and never fill (pyarrow's alone: 1 GiB)
EVERY = 0.1  # seconds between two looks at the resident size
FAULTS, TOLD = "fault.log", "limits.json"

NO_MEMORY = ("memory allocation of", "bad_alloc", "annot allocate memory")  # what Rust, C++ and the system say as they end

_armed: dict = {}  # "folder", "file", "memory", "still", "at": what this process is held to


def hold(folder: Path, *, still: float | None = STILL) -> None:
    """Hold this process to its limits from now on; `still` in seconds, None where a wait for others is no standstill."""
    memory = allowance()
    _armed.update(memory=memory, still=still)
    move(folder)
    _limit_addresses(memory)
    threading.Thread(target=_watch, args=(memory,), daemon=True).start()


def move(folder: Path) -> None:
    """Tell in this folder what ends the process from now on."""
    faulthandler.cancel_dump_traceback_later()
    _armed.update(file=open(folder / FAULTS, "w", encoding="utf-8"), folder=folder, at=0.0)
    _tell(_armed["memory"])
    faulthandler.enable(_armed["file"])
    alive()


def allowance() -> int:
    """Bytes that a reader may take beside what it has: a share of what is free, within bounds."""
    import psutil

    return int(min(MOST, max(LEAST, SHARE * psutil.virtual_memory().available)))


def alive() -> None:
    """Say that there is progress; where no limit is held this costs nothing."""
    if not _armed.get("still"):
        return
    now = time.monotonic()
    if now - _armed["at"] > 0.5:
        _armed["at"] = now
        faulthandler.dump_traceback_later(_armed["still"], exit=True, file=_armed["file"])


def waiting(still: float | None) -> None:
    """Another limit of time from now on: None while others are waited for (a download), seconds once they are done."""
    if not _armed:
        return
    faulthandler.cancel_dump_traceback_later()
    _armed.update(still=still, at=0.0)
    alive()


@contextlib.contextmanager
def within(memory: int) -> Iterator[None]:
    """Hold native code to fewer bytes for a while, where it is known how many its input can honestly need."""
    if not _armed or memory >= _armed["memory"] or not ADDRESSES:
        yield
        return
    before = _limit_addresses(memory, 0)
    _tell(memory)
    try:
        yield
    finally:
        _tell(_armed["memory"])
        resource.setrlimit(resource.RLIMIT_AS, before)


def _tell(memory: int) -> None:
    paths.write_json(_armed["folder"] / TOLD, {"memory": memory, "still": _armed["still"]})


def _limit_addresses(memory: int, reserved: int = RESERVED) -> tuple[int, int] | None:
    """The limit that held before. RLIMIT_AS counts addresses, not pages: what is mapped now, what is allowed, what allocators set aside."""
    if not ADDRESSES:
        return None  # elsewhere it does not hold (macOS) or is not there (Windows): the watching thread does it alone
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wished = mapped + memory + reserved
    resource.setrlimit(resource.RLIMIT_AS, (min([wished, *(bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY)]), hard))
    return soft, hard


def _watch(memory: int) -> None:
    """End the process when its resident size is beyond what is allowed; where native code keeps Python's lock, RLIMIT_AS is left."""
    import psutil

    this = psutil.Process()
    begun = this.memory_info().rss
    while this.memory_info().rss - begun < memory:
        time.sleep(EVERY)
    (_armed["folder"] / FAULTS).write_text("Memory limit\n", encoding="utf-8")
    os._exit(3)


# --- what ended a process ---------------------------------------------------------------------------------------------------------


def why(folder: Path, what: str, kept: str) -> TunerError | None:
    """The limit that ended the process of this folder, or the crash of a library; None when nothing of the kind is on record.

    `what` names the file, `kept` says in a sentence what is left of the work.
    """
    told, faults = paths.read_json(folder / TOLD, {}), _text(folder / FAULTS)
    log = _text(folder / "worker.log")
    if faults.startswith("Memory limit") or any(words in log for words in NO_MEMORY):
        return memory_short(what, kept, told.get("memory"))
    if faults.startswith("Timeout"):
        return too_slow(what, kept, told.get("still") or STILL)
    return crashed(what, kept) if faults.startswith("Fatal Python error") else None


def memory_short(what: str, kept: str, memory: int | None = None) -> TunerError:
    """The error of a reader that came to its limit of memory, in bytes."""
    most = f"the {memory / 1e9:.1f} GB of memory that" if memory else "the memory that"
    return MemoryShortError(
        f"{what} needs more than {most} one import may take. {kept}",
        asked=what,
        available=f"{memory / 1e9:.1f} GB" if memory else "the memory that is free",
        remedy="Save it as CSV or as one JSON object per line, which are read piece by piece, or import a part of it. Closing other programs helps when memory is short.",
    )


def too_slow(what: str, kept: str, still: float) -> TunerError:
    """The error of a reader that made no progress for `still` seconds."""
    return DataError(
        f"Reading {what} made no progress for {still:,.0f} seconds, so it was ended. {kept}",
        asked=what,
        available=f"files in which a row comes at least every {still:,.0f} seconds",
        remedy="Save it as CSV or as one JSON object per line, or import a part of it. On a slow network disk, copy it to this computer first.",
    )


def crashed(what: str, kept: str) -> TunerError:
    """The error of a reader whose library was brought down by the file."""
    return DataError(
        f"{what} is damaged in a way that broke the library that reads it. {kept}",
        asked=what,
        available="whole files, as the program that made them saves them",
        remedy="Open it in that program and save it again as CSV or as one JSON object per line.",
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
