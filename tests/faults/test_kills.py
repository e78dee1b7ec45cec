"""Kills at any moment: of a worker, within each file of a checkpoint, of the page, of the supervisor, of all at once. Short counts by default, with
--long 200 and 20. What must hold: no committed metric lost or doubled, every resume works, the end has the bytes of a run left in peace."""

import os
import random
import signal
import time

import pytest

from tests.browsing import running
from tests.conftest import until
from tests.hostile import faults
from tests.hostile.test_states import RUN, begin, finish, weights
from tuner import runs
from tuner.jobs import queue, training
from tuner.runs import checkpoint_files

STEPS = 24
WISH = RUN | {"max_steps": STEPS, "eval_steps": 3, "lora_dropout": 0.1}
# in the order in which they are written
FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "chat_template.jinja",
    "tokenizer.json",
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "MANIFEST.json",
)
A_RUN = 7  # kills of one run before it is left to end


def curve(run: runs.Run) -> list[tuple]:
    """Return what was committed of the training and the validation; not the times."""
    return [(step, key, value) for step, key, value in runs.metrics(run) if key in ("loss", "eval_loss", "learning_rate", "grad_norm")]


def committed(run: runs.Run) -> set[tuple[int, str]]:
    return {(step, key) for step, key, _ in runs.metrics(run)}


def worker_of(ws, run: runs.Run) -> int | None:
    with queue.connect(ws.machine_folder()) as db:
        found = db.execute("SELECT pid FROM jobs WHERE folder = ? AND state = 'running'", (str(run.path),)).fetchone()
    return found and found[0]


def wait_for(ws, run: runs.Run, file: str | None, chance: random.Random) -> None:
    """Wait for the moment of a kill: right after a file of a new checkpoint has appeared, or any."""
    known = set(runs.checkpoints(run.path))
    if file is None:
        until(lambda: (r := runs.get(ws, run.id)).progress.step >= 1 or not r.live, 90, 0.01)
        time.sleep(chance.uniform(0.0, 0.4))
        return
    until(
        lambda: any((new / file).exists() for new in set(runs.checkpoints(run.path)) - known) or not runs.get(ws, run.id).live, 90, 0.0005
    )


def test_a_worker_is_killed_at_random_moments_and_inside_each_file_of_a_checkpoint(ws, data, request):
    count, chance, kills, made = (200 if request.config.getoption("--long") else 10), random.Random(7), 0, 0
    peace = finish(ws, begin(ws, data, WISH, "peace"))
    inside: set[str] = set()
    while kills < count:
        made += 1
        run, here = begin(ws, data, WISH, f"killed {made}"), 0
        while here < A_RUN and kills < count and (now := runs.get(ws, run.id)).state != "finished":
            file = FILES[(kills // 2) % len(FILES)] if kills % 2 else None
            wait_for(ws, now, file, chance)
            pid, before = worker_of(ws, run), committed(run)
            if not pid or not runs.get(ws, run.id).live:
                break  # it was quicker: the end was reached
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                break
            kills, here = kills + 1, here + 1
            inside |= {file} if file else set()
            after = training.wait(ws, run.id, poll=0.02)
            assert after.state in ("interrupted", "finished"), after.status
            assert before <= committed(after), "what was committed is there"
            if after.state == "interrupted":
                training.resume(ws, run.id)
        ended = finish(ws, run)
        steps = [step for step, key, _ in runs.metrics(ended) if key == "loss"]
        assert steps == list(range(1, STEPS + 1)), "each step once"
        assert curve(ended) == curve(peace) and weights(ended) == weights(peace) and ended.status.best == peace.status.best
    print(f"{kills} kills of {made} runs, {len(inside)} of {len(FILES)} files of a checkpoint")
    assert kills == count and (len(inside) == len(FILES) or count < 2 * len(FILES))


def alive(ws, *modules: str) -> list[int]:
    found = faults.processes(ws)
    return [pid for module in modules for pid in found.get(module, [])]


@pytest.mark.parametrize("what", ["page", "supervisor", "everything"])
def test_a_kill_of_the_page_the_supervisor_or_everything_at_once(ws, data, what, request, monkeypatch):
    count = 20 if request.config.getoption("--long") else 3 if what == "supervisor" else 1  # a page takes seconds to start
    run = begin(ws, data, WISH | {"max_steps": 100_000, "eval_steps": 50}, "watched")
    waiting = begin(ws, data, WISH, "waits")
    until(lambda: runs.get(ws, run.id).progress.step >= 1, 90)
    for _ in range(count):
        step = runs.get(ws, run.id).progress.step
        if what == "supervisor":
            faults.kill(*faults.at_work(ws, "jobs.supervisor"))
            began = time.monotonic()
            until(lambda: alive(ws, "jobs.supervisor") or not runs.get(ws, waiting.id).live, 30, 0.02)  # whoever looks has one begin
        else:
            with running(ws.home, TUNESMITH_MACHINE=str(ws.machine_folder())) as app:
                others = alive(ws, "jobs.supervisor", "workers.training.sft") if what == "everything" else []
                faults.kill(app.process.pid, *others, *([worker_of(ws, run)] if others else []))
            began = time.monotonic()
        now = runs.get(ws, run.id)
        assert time.monotonic() - began < 5, "back in view within five seconds"
        if what == "everything":
            now = until(lambda: (r := runs.get(ws, run.id)).state == "interrupted" and r, 15)
            assert now.progress.step >= step
            now = training.resume(ws, run.id)
        else:
            assert now.state == "running", "the training goes on"
        until(lambda s=step: runs.get(ws, run.id).progress.step > s, 90, 0.02)
        assert runs.get(ws, waiting.id).state in ("queued", *(["running", "preparing", "finished"] if what == "everything" else []))
    runs.ask_to_stop(ws, run.id)
    assert training.wait(ws, run.id).state == "stopped" and finish(ws, waiting)


def test_the_files_of_a_checkpoint_are_those(house):
    """Where the libraries write another file, it is to be killed in as well."""
    found = {f.name for f in checkpoint_files.checkpoints(house.ws.runs / house.lora)[0].iterdir()} - {"README.md", "tokenizer_config.json"}
    assert found == set(FILES)
