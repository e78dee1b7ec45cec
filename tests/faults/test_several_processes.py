"""One run in several processes: the loss of one process with the same batch, one folder written by one of them, a clear end when one is killed, and a
resume in another number. Real workers under a real supervisor, by torchrun and gloo; two processes, with --long four as well."""

import os
import signal

import psutil
import pytest

from tests.conftest import until, write_rows
from tests.faults.test_trouble import INJECT
from tuner import devices, paths, runs
from tuner.data.store import sample_data, store
from tuner.jobs import data_parallel, training

WISH = {
    "model": "starter", "device": "cpu", "effective_batch": 8, "micro_batch": 2, "max_steps": 8, "eval_steps": 4, "save_steps": 4,
    "lora_dropout": 0.0, "learning_rate": 3e-3,
}  # fmt: skip
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
    assert failed.status.error["code"] == "memory_short", failed.status.error


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
