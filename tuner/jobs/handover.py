"""Hand a secret to a job that the supervisor starts: through a private socket, never through a file or an environment.

The supervisor listens (`Inbox`), the page or the command line tells (`tell`) it what the job in a folder needs. A Unix socket in a folder
that only this account can enter (a named pipe on Windows), and both sides prove that they know a key that lies beside it
(`multiprocessing.connection`). What was told lives in the supervisor's memory until the job ends.
"""

import contextlib
import secrets
import sys
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from pathlib import Path

from tuner import paths
from tuner.errors import ConflictError
from tuner.system import sockets

FRESH = 30.0  # seconds for which a secret waits for its job before the supervisor may exit


def address(machine: Path) -> str:
    """Where the supervisor of a machine folder listens."""
    if sys.platform == "win32":
        return rf"\\.\pipe\tunesmith-{sockets.name_for(machine)}"
    return str(sockets.place(machine, "handover.sock"))


def key(machine: Path) -> bytes:
    """What both sides know: 32 random bytes beside the queue, made once."""
    file = machine / "handover.key"
    if not file.exists():
        with contextlib.suppress(FileExistsError):  # another process was quicker
            paths.write_new(file, secrets.token_bytes(32))
    return file.read_bytes()


class Inbox:
    """The supervisor's end: takes what is told, in a thread of its own; `of` gives it to the job that is started. `kept` is what an
    inbox before this one was told and nobody has asked for yet."""

    def __init__(self, machine: Path, kept: dict[str, tuple[float, dict[str, str]]] | None = None):
        self.kept = dict(kept or {})
        self.lock = threading.Lock()
        place = address(machine)
        if sys.platform != "win32":
            Path(place).unlink(missing_ok=True)  # of a supervisor that was killed; this one holds the lock
        self.listener, self.open = Listener(place, authkey=key(machine)), True
        threading.Thread(target=self._listen, daemon=True, name="handover").start()

    def _listen(self) -> None:
        while True:
            try:
                with self.listener.accept() as sender:
                    folder, told = sender.recv_bytes().decode().split("\0", 1)
                    self._keep(folder, told)
                    sender.send_bytes(b"kept")
            except (AuthenticationError, EOFError, UnicodeDecodeError, ValueError) as error:
                print(f"handover: refused a message: {type(error).__name__}", flush=True)
            except OSError as error:
                if not self.open:
                    return
                print(f"handover: {error}", flush=True)
                time.sleep(0.1)

    def _keep(self, folder: str, told: str) -> None:
        name, _, value = told.partition("=")
        with self.lock:
            _, before = self.kept.get(folder, (0.0, {}))
            self.kept[folder] = (time.monotonic(), before | {name: value})

    def of(self, folder: Path) -> dict[str, str]:
        """What was told for the job in a folder."""
        with self.lock:
            return dict(self.kept.get(str(folder), (0.0, {}))[1])

    def forget(self, folder: Path) -> None:
        with self.lock:
            self.kept.pop(str(folder), None)

    def waiting(self) -> bool:
        """Whether something was told a moment ago, whose job may not be in the queue yet."""
        with self.lock:
            return any(time.monotonic() - when < FRESH for when, _ in self.kept.values())

    def close(self) -> None:
        self.open = False
        self.listener.close()


def tell(machine: Path, folder: Path, name: str, value: str, *, patience: float = 15.0) -> None:
    """Give the supervisor a secret for the job in `folder`; waits `patience` seconds for one that is just starting.

    Raises ConflictError when none answers: one of an older version, which can't take it, or none that runs.
    """
    end = time.monotonic() + patience
    while True:
        try:
            with Client(address(machine), authkey=key(machine)) as supervisor:
                supervisor.send_bytes(f"{folder}\0{name}={value}".encode())
                if supervisor.poll(5) and supervisor.recv_bytes() == b"kept":
                    return
        except (OSError, EOFError, AuthenticationError):
            pass  # not there yet, or on its way out; tried again until the patience ends
        if time.monotonic() > end:
            raise ConflictError(
                "The background process can't take the token: it belongs to an older version of Tunesmith, or does not answer.",
                asked=name,
                available="a background process of this version",
                remedy="Wait until its runs have ended (it then exits by itself), and try again.",
                field="model",
            )
        time.sleep(0.05)
