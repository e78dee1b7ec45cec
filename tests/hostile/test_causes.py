"""What a worker dies of is told: a full disk (also when nothing at all can be written any more), too little memory, a limit, the OOM killer.
And what can only be read can still be read."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, chat_rows, until, write_rows
from tests.hostile import faults
from tests.hostile.test_states import LONGER, at_step, begin, begin_quietly, cli, finish, weights
from tuner import locks, paths, runs
from tuner.data.store import store
from tuner.errors import DiskError, TunerError
from tuner.evaluation import checkpoints
from tuner.jobs import data_jobs, training
from tuner.paths import Workspace
from tuner.runs import settling
from tuner.system import disk_reserve

SIZE = 24_000_000  # bytes of a small disk


@pytest.fixture
def small(ws, tmp_path):
    """(a workspace on a disk of its own, its dataset)"""
    with faults.small_disk(tmp_path / "disk", SIZE) as disk:
        there = Workspace(disk / "home", machine=ws.machine_folder()).prepare()
        yield there, store.add(there, write_rows(tmp_path / "sums.jsonl", chat_rows()), held_out=0.1)
        faults.kill(*[p for pids in faults.processes(ws).values() for p in pids])


def test_a_full_disk_while_training(small):
    ws, data = small
    wish = LONGER | {"max_steps": 80, "eval_steps": 10}  # so long that even a slow machine looks before it has ended
    run = begin(ws, data, wish)
    (worker,) = faults.at_work(ws, "workers.training.sft")
    at_step(ws, run, 12)
    with faults.paused(worker):
        filler = faults.fill(ws.root)
    run = training.wait(ws, run.id)
    assert run.state == "failed" and run.status.error["code"] == "disk" and "The disk is full" in run.status.reason, run.status
    assert f"step {checkpoints.step_of(runs.newest_whole_checkpoint(run.path))}" in run.status.reason, "the state that is kept"
    assert cli(ws, "show", run.id)["error"]["code"] == "disk", "what is there can be looked at on a full disk"
    filler.unlink()
    training.resume(ws, run.id)
    disturbed, left_alone = finish(ws, run), finish(ws, begin(ws, data, wish, "left alone"))
    assert weights(disturbed) == weights(left_alone) and disturbed.status.best == left_alone.status.best


def test_nothing_at_all_can_be_written(ws, data):
    """No checkpoint, no log, no status: the exit code tells it, and whoever settles the run writes it."""
    run = begin(ws, data, LONGER)
    at_step(ws, run, 7)
    (worker,) = faults.at_work(ws, "workers.training.sft")
    faults.file_limit(worker, 1)
    run = training.wait(ws, run.id)
    assert run.state == "failed" and run.status.error["code"] == "disk" and run.status.error["remedy"], run.status
    assert f"step {checkpoints.step_of(runs.newest_whole_checkpoint(run.path))}" in run.status.reason


def test_nothing_can_be_written_and_nobody_sees_the_exit_code(ws, data):
    """Then the reserve holds the last word: it is written over in place."""
    run = begin_quietly(ws, data, state="running")
    code = """
import errno, sys
from pathlib import Path
from tuner import locks, paths
from tuner.jobs import worker_exit
folder = Path(sys.argv[1])
locks.acquire(folder / "lock")
def full(path, value):
    raise OSError(errno.ENOSPC, "No space left on device", str(path))
paths.write_json = full
raise SystemExit(worker_exit.failed(folder, MemoryError()))
"""
    done = subprocess.run([sys.executable, "-c", code, str(run.path)], env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == settling.code_of({"code": "memory_short"}) != 1
    assert paths.read_json(run.path / "status.json")["state"] == "running"
    found = runs.get(ws, run.id)
    assert found.state == "failed" and found.status.error["code"] == "memory_short" and not (run.path / disk_reserve.NAME).exists()


def test_too_little_memory_for_the_libraries(ws, data):
    run = begin_quietly(ws, data, state="preparing")
    worker = [sys.executable, "-m", "tuner.workers.training.sft", str(run.path)]
    with open(run.path / "worker.log", "ab") as log:
        child = faults.memory_limit(worker, 400_000_000, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)})
        child.wait(120)
    found = runs.get(ws, run.id)
    assert found.state == "failed" and found.status.error["code"] == "memory_short", (found.status, runs.log_tail(found)[-1500:])


STEP = """
import sys
from pathlib import Path
from tuner import locks
from tuner.workers.training import callbacks
def work(error):
    def raises(reporter):
        held = [bytearray(1 << 20)]
        raise error
    return raises
for folder, error in zip(sys.argv[1:], (MemoryError(), OSError(28, "No space left on device"), ValueError("what"))):
    callbacks.guarded(Path(folder), work(error))
    locks.release(Path(folder) / "lock")
"""


def test_what_is_raised_in_a_step_is_told(ws, data):
    three = [begin_quietly(ws, data, f"run-{n}", state="running") for n in range(3)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", STEP, *(str(r.path) for r in three)], env=env, capture_output=True, text=True)
    for run, code in zip(three, ("memory_short", "disk", "defect"), strict=True):
        found = runs.get(ws, run.id)
        assert found.state == "failed" and found.status.error["code"] == code, (found.status, done.stderr[-2000:])
        assert "Nothing had been saved yet" in found.status.reason


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        (-9, "interrupted", "too little memory"),
        (71, "failed", "ran out of memory"),
        (74, "failed", "disk is full"),
        (1, "interrupted", "code 1"),
    ],
)
def test_an_exit_code_tells_the_cause(ws, data, code, state, words):
    run = begin_quietly(ws, data, state="running")
    settling.settle(run.path, code)
    found = runs.get(ws, run.id)
    assert (found.state, found.status.exit_code) == (state, code) and words in found.status.reason


def test_a_full_disk_while_importing(ws, tmp_path):
    rows = write_rows(tmp_path / "many.jsonl", chat_rows(150_000))
    with faults.small_disk(tmp_path / "disk", 3_000_000) as disk:
        there = Workspace(disk / "home", machine=ws.machine_folder()).prepare()
        job = data_jobs.start(there, rows)
        until(lambda: data_jobs.progress(there, job).state != "running", 90)
        now = data_jobs.progress(there, job)
        assert now.state == "failed" and now.errors[0]["code"] == "disk" and "full" in now.errors[0]["message"], now
        assert store.listing(there) == []


# --- a workspace that can only be read -------------------------------------------------------------------------------


@pytest.fixture
def locked(house):
    """The house, with a run that says it is running and one that waits, on a disk that can only be read."""
    dead = begin_quietly(house.ws, house.data, "dead", state="running")
    waits = begin_quietly(house.ws, house.data, "waits")
    with faults.read_only(house.ws.home):
        yield house
    for run in (dead, waits):
        runs.write_status(run.path, state="stopped")
        runs.delete(house.ws, run.id)


def test_a_read_only_workspace_can_be_looked_at(locked):
    ws = locked.ws
    states = {r["id"]: r["state"] for r in cli(ws, "runs")["runs"]}
    assert states[locked.lora] == "finished" and states["dead"] == "interrupted" and states["waits"] == "queued"
    assert cli(ws, "show", locked.lora)["best"] and cli(ws, "show", "dead")["reason"]
    assert cli(ws, "metrics", locked.lora)["rows"] and "loss" in cli(ws, "logs", locked.lora)["log"]
    ref = locked.data.id
    assert cli(ws, "data", "list")["datasets"] and cli(ws, "data", "show", ref)["rows"] and cli(ws, "data", "preview", ref)["rows"]
    assert not locks.is_held(locked.run(locked.lora).path / "lock")


def test_what_would_change_it_is_refused_with_the_cause(locked):
    for command in (["train", "--model", "starter", "--data", locked.data.ref], ["delete", locked.lora], ["resume", "dead"]):
        (error,) = cli(locked.ws, *command, code=1)["errors"]
        assert error["code"] == "disk" and error["remedy"], command
    with pytest.raises(DiskError):
        locked.ws.prepare()


def test_the_page_opens_on_a_read_only_workspace(locked):
    from ui import layout
    from ui.session import AppContext, Session

    page = layout.Page(AppContext(locked.ws.home, locked.ws.machine))
    seen = page.parts(locked.ws, Session(tab="runs", runs=locked.lora))
    assert "start, import or change anything" in seen["strip"] and "Completed" in str(seen)
    request = type("Request", (), {"session_hash": "one", "query_params": {}})()
    assert page.on_load(Session(tab="runs", run=locked.lora).with_(), request)


def test_a_command_says_that_it_only_looks(locked):
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TUNESMITH_HOME": str(locked.ws.home),
        "TUNESMITH_MACHINE": str(locked.ws.machine_folder()),
    }
    done = subprocess.run([sys.executable, "-m", "tuner.cli", "runs"], env=env, capture_output=True, text=True)
    assert done.returncode == 0 and paths.READ_ONLY_NOTICE in done.stderr and "dead" in done.stdout


def test_one_run_that_can_only_be_read_does_not_end_the_supervisor(ws, data):
    """It looks after many workspaces, and goes on with the others."""
    stuck, other = begin_quietly(ws, data, "stuck"), begin_quietly(ws, data, "other")
    from tuner.jobs import handover, supervisor

    with faults.read_only(stuck.path):
        boss = supervisor.Supervisor(ws.machine_folder(), handover.Inbox(ws.machine_folder()))
        for run in (stuck, other):
            boss.db.execute("INSERT INTO jobs (kind, folder, device, created) VALUES ('train', ?, 'cpu', 0)", (str(run.path),))
        for job in boss.jobs("waiting"):
            boss.tend(boss.consider, job)
        assert paths.read_json(other.path / "status.json")["state"] == "preparing" and len(boss.sick) == 1
        runs.ask_to_stop(ws, other.id)
    for child in boss.children.values():
        child.kill()
        child.wait()


def test_errors_of_reading_carry_their_file(ws, data):
    run = begin_quietly(ws, data, state="finished")
    (run.path / "about.json").write_text('{"name": ')
    with pytest.raises(TunerError, match="damaged"):
        runs.get(ws, run.id)
