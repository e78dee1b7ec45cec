"""The importing process, started for real: it finishes, fails, is cancelled and killed, and leaves nothing half made."""

import os
import signal
import time

import pytest

from tuner import paths
from tuner.data.store import store
from tuner.errors import DataError, NotFoundError, RequestError
from tuner.jobs import data_jobs
from tuner.jobs import job as job_of_a_folder
from tuner.paths import Workspace
from tuner.system import processes


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "home", machine=tmp_path / "machine")


def long(tmp_path):
    """A file that takes seconds: an array of objects is read record by record."""
    path = tmp_path / "long.json"
    path.write_text("[" + ",\n".join(f'{{"prompt": "question {i}", "answer": "answer {i}"}}' for i in range(400_000)) + "]")
    return path


def csv(folder, n=100):
    path = folder / "faq.csv"
    path.write_text("Question,Answer\n" + "".join(f"What is {i}?,It is number {i}.\n" for i in range(n)))
    return path


def wait(ws, job, until=lambda p: p.state != "running", seconds=15):
    end = time.monotonic() + seconds
    while not until(now := data_jobs.progress(ws, job)):
        assert time.monotonic() < end, (now, (ws.jobs / job / "worker.log").read_text())
        time.sleep(0.02)
    return now


def test_import_from_any_folder(ws, tmp_path, monkeypatch):
    path = csv(tmp_path)
    monkeypatch.chdir(tmp_path)
    job = data_jobs.start(ws, path.name, "My questions")
    ended = wait(ws, job)
    assert ended.state == "done" and ended.result["dataset"] == "my-questions@1" and ended.rows == 100 and ended.done == ended.total > 0
    assert store.get(ws, ended.result["dataset"]).rows == 100 and ended.errors == []
    assert data_jobs.progress(ws, job) == ended
    data_jobs.forget(ws, job)
    with pytest.raises(NotFoundError):
        data_jobs.progress(ws, job)


def test_a_bad_file_fails_with_its_reason(ws, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    ended = wait(ws, data_jobs.start(ws, path))
    assert ended.state == "failed" and "PNG" in ended.errors[0]["message"] and ended.errors[0]["remedy"]
    assert not list(ws.datasets.iterdir())


def test_what_is_wrong_at_once_is_said_at_once(ws, tmp_path):
    with pytest.raises(NotFoundError):
        data_jobs.start(ws, tmp_path / "no.csv")
    with pytest.raises(RequestError):
        data_jobs.start(ws, csv(tmp_path), limit_bytes=10)
    for job in ("../../etc", "import-0", ""):
        with pytest.raises(NotFoundError):
            data_jobs.progress(ws, job)


def test_cancel_leaves_nothing(ws, tmp_path):
    job = data_jobs.start(ws, long(tmp_path))
    wait(ws, job, lambda p: p.rows > 0)
    assert data_jobs.progress(ws, job).total > 1e6
    data_jobs.cancel(ws, job)
    assert wait(ws, job).state == "cancelled" and not list(ws.datasets.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_worker_is_a_failure_and_leaves_nothing(ws, tmp_path):
    job = data_jobs.start(ws, long(tmp_path))
    wait(ws, job, lambda p: p.rows > 0)
    child = job_of_a_folder._children.pop(str(ws.jobs / job))  # as after a restart of the page: only the lock tells
    assert data_jobs.progress(ws, job).state == "running"
    child.send_signal(signal.SIGKILL)
    child.wait()
    ended = data_jobs.progress(ws, job)
    assert ended.state == "failed" and "Nothing was added" in ended.errors[0]["message"]
    assert not list(ws.datasets.iterdir()) and data_jobs.progress(ws, job).state == "failed"


def test_a_worker_that_never_got_to_work_is_a_failure(ws, tmp_path, monkeypatch):
    monkeypatch.setattr(processes.sys, "executable", "/bin/false")
    ended = wait(ws, data_jobs.start(ws, csv(tmp_path)))
    assert ended.state == "failed" and ended.errors


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("prompt,answer\na,b\nc,d\n", "chat"),
        ("Frage\tAntwort\nWer?\tIch\nWas?\tDas", "chat"),
        ('[{"text": "a"}]', "text"),
        ('{"text": "a"}\n{"text": "b"}', "text"),
        ("Once upon a time.\n\nThere was a fox.", "text"),
    ],
)
def test_paste(ws, text, kind):
    ds = data_jobs.paste(ws, text, "From the clipboard")
    assert ds.kind == kind and ds.id == "from-the-clipboard" and not list(ws.jobs.iterdir())


def test_paste_of_nothing(ws):
    with pytest.raises(DataError):
        data_jobs.paste(ws, " \n")


def test_no_heavy_import(tmp_path):
    import subprocess
    import sys

    code = "import sys, tuner.jobs.data_jobs, tuner.workers.data_tasks; print([m for m in ('torch', 'transformers', 'gradio', 'pandas', 'numpy', 'pyarrow') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.PRESETS.parent, check=True)
    assert out.stdout.strip() == "[]"
