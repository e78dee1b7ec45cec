"""One way to start, watch, stop and settle a process: the same walk for every kind, with a real process and a real queue."""

import os
import signal

import psutil
import pytest

from tests.conftest import until
from tuner import locks, paths, runs
from tuner.errors import DataError
from tuner.jobs import handover, queue, supervisor
from tuner.jobs.device_memory import DeviceMemory
from tuner.jobs.job import Job, JobStatus
from tuner.jobs.kinds import KINDS, RESULT, STATUS, TASKS, Kind, Stage
from tuner.jobs.leases import Lease, Memory, Use, may_begin
from tuner.system import machine

SLEEPER = "tests.jobs.sleeper"
GONE = DataError("It is gone.", remedy="Start it again.")


@pytest.fixture
def kinds(monkeypatch):
    """Two kinds of the tests: one that is started at once, one that waits in the queue."""
    monkeypatch.setitem(KINDS, "nap", Kind(SLEEPER, record=RESULT, stop="halt", queued=False, kept=3600.0))
    monkeypatch.setitem(KINDS, "sleep", Kind(SLEEPER, record=RESULT, stop="halt", use=Use.WHOLE))
    monkeypatch.setitem(KINDS, "watch", Kind(SLEEPER, record=RESULT, stop="halt", use=Use.IDLE))
    monkeypatch.setattr(machine, "ensure", lambda folder: None)


def begun(ws, name: str = "nap-1") -> Job:
    job = Job(ws, "nap", ws.jobs / name)
    assert job.make_folder()
    job.launch({"what": "sleep"})
    until(lambda: (job.folder / "progress.json").exists(), 20)
    return job


def gone() -> DataError:
    return GONE


# --- a job that is started at once -------------------------------------------------------------------------------------------


def test_from_its_start_to_its_result(ws, kinds):
    job = begun(ws)
    assert job.status(gone) == JobStatus("running", 1, 4, 10, 3.0) and job.alive() and job.exists()
    assert not job.make_folder(), "who comes second finds it"
    (job.folder / "end").write_text("a thing")
    seen = []
    now = job.wait(lambda: job.status(gone), lambda s: s.running, each=seen.append, poll=0.02, seconds=20)
    assert (now.state, now.done, now.total, now.rows, now.eta_seconds) == ("done", 4, 4, 10, None) and now.result["made"] == "a thing"
    assert all(s.running for s in seen)
    job.remove()
    assert not job.folder.exists()


def test_it_is_asked_to_stop(ws, kinds):
    job = begun(ws)
    job.stop()
    assert job.wait(lambda: job.status(gone), lambda s: s.running, seconds=20).state == "cancelled"
    assert Job(ws, "nap", job.folder).status(gone).state == "cancelled", "whoever looks sees the same"


def test_a_killed_process_is_settled_once_with_its_cause(ws, kinds):
    job = begun(ws)
    (pid,) = [p.pid for p in psutil.process_iter(["cmdline"]) if str(job.folder) in (p.info["cmdline"] or [])]
    os.kill(pid, signal.SIGKILL)
    now = job.wait(lambda: job.status(gone), lambda s: s.running, seconds=20)
    assert now.state == "failed" and now.errors == GONE.as_list()
    assert paths.read_json(job.folder / RESULT) == {"state": "failed", "errors": GONE.as_list()}
    assert job.status(lambda: pytest.fail("settled twice")).state == "failed"


def test_killed_after_it_was_asked_to_stop_it_counts_as_stopped(ws, kinds):
    job = Job(ws, "nap", ws.jobs / "nap-2")
    job.make_folder()
    paths.write_json(job.folder / "job.json", {})
    paths.write_json(job.folder / "progress.json", {})
    job.stop()
    assert not job.alive() and job.status(gone).state == "cancelled"


def test_a_process_that_still_works_keeps_its_folder(ws, kinds):
    job = begun(ws)
    job.remove(seconds=0.1)
    assert job.folder.exists() and job.alive()
    job.stop()
    until(lambda: not locks.is_held(job.folder / "lock"), 20)
    job.remove()
    assert not job.folder.exists()


def test_a_folder_without_a_request_is_taken_over(ws, kinds):
    """Left by a process that was killed between the two; a name made of the question (a preview, a report) would never work again."""
    job = Job(ws, "nap", ws.jobs / "nap-1")
    assert job.make_folder() and not job.make_folder(), "somebody may be about to write it"
    os.utime(job.folder, (0, 0))
    assert job.make_folder()
    job.launch({"what": "sleep"})
    os.utime(job.folder, (0, 0))
    assert not job.make_folder(), "what has its request is somebody's"
    job.stop()
    assert job.wait(lambda: job.status(gone), lambda s: s.running, seconds=20).state == "cancelled", "asked before it had begun to listen"


def test_old_folders_go_when_the_next_is_made(ws, kinds):
    old, fresh = (begun(ws, name) for name in ("nap-old", "nap-fresh"))
    for job in (old, fresh):
        (job.folder / "end").write_text("")
        job.wait(lambda job=job: job.status(gone), lambda s: s.running, seconds=20)
    os.utime(old.folder / RESULT, (0, 0))
    Job(ws, "nap", ws.jobs / "nap-next").make_folder()
    assert not old.folder.exists() and fresh.folder.exists()


# --- a job that waits in the queue ---------------------------------------------------------------------------------------------


@pytest.fixture
def boss(ws, kinds, monkeypatch):
    monkeypatch.setattr(DeviceMemory, "memory", lambda self, device: Memory(10**11, 10**11))
    inbox = handover.Inbox(ws.machine_folder())
    boss = supervisor.Supervisor(ws.machine_folder(), inbox)
    yield boss
    for child in boss.children.values():
        child.kill()
        child.wait()
    inbox.close()


def waiting(ws, kind: str, name: str, device: str = "cpu") -> Job:
    job = Job(ws, kind, ws.jobs / name)
    job.folder.mkdir(parents=True)
    job.submit(device)
    return job


def round_of(boss) -> dict[str, str]:
    """What the supervisor does in one tick; {name of the folder: state in the queue}."""
    boss.round()
    return {j.folder.name: state for state in ("waiting", "running", "done") for j in boss.jobs(state)}


def test_one_at_a_time_on_a_device_and_the_next_when_it_ends(ws, boss):
    one, _, _ = waiting(ws, "sleep", "one"), waiting(ws, "sleep", "two"), waiting(ws, "sleep", "other", "cuda:1")
    one.submit(), one.submit()
    assert one.status(gone).running, "it is in the queue, so somebody will work on it"
    assert round_of(boss) == {"one": "running", "two": "waiting", "other": "running"}
    until(lambda: locks.is_held(one.folder / "lock"), 20)
    (one.folder / "end").write_text("done")
    until(lambda: round_of(boss)["two"] == "running", 20)
    assert one.status(gone).state == "done" and round_of(boss)["one"] == "done"


def test_a_round_reads_the_queue_no_more_often_than_there_are_jobs(ws, boss, monkeypatch):
    for i in range(20):
        waiting(ws, "sleep", f"run-{i}")
    round_of(boss)
    read, jobs = [], boss.jobs
    monkeypatch.setattr(boss, "jobs", lambda state: read.append(state) or jobs(state))
    for job in jobs("waiting"):
        boss.consider(job)
    assert read.count("waiting") == 0 and read.count("running") <= 19


def test_what_makes_way_waits_again(ws, boss):
    waiting(ws, "watch", "benchmark")
    assert round_of(boss)["benchmark"] == "running"
    waiting(ws, "sleep", "run")
    evicting = Kind(SLEEPER, record=RESULT, stop="halt", use=Use.WHOLE, evicts=(Use.IDLE,))
    KINDS["sleep"] = evicting  # put back by the fixture
    assert round_of(boss) == {"benchmark": "waiting", "run": "running"}


def test_a_kind_of_a_later_version_is_left_to_it(ws, boss):
    queue.add(ws.machine_folder(), "teleport", ws.jobs / "later", "cpu", 0, orphaned=False)
    assert boss.jobs("waiting") == [] and boss.db.execute("SELECT state FROM jobs").fetchall() == [("waiting",)]


# --- the table ---------------------------------------------------------------------------------------------------------------


def test_stages_come_before_the_work_itself(tmp_path):
    kind = Kind("last", stages=(Stage("fetch", "first", network=True, reason="Downloading."), Stage("measure", "second")))
    (tmp_path / "fetch").touch(), (tmp_path / "measure").touch()
    assert (kind.module_of(tmp_path), kind.online(tmp_path), kind.reason_of(tmp_path)) == ("first", True, "Downloading.")
    (tmp_path / "fetch").unlink()
    assert (kind.module_of(tmp_path), kind.online(tmp_path), kind.reason_of(tmp_path)) == ("second", False, None)
    (tmp_path / "measure").unlink()
    assert kind.module_of(tmp_path) == "last"


def test_every_task_has_its_work_and_every_work_its_entry():
    from tuner.workers import data_tasks

    assert set(TASKS) == set(data_tasks.WORK)


def test_what_has_a_status_is_stopped_as_runs_are():
    """`runs.ask_to_stop` and the training workers know one name of the stop file."""
    assert {kind.stop for kind in KINDS.values() if kind.record == STATUS} == {"control"} and runs.LIVE


A, B = "cuda:0", "cuda:1"


@pytest.mark.parametrize(
    ("wanted", "running", "queued", "may"),
    [
        (Lease(A, Use.WHOLE), [], [], True),
        (Lease(A, Use.WHOLE), [Lease(A, Use.WHOLE)], [], False),
        (Lease(A, Use.WHOLE), [Lease(B, Use.WHOLE, 10**9)], [], True),
        (Lease(A, Use.WHOLE), [Lease(A, Use.SHARED), Lease(A, Use.NOTHING), Lease(A, Use.IDLE)], [Lease(A, Use.WHOLE)], True),
        (Lease(A, Use.SHARED), [Lease(A, Use.WHOLE)], [], True),
        (Lease("cpu", Use.NOTHING), [Lease("cpu", Use.WHOLE)], [], True),
        (Lease(A, Use.IDLE), [], [], True),
        (Lease(A, Use.IDLE), [Lease(B, Use.WHOLE)], [], False),
        (Lease(A, Use.IDLE), [Lease("cpu", Use.NOTHING)], [], False),
        (Lease(A, Use.IDLE), [Lease(A, Use.IDLE)], [], False),
        (Lease(A, Use.IDLE), [Lease(A, Use.SHARED)], [], True),
        (Lease(A, Use.IDLE), [], [Lease(B, Use.WHOLE)], False),
    ],
)
def test_who_may_begin_beside_whom(wanted, running, queued, may):
    assert may_begin(wanted, running, None, queued).begin is may
