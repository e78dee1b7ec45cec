"""Start a process of the engine on this machine: detached, in a session of its own, its output in a file."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tuner.network import hub_token

PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


class Children(dict[str, subprocess.Popen]):
    """The processes that this one started, by job: of those that ended and that nobody asked after, the last few alone."""

    KEPT = 100

    def __setitem__(self, job: str, child: subprocess.Popen) -> None:
        super().__setitem__(job, child)
        ended = [j for j, c in list(self.items()) if j != job and c.poll() is not None]
        for one in ended[: max(0, len(self) - self.KEPT)]:
            self.pop(one, None)


COMES = "TUNESMITH_TOKEN_COMES"  # tells a process that there are secrets to read


def start(
    module: str, *args: str, log: Path, device: str | None = None, offline: bool = True, secrets: dict[str, str] | None = None
) -> subprocess.Popen:
    """`python -m module args...`, with nothing of ours to hold on to: a closed page ends none of it.

    `device` ('cpu', 'cuda:1') becomes the only one the process sees; `offline` keeps the Hub's libraries from the network. `secrets`
    (the Hub's token) go through its standard input (`take_token`): an environment can be read from outside.
    """
    with open(log, "ab") as out:  # a file and never a pipe: a full pipe that nobody drains freezes the child
        child = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdin=subprocess.PIPE if secrets else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            close_fds=True,
            env=environment(device, offline) | ({COMES: "1"} if secrets else {}),
            **_detached(),
        )
    if secrets:
        with contextlib.suppress(BrokenPipeError), child.stdin as pipe:  # a child that has died already is told of by its ending
            pipe.write(json.dumps(secrets).encode())
    return child


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


def environment(device: str | None, offline: bool) -> dict[str, str]:
    """Ours, without telemetry and without the secrets that a worker has no need of."""
    env = {k: v for k, v in os.environ.items() if k not in (*hub_token.NAMES, "TUNESMITH_PASSWORD", "TUNESMITH_JUDGE_KEY")}
    env |= {
        "PYTHONPATH": os.pathsep.join(p for p in (PACKAGE_ROOT, env.get("PYTHONPATH")) if p),
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
    if device and device != "mps":
        env["CUDA_VISIBLE_DEVICES"] = device.removeprefix("cuda:") if device.startswith("cuda:") else ""
    return env


def _detached() -> dict:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
