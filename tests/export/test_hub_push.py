"""Push to the Hub: by the Hub's own client to a small server that speaks as the Hub does."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cli.test_cli import refused
from tuner.data.importing.import_pass import Cancelled
from tuner.errors import ConflictError, ModelError, RequestError, WorkError
from tuner.export import hub_push
from tuner.jobs import data_jobs
from tuner.paths import Workspace

TOKEN = "hf_a-token-for-one-push"


class Hub(BaseHTTPRequestHandler):
    """The routes that an upload of a model needs. `server.repos`: {id: {"private", "files": {path: bytes}}}."""

    def do_GET(self) -> None:
        path, repos = self.path.split("?")[0], self.server.repos
        if path == "/api/whoami-v2":
            return self.answer({"name": "ann", "type": "user", "orgs": []})
        id = path.removeprefix("/api/models/").removesuffix("/revision/main")
        if id not in repos:
            return self.answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        self.answer({"id": id, "modelId": id, "private": repos[id]["private"], "siblings": [], "sha": "0" * 40, "tags": [], "downloads": 0})

    def do_POST(self) -> None:
        body, path, server = self.rfile.read(int(self.headers.get("Content-Length") or 0)), self.path, self.server
        server.tokens.add(self.headers.get("Authorization"))
        if path == "/api/repos/create":
            asked = json.loads(body)
            id = f"{asked.get('organization') or 'ann'}/{asked['name']}"
            if not id.startswith("ann/"):
                return self.answer({"error": "Forbidden"}, 403)
            if id in server.repos:
                return self.answer({"error": "exists", "url": f"{server.url}/{id}"}, 409)
            server.repos[id] = {"private": asked.get("visibility") == "private" or asked.get("private") is True, "files": {}}
            return self.answer({"url": f"{server.url}/{id}", "name": id, "id": id})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path.endswith("/preupload/main"):
            files = [
                {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{server.url}/lfs/{o['oid']}", "header": {}}}} for o in json.loads(body)["objects"]
            ]
            return self.answer({"transfer": "basic", "objects": objects}, kind="application/vnd.git-lfs+json")
        if path.endswith("/commit/main"):
            id = path.removeprefix("/api/models/").removesuffix("/commit/main")
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    server.repos[id]["files"][value["path"]] = base64.b64decode(value["content"])
                if line["key"] == "lfsFile":
                    server.repos[id]["files"][value["path"]] = server.large[value["oid"]]
            return self.answer({"commitUrl": f"{server.url}/{id}/commit/1", "commitOid": "1" * 40, "pullRequestUrl": None})
        self.answer({"error": path}, 404)

    def do_PUT(self) -> None:
        self.server.large[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({})

    def answer(self, document, code: int = 200, headers: dict | None = None, kind: str = "application/json") -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Nothing is printed."""


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.url, server.repos, server.large, server.tokens = f"http://127.0.0.1:{server.server_port}", {}, {}, set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # the server speaks LFS
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def ws(house):
    return Workspace(house.ws.home, machine=house.ws.machine, token=TOKEN)


def test_a_model_is_pushed_into_a_private_repository_with_its_card_and_no_token_anywhere(hub, ws, house):
    said = []
    told = hub_push.push(ws, house.full, "ann/my-model", waiting=lambda _, what: said.append(what))
    assert told["url"] == f"{hub.url}/ann/my-model" and told["private"] and not told["was_there"] and told["commit"] == "1" * 40
    repo = hub.repos["ann/my-model"]
    assert repo["private"] and {"README.md", "model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= set(
        repo["files"]
    )
    made = house.ws.exports / house.full / "merged"
    assert repo["files"]["model.safetensors"] == (made / "model.safetensors").read_bytes()
    assert repo["files"]["README.md"].startswith(b"---\nlibrary_name: transformers") and any("Uploading" in what for what in said)
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert not [f for f in house.ws.home.rglob("*") if f.is_file() and TOKEN.encode() in f.read_bytes()], "the token is written nowhere"
    again = hub_push.push(ws, house.full, "ann/my-model")
    assert again["was_there"] and again["private"]


def test_a_public_repository_is_only_used_when_that_was_asked_for(hub, ws, house):
    hub.repos["ann/open"] = {"private": False, "files": {}}
    with pytest.raises(ConflictError, match="is public"):
        hub_push.push(ws, house.full, "ann/open")
    assert not hub.repos["ann/open"]["files"]
    with pytest.raises(RequestError, match="no permission to write") as caught:
        hub_push.push(ws, house.full, "somebody/else")
    assert caught.value.field == "token"


def test_a_cancelled_upload_says_where_the_export_is(hub, ws, house, monkeypatch):
    def cancelled(*args):
        raise Cancelled

    monkeypatch.setattr(data_jobs, "follow", cancelled)
    with pytest.raises(WorkError, match="upload was cancelled") as caught:
        hub_push.push(ws, house.full, "ann/later")
    assert str(house.ws.exports / house.full / "merged") in caught.value.available


def test_what_can_not_be_pushed_is_refused_before_anything_is_made(hub, ws, house, monkeypatch):
    monkeypatch.setattr(hub_push.making, "make", lambda *a, **k: pytest.fail("nothing is made"))
    monkeypatch.setattr(data_jobs, "begin", lambda *a, **k: pytest.fail("nothing is sent"))
    for repo in ("a b", "x/y/z", "", "-x"):
        with pytest.raises(RequestError) as caught:
            hub_push.push(ws, house.full, repo)
        assert caught.value.field == "repo"
    with pytest.raises(ModelError, match="could load it from the Hub"):
        hub_push.push(ws, house.lora, "ann/adapter", kind="adapter")
    with pytest.raises(RequestError, match="access token"):
        hub_push.push(house.ws, house.full, "ann/x")
    assert refused(house.ws, "export", house.full, "--to", "hub")[0]["field"] == "repo"
    for wrong in (["--public"], ["--to", "hub,merged", "--repo", "ann/x"], ["--to", "hub", "--repo", "ann/x", "--out", "here"]):
        assert "no effect" in refused(house.ws, "export", house.full, *wrong)[0]["message"]
