"""A server that is busy is asked again; each answer that ends a job has words of its own."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import httpx
import pytest

from tests.models.test_hub import environment, fetch, run, serving  # noqa: F401 (fixture)
from tuner.network import retries
from tuner.serving import ai_judge
from tuner.serving.ai_judge import Judge


def busy(code: int, after: str | None = None) -> httpx.HTTPStatusError:
    answer = httpx.Response(code, headers={"Retry-After": after} if after else {}, request=httpx.Request("GET", "http://x"))
    return httpx.HTTPStatusError(str(code), request=answer.request, response=answer)


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited, which pass at once."""
    found, clock = [], SimpleNamespace(now=0.0)
    monkeypatch.setattr(retries.time, "monotonic", lambda: clock.now)

    def sleep(seconds: float) -> None:
        clock.now += seconds + 1e-6
        found.append(seconds)

    monkeypatch.setattr(retries.time, "sleep", sleep)
    return lambda: round(sum(found))


def failing(*errors):
    left = list(errors)

    def work() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return work


def test_it_asks_again_and_tells_what_it_waits_for(waits):
    told = []
    assert retries.with_retries(failing(busy(429, "7"), busy(503), httpx.ReadTimeout("slow")), tell=told.append) == "done"
    assert waits() == 7 + 2 + 4 and len(told) == 3
    assert (
        told[0] == "The server accepts no more requests for now (429); retrying in 7 s."
        and "(503)" in told[1]
        and "does not respond" in told[2]
    )


def test_the_last_error_is_its_own_and_others_end_it_at_once(waits):
    with pytest.raises(httpx.HTTPStatusError):
        retries.with_retries(failing(*[busy(500)] * 50))
    assert waits() == 1 + 2 + 4 + 8 + 16
    for code in (400, 401, 403, 404):
        work = failing(busy(code))
        with pytest.raises(httpx.HTTPStatusError):
            retries.with_retries(work)
        assert work() == "done", "asked once only"
    assert retries.with_retries(failing(busy(429, "86400"))) == "done" and waits() <= 31 + retries.LONGEST + 1  # never a day


def test_taking_the_work_back_ends_the_wait(waits):
    with pytest.raises(httpx.HTTPStatusError):
        retries.with_retries(failing(*[busy(503, "60")] * 9), cancelled=lambda: True)
    assert waits() < 1


def test_the_status_is_found_behind_what_wraps_it():
    try:
        try:
            raise busy(502)
        except httpx.HTTPStatusError as error:
            raise RuntimeError("could not be located") from error
    except RuntimeError as outer:
        assert retries.status_of(outer) == 502 and retries.is_transient(outer)
    circle = ValueError()
    circle.__context__ = circle
    assert retries.status_of(circle) is None and not retries.is_transient(circle)


ASK = """
import sys
from huggingface_hub import HfApi, hf_hub_download
from tuner.errors import translate
try:
    if sys.argv[1] == "file":  # which asks five times before it gives up, and wraps what it was told
        hf_hub_download("owner/tiny", "config.json", token="hf_x")
    HfApi().model_info("owner/tiny", token="hf_x")
except Exception as error:
    known = translate(error)
    print(type(known).__name__, "|", known.message, "|", known.remedy)
"""


@pytest.mark.parametrize(
    "asked, code, headers, words",
    [
        ("model", 401, {}, ("no such model, or it is private", "accept the access token")),
        ("model", 403, {}, ("has no permission to read this (403)",)),
        ("model", 404, {"X-Error-Code": "RepoNotFound"}, ("no such model",)),
        ("file", 404, {"X-Error-Code": "EntryNotFound"}, ("no such model, dataset or file",)),
        ("model", 429, {}, ("no more requests from here for now (429)",)),
        ("model", 500, {}, ("an internal error (500)",)),
        ("file", 503, {}, ("an internal error (503)",)),
    ],
)
def test_each_answer_of_the_hub_has_words_of_its_own(asked, code, headers, words, tmp_path):
    """From the real client; "can't be reached" is for a network that is not there."""
    import sys

    with serving(faults=[(code, headers)] * 20) as (url, _):
        done = subprocess.run(
            [sys.executable, "-c", ASK, asked], env=environment(url, tmp_path), capture_output=True, text=True, timeout=60
        )
    assert done.stdout.startswith("NetworkError") and any(w in done.stdout for w in words), done.stdout + done.stderr[-1500:]
    assert "can't be reached" not in done.stdout


def test_a_download_outlasts_a_busy_hub(run, tmp_path):  # noqa: F811
    """Two answers of 429 and one of 503 on the way: the download goes on, and says what it waits for."""
    with serving(faults=[(429, {"Retry-After": "1"}), (503, {}), (429, {"Retry-After": "1"})]) as (url, _):
        process = fetch(run, url, tmp_path / "hf")
        out = process.communicate(timeout=120)[0]
    text = out.decode() if isinstance(out, bytes) else out
    assert process.returncode == 0, text
    assert "429" in text


class Moody(BaseHTTPRequestHandler):
    """An endpoint that is busy every other time."""

    n = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).n += 1
        body = json.dumps({"choices": [{"message": {"content": "1"}}]}).encode()
        self.send_response(429 if self.n % 2 else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_one_busy_answer_does_not_end_a_judging_job(monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (Moody,), {"n": 0}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say = ai_judge.endpoint(Judge("big", f"http://127.0.0.1:{server.server_port}/v1"))
    assert [say([{"role": "user", "content": "?"}]) for _ in range(3)] == ["1"] * 3
    server.shutdown()
