"""The computer is asked to stay awake while a run is under way, and no longer; where it can't be asked, that is said."""

import importlib

from wakepy import Mode

from tests.workers.test_objectives import base, coloured, make, tokens  # noqa: F401
from tuner import runs
from tuner.system import awake
from tuner.workers.training import callbacks


def test_a_run_asks_for_it_and_gives_it_back(ws, base, tmp_path, monkeypatch, capsys):  # noqa: F811
    asked = []
    enter, leave = Mode.__enter__, Mode.__exit__
    monkeypatch.setenv("WAKEPY_FAKE_SUCCESS", "1")
    monkeypatch.setattr(Mode, "__enter__", lambda mode: asked.append("awake") or enter(mode))
    monkeypatch.setattr(Mode, "__exit__", lambda mode, *error: asked.append("asleep") or leave(mode, *error))
    run = make(ws, base["bert"], coloured(40), "classification", "classification", tmp_path, max_steps=2, eval_steps=2)
    worker = importlib.import_module("tuner.workers.training.sequence_classification")
    assert callbacks.guarded(run.path, worker.work) == 0 and asked == ["awake", "asleep"]
    assert awake.KEPT in capsys.readouterr().out and runs.get(ws, run.id).status.document["awake"] is True


def test_where_it_can_not_be_asked_nothing_fails(monkeypatch):
    monkeypatch.setenv("WAKEPY_FORCE_FAILURE", "1")
    with awake.kept() as agreed:
        assert agreed is False
