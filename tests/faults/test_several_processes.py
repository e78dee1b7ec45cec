"""One run in several processes: the loss of one process with the same batch, one folder written by one of them, a clear end when one is killed, and a
resume in another number. Real workers under a real supervisor, by torchrun and gloo; two processes, with --long four as well."""

import json
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from tests.conftest import until, write_rows
from tests.faults.test_trouble import INJECT
from tests.matrix.conftest import rows_for
from tests.workers.test_objectives import MAPPING as COLUMNS
from tests.workers.test_objectives import base, tokens  # noqa: F401 (fixtures)
from tuner import devices, paths, runs
from tuner.data.store import sample_data, store
from tuner.jobs import data_parallel, training
from tuner.runs import samples_file
from tuner.settings import objectives

WISH = {
    "model": "starter", "device": "cpu", "effective_batch": 8, "micro_batch": 2, "max_steps": 8, "eval_steps": 4, "save_steps": 4,
    "lora_dropout": 0.0, "learning_rate": 3e-3,
}  # fmt: skip
MAPPING = COLUMNS | {"chat": {"messages": "messages"}, "text": {"text": "text"}}
CURVE = ("loss", "eval_loss", "grad_norm", "learning_rate")


@pytest.fixture(autouse=True)
def cores(monkeypatch):
    monkeypatch.setattr(devices.detection, "cores", lambda: 4)


@pytest.fixture
def sums(ws, tmp_path):
    """64 rows to train on, eight steps of eight, and seven that come out even with no number of processes."""
    rows = [{"prompt": f"What is {n} plus {n % 7}?", "response": str(n + n % 7)} for n in range(71)]
    held = write_rows(tmp_path / "held.jsonl", rows[64:])
    return store.add(ws, write_rows(tmp_path / "sums.jsonl", rows[:64]), test_file=held)


def begin(ws, data, processes: int, **more) -> runs.Run:
    return training.start(ws, WISH | {"data": data.ref, "processes": processes} | more, name=f"by {processes}")


def without_dropout(model: Path, folder: Path) -> Path:
    """Return a copy of a model whose config has no dropout: processes draw different numbers."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    none = {k: 0.0 for k in config if "drop" in k and isinstance(config[k], float)}
    (folder / "config.json").write_text(json.dumps(config | none))
    return folder


def ended(ws, run, state: str = "finished") -> runs.Run:
    found = training.wait(ws, run.id)
    assert found.state == state, (found.status.reason, runs.log_tail(found)[-3000:])
    return found


def curve(run: runs.Run) -> dict:
    return {(step, key): value for step, key, value in runs.metrics(run) if key in CURVE}


def ranks_of(run: runs.Run) -> list[psutil.Process]:
    """Return the worker processes of a run, the first one first."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if str(run.path) in line and "tuner.workers.training.sft" in line and "-m" in line and "torch.distributed.run" not in line:
            try:
                found.append((int(process.environ()["RANK"]), process))
            except (KeyError, psutil.Error):
                continue
    return [process for _, process in sorted(found, key=lambda f: f[0])]


def test_the_loss_is_that_of_one_process_with_the_same_batch(ws, sums, request):
    one = curve(ended(ws, begin(ws, sums, 1)))
    for count in (2, 4) if request.config.getoption("--long") else (2,):
        run = ended(ws, begin(ws, sums, count))
        several = curve(run)
        assert several.keys() == one.keys() and all(several[k] == pytest.approx(one[k], abs=1e-4, rel=1e-4) for k in one)
        assert {f.name for f in runs.checkpoints(run.path)[0].iterdir()} >= {f"rng_state_{n}.pth" for n in range(count)}
        assert runs.is_whole(runs.checkpoints(run.path)[0]) and run.can_answer
        log = runs.log_tail(run, 10**6)
        assert f"{count} processes: python -m torch.distributed.run" in log


@pytest.mark.parametrize("objective", ["classification", pytest.param("text", marks=pytest.mark.long)])
def test_other_objectives_do_as_well(ws, tmp_path, objective):
    if objective == "text":
        rows = [{"text": f"The sum of {n} and {n} is {2 * n}."} for n in range(39)]
        held = write_rows(tmp_path / "held.jsonl", rows[32:])
        data = store.add(ws, write_rows(tmp_path / "texts.jsonl", rows[:32]), test_file=held)
    else:
        data = sample_data.add(ws, "tickets")
    wish = {"objective": objective, "max_steps": 4, "eval_steps": 2, "save_steps": 2}
    one, two = (curve(ended(ws, begin(ws, data, count, **wish))) for count in (1, 2))
    assert two == {k: pytest.approx(one[k], abs=1e-4, rel=1e-4) for k in one}


@pytest.mark.parametrize("which", [pytest.param(0, marks=pytest.mark.long), 1], ids=["the first", "another"])
def test_a_process_that_is_killed_ends_the_run_with_words_and_another_number_resumes_it(ws, sums, which):
    peace = curve(ended(ws, begin(ws, sums, 1, max_steps=24, epochs=100)))
    run = begin(ws, sums, 2, max_steps=24, epochs=100)
    until(lambda: runs.checkpoints(run.path) and runs.is_whole(runs.checkpoints(run.path)[0]) or not runs.get(ws, run.id).live, 120, 0.02)
    found = ranks_of(run)
    assert len(found) == 2
    os.kill(found[which].pid, signal.SIGKILL)
    stopped = ended(ws, run, "interrupted")
    assert "Resume the run" in stopped.status.reason
    until(lambda: not ranks_of(run), 60)
    training.resume(ws, run.id, processes=1 if which else 4)
    again = ended(ws, run)
    assert all(curve(again)[k] == pytest.approx(peace[k], abs=1e-4, rel=1e-4) for k in peace), "nothing lost, nothing doubled"
    assert again.plan["settings"]["processes"] == (1 if which else 4)


def test_a_stop_is_heard_by_all_at_the_same_step(ws, sums):
    run = begin(ws, sums, 2, max_steps=5000, epochs=1000, eval_steps=1000, save_steps=1000)
    until(lambda: runs.get(ws, run.id).progress.step >= 2, 120)
    runs.ask_to_stop(ws, run.id)
    stopped = ended(ws, run, "stopped")
    assert stopped.can_answer and runs.newest_whole_checkpoint(run.path).name == f"checkpoint-{stopped.progress.step}"
    until(lambda: not ranks_of(run), 30)


def test_the_error_of_another_process_is_told(ws, sums, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", INJECT)
    monkeypatch.setenv("TUNESMITH_FAULT", "second-process")
    failed = ended(ws, begin(ws, sums, 2), "failed")
    assert "the second one can't go on" in failed.status.reason, failed.status.error


@pytest.mark.parametrize("fault", ["memory-of-the-second", pytest.param("memory", marks=pytest.mark.long)])
def test_out_of_memory_in_one_of_them_goes_on_with_less_in_all(ws, sums, monkeypatch, fault):
    monkeypatch.setenv("PYTHONPATH", INJECT)
    monkeypatch.setenv("TUNESMITH_FAULT", fault)
    peace = curve(ended(ws, begin(ws, sums, 1)))
    run = ended(ws, begin(ws, sums, 2))
    (warning,) = (w for w in run.warnings if w["name"] == "out_of_memory")
    assert "micro-batch 1 × 4 instead of 2 × 2" in warning["message"] and run.plan["settings"]["micro_batch"] == 1
    assert curve(run) == {k: pytest.approx(v, abs=1e-4, rel=1e-4) for k, v in peace.items()}


# --- each process holds a part of the model (FSDP) -------------------------------------------------------------------------------


@pytest.fixture
def parts(monkeypatch):
    """Every process of the run says what its weights are, before it trains."""
    monkeypatch.setenv("PYTHONPATH", INJECT)
    monkeypatch.setenv("TUNESMITH_FAULT", "say-weights")


def weights_of(run: runs.Run) -> list[dict]:
    """Return what each process of a run said of its weights: {"trained", "held"}, and how many numbers it holds of how many."""
    return [json.loads(line.split("WEIGHTS ")[1]) for line in runs.log_tail(run, 10**6).splitlines() if "WEIGHTS " in line]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_model_in_parts_learns_what_a_whole_one_learns(ws, sums, method, parts):
    wish = {"method": method, "learning_rate": 3e-3 if method == "lora" else 3e-4}
    one = ended(ws, begin(ws, sums, 1, **wish))
    two = ended(ws, begin(ws, sums, 2, sharding=True, **wish))
    expected = curve(one)
    assert curve(two) == {k: pytest.approx(v, abs=1e-4, rel=1e-4) for k, v in expected.items()}
    said = weights_of(two)
    assert len(said) == 2 and all(s["base"] == "DTensor" and s["trained"] == ("Tensor" if method == "lora" else "DTensor") for s in said)
    assert all(s["here"] < 0.6 * s["whole"] for s in said), "each holds about half"
    assert {f.name for f in (two.path / "model").iterdir()} == {f.name for f in (one.path / "model").iterdir()}
    from safetensors.torch import load_file

    for file in ("adapter_model.safetensors",) if method == "lora" else ("model.safetensors",):
        ours, theirs = load_file(two.path / "model" / file), load_file(one.path / "model" / file)
        assert ours.keys() == theirs.keys() and all(ours[k].dtype == theirs[k].dtype for k in ours)
        near = [(ours[k] - theirs[k]).abs().lt(2e-3).float().mean().item() for k in ours]
        assert sum(near) > 0.95 * len(near), "Adam's first steps are the signs of tiny gradients, so a few weights differ"
    assert two.can_answer and samples_file.read(two.path) and two.best == pytest.approx(one.best, rel=1e-4)


CELLS = [  # (model, objective, method, settings)
    ("bert", "classification", "full", {}),
    ("bert", "regression", "full", {}),
    ("bert", "tokens", "full", {}),
    ("bert", "qa", "full", {}),
    ("t5", "seq2seq", "lora", {}),
    ("t5", "seq2seq", "full", {}),
    ("gpt2", "chat", "full", {}),
    ("gpt2", "text", "lora", {"packing": True}),
    ("gpt2", "classification", "full", {"gradient_checkpointing": True}),
]


@pytest.mark.parametrize(
    ("model", "objective", "method", "more"),
    [pytest.param(*cell, id="-".join(cell[:3]), marks=[pytest.mark.long] * (cell != CELLS[0])) for cell in CELLS],
)
def test_every_objective_learns_in_parts(ws, base, tmp_path, model, objective, method, more):  # noqa: F811
    rows = list({json.dumps(row): row for row in rows_for(objective)}.values())
    held = write_rows(tmp_path / "held.jsonl", rows[12:16])
    file = write_rows(tmp_path / "rows.jsonl", rows[:12])
    data = store.add(ws, file, kind=objectives.get(objective).kinds[0], mapping=MAPPING.get(objective), test_file=held)
    assert (data.rows, data.held_out) == (16, 4), "three whole steps of four"
    folder = without_dropout(base[model], tmp_path / "model")
    wish = {"model": str(folder), "objective": objective, "method": method, "max_length": 64, "max_steps": 3, "eval_steps": 3} | more
    wish |= {"save_steps": 3, "learning_rate": 1e-3, "epochs": 100, "effective_batch": 4}
    one, two = ended(ws, begin(ws, data, 1, **wish)), ended(ws, begin(ws, data, 2, sharding=True, **wish))
    assert curve(two) == {k: pytest.approx(v, abs=2e-4, rel=2e-4) for k, v in curve(one).items()}
    assert two.can_answer and {f.name for f in (two.path / "model").iterdir()} == {f.name for f in (one.path / "model").iterdir()}


@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.long)])
@pytest.mark.parametrize("processes", [1, pytest.param(4, marks=pytest.mark.long)])
def test_parts_that_lose_a_process_go_on_in_another_number(ws, sums, method, processes):
    wish = {"method": method, "max_steps": 24, "epochs": 100, "learning_rate": 3e-3 if method == "lora" else 3e-4}
    peace = curve(ended(ws, begin(ws, sums, 1, **wish)))
    run = begin(ws, sums, 2, sharding=True, **wish)
    until(lambda: runs.checkpoints(run.path) and runs.is_whole(runs.checkpoints(run.path)[0]) or not runs.get(ws, run.id).live, 120, 0.02)
    os.kill(ranks_of(run)[1].pid, signal.SIGKILL)
    ended(ws, run, "interrupted")
    until(lambda: not ranks_of(run), 60)
    training.resume(ws, run.id, processes=processes)
    again = curve(ended(ws, run))
    assert all(again[k] == pytest.approx(peace[k], abs=1e-3, rel=1e-3) for k in peace), "nothing lost, nothing doubled"


def test_how_it_is_launched(tmp_path, monkeypatch):
    paths.write_json(tmp_path / "plan.json", {"settings": {"processes": 2, "objective": "chat"}})
    launcher, words = data_parallel.command(tmp_path, "cuda:0,cuda:2")
    assert launcher == "accelerate.commands.launch" and words[-4:] == [
        "--module",
        "tuner.workers.training.sft",
        str(tmp_path),
        "cuda:0,cuda:2",
    ]
    from accelerate.commands.launch import launch_command_parser

    asked = launch_command_parser().parse_args(words)
    assert asked.multi_gpu and asked.num_processes == 2 and asked.module and asked.training_script == "tuner.workers.training.sft"


def test_a_program_that_was_itself_started_by_a_launcher_trains_as_ever(ws, sums, monkeypatch):
    """As in a SLURM step, or beside another torchrun: what that told its processes is not told to ours."""
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    run = ended(ws, begin(ws, sums, 1, max_steps=2, eval_steps=2, save_steps=2))
    assert run.can_answer and run.best is not None
