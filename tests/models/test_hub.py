"""The real client of the Hub against a small server: search, download with progress, a break in the middle, a gated model, no room."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import pytest

from tests.conftest import write_tensors
from tuner import paths, runs
from tuner.errors import TunerError
from tuner.jobs import downloads

SHA = "a" * 40
WEIGHTS = bytes(range(256)) * 32_000  # 8 MB


SECRET = "hf_" + "q" * 34


class Hub(BaseHTTPRequestHandler):
    """What the client asks of huggingface.co, for two models: one open, one gated."""

    files = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}", "model.safetensors": WEIGHTS, "evil.bin": b"x"}
    cut_after: int | None = None  # bytes of the weights, once
    slow = 0.0
    faults: list[tuple[int, dict]] = []
    opens: str | None = None  # the token for which the gated model is there
    asked: list[str] = []

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urlparse(self.path)
        if url.path == "/":
            return self.say({})
        if self.faults:  # answers that a server under load gives before it does its work
            code, headers = self.faults.pop(0)
            return self.say({"error": "busy"}, code, headers)
        parts, query = [unquote(p) for p in url.path.split("/") if p], parse_qs(url.query)
        type(self).asked.append(self.path)
        type(self).keys.add(self.headers.get("Authorization"))
        if parts[:2] == ["api", "models"] and len(parts) == 2:
            return self.say(self.found(query))
        if parts[:2] == ["api", "models"]:
            return self.say(self.about("/".join(parts[2:4])))
        if parts[0] == "api":
            return self.say({"error": "no such thing"}, 404)
        if "gated" in parts[1] and self.headers.get("Authorization") != f"Bearer {self.opens}":
            return self.say({"error": "gated"}, 403, {"X-Error-Code": "GatedRepo"})
        return self.file(parts[-1])

    def found(self, query) -> list:
        words = query["search"][0]
        every = [
            {
                "id": f"owner/{words}-small",
                "safetensors": {"parameters": {"F32": 7}, "total": 7_000_000_000},
                "gated": False,
                "downloads": 5,
            }
        ]
        return [*every, {"id": "owner/gated-model", "gated": "manual", "downloads": 1}]

    def about(self, id: str) -> dict:
        files = [{"rfilename": n, "size": len(b), "blobId": hashlib.sha1(b).hexdigest()} for n, b in self.files.items()]
        return {"id": id, "sha": SHA, "siblings": files}

    def say(self, document, code=200, headers=None):
        body = json.dumps(document).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def file(self, name: str):
        if name not in self.files:
            return self.say({"error": "no such file"}, 404, {"X-Error-Code": "EntryNotFound"})
        content = self.files[name]
        begin = int(self.headers["Range"].split("=")[1].split("-")[0]) if self.headers.get("Range") and self.command == "GET" else 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if self.command == "HEAD":
            return
        for at in range(begin, len(content), 1 << 18):
            if name.endswith("safetensors") and type(self).cut_after is not None and at >= type(self).cut_after:
                type(self).cut_after = None
                self.close_connection = True
                return
            self.wfile.write(content[at : at + (1 << 18)])
            time.sleep(type(self).slow)


@contextmanager
def serving(**how):
    handler = type("Handler", (Hub,), {"asked": [], "keys": set(), **how})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()


def environment(url: str, home: Path) -> dict:
    kept = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    return kept | {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(paths.PRESETS.parent)}


def python(code: str, url: str, home: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], env=environment(url, home), capture_output=True, text=True, timeout=60)


@pytest.fixture
def run(ws):
    made = runs.create(ws, {"model": "owner/tiny", "data": "x@1"}, {"settings": {"objective": "chat"}}, name="fetching")
    (made.path / "fetch").write_text("owner/tiny")
    return made


def fetch(run, url: str, home: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tuner.workers.download", str(run.path)],
        env=environment(url, home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def blobs(home: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in home.glob("hub/models--owner--tiny/snapshots/*/*")}


def test_search_lists_what_answers_to_the_words(tmp_path):
    code = "from tuner.models import hub; print([hub.title(h) for h in hub.search('smol')], hub.search('sm'))"
    with serving() as (url, handler):
        out = python(code, url, tmp_path)
        assert out.stdout.strip() == "['owner/smol-small · 7B', 'owner/gated-model · gated'] []", out.stderr[-2000:]
        (asked,) = [path for path in handler.asked if path.startswith("/api/models")]
        assert "filter=safetensors" in asked and "sort=downloads" in asked


def test_without_a_network_it_says_so(tmp_path):
    code = "from tuner import errors\nfrom tuner.models import hub\ntry: hub.search('smol')\nexcept errors.NetworkError as e: print('told', e.remedy)"
    out = python(code, "http://127.0.0.1:9", tmp_path)
    assert out.stdout.startswith("told"), out.stderr[-2000:]


def test_a_model_comes_with_progress_and_without_code(run, tmp_path):
    with serving(slow=0.08) as (url, _):
        child, said = fetch(run, url, tmp_path), set()
        while child.poll() is None:
            said.add(paths.read_json(run.path / "status.json").get("reason"))
            time.sleep(0.1)
        assert child.returncode == 0, child.stdout.read()[-2000:]
    assert any("of 8 MB" in (s or "") and "/s, " in s and "left" in s for s in said), said
    assert blobs(tmp_path) == {k: v for k, v in Hub.files.items() if k != "evil.bin"}


def test_stopped_in_the_middle_of_a_file_it_goes_on_from_there(run, tmp_path):
    with serving(slow=0.2) as (url, handler):
        child = fetch(run, url, tmp_path)
        while "/s, " not in (paths.read_json(run.path / "status.json").get("reason") or ""):
            assert child.poll() is None
            time.sleep(0.05)
        (run.path / "control").write_text("stop")
        assert child.wait(20) == 3 and paths.read_json(run.path / "status.json")["state"] == "stopped"
        assert "model.safetensors" not in blobs(tmp_path)
        (run.path / "control").unlink()
        handler.slow = 0
        assert fetch(run, url, tmp_path).wait(60) == 0
    assert blobs(tmp_path)["model.safetensors"] == WEIGHTS


def test_a_connection_that_breaks_is_taken_up_again(run, tmp_path):
    with serving(cut_after=1 << 20) as (url, _):
        child = fetch(run, url, tmp_path)
        assert child.wait(60) == 0, child.stdout.read()[-2000:]
    assert blobs(tmp_path)["model.safetensors"] == WEIGHTS


def test_a_gated_model_is_explained(run, tmp_path):
    (run.path / "fetch").write_text("owner/gated-model")
    with serving() as (url, _):
        assert fetch(run, url, tmp_path).wait(60) == 1
    status = paths.read_json(run.path / "status.json")
    assert status["state"] == "failed" and "accept its terms" in status["reason"] and "hf auth login" in status["reason"]


def test_a_full_disk_is_told_before(run, tmp_path, monkeypatch):
    from tuner.errors import DiskError
    from tuner.workers import download as worker

    with pytest.raises(DiskError, match="needs 900.0 TB") as caught:
        worker.room(9 * 10**14, "owner/tiny")
    assert "HF_HOME" in caught.value.remedy


def test_what_is_on_this_computer_comes_first(run, tmp_path):
    with serving() as (url, _):
        assert fetch(run, url, tmp_path).wait(60) == 0
        out = python("from tuner.models import hub; print([(h.id, h.cached > 8e6) for h in hub.cached()])", url, tmp_path)
    assert out.stdout.strip() == "[('owner/tiny', True)]", out.stderr[-2000:]


def test_a_run_with_a_model_of_the_hub_from_its_id_to_its_end(ws, data, tmp_path):
    files = {f.name: f.read_bytes() for f in paths.STARTER.iterdir() if f.is_file() and f.name != "README.md"}
    request = ["train", "--model", "owner/tiny", "--data", data.ref, "-s", "max_steps=3", "-s", "device=cpu", "--json"]
    with serving(files=files) as (url, handler):
        env = environment(url, tmp_path / "hub") | {
            "TUNESMITH_HOME": str(ws.home),
            "TUNESMITH_MACHINE": str(ws.machine),
            "HF_TOKEN": SECRET,
        }
        out = subprocess.run([sys.executable, "-m", "tuner.cli", *request], env=env, capture_output=True, text=True, timeout=200)
    assert out.returncode == 0, out.stderr[-3000:]
    run = runs.get(ws, json.loads(out.stdout)["run"])
    assert run.state == "finished" and run.plan["model"]["revision"] == SHA
    assert any(path.endswith("model.safetensors") for path in handler.asked)
    assert "estimated at four characters" in out.stderr and run.plan["rows"]["rows"] == run.status.prepared["rows"], (
        "counted when it was there"
    )
    assert not any(w["name"] == "lengths_guessed" for w in run.warnings)
    assert f"Bearer {SECRET}" in handler.keys, "the download was given the token"
    for file in (f for place in (ws.home, ws.machine, tmp_path) for f in place.rglob("*") if f.is_file()):
        assert SECRET.encode() not in file.read_bytes(), file
    assert SECRET not in out.stdout + out.stderr


def test_no_process_that_is_started_has_the_token_in_its_environment(tmp_path, monkeypatch):
    """Those that may use it are told through a pipe, the others not at all."""
    from tuner.system import processes

    (tmp_path / "teller.py").write_text(
        "import os; from tuner.system import processes\n"
        "before = dict(os.environ); processes.take_token(); print('HF_TOKEN' in before, os.environ.get('HF_TOKEN'))"
    )
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for offline, secrets in ((True, None), (False, None), (False, {"HF_TOKEN": SECRET})):
        log = tmp_path / f"{offline}-{bool(secrets)}.log"
        assert processes.start("teller", log=log, offline=offline, secrets=secrets).wait(30) == 0
        assert log.read_text().split() == ["False", str(SECRET if secrets else None)]


def test_what_is_known_of_a_model_before_it_is_downloaded(tmp_path):
    """config.json, whether it has a chat template, and for a kind that can't be counted the headers of its weights; with the login."""
    config = json.loads((paths.STARTER / "config.json").read_text())
    code = "from tuner import models; f = models.resolve('owner/tiny').facts; print(f.parameters, f.has_template, f.path)"
    strange = config | {"model_type": "exaone4", "architectures": ["Exaone4ForCausalLM"]}
    small = write_tensors(tmp_path / "small.safetensors", {"a": [10, 16], "b": [3]}).read_bytes()
    for about, told, expected in (
        (config, {"tokenizer_config.json": b'{"chat_template": "x"}'}, "4065536 True None"),
        (config, {"tokenizer_config.json": b"{}", "chat_template.jinja": b"x"}, "4065536 True None"),
        (config, {"tokenizer_config.json": b"{}"}, "4065536 False None"),
        (config, {}, "4065536 False None"),
        (strange, {}, "163 False None"),
    ):
        files = {"config.json": json.dumps(about).encode(), "model.safetensors": small} | told
        with serving(files=files) as (url, handler):
            env = environment(url, tmp_path / str(len(list(tmp_path.iterdir())))) | {"HF_TOKEN": SECRET}
            out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
        assert out.stdout.strip() == expected, out.stderr[-2000:]
        assert f"Bearer {SECRET}" in handler.keys


def test_a_model_is_fetched_ahead_of_a_run_in_the_background(ws, tmp_path):
    """By the supervisor, so it goes on without the page; joined when asked for twice; the same model in another run needs no download."""
    code = """
import sys, time
from pathlib import Path
from tuner import models
from tuner.jobs import downloads
from tuner.models import hub
from tuner.paths import Workspace
ws = Workspace(Path(sys.argv[1]), machine=Path(sys.argv[2])).prepare()
assert downloads.state(ws, "owner/tiny") == {}
first, second = downloads.start(ws, "owner/tiny"), downloads.start(ws, "owner/tiny")
assert first["state"] in ("queued", "preparing") and second["state"] in ("queued", "preparing", "running"), (first, second)
for _ in range(600):
    if downloads.state(ws, "owner/tiny")["state"] not in ("queued", "preparing", "running"):
        break
    time.sleep(0.1)
print(downloads.state(ws, "owner/tiny")["state"], [h.id for h in hub.cached()], models.cached_snapshot("owner/tiny") is not None)
"""
    with serving() as (url, _):
        done = subprocess.run(
            [sys.executable, "-c", code, str(ws.home), str(ws.machine_folder())],
            env=environment(url, tmp_path / "hf"), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["finished", "['owner/tiny']", "True"], done.stdout


def test_only_models_of_the_hub_are_fetched(ws):
    for strange in ("starter", "../x", "", "a/b/c"):
        with pytest.raises(TunerError) as caught:
            downloads.start(ws, strange)
        assert caught.value.field == "model"
