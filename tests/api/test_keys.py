"""Keys of the server: made, named, scoped, limited, revoked; what one made, no other sees."""

import json
import os
import subprocess
import sys

import openai
import pytest

from tests.api.conftest import MODEL, SHORT
from tests.api.test_fine_tuning import ended, lines, upload
from tuner import paths
from tuner.errors import TunerError
from tuner.serving import keys
from tuner.serving.protocol import Refused

ASK = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}


def command(server, *args: str) -> subprocess.CompletedProcess:
    env = os.environ | {"TUNESMITH_HOME": str(server.ws.home), "TUNESMITH_MACHINE": str(server.ws.machine_folder())}
    return subprocess.run([sys.executable, "-m", "tuner.cli", "key", *args], env=env, capture_output=True, text=True, timeout=120)


def test_a_key_from_its_making_to_its_end(server):
    made = json.loads(command(server, "add", "notebook", "--scope", "chat", "--scope", "read", "--json").stdout)
    kept = "".join(f.name + f.read_text(encoding="utf-8") for f in (server.ws.api / "keys").iterdir())
    assert made["secret"] not in kept and made["secret"][:12] not in kept, "hashed at rest"
    client = server.client(made["secret"])
    assert client.models.list().data and client.chat.completions.create(**ASK).choices
    with pytest.raises(openai.PermissionDeniedError, match="may not upload files, create and cancel jobs"):
        upload(client, lines(3))
    listed = command(server, "list").stdout
    assert "notebook: chat, read" in listed and "sha256" not in command(server, "list", "--json").stdout
    assert command(server, "add", "Notebook").returncode == 2, "a name is one key's"
    assert command(server, "revoke", "notebook").returncode == 0
    with pytest.raises(openai.AuthenticationError):
        client.models.list()
    again = command(server, "revoke", "notebook")
    assert again.returncode == 2 and "no key" in again.stderr


def test_no_key_sees_what_another_made(server, client):
    mine, other = (server.client(keys.add(server.ws, name, keys.SCOPES)["secret"]) for name in ("mine", "other"))
    file = upload(mine, lines(12))
    job = mine.fine_tuning.jobs.create(training_file=file.id, model=MODEL, extra_body={"tunesmith": {"settings": {"max_steps": 1}}})
    assert [f.id for f in mine.files.list().data] == [file.id] and [j.id for j in mine.fine_tuning.jobs.list().data] == [job.id]
    for stranger in (other, client):  # nor does the server's own key
        assert file.id not in [f.id for f in stranger.files.list().data]
        assert job.id not in [j.id for j in stranger.fine_tuning.jobs.list().data]
        for work, id in (
            (stranger.files.retrieve, file.id),
            (stranger.files.content, file.id),
            (stranger.files.delete, file.id),
            (stranger.fine_tuning.jobs.retrieve, job.id),
            (stranger.fine_tuning.jobs.cancel, job.id),
            (stranger.fine_tuning.jobs.pause, job.id),
            (stranger.fine_tuning.jobs.list_events, job.id),
            (stranger.fine_tuning.jobs.checkpoints.list, job.id),
        ):
            with pytest.raises(openai.NotFoundError):
                work(id)
        with pytest.raises(openai.BadRequestError, match="invalid training_file"):
            stranger.fine_tuning.jobs.create(training_file=file.id, model=MODEL)
    mine.fine_tuning.jobs.cancel(job.id)


def test_a_key_reaches_no_folder_and_no_run_of_the_computer(server, client):
    """Who runs the server may name any model; a key trains what is mapped, the starter, and what it made itself."""
    guest = server.client(keys.add(server.ws, "guest", keys.SCOPES)["secret"])
    file = upload(guest, lines(12))
    for model in (str(paths.STARTER), "../../etc", "gpt2"):
        with pytest.raises(openai.NotFoundError, match=f"Available: {MODEL}, starter"):
            guest.fine_tuning.jobs.create(training_file=file.id, model=model)
    job = client.fine_tuning.jobs.create(training_file=upload(client, lines(12)).id, model=str(paths.STARTER), extra_body=SHORT)
    assert ended(client, job.id).status == "succeeded"
    for model in (job.id, client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model):
        with pytest.raises(openai.NotFoundError):
            guest.fine_tuning.jobs.create(training_file=file.id, model=model)
        with pytest.raises(openai.NotFoundError):
            guest.models.delete(model)


@pytest.mark.parametrize("path", ("models", "files", "fine_tuning/jobs", "metrics"))
def test_without_a_key_nothing_is_told(server, path):
    import httpx

    url = server.url.removesuffix("/v1") + "/metrics" if path == "metrics" else f"{server.url}/{path}"
    for header in ({}, {"Authorization": "Bearer sk-wrong"}, {"Authorization": "Basic c2s="}):
        assert httpx.get(url, headers=header).status_code == 401


def test_a_key_is_held_to_its_rate(server):
    made = keys.add(server.ws, "slow", ["read"], rate=3)
    client = server.client(made["secret"])
    for _ in range(3):
        client.models.list()
    with pytest.raises(openai.RateLimitError, match="3 requests a minute"):
        client.models.list()


def test_a_rate_comes_back_with_time(server, monkeypatch):
    made, now = keys.add(server.ws, "clock", ["read"], rate=60), [100.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: now[0])
    access = keys.Access(server.ws, "own")
    header = f"Bearer {made['secret']}"
    for _ in range(10):
        access.check(header, "read")
    with pytest.raises(Refused):
        access.check(header, "read")
    now[0] += 1.0  # one request a second
    access.check(header, "read")
    with pytest.raises(Refused):
        access.check(header, "read")


@pytest.mark.parametrize(
    ("name", "scopes", "rate"), (("", ["read"], None), ("a\nb", ["read"], None), ("x", [], None), ("x", ["all"], None), ("x", ["read"], 0))
)
def test_what_is_no_key_is_refused(server, name, scopes, rate):
    with pytest.raises(TunerError):
        keys.add(server.ws, name, scopes, rate=rate)
    assert name not in [k["name"] for k in keys.listing(server.ws)]
