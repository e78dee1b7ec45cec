"""What a client sends too much of, or what is no form, is refused before it fills anything."""

import errno
import json
import threading
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.conftest import until
from tuner import locks
from tuner.api import files, names, routes
from tuner.api.driver import Driver
from tuner.api.files import Files
from tuner.api.jobs import Jobs
from tuner.api.records import Records
from tuner.api.routes import Routes
from tuner.api.runner import JobRunner
from tuner.jobs import run_queue
from tuner.paths import Workspace
from tuner.serving.gateway import _add_refusals
from tuner.serving.protocol import Refused


@pytest.fixture
def app(tmp_path, monkeypatch):
    """The routes without a key, with small limits."""
    monkeypatch.setattr(files, "LARGEST", 1000)
    monkeypatch.setattr(files, "PART", 100)
    monkeypatch.setattr(files, "PARTS", 2)
    monkeypatch.setattr(routes, "LARGEST", 1000)
    monkeypatch.setattr(routes, "PART", 100)
    monkeypatch.setattr(routes, "ROOM", 500)
    ws = Workspace(tmp_path, machine=tmp_path / "machine").prepare()
    app, kept = FastAPI(), Files(ws)
    _add_refusals(app)
    Routes(Jobs(ws, kept), kept).add(app, lambda request, scope: "local")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield SimpleNamespace(client=client, ws=ws)


def post(app, content: bytes, path: str = "/v1/files", field: str = "file", **fields):
    return app.client.post(path, files={field: ("a.jsonl", content)}, data=fields)


def left(app) -> list[str]:
    return [f.name for f in app.ws.api.rglob("*") if f.is_file()] if app.ws.api.exists() else []


def test_a_file_that_is_too_large_is_not_kept(app):
    for size in (1001, 1600, 100_000):
        answer = post(app, b"x" * size, purpose="fine-tune")
        assert answer.status_code == 413 and answer.json()["error"]["code"] == "too_large", size
    assert left(app) == []
    assert post(app, b"x" * 1000, purpose="fine-tune").status_code == 200


def test_a_full_disk_is_said_and_leaves_nothing(app, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_copied", full)
    answer = post(app, b"{}", purpose="fine-tune")
    assert answer.status_code == 507 and answer.json()["error"]["message"], answer.text
    assert left(app) == []


def test_a_name_of_a_model_is_found_without_reading_all_jobs(app, monkeypatch):
    records = Records(app.ws.api / "jobs", "ftjob")
    jobs = [records.create("local", request={"model": "m", "suffix": "s"}, run=f"run-{n}") for n in range(5)]
    tuned = names.TunedModels(app.ws)
    monkeypatch.setattr(Records, "all", lambda self, **_: pytest.fail("all jobs were read"))
    for job in jobs:
        assert tuned.find(names.of(job)).ref == job["run"] and tuned.find(names.checkpoint(job, 8)).step == 8
    for wrong in (
        "ft:m:tunesmith:s:00000000",
        "ft:m:tunesmith:other:" + names.of(jobs[0])[-8:],
        "ft:m:tunesmith:s:*",
        "ft:",
        "ft:../x:..",
        "m",
    ):
        assert tuned.find(wrong) is None


@pytest.mark.parametrize(
    ("content", "type", "said"),
    (
        (b"", "multipart/form-data; boundary=x", "no file called"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", "no file called"),
        (b"{}", "application/json", "no file called"),
        (b"x", "multipart/form-data", "can't be read"),
        (b"\xff" * 50, "multipart/form-data; boundary=x", "can't be read"),
    ),
)
def test_what_is_no_form_is_refused(app, content, type, said):
    answer = app.client.post("/v1/files", content=content, headers={"content-type": type})
    assert answer.status_code == 400 and said in answer.json()["error"]["message"], answer.text
    assert left(app) == []


def test_names_of_files_are_data(app):
    for name in ("../../etc/passwd", "..\\..\\x.jsonl", "a/b.jsonl", "x" * 400):
        answer = app.client.post("/v1/files", files={"file": (name, b"{}")}, data={"purpose": "fine-tune"}).json()
        assert "/" not in answer["filename"] and "\\" not in answer["filename"] and len(answer["filename"]) <= 255
    assert set(left(app)) == {"record.json", "content.jsonl"}


def test_an_upload_has_as_many_and_as_large_parts_as_may_be(app):
    id = app.client.post("/v1/uploads", json={"bytes": 200, "filename": "a", "purpose": "fine-tune", "mime_type": "text/jsonl"}).json()[
        "id"
    ]
    path = f"/v1/uploads/{id}/parts"
    assert post(app, b"x" * 101, path, "data").status_code == 413
    assert post(app, b"x" * 100, path, "data").status_code == post(app, b"y" * 100, path, "data").status_code == 200
    assert "at most 2 parts" in post(app, b"z", path, "data").json()["error"]["message"]
    for wrong in (0, -1, 1001, "many"):
        answer = app.client.post("/v1/uploads", json={"bytes": wrong, "filename": "a", "purpose": "fine-tune"})
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "bytes"


@pytest.mark.parametrize("path", ("/v1/files", "/v1/fine_tuning/jobs"))
@pytest.mark.parametrize("query", ("limit=0", "limit=x", "limit=100000", "after=nothing"))
def test_a_page_that_can_not_be_is_refused(app, path, query):
    assert app.client.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize("id", ("", "..", "file-", "file-" + "g" * 24, "ftjob-" + "0" * 24, "file-" + "0" * 24 + "/..", "file-" + "0" * 25))
def test_ids_never_become_paths(tmp_path, id):
    with pytest.raises(Refused) as refused:
        Records(tmp_path, "file").get("local", id)
    assert refused.value.status == 404


def test_a_job_that_is_cancelled_while_its_run_is_made_trains_nothing(app, monkeypatch, tmp_path):
    """The request comes between the driver's look and the run: the driver stops the run that it has made."""
    rows = [{"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}!"}]} for n in range(12)]
    id = post(app, "\n".join(map(json.dumps, rows)).encode()[:1000].rsplit(b"\n", 1)[0], purpose="fine-tune").json()["id"]
    job = app.client.post("/v1/fine_tuning/jobs", json={"model": "starter", "training_file": id}).json()["id"]
    jobs = Jobs(app.ws, Files(app.ws))
    runner = JobRunner(jobs)
    monkeypatch.setattr(run_queue, "enqueue", lambda ws, run: None)
    real = runner._train

    def slowly(record, asked, ds):
        assert app.client.post(f"/v1/fine_tuning/jobs/{job}/cancel").json()["status"] == "cancelled"
        return real(record, asked, ds)

    monkeypatch.setattr(runner, "_train", slowly)
    until(lambda: (runner.advance(record := jobs.records.get("local", job)), record["run"])[1], 60)
    runner.advance(jobs.records.get("local", job))
    assert (app.ws.run(job) / "control").read_text() == "stop"
    assert app.client.get(f"/v1/fine_tuning/jobs/{job}").json()["status"] == "cancelled"


def test_a_full_disk_fails_no_job(app, monkeypatch):
    id = post(app, b'{"messages": []}', purpose="fine-tune").json()["id"]
    app.client.post("/v1/fine_tuning/jobs", json={"model": "starter", "training_file": id})
    full = OSError(errno.ENOSPC, "No space left on device")
    driver, tried = Driver(Jobs(app.ws, Files(app.ws))), []

    def begin(*args):
        tried.append(args)
        raise full

    monkeypatch.setattr(driver.runner, "_begin", begin)
    for _ in range(3):
        driver.look()
    assert len(tried) == 1 and driver.runner.unsettled()[0]["state"] == "importing", "it waits a while, and is tried again"
    driver.later.clear()
    driver.look()
    assert len(tried) == 2


def test_one_server_of_a_workspace_carries_its_jobs(app, monkeypatch):
    looked, free = threading.Event(), [False]
    monkeypatch.setattr(locks, "acquire", lambda path, timeout: free[0])
    driver = Driver(Jobs(app.ws, Files(app.ws)))
    monkeypatch.setattr(driver, "look", looked.set)
    driver.start()
    assert not looked.wait(1.2), "another server holds the lock"
    free[0] = True
    assert looked.wait(5)
    driver.stop()
