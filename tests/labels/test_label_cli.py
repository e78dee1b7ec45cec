"""The whole loop without a page: pairs from a file and from models, verdicts, a dataset, a run that learns from it, a talk with the result."""

import json

import pytest

from tests.conftest import write_rows
from tuner import cli, runs
from tuner.data.store import sample_data
from tuner.labels import pairs, projects


@pytest.fixture
def tell(house, monkeypatch, capsys):
    """(exit code, document) of a command in the house's workspace."""
    monkeypatch.setenv("TUNESMITH_MACHINE", str(house.ws.machine))

    def run(*words: str) -> tuple[int, dict]:
        capsys.readouterr()
        code = cli.main(["--home", str(house.ws.home), *map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_the_whole_loop_from_a_terminal(house, tell, tmp_path):
    rows = [
        {"prompt": f"What is {n} plus {n}?", "chosen": f"Arr, it is {2 * n}!", "rejected": f"Go and count to {n} yourself."}
        for n in range(24)
    ]
    code, brought = tell("label", "import", write_rows(tmp_path / "pairs.jsonl", rows), "--project", "loop", "--overlap", "1")
    assert code == 0 and brought["added"] == 24 and brought["problems"] == []
    code, made = tell("label", "generate", "--project", "loop", "--model", house.full, "--against", "base", "--data", house.data.ref)[:2]
    assert code == 0 and made["added"] + sum(made["dropped"].values()) == house.data.rows, made
    for who in ("ann", "ben"):
        code, shown = tell("label", "next", "--project", "loop", "--as", who)
        while shown["pair"] is not None:
            assert "by" not in shown and house.full not in json.dumps(shown), "blind"
            kind = shown["a"][0]["content"].startswith("Arr")
            code, said = tell("label", "verdict", shown["pair"], "--project", "loop", "--as", who, "--choice", "a" if kind else "b")
            assert code == 0
            code, shown = tell("label", "next", "--project", "loop", "--as", who)
    code, undone = tell("label", "undo", "--project", "loop", "--as", "ben")
    assert code == 0 and undone["before"]["choice"] in ("a", "b")
    tell("label", "verdict", undone["pair"], "--project", "loop", "--as", "ben", "--choice", undone["before"]["choice"])
    code, stats = tell("label", "stats", "--project", "loop")
    assert code == 0 and stats["done"] == stats["tasks"] == 2 * brought["pairs"] + 2 * made["added"]
    assert stats["agreement"]["measure"] == "kappa" and len(stats["labellers"]) == 2 and stats["said"]
    assert {r["model"] for r in stats["wins"]} <= {house.full, f"{house.full}/base"}
    code, exported = tell("label", "export", "--project", "loop")
    assert code == 0 and exported["kind"] == "preference" and exported["rows"] >= 20
    code, files = tell("label", "export", "--project", "loop", "--out", tmp_path / "out")
    assert code == 0 and {"preference.jsonl", "kto.jsonl", "provenance.jsonl"} <= set(files["files"])
    how = ["-s", "max_steps=3", "-s", "effective_batch=4", "-s", "epochs=10", "-s", "device=cpu"]
    code, trained = tell("train", "--model", house.lora, "--data", f"{exported['dataset']}@{exported['version']}", *how)
    assert code == 0 and trained["state"] == "finished", trained
    run = house.run(trained["run"])
    assert run.plan["settings"]["objective"] == "preference" and run.config["model"] == house.lora
    assert {"rewards/margins", "rewards/accuracies", "logps/chosen"} <= set(runs.metrics_table(run)["columns"])
    code, answer = tell("chat", trained["run"], "--prompt", "What is 3 plus 3?")
    assert code == 0 and answer["answer"]
    runs.delete(house.ws, trained["run"])  # the house is everybody's


@pytest.mark.parametrize(
    "words",
    [
        ["next", "--project", "nothing"],
        ["next", "--project", "../x"],
        ["import", "no-such-thing", "--project", "p"],
        ["import", "sample", "--project", "Not An Id"],
        ["verdict", "x", "--project", "there", "--choice", "a"],
        ["verdict", "99", "--project", "there", "--choice", "a"],
        ["verdict", "1", "--project", "there", "--choice", "c"],
        ["verdict", "1", "--project", "there", "--choice", "a", "--strength", "9"],
        ["undo", "--project", "there", "--as", "nobody"],
        ["settle", "1", "--project", "there", "--winner", "third"],
        ["generate", "--project", "there"],
        ["generate", "--project", "there", "--model", "starter"],
        ["judge", "--project", "there", "--model", "x", "--url", "nonsense"],
    ],
)
def test_wrong_requests_exit_2_and_say_what_to_do(ws, monkeypatch, capsys, words):
    projects.create(ws, "There")
    pairs.from_dataset(ws, "there", sample_data.add(ws, "preferences").ref, limit=2)
    code = cli.main(["--home", str(ws.home), "label", *words, "--json"])
    error = json.loads(capsys.readouterr().out)["errors"][0]
    assert code == 2 and error["remedy"] and error["message"]


def test_nothing_judged_is_work_that_failed(ws, capsys):
    projects.create(ws, "Empty")
    assert cli.main(["--home", str(ws.home), "label", "export", "--project", "empty", "--json"]) == 1
    assert "Judge some pairs first" in json.loads(capsys.readouterr().out)["errors"][0]["remedy"]
