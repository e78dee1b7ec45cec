"""Whatever is killed in whatever state of a job: after the next start the client's next poll is true, and each job is trained once."""

import contextlib
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.api.conftest import MODEL, Server
from tests.api.test_fine_tuning import ended, lines, upload
from tests.browsing import end_all
from tuner import runs
from tuner.api.files import Files
from tuner.api.jobs import Jobs
from tuner.paths import Workspace
from tuner.serving import keys

STEPS = {"tunesmith": {"settings": {"max_steps": 12, "save_steps": 4, "eval_steps": 4}}}


@pytest.fixture
def mortal(tmp_path):
    found = Server(Workspace(tmp_path, machine=tmp_path / "machine").prepare())
    yield found.start()
    found.process.kill()
    end_all(tmp_path)


def ours(server, module: str) -> list[psutil.Process]:
    """The processes of this workspace that run a module of ours."""
    out = []
    for process in psutil.process_iter(["cmdline"]):
        said = " ".join(process.info["cmdline"] or ())
        with contextlib.suppress(psutil.Error):
            if module in said and (str(server.ws.home) in said or process.environ().get("TUNESMITH_MACHINE") == str(server.ws.machine)):
                out.append(process)
    return out


@pytest.mark.parametrize("state", ("validating_files", "queued", "running"))
def test_a_killed_server_loses_no_job(mortal, state):
    client = mortal.client()
    jobs = [client.fine_tuning.jobs.create(training_file=upload(client, lines(24)).id, model=MODEL, extra_body=STEPS) for _ in range(2)]
    end = time.monotonic() + 60
    while state != "validating_files" and client.fine_tuning.jobs.retrieve(jobs[0].id).status in (
        "validating_files",
        *(["queued"] if state == "running" else []),
    ):
        assert time.monotonic() < end
        time.sleep(0.02)
    mortal.kill()
    client = mortal.start().client()
    for job in jobs:
        found = ended(client, job.id)
        assert found.status == "succeeded", found.error
        assert runs.get(mortal.ws, job.id).progress.step == 12
    assert sorted(r.id for r in runs.listing(mortal.ws)) == sorted(j.id for j in jobs), "each once"


def test_a_killed_import_is_done_again(mortal):
    client = mortal.client()
    rows = lines(200)
    job = client.fine_tuning.jobs.create(
        training_file=upload(client, rows).id, model=MODEL, extra_body={"tunesmith": {"settings": {"max_steps": 1}}}
    )
    end = time.monotonic() + 60
    while not (found := ours(mortal, f"import-{job.id}")):
        assert time.monotonic() < end
        time.sleep(0.01)
    for process in found:
        process.send_signal(signal.SIGKILL)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "validating_files"
    job = ended(client, job.id)
    assert job.status == "succeeded", job.error
    assert any("read once more" in e.message for e in client.fine_tuning.jobs.list_events(job.id))


def test_a_killed_worker_and_supervisor_end_in_the_same_model(mortal):
    client = mortal.client()
    job = client.fine_tuning.jobs.create(
        training_file=upload(client, lines(24)).id, model=MODEL, extra_body={"tunesmith": {"settings": {"epochs": 60, "save_steps": 10}}}
    )
    end = time.monotonic() + 90
    while runs.get(mortal.ws, job.id).progress.step < 15 if client.fine_tuning.jobs.retrieve(job.id).tunesmith["run"] else True:
        assert time.monotonic() < end
        time.sleep(0.05)
    found = [*ours(mortal, "tuner.jobs.supervisor"), *ours(mortal, job.id)]
    assert len(found) == 2, found
    for process in found:
        process.send_signal(signal.SIGKILL)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
    found = ended(client, job.id)
    assert found.status == "succeeded", found.error
    assert any("interrupted" in e.message for e in client.fine_tuning.jobs.list_events(job.id, limit=1000))


def test_many_clients_each_job_once_and_in_order(mortal, request):
    many, clients = (200, 20) if request.config.getoption("--long") else (8, 4)
    short = {"tunesmith": {"settings": {"max_steps": 1}, "validation_share": 0}}

    def client_of(n: int) -> list[str]:
        client = mortal.client(keys.add(mortal.ws, f"client {n}", keys.SCOPES)["secret"], timeout=600)
        file = upload(client, lines(12))
        made = [client.fine_tuning.jobs.create(training_file=file.id, model=MODEL, extra_body=short).id for _ in range(many // clients)]
        for id in made:
            assert ended(client, id, 3000).status == "succeeded"
        assert {j.id for j in client.fine_tuning.jobs.list(limit=100).data} == set(made)
        return made

    with ThreadPoolExecutor(clients) as pool:
        every = [id for made in pool.map(client_of, range(clients)) for id in made]
    jobs = Jobs(mortal.ws, Files(mortal.ws)).records.all()
    assert sorted(job["id"] for job in jobs) == sorted(every) == sorted(r.id for r in runs.listing(mortal.ws)) and len(every) == many
    queued = [queued_at(mortal.ws, job["id"]) for job in jobs]
    assert queued == sorted(queued), "in the order in which they came"


def queued_at(ws: Workspace, id: str) -> float:
    noted = [json.loads(line) for line in (ws.api / "jobs" / id / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return next(e["made"] for e in noted if e["message"].startswith("Files validated"))
