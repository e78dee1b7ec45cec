"""Cleaning up: only what nothing depends on is freed, and what it takes is said first."""

import json
import os
import time

from tuner import cli, locks, runs
from tuner.jobs import cleanup


def made(ws, name: str, state: str = "finished", model: bool = True) -> runs.Run:
    plan = {"settings": {"method": "lora", "objective": "chat"}, "device": "cpu", "peak_bytes": 1, "model": {}, "reasons": []}
    run = runs.create(ws, {"model": "starter", "data": "x@1"}, plan, name=name)
    for step in (2, 4):
        folder = run.path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(b"0" * 1000)
    if model:
        (run.path / "model").mkdir()
        (run.path / "model" / "adapter_model.safetensors").write_bytes(b"0" * 1000)
    runs.write_status(run.path, state=state)
    return runs.get(ws, run.id)


def test_checkpoints_of_finished_runs_go_and_their_models_stay(ws, capsys):
    done, stopped, bare = made(ws, "done"), made(ws, "stopped", "stopped"), made(ws, "bare", model=False)
    (ws.runs / ".deleted-old-1").mkdir()
    (ws.runs / ".deleted-old-1" / "weights").write_bytes(b"0" * 500)
    old, new = ws.jobs / "import-old", ws.jobs / "import-new"
    for job in (old, new):
        job.mkdir(parents=True)
        (job / "rows").write_bytes(b"0" * 100)
    os.utime(old, (time.time() - 2 * cleanup.OLD,) * 2)
    assert cli.main(["--home", str(ws.home), "clean", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(i["kind"], i["bytes"], i["run"]) for i in told["items"]] == [("checkpoints", 2000, "done"), ("leftovers", 600, None)]
    assert told["freed_bytes"] == 0 and len(runs.checkpoints(done.path)) == 2
    assert cli.main(["--home", str(ws.home), "clean"]) == 0 and "3 kB were freed" in capsys.readouterr().out
    assert runs.checkpoints(done.path) == [] and (done.path / "model" / "adapter_model.safetensors").exists()
    assert len(runs.checkpoints(stopped.path)) == len(runs.checkpoints(bare.path)) == 2, "they may be resumed, or have nothing else"
    assert not old.exists() and new.exists() and not (ws.runs / ".deleted-old-1").exists() and cleanup.survey(ws) == []


def test_checkpoints_that_answer_under_names_of_a_fine_tuning_job_stay(ws):
    made(ws, "ftjob-abc")
    assert cleanup.survey(ws), "a name alone says nothing"
    (ws.api / "jobs").mkdir(parents=True)
    assert cleanup.survey(ws) == []


def test_what_is_at_work_by_now_is_left_alone(ws):
    run = made(ws, "again")
    (item,) = cleanup.survey(ws)
    assert locks.acquire(run.path / "lock")
    assert cleanup.survey(ws) == [] and item.bytes == 2000
