"""A run on a cluster: submitted, mirrored, stopped, ended by the cluster, resumed; its driver killed. submitit and a SLURM of one computer."""

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browsing import running, train_step
from tests.conftest import until
from tests.faults import fake_slurm
from tests.hostile import faults
from tuner import cli, runs
from tuner.errors import ConflictError, SettingError
from tuner.jobs import remote, run_queue, slurm, training
from ui.train_views import where_view

WISH = {"model": "starter", "method": "lora", "max_steps": 8, "eval_steps": 4, "effective_batch": 4}
LONG = WISH | {"max_steps": 5000, "epochs": 1000, "eval_steps": 20, "save_steps": 20}


@pytest.fixture
def cluster(ws, tmp_path, monkeypatch) -> Path:
    place = fake_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    monkeypatch.setenv("TUNESMITH_FORK_SERVER", "0")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "inject"))
    monkeypatch.setenv("TUNESMITH_FAULT", "quick-driver")
    yield place
    for job in (place / "jobs").glob("*"):
        fake_slurm.end(job, "CANCELLED")


def begin(ws, data, wish=WISH, **more) -> runs.Run:
    where = {"kind": "slurm", "options": slurm.options(["partition=gpu", "gpus=1", "memory=8"])}
    return training.start(ws, wish | {"data": data.ref}, where=where, **more)


def ended(ws, run, state="finished") -> runs.Run:
    found = training.wait(ws, run.id)
    assert found.state == state, (found.state, found.status.reason, runs.log_tail(found)[-2500:])
    return found


def test_a_run_goes_to_the_cluster_and_comes_back_whole(ws, data, cluster):
    run = ended(ws, begin(ws, data, name="there"))
    (job,) = (cluster / "jobs").iterdir()
    script = (job / "script.sh").read_text()
    for line in ("--partition=gpu", "--gpus-per-node=1", "--mem=8GB", "--time=1440", "--job-name=tunesmith-there"):
        assert f"#SBATCH {line}" in script
    assert [s for s, k, _ in runs.metrics(run) if k == "loss"] == list(range(1, 9)) and run.best is not None and run.can_answer
    assert run.progress.step == 8 and runs.checkpoints(run.path) and all(runs.is_whole(c) for c in runs.checkpoints(run.path))
    assert (
        run.status.measured["seconds"] > 0 and run.status.baseline["eval_loss"] and "SLURM has it as job 101" in runs.log_tail(run, 10**6)
    )
    assert run.plan["data"]["ref"] == data.ref
    until(lambda: not (run.path / remote.FOLDER).exists(), 30)


def test_it_waits_in_the_queue_and_can_be_cancelled_there(ws, data, cluster):
    (cluster / "hold").touch()
    run = begin(ws, data)
    until(lambda: "queue of SLURM (job 101)" in (runs.get(ws, run.id).status.reason or ""), 60)
    assert runs.get(ws, run.id).live
    run_queue.cancel(ws, run.id)
    stopped = ended(ws, run, "stopped")
    assert "Cancelled in the queue of SLURM" in stopped.status.reason
    assert (cluster / "jobs" / "101" / "state").read_text().startswith("CANCELLED")


@pytest.mark.long
def test_a_stop_saves_there_and_a_resume_submits_it_again(ws, data, cluster):
    run = begin(ws, data, LONG)
    until(lambda: runs.get(ws, run.id).progress.step >= 3, 120)
    runs.ask_to_stop(ws, run.id)
    stopped = ended(ws, run, "stopped")
    assert stopped.can_answer and stopped.progress.step >= 3
    training.resume(ws, run.id)
    until(lambda: runs.get(ws, run.id).progress.step > stopped.progress.step, 120)
    runs.ask_to_stop(ws, run.id)
    again = ended(ws, run, "stopped")
    steps = [s for s, k, _ in runs.metrics(again) if k == "loss"]
    assert steps == list(range(1, again.progress.step + 1)), "nothing lost, nothing doubled"
    assert len(list((cluster / "jobs").iterdir())) == 2


@pytest.mark.long
def test_a_job_that_the_cluster_ends_is_interrupted_and_resumed(ws, data, cluster):
    run = begin(ws, data, LONG | {"max_steps": 60})
    until(lambda: runs.get(ws, run.id).progress.step >= 21, 120)
    fake_slurm.end(cluster / "jobs" / "101", "TIMEOUT")
    broken = ended(ws, run, "interrupted")
    assert "SLURM ended job 101 (timeout)" in broken.status.reason and "step 20 is kept" in broken.status.reason, broken.status.reason
    training.resume(ws, run.id)
    whole = ended(ws, run)
    assert [s for s, k, _ in runs.metrics(whole) if k == "loss"] == list(range(1, 61))


@pytest.mark.long  # the same driver is killed in test_hub_jobs
def test_a_driver_that_is_killed_is_started_again_and_finds_its_job(ws, data, cluster):
    run = begin(ws, data, LONG)
    until(lambda: runs.get(ws, run.id).progress.step >= 2, 120)
    (driver,) = faults.at_work(ws, "jobs.remote")
    os.kill(driver, signal.SIGKILL)
    step = runs.get(ws, run.id).progress.step
    until(lambda: (now := faults.processes(ws).get("jobs.remote")) and now != [driver], 60)
    until(lambda: runs.get(ws, run.id).progress.step > step and runs.get(ws, run.id).state == "running", 60)
    assert len(list((cluster / "jobs").iterdir())) == 1, "the job went on, and no other was submitted"
    runs.ask_to_stop(ws, run.id)
    ended(ws, run, "stopped")


def test_what_sbatch_refuses_is_told_in_its_words(ws, data, cluster):
    (cluster / "refuse").touch()
    failed = ended(ws, begin(ws, data), "failed")
    assert "invalid partition specified" in failed.status.reason and failed.status.error["remedy"]


@pytest.mark.parametrize(
    "pairs", [["bogus=1"], ["gpus=many"], ["gpus=0"], ["partition="], ["time=-5"], ["partition=a\n#SBATCH --x"], ["gpus"]]
)
def test_what_slurm_is_not_told_is_refused(pairs):
    with pytest.raises(SettingError) as caught:
        slurm.options(pairs)
    assert caught.value.available and caught.value.remedy


def test_what_can_not_go_there_is_refused_before_it_begins(ws, data, house, monkeypatch, capsys):
    with pytest.raises(ConflictError, match="on this computer only"):
        begin(house.ws, house.data, WISH | {"model": house.lora})
    home = ["--home", str(ws.home), "train", "--model", "starter", "--data", data.ref]
    assert cli.main([*home, "--slurm", "gpus=1"]) == 2 and "--where slurm" in capsys.readouterr().err
    assert cli.main([*home, "--where", "slurm"]) == 2 and "SLURM is not on this computer" in capsys.readouterr().err
    monkeypatch.setattr(slurm, "find_spec", lambda name: None)
    assert cli.main([*home, "--where", "slurm"]) == 2 and "tunesmith[cluster]" in capsys.readouterr().err
    assert runs.listing(ws) == []


@pytest.mark.long
def test_a_cluster_that_tells_nothing_of_ended_jobs(ws, data, cluster):
    """Without accounting sacct knows no job: what the run writes tells how far it is, and that it has ended."""
    (cluster / "sacct").write_text("#!/bin/sh\necho 'JobID|State|NodeList'\n")
    run = ended(ws, begin(ws, data, WISH | {"max_steps": 2, "eval_steps": 2}))
    assert run.can_answer and run.progress.step == 2


@pytest.mark.long
def test_from_the_page_of_a_login_node(ws, data, cluster, browser):
    with running(ws.home, TUNESMITH_MACHINE=str(ws.machine_folder())) as app:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{app.url}/train?dataset={data.ref}")
        train_step(page, "review")
        page.locator("#where").get_by_text("SLURM cluster").click()
        page.fill("#slurm-options textarea", "partition=gpu\nbogus=1")
        page.click("#start-training")
        expect(page.locator("#starting")).to_contain_text("'bogus=1' is nothing that SLURM can be told", timeout=60_000)
        page.fill("#slurm-options textarea", "partition=gpu\ngpus=1")
        (cluster / "hold").touch()
        page.click("#start-training")
        expect(page.locator("#progress")).to_contain_text("Waiting in the queue of SLURM (job 101)", timeout=60_000)
        page.click("#stop-run")
        expect(page.locator("#progress")).to_contain_text("Cancelled in the queue of SLURM", timeout=60_000)


def test_without_a_cluster_the_page_asks_nothing(ws):
    assert not where_view.on_a_cluster() and where_view.read("here", "x=1") is None
    with pytest.raises(SettingError):
        where_view.read("slurm", "gpus=1")
