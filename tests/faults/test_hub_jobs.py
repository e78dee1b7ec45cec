"""A run on Hugging Face's machines: priced, agreed to, submitted, mirrored, stopped, ended there, resumed; its driver killed. The Hub's own client
against a small Hub whose jobs are processes of this computer, started with the very command that the real one gets."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import hub_server
from tests.browsing import running, train_step
from tests.conftest import until
from tests.hostile import faults
from tests.hub_server import Server
from tuner import cli, runs
from tuner.errors import ConflictError, RequestError, SettingError
from tuner.jobs import hub_hardware, hub_jobs, remote, run_queue, training
from tuner.paths import Workspace

TOKEN = "hf_a-token-for-jobs"
WISH = {"model": "starter", "method": "lora", "max_steps": 8, "eval_steps": 4, "effective_batch": 4}
LONG = WISH | {"max_steps": 5000, "epochs": 1000, "eval_steps": 20, "save_steps": 20}
LONG_WAIT = 60_000
WHERE = {"kind": "jobs", "options": {"flavor": "t4-small", "timeout": 45}}


@pytest.fixture
def hub(ws, tmp_path, monkeypatch):
    from huggingface_hub import constants

    server = Server(tmp_path / "jobs")
    for name, value in {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("TUNESMITH_FORK_SERVER", "0")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "inject"))
    monkeypatch.setenv("TUNESMITH_FAULT", "quick-driver")
    yield server
    server.close()


def ours(ws) -> Workspace:
    return Workspace(ws.home, machine=ws.machine, token=TOKEN)


def begin(ws, data, wish=WISH, **more) -> runs.Run:
    return training.start(ours(ws), wish | {"data": data.ref}, where=WHERE, **more)


def ended(ws, hub, run, state="finished") -> runs.Run:
    found = training.wait(ws, run.id)
    logs = [job.log.read_text()[-1500:] for job in hub.jobs.values() if job.log]
    assert found.state == state, (found.state, found.status.reason, runs.log_tail(found)[-2500:], logs)
    return found


def test_a_run_goes_there_and_comes_back_whole(ws, data, hub):
    run = ended(ws, hub, begin(ws, data, name="there"))
    (job,) = hub.jobs.values()
    assert (
        job.spec["timeoutSeconds"] == 45 * 60
        and job.spec["flavor"] == "t4-small"
        and job.spec["labels"]["tunesmith-run"].startswith(f"remote-{run.id}-")
    )
    assert job.spec["secrets"] == {"HF_TOKEN": TOKEN} and TOKEN not in json.dumps(job.spec["command"]) + json.dumps(
        job.spec.get("environment")
    )
    assert [s for s, k, _ in runs.metrics(run) if k == "loss"] == list(range(1, 9)) and run.best is not None and run.can_answer
    assert run.progress.step == 8 and runs.checkpoints(run.path) and all(runs.is_whole(c) for c in runs.checkpoints(run.path))
    assert run.status.baseline["eval_loss"] and run.plan["data"]["ref"] == data.ref and "has it as job job1" in runs.log_tail(run, 10**6)
    until(lambda: not (run.path / remote.FOLDER).exists(), 30)
    assert not hub.repos, "what came back whole is deleted there"
    assert not [f for f in ws.home.rglob("*") if f.is_file() and TOKEN.encode() in f.read_bytes()], "the token is written nowhere"


def test_it_waits_and_can_be_cancelled_there(ws, data, hub):
    hub.hold = True
    run = begin(ws, data)
    until(lambda: "queue of Hugging Face Jobs (job job1)" in (runs.get(ws, run.id).status.reason or ""), 60)
    (repo,) = hub.repos.values()
    assert repo["private"] and set(repo["files"]) == {"bundle.zip"}
    run_queue.cancel(ws, run.id)
    assert "Cancelled in the queue" in ended(ws, hub, run, "stopped").status.reason and hub.jobs["job1"].stage == "CANCELED"


def test_a_driver_that_is_killed_finds_its_job_and_a_network_that_fails_is_tried_again(ws, data, hub):
    run = begin(ws, data, LONG)
    until(lambda: runs.get(ws, run.id).progress.step >= 2, 120)
    (driver,) = faults.at_work(ws, "jobs.remote")
    os.kill(driver, signal.SIGKILL)
    (run.path / remote.FOLDER / remote.JOB).unlink()  # as if it had been killed before it wrote that
    hub.away = 6
    step = runs.get(ws, run.id).progress.step
    until(lambda: (now := faults.processes(ws).get("jobs.remote")) and now != [driver] or runs.get(ws, run.id).state == "interrupted", 60)
    if runs.get(ws, run.id).state == "interrupted":
        training.resume(ours(ws), run.id)
    until(lambda: runs.get(ws, run.id).progress.step > step and runs.get(ws, run.id).state == "running", 90)
    assert len(hub.jobs) == 1, "the job went on, and no other was started"
    runs.ask_to_stop(ws, run.id)
    stopped = ended(ws, hub, run, "stopped")
    steps = [s for s, k, _ in runs.metrics(stopped) if k == "loss"]
    assert stopped.can_answer and steps == list(range(1, stopped.progress.step + 1)), "nothing lost, nothing doubled"


@pytest.mark.long
@pytest.mark.parametrize("how", ["lost", "its time is up"])
def test_a_job_that_is_ended_there_is_interrupted_and_goes_on_from_what_was_kept(ws, data, hub, how):
    run = begin(ws, data, LONG | {"max_steps": 100, "epochs": 100})
    until(lambda: any(p.startswith("state/checkpoints/") for r in hub.repos.values() for p in r["files"]), 120)
    if how == "lost":
        hub.end("job1", "ERROR")
    else:
        os.kill(hub.jobs["job1"].process.pid, signal.SIGTERM)  # it saves, and leaves
    broken = ended(ws, hub, run, "interrupted")
    assert (
        f"Hugging Face Jobs ended job job1 ({'error' if how == 'lost' else ''}" in broken.status.reason
        and "is kept" in broken.status.reason
        and "costs again" in broken.status.reason
    )
    training.resume(ours(ws), run.id)
    whole = ended(ws, hub, run)
    assert [s for s, k, _ in runs.metrics(whole) if k == "loss"] == list(range(1, 101)) and len(hub.jobs) == 2


def test_a_result_that_is_not_what_was_told_is_no_finished_run(ws, data, hub, monkeypatch):
    run = begin(ws, data)
    repo = until(lambda: next(iter(hub.repos.values()), None), 60)

    class Files(dict):
        def __setitem__(self, path, content):
            super().__setitem__(path, content[:-1] if path == "result.zip" else content)

    repo["files"] = Files(repo["files"])
    broken = ended(ws, hub, run, "interrupted")
    assert "ended job job1 (completed)" in broken.status.reason and not (broken.path / "model").exists()


def test_what_hugging_face_refuses_is_told_in_its_words(ws, data, hub):
    hub.refuse = True
    failed = ended(ws, hub, begin(ws, data), "failed")
    assert "add credit" in failed.status.reason and failed.status.error["remedy"]


def test_a_public_repository_is_not_used(ws, data, hub):
    hub.public = True
    failed = ended(ws, hub, begin(ws, data), "failed")
    (repo,) = hub.repos.values()
    assert "is public" in failed.status.reason and not hub.jobs and not repo["files"]


def test_what_another_computer_of_the_account_runs_under_the_same_name_is_not_taken(ws, data, hub, tmp_path):
    """Nor what an earlier run of that name left there."""
    hub.hold = True
    places = [(tmp_path / name / "there", tmp_path / name) for name in ("mine", "other")]
    mine, other = (hub_jobs.HubJobs(place, there, WHERE["options"]) for there, place in places)
    for there, place in places:
        there.mkdir(parents=True)
        (place / "bundle.zip").write_bytes(b"rows")
    first, second = (jobs.submit(jobs.place / "bundle.zip", jobs.place / "out", "a run") for jobs in (mine, other))
    assert first != second and mine.repo != other.repo and len(hub.repos) == 2
    again = hub_jobs.HubJobs(*reversed(places[0]), WHERE["options"])
    assert again.submit(places[0][1] / "bundle.zip", places[0][1] / "out", "a run") == first, "the same run finds its own"
    long = hub_jobs.HubJobs(tmp_path, tmp_path / ("remote-" + "x" * 150), WHERE["options"])
    long.owner = "a" * 42
    assert len(long.repo) <= 96


def test_a_stop_reaches_it_after_the_network_was_away(ws, data, hub):
    hub.hold = True
    run = begin(ws, data)
    until(lambda: hub.jobs and "queue of Hugging Face" in (runs.get(ws, run.id).status.reason or ""), 60)
    hub.away = 5
    runs.ask_to_stop(ws, run.id)
    assert "Cancelled" in ended(ws, hub, run, "stopped").status.reason and hub.jobs["job1"].stage == "CANCELED" and hub.away <= 0


def test_hardware_is_chosen_by_the_plan_and_its_price_told(ws, data, hub):
    ws = ours(ws)
    found = hub_hardware.offers(ws, WISH | {"data": data.ref})
    assert [o.flavor for o in found if o.fits] == ["cpu-basic", "t4-small", "a100x4"], "no accelerator that nothing here trains on"
    large = hub_hardware.offers(ws, {"model": "Qwen/Qwen2.5-7B-Instruct", "data": data.ref, "method": "lora"})
    assert hub_hardware.choose(large, None, None).flavor == "a100x4" and large[0].memory == 80e9
    offer = hub_hardware.choose(found, "t4-small", 90)
    assert offer.most == pytest.approx(0.0067 * 90, rel=1e-6) and 0 < offer.cost < offer.most
    for wrong in (("h900", None), ("t4-small", 0), ("t4-small", 10**6)):
        with pytest.raises(SettingError) as caught:
            hub_hardware.choose(found, *wrong)
        assert caught.value.available and caught.value.remedy
    with pytest.raises(RequestError, match=r"about \$0\.\d\d on Nvidia T4 - small, and at most \$0\.60"):
        hub_hardware.where(offer, False)
    assert hub_hardware.where(offer, True) == {"kind": "jobs", "options": {"flavor": "t4-small", "timeout": 90}}


def test_what_can_not_go_there_is_refused_before_it_begins(ws, data, house, hub, monkeypatch, capsys):
    with pytest.raises(ConflictError, match="on this computer only"):
        begin(house.ws, house.data, WISH | {"model": house.lora})
    home = ["--home", str(ws.home), "train", "--model", "starter", "--data", data.ref]
    assert cli.main([*home, "--where", "jobs", "--sweep", "seed=1,2"]) == 2 and "train on this computer" in capsys.readouterr().err
    assert cli.main([*home, "--flavor", "t4-small"]) == 2 and "--where jobs" in capsys.readouterr().err
    assert cli.main([*home, "--where", "jobs", "--flavor", "t4-small"]) == 2
    said = capsys.readouterr().err
    assert "at most $" in said and "--yes" in said and not hub.jobs and not hub.repos
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(hub_jobs.hub_token, "stored_login", lambda: None)
    assert cli.main([*home, "--where", "jobs", "--yes"]) == 2 and "needs a token" in capsys.readouterr().err
    assert not runs.listing(ws)


def test_the_page_shows_prices_and_starts_only_what_was_agreed_to(ws, data, hub, browser):
    with running(ws.home, TUNESMITH_MACHINE=str(ws.machine)) as app:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{app.url}/train?dataset={data.ref}")
        train_step(page, "review")
        page.get_by_text("Train on Hugging Face's machines").click()
        page.click("#jobs-look")
        expect(page.locator("#jobs-flavor input")).to_have_value(re.compile(r"CPU Basic · 16 GB · \$0.01 an hour"), timeout=LONG_WAIT)
        agreed = page.locator("#jobs-agreed")
        expect(agreed).to_contain_text(re.compile(r"up to \$\d\.\d\d from"))
        page.fill("#jobs-timeout input", "600")
        page.locator("#jobs-timeout input").blur()
        expect(agreed).to_contain_text("up to $0.10 from")
        page.click("#jobs-start")
        expect(page.locator("#jobs-said")).to_contain_text("This costs about $", timeout=LONG_WAIT)
        assert not hub.jobs and not runs.listing(ws)
        hub.hold = True
        agreed.locator("input").click()
        hub_server.HARDWARE[0]["unitCostUSD"] *= 3
        page.click("#jobs-start")
        expect(page.locator("#jobs-said")).to_contain_text("at most $0.30", timeout=LONG_WAIT)
        assert not hub.jobs, "the price rose after it was agreed to"
        hub_server.HARDWARE[0]["unitCostUSD"] /= 3
        page.click("#jobs-start")
        expect(page).to_have_url(re.compile(r"runs\?run="), timeout=LONG_WAIT)
        until(lambda: hub.jobs, 60)
        assert hub.jobs["job1"].spec["timeoutSeconds"] == 36_000 and hub.jobs["job1"].spec["flavor"] == "cpu-basic"
        expect(page.locator("#progress")).to_contain_text("queue of Hugging Face Jobs", timeout=LONG_WAIT)
        (run,) = runs.listing(ws)
        run_queue.cancel(ws, run.id)
        ended(ws, hub, run, "stopped")
        page.close()
