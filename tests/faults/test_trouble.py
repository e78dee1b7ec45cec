"""Real runs under a real supervisor whose worker has trouble: too little memory, a hang, a halt, an endless log, children left behind."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.conftest import until
from tuner import locks, runs
from tuner.data.store import sample_data
from tuner.jobs import queue, run_queue, training
from tuner.system import log_files

INJECT = str(Path(__file__).parent / "inject")
SETTINGS = {"model": "starter", "method": "last_layers", "max_steps": 8, "eval_steps": 4, "micro_batch": 2, "effective_batch": 4}


@pytest.fixture
def troubled(ws, monkeypatch):
    """Starts a run whose worker has the trouble that is named."""
    monkeypatch.setenv("PYTHONPATH", INJECT)
    monkeypatch.setenv("TUNESMITH_FORK_SERVER", "0")
    data = sample_data.add(ws, "tickets")

    def begin(fault: str, **settings) -> runs.Run:
        monkeypatch.setenv("TUNESMITH_FAULT", fault)
        return training.start(ws, SETTINGS | {"data": data.ref, "device": "cpu"} | settings, anyway=True)

    return begin


def named(run: runs.Run, name: str) -> dict | None:
    return next((w for w in run.warnings if w["name"] == name), None)


def pid_of(ws, run: runs.Run) -> int:
    with queue.connect(ws.machine_folder()) as db:
        return db.execute("SELECT pid FROM jobs WHERE folder = ?", (str(run.path),)).fetchone()[0]


def at_step(ws, run: runs.Run, step: int) -> runs.Run:
    until(lambda: runs.get(ws, run.id).progress.step >= step, 120)
    return runs.get(ws, run.id)


def test_the_supervisor_starts_it_again_with_less_at_once(ws, troubled):
    run = training.wait(ws, troubled("memory").id)
    assert run.state == "finished" and run.plan["settings"]["micro_batch"] == 1
    assert "micro-batch 1 × 4 instead of 2 × 2" in named(run, "out_of_memory")["message"]
    steps = [step for step, key, _ in runs.metrics(run) if key == "loss"]
    assert steps == list(range(1, 9)), "no step is lost and none is doubled"


def test_a_training_that_hangs_is_told_and_can_be_stopped(ws, troubled):
    run = troubled("hang")
    until(lambda: named(runs.get(ws, run.id), "no_progress"), 60)
    warning = named(runs.get(ws, run.id), "no_progress")
    assert warning["severity"] == "error" and "no progress" in warning["message"]
    pid = pid_of(ws, run)
    run_queue.enqueue(ws, runs.ask_to_stop(ws, run.id))
    run = training.wait(ws, run.id)
    assert run.state == "stopped" and "made no progress" in run.status.reason and "Nothing had been saved" in run.status.reason
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 10)
    runs.delete(ws, run.id)
    assert not run.path.exists()


def test_a_training_that_pauses_goes_on_and_says_that_it_did(ws, troubled):
    run = training.wait(ws, troubled("pause").id)
    assert run.state == "finished" and named(run, "no_progress")["severity"] == "info" and "went on" in named(run, "no_progress")["message"]


def test_a_process_that_is_halted_is_noticed_goes_on_and_can_be_stopped(ws, troubled):
    run = troubled("slow", max_steps=60, eval_steps=10)
    at_step(ws, run, 11)
    pid = pid_of(ws, run)
    os.kill(pid, signal.SIGSTOP)
    before = runs.version(ws)
    until(lambda: named(runs.get(ws, run.id), "not_responding"), 30)
    assert runs.version(ws) != before and named(runs.listing(ws)[0], "not_responding"), "the page hears of it"
    os.kill(pid, signal.SIGCONT)
    until(lambda: not named(runs.get(ws, run.id), "not_responding"), 30)
    os.kill(pid, signal.SIGSTOP)
    run_queue.enqueue(ws, runs.ask_to_stop(ws, run.id))
    run = training.wait(ws, run.id)
    assert run.state == "stopped" and "no sign of life" in run.status.reason and "step 10 is kept" in run.status.reason
    assert not locks.is_held(run.path / "lock") and not named(run, "not_responding")


def test_a_log_without_end_is_kept_short(ws, troubled, monkeypatch, request):
    size = 2**30 if request.config.getoption("--long") else 24 * 2**20
    monkeypatch.setenv("TUNESMITH_FAULT_BYTES", str(size))
    run = troubled("log")
    run = training.wait(ws, run.id)
    until(lambda: (run.path / "worker.log").stat().st_size < 4 * 2**20 + log_files.KEPT, 20)
    assert run.state == "finished" and "of this log were removed" in (run.path / "worker.log").read_text(errors="replace")


def test_children_that_a_worker_leaves_behind_are_ended(ws, troubled):
    run = troubled("fork")
    until(lambda: runs.get(ws, run.id).state == "running", 120)
    worker = psutil.Process(pid_of(ws, run))
    until(worker.children, 60, every=0.02)
    left = worker.children()
    assert training.wait(ws, run.id).state == "finished"
    until(lambda: not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in left), 20)
