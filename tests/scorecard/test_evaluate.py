"""`tunesmith evaluate` on real runs: the loss is the one that training measured, answers are those of the chat, the gate closes."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.conftest import chat_rows, until, write_rows
from tuner import runs
from tuner.data.store import sample_data, store
from tuner.errors import RequestError, WorkError
from tuner.export import model_card
from tuner.jobs import data_jobs, queue, training
from tuner.scorecard import automatic, evaluation, prompting, table
from tuner.serving import chat_client
from ui.run_views import compare, overview


def evaluated(house, *args: str, code: int = 0) -> dict:
    env = os.environ | {"TUNESMITH_HOME": str(house.ws.home), "TUNESMITH_MACHINE": str(house.ws.machine_folder())}
    command = [sys.executable, "-m", "tuner.cli", "evaluate", *args, "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(house) -> dict:
    return evaluated(house, house.lora)


def test_the_loss_is_the_one_of_training(house, found):
    run = runs.get(house.ws, house.lora)
    assert found["against"] == f"{run.name}/base" and found["which"] == "validation" and found["rows"] == house.data.held_out
    assert found["metrics"]["loss"]["value"] == pytest.approx(run.best, rel=2e-3)
    assert found["baseline"]["loss"]["value"] == pytest.approx(run.status.baseline["eval_loss"], rel=2e-3)
    assert found["difference"]["loss"]["value"] == pytest.approx(run.best - run.status.baseline["eval_loss"], rel=1e-2)
    assert found["rows"] < 10 and found["verdict"] == "same" and "can show no difference" in found["says"][-1]


def test_the_answers_are_those_of_the_chat(house, found):
    client, changed = chat_client.Client(house.ws, "cpu"), found["changed"][0]
    ask = [{"role": "user", "content": changed["question"]}]
    assert client.answer(chat_client.serving_spec(house.ws, house.lora), ask, temperature=0.0, max_tokens=512).text == changed["answer"]
    base = chat_client.serving_spec(house.ws, house.lora, base=True)
    assert client.answer(base, ask, temperature=0.0, max_tokens=512).text == changed["baseline"]


def test_the_base_with_examples_is_asked_too_and_the_card_says_what_that_does(house, found):
    prompted = found["prompted"]
    assert (
        prompted["examples"] in prompting.NUMBERS
        and prompted["rows"] == found["rows"]
        and set(prompted["metrics"]) == set(found["metrics"])
    )
    assert prompted["metrics"]["loss"]["value"] != found["baseline"]["loss"]["value"], "the examples are read"
    assert any("examples in its prompt" in said for said in found["says"])
    assert evaluated(house, house.lora, "--no-prompt", "--rows", "3")["prompted"] is None
    assert evaluated(house, house.lora, "--against", "starter", "--rows", "3")["prompted"] is None, "only the run's own base is prompted"


def test_a_scorecard_stays_with_its_run(house, found):
    kept = next(k for k in evaluation.kept(house.ws, house.lora) if k["rows"] == found["rows"] and k["prompted"])
    assert {k: v for k, v in kept.items() if k not in ("made", "seconds")} == {k: v for k, v in found.items() if k != "seconds"}


def test_the_run_its_page_and_its_card_say_what_was_found(house, found):
    newest = evaluated(house, house.lora, "--rows", "4", "--no-prompt")
    run = runs.get(house.ws, house.lora)
    assert run.status.scorecard["verdict"] == "same" and run.detail()["scorecard"]["rows"] == newest["rows"] == 4
    assert any("no clear difference to the base model on 4 rows" in line for line in overview.evaluated(run))
    card = model_card.text(run, kind="adapter", base="./base", check={"kind": "answers", "reason": "All equal."})
    loss = newest["metrics"]["loss"]
    assert f"| loss | {loss['value']:.3f} ({loss['low']:.3f} to {loss['high']:.3f}) |" in card and newest["says"][-1] in card
    assert "## Self-test of this export\n\nAnswers. All equal." in card


def test_the_table_over_runs(house, found):
    rows = table.of(house.ws)
    row = next(r for r in rows if r["run"] == house.lora)
    assert (
        row["verdict"] == "same"
        and row["rows"] == runs.scorecards(house.run(house.lora).path)[0]["rows"]
        and row["metrics"]["loss"].keys() == {"value", "low", "high"}
    )
    assert table.of(house.ws, sort="loss")[0]["metrics"]["loss"]["value"] == min(r["metrics"]["loss"]["value"] for r in rows)
    with pytest.raises(RequestError, match="No scorecard has") as caught:
        table.of(house.ws, sort="beauty")
    assert "chrf" in caught.value.available
    sheet = list(csv.DictReader(io.StringIO(table.as_csv([row | {"name": "=cmd()"}]))))
    assert sheet[0]["name"] == "'=cmd()" and float(sheet[0]["loss"]) == row["metrics"]["loss"]["value"]
    assert float(sheet[0]["loss_difference"]) < 0, "a number stays one"
    shown = compare.differences([runs.get(house.ws, house.lora), runs.get(house.ws, house.full)])
    assert "No difference" in shown and "chrF" in shown


def test_a_table_without_scorecards_says_how_to_make_one(ws):
    assert table.of(ws) == [] and "tunesmith evaluate RUN" in table.as_text([])


def test_a_run_is_evaluated_at_its_end_without_being_asked(ws, monkeypatch):
    monkeypatch.setenv("TUNESMITH_EVALUATE", "1")
    ds = sample_data.add(ws, "tickets")
    settings = {"model": "starter", "data": ds.ref, "method": "last_layers", "max_steps": 2, "eval_steps": 2, "device": "cpu"}
    run = training.wait(ws, training.start(ws, settings).id)
    assert run.state == "finished"
    until(lambda: "being evaluated" in runs.log_tail(run), 30)  # it is begun, and said, after the state is written
    until(lambda: runs.get(ws, run.id).status.scorecard, 120)
    card = runs.scorecards(run.path)[0]
    assert card["rows"] == min(automatic.ROWS, ds.held_out) and card["which"] == "validation" and card["verdict"]


def test_when_a_run_is_not_evaluated_by_itself(house, monkeypatch):
    run = runs.get(house.ws, house.lora)
    monkeypatch.setattr(evaluation, "start", lambda *args, **how: pytest.fail("nothing is begun"))
    assert "TUNESMITH_EVALUATE" in automatic.begin(house.ws, run)
    monkeypatch.setenv("TUNESMITH_EVALUATE", "1")
    assert "validation rows can show no difference" in automatic.begin(house.ws, run)
    many = replace(run, plan=run.plan | {"data": run.plan["data"] | {"held_out": 50}})
    monkeypatch.setattr(automatic, "_others", lambda ws, run: 2)
    assert "other runs wait or train (2)" in automatic.begin(house.ws, many)
    monkeypatch.setattr(automatic, "_others", lambda ws, run: 0)

    def refused(*args, **how):
        raise RequestError("It can't be.", asked=1, available=2, remedy="Wait.")

    monkeypatch.setattr(evaluation, "start", refused)
    assert automatic.begin(house.ws, many) == "Not evaluated: It can't be."


def test_the_gate_closes_for_what_is_worse(house, tmp_path):
    enough = store.add(house.ws, write_rows(tmp_path / "enough.jsonl", chat_rows(24)), held_out=0.0).ref
    worse = evaluated(house, "starter", "--against", house.lora, "--data", enough, "--fail-if-worse", code=1)
    assert worse["verdict"] == "worse" and worse["model"] == "starter" and worse["rows"] == 24
    run = runs.get(house.ws, house.lora)
    step = max(int(c.name.rpartition("-")[2]) for c in runs.checkpoints(run.path))
    for model, against, verdict in (
        (house.lora, "starter", "better"),
        (house.lora, house.lora, "same"),
        (f"{run.name}@{step}", f"{run.name}/base", "better"),
    ):
        card = evaluated(house, model, "--against", against, "--data", enough, "--rows", "12", "--fail-if-worse")
        assert card["verdict"] == verdict and card["rows"] == 12


def test_any_model_on_any_data(house, tmp_path):
    rows = [{"prompt": f"How much is {n}?", "completion": str(n)} for n in range(12)]
    ds = store.add(house.ws, write_rows(tmp_path / "other.jsonl", rows), held_out=0.0)
    alone = evaluated(house, "starter", "--data", ds.ref, "--rows", "5")
    assert (alone["rows"], alone["available"], alone["which"]) == (5, 12, "all") and alone["verdict"] is None
    assert set(alone["metrics"]) == {"chrf", "rouge_l", "exact_match", "loss", "perplexity"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("starter",), "no rows of its own"),
        (("starter", "--data", "DATA", "--against", "base"), "Only a run has a base model"),
        (("nobody",), "There is no model called"),
        (("starter", "--data", "nothing"), "There is no dataset"),
        (("RUN", "--against", "nobody"), "There is no model called"),
        (("RUN", "--rows", "0"), "--rows"),
    ],
)
def test_what_can_not_be_evaluated(house, arguments, told):
    arguments = [{"DATA": house.data.ref, "RUN": house.lora}.get(a, a) for a in arguments]
    assert told in evaluated(house, *arguments, code=2)["errors"][0]["message"]


def test_data_of_another_kind_is_refused(house, tmp_path):
    tagged = [{"tokens": ["Ulm", "is", f"old{n}"], "tags": ["B-LOC", "O", "O"]} for n in range(6)]
    ds = store.add(house.ws, write_rows(tmp_path / "tagged.jsonl", tagged), held_out=0.0)
    with pytest.raises(RequestError, match="can't be measured on this kind of data"):
        evaluation.start(house.ws, house.lora, data=ds.ref)


def test_a_worker_that_dies_costs_nothing_but_time(house):
    """The questions that were on their way are asked again."""
    job = evaluation.start(house.ws, house.full, prompted=False)
    until(lambda: data_jobs.progress(house.ws, job).done > 0 or not data_jobs.progress(house.ws, job).running, 60)
    for pid in queue.sharing(house.ws.machine_folder(), "cpu"):
        os.kill(pid, signal.SIGKILL)
    document = evaluation.follow(house.ws, job, lambda now: None)
    assert document["rows"] == house.data.held_out and document["left_out"] == 0


def test_a_second_wish_joins_the_first_and_both_can_be_cancelled(house):
    job = evaluation.start(house.ws, house.lora, rows=3)
    again = evaluation.start(house.ws, house.lora, rows=3)
    assert job == again
    data_jobs.cancel(house.ws, job)
    for _ in range(2):  # whoever follows is told, and takes nothing away from the other
        try:
            assert evaluation.follow(house.ws, job, lambda now: None)["rows"] == 3
        except WorkError as error:
            assert "was cancelled" in error.message
