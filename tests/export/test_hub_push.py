"""Push to the Hub: by the Hub's own client to a small server that speaks as the Hub does."""

import pytest

from tests.cli.test_cli import refused
from tests.hub_server import Server
from tuner.data.importing.import_pass import Cancelled
from tuner.errors import ConflictError, ModelError, RequestError, WorkError
from tuner.export import hub_push
from tuner.jobs import data_jobs
from tuner.paths import Workspace

TOKEN = "hf_a-token-for-one-push"


@pytest.fixture
def hub(monkeypatch):
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # the server speaks LFS
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.close()


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
