"""Sweeps: every combination is planned before the first is begun, all stand in the queue, and the best comes first."""

import json

import pytest

from tuner import cli, runs
from tuner.data.store import sample_data, store
from tuner.errors import Problems, SettingError, TunerError
from tuner.jobs import halving, run_queue, sweeps, training
from tuner.scorecard import automatic

QUICK = {"model": "starter", "method": "lora", "max_steps": 2, "eval_steps": 2, "device": "cpu"}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["learning_rate=1e-4,3e-4"], {"learning_rate": [1e-4, 3e-4]}),
        (["method=lora,full", "lora_rank=8,16,32"], {"method": ["lora", "full"], "lora_rank": [8, 16, 32]}),
        (["lora_targets=[q, v],all-linear"], {"lora_targets": [["q", "v"], "all-linear"]}),
        (["packing=true,false"], {"packing": [True, False]}),
    ],
)
def test_values_are_read_as_settings_are(pairs, expected):
    assert sweeps.values_of(pairs) == expected


@pytest.mark.parametrize(
    "pairs", [["learning_rate"], ["learning_rate=1e-4"], ["seed=1,1"], ["seed=[1"], ["seed=1,2", "seed=3,4"], ["=1,2", "x"]]
)
def test_what_is_no_sweep_is_refused(pairs):
    with pytest.raises(TunerError) as caught:
        sweeps.values_of(pairs)
    assert all(e.remedy and e.available for e in getattr(caught.value, "errors", [caught.value]))


def test_nothing_begins_when_one_of_them_can_not(ws):
    ds = sample_data.add(ws, "tickets")
    with pytest.raises((Problems, SettingError)) as caught:
        sweeps.start(ws, QUICK | {"data": ds.ref}, {"lora_rank": [4, -4], "learning_rate": [1e-3, 1e-4]})
    said = [e.message for e in getattr(caught.value, "errors", [caught.value])]
    assert len(said) == 2 and all(s.startswith("With lora_rank=-4, learning_rate=") for s in said) and runs.listing(ws) == []
    with pytest.raises(SettingError, match="100 runs"):
        sweeps.start(ws, QUICK | {"data": ds.ref}, {"lora_rank": list(range(1, 11)), "seed": list(range(10))})


def test_a_sweep_from_the_terminal_to_its_table(ws, capsys):
    ds = sample_data.add(ws, "tickets")
    words = [
        "train",
        "--model",
        "starter",
        "--data",
        ds.ref,
        "--method",
        "lora",
        "-s",
        "max_steps=2",
        "-s",
        "eval_steps=2",
        "-s",
        "device=cpu",
    ]
    assert cli.main(["--home", str(ws.home), *words, "--sweep", "learning_rate=1e-5,2e-2", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert len(made["runs"]) == 2 and [j["run"] for d in run_queue.listing(ws) for j in d["jobs"] if j["run"]] == made["runs"]
    for id in made["runs"]:
        assert training.wait(ws, id).state == "finished"
    assert cli.main(["--home", str(ws.home), "runs", "--sweep", made["sweep"], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["runs"]
    assert [r["best"] for r in found] == sorted(r["best"] for r in found) and {r["sweep"] for r in found} == {made["sweep"]}
    assert {r["name"].split(" · ")[0] for r in found} == {"learning_rate=1e-05", "learning_rate=0.02"}
    assert sweeps.of(ws, "nothing") == []


def test_the_weaker_runs_of_a_sweep_are_stopped_at_their_evaluations(ws, monkeypatch):
    ds = sample_data.add(ws, "tickets")
    values = {"model": "starter", "method": "lora", "max_steps": 16, "eval_steps": 4, "device": "cpu", "data": ds.ref}
    id, found = sweeps.start(ws, values, {"learning_rate": [3e-3, 1e-7, 2e-3]}, halving=True)
    best, weak, third = (training.wait(ws, run.id) for run in found)
    assert [best.state, weak.state, third.state] == ["finished"] * 3, "a run that was stopped by its sweep has a model, too"
    assert best.progress.step == 16 and weak.progress.step == 4 and "Stopped by the sweep at step 4" in weak.status.reason
    study = halving._study(ws, id)
    states = [t.state.name for t in study.trials]
    assert states[:2] == ["COMPLETE", "PRUNED"] and states[2] == ("PRUNED" if third.progress.step < 16 else "COMPLETE")
    assert study.trials[0].intermediate_values.keys() == {1, 2, 3, 4} and study.trials[0].value == pytest.approx(best.best)
    assert [r.id for r in sweeps.of(ws, id)][0] in (best.id, third.id)
    monkeypatch.setenv("TUNESMITH_EVALUATE", "1")
    assert "one of a sweep" in automatic.why_not(ws, best), "the runs after it wait for the device"


def test_halving_needs_something_to_measure_and_optuna(ws, tmp_path, monkeypatch, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"{n} plus 1", "response": str(n + 1)}) + "\n" for n in range(30)))
    ds = store.add(ws, rows, held_out=0.0)
    with pytest.raises(TunerError) as caught:
        sweeps.start(ws, QUICK | {"data": ds.ref}, {"seed": [1, 2]}, halving=True)
    assert "Without validation rows" in str(caught.value) and runs.listing(ws) == []
    assert cli.main(["--home", str(ws.home), "train", "--model", "starter", "--data", ds.ref, "--halving"]) == 2
    assert "--sweep" in capsys.readouterr().err
    monkeypatch.setattr(halving, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match="Optuna"):
        sweeps.start(ws, QUICK | {"data": ds.ref}, {"seed": [1, 2]}, halving=True)
