"""What is true after the worst: processes killed in pairs, checkpoints damaged, disks full. States are asked of the lock, figures belong to
weights that exist, and a run that was resumed ends with the bytes of one that was left in peace."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, chat_rows, until, write_rows
from tests.hostile import faults
from tuner import locks, paths, runs
from tuner.data.store import store
from tuner.errors import ConflictError, WorkError
from tuner.evaluation import checkpoints
from tuner.export import making
from tuner.jobs import data_jobs, dry_run, queue, training
from tuner.jobs.job import Job
from tuner.paths import Workspace
from tuner.runs import settling
from tuner.serving import chat_client
from tuner.system import disk_reserve

WISH = {"model": "starter", "effective_batch": 4, "device": "cpu", "lora_rank": 4, "learning_rate": 3e-3, "lora_dropout": 0.1}
RUN = WISH | {"epochs": 1000, "max_steps": 24, "eval_steps": 6}
LONGER = RUN | {"max_steps": 400, "eval_steps": 5}  # to be killed in


def begin(ws: Workspace, data: store.Dataset, wish: dict = RUN, name: str = "run", **more) -> runs.Run:
    return training.start(ws, wish | {"data": data.ref} | more, name=name)


def at_step(ws, run, step: int) -> runs.Run:
    return until(lambda: (r := runs.get(ws, run.id)).progress.step >= step and r, 90, every=0.02)


def finish(ws, run) -> runs.Run:
    ended = training.wait(ws, run.id, poll=0.1)
    assert ended.state == "finished", (ended.status, runs.log_tail(ended)[-3000:])
    return ended


def weights(run: runs.Run) -> str:
    return paths.sha256(run.path / "model" / "adapter_model.safetensors")


def cli(ws: Workspace, *args: str, code: int = 0) -> dict:
    """The document of a command, in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "TUNESMITH_HOME": str(ws.home), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    done = subprocess.run([sys.executable, "-m", "tuner.cli", *args, "--json"], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict:
    """{"rows", "weights", "best"} of RUN on forty rows, left in peace."""
    base = tmp_path_factory.mktemp("peace")
    ws = Workspace(base / "home", machine=base / "machine").prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_MACHINE", str(base / "machine"))
        run = finish(ws, begin(ws, store.add(ws, write_rows(base / "sums.jsonl", chat_rows()), held_out=0.1)))
    return {"weights": weights(run), "best": run.status.best}


def same(run: runs.Run, undisturbed: dict) -> bool:
    return weights(run) == undisturbed["weights"] and run.status.best == undisturbed["best"]


# --- killed in pairs -------------------------------------------------------------------------------------------------


def test_supervisor_and_training_worker(ws, data, undisturbed):
    """Without a page: every command says what is true at once; the newest checkpoint, which is the best one, was damaged meanwhile."""
    run = begin(ws, data)
    until(lambda: runs.get(ws, run.id).status.best.get("step") == 12, 90, every=0.02)
    faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.training.sft"))
    assert paths.read_json(run.path / "status.json")["state"] == "running", "nobody is left to say anything else"
    faults.flip(run.path / "checkpoints" / "checkpoint-12" / "adapter_model.safetensors")
    assert [r["state"] for r in cli(ws, "runs")["runs"]] == ["interrupted"]
    shown = cli(ws, "show", run.id)
    assert shown["state"] == "interrupted" and "gone" in shown["reason"] and "step 6" in shown["reason"]
    assert cli(ws, "stop", run.id, code=2)["errors"][0]["code"] == "conflict"
    cli(ws, "resume", run.id)
    ended = runs.get(ws, run.id)
    assert ended.state == "finished" and same(ended, undisturbed)
    told = {w["name"]: w for w in cli(ws, "show", run.id)["warnings"]}
    assert set(told) == {"checkpoint_damaged", "best_changed"} and all(set(w) == WARNING for w in told.values())
    assert told["checkpoint_damaged"]["step"] == 12 and "resumed from step 6" in told["checkpoint_damaged"]["message"]
    assert "step 12" in told["best_changed"]["message"] and "step 6" in told["best_changed"]["message"]


WARNING = {"name", "step", "severity", "message", "remedy", "fixes"}


def test_supervisor_and_a_run_that_only_waits(ws, data):
    """It is queued, truly: somebody looks, and a supervisor goes on with it."""
    first, second = begin(ws, data, LONGER, "first"), begin(ws, data, RUN, "second")
    at_step(ws, first, 2)
    faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.training.sft"))
    assert not locks.is_held(ws.machine_folder() / "supervisor.lock")
    assert {r.id: r.state for r in runs.listing(ws)} == {first.id: "interrupted", second.id: "queued"}
    until(lambda: runs.get(ws, second.id).state == "preparing", 30)
    runs.ask_to_stop(ws, second.id)
    assert training.wait(ws, second.id).state in ("stopped", "finished")
    runs.delete(ws, first.id)


def test_supervisor_and_dry_run(ws, data):
    _, id = training.measure(ws, RUN | {"data": data.ref})
    faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.training.sft"))
    until(lambda: dry_run.look(ws, id)["state"] != "running", 6 * settling.SLOW)
    try:
        measured = dry_run.wait(ws, id)
    except WorkError as error:
        assert error.remedy
    else:  # both died before it was noted that the dry run had begun: then it was begun again
        assert measured["process_bytes"] > 0


def test_supervisor_and_serving_worker(ws):
    """The next question starts both anew."""
    before = chat_client.endpoint(ws, "cpu")
    faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.serving.server"))
    assert queue.sharing(ws.machine_folder(), "cpu") == [], "a number in the queue is no process"
    after = chat_client.endpoint(ws, "cpu")
    assert after["key"] != before["key"] and locks.is_held(chat_client.folder(ws, "cpu") / "lock")


def test_supervisor_and_export(house):
    """The work that died with its supervisor is no obstacle to the next one of the same name."""
    ws, place = house.ws, house.ws.exports / house.lora / ".merged.new"
    before = making.exports_of(ws, house.lora)  # of other tests
    place.mkdir(parents=True, exist_ok=True)
    where = {"run": str(house.run(house.lora).path), "base": house.run(house.lora).plan["model"]["base"]}
    asked = {"kind": "merged", "precision": "fp32", "objective": "chat", "method": "lora", "questions": []}
    paths.write_json(place / "request.json", where | asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_MACHINE", str(ws.machine_folder()))
        Job(ws, "export", place).submit("cpu")
        faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.exporting.main"))
        assert making.exports_of(ws, house.lora) == before
        assert making.make(ws, house.lora, "merged")["check"]["passed"]


def test_supervisor_and_download(ws, tmp_path):
    from tests.models.test_hub import serving
    from tuner.jobs import downloads

    with serving(slow=0.3) as (url, handler), pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_HUB_OFFLINE")
        for name, value in {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"}.items():
            patch.setenv(name, value)
        downloads.start(ws, "owner/tiny")
        until(lambda: "/s, " in (downloads.state(ws, "owner/tiny").get("reason") or ""), 60)
        faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.download"))
        found = downloads.state(ws, "owner/tiny")
        assert found["state"] == "interrupted" and "gone" in found["reason"]
        handler.slow = 0
        downloads.start(ws, "owner/tiny")
        until(lambda: downloads.state(ws, "owner/tiny")["state"] not in runs.LIVE, 60)
        assert downloads.state(ws, "owner/tiny")["state"] == "finished"


def test_a_download_outlives_its_supervisor(ws, tmp_path):
    """Its ending is its own: nobody else has seen it end well."""
    from tests.models.test_hub import serving
    from tuner.jobs import downloads

    with serving(slow=0.1) as (url, _), pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_HUB_OFFLINE")
        for name, value in {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"}.items():
            patch.setenv(name, value)
        downloads.start(ws, "owner/tiny")
        until(lambda: "MB" in (downloads.state(ws, "owner/tiny").get("reason") or ""), 60)
        faults.kill(*faults.at_work(ws, "jobs.supervisor"))
        until(lambda: downloads.state(ws, "owner/tiny")["state"] not in runs.LIVE, 60)
        assert downloads.state(ws, "owner/tiny")["state"] == "finished"


@pytest.mark.long
def test_supervisor_and_rehearsal(ws, data, undisturbed):
    run = begin_quietly(ws, data)
    (run.path / "measure").touch()
    Job(ws, "train", run.path).submit("cpu")
    faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.training.preflight", "workers.training.sft"))
    assert runs.get(ws, run.id).state == "interrupted"
    training.resume(ws, run.id)
    assert same(finish(ws, run), undisturbed)


IMPORT = """
import sys, time
from pathlib import Path
from tuner.jobs import data_jobs
from tuner.paths import Workspace
print(data_jobs.start(Workspace(Path(sys.argv[1]), machine=Path(sys.argv[2])), sys.argv[3]), flush=True)
time.sleep(600)
"""


def test_importer_and_its_parent(ws, tmp_path):
    file = write_rows(tmp_path / "many.jsonl", chat_rows(60_000))
    command = [sys.executable, "-c", IMPORT, str(ws.home), str(ws.machine_folder()), str(file)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    job = parent.stdout.readline().strip()
    until(lambda: (ws.jobs / job / "progress.json").exists(), 60)
    faults.kill(parent.pid, *faults.at_work(ws, "workers.data_tasks"))
    parent.wait()
    now = data_jobs.progress(ws, job)
    assert now.state == "failed" and "stopped by the system" in now.errors[0]["message"]
    assert store.listing(ws) == [] and not list(ws.datasets.glob(".import-*"))


def test_a_supervisor_that_is_stopped_is_not_waited_for_without_end(ws, data):
    run = begin(ws, data, LONGER)
    at_step(ws, run, 1)
    (boss,), workers = faults.at_work(ws, "jobs.supervisor"), faults.at_work(ws, "workers.training.sft")
    with faults.paused(boss):
        faults.kill(*workers)
        with pytest.raises(ConflictError, match="interrupted"):
            runs.ask_to_stop(ws, run.id)
    assert runs.get(ws, run.id).state == "interrupted"


# --- states in files -------------------------------------------------------------------------------------------------


def begin_quietly(ws, data, name: str = "quiet", **status) -> runs.Run:
    """A run's folder with nobody who looks at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "submit", lambda *_: None)
        run = begin(ws, data, name=name)
    runs.write_status(run.path, **status)
    return run


@pytest.mark.parametrize("state", ["preparing", "running", "stopping"])
def test_a_live_state_without_a_lock_is_settled_by_whoever_reads_it(ws, data, state):
    run = begin_quietly(ws, data, state=state)
    assert runs.listing(ws)[0].state == "interrupted" == paths.read_json(run.path / "status.json")["state"]
    assert not locks.is_held(run.path / "lock") and not (run.path / disk_reserve.NAME).exists()


def test_what_was_just_started_may_take_its_lock_first(ws, data):
    run = begin_quietly(ws, data, state="preparing", starting=True)
    assert runs.get(ws, run.id).state == "preparing"
    old = os.stat(run.path / "status.json").st_mtime - settling.SLOW - 1
    os.utime(run.path / "status.json", (old, old))
    assert runs.get(ws, run.id).state == "interrupted"


def test_only_live_runs_are_probed(ws, data, monkeypatch):
    for n in range(5):
        begin_quietly(ws, data, f"run-{n}", state="finished")
    asked = []
    monkeypatch.setattr(locks, "is_held", lambda path: asked.append(path) or False)
    assert len(runs.listing(ws)) == 5 and asked == []
    begin_quietly(ws, data, "dead", state="running")
    assert "interrupted" in {r.state for r in runs.listing(ws)} and asked


# --- the best state --------------------------------------------------------------------------------------------------


def saved(folder, step: int, loss: float | None) -> None:
    """A checkpoint as training leaves it, evaluated with `loss`."""
    place = folder / "checkpoints" / f"checkpoint-{step}"
    place.mkdir(parents=True)
    (place / "adapter_model.safetensors").write_bytes(os.urandom(500))
    history = [{"step": step, "eval_loss": loss}] if loss is not None else [{"step": step, "loss": 1.0}]
    paths.write_json(place / "trainer_state.json", {"log_history": history})
    runs.write_manifest(place)


@pytest.fixture
def three(ws, data) -> runs.Run:
    """A run with checkpoints 5, 10, 15, the best of step 10."""
    run = begin_quietly(ws, data, best={"eval_loss": 1.0, "step": 10})
    for step, loss in ((5, 2.0), (10, 1.0), (15, 1.5)):
        saved(run.path, step, loss)
    return run


@pytest.mark.parametrize("damage", faults.DAMAGES)
@pytest.mark.parametrize("file", ["adapter_model.safetensors", "trainer_state.json", "MANIFEST.json"])
def test_a_damaged_best_is_no_longer_claimed(three, file, damage):
    faults.DAMAGES[damage](three.path / "checkpoints" / "checkpoint-10" / file)
    stock = checkpoints.take_stock(three.path)
    assert stock.resume.name == "checkpoint-15" and stock.best == {"eval_loss": 1.5, "step": 15}
    assert [w["name"] for w in stock.warnings] == ["checkpoint_damaged", "best_changed"]
    assert "step 15 (validation loss 1.5000)" in stock.warnings[1]["message"]
    assert [c.name for c in runs.checkpoints(three.path)] == ["checkpoint-15", "checkpoint-5"]


def test_what_is_whole_stays_the_best_without_a_word(three):
    assert checkpoints.take_stock(three.path) == checkpoints.Stock(
        three.path / "checkpoints" / "checkpoint-15", {"eval_loss": 1.0, "step": 10}, []
    )
    found, best = checkpoints.best_whole(three.path)
    assert found.name == "checkpoint-10" and best["eval_loss"] == 1.0
    faults.flip(found / "adapter_model.safetensors")
    assert checkpoints.best_whole(three.path)[1]["step"] == 15


def test_nothing_left_is_nothing_claimed(three):
    for step in (5, 10, 15):
        faults.remove(three.path / "checkpoints" / f"checkpoint-{step}" / "MANIFEST.json")
    stock = checkpoints.take_stock(three.path)
    assert stock.resume is None and stock.best is None and len(stock.warnings) == 4
    assert all("started again" in w["message"] for w in stock.warnings[:3]) and checkpoints.best_whole(three.path) is None


def test_old_checkpoints_make_room_and_the_best_and_two_stay(three):
    kept = checkpoints.Kept(three.path, 2)
    saved(three.path, 20, 1.4)
    kept.added(three.path / "checkpoints" / "checkpoint-20")
    kept.rotate(10)
    assert [c.name for c in runs.checkpoints(three.path)] == ["checkpoint-20", "checkpoint-10"]
    saved(three.path, 25, 1.3)
    faults.flip(three.path / "checkpoints" / "checkpoint-25" / "adapter_model.safetensors")
    kept.rotate(10)
    assert {"checkpoint-20", "checkpoint-10"} <= {c.name for c in runs.checkpoints(three.path)}, "two whole ones are left"
    (three.path / "checkpoints" / f"{checkpoints.DROPPED}checkpoint-5").mkdir()
    checkpoints.sweep(three.path)
    assert not list((three.path / "checkpoints").glob(".*"))


def nonsense(ws, tmp_path) -> store.Dataset:
    """Rows whose training makes the validation loss worse at every step after the first, whose rate is zero."""
    from tests.jobs.test_training import chat as talk
    from tests.jobs.test_training import divided

    sense = [talk(f"How much is {a} plus {b}?", f"{a} plus {b} is {a + b}.") for a in range(2, 9) for b in range(2, 9)]
    return divided(ws, tmp_path, [talk(f"What is {i}?", "zq " * 9) for i in range(60)], sense)


def test_the_best_evaluation_has_its_weights(ws, tmp_path):
    """Saved seldom, evaluated often: the best state is saved when it is found; damaged, it is not claimed; the figures are the weights'."""
    data = nonsense(ws, tmp_path)
    run = begin(ws, data, WISH | {"max_steps": 12, "eval_steps": 1, "save_steps": 6, "learning_rate": 1e-2})
    at_step(ws, run, 7)
    faults.kill(*faults.at_work(ws, "jobs.supervisor", "workers.training.sft"))
    run = runs.get(ws, run.id)
    step = run.status.best["step"]
    assert step < 6 and runs.is_whole(run.path / "checkpoints" / f"checkpoint-{step}"), "saved though no step of saving"
    faults.flip(run.path / "checkpoints" / f"checkpoint-{step}" / "adapter_model.safetensors")
    training.resume(ws, run.id)
    run = finish(ws, run)
    best = run.status.best
    assert best["step"] > step and weights(run) == paths.sha256(
        run.path / f"checkpoints/checkpoint-{best['step']}/adapter_model.safetensors"
    )
    assert best["eval_loss"] == pytest.approx(evaluated(ws, run, data), abs=1e-6)
    assert f"{best['eval_loss']:.4f}" in (run.path / "card.md").read_text()
    assert dict(runs_at(run, best["step"]))["eval_loss"] == best["eval_loss"] == run.summary()["best"]


def runs_at(run, step: int):
    return [(key, value) for at, key, value in runs.metrics(run) if at == step]


def evaluated(ws, run, data) -> float:
    """The validation loss of the weights in model/: a run that continues from them evaluates them before its first step."""
    return finish(ws, begin(ws, data, WISH | {"max_steps": 1, "model": run.id}, "after")).status.baseline["eval_loss"]


@pytest.mark.long
def test_killed_after_the_last_step(ws, data, undisturbed):
    """All steps are done and model/ is not written: resumed, nothing is trained any more."""
    run = finish(ws, begin(ws, data))
    shutil.rmtree(run.path / "model")
    runs.write_status(run.path, state="interrupted", best=None)
    training.resume(ws, run.id)
    run = finish(ws, run)
    assert same(run, undisturbed) and runs.log_tail(run, 10**6).count("{'loss'") == 24
