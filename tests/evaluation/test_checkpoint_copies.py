"""A checkpoint as a run of its own: it answers as the checkpoint does, stays when that is deleted, and can be used as any run."""

import json
import shutil

import pytest
from safetensors.numpy import load_file

from tuner import cli, models, runs
from tuner.errors import ConflictError, NotFoundError
from tuner.evaluation import checkpoint_copies
from tuner.jobs import cleanup
from tuner.serving import chat_client


@pytest.fixture
def copied(house, tmp_path):
    """A workspace with copies of the trained runs, so that they can be changed."""
    shutil.copytree(house.ws.root, tmp_path / "home" / house.ws.owner)
    return type(house.ws)(tmp_path / "home", house.ws.owner, house.ws.machine)


@pytest.mark.parametrize("which", ["lora", "full"])
def test_a_checkpoint_becomes_a_run(house, copied, which):
    origin = runs.get(copied, getattr(house, which))
    first = checkpoint_copies.listing(origin)[0]
    made = checkpoint_copies.make(copied, origin.id, first["step"])
    checkpoint = origin.path / "checkpoints" / f"checkpoint-{first['step']}"
    weights = next(checkpoint.glob("*.safetensors")).name
    ours, theirs = load_file(made.path / "model" / weights), load_file(checkpoint / weights)
    assert ours.keys() == theirs.keys() and all((ours[k] == theirs[k]).all() for k in ours)
    assert (
        made.state == "finished" and made.best == pytest.approx(first["eval_loss"]) and made.name == f"{origin.name} · step {first['step']}"
    )
    assert max(step for step, _, _ in runs.metrics(made)) == first["step"] < max(step for step, _, _ in runs.metrics(origin))
    left = {f.name for f in (made.path / "model").iterdir()}
    assert "tokenizer.json" in left and not left & {"optimizer.pt", "trainer_state.json", "MANIFEST.json", "rng_state.pth"}
    assert checkpoint_copies.make(copied, origin.id, first["step"]).id == made.id, "it is made once"
    assert checkpoint_copies.make(copied, origin.id, first["step"], "another").id != made.id
    spec = chat_client.serving_spec(copied, made.id)
    assert str(made.path / "model") in (spec["base"], spec["adapter"])
    assert models.resolve(made.id, copied, need_weights=True).kind == "run", "it can be trained further"
    shutil.rmtree(checkpoint)
    runs.delete(copied, origin.id)
    assert load_file(made.path / "model" / weights).keys() == theirs.keys(), "it stays without the run it came from"


def test_what_describes_the_weights_is_in_each_checkpoint(ws):
    from tests.jobs.test_sweeps import QUICK
    from tuner.data.store import sample_data
    from tuner.jobs import training

    ds = sample_data.add(ws, "tickets")
    run = training.wait(ws, training.start(ws, QUICK | {"data": ds.ref, "objective": "classification"}, name="labels").id)
    assert run.state == "finished", run.status
    made = checkpoint_copies.make(ws, run.id, run.checkpoints[0]["step"])
    assert json.loads((made.path / "model" / "labels.json").read_text())["names"]
    shutil.rmtree(run.path / "model")
    assert (runs.checkpoints(run.path)[0] / "labels.json").exists(), "a checkpoint answers by itself"


def test_what_can_not_be_a_run_is_refused(house, copied, capsys):
    origin = runs.get(copied, house.lora)
    home = ["--home", str(copied.home)]
    with pytest.raises(NotFoundError, match="no checkpoint of step 999"):
        checkpoint_copies.make(copied, origin.id, 999)
    step = origin.checkpoints[0]["step"]
    (origin.path / "checkpoints" / f"checkpoint-{step}" / "adapter_model.safetensors").write_bytes(b"x")
    with pytest.raises(NotFoundError, match="damaged"):
        checkpoint_copies.make(copied, origin.id, step)
    plan = origin.plan | {"settings": origin.plan["settings"] | {"lora_init": "pissa"}}
    (origin.path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(ConflictError, match="pissa"):
        checkpoint_copies.make(copied, origin.id, origin.checkpoints[-1]["step"])
    assert not list(copied.runs.glob(".new-*")) and cli.main([*home, "checkpoints", origin.id, "--copy", "999"]) != 0
    (copied.runs / ".new-left").mkdir()
    assert any(item.kind == "leftovers" for item in cleanup.survey(copied))


def test_a_run_whose_base_a_copy_needs_is_not_deleted(house, copied):
    origin = runs.get(copied, house.lora)
    base = origin.path / "base"
    base.mkdir()
    (origin.path / "plan.json").write_text(json.dumps(origin.plan | {"model": origin.plan["model"] | {"base": str(base)}}))
    made = checkpoint_copies.make(copied, origin.id, origin.checkpoints[0]["step"])
    with pytest.raises(ConflictError, match=made.id):
        runs.delete(copied, origin.id)


def test_checkpoints_and_metrics_from_the_terminal(house, copied, tmp_path, capsys):
    home, id = ["--home", str(copied.home)], house.lora
    assert cli.main([*home, "checkpoints", id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["checkpoints"]
    assert found and all(c["eval_loss"] > 0 and c["run"] is None and c["bytes"] > 0 for c in found) and sum(c["best"] for c in found) == 1
    assert cli.main([*home, "checkpoints", id, "--copy", str(found[0]["step"]), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["run"]
    assert cli.main([*home, "checkpoints", id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoints"][0]["run"] == made
    table = runs.metrics_table(runs.get(copied, id))
    for ending in ("csv", "jsonl"):
        assert cli.main([*home, "metrics", id, "--to", str(tmp_path / f"m.{ending}")]) == 0
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines[0] == ",".join(table["columns"]) and len(lines) == len(table["rows"]) + 1
    read = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [r["step"] for r in read] == [row[0] for row in table["rows"]] and "loss" in read[0]
    assert cli.main([*home, "metrics", id, "--to", str(tmp_path / "m.xls")]) != 0 and ".csv or .jsonl" in capsys.readouterr().err
