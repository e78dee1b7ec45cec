"""Rows as hosted services take them: what is written is read back as the same rows, and what a service has no form for is told."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import write_rows
from tuner.data.store import hosted, store
from tuner.errors import DataError, SettingError
from tuner.paths import Workspace

TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "w", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def chat(n: int, **last) -> dict:
    return {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"Hi {n}"},
            {"role": "assistant", "content": f"Ahoy {n}!"} | last,
        ]
    }


def called(n: int) -> dict:
    call = {"id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": f"Ü{n}"})}}
    return {
        "messages": [
            {"role": "user", "content": f"Weather in {n}?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{n}", "content": "sunny"},
            {"role": "assistant", "content": f"Sunny in {n}."},
        ],
        "tools": [TOOL],
    }


def pair(n: int) -> dict:
    return {
        "input": {"messages": [{"role": "user", "content": f"Say {n}"}]},
        "preferred_output": [{"role": "assistant", "content": f"{n}, gladly."}],
        "non_preferred_output": [{"role": "assistant", "content": f"no {n}"}],
    }


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "home", machine=tmp_path / "machine").prepare()


def made(ws, tmp_path, rows: list[dict], held_out: float = 0.0):
    return store.add(ws, write_rows(tmp_path / f"rows{len(store.listing(ws))}.jsonl", rows), held_out=held_out)


def values(ds) -> list[dict]:
    return [row["value"] for row in store.iterate(ds)]


@pytest.mark.parametrize("name", hosted.SERVICES)
@pytest.mark.parametrize("kind", ("chat", "calls", "pairs"))
def test_what_is_written_is_read_back(ws, tmp_path, name, kind):
    rows = {"chat": chat, "calls": called, "pairs": pair}[kind]
    ds = made(ws, tmp_path, [rows(n) for n in range(30)], held_out=0.2)
    if ds.kind not in hosted.SERVICES[name].kinds:
        with pytest.raises(SettingError, match="does not take rows for preference"):
            hosted.export(ds, tmp_path / "out.jsonl", name)
        assert not list(tmp_path.glob("*out*"))
        return
    found = hosted.export(ds, tmp_path / "out.jsonl", name)
    assert (found["rows"], found["validation_rows"]) == (30 - ds.held_out, ds.held_out) and found["left_out_count"] == 0
    first = (tmp_path / "out.jsonl").read_bytes()
    assert first.startswith(hosted.BOM) is (name == "azure") and found["files"] == [
        str(tmp_path / "out.jsonl"),
        str(tmp_path / "out.validation.jsonl"),
    ]
    lines = [json.loads(line) for line in first.decode("utf-8-sig").splitlines()]
    if kind == "calls":
        function = lines[0]["messages"][1]["tool_calls"][0]["function"]
        assert isinstance(function["arguments"], str) and json.loads(function["arguments"])["city"].startswith("Ü")
        assert "content" not in lines[0]["messages"][1], "a call without a text"
    back = store.add(ws, tmp_path / "out.jsonl", test_file=tmp_path / "out.validation.jsonl")
    key = json.dumps
    assert sorted(map(key, values(back))) == sorted(map(key, values(ds))) and back.kind == ds.kind


def test_weights_go_where_there_is_a_place_for_them(ws, tmp_path):
    silent = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}, *chat(1)["messages"][1:]]}
    ds = made(ws, tmp_path, [silent, *(chat(n, weight=1) for n in range(20))])
    assert '"weight": 0' in (hosted.export(ds, tmp_path / "a.jsonl", "openai") and (tmp_path / "a.jsonl").read_text())
    found = hosted.export(ds, tmp_path / "b.jsonl", "together")
    assert (
        found["left_out"] == [{"row": 1, "reason": "a turn is not to be trained (weight 0), which can't be said there"}]
        and found["rows"] == 20
    )
    assert "weight" not in (tmp_path / "b.jsonl").read_text()


def test_reasoning_is_left_away_and_said(ws, tmp_path):
    ds = made(ws, tmp_path, [chat(n, reasoning_content="hm") for n in range(12)])
    found = hosted.export(ds, tmp_path / "a.jsonl", "openai")
    assert found["notes"] == ["12 turns had reasoning, which has no place there and is left away"]
    assert "hm" not in (tmp_path / "a.jsonl").read_text()


def test_what_a_service_would_not_take_is_refused_and_no_file_is_left(ws, tmp_path, monkeypatch):
    few = made(ws, tmp_path, [chat(n) for n in range(9)])
    with pytest.raises(DataError, match="OpenAI takes 10 or more training rows; these are 9"):
        hosted.export(few, tmp_path / "a.jsonl", "openai")
    monkeypatch.setitem(hosted.SERVICES, "mistral", hosted.Service("Mistral", ("chat",), "s", most=100))
    with pytest.raises(DataError, match="files of up to 100 bytes"):
        hosted.export(few, tmp_path / "a.jsonl", "mistral")
    with pytest.raises(SettingError, match="not known"):
        hosted.export(few, tmp_path / "a.jsonl", "nobody")
    assert not list(tmp_path.glob("*a*.jsonl*"))


@pytest.mark.parametrize(
    ("roles", "fine"),
    (
        ("system user assistant", True),
        ("user assistant user assistant", True),
        ("user assistant tool assistant", True),
        ("user assistant tool tool assistant user assistant", True),
        ("assistant user assistant", False),
        ("user user assistant", False),
        ("user assistant assistant", False),
    ),
)
def test_who_takes_turns(roles, fine):
    assert hosted._alternates(roles.split()) is fine


def test_from_the_terminal(ws, tmp_path):
    ds = made(ws, tmp_path, [chat(n) for n in range(20)], held_out=0.2)
    env = os.environ | {"TUNESMITH_HOME": str(ws.home), "TUNESMITH_MACHINE": str(ws.machine_folder())}
    command = [
        sys.executable,
        "-m",
        "tuner.cli",
        "data",
        "export",
        ds.id,
        "--service",
        "azure",
        "--out",
        str(tmp_path / "rows.jsonl"),
        "--json",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == 20 - ds.held_out and found["service"] == "Azure OpenAI" and found["source"].startswith("https://")
