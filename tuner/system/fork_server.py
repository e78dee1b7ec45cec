"""Start workers without waiting for their libraries: fork them off a process that has imported these already.

Importing torch, transformers, PEFT and TRL takes 8 to 30 s of a core, before a run's first step and before a chat's first word. A fork server
(`tuner/workers/fork_server.py`) does it once, while a person is still filling in a form; a worker forked off it begins within half a second.
`multiprocessing` has one of its own, which ends with the process that started it and serves that one alone; these outlive pages and
supervisors, and are used by all processes of an account.

A forked worker is to differ from one that was started in nothing but time: a server serves those requests alone that have its own
environment (what a library reads from it while being imported has been read), its own interpreter and its own sources. Everything else is
started as ever. Linux only: forking is unsafe on macOS, where system libraries have threads, and there is none on Windows.

TUNESMITH_FORK_SERVER=0 switches it off; a path names the folder of the sockets (else in the machine folder).
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil

from tuner import __version__, paths
from tuner.system import sockets

MODULE = "tuner.workers.fork_server"
SERVED = ("tuner.workers.training.", "tuner.workers.serving.", "tuner.workers.exporting.main")  # their libraries take long to import
UNSERVED = ("tuner.workers.training.preflight",)  # imports none
PACKAGE = Path(__file__).resolve().parents[1]
SWITCH = "TUNESMITH_FORK_SERVER"
REFUSED = ".refused"  # beside the socket: a server has found that it can't fork, which the next would find, too
FREE = 4 << 30  # bytes of memory that must be available before one is started: it takes about 0.4 GB, which its workers share
PATIENCE = 5.0  # seconds in which a server forks and says so; one that is asked later is asked in vain, and forks nobody
# what differs between the pages, terminals and services of one account, and is read by no library of a worker while it is imported
APART = (
    "TUNESMITH_",
    "GRADIO_",
    "PYTEST_",
    "SSH_",
    "XDG_SESSION",
    "DBUS_",
    "_",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "COLUMNS",
    "LINES",
    "WINDOWID",
    "DISPLAY",
)


def supported() -> bool:
    """Return whether workers can be forked here and it isn't switched off."""
    return sys.platform == "linux" and os.environ.get(SWITCH) != "0"


def serves(module: str) -> bool:
    """Return whether a module is one that is forked."""
    return module.startswith(SERVED) and module not in UNSERVED


def folder() -> Path:
    """Return the folder in which the servers of this account listen."""
    return Path(os.environ.get(SWITCH) or paths.machine_folder())


def address(env: dict[str, str]) -> Path:
    """Return where the server for an environment listens: one of the same interpreter, the same sources and the same variables."""
    same = {k: v for k, v in env.items() if not k.startswith(APART)}
    said = json.dumps([__version__, sys.executable, sources(), sorted(same.items())])
    key = hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return sockets.place(folder(), f"fork-{key}.sock", key)


def sources() -> str:
    """Return what changes when a source file of the engine is changed, added or removed, or a library is: their number and the newest times."""
    times = [entry.stat().st_mtime_ns for entry in PACKAGE.rglob("*.py")]
    return f"{len(times)} {max(times)} {os.stat(sysconfig.get_path('purelib')).st_mtime_ns}"


class Forked:
    """A worker that a fork server started, with what is used of `subprocess.Popen`: `pid`, `poll`, `wait`, `kill`."""

    def __init__(self, answers: socket.socket, pid: int):
        self.answers, self.pid, self.returncode = answers, pid, None
        self.born = _born(pid)

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal), None while it runs; 1 when the server died and nobody knows it."""
        if self.returncode is None:
            self.answers.setblocking(False)
            try:
                said = self.answers.recv(64)
                self.returncode = int(said) if said else self._without_server()
            except BlockingIOError:
                return None
            except OSError:
                self.returncode = self._without_server()
            if self.returncode is not None:
                self.answers.close()
        return self.returncode

    def _without_server(self) -> int | None:
        return None if self.born is not None and _born(self.pid) == self.born else 1

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code; raises subprocess.TimeoutExpired after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def _born(pid: int) -> float | None:
    """Return when a process began; None for one that has ended."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def fork(module: str, args: list[str], *, env: dict[str, str], stdin: int, out: int) -> Forked | None:
    """Fork a worker off the server for this environment; None when there is none that answers.

    `stdin` and `out` are file descriptors; the worker writes its errors to `out` as well.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(str(address(env)))
        request = {"module": module, "args": args, "env": env, "cwd": os.getcwd()}
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)  # a message holds a whole environment
        socket.send_fds(connection, [json.dumps(request).encode()], [stdin, out])
        pid = int(connection.recv(64) or 0)
    except (OSError, ValueError):
        pid = 0  # none is there, or one that is ending; the worker is started as ever
    if not pid:
        connection.close()
        return None
    return Forked(connection, pid)


def listening(env: dict[str, str]) -> bool:
    """Return whether a server for this environment is there; asking keeps it there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(str(address(env)))
            return True
        except OSError:
            return False


def refused(env: dict[str, str]) -> bool:
    """Return whether a server for this environment has found that it can't fork."""
    return address(env).with_suffix(REFUSED).exists()


def enough_memory() -> bool:
    """Return whether there is memory for a server that may never be needed."""
    return psutil.virtual_memory().available >= FREE
