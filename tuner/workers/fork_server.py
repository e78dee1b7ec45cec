"""A process that has imported what workers need, and forks them off itself (why, and for whom: `tuner/system/fork_server.py`).

`python -m tuner.workers.fork_server SOCKET` listens at a Unix socket. A request is one message: the module, its arguments, its environment and
two open files. The answer is the worker's process id, and later, on the same connection, its exit code. A worker has a session of its
own and outlives the server. The server ends after 15 minutes in which nobody asked for anything, or when its socket is taken away.
"""

import contextlib
import fcntl
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from setproctitle import getproctitle, setproctitle

from tuner import workers
from tuner.system.fork_server import REFUSED

IDLE = 15 * 60.0  # seconds
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
LIBRARIES = (
    "torch",
    "transformers",
    "transformers.trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.models.qwen2.modeling_qwen2",
    "peft",
    "trl.trainer.sft_trainer",
    "tuner.workers.training.run_loop",
    "tuner.workers.serving.model_cache",
    "tuner.workers.exporting.merge",
)
DRIVER = "libcuda.so"  # of NVIDIA's cards: a process that has begun with it can't hand it to its children


class Server:
    def __init__(self, place: Path):
        self.place = place
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        before = os.umask(0o177)
        try:
            self.listener.bind(str(place))
        finally:
            os.umask(before)
        self.inode = place.stat().st_ino
        self.listener.listen(64)
        self.asked: dict[int, socket.socket] = {}  # pid of a worker -> who waits for its exit code
        self.selector = selectors.DefaultSelector()
        self.wakes, self.wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.wakes, selectors.EVENT_READ)

    def run(self) -> dict[str, Any] | None:
        """Serve until nobody asks any more and return None; in a worker that was forked, return its request."""
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the pipe wakes the loop
        last = time.monotonic()
        while (left := IDLE - (time.monotonic() - last)) > 0 and self.in_place():
            for key, _ in self.selector.select(min(left, 5.0)):
                if key.fileobj is self.listener:
                    last = time.monotonic()
                    if request := self.answer():
                        return request
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.wakes, 4096)
            self.reap()
        if self.in_place():
            self.place.unlink()
        return None

    def in_place(self) -> bool:
        """Return whether the socket is still the one that was made here."""
        with contextlib.suppress(FileNotFoundError):
            return self.place.stat().st_ino == self.inode
        return False

    def answer(self) -> dict[str, Any] | None:
        """Take one request and fork; return the request in the worker, None in the server and for a connection that asks for nothing."""
        connection, _ = self.listener.accept()
        connection.settimeout(2.0)
        try:
            message, files, *_ = socket.recv_fds(connection, 1 << 20, 2)
            request = json.loads(message) if len(files) == 2 else None
        except (OSError, ValueError) as error:
            print(f"refused a request: {type(error).__name__}: {error}", flush=True)
            request, files = None, []
        if request is None:  # somebody looked whether a server is there
            connection.close()
            return None
        pid = os.fork()
        if pid == 0:
            self.leave_to_server(connection)
            return request | {"files": files}
        for file in files:
            os.close(file)
        self.asked[pid] = connection
        if not self.say(connection, pid):  # they no longer wait, and may have started one themselves
            os.kill(pid, signal.SIGKILL)
        return None

    def say(self, connection: socket.socket, number: int) -> bool:
        """Tell a number; return whether there was somebody to tell."""
        try:
            connection.send(str(number).encode())
        except OSError:
            return False
        return True

    def reap(self) -> None:
        """Tell the exit codes of the workers that have ended."""
        while self.asked:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if connection := self.asked.pop(pid, None):
                self.say(connection, os.waitstatus_to_exitcode(status))  # a supervisor may be killed at any time, and its worker goes on
                connection.close()

    def leave_to_server(self, connection: socket.socket) -> None:
        """In a worker: close what is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for one in (self.listener, connection, *self.asked.values()):
            one.close()
        os.close(self.wakes)
        os.close(self.wake)


def become(request: dict[str, Any]) -> None:
    """Be the worker that was asked for: its session, files, folder, environment and arguments; then run its module."""
    os.setsid()
    stdin, out = request["files"]
    for file, number in ((stdin, 0), (out, 1), (out, 2)):
        os.dup2(file, number)
    os.close(stdin)
    os.close(out)
    os.environ.clear()
    os.environ.update(request["env"])
    with contextlib.suppress(FileNotFoundError):  # removed since
        os.chdir(request["cwd"])
    numpy = sys.modules["numpy"]
    numpy.random.seed()  # else every worker draws the same numbers; Python's own generator does this by itself
    sys.argv = ["-m", *request["args"]]
    setproctitle(" ".join(["python", *sys.argv[:1], request["module"], *request["args"]]))  # ps and nvidia-smi would name the server
    workers.begin()
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def import_libraries() -> None:
    """Import what workers need, without beginning with a graphics card: what libraries ask about it meanwhile is answered by NVML.

    PyTorch has a switch for whether and how many there are; bitsandbytes asks for their compute capability to choose its library.
    """
    os.environ[NVML_CHECK] = "1"
    import torch

    asked, torch.cuda.get_device_capability = torch.cuda.get_device_capability, lambda device=None: capability()
    try:
        for name in LIBRARIES:
            import_module(name)
    finally:
        torch.cuda.get_device_capability = asked
        os.environ.pop(NVML_CHECK)


def capability() -> tuple[int, int]:
    """Return the highest compute capability of this computer's cards, as NVML tells it."""
    import pynvml

    pynvml.nvmlInit()
    try:
        cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return max(tuple(pynvml.nvmlDeviceGetCudaComputeCapability(card)) for card in cards)
    finally:
        pynvml.nvmlShutdown()


def begun_cuda(maps: str | None = None) -> bool:
    """Return whether a library has loaded the driver of the graphics card while being imported, by the files that this process has mapped."""
    return DRIVER in (Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace") if maps is None else maps)


def main() -> int:
    place = Path(sys.argv[1])
    lock = os.open(place.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # another one is being made
    getproctitle()  # finds where the title is kept, which it can't in a worker, whose environment is another
    began = time.monotonic()
    import_libraries()
    if begun_cuda():
        print("A library has begun with the graphics card while being imported: workers can't be forked here.", flush=True)
        place.with_suffix(REFUSED).touch()
        return 1
    place.unlink(missing_ok=True)  # of one that was killed: this one holds the lock
    gc.collect()
    gc.freeze()  # the collector leaves these objects alone, so that their pages stay shared
    server = Server(place)
    print(f"ready after {time.monotonic() - began:.1f} s", flush=True)
    if request := server.run():
        os.close(lock)
        become(request)
    return 0


if __name__ == "__main__":
    sys.exit(main())
