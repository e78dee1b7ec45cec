"""`tunesmith mcp`, asked by the protocol's own client over its standard input and output; nothing is trained before a person confirmed it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.browsing import end_all
from tests.conftest import chat_rows, write_rows
from tuner import runs
from tuner.api import proposals
from tuner.errors import ConflictError, NotFoundError
from tuner.paths import Workspace

STEPS = {"max_steps": 2, "device": "cpu"}


@pytest.fixture
def ws(tmp_path):
    yield Workspace(tmp_path, machine=tmp_path / "machine").prepare()
    end_all(tmp_path)


def environment(ws) -> dict[str, str]:
    return os.environ | {"TUNESMITH_HOME": str(ws.home), "TUNESMITH_MACHINE": str(ws.machine_folder())}


def talk(ws, work: Callable) -> None:
    """Run `work(ask, session)` in a session with the server; `ask(tool, **arguments)` returns the document of an answer."""

    async def main() -> None:
        server = StdioServerParameters(command=sys.executable, args=["-m", "tuner.cli", "mcp"], env=environment(ws))
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await session.initialize()

            async def ask(tool: str, **arguments) -> dict:
                answer = await session.call_tool(tool, arguments)
                return json.loads(answer.content[0].text)

            await work(ask, session)

    with ThreadPoolExecutor(1) as pool:  # a thread of its own: the browser's driver may have a loop at work in this one
        pool.submit(asyncio.run, main()).result()


def confirm(ws, *args: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tuner.cli", "confirm", *args]
    return subprocess.run(command, env=environment(ws), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def test_from_a_file_to_a_model_with_one_yes_of_a_person(ws, tmp_path):
    file = write_rows(tmp_path / "sums.jsonl", chat_rows())

    async def work(ask, session) -> None:
        names = {tool.name for tool in (await session.list_tools()).tools}
        assert {"check_data", "import_data", "plan", "train", "show", "evaluate", "export"} <= names
        checked = await ask("check_data", path=str(file))
        assert checked["kind"] == "chat" and checked["usable"] == checked["rows"]
        data = (await ask("import_data", path=str(file), name="sums"))["dataset"]
        plan = await ask("plan", model="starter", data=data, settings=STEPS)
        assert plan["fits"] and plan["steps"] == 2 and plan["reasons"] and plan["confirm"].endswith(plan["plan"])
        refused = await ask("train", plan=plan["plan"])
        assert "waits for a person" in refused["errors"][0]["message"] and runs.listing(ws) == [], "an assistant alone trains nothing"
        listed = await asyncio.to_thread(confirm, ws)
        assert plan["plan"] in listed.stdout and "2 steps" in listed.stdout and "max_steps=2" in listed.stdout
        alone = await asyncio.to_thread(confirm, ws, plan["plan"])
        assert alone.returncode == 2 and "Nobody can be asked here" in alone.stderr
        assert (await asyncio.to_thread(confirm, ws, plan["plan"], "--yes")).returncode == 0
        run = (await ask("train", plan=plan["plan"]))["run"]
        assert "was used" in (await ask("train", plan=plan["plan"]))["errors"][0]["message"], "one yes, one run"
        for _ in range(600):
            if (shown := await ask("show", run=run))["state"] in ("finished", "failed"):
                break
            await asyncio.sleep(0.2)
        assert shown["state"] == "finished" and shown["progress"]["step"] == 2
        found = await ask("evaluate", run=run, rows=4)
        assert found["rows"] == 4 and found["against"] and "loss" in found["metrics"]
        made = await ask("export", run=run, to="adapter")
        assert made["bytes"] > 0 and (await ask("export", run=run, to="paper"))["errors"][0]["field"]
        assert [r["id"] for r in (await ask("list_runs"))["runs"]] == [run]

    talk(ws, work)


def test_what_is_wrong_is_an_answer(ws):
    async def work(ask, session) -> None:
        for tool, arguments in (
            ("check_data", {"path": "/no/such/file.csv"}),
            ("plan", {"model": "starter", "data": "nothing"}),
            ("plan", {"model": "starter", "data": "nothing", "settings": {"epochs": -1}}),
            ("train", {"plan": "../../etc/passwd"}),
            ("show", {"run": "nothing"}),
        ):
            found = await ask(tool, **arguments)
            assert all(e["message"] and e["remedy"] for e in found["errors"]) and found["errors"], tool

    talk(ws, work)


def test_a_plan_is_used_once_and_a_refused_one_never(ws, tmp_path):
    from tuner.data.store import store

    ds = store.add(ws, write_rows(tmp_path / "sums.jsonl", chat_rows()))
    ask = {"model": "starter", "data": ds.ref, **STEPS}
    refused = proposals.propose(ws, ask)
    assert confirm(ws, refused["id"], "--refuse").returncode == 0
    with pytest.raises(ConflictError, match="was refused"):
        proposals.begin(ws, refused["id"])
    with pytest.raises(ConflictError, match="was refused"):
        proposals.decide(ws, refused["id"], confirmed=True)
    found = proposals.decide(ws, proposals.propose(ws, ask)["id"], confirmed=True)

    def begin(_) -> str | None:
        with contextlib.suppress(ConflictError):
            return proposals.begin(ws, found["id"]).id
        return None

    with ThreadPoolExecutor(4) as pool:
        begun = [id for id in pool.map(begin, range(4)) if id]
    assert len(begun) == 1 == len(runs.listing(ws)), "four that ask at once begin one run"
    with pytest.raises(NotFoundError):
        proposals.get(ws, "plan-" + "0" * 24)
