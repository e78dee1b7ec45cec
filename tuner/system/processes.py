"""Start a process of the engine on this machine: detached, in a session of its own, its output in a file."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import psutil

from tuner.network import hub_token
from tuner.system import fork_server

PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


Child = subprocess.Popen | fork_server.Forked


class Children(dict[str, Child]):
    """The processes that this one started, by job: of those that ended and that nobody asked after, the last few alone."""

    KEPT = 100

    def __setitem__(self, job: str, child: Child) -> None:
        super().__setitem__(job, child)
        ended = [j for j, c in list(self.items()) if j != job and c.poll() is not None]
        for one in ended[: max(0, len(self) - self.KEPT)]:
            self.pop(one, None)


COMES = "TUNESMITH_TOKEN_COMES"  # tells a process that there are secrets to read


def start(
    module: str, *args: str, log: Path, device: str | None = None, offline: bool = True, secrets: dict[str, str] | None = None
) -> Child:
    """`python -m module args...`, with nothing of ours to hold on to: a closed page ends none of it. Forked, where a fork server has what it imports.

    `device` ('cpu', 'cuda:1') becomes the only one the process sees; `offline` keeps the Hub's libraries from the network. `secrets`
    (the Hub's token) go through its standard input (`take_token`): an environment can be read from outside.
    """
    env = environment(device, offline)
    with open(log, "ab") as out:  # a file and never a pipe: a full pipe that nobody drains freezes the child
        if not secrets and (forked := _fork(module, args, env, out)):
            return forked
        child = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=subprocess.PIPE if secrets else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            close_fds=True,
            env=env | ({COMES: "1"} if secrets else {}),
            **_detached(),
        )
    if secrets:
        with contextlib.suppress(BrokenPipeError), child.stdin as pipe:  # a child that has died already is told of by its ending
            pipe.write(json.dumps(secrets).encode())
    return child


def _fork(module: str, args: tuple[str, ...], env: dict[str, str], out: BinaryIO) -> fork_server.Forked | None:
    """The worker, forked off a server for its environment; None when it must be started as ever."""
    if not fork_server.supported() or not fork_server.serves(module):
        return None
    with open(os.devnull, "rb") as nothing:
        return fork_server.fork(module, list(args), env=env, stdin=nothing.fileno(), out=out.fileno())


def prepare(device: str | None) -> None:
    """Have a fork server for the workers of a device, unless there is one or this machine is short of memory; keep the one that is there.

    Called when somebody may soon start such a worker. Returns at once.
    """
    if time.monotonic() - _prepared.get(device, -EVERY) < EVERY:
        return
    _prepared[device] = time.monotonic()
    env = environment(device, True)
    if fork_server.supported() and fork_server.enough_memory() and not (fork_server.listening(env) or fork_server.refused(env)):
        folder = fork_server.folder()
        folder.mkdir(parents=True, exist_ok=True)
        start(fork_server.MODULE, str(fork_server.address(env)), log=folder / "fork_server.log", device=device)


_prepared: dict[str | None, float] = {}  # device -> when this process last saw to it
EVERY = 20.0  # seconds between two looks; a server ends minutes after the last


def end_group(leader: int) -> bool:
    """End what a worker that has ended left behind: the processes of its session (see `start`). Return whether there were any."""
    if sys.platform == "win32" or leader <= 1 or leader == os.getpid():
        return False
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != leader and os.getsid(process.pid) == leader:
                left.append(process)
    for process in left:
        with contextlib.suppress(psutil.Error, OSError):
            process.kill()
    return bool(left)


def converse(module: str, log: Path) -> subprocess.Popen:
    """Start `python -m module`, which reads questions from its standard input and writes answers to its output; it ends with this process.

    It sees no GPU and no network; its errors go into the log, which is written anew.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment("cpu", True),
        )


def take_token() -> None:
    """In the process that was started: the secrets, if any came, where those look for them who need them."""
    if os.environ.pop(COMES, None):
        os.environ.update(json.loads(sys.stdin.read()))


# what torchrun, Accelerate and SLURM tell the processes that they start: ours are none of those, also where this one was started so
OF_A_LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID")


def environment(device: str | None, offline: bool) -> dict[str, str]:
    """Ours, without telemetry and without the secrets that a worker has no need of."""
    env = {k: v for k, v in os.environ.items() if k not in (*hub_token.NAMES, "TUNESMITH_PASSWORD", "TUNESMITH_JUDGE_KEY", *OF_A_LAUNCHER)}
    env |= {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([PACKAGE_ROOT, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))])),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRACKIO_DISABLED": "1",
    }
    env.setdefault(
        "GOMP_SPINCOUNT", "10000"
    )  # threads that spin for long starve others on the same cores; this costs an idle machine nothing
    env |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if offline else {}
    env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML numbers the cards; CUDA's own order is the fastest first
    if device and device != "mps":
        cards = [one.removeprefix("cuda:") for one in device.split(",") if one.startswith("cuda:")]
        env["CUDA_VISIBLE_DEVICES"] = ",".join(cards)
    return env


def _detached() -> dict:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
