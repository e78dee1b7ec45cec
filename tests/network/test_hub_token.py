"""The Hub's token: out of reach of libraries in the page's process, and handed to the job that downloads through a private socket."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

import pytest

from tests.models.test_hub import SECRET, environment, serving
from tuner.errors import ConflictError
from tuner.jobs import handover, queue
from tuner.jobs.job import Job
from tuner.system import machine, sockets

LATE = "hf_" + "z" * 34  # typed after the supervisor had started


def test_after_the_seal_no_library_finds_a_token_by_itself(tmp_path):
    """Neither the environment's nor the stored login; our own calls are given one."""
    code = """
import os, sys
from huggingface_hub import get_token
from huggingface_hub.utils import build_hf_headers
from tuner.network import hub_token
assert get_token() == sys.argv[1] and sys.argv[1] in str(build_hf_headers())
assert hub_token.seal(guests=False) == sys.argv[1]
assert get_token() is None and "uthorization" not in str(build_hf_headers()) and "HF_TOKEN" not in os.environ
assert hub_token.stored_login() == "hf_stored" and hub_token.for_calls(None) == "hf_stored" and hub_token.for_calls("mine") == "mine"
assert hub_token.seal(guests=False) is None and hub_token.stored_login() == "hf_stored"  # twice does no harm
assert hub_token.seal(guests=True) is None and hub_token.stored_login() is None and hub_token.for_calls(None) is False
print("sealed", os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"])
"""
    (tmp_path / "token").write_text("hf_stored\n")
    env = os.environ | {"HF_HOME": str(tmp_path), "HF_TOKEN": SECRET, "HUGGING_FACE_HUB_TOKEN": SECRET}
    env.pop("HF_HUB_DISABLE_IMPLICIT_TOKEN", None)
    done = subprocess.run([sys.executable, "-c", code, SECRET], env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["sealed", "1"], done.stderr[-2000:]


def test_visitors_of_a_space_have_only_the_token_that_they_typed(tmp_path):
    from types import SimpleNamespace

    from tuner.errors import NotAllowedError
    from ui.session import AppContext

    one, other = (SimpleNamespace(session_hash=s, client=None) for s in ("one", "other"))
    house = AppContext(tmp_path, guest=True, password="open", token="of the owner")
    with pytest.raises(NotAllowedError):
        house.keep_hub_token(one, "mine")
    assert house.unlock(one, "open")
    house.keep_hub_token(one, " mine ")
    assert house.workspace(one).token == "mine" and house.workspace(other).token is None
    assert "mine" not in repr(house) + repr(house.workspace(one)) and "of the owner" not in repr(house)
    house.leave(one)
    assert house.hub_token(one) is None
    local = AppContext(tmp_path, token="of the owner")
    assert local.workspace(one).token == "of the owner"
    local.keep_hub_token(one, "typed")
    assert local.workspace(other).token == "typed"  # one person, however many tabs
    local.keep_hub_token(one, "")
    assert local.workspace(one).token == "of the owner"


@pytest.fixture
def inbox(ws):
    box = handover.Inbox(ws.machine_folder())
    yield box
    box.close()


def test_what_is_told_is_kept_for_the_job_and_nowhere_on_the_disk(ws, inbox, tmp_path):
    handover.tell(ws.machine_folder(), tmp_path / "job", "HF_TOKEN", SECRET)
    handover.tell(ws.machine_folder(), tmp_path / "other", "HF_TOKEN", LATE)
    assert inbox.of(tmp_path / "job") == {"HF_TOKEN": SECRET} and inbox.waiting()
    inbox.forget(tmp_path / "job")
    assert inbox.of(tmp_path / "job") == {} and inbox.of(tmp_path / "other") == {"HF_TOKEN": LATE}
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and SECRET.encode() in f.read_bytes()]


def test_only_who_knows_the_key_is_heard_and_nonsense_ends_nothing(ws, inbox, tmp_path):
    machine = ws.machine_folder()
    for name in ("handover.key", "handover.sock"):
        assert stat.S_IMODE((machine / name).stat().st_mode) & 0o077 == 0 or stat.S_IMODE(machine.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE((machine / "handover.key").stat().st_mode) == 0o600
    with pytest.raises(AuthenticationError):
        Client(handover.address(machine), authkey=b"guessed")
    for nonsense in (b"", b"\xff\xfe", b"no separator", b"x\0", b"\0" * 10_000):
        with Client(handover.address(machine), authkey=handover.key(machine)) as sender:
            sender.send_bytes(nonsense)
    with Client(handover.address(machine), authkey=handover.key(machine)):
        pass  # goes without a word
    handover.tell(machine, tmp_path / "job", "HF_TOKEN", SECRET)
    assert inbox.of(tmp_path / "job") == {"HF_TOKEN": SECRET}


def test_a_long_path_gets_a_short_private_place(ws, tmp_path):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    place = handover.address(deep)
    assert len(place) <= sockets.LONGEST
    box = handover.Inbox(deep)
    handover.tell(deep, tmp_path / "job", "HF_TOKEN", SECRET)
    assert box.of(tmp_path / "job") == {"HF_TOKEN": SECRET}
    box.close()


def test_nobody_to_tell_is_told(ws, tmp_path):
    with pytest.raises(ConflictError) as told:
        handover.tell(ws.machine_folder(), tmp_path, "HF_TOKEN", SECRET, patience=0.3)
    assert told.value.remedy


def test_the_next_supervisor_gets_what_nobody_asked_for_yet(ws, tmp_path):
    machine = ws.machine_folder()
    first = handover.Inbox(machine)
    handover.tell(machine, tmp_path / "job", "HF_TOKEN", SECRET)
    first.close()
    second = handover.Inbox(machine, first.kept)
    assert second.of(tmp_path / "job") == {"HF_TOKEN": SECRET}
    handover.tell(machine, tmp_path / "job2", "HF_TOKEN", SECRET)  # listens at the same place
    second.close()


def test_a_token_typed_later_reaches_a_supervisor_that_runs(ws, tmp_path):
    """A gated model is refused, a token is typed, the same download goes through; the supervisor was the same one all the while."""
    code = """
import sys, time
from pathlib import Path
from tuner import locks
from tuner.jobs import downloads
from tuner.paths import Workspace
def fetched(token):
    ws = Workspace(Path(sys.argv[1]), machine=Path(sys.argv[2]), token=token).prepare()
    downloads.start(ws, "owner/gated-model")
    while (now := downloads.state(ws, "owner/gated-model"))["state"] in ("queued", "preparing", "running"):
        time.sleep(0.1)
    return now
before = fetched(None)
print(before["state"], (before.get("error") or {}).get("code"), locks.is_held(Path(sys.argv[2]) / "supervisor.lock"))
print(fetched(sys.argv[3])["state"])
"""
    with serving(opens=LATE) as (url, handler):
        env = environment(url, tmp_path / "hf")
        done = subprocess.run(
            [sys.executable, "-c", code, str(ws.home), str(ws.machine), LATE], env=env, capture_output=True, text=True, timeout=120
        )
        assert done.stdout.split() == ["failed", "network", "True", "finished"], done.stdout + done.stderr[-2000:]
        assert f"Bearer {LATE}" in handler.keys
    for file in (f for place in (ws.home, ws.machine) for f in place.rglob("*") if f.is_file()):
        assert LATE.encode() not in file.read_bytes(), file
    log = (ws.machine / "supervisor.log").read_text()
    assert "Traceback" not in log


def test_a_job_for_which_nothing_is_fetched_takes_no_token(ws, tmp_path, monkeypatch):
    monkeypatch.setattr(handover, "tell", lambda *_: pytest.fail("told"))
    monkeypatch.setattr(machine, "ensure", lambda machine: None)
    Job(replace(ws, token=SECRET), "train", tmp_path).submit("cpu")
    assert queue.connect(ws.machine).execute("SELECT count(*) FROM jobs").fetchone() == (1,)
