"""Workers forked off a process that has their libraries: they differ from started ones in nothing but time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import command_of, end_processes_of, until
from tuner import runs
from tuner.jobs import training
from tuner.system import fork_server, processes
from tuner.workers import fork_server as server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
TOLD = "tests.system.told"


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """The environment of a worker on the processor, for which the session's fork server is there."""
    found = processes.environment("cpu", True)
    until(lambda: fork_server.listening(found), 120)
    return found


def forked(env: dict[str, str], log: Path, *args: str) -> fork_server.Forked | None:
    with open(os.devnull, "rb") as nothing, open(log, "ab") as out:
        return fork_server.fork(TOLD, list(args), env=env, stdin=nothing.fileno(), out=out.fileno())


def said(log: Path) -> dict:
    return json.loads(until(lambda: log.exists() and log.read_text().partition("\n")[1] and log.read_text()).splitlines()[0])


def server_of(worker: fork_server.Forked) -> psutil.Process:
    return psutil.Process(worker.pid).parent()


def test_a_forked_worker_is_given_what_a_started_one_is(env, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = env | {
        "TUNESMITH_HOME": str(tmp_path / "h"),
        "GRADIO_TEMP_DIR": str(tmp_path),
    }  # a page has its own; our own variables are read when they are needed, and may differ
    one = forked(env, tmp_path / "forked.log", "exit", "7")
    with open(tmp_path / "started.log", "wb") as out:
        other = subprocess.Popen(
            [sys.executable, "-m", TOLD, "exit", "7"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    assert one.wait(60) == other.wait(60) == 7
    mine, theirs = said(tmp_path / "forked.log"), said(tmp_path / "started.log")
    drawn, libraries = mine.pop("drawn"), mine.pop("libraries")
    assert drawn != theirs.pop("drawn") and theirs.pop("libraries") == []
    assert libraries == ["peft", "torch", "transformers", "trl"]  # which is all that makes it faster
    assert mine == theirs and mine["leads"] and mine["files"] == []  # none of the server's sockets
    assert "its errors" in (tmp_path / "forked.log").read_text()


def test_no_two_draw_the_same_numbers(env, tmp_path):
    workers = [forked(env, tmp_path / f"{n}.log", "exit", "0") for n in range(3)]
    assert [w.wait(60) for w in workers] == [0, 0, 0]
    drawn = [said(tmp_path / f"{n}.log")["drawn"] for n in range(3)]
    assert len({d[0] for d in drawn}) == len({d[1] for d in drawn}) == 3


def test_a_signal_is_told_as_popen_tells_it(env, tmp_path):
    assert forked(env, tmp_path / "a.log", "kill", "0").wait(60) == -signal.SIGKILL
    sleeping = forked(env, tmp_path / "b.log", "sleep", "60")
    assert sleeping.poll() is None and said(tmp_path / "b.log")["args"] == ["sleep", "60"]
    with pytest.raises(subprocess.TimeoutExpired):
        sleeping.wait(0.05)
    sleeping.kill()
    assert sleeping.wait(10) == -signal.SIGKILL
    sleeping.kill()  # of one that has ended nothing is killed: its number may be another's


def test_another_environment_is_not_served(env, tmp_path, monkeypatch):
    for other in (env | {"OMP_NUM_THREADS": "7"}, env | {"HF_HUB_OFFLINE": "0"}, env | {"CUDA_VISIBLE_DEVICES": "1"}):
        assert forked(other, tmp_path / "a.log", "exit", "0") is None
    monkeypatch.setattr(fork_server, "sources", lambda: "changed since")
    assert forked(env, tmp_path / "a.log", "exit", "0") is None and not fork_server.listening(env)


def test_what_is_not_served_is_started_as_ever(env, tmp_path, monkeypatch):
    def kind(module: str = "tuner.workers.exporting.main", **more) -> type:
        child = processes.start(module, str(tmp_path / "nowhere"), log=tmp_path / "a.log", device="cpu", **more)
        child.kill()
        child.wait(60)
        return type(child)

    assert kind() is fork_server.Forked
    assert kind("tuner.workers.data_tasks") is subprocess.Popen  # bounds its own memory, and imports no library
    assert kind(secrets={"HF_TOKEN": "t"}) is subprocess.Popen
    monkeypatch.setenv(fork_server.SWITCH, "0")
    assert kind() is subprocess.Popen


def test_a_worker_outlives_its_server(env, tmp_path, monkeypatch):
    monkeypatch.setenv(fork_server.SWITCH, str(tmp_path))
    monkeypatch.setattr(processes, "_prepared", {})
    processes.prepare("cpu")
    until(lambda: fork_server.listening(env), 120)
    worker = forked(env, tmp_path / "a.log", "sleep", "4")
    server_of(worker).kill()
    until(lambda: not fork_server.listening(env))
    assert worker.poll() is None  # it is seen to live although nobody tells
    assert worker.wait(30) == 1 and forked(env, tmp_path / "b.log", "exit", "0") is None

    processes._prepared.clear()
    processes.prepare("cpu")  # in the place of the one that was killed
    until(lambda: fork_server.listening(env), 120)
    worker = forked(env, tmp_path / "c.log", "sleep", "30")
    served = server_of(worker)
    fork_server.address(env).unlink()  # as when the folder is removed
    served.wait(15)
    worker.kill()


def test_a_run_is_forked_and_ends_as_one_that_was_started(env, ws, data, monkeypatch):
    asked = {"model": "starter", "data": data.ref, "device": "cpu", "max_steps": 3, "effective_batch": 4, "seed": 5}

    def trained(name: str, parent: str) -> list:
        run = training.start(ws, asked, name=name)
        process = until(lambda: next((p for p in psutil.process_iter() if str(run.path) in written_to(p)), None))
        assert parent in process.parent().cmdline()
        until(lambda: command_of(process)[1:4] == ["-m", "tuner.workers.training.sft", str(run.path)])  # what ps and nvidia-smi show
        assert training.wait(ws, run.id).state == "finished", runs.log_tail(run)
        return [(step, key, value) for step, key, value in runs.metrics(run) if "loss" in key]

    quick = trained("forked", fork_server.MODULE)
    end_processes_of(ws.machine)  # the supervisor, which has forked
    monkeypatch.setenv(fork_server.SWITCH, "0")
    assert quick and trained("started", "tuner.jobs.supervisor") == quick


def written_to(process: psutil.Process) -> str:
    try:
        return os.readlink(f"/proc/{process.pid}/fd/1")
    except OSError:
        return ""


def test_a_server_is_made_only_where_there_is_room(env, tmp_path, monkeypatch):
    started = []
    monkeypatch.setenv(fork_server.SWITCH, str(tmp_path))
    monkeypatch.setattr(processes, "start", lambda *args, **_: started.append(args))
    monkeypatch.setattr(processes, "_prepared", {})
    monkeypatch.setattr(fork_server, "enough_memory", lambda: False)
    processes.prepare("cpu")
    assert not started
    processes._prepared.clear()
    monkeypatch.setattr(fork_server, "enough_memory", lambda: True)
    processes.prepare("cpu")
    processes.prepare("cpu")  # a form is planned with each change: that asks once
    assert [args[0] for args in started] == [fork_server.MODULE]


def test_one_that_has_begun_with_the_card_forks_nobody(tmp_path, monkeypatch):
    assert not server.begun_cuda("7f00 r-xp /usr/lib/libcudart.so.13\n")  # the runtime is no sign: torch brings it along
    assert server.begun_cuda("7f00 r-xp /usr/lib/x86_64-linux-gnu/libcuda.so.580.1\n")
    monkeypatch.setattr(server, "import_libraries", lambda: None)
    monkeypatch.setattr(server, "begun_cuda", lambda: True)
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "s.sock")])
    assert server.main() == 1 and not (tmp_path / "s.sock").exists()
    assert (tmp_path / "s.refused").exists()


def test_libraries_that_ask_for_the_card_are_answered_without_beginning_with_it(tmp_path, monkeypatch):
    import pynvml
    import torch

    (tmp_path / "asks_for_the_card.py").write_text(
        "import os, torch\nfound = torch.cuda.get_device_capability(0), os.environ['PYTORCH_NVML_BASED_CUDA_CHECK']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(server, "LIBRARIES", ("asks_for_the_card",))
    for name in ("nvmlInit", "nvmlShutdown"):
        monkeypatch.setattr(pynvml, name, lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda i: i)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCudaComputeCapability", lambda i: [(7, 0), (9, 0)][i])
    asked = torch.cuda.get_device_capability
    server.import_libraries()
    assert sys.modules["asks_for_the_card"].found == ((9, 0), "1")
    assert torch.cuda.get_device_capability is asked and server.NVML_CHECK not in os.environ


def test_one_that_has_refused_is_not_tried_again(env, tmp_path, monkeypatch):
    monkeypatch.setenv(fork_server.SWITCH, str(tmp_path))
    monkeypatch.setattr(processes, "_prepared", {})
    monkeypatch.setattr(processes, "start", lambda *args, **_: pytest.fail("tried again"))
    fork_server.address(env).with_suffix(fork_server.REFUSED).touch()
    processes.prepare("cpu")


def test_who_waited_too_long_is_forked_nobody(env, tmp_path, monkeypatch):
    """Else two processes would work at one job: the one that was started instead, and one that was forked late."""
    served = server_of(forked(env, tmp_path / "a.log", "exit", "0"))
    monkeypatch.setattr(fork_server, "PATIENCE", 0.3)
    served.suspend()
    try:
        assert forked(env, tmp_path / "late.log", "sleep", "60") is None
    finally:
        served.resume()
    assert forked(env, tmp_path / "b.log", "exit", "3").wait(30) == 3  # after it: requests are answered in their order
    assert not [p for p in served.children() if p.status() != psutil.STATUS_ZOMBIE and "sleep" in command_of(p)]


def test_the_tests_end_nothing_but_what_is_ours(tmp_path):
    env = os.environ | {"TUNESMITH_MACHINE": str(tmp_path)}
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=env)
    end_processes_of(tmp_path)
    assert other.poll() is None
    other.kill(), other.wait()
