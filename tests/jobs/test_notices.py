"""A webhook is told of each end of a run once, by the supervisor; what goes wrong there is no harm to the run."""

import http.server
import json
import stat
import threading

import pytest

from tests.conftest import until
from tests.jobs.test_cleanup import made
from tuner import cli, runs
from tuner.errors import RequestError
from tuner.jobs import notices, run_queue, training
from tuner.system import machine


@pytest.fixture
def listener():
    seen, answer = [], [200]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answer[0])
            self.send_header("Location", "http://elsewhere.example/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/secret-token", seen, answer
    httpd.shutdown()
    httpd.server_close()


def test_the_supervisor_tells_the_end_of_a_run_once(ws, data, listener):
    url, seen, _ = listener
    notices.set_webhook(ws, url, private=True)
    assert stat.S_IMODE((ws.root / notices.FILE).stat().st_mode) & 0o077 == 0, "the address is a secret"
    values = {"model": "starter", "data": data.ref, "method": "lora", "max_steps": 2, "device": "cpu"}
    run = training.wait(ws, training.start(ws, values, name="told <run>").id)
    until(lambda: seen, 20)
    until(lambda: "127.0.0.1 was told" in (run.path / "worker.log").read_text(), 10)
    assert len(seen) == 1 and seen[0]["event"] == "run.finished" and seen[0]["run"] == run.id and seen[0]["best"] == pytest.approx(run.best)
    assert seen[0]["text"].startswith("told <run> finished at step 2 of 2, validation loss") and seen[0]["content"] == seen[0]["text"]
    assert "secret-token" not in (run.path / "worker.log").read_text()


def test_a_run_that_is_cancelled_in_the_queue_is_told_and_a_deleted_one_is_no_trouble(ws, listener, monkeypatch):
    url, seen, _ = listener
    notices.set_webhook(ws, url, private=True)
    run = made(ws, "never-begun", "queued")
    runs.ask_to_stop(ws, run.id)
    run_queue.enqueue(ws, run)
    until(lambda: seen, 30)
    assert seen[0]["event"] == "run.stopped"
    assert notices.ended(ws.runs / "gone") is None
    machine.relieve(ws.machine_folder())


@pytest.mark.parametrize("code", [302, 404, 500])
def test_an_address_that_refuses_is_said_in_the_log_and_the_run_stays_as_it_is(ws, listener, code):
    url, _, answer = listener
    answer[0] = code
    hook = notices.set_webhook(ws, url, private=True)
    run = made(ws, "fine")
    notices.ended(run.path).join(20)
    log = (run.path / "worker.log").read_text()
    assert f"The webhook was not told: 127.0.0.1 answered {code}" in log and runs.get(ws, run.id).state == "finished"
    assert ("elsewhere.example" in log) == (code == 302)
    with pytest.raises(RequestError):
        notices.send(hook, {})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "example.com",
        "https://",
        "https://u:p@example.com/x",
        "https://example.com:port/",
        "file:///etc/passwd",
        "http://" + "a" * 3000,
    ],
)
def test_what_is_no_address_is_refused(ws, url):
    with pytest.raises(RequestError) as caught:
        notices.set_webhook(ws, url)
    assert caught.value.available and caught.value.remedy and notices.webhook(ws.root) is None


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/x", "http://localhost/x", "http://169.254.169.254/latest/meta-data", "http://[::1]/x", "https://2130706433/"],
)
def test_private_networks_are_refused_unless_allowed(ws, url):
    with pytest.raises(RequestError, match="private network"):
        notices.set_webhook(ws, url)
    assert notices.set_webhook(ws, url, private=True).url == url


def test_an_address_that_became_private_is_not_told(ws):
    hook = notices.Webhook("http://localhost:9/x")  # as if it had been public when it was set
    with pytest.raises(RequestError, match="private network"):
        notices.send(hook, {})


def test_from_the_terminal(ws, listener, capsys):
    url, seen, _ = listener
    home = ["--home", str(ws.home), "notify"]
    assert cli.main([*home, "set", url]) != 0 and "private network" in capsys.readouterr().err
    assert cli.main([*home, "test"]) != 0 and "notify set" not in capsys.readouterr().out
    assert cli.main([*home, "set", url, "--allow-private", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"webhook": "127.0.0.1", "private": True, "told": False}
    assert cli.main([*home, "test", "--json"]) == 0 and json.loads(capsys.readouterr().out)["told"] and seen[0]["event"] == "test"
    assert cli.main([*home, "off", "--json"]) == 0 and json.loads(capsys.readouterr().out)["webhook"] is None
    for words in (["set"], ["bogus"], ["test", url]):
        assert cli.main([*home, *words]) != 0
