"""One harness of faults for every test that wants to know what a failure leaves behind.

Processes  `processes(ws)` names those that work for a workspace; `kill` ends several at once with SIGKILL, so that none sees another die
           and has time to tidy up; `paused` stops one (SIGSTOP) and lets it go on.
Damage     `flip` one bit, `truncate`, `empty`, `remove` a file: `DAMAGES` holds all of them by name.
Disks      `small_disk` is a file system of a few MB (tmpfs, as root), `fill` takes what is left of it; `file_limit` forbids a process
           files beyond a size (no root needed), which it meets as "File too large". `read_only` is a folder nothing can be written to,
           not even by root (a bind mount).
Memory     `memory_limit` starts a program with so little address space that libraries can't be loaded.

What needs a right that the tests don't have skips the test and says so. All of it is for POSIX systems.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import command_of, places_of, until
from tuner.paths import Workspace

# --- processes -------------------------------------------------------------------------------------------------------


def processes(ws: Workspace) -> dict[str, list[int]]:
    """Return {module: pids} of the processes that work for a workspace's machine folder: 'jobs.supervisor', 'workers.training.sft', ..."""
    found: dict[str, list[int]] = {}
    for process in psutil.process_iter():
        try:
            line = command_of(process)
            if "-m" in line and process.status() != psutil.STATUS_ZOMBIE:
                machine, output = places_of(process)
                if machine == str(ws.machine_folder()) or output.startswith((f"{ws.home}{os.sep}", f"{ws.machine_folder()}{os.sep}")):
                    found.setdefault(line[line.index("-m") + 1].removeprefix("tuner."), []).append(process.pid)
        except (psutil.Error, ValueError, OSError):
            continue  # gone by now, or another account's
    return found


def at_work(ws: Workspace, *modules: str, seconds: float = 60) -> list[int]:
    """Wait until processes of all these modules are there, and return their pids."""
    now = until(lambda: (p := processes(ws)) and all(m in p for m in modules) and p, seconds)
    return [pid for module in modules for pid in now[module]]


def kill(*pids: int) -> None:
    """End processes with SIGKILL, as one: each is stopped before the first dies."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    until(lambda: not any(_alive(pid) for pid in pids), 10)


def _alive(pid: int) -> bool:
    """Whether any thread of a process is left: the first may be a zombie while others still hold its locks."""
    try:
        if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return True
        return sys.platform == "linux" and len(os.listdir(f"/proc/{pid}/task")) > 1
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop a process for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


# --- damage ----------------------------------------------------------------------------------------------------------


def flip(file: Path, at: float = 0.5) -> None:
    """Turn over one bit of a file, at a share of its length; its size and its time stay as they are."""
    stat, data = file.stat(), bytearray(file.read_bytes())
    data[min(len(data) - 1, int(at * len(data)))] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def truncate(file: Path) -> None:
    """Cut off the second half."""
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def remove(file: Path) -> None:
    file.unlink()


DAMAGES = {f.__name__: f for f in (flip, truncate, empty, remove)}

# --- disks and memory ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a file system of `size` bytes at `folder`; unmounted at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder one that nobody can write to."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _mount(*args: str) -> None:
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("mounting a file system needs Linux and root")
    done = subprocess.run(["mount", *args], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this system mounts nothing: {done.stderr.strip()}")


def fill(folder: Path, leave: int = 0) -> Path:
    """Take all the space of the file system that `folder` is on, but `leave` bytes. Returns the file that holds it."""
    file, block = folder / "filler", 1 << 16
    with open(file, "ab", buffering=0) as f:
        while block:
            try:
                f.write(b"\0" * block)
            except OSError:
                block //= 2
    if leave:
        os.truncate(file, max(0, file.stat().st_size - leave))
    return file


def file_limit(pid: int, size: int) -> None:
    """Forbid a process to write any file beyond `size` bytes, its log among them."""
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("limits of another process are Linux's alone")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))


def memory_limit(command: list[str], size: int, **how) -> subprocess.Popen:
    """Start a program that gets at most `size` bytes of address space."""
    resource = pytest.importorskip("resource")
    return subprocess.Popen(command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)), **how)


def settled(true, seconds: float = 30.0) -> bool:
    """Whether `true()` comes to hold within some seconds."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
