"""What a version before this one left on disk, and its supervisor that still runs.

`workspace-0.1.0.tar.xz` was made by the last version with its modules in other places: a finished run (LoRA, r=1), one that was stopped, one
that waits with the marker `measure`, a dry run that waits (kind `measure`), a benchmark (kind `probe`, ceilings.json), speed.json, peaks.json,
a label project, an export. @BASE@ and @CHECKOUT@ stand for its paths.
"""

import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT, end_processes_of, until
from tuner import devices, locks, paths, runs
from tuner.data.store import store
from tuner.devices import roofline
from tuner.errors import ConflictError
from tuner.export import making
from tuner.jobs import dry_run, run_queue, supervisor, training
from tuner.jobs import queue as jobs_queue
from tuner.jobs.job import Job
from tuner.labels import projects, queue
from tuner.paths import Workspace
from tuner.planning import time_estimate
from tuner.planning.memory import calibration
from tuner.settings import parsing
from tuner.system import machine, processes

FORMER = """
import fcntl, os, signal, time
from pathlib import Path
lock = os.open(Path(os.environ["TUNESMITH_MACHINE"]) / "supervisor.lock", os.O_RDWR | os.O_CREAT)
fcntl.lockf(lock, fcntl.LOCK_EX)
{deaf}
print("holds", flush=True)
time.sleep(300)
"""


@pytest.fixture
def before(tmp_path, monkeypatch) -> Workspace:
    with tarfile.open(Path(__file__).with_name("workspace-0.1.0.tar.xz")) as packed:
        packed.extractall(tmp_path, filter="data")
    for file in (f for f in tmp_path.rglob("*") if f.suffix in (".json", ".md") and "checkpoints" not in f.parts):
        file.write_text(file.read_text().replace("@BASE@", str(tmp_path)).replace("@CHECKOUT@", str(ROOT)))
    with closing(sqlite3.connect(tmp_path / "machine" / "queue.db")) as db, db:
        db.execute("UPDATE jobs SET folder = replace(folder, '@BASE@', ?)", (str(tmp_path),))
    monkeypatch.setenv("TUNESMITH_MACHINE", str(tmp_path / "machine"))
    yield Workspace(tmp_path / "home", machine=tmp_path / "machine")
    end_processes_of(tmp_path)


def test_all_that_was_there_is_found(before, monkeypatch):
    monkeypatch.setattr(machine, "ensure", lambda folder: None)
    monkeypatch.setattr(machine, "ensure", lambda folder: None)
    assert {r.id: r.state for r in runs.listing(before)} == {"done": "finished", "stopped": "stopped", "waiting": "queued"}
    done = runs.get(before, "done")
    table = runs.metrics_table(done)
    losses = [row[table["columns"].index("eval_loss")] for row in table["rows"]]
    assert done.notes == "kept from before" and done.best == min(loss for loss in losses if loss is not None)
    assert runs.is_whole(runs.newest_whole_checkpoint(done.path))
    assert parsing.parse({k: v for k, v in done.config.items() if k not in ("model", "data", "preset")}).lora_rank == 1
    assert {d.id for d in store.listing(before)} == {"sums", "preferences"} and len(store.rows(store.get(before, "sums"), 0, 100)) > 30
    assert [m["kind"] for m in making.exports_of(before, "done")] == ["adapter"]
    assert [p.id for p in projects.listing(before)] == ["manners"] and queue.next(before, "manners", "bob").item is not None
    assert machine.Machine(before.machine_folder()).work == {
        str(before.runs / "waiting"): "waiting",
        str(next(before.jobs.glob("measure-*"))): "waiting",
    }


def test_what_this_computer_has_taught_is_still_known(before):
    (measured,) = (before.machine_folder() / "probe").iterdir()
    measured.rename(roofline.folder(devices.cpu()))  # its name tells the processor and the version of torch that it was measured with
    assert roofline.of(devices.cpu()).measured.startswith("2026-11") and roofline.of(devices.cpu()).bandwidth == pytest.approx(
        10945389393.6
    )
    assert time_estimate._factors() and calibration._ratios()


def test_what_was_stopped_goes_on_and_what_waited_is_done(before):
    (waiting_dry_run,) = before.jobs.glob("measure-*")
    run_queue.watch_again(before)
    assert dry_run.wait(before, waiting_dry_run.name)["fits"]
    ended = training.wait(before, "waiting")
    assert ended.state == "finished" and ended.status.dry_run["fits"], ended.status
    training.resume(before, "stopped")
    resumed = training.wait(before, "stopped")
    assert resumed.state == "finished" and resumed.progress.step == 300, resumed.status
    assert [row[0] for row in runs.metrics_table(resumed)["rows"]] == list(range(1, 301)), "no step is missing, and none is there twice"


def test_the_old_names_of_work_are_understood(before, monkeypatch):
    """The queue's kinds and the markers in a run's folder, written by the version before."""
    started = []
    monkeypatch.setattr(processes, "start", lambda module, *words, **_: started.append(module) or subprocess.Popen(["true"]))
    run = before.runs / "waiting"
    (run / "fetch").write_text("owner/name")
    place = roofline.folder(devices.cpu(), before.machine_folder())
    place.mkdir(parents=True, exist_ok=True)
    with closing(jobs_queue.connect(before.machine_folder())) as db, db:
        db.execute("DELETE FROM jobs WHERE kind = 'measure'")
        db.execute("INSERT INTO jobs (kind, folder, device, created) VALUES ('probe', ?, 'cpu', 0)", (str(place),))
    watcher = supervisor.Supervisor(before.machine_folder(), supervisor.handover.Inbox(before.machine_folder()))

    def look():
        for job in watcher.jobs("waiting"):
            watcher.consider(job)

    look()
    assert started == ["tuner.workers.download"]
    (run / "fetch").unlink()
    watcher.db.execute("UPDATE jobs SET state = 'waiting' WHERE folder = ?", (str(run),))
    runs.write_status(run, state="queued")
    look()
    assert started[1:] == ["tuner.workers.training.preflight"] and (run / "measure").exists()
    watcher.db.execute("UPDATE jobs SET state = 'done' WHERE folder = ?", (str(run),))
    look()
    assert started[2:] == ["tuner.workers.device_benchmark"]
    assert all((ROOT / (module.replace(".", "/") + ".py")).is_file() for module in started)
    watcher.inbox.close()


# --- a supervisor of another version --------------------------------------------------------------------------------------


def former(tmp_path, ws, deaf: str = "") -> subprocess.Popen:
    """A process as `python -m tuner.supervisor` of the version before: it holds the lock, and knows no request to leave."""
    (tmp_path / "old" / "tuner").mkdir(parents=True)
    (tmp_path / "old" / "tuner" / "__init__.py").touch()
    (tmp_path / "old" / "tuner" / "supervisor.py").write_text(FORMER.format(deaf=deaf))
    ws.machine_folder().mkdir(parents=True, exist_ok=True)
    env = os.environ | {"PYTHONPATH": str(tmp_path / "old"), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    child = subprocess.Popen([sys.executable, "-m", "tuner.supervisor"], env=env, stdout=subprocess.PIPE, cwd=tmp_path)
    assert child.stdout.readline() == b"holds\n"
    return child


def test_a_former_supervisor_is_relieved_before_it_could_start_what_has_moved(ws, tmp_path):
    child = former(tmp_path, ws)
    assert machine.version_at_work(ws.machine_folder()) == ""
    Job(ws, "serve", ws.machine_folder() / "nothing").submit("cpu")  # a folder that is not there: done as soon as it is looked at
    assert child.wait(10) != 0
    assert until(lambda: machine.version_at_work(ws.machine_folder()) == machine.VERSION, 20)
    assert until(lambda: not machine.Machine(ws.machine_folder()).work, 20)


def test_one_that_has_just_begun_is_left_alone(ws):
    """It has its lock before it says its version; whoever looks in between must not take it for a former one."""
    code = """
import time
from tuner import paths, locks
from tuner.system import machine
locks.acquire(paths.machine_folder() / machine.LOCK)
print("holds", flush=True)
time.sleep(0.4)
machine.announce(paths.machine_folder())
time.sleep(300)
"""
    env = os.environ | {"PYTHONPATH": str(ROOT), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    child = subprocess.Popen([sys.executable, "-c", code, machine.MODULE], env=env, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"holds\n"
    machine.relieve(ws.machine_folder())
    assert child.poll() is None and machine.version_at_work(ws.machine_folder()) == machine.VERSION
    child.kill()
    child.wait()


def test_one_that_does_not_leave_is_told_and_nothing_is_put_into_its_queue(ws, tmp_path, monkeypatch):
    child = former(tmp_path, ws, deaf="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    monkeypatch.setattr(machine, "LEAVES", 0.5)
    with pytest.raises(ConflictError, match="another version"):
        Job(ws, "serve", ws.machine_folder() / "nothing").submit("cpu")
    assert not machine.Machine(ws.machine_folder()).work
    child.kill()
    child.wait()


def test_one_that_knows_the_request_leaves_between_two_jobs(ws, tmp_path):
    """And what it was told (a token) or what waits is not lost: the next one does it."""
    code = """
import sys
from tuner.system import machine
machine.VERSION = "another/1"
from tuner.jobs import supervisor
supervisor.IDLE = 300
print("begins", flush=True)
supervisor.main()
"""
    env = os.environ | {"PYTHONPATH": str(ROOT), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    child = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
    child.stdout.readline()
    until(lambda: (paths.read_json(ws.machine_folder() / machine.ABOUT) or {}).get("version") == "another/1", 20)
    machine.ensure(ws.machine_folder())
    assert child.wait(10) == 0
    assert until(lambda: machine.version_at_work(ws.machine_folder()) == machine.VERSION, 20)
    assert not (ws.machine_folder() / machine.LEAVE).exists() and locks.is_held(ws.machine_folder() / "supervisor.lock")
    assert machine.ensure(ws.machine_folder()) is None, "one of this version is left alone"
