"""A workspace that was moved, and a program that was: runs find their base model and the run that they continue from."""

import pytest

from tuner import paths, runs
from tuner.paths import Workspace
from tuner.runs import run_folder
from tuner.serving import chat_client


def made(ws, name: str, **model) -> runs.Run:
    plan = {
        "settings": {"method": "lora", "objective": "chat", "precision": "fp32"},
        "device": "cpu",
        "peak_bytes": 1,
        "reasons": [],
        "model": model,
    }
    run = runs.create(ws, {"model": "starter", "data": "x@1"}, plan, name=name)
    (run.path / "model").mkdir()
    runs.write_status(run.path, state="finished")
    return runs.get(ws, run.id)


def test_runs_of_a_moved_workspace_find_what_they_need(tmp_path):
    before = Workspace(tmp_path / "before", "me", tmp_path / "machine")
    first = made(before, "first", base="/gone/tunesmith/presets/starter", adapter=None, kind="starter")
    made(before, "second", base=str(first.path / "base"), adapter=str(first.path / "model"), kind="run")
    (first.path / "base").mkdir()
    before.home.rename(tmp_path / "after")
    ws = Workspace(tmp_path / "after", "me", tmp_path / "machine")
    assert chat_client.serving_spec(ws, "first")["base"] == str(paths.STARTER)
    for second in (runs.get(ws, "second"), next(r for r in runs.listing(ws) if r.id == "second")):
        assert second.plan["model"]["adapter"] == str(ws.runs / "first" / "model")
        assert second.plan["model"]["base"] == str(ws.runs / "first" / "base")


@pytest.mark.parametrize("place", ["/nowhere/at/all", "/nowhere/runs/unknown/model", "Qwen/Qwen3-0.6B", "", "relative/runs/first/model"])
def test_what_is_nowhere_keeps_its_place(tmp_path, place):
    plan = {"model": {"base": place, "adapter": None}}
    assert run_folder.located(plan, tmp_path / "runs" / "me") is plan


@pytest.mark.parametrize("plan", [{}, {"model": None}, {"model": "text"}, {"model": {"base": 3}}])
def test_plans_of_another_form_are_left_alone(tmp_path, plan):
    assert run_folder.located(plan, tmp_path) is plan
