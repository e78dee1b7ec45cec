"""The run folder: true on disk whatever ends it, deaf to strangers' paths, alive only while a process holds its lock."""

import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from tests.conftest import ROOT, until
from tuner import locks, models, paths, runs
from tuner.devices import Device
from tuner.errors import ConflictError, DiskError, NotFoundError, TunerError
from tuner.jobs import handover, supervisor
from tuner.planning import planner
from tuner.settings import parsing

CPU = Device("cpu", "cpu", "CPU", 16 * 10**9, 16 * 10**9, 0.05)


@pytest.fixture
def made(ws) -> runs.Run:
    return make(ws)


def make(ws, name: str = "my run", **wish) -> runs.Run:
    plan = planner.plan(parsing.parse({}), models.resolve("starter"), None, device=CPU).as_dict()
    return runs.create(ws, {"model": "starter", "data": "sums@1", **wish}, plan | {"model": {"base": "x"}}, name=name)


def checkpoint(folder, step: int, files=("adapter.safetensors", "optimizer.pt")):
    place = folder / "checkpoints" / f"checkpoint-{step}"
    (place / "sub").mkdir(parents=True)
    for name in (*files, "sub/more.json"):
        (place / name).write_bytes(os.urandom(1000))
    runs.write_manifest(place)
    return place


# --- a full disk ---------------------------------------------------------------------------------------------------------


def full_until(monkeypatch, free):
    """A disk on which documents can be written only once `free()`."""
    write = paths.write_json

    def limited(path, value):
        if not free():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, value)

    monkeypatch.setattr(paths, "write_json", limited)


def test_a_full_disk_still_holds_the_ending(made, monkeypatch):
    good, half = checkpoint(made.path, 5), checkpoint(made.path, 10)
    (half / "MANIFEST.json").unlink()
    (made.path / "model.new").mkdir()
    reserve = made.path / "reserve"
    assert reserve.stat().st_size == runs.RESERVE
    full_until(monkeypatch, lambda: not half.exists() and not reserve.exists())
    runs.write_status(made.path, state="failed", reason="The disk is full.")
    assert runs.read(made.path, paths.read_json(made.path / "status.json")).state == "failed"
    assert good.exists() and not (made.path / "model.new").exists()


def test_the_reserve_goes_with_the_ending_and_comes_back_with_a_resume(made):
    runs.write_status(made.path, state="stopped")
    assert not (made.path / "reserve").exists()
    runs.write_status(made.path, state="queued")
    assert (made.path / "reserve").exists()


def test_the_supervisor_waits_for_space(made, ws, monkeypatch):
    monkeypatch.setattr(supervisor, "FULL", 0.05)
    monkeypatch.setattr(supervisor, "IDLE", 2.0)  # longer than five tries on a busy machine
    runs.write_status(made.path, state="running")
    tries = []
    full_until(monkeypatch, lambda: tries.append(1) or len(tries) > 4)
    s = supervisor.Supervisor(ws.machine_folder(), handover.Inbox(ws.machine_folder()))
    s.db.execute("INSERT INTO jobs (kind, folder, device, state, created) VALUES ('train', ?, 'cpu', 'running', 0)", (str(made.path),))
    s.run()
    assert runs.get(ws, made.id).state == "interrupted" and len(tries) == 5


# --- status --------------------------------------------------------------------------------------------------------------


def test_a_new_run_waits(made, ws):
    assert made.state == "queued" and made.live and not runs.alive(made) and made.name == "my run" and made.id == "my-run"
    assert made.config == {"model": "starter", "data": "sums@1"} and made.plan["settings"]["method"] == "lora"
    assert runs.get(ws, made.id) == made and runs.listing(ws) == [made] and not made.can_answer
    assert make(ws).id == "my-run-2" and {r.id for r in runs.listing(ws)} == {"my-run", "my-run-2"}


def test_status_is_merged_and_never_half_written(made):
    runs.write_status(made.path, state="running", progress={"step": 1})
    status = runs.write_status(made.path, reason="why")
    assert status["state"] == "running" and status["progress"] == {"step": 1} and status["reason"] == "why"
    assert paths.read_json(made.path / "status.json") == status
    with pytest.raises(TypeError):  # what can't be written leaves the old document and no litter
        runs.write_status(made.path, **{"bad": {(1, 2): 3}})
    assert paths.read_json(made.path / "status.json") == status and not list(made.path.glob(".status*"))


WRITER = """
import sys
from pathlib import Path
from tuner import runs
print("go", flush=True)
for i in range(10**9):
    runs.write_status(Path(sys.argv[1]), state="running", filler="x" * 5000, step=i)
"""


def test_status_is_whole_in_the_eyes_of_a_reader_and_after_a_kill(made):
    writer = child(WRITER, made.path)
    until(lambda: "filler" in paths.read_json(made.path / "status.json"))
    for _ in range(300):
        status = paths.read_json(made.path / "status.json")
        assert status["state"] in ("queued", "running")
    writer.kill(), writer.wait()
    assert paths.read_json(made.path / "status.json")["filler"] == "x" * 5000


def test_version_changes_with_any_run(ws):
    seen = [runs.version(ws)]
    run = make(ws)
    for change in (
        lambda: runs.write_status(run.path, state="running"),
        lambda: runs.describe(ws, run.id, notes="x"),
        lambda: make(ws),
        lambda: (runs.write_status(run.path, state="failed"), runs.delete(ws, run.id)),
    ):
        seen.append(runs.version(ws))
        change()
    seen.append(runs.version(ws))
    assert len(set(seen)) == len(seen) and runs.version(ws) == seen[-1]


def test_summary_and_detail_are_documents(made):
    assert json.dumps(made.summary()) and made.summary()["state"] == "queued" and made.summary()["best"] is None
    detail = made.detail()
    assert {"id", "state", "reason", "model", "data", "settings", "reasons", "predicted", "measured", "progress", "best", "error"} <= set(
        detail
    )
    assert set(detail["progress"]) == {"step", "steps", "epoch", "eta_seconds", "eta_low", "eta_high"} and json.dumps(detail)


# --- metrics -------------------------------------------------------------------------------------------------------------


def test_metrics_written_again_are_not_doubled(made):
    with closing(runs.metrics_db(made.path)) as db:
        for step in (1, 2, 3, 2, 3):
            runs.write_metrics(db, step, {"loss": float(step), "learning_rate": 0.1})
        runs.write_metrics(db, 3, {"loss": 30.0})
        runs.write_metrics(db, 3, {"eval_loss": 9.0})
    assert runs.metrics(made) == sorted(runs.metrics(made)) and len(runs.metrics(made)) == 7
    assert runs.metrics(made, since=2) == [(3, "eval_loss", 9.0), (3, "learning_rate", 0.1), (3, "loss", 30.0)]
    table = runs.metrics_table(made)
    assert table["columns"][0] == "step" and [r[0] for r in table["rows"]] == [1, 2, 3]
    assert dict(zip(table["columns"], table["rows"][0], strict=True)) == {"step": 1, "loss": 1.0, "learning_rate": 0.1, "eval_loss": None}


def test_nan_is_a_gap_and_nothing_is_no_table(made):
    assert runs.metrics(made) == [] and runs.metrics_table(made) == {"columns": ["step"], "rows": []}
    with closing(runs.metrics_db(made.path)) as db:
        assert runs.metrics(made) == []
        runs.write_metrics(db, 1, {"loss": float("nan")})
    assert runs.metrics(made) == [(1, "loss", None)]


def test_metrics_can_be_read_while_they_are_written(made):
    db = runs.metrics_db(made.path)
    with db:
        db.execute("INSERT INTO metrics VALUES (1, 'loss', 2.0)")
        assert runs.metrics(made) == []
    assert runs.metrics(made) == [(1, "loss", 2.0)]
    db.close()


# --- checkpoints ---------------------------------------------------------------------------------------------------------


def truncated(c):
    (c / "optimizer.pt").write_bytes(b"")


def changed(c):
    data = bytearray((c / "adapter.safetensors").read_bytes())
    data[500] ^= 1
    (c / "adapter.safetensors").write_bytes(data)


def missing(c):
    (c / "sub" / "more.json").unlink()


def no_manifest(c):
    (c / "MANIFEST.json").unlink()


def half_manifest(c):
    text = (c / "MANIFEST.json").read_text()
    (c / "MANIFEST.json").write_text(text[: len(text) // 2])


def odd_manifest(c):
    (c / "MANIFEST.json").write_text("[1, 2]")


@pytest.mark.parametrize("harm", [truncated, changed, missing, no_manifest, half_manifest, odd_manifest], ids=lambda f: f.__name__)
def test_a_harmed_checkpoint_does_not_count(made, harm):
    for step in (4, 8, 12, 100):
        checkpoint(made.path, step)
    assert [c.name for c in runs.checkpoints(made.path)] == [f"checkpoint-{n}" for n in (100, 12, 8, 4)]
    assert runs.newest_whole_checkpoint(made.path).name == "checkpoint-100"
    harm(made.path / "checkpoints" / "checkpoint-100")
    harm(made.path / "checkpoints" / "checkpoint-12")
    assert runs.newest_whole_checkpoint(made.path).name == "checkpoint-8"


def test_no_checkpoint_at_all(made):
    assert runs.newest_whole_checkpoint(made.path) is None
    (made.path / "checkpoints" / "checkpoint-x").mkdir(parents=True)
    (made.path / "checkpoints" / "checkpoint-3").mkdir()
    assert runs.newest_whole_checkpoint(made.path) is None


# --- names and paths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["", "..", "../me", "a/b", "/etc", "A", "a b", "-a", "a-", "x" * 65, "a\n", ".hidden", "é", "a\0", None, 5])
def test_strange_ids_never_reach_the_disk(ws, id):
    for work in (runs.get, runs.delete, runs.ask_to_stop, runs.describe):
        with pytest.raises(NotFoundError):
            work(ws, id)
    with pytest.raises(NotFoundError):
        paths.checked_id(id, "run")


@pytest.mark.parametrize("name", ["", "../../evil", "Ünï côdé", "x" * 500, "a/b\\c:d", "   ", "日本語", "CON", "-", "\0"])
def test_any_name_makes_a_good_id_and_stays_a_name(ws, name):
    run = make(ws, name)
    assert paths.ID.fullmatch(run.id) and run.path.parent == ws.runs and runs.get(ws, run.id).about["name"] == name


def test_a_run_that_is_not_there(ws, made):
    with pytest.raises(NotFoundError) as caught:
        runs.get(ws, "nothing")
    assert caught.value.available == [made.id] and caught.value.exit_code == 2


def test_rename_and_notes(ws, made):
    runs.describe(ws, made.id, name="  A better name ")
    runs.describe(ws, made.id, notes="Good.\nVery.")
    run = runs.get(ws, made.id)
    assert (run.name, run.notes, run.id) == ("A better name", "Good.\nVery.", made.id) and run.about["created"] == made.about["created"]
    runs.describe(ws, made.id, name=" ")
    assert runs.get(ws, made.id).name == made.id


def no_config(f):
    (f / "config.yaml").unlink()


def broken_config(f):
    (f / "config.yaml").write_text("a: [")


def empty_config(f):
    (f / "config.yaml").write_text("")


def no_plan(f):
    (f / "plan.json").unlink()


def broken_plan(f):
    (f / "plan.json").write_text("{")


def broken_status(f):
    (f / "status.json").write_text('{"state": ')


def listed_status(f):
    (f / "status.json").write_text("[]")


def a_file(f):
    f.rename(f.with_name(".gone"))
    f.write_text("")


@pytest.mark.parametrize(
    "harm", [no_config, broken_config, empty_config, no_plan, broken_plan, broken_status, listed_status, a_file], ids=lambda f: f.__name__
)
def test_a_damaged_folder_hides_no_other(ws, made, harm):
    other = make(ws, "other")
    harm(made.path)
    assert [r.summary()["id"] for r in runs.listing(ws)] == [other.id]
    assert runs.version(ws) and runs.using_dataset(ws, "sums") == ["other"]
    with pytest.raises(TunerError):
        runs.get(ws, made.id)


def test_nothing_there_yet(tmp_path):
    empty = paths.Workspace(tmp_path / "none", machine=tmp_path / "m")
    assert runs.listing(empty) == [] and runs.version(empty) == "0" and runs.using_dataset(empty, "x") == []


def test_using_dataset(ws):
    for data, name in (("sums@1", "a"), ("sums@2", "b"), ("sums", "c"), ("sums-2@1", "d")):
        make(ws, name, data=data)
    assert sorted(runs.using_dataset(ws, "sums")) == ["a", "b", "c"]


# --- delete and stop -----------------------------------------------------------------------------------------------------


def test_delete(ws, made):
    with pytest.raises(ConflictError, match="is in progress"):
        runs.delete(ws, made.id)
    runs.write_status(made.path, state="finished")
    heir = make(ws, "heir", model=made.id)
    with pytest.raises(ConflictError, match="heir came from"):
        runs.delete(ws, made.id)
    runs.write_status(heir.path, state="failed")
    runs.delete(ws, heir.id)
    runs.delete(ws, made.id)
    assert runs.listing(ws) == [] and list(ws.runs.iterdir()) == []


def test_an_ended_run_whose_process_still_lives_is_not_deleted(ws, made):
    runs.write_status(made.path, state="finished")
    holder = child(HOLDER, made.path / "lock")
    with pytest.raises(ConflictError):
        runs.delete(ws, made.id)
    holder.kill(), holder.wait()
    runs.delete(ws, made.id)


def test_stop_is_a_wish_in_a_file(ws, made):
    assert runs.ask_to_stop(ws, made.id).live and (made.path / "control").read_text() == "stop"
    runs.write_status(made.path, state="finished")
    with pytest.raises(ConflictError, match="is not in progress"):
        runs.ask_to_stop(ws, made.id)


def test_a_workspace_that_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError) as caught:
        paths.Workspace(tmp_path / "file", machine=tmp_path / "m").prepare()
    assert caught.value.remedy and "TUNESMITH_HOME" in caught.value.remedy


# --- locks ---------------------------------------------------------------------------------------------------------------

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from tuner import locks
assert locks.acquire(Path(sys.argv[1])) and locks.acquire(Path(sys.argv[1]))
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"], stdout=subprocess.DEVNULL)
print(grandchild.pid, flush=True)
time.sleep(60)
"""


def child(code: str, *args) -> subprocess.Popen:
    """A process running `code`, after its first line of output."""
    command = [sys.executable, "-c", code, *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    process.first = process.stdout.readline().strip()
    assert process.first
    return process


def test_a_lock_lives_as_long_as_its_process_and_no_longer(tmp_path):
    file = tmp_path / "new" / "lock"
    assert not locks.is_held(file)
    holder = child(HOLDER, file)
    assert locks.is_held(file) and locks.is_held(file) and not locks.acquire(file, timeout=0.1)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert until(lambda: not locks.is_held(file), 5)  # though its own child still runs
    os.kill(int(holder.first), signal.SIGKILL)
    assert locks.acquire(file) and locks.is_held(file)
    locks.release(file)
    assert not locks.is_held(file)


def test_a_probe_does_not_drop_our_own_lock(tmp_path):
    file = tmp_path / "lock"
    assert locks.acquire(file) and locks.is_held(file) and locks.is_held(tmp_path / "x" / ".." / "lock")
    probe = "import sys\nfrom pathlib import Path\nfrom tuner import locks\nprint(locks.is_held(Path(sys.argv[1])))"
    for _ in range(2):
        assert child(probe, file).first == "True"
    locks.release(file)
    assert child(probe, file).first == "False"


def test_patience_outlasts_a_probe(tmp_path):
    file = tmp_path / "lock"
    holder = child(HOLDER.replace("time.sleep(60)", "time.sleep(0.5)").replace("sleep(20)", "sleep(0)"), file)
    assert locks.acquire(file, timeout=10)
    holder.wait()
    locks.release(file)


def test_releasing_what_was_never_held_is_nothing(tmp_path):
    locks.release(tmp_path / "lock")
    assert not locks.is_held(tmp_path / "lock")
