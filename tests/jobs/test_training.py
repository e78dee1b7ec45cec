"""Real trainings of the starter through the real supervisor: what a run leaves, what is learnt, and what no kill can take away."""

import contextlib
import json
import os
import shutil
import signal
import struct
from contextlib import closing
from dataclasses import replace

import pytest

from tests.conftest import chat_rows, fresh, until, write_rows
from tuner import cli, devices, locks, models, paths, runs
from tuner.data.store import store
from tuner.errors import ConflictError, DataError, DeviceError, DiskError, Problems, SettingError, TunerError
from tuner.jobs import queue, run_queue, supervisor, training
from tuner.jobs.job import Job
from tuner.runs import run_warnings
from ui.run_views import overview

QUICK = {"model": "starter", "effective_batch": 4, "device": "cpu", "lora_rank": 4, "learning_rate": 3e-3}
LONG = QUICK | {"epochs": 1000, "max_steps": 60, "eval_steps": 10}  # some seconds: long enough to be killed in


def start(ws, data, name="run", **settings) -> runs.Run:
    return training.start(ws, QUICK | {"data": data.ref} | settings, name=name)


def finish(ws, run) -> runs.Run:
    ended = training.wait(ws, run.id, poll=0.1)
    assert ended.state == "finished", (ended.status, runs.log_tail(ended)[-3000:])
    return ended


def chat(question: str, answer: str) -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def divided(ws, tmp_path, learn: list[dict], test: list[dict]) -> store.Dataset:
    """A dataset whose held-out rows are all of `test` and the others of `learn`: the same row always lands on the same side."""
    probe = store.add(ws, write_rows(tmp_path / "probe.jsonl", learn + test), held_out=0.3)
    kept = [r["value"] for r in store.iterate(probe) if r["held_out"] == (r["row"] > len(learn))]
    data = store.add(ws, write_rows(tmp_path / "divided.jsonl", kept), held_out=0.3)
    assert all(row["value"] in test for row in store.iterate(data, held_out=True)) and 5 <= data.held_out <= data.rows - 5
    return data


def table(run) -> dict[str, dict[int, float | None]]:
    out = {}
    for step, key, value in runs.metrics(run):
        out.setdefault(key, {})[step] = value
    return out


def pid_of(ws, run) -> int:
    with closing(queue.connect(ws.machine_folder())) as db:
        return db.execute("SELECT pid FROM jobs WHERE folder = ? AND state = 'running'", (str(run.path),)).fetchone()[0]


def kill_supervisors(ws) -> None:
    """Kill them all and see that the lock is free: on a busy machine a second one may have been started that has yet to see the first's."""

    def gone() -> bool:
        for pid in supervisors(ws):
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.kill(pid, signal.SIGKILL)
        return not locks.is_held(ws.machine_folder() / "supervisor.lock")

    until(gone, 30)


def supervisors(ws) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if "tuner.jobs.supervisor" in process.cmdline() and process.environ().get("TUNESMITH_MACHINE") == str(ws.machine_folder()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def at_step(ws, run, step: int) -> runs.Run:
    return until(lambda: (now := runs.get(ws, run.id)).progress.step >= step and now, 90)


def losses_logged(run) -> int:
    return runs.log_tail(run, 10**7).count("{'loss'")


# --- what a run leaves ---------------------------------------------------------------------------------------------------


def test_a_lora_run(house):
    run = house.run(house.lora)
    measured = table(run)
    assert {"loss", "eval_loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_bytes"} <= set(measured)
    assert sorted(measured["loss"]) == list(range(1, 13)) and sorted(measured["eval_loss"]) == [4, 8, 12]
    assert run.best == min(measured["eval_loss"].values()) and run.status.best["step"] in (4, 8, 12)
    assert run.best < run.status.baseline["eval_loss"] * 0.6 and run.status.baseline["rows"] == house.data.held_out
    assert measured["loss"][12] < measured["loss"][1] * 0.6
    assert run.progress.step == run.progress.steps == 12 and run.progress.eta_seconds == 0
    assert run.status.measured["peak_bytes"] > 10**8 and run.status.measured["tokens"] > 1000 and run.status.reason is None
    assert not runs.alive(run) and not (run.path / "control").exists()


def test_what_lies_in_its_folder(house):
    run = house.run(house.lora)
    files = {f.name for f in (run.path / "model").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "chat_template.jinja"} <= files
    for id in (house.lora, house.full):
        model = house.run(id).path / "model"
        assert not [f for f in model.rglob("*") if f.suffix in (".bin", ".pt", ".pth", ".pkl")]
        kept = runs.checkpoints(house.run(id).path)
        assert len(kept) == 2 and all(map(runs.is_whole, kept))
    facts, s = models.resolve("starter").facts, run.plan["settings"]
    trained = models.count_parameters([run.path / "model" / "adapter_model.safetensors"])[0]
    assert trained == models.lora_parameters(facts, s["lora_rank"], s["lora_targets"]) == run.plan["trainable_parameters"]


def test_the_card_tells_what_was_done(house):
    for id in (house.lora, house.full):
        run = house.run(id)
        card = (run.path / "card.md").read_text()
        assert f"{run.status.baseline['eval_loss']:.4f}" in card and f"{run.best:.4f}" in card and house.data.sha256 in card
        assert "| `learning_rate` |" in card and 'AutoTokenizer.from_pretrained("./model")' in card and (run.path / "model").is_dir()


def test_a_full_run_is_written_as_wide_as_its_base(house):
    run = house.run(house.full)
    after, before = (models.header(f / "model.safetensors") for f in (run.path / "model", paths.STARTER))
    assert {k: (v["dtype"], v["shape"]) for k, v in after.items()} == {k: (v["dtype"], v["shape"]) for k, v in before.items()}
    assert paths.sha256(run.path / "model" / "model.safetensors") != paths.sha256(paths.STARTER / "model.safetensors")
    assert run.best < run.status.baseline["eval_loss"] and models.resolve(run.id, house.ws, need_weights=True).kind == "run"


def test_the_best_state_is_kept_and_not_the_last(ws, tmp_path):
    """Nonsense is learnt and sense is tested: every step makes it worse, the first one least."""
    sense = [chat(f"How much is {a} plus {b}?", f"{a} plus {b} is {a + b}.") for a in range(2, 9) for b in range(2, 9)]
    data = divided(ws, tmp_path, [chat(f"What is {i}?", "zq " * 9) for i in range(60)], sense)
    run = finish(ws, start(ws, data, max_steps=6, eval_steps=1, learning_rate=3e-2))
    tests = table(run)["eval_loss"]
    step = min(tests, key=tests.get)
    assert run.status.best == {"eval_loss": tests[step], "step": step} and step < 6
    best, last = (run.path / "checkpoints" / f"checkpoint-{n}" / "adapter_model.safetensors" for n in (step, 6))
    assert paths.sha256(run.path / "model" / "adapter_model.safetensors") == paths.sha256(best) != paths.sha256(last)
    assert run.status.baseline["eval_loss"] < tests[step] < tests[6]


def test_a_run_goes_on_from_a_run(house):
    wish = QUICK | {"model": house.lora, "data": house.data.ref, "max_steps": 3, "eval_steps": 3, "lora_rank": 8}
    run = finish(house.ws, training.start(house.ws, wish, name="further"))
    before = house.run(house.lora)
    assert run.status.baseline["eval_loss"] == pytest.approx(before.best, rel=0.02) and run.best < before.best * 1.1
    assert run.config["model"] == house.lora and run.plan["model"]["adapter"] == str(before.path / "model")
    with pytest.raises(ConflictError, match="came from"):
        runs.delete(house.ws, house.lora)
    runs.delete(house.ws, run.id)


def test_a_run_whose_validation_rows_are_all_left_out_does_not_pass_for_validated(ws, tmp_path):
    """It is refused; and if a plan did not know, it ends before the first step. Without validation rows it may run."""
    data = divided(ws, tmp_path, chat_rows(40), [chat(f"What is {i}? " * 50, "It is a number.") for i in range(40)])
    with pytest.raises(SettingError, match="validation rows"):
        start(ws, data, max_steps=2, max_length=64, accept_lost_rows=True)
    plan, model, ds, asked = training.prepare(ws, QUICK | {"data": data.ref, "max_steps": 2, "max_length": 64})
    run = runs.create(ws, training._wish(model, ds, None, asked), training._document(plan, model, ds, None), name="told nothing")
    Job(ws, "train", run.path).submit(plan.device, plan.peak_bytes)
    run = training.wait(ws, run.id, poll=0.1)
    assert run.state == "failed" and f"None of the {data.held_out} validation rows can be used" in run.status.reason
    assert "Raise the maximum length" in run.status.error["remedy"] and not run.progress.step
    alone = store.remap(ws, data.ref, held_out=0.0)
    run = finish(ws, start(ws, alone, max_steps=2, max_length=64, accept_lost_rows=True))
    assert run.best is None and run.can_answer and "not measured" in (run.path / "card.md").read_text()


def test_what_preparation_cut_and_left_out_is_told_everywhere(ws, tmp_path, capsys):
    """In the run's JSON, in the terminal and in the page: rows that lost their end, rows of which nothing is left."""
    rows = chat_rows(40) + [chat("Go on", "and on " * 80)] * 3 + [chat("Why? " * 80, "So.")] * 2
    data = store.add(ws, write_rows(tmp_path / "long.jsonl", rows), held_out=0)
    with pytest.raises(SettingError, match=r"2 of 45 rows \(4%\) are left out"):
        start(ws, data, max_steps=2, max_length=64)
    run = finish(ws, start(ws, data, max_steps=2, max_length=64, accept_lost_rows=True))
    told = {w["name"]: w for w in run.detail()["warnings"]}
    assert told["rows_cut"]["message"].startswith("5 of 45 rows (11%)") and "Raise the maximum length" in told["rows_cut"]["remedy"]
    assert told["rows_left_out"]["message"].startswith("2 of 45 rows (4%)")
    prepared = run.detail()["prepared"]
    assert prepared["rows"] == 43 and prepared["cut"] == 5 and sum(prepared["left_out"].values()) == 2
    assert cli.main(["--home", str(ws.home), "show", run.id]) == 0
    assert "5 of 45 rows" in capsys.readouterr().out
    assert "5 of 45 rows" in overview.card(run) and "2 of 45 rows" in overview.card(run)
    assert "5 of 45 rows" in (run.path / "card.md").read_text() and "2 of 45 rows" in (run.path / "card.md").read_text()


@pytest.mark.parametrize(
    "why, words",
    [
        ("no tokens to train are left within the maximum length", "Raise the maximum length"),
        ("System role not supported", "Merge the system message"),
        ("Conversation roles must alternate user/assistant/user/assistant/...", "order of the roles"),
        ("its source or its target is empty", "format and columns"),
    ],
)
def test_the_remedy_is_that_of_the_reason(why, words):
    """A longer maximum length is never proposed for what it can't mend."""
    said = run_warnings.remedy_of(why)
    assert words in said and ("maximum length" in said) == ("maximum length" in why)


def test_a_model_of_another_family_without_a_template(ws, data, tmp_path):
    folder = tmp_path / "gpt"
    fresh(
        "import sys; from transformers import GPT2Config, GPT2LMHeadModel\n"
        "config = GPT2Config(vocab_size=4096, n_embd=32, n_layer=2, n_head=2, n_positions=256, bos_token_id=2, eos_token_id=2)\n"
        "GPT2LMHeadModel(config).save_pretrained(sys.argv[1])",
        str(folder),
    )
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(paths.STARTER / name, folder)
    run = start(ws, data, model=str(folder), max_steps=3, lora_targets=["q", "down"])
    assert any("no chat template" in n for n in run.plan["notes"])
    run = finish(ws, run)
    assert "Assistant:" in (run.path / "model" / "chat_template.jinja").read_text()
    trained = models.count_parameters([run.path / "model" / "adapter_model.safetensors"])[0]
    assert trained == run.plan["trainable_parameters"]


def test_a_template_of_ones_own_is_trained_saved_asked_with_and_continued_from(ws, data):
    from tuner.workers.tokenization import template_render, tokenizer_loader

    own = "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ 'Pirate> ' }}{% generation %}{{ m['content'] + eos_token }}"
    own += "{% endgeneration %}{{ '\\n' }}{% else %}{{ 'Asked> ' + m['content'] + '\\n' }}{% endif %}{% endfor %}"
    own += "{% if add_generation_prompt %}{{ 'Pirate> ' }}{% endif %}"
    run = finish(ws, start(ws, data, chat_template=own, max_steps=2))
    assert "template_replaced" in {w["name"] for w in run.warnings} and run.config["chat_template"] == own
    assert (run.path / "model" / "chat_template.jinja").read_text() == own
    loaded = tokenizer_loader.tokenizer(run.path / "model")  # as the chat and the merge load it
    assert template_render.prompt(loaded, chat("Hi", "")["messages"][:1], tokenize=False) == "Asked> Hi\nPirate> "
    card, log = (run.path / "card.md").read_text(), (run.path / "worker.log").read_text()
    assert "custom (" in card and "Pirate>" not in card + log + run.name
    again = finish(ws, start(ws, data, model=run.id, max_steps=1, lora_rank=4))
    assert (again.path / "model" / "chat_template.jinja").read_text() == own, "who continues keeps the format"
    assert again.status.prepared["rows"] == run.status.prepared["rows"]
    plan = training.prepare(ws, QUICK | {"model": run.id, "data": data.ref, "chat_template": "alpaca"})[0]
    assert "own chat template" in plan.ignored["chat_template"]


def test_a_loss_that_is_no_number_is_told(ws, data, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(paths.STARTER, folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    (size,) = struct.unpack("<Q", weights[:8])
    name = next(n for n in models.header(folder / "model.safetensors") if n.endswith("o_proj.weight"))
    at = 8 + size + models.header(folder / "model.safetensors")[name]["data_offsets"][0]
    weights[at : at + 2] = b"\xc0\x7f"  # NaN in bf16
    (folder / "model.safetensors").write_bytes(weights)
    run = training.wait(ws, start(ws, data, model=str(folder), max_steps=5, method="full", name="nan").id)
    assert run.state == "failed" and run.status.error["code"] == "diverged" and run.status.error["field"] == "learning_rate"
    assert "no longer a number" in run.status.reason and "Nothing had been saved" in run.status.reason
    assert table(run)["loss"] == {1: None} and not run.can_answer and "Traceback" in runs.log_tail(run)
    assert json.dumps(run.detail(), allow_nan=False)


# --- kills ---------------------------------------------------------------------------------------------------------------


def test_a_killed_worker_is_told_and_resumed_without_doubling(ws, data):
    run = start(ws, data, **LONG)
    at_step(ws, run, 23)
    os.kill(pid_of(ws, run), signal.SIGKILL)
    run = training.wait(ws, run.id)
    saved = runs.newest_whole_checkpoint(run.path)
    assert run.state == "interrupted" and "killed" in run.status.reason and f"step {saved.name.split('-')[-1]}" in run.status.reason
    assert not run.can_answer and not run.live
    half = run.path / "checkpoints" / "checkpoint-55"  # as a kill in mid-save leaves it
    shutil.copytree(saved, half)
    (half / "MANIFEST.json").unlink()
    (half / "adapter_model.safetensors").write_bytes((saved / "adapter_model.safetensors").read_bytes()[:1000])
    before, elapsed = losses_logged(run), run.progress.elapsed_seconds
    run = finish(ws, training.resume(ws, run.id))
    assert "checkpoint-55 is incomplete" in runs.log_tail(run, 10**6)
    assert losses_logged(run) - before == 60 - int(saved.name.split("-")[-1])  # it went on and did not begin again
    steps = [step for step, key, _ in runs.metrics(run) if key == "loss"]
    assert steps == list(range(1, 61)) and run.progress.elapsed_seconds > elapsed and run.status.reason is None
    with pytest.raises(ConflictError):
        training.resume(ws, run.id)


def test_a_killed_supervisor_loses_nothing(ws, data):
    """Once while the worker still loads its libraries, once in mid-run."""
    run = start(ws, data, **(LONG | {"max_steps": 200}))
    seen = set()

    def look() -> str:
        seen.add(state := runs.get(ws, run.id).state)
        return state

    until(lambda: look() == "preparing")
    seen.clear()
    kill_supervisors(ws)
    run_queue.watch_again(ws)
    until(lambda: look() == "running", 180)
    worker = pid_of(ws, run)
    kill_supervisors(ws)
    at_step(ws, run, 20)
    run_queue.watch_again(ws)
    assert pid_of(ws, run) == worker
    until(lambda: look() not in runs.LIVE, 90)
    assert seen <= {"preparing", "running", "finished"} and look() == "finished"
    until(lambda: finished_jobs(ws) == 1)


def finished_jobs(ws) -> int:
    with closing(queue.connect(ws.machine_folder())) as db:
        return db.execute("SELECT count(*) FROM jobs WHERE state = 'done'").fetchone()[0]


def test_stop_saves_and_the_run_can_go_on(ws, data):
    first = start(ws, data, "first", **LONG)
    second = start(ws, data, "second", **LONG)
    assert second.state == "queued"
    at_step(ws, first, 5)
    assert runs.get(ws, second.id).state == "queued", "one run at a time has the device"
    runs.ask_to_stop(ws, second.id)
    runs.ask_to_stop(ws, first.id)
    stopped = training.wait(ws, first.id)
    step = stopped.progress.step
    assert stopped.state == "stopped" and 5 <= step < 60 and "saved" in stopped.status.reason
    assert stopped.can_answer and (stopped.path / "card.md").exists() and not (stopped.path / "control").exists()
    assert runs.newest_whole_checkpoint(stopped.path).name == f"checkpoint-{step}" and stopped.best is not None
    waiting = training.wait(ws, second.id)
    assert (waiting.state, waiting.status.reason) == ("stopped", "Stopped before it began.") and not waiting.can_answer
    done = finish(ws, training.resume(ws, first.id))
    assert sorted(table(done)["loss"]) == list(range(1, 61)) and losses_logged(done) == 60


@pytest.mark.parametrize(
    "code, words",
    [(-9, "too little memory"), (137, "too little memory"), (-15, "signal 15"), (3, "code 3"), (0, "is gone"), (None, "is gone")],
)
def test_a_worker_without_a_last_word_is_no_success(ws, data, code, words):
    run = make(ws, data, "silent")
    runs.write_status(run.path, state="running")
    supervisor.settle(run.path, code)
    after = runs.get(ws, run.id)
    assert after.state == "interrupted" and words in after.status.reason and "Resume the run to start again" in after.status.reason
    for ending in ("finished", "stopped", "failed"):
        runs.write_status(run.path, state=ending, reason=None)
        supervisor.settle(run.path, code)
        assert (runs.get(ws, run.id).state, runs.get(ws, run.id).status.reason) == (ending, None)


def make(ws, data, name, **status) -> runs.Run:
    """A run folder as `start` writes it, with no supervisor looking at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "submit", lambda *_: None)
        run = start(ws, data, name)
    runs.write_status(run.path, **status)
    return runs.get(ws, run.id)


def test_after_a_restart_of_the_computer_the_state_becomes_true(ws, data):
    run = make(ws, data, "before-the-restart", state="running", progress={"step": 7, "steps": 60})
    assert runs.get(ws, run.id).state == "interrupted" == paths.read_json(run.path / "status.json")["state"]
    run_queue.watch_again(ws)
    assert runs.get(ws, run.id).progress.step == 7


def test_work_is_queued_once(ws, data):
    run = make(ws, data, "once", state="finished")
    with closing(queue.connect(ws.machine_folder())) as db:
        for _ in range(3):
            Job(ws, "train", run.path).submit("cpu")
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
        until(lambda: db.execute("SELECT count(*) FROM jobs WHERE state = 'done'").fetchone() == (1,), 30)
    assert runs.get(ws, run.id).state == "finished"


# --- requests that are wrong ---------------------------------------------------------------------------------------------


def test_a_device_that_is_not_there(ws, data):
    with pytest.raises(DeviceError) as caught:
        start(ws, data, device="cuda:7")
    assert caught.value.field == "device" and "cpu" in caught.value.available and runs.listing(ws) == []
    assert devices.get("cpu").kind == "cpu" and devices.get(None).id


def test_a_device_that_vanished_while_the_run_waited(ws, data):
    """Planned for a card, begun without one: the run fails with words and can be resumed."""
    run = make(ws, data, "vanished")
    settings = run.plan["settings"] | {"device": "cuda:0", "precision": "bf16"}
    paths.write_json(run.path / "plan.json", run.plan | {"device": "cuda:0", "settings": settings})
    if any(d.kind == "cuda" for d in devices.listing()):
        pytest.skip("there is a card here")
    Job(ws, "train", run.path).submit("cuda:0")
    run = training.wait(ws, run.id)
    assert run.state == "failed" and run.status.error["code"] == "device" and run.status.error["remedy"]


def test_what_is_missing_is_told_together(ws):
    with pytest.raises(Problems) as caught:
        training.start(ws, {"model": "nonsense", "data": "nothing", "epochs": -1})
    assert [e.field for e in caught.value.errors] == ["epochs", "model", "data"]
    with pytest.raises(Problems) as caught:
        training.start(ws, {})
    assert [e.field for e in caught.value.errors] == ["model", "data"] and runs.listing(ws) == []


def test_a_model_folder_without_weights_can_be_planned_and_not_started(ws, data, tmp_path):
    (tmp_path / "bare").mkdir()
    shutil.copy(paths.STARTER / "config.json", tmp_path / "bare")
    plan, *_ = training.prepare(ws, QUICK | {"model": str(tmp_path / "bare"), "data": data.ref})
    assert plan.peak_bytes
    with pytest.raises(Exception, match="has no weights"):
        start(ws, data, model=str(tmp_path / "bare"))
    assert runs.listing(ws) == []


def test_a_plan_that_does_not_fit_is_refused_with_its_remedies(ws, data):
    with pytest.raises(SettingError) as caught:
        start(ws, data, model="meta-llama/Llama-3.1-8B-Instruct", method="full", micro_batch=64, effective_batch=64, max_length=100_000)
    assert caught.value.field == "model" and caught.value.asked > caught.value.available and runs.listing(ws) == []


def test_a_workspace_that_can_not_be_written(ws, data):
    shutil.rmtree(ws.runs)
    ws.runs.write_text("a file in place of the folder")
    with pytest.raises(DiskError) as caught:
        start(ws, data)
    assert caught.value.remedy
    if os.geteuid():
        ws.runs.unlink()
        ws.root.chmod(0o500)
        try:
            with pytest.raises(DiskError):
                start(ws, data)
        finally:
            ws.root.chmod(0o700)


# --- what is learnt ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def starter():
    from tuner.workers.modelling import load

    return load.tokenizer(paths.STARTER)


def learnt(tokenizer, prepared, i: int = 0) -> str:
    """The learnt tokens of a row as text, one | between stretches."""
    ids, labels = prepared.input_ids[i], prepared.labels[i]
    assert all(label in (-100, id) for id, label in zip(ids, labels, strict=True))
    stretches, run = [], []
    for label in [*labels, -100]:
        if label == -100 and run:
            stretches.append(tokenizer.decode(run))
        run = [*run, label] if label != -100 else []
    return "|".join(stretches)


TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "What is 1 plus 1?"},
    {"role": "assistant", "content": "It is 2."},
    {"role": "user", "content": "And 2 plus 2?"},
    {"role": "assistant", "content": "It is 4, of course."},
]
UNMARKED = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def prepare(tokenizer, *rows, kind="chat", objective="chat", max_length=1024, **more):
    from tuner.workers.tokenization.lm_rows import prepare

    return prepare(tokenizer, rows, kind=kind, objective=objective, max_length=max_length, **more)


def copy_of(tokenizer, template):
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def test_only_answers_are_learnt_with_the_token_that_ends_them(starter):
    out = prepare(starter, {"messages": TALK})
    assert learnt(starter, out) == "It is 2.<|im_end|>|It is 4, of course.<|im_end|>"
    whole = starter.decode(out.input_ids[0])
    assert "Be kind." in whole and whole.count("<|im_start|>assistant\n") == 2
    assert out.summary()["rows"] == 1 and out.summary()["learnt_tokens"] == sum(x != -100 for x in out.labels[0])


def test_a_template_without_marks_is_learnt_by_prefixes(starter):
    from tuner.workers.tokenization.lm_rows import training_template

    other = copy_of(starter, UNMARKED)
    assert training_template(other) is None
    marked, unmarked = prepare(starter, {"messages": TALK}), prepare(other, {"messages": TALK})
    assert unmarked.input_ids == marked.input_ids and unmarked.labels == marked.labels


def test_a_model_without_a_template_gets_a_plain_one(starter, tmp_path):
    from tuner.workers.modelling import load

    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(paths.STARTER / name, tmp_path)
    bare = load.tokenizer(tmp_path)
    out = prepare(bare, {"messages": TALK})
    assert learnt(bare, out) == "It is 2.<|im_end|>|It is 4, of course.<|im_end|>"
    assert bare.decode(out.input_ids[0]).startswith("System: Be kind.\nUser: What is 1 plus 1?\nAssistant:\nIt is 2.")


def test_what_is_asked_later_is_what_was_learnt_from_token_by_token(starter, tmp_path):
    from tuner.workers.modelling import load

    for tokenizer in (starter, copy_of(starter, UNMARKED), copy_of(starter, load.PLAIN_TEMPLATE)):
        asked = tokenizer.apply_chat_template(TALK[:2], add_generation_prompt=True, return_dict=True)["input_ids"]
        row = prepare(tokenizer, {"messages": TALK[:3]})
        assert row.input_ids[0][: len(asked)] == asked and row.labels[0][len(asked)] != -100


def test_a_tokenizer_without_an_end_is_refused(tmp_path):
    from tuner.errors import ModelError
    from tuner.workers.modelling import load

    shutil.copy(paths.STARTER / "tokenizer.json", tmp_path)
    config = json.loads((paths.STARTER / "tokenizer_config.json").read_text())
    paths.write_json(tmp_path / "tokenizer_config.json", {k: v for k, v in config.items() if k != "eos_token"})
    with pytest.raises(ModelError, match="no end token"):
        load.tokenizer(tmp_path)


def test_of_plain_text_every_token_is_learnt(starter):
    out = prepare(starter, {"text": "Once upon a time."}, kind="text", objective="text")
    assert learnt(starter, out) == "Once upon a time.<|im_end|>" and out.labels == out.input_ids
    assert learnt(starter, prepare(starter, {"messages": TALK}, objective="text")).endswith("of course.<|im_end|>")


def test_long_rows_are_cut_and_hopeless_ones_left_out(starter):
    long = [{"role": "user", "content": "word " * 500}, {"role": "assistant", "content": "Yes."}]
    out = prepare(starter, {"messages": TALK}, {"messages": long}, max_length=100)
    assert len(out) == 1 and out.cut == 1 and out.left_out == {"no tokens to train are left within the maximum length": 1}
    half = prepare(starter, {"messages": TALK}, max_length=40)
    assert half.cut == 1 and len(half.input_ids[0]) == 40 and learnt(starter, half).startswith("It is 2.")
    with pytest.raises(DataError) as caught:
        prepare(starter, {"messages": long}, max_length=100)
    assert caught.value.field == "max_length" and "within the maximum length" in caught.value.message
    assert len(prepare(starter)) == 0


def test_what_a_template_refuses_is_left_out_and_counted(starter):
    strict = copy_of(starter, "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system turns.') }}{% endif %}" + UNMARKED)
    out = prepare(strict, {"messages": TALK}, {"messages": TALK[1:]})
    assert len(out) == 1 and list(out.left_out.values()) == [1] and run_warnings.NO_SYSTEM in out.left_out


def test_other_kinds_are_learnt_as_chats(starter):
    for kind, row, answer in (
        ("seq2seq", {"source": "Hello", "target": "Hallo"}, "Hallo"),
        ("classification", {"text": "It broke.", "label": "repair"}, "repair"),
        ("preference", {"prompt": TALK[:2], "chosen": TALK[2:3], "rejected": [{"role": "assistant", "content": "No."}]}, "It is 2."),
    ):
        assert learnt(starter, prepare(starter, row, kind=kind)) == answer + "<|im_end|>", kind


def test_rows_are_what_the_plan_counted(house, starter):
    values = [r["value"] for r in store.iterate(house.data, held_out=False)]
    out = prepare(starter, *values)
    prepared = house.run(house.lora).status.prepared
    assert out.summary() == {k: v for k, v in prepared.items() if k != "held_out"}
    facts = training.data_facts(house.data, models.resolve("starter"), house.ws, wait=None)
    assert facts.exact and facts.rows == len(values) and facts.longest >= out.summary()["longest"]
    assert replace(facts, mean=0).mean == 0 and facts.mean == pytest.approx(out.summary()["tokens"] / len(out), rel=0.25)


def test_the_lesser_of_epochs_and_steps_ends_a_run(ws, data):
    """transformers forgets the epochs once max_steps is set; a run must not read the data more often than was planned."""
    values = {"model": "starter", "data": data.ref, "effective_batch": 8, "epochs": 1, "max_steps": 50, "device": "cpu"}
    run = training.wait(ws, training.start(ws, values).id)
    assert run.state == "finished" and run.progress.steps == run.plan["steps"] == 4 and run.progress.epoch <= 1.01


def test_a_run_goes_on_from_an_adapter_that_was_taken_away(house, tmp_path):
    """As from one made elsewhere: a folder with the base beside it."""
    from tuner.export import making

    making.make(house.ws, house.lora, "adapter", tmp_path / "mine")
    common = {"model": str(tmp_path / "mine"), "data": house.data.ref, "effective_batch": 4, "device": "cpu", "max_steps": 2}
    run = training.wait(house.ws, training.start(house.ws, common).id)
    assert run.state == "finished", (run.status, runs.log_tail(run))
    assert run.status.baseline["eval_loss"] == pytest.approx(house.run(house.lora).best, rel=1e-3), "it begins where the other ended"
    full = training.start(house.ws, common | {"method": "full"})
    assert any("merged into the base model first" in note for note in full.plan["notes"])
    ended = training.wait(house.ws, full.id)
    assert ended.state == "finished" and (ended.path / "model" / "config.json").exists()
    for one in (run, ended):
        runs.delete(house.ws, one.id)


# --- rows that count differently ------------------------------------------------------------------------------------------


def test_a_row_of_weight_nought_teaches_nothing_and_a_heavy_one_more(ws, tmp_path):
    """The same question with two answers: the one that counts is learnt; as many tokens of each go by."""
    rows = [chat("Say it.", "blue and green") | {"sample_weight": 3.0}, chat("Say it.", "one or two") | {"sample_weight": 0.0}] * 16
    data = store.add(ws, write_rows(tmp_path / "weights.jsonl", rows), held_out=0.0)
    assert data.mapping["weight"] == "sample_weight"
    run = finish(ws, start(ws, data, epochs=1000, max_steps=25))
    assert run.plan["settings"]["packing"] is False and run.status.prepared["rows"] == 32
    heavy, light = losses_of(run, ["blue and green", "one or two"])
    assert heavy < 0.2 < 2 < light
    with pytest.raises(TunerError, match="weights of their own") as caught:
        start(ws, data, packing=True)
    assert caught.value.as_list()[0]["field"] == "packing"


def losses_of(run, answers: list[str]) -> list[float]:
    code = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base, adapter, answers = json.loads(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(base)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype="float32"), adapter)
out = []
for answer in answers:
    talk = [{"role": "user", "content": "Say it."}, {"role": "assistant", "content": answer}]
    done = tokenizer.apply_chat_template(talk, return_dict=True, return_tensors="pt", return_assistant_tokens_mask=True)
    labels = done["input_ids"].masked_fill(torch.as_tensor(done["assistant_masks"]) == 0, -100)
    out.append(model(input_ids=done["input_ids"], labels=labels).loss.item())
print(json.dumps(out))
"""
    return json.loads(fresh(code, json.dumps([str(paths.STARTER), str(run.path / "model"), answers])).splitlines()[-1])


# --- going on with another technique ----------------------------------------------------------------------------------------


def test_another_technique_stands_on_a_base_of_its_own(house):
    """What the first run learnt is merged into the second's base: it is there when that is loaded, asked, and taken away."""
    from tuner.export import making, sizes
    from tuner.serving import chat_client as talk

    run = training.start(
        house.ws, QUICK | {"data": house.data.ref, "model": house.lora, "method": "ln", "max_steps": 4, "learning_rate": 1e-3}
    )
    run = finish(house.ws, run)
    about = run.plan["model"]
    assert (
        about["base"] == str(run.path / "base")
        and about["adapter"] is None
        and any("merged into the base model first" in n for n in run.plan["notes"])
    )
    assert run.status.baseline["eval_loss"] == pytest.approx(house.run(house.lora).best, rel=1e-3), "off, it is what the first run learnt"
    client, greedy = talk.Client(house.ws, "cpu"), {"temperature": 0.0, "max_tokens": 20}
    question = [{"role": "user", "content": "What is 7 plus 7?"}]
    first = client.answer(talk.serving_spec(house.ws, house.lora), question, **greedy).text
    assert client.answer(talk.serving_spec(house.ws, run.id, base=True), question, **greedy).text == first != ""
    assert client.answer(talk.serving_spec(house.ws, run.id), question, **greedy).text
    expected = sizes.estimate(run, "merged")
    exported = making.make(house.ws, run.id, "merged")
    assert exported["check"]["passed"] and exported["bytes"] == pytest.approx(expected, rel=0.05)
    runs.delete(house.ws, run.id)


def test_what_a_run_goes_on_from_settles_its_size_or_rules_it_out(house, tmp_path):
    ask = lambda **more: training.prepare(house.ws, {"model": house.lora, "data": house.data.ref} | more, preset=None)[0]  # noqa: E731
    plan = ask()
    assert plan.settings.lora_rank == 8 and "continues" in next(r.reason for r in plan.reasons if r.setting == "lora_rank")
    assert plan.trainable_parameters == ask(lora_rank=8).trainable_parameters
    with pytest.raises(TunerError) as caught:
        ask(lora_rank=64)
    assert [(e["field"], e["available"]) for e in caught.value.as_list()] == [("lora_rank", [8])]
    assert ask(method="ln").settings.method == "ln" and ask(method="qlora").settings.lora_rank == 8
    folder = tmp_path / "foreign"
    for kind, method, field in (("PROMPT_TUNING", "lora", "method"), ("NO_SUCH_TYPE", "lora", "model"), ("P_TUNING", "p_tuning", "model")):
        shutil.copytree(house.run(house.lora).path / "model", folder, dirs_exist_ok=True)
        paths.write_json(
            folder / "adapter_config.json", {"peft_type": kind, "base_model_name_or_path": str(paths.STARTER), "task_type": "CAUSAL_LM"}
        )
        with pytest.raises(TunerError) as caught:
            training.prepare(house.ws, {"model": str(folder), "data": house.data.ref, "method": method}, preset=None)
        (error,) = caught.value.as_list()
        assert error["field"] == field and error["available"] == (["prompt"] if field == "method" else ["its base model"]), kind


# --- the loss ----------------------------------------------------------------------------------------------------------------

LOSSES = """
import json, sys
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer
from pathlib import Path
from tuner import models
from tuner.settings.run_config import Settings
from tuner.workers.modelling import peft_methods
from tuner.workers.training.sft import OwnLoss

torch.set_num_threads(1)
folder, place, method = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
settings = Settings(method=method, virtual_tokens=5, gradient_checkpointing=False)
facts = models.folder_facts(Path(folder))
rows = [{"input_ids": list(range(5, 5 + n)), "labels": [-100] * k + list(range(5 + k, 5 + n))} for n, k in ((12, 3), (7, 1), (20, 15), (9, 8))]
found = {}
for kind in (SFTTrainer, OwnLoss):
    torch.manual_seed(4)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = peft_methods.build(model, settings, facts, objective="chat")
    args = SFTConfig(output_dir=place, use_cpu=True, bf16=False, report_to="none", dataset_kwargs={"skip_prepare_dataset": True},
        per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=1, learning_rate=0.1, max_grad_norm=1e9, optim="sgd",
        gradient_checkpointing=False, disable_tqdm=True, logging_steps=1, max_length=None)
    trainer = kind(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    found[kind.__name__] = [trainer.train().training_loss, {n: model.get_parameter(n).detach() - p for n, p in before.items()}]
(one, a), (two, b) = found.values()
print(json.dumps([one, two, max((a[n] - b[n]).abs().max().item() for n in a), max((a[n]).abs().max().item() for n in a)]))
"""
PACKED = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

torch.set_num_threads(1)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
rows = [list(range(5, 17)), list(range(40, 49)), list(range(90, 111))]
collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
batch = collate([{"input_ids": sum(rows, []), "labels": sum(rows, []), "seq_lengths": [len(r) for r in rows]}])
assert "attention_mask" not in batch, "an all-ones mask beside the positions would let the rows see each other"
with torch.no_grad():
    packed = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits[0]  # as in training
    alone = torch.cat([model(input_ids=torch.tensor([r])).logits[0] for r in rows])
print((packed - alone).abs().max().item())
"""


@pytest.mark.parametrize("method", ["full", "prompt", "p_tuning", "prefix"])
def test_our_own_loss_takes_the_step_that_trls_takes(tmp_path, method):
    """Invisible words move all positions of the text: its scores stand behind theirs."""
    one, two, apart, largest = json.loads(fresh(LOSSES, str(paths.STARTER), str(tmp_path), method).splitlines()[-1])
    assert one == pytest.approx(two, rel=1e-5) and apart < 1e-4 * largest > 0


def test_packed_rows_do_not_see_each_other():
    assert float(fresh(PACKED, str(paths.STARTER)).splitlines()[-1]) < 1e-4
