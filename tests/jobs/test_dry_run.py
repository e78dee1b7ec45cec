"""Dry runs by the real trainers: what they measure, what they leave behind (nothing), and what they change for the run that follows (nothing)."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.conftest import fresh, until, write_rows
from tests.workers.test_objectives import MAPPING, asked, base, coloured, tokens  # noqa: F401
from tuner import cli, devices, paths, runs
from tuner.data.store import store
from tuner.errors import ConflictError, WorkError
from tuner.jobs import dry_run, training
from tuner.planning import fitting
from tuner.settings.run_config import Settings
from tuner.workers.modelling import load
from tuner.workers.tokenization.tokenized_rows import Rows
from tuner.workers.training import dry_run_steps, preflight
from ui.run_views import overview
from ui.session import AppContext
from ui.train_views import dry_run_view
from ui.train_views.dry_run_view import DryRunView

QUICK = {"model": "starter", "effective_batch": 4, "device": "cpu", "lora_rank": 4, "learning_rate": 3e-3}


@pytest.fixture
def long_data(ws, tmp_path):
    """Rows of more tokens than 256, so that a micro-batch is most of what is taken."""
    told = "word and again " * 90
    rows = [
        {"messages": [{"role": "user", "content": f"Tell {i}"}, {"role": "assistant", "content": f"Arr {i} {told}"}]} for i in range(24)
    ]
    return store.add(ws, write_rows(tmp_path / "long.jsonl", rows), held_out=0.1)


def wish(data, **settings) -> dict:
    return QUICK | {"data": data.ref} | settings


def measured(ws, data, **settings) -> dict:
    return dry_run.wait(ws, training.measure(ws, wish(data, **settings))[1])


def ended(ws, run) -> runs.Run:
    return training.wait(ws, run.id, poll=0.1)


def with_free(monkeypatch, free: int) -> None:
    """This computer has so many bytes free."""
    cpu = devices.cpu()
    monkeypatch.setattr(devices.detection, "cpu", lambda: replace(cpu, free=free, total=max(free, cpu.total)))


# --- what is measured -----------------------------------------------------------------------------------------------------


def test_two_steps_are_measured_and_nothing_is_left(ws, data):
    seen = []
    plan, id = training.measure(ws, wish(data, effective_batch=16, micro_batch=2))
    settings = paths.read_json(ws.jobs / id / "plan.json")["settings"]
    assert settings["effective_batch"] == 4 and settings["max_steps"] == 2, "two steps of two micro-batches, not of eight"
    found = dry_run.wait(ws, id, seen.append)
    assert found["fits"] and not found["more"] and found["micro_batch"] == 2 and found["predicted_bytes"] == plan.peak_bytes
    assert 200e6 < found["peak_bytes"] == found["process_bytes"] < 2e9 and found["allocated_bytes"] is None and found["step_seconds"] > 0
    assert not (ws.jobs / id).exists() and runs.listing(ws) == [] and not (paths.machine_folder() / "peaks.json").exists()
    told = [s["reason"] for s in seen]
    assert "waiting for the device" in told and "Loading the model." in told and all(s["state"] == "running" for s in seen)
    assert any(s["eta_seconds"] for s in seen)


@pytest.mark.long
def test_more_rows_at_once_take_more(ws, long_data):
    one, many = (measured(ws, long_data, effective_batch=16, max_length=256, micro_batch=n) for n in (1, 16))
    assert many["peak_bytes"] > one["peak_bytes"] + 300e6


def test_a_trainer_of_our_own_is_measured_too(ws, tmp_path):
    rows = [
        {"text": f"{'good' if i % 2 else 'bad'} news number {i} " * (1 + i % 9), "label": "good" if i % 2 else "bad"} for i in range(40)
    ]
    data = store.add(ws, write_rows(tmp_path / "labels.jsonl", rows), held_out=0.2)
    found = measured(ws, data, objective="classification")
    assert found["fits"] and found["peak_bytes"] > 200e6 and found["step_seconds"] > 0


ROWS = {
    "tokens": (
        "bert",
        [{"tokens": r["text"].split(), "tags": ["C" if w == r["label"] else "O" for w in r["text"].split()]} for r in coloured(30)],
    ),
    "regression": ("bert", [{"text": r["text"], "label": float(len(r["text"]))} for r in coloured(30)]),
    "qa": ("bert", asked(30, 10, 5)),
    "seq2seq": ("t5", [{"source": r["text"], "target": r["label"]} for r in coloured(30)]),
}


@pytest.mark.parametrize("objective", ROWS)
def test_every_trainer_can_be_measured(ws, base, tmp_path, objective):  # noqa: F811
    """In this process, whose peak tells nothing, on models of some thousand parameters."""
    import importlib

    from tuner.settings import objectives
    from tuner.workers.training import callbacks

    model, rows = ROWS[objective]
    ds = store.add(ws, write_rows(tmp_path / "rows.jsonl", rows), kind=objective, mapping=MAPPING[objective], held_out=0.2)
    wish = {"model": str(base[model]), "data": ds.ref, "objective": objective, "device": "cpu", "effective_batch": 8, "micro_batch": 2}
    plan, found, ds, given = training.prepare(ws, wish, need_data=True)
    folder = dry_run.create(ws, training._document(plan, found, ds, None), training._wish(found, ds, None, given), "measure-x")
    assert callbacks.guarded(folder, importlib.import_module(f"tuner.workers.training.{objectives.get(objective).worker}").work) == 0
    status = paths.read_json(folder / "status.json")
    assert status["state"] == "finished" and status["best"]["eval_loss"] > 0, "a test batch was tried"
    measured = dry_run.look(ws, "measure-x")["measured"]
    assert measured["fits"] and measured["step_seconds"] > 0
    assert not (folder / "model").exists() and not list(folder.glob("checkpoints/*"))


def test_the_longest_rows_are_taken_and_each_label_once():
    rows = [{"text": "x" * n, "label": "rare" if n == 3 else "usual"} for n in range(1, 60)]
    kept = list(dry_run_steps.longest_values(rows, 10))
    assert [len(r["text"]) for r in kept] == [1, 3, *range(59, 49, -1)]
    assert {r["label"] for r in kept} == {"rare", "usual"}
    assert dry_run_steps.labels_of({"tags": ["B-PER", "O"]}) == {"B-PER", "O"} and dry_run_steps.labels_of({"label": 0.5}) == set()
    assert dry_run_steps.characters({"messages": [{"role": "user", "content": "abc"}, {"content": None}]}) == 7


def test_each_micro_batch_holds_the_longest():
    rows = Rows(("labels",))
    for n, m in ((3, 1), (5, 9), (6, 1), (2, 2)):
        rows.add(input_ids=[1] * n, labels=[1] * m, weight=1.0)
    most = dry_run_steps.repeated(dry_run_steps.longest(rows, 2), 8)
    assert most.lengths().tolist() == [5, 6] * 4, "a long target counts beside its source"
    from datasets import Dataset

    some = dry_run_steps.repeated(dry_run_steps.longest(Dataset.from_dict({"input_ids": [[1], [1, 2, 3], [1, 2]]}), 2), 5)
    assert [len(r["input_ids"]) for r in some] == [3, 2, 3, 2, 3]


def test_windows_are_tested_with_all_of_their_questions():
    from tuner.workers.training.question_answering import Windows

    windows = Windows()
    windows.questions = [{"q": 0}, {"q": 1}]
    for row, n in ((0, 4), (1, 9), (1, 2)):
        windows.add(input_ids=[1] * n, token_type_ids=[0] * n, begins=[0] * n, ends=[0] * n, row=row)
    assert windows.longest(1).lengths().tolist() == [9]
    tested = windows.longest(1, test=True)
    assert tested.lengths().tolist() == [9, 2] and tested.questions == [{"q": 1}] and tested.columns["row"] == [0, 0]


# --- too little memory is a result ------------------------------------------------------------------------------------------

SHORT = """
import sys
from pathlib import Path
import torch
def backward(*args, **kwargs):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
torch.Tensor.backward = backward
from tuner.workers.training import sft
from tuner.workers.training.callbacks import guarded
print(guarded(Path(sys.argv[1]), sft.work))
"""


def document(ws, data, **settings) -> tuple[dict, dict]:
    plan, model, ds, asked = training.prepare(ws, wish(data, **settings), need_data=True)
    return training._document(plan, model, ds, None), training._wish(model, ds, None, asked)


def test_out_of_memory_is_told_as_what_it_needed(ws, data):
    plan, asked = document(ws, data)
    folder = dry_run.create(ws, plan, asked, "measure-short")
    fresh(SHORT, str(folder))
    now = dry_run.look(ws, "measure-short")
    assert now["state"] == "done" and not now["errors"]
    found = now["measured"]
    assert not found["fits"] and found["more"] and found["peak_bytes"] > 200e6 and found["step_seconds"] is None
    assert "does not fit: it needed more than" in dry_run.words(found, "cpu")
    offers = training.remedies(ws, asked, plan, found)
    refusal = dry_run.refusal(found, "cpu", offers)
    assert offers and refusal.field == "micro_batch" and refusal.remedy
    assert "does not fit" in str(refusal)


def test_on_a_card_what_was_held_for_nothing_does_not_count(ws):
    plan = {"free_bytes": 10_000, "peak_bytes": 9_500, "breakdown": {"context": 500}, "settings": {"micro_batch": 4}}
    roomy = {"state": "finished", "measured": {"allocated_bytes": 9_000, "reserved_bytes": 12_000, "process_bytes": None}}
    assert dry_run.outcome(plan, roomy)["fits"] and dry_run.outcome(plan, roomy)["peak_bytes"] == 12_500
    roomy["measured"]["allocated_bytes"] = 9_600
    assert not dry_run.outcome(plan, roomy)["fits"]
    killed = dry_run.outcome(plan, {"state": "interrupted", "exit_code": -9})
    assert killed == killed | {"fits": False, "more": True, "peak_bytes": 10_000}
    assert dry_run.outcome(plan, {"state": "interrupted", "exit_code": 1}) is None


def test_on_a_processor_some_room_is_left_for_rows_of_changing_length(ws):
    plan = {"free_bytes": 10_000, "peak_bytes": 9_000, "breakdown": {"context": 500}, "settings": {"micro_batch": 4}}
    of = {n: dry_run.outcome(plan, {"state": "finished", "measured": {"process_bytes": n}}) for n in (9_000, 9_500, 11_000)}
    assert [found["fits"] for found in of.values()] == [True, False, False]
    assert "a tenth more" in dry_run.words(of[9_500], "cpu") and "a tenth" not in dry_run.words(of[11_000], "cpu")


def test_what_fails_otherwise_is_an_error(ws, data):
    plan, asked = document(ws, data)
    plan["model"]["base"] = str(ws.root / "nowhere")
    id = dry_run.ask(ws, plan, asked)
    with pytest.raises(WorkError):
        dry_run.wait(ws, id)


def test_a_model_that_is_not_here_is_not_downloaded_to_be_measured(ws, data):
    with pytest.raises(ConflictError) as raised:
        training.measure(ws, wish(data, model="Qwen/Qwen2.5-0.5B-Instruct"))
    assert raised.value.field == "model" and not list(ws.jobs.glob("measure*"))


# --- its place in the queue -------------------------------------------------------------------------------------------------


def test_one_at_a_time_on_a_device_and_taken_back_at_once(ws, data):
    run = training.start(ws, wish(data, epochs=1000, max_steps=400, eval_steps=400))
    until(lambda: runs.get(ws, run.id).progress.step, 90)
    _, id = training.measure(ws, wish(data))
    at = runs.get(ws, run.id).progress.step
    until(lambda: runs.get(ws, run.id).progress.step > at + 3, 60)
    assert paths.read_json(ws.jobs / id / "status.json")["state"] == "queued", "the device is the run's"
    runs.ask_to_stop(ws, run.id)
    ended(ws, run)
    until(lambda: paths.read_json(ws.jobs / id / "status.json")["state"] == "preparing", 60)
    dry_run.cancel(ws, id)
    assert dry_run.look(ws, id)["state"] == "cancelled"
    until(lambda: paths.read_json(ws.jobs / id / "status.json")["state"] == "stopped", 30)
    with pytest.raises(WorkError, match="taken back"):
        dry_run.wait(ws, id)
    dry_run.forget(ws, id)
    assert not (ws.jobs / id).exists()


# --- before a run whose estimate is close to the limit ------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "asked"), [(0.85, False), (0.9, True), (0.97, True), (1.0, True), (1.01, False)])
def test_what_is_near(share, asked):
    free = 10**10
    told = {"free_bytes": free, "peak_bytes": share * fitting.ROOM * free}
    assert dry_run.near(SimpleNamespace(settings=SimpleNamespace(processes=1), **told)) is asked
    assert not dry_run.near(SimpleNamespace(settings=SimpleNamespace(processes=2), **told)), "one process is not like the run"


def test_the_run_after_a_dry_run_is_the_same_to_the_byte(ws, data, monkeypatch):
    settings = wish(data, max_steps=4, eval_steps=2, lora_dropout=0.1)
    plain = training.start(ws, settings, name="plain")
    assert not (plain.path / "measure").exists() and ended(ws, plain).state == "finished"
    with_free(monkeypatch, int(plain.plan["peak_bytes"] / fitting.ROOM / 0.95))
    close = training.start(ws, settings, name="close")
    assert (close.path / "measure").exists() and close.plan["settings"] == plain.plan["settings"]
    reasons = set()
    until(lambda: reasons.add(runs.get(ws, close.id).status.reason) or not runs.get(ws, close.id).live, 120)
    close = runs.get(ws, close.id)
    assert close.state == "finished", runs.log_tail(close)[-3000:]
    assert any(r and r.startswith(preflight.WORDS) for r in reasons), reasons
    found = close.detail()["dry_run"]
    assert found["fits"] and found["changed"] is None and found["peak_bytes"] > 200e6
    assert not (close.path / "measure").exists() and not list(ws.jobs.glob("measure*"))
    one, other = (paths.sha256(r.path / "model" / "adapter_model.safetensors") for r in (plain, close))
    assert one == other
    losses = [[v for _, k, v in runs.metrics(r) if k in ("loss", "eval_loss")] for r in (plain, close)]
    assert losses[0] == losses[1]


def too_large(monkeypatch, by: str, free: int) -> None:
    """Plans from now on have `free` bytes, are near the limit, and their micro-batch was chosen by `by`."""
    honest = training._document

    def document(*args):
        made = honest(*args) | {"free_bytes": free}
        for reason in made["reasons"]:
            if reason["setting"] == "micro_batch":
                reason["by"] = by
        return made

    monkeypatch.setattr(training, "_document", document)
    monkeypatch.setattr(dry_run, "near", lambda plan: True)


def test_what_does_not_fit_goes_on_with_half_the_micro_batch(ws, long_data, monkeypatch):
    big = measured(ws, long_data, effective_batch=16, max_length=256, micro_batch=16)["peak_bytes"]
    too_large(monkeypatch, "planner", int(big * 0.9))
    run = training.start(ws, wish(long_data, effective_batch=16, max_length=256, micro_batch=16, max_steps=1, epochs=1))
    run = ended(ws, run)
    assert run.state == "finished", runs.log_tail(run)[-3000:]
    s, found = run.plan["settings"], run.status.dry_run
    assert s["micro_batch"] == found["micro_batch"] < 16 and s["effective_batch"] == 16
    assert found["fits"] and found["peak_bytes"] < big * 0.9 and found["changed"].startswith("Dry run: ")
    told = next(r for r in run.plan["reasons"] if r["setting"] == "micro_batch")
    assert told["value"] == s["micro_batch"] and told["reason"].startswith("Dry run:") and run.plan["uncorrected_bytes"] is None
    assert "a micro-batch of" in overview.card(run) and not (paths.machine_folder() / "peaks.json").exists()


def test_what_a_person_fixed_is_not_changed_and_fails_before_any_work(ws, data, monkeypatch):
    too_large(monkeypatch, "you", 100_000_000)
    run = ended(ws, training.start(ws, wish(data, micro_batch=2)))
    assert run.state == "failed" and run.plan["settings"]["micro_batch"] == 2
    error = run.status.error
    assert error["code"] == "memory_short" and error["asked"] > 200e6 and error["available"] == 100_000_000 and error["remedy"]
    assert "does not fit" in run.status.reason and not runs.metrics(run) and not (run.path / "checkpoints").exists()


@pytest.mark.parametrize(("micro", "effective", "less"), [(16, 16, 8), (3, 6, 1), (6, 12, 3), (10, 30, 5), (1, 4, None)])
def test_half_a_micro_batch_still_divides_the_rows_of_a_step(micro, effective, less):
    settings = Settings(objective="chat", micro_batch=micro, effective_batch=effective)
    assert fitting.next_smaller(settings) == less
    assert fitting.next_smaller(settings.replace(effective_batch=3 * effective, processes=3)) == less


def test_a_run_can_be_stopped_while_it_is_measured(ws, data, monkeypatch):
    monkeypatch.setattr(dry_run, "near", lambda plan: True)
    run = training.start(ws, wish(data))
    until(lambda: (runs.get(ws, run.id).status.reason or "").startswith(preflight.WORDS), 60)
    runs.ask_to_stop(ws, run.id)
    run = ended(ws, run)
    assert run.state == "stopped" and "during the dry run" in run.status.reason and not (run.path / "model").exists()
    assert (run.path / "measure").exists(), "resumed, it is measured first"


# --- the card's share on Windows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "device", "free", "share"),
    [("win32", "cuda:0", 6 * 10**9, 0.75), ("win32", "cuda:1", 9 * 10**9, 1.0), ("linux", "cuda:0", 6, None), ("win32", "cpu", 6, None)],
)
def test_on_windows_a_card_never_spills(monkeypatch, platform, device, free, share):
    import torch

    asked = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda d: SimpleNamespace(total_memory=8 * 10**9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda f, d: asked.append((f, str(d))))
    load.hold_share(device, free)
    assert asked == ([] if share is None else [(share, "cuda:0")])


# --- where it is offered ------------------------------------------------------------------------------------------------------


def test_plan_measure_prints_the_plan_with_what_was_measured(ws, data, capsys):
    args = ["plan", "--model", "starter", "--data", data.ref, "-s", "device=cpu", "--measure", "--json"]
    assert cli.main(["--home", str(ws.home), *args]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["measured"]["fits"] and told["measured"]["predicted_bytes"] == told["peak_bytes"] and told["correction"]["runs"] == 0
    assert "Measured on the longest rows" in err and "dry run: " in err
    assert cli.main(["--home", str(ws.home), *args, "--device-memory", "100MB"]) == 0
    told = json.loads(capsys.readouterr()[0])
    assert not told["measured"]["fits"] and told["measured"]["free_bytes"] == 100_000_000
    assert told["remedies"] == [], "the program itself takes more: no setting would help"


class Request:
    session_hash = "one"


def page_view(ws) -> DryRunView:
    import gradio as gr

    with gr.Blocks():
        return DryRunView(AppContext(ws.home, ws.machine))


def draft(data: str | None) -> dict:
    return {"model": "starter", "data": data, "preset": "balanced", "chosen": {"device": "cpu"}}


def test_the_page_shows_progress_and_the_true_figure(ws, data):
    steps = list(page_view(ws).on_measure(draft(data.ref), Request()))
    assert len(steps) > 3 and all("progressbar" in s[2] and s[1]["visible"] and s[3] for s in steps[:-1])
    assert "Measured on the longest rows: it took" in steps[-1][2] and not steps[-1][1]["visible"] and steps[-1][3] is None
    assert not list(ws.jobs.glob("measure*"))


def test_the_page_can_take_it_back(ws, data):
    view = page_view(ws)
    going = view.on_measure(draft(data.ref), Request())
    view.on_cancel(next(going)[3], Request())
    assert "taken back" in list(going)[-1][2]
    (problem,) = list(view.on_measure(draft(None), Request()))
    assert "No data was chosen" in problem[2] and not problem[1]["visible"]


def test_progress_and_results_are_escaped():
    now = {"step": 0, "steps": 2, "reason": "<img src=x>", "eta_seconds": 12}
    assert "<img" not in dry_run_view.going(now) and "12 sec left" in dry_run_view.going(now)
