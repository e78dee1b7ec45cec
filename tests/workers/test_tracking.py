"""Trackers: off unless named, through the integrations of transformers, in the run's folder; one that fails never ends the training."""

import os

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers.integrations import TensorBoardCallback

from tests.workers.test_objectives import base, coloured, make, tokens, trained  # noqa: F401
from tuner import models, runs
from tuner.errors import SettingError, TunerError
from tuner.planning import planner
from tuner.planning.planner import DataFacts
from tuner.settings import parsing, trackers
from tuner.workers.training import tracking

TWO = {"max_steps": 4, "eval_steps": 2}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What a run sets for the libraries of trackers is that run's alone: a worker is a process, here it is not."""
    for name in ("TENSORBOARD_LOGGING_DIR", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_NAME", "WANDB_PROJECT", "WANDB_NAME", "WANDB_DIR", "WANDB_LOG_MODEL"):  # fmt: skip
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("tensorboard", "tensorboard"),
        (["tensorboard"], "tensorboard"),
        ("TensorBoard, mlflow,tensorboard", "tensorboard,mlflow"),
        ("none", None),
        ([], None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_named(given, kept):
    assert parsing.parse({"report_to": given}).report_to == kept


@pytest.mark.parametrize("given", ["all", "tensorbord", ["wandb", "neptune"], 3, True])
def test_what_is_no_tracker_is_refused(given):
    with pytest.raises(SettingError) as caught:
        parsing.parse({"report_to": given})
    assert caught.value.field == "report_to" and "tensorboard, mlflow, trackio, wandb" in caught.value.available


def test_one_that_is_not_installed_is_refused_before_the_start_with_the_command(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "wandb" else object())
    with pytest.raises(TunerError, match="wandb is not installed") as caught:
        planner.plan(parsing.parse({"report_to": "tensorboard,wandb"}), models.resolve("starter"), DataFacts("chat", 100, 10, 40.0, 100))
    assert "pip install wandb" in caught.value.remedy and "tensorboard" in caught.value.available


def test_the_files_of_tensorboard_lie_in_the_run_and_say_the_same(ws, base, tmp_path):  # noqa: F811
    run = make(ws, base["bert"], coloured(40), "classification", "classification", tmp_path, **TWO, report_to="tensorboard")
    run = trained(ws, run)
    (file,) = (run.path / "tensorboard").rglob("events.*")
    events = EventAccumulator(str(file.parent)).Reload()
    losses = {e.step: e.value for e in events.Scalars("train/loss")}
    ours = {step: value for step, key, value in runs.metrics(run) if key == "loss"}
    assert losses == pytest.approx(ours, rel=1e-5) and {e.step for e in events.Scalars("eval/loss")} >= {2, 4}
    assert not run.warnings


def test_without_it_nothing_is_written(ws, base, tmp_path):  # noqa: F811
    run = trained(ws, make(ws, base["bert"], coloured(40), "classification", "classification", tmp_path, **TWO))
    assert not (run.path / "tensorboard").exists()


def test_a_tracker_that_fails_is_told_once_and_the_training_goes_on(ws, base, tmp_path, monkeypatch):  # noqa: F811
    heard = []

    def broken(self, *args, **named):
        heard.append(1)
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(TensorBoardCallback, "on_log", broken)
    run = trained(ws, make(ws, base["bert"], coloured(40), "classification", "classification", tmp_path, **TWO, report_to="tensorboard"))
    (warning,) = run.warnings
    assert (
        warning["name"] == "tracker_off"
        and "tensorboard hears nothing more" in warning["message"]
        and "server is gone" in warning["message"]
    )
    assert len(heard) == 1


def test_a_run_names_its_place_in_weights_and_biases(monkeypatch, tmp_path):
    for name in ("PROJECT", "NAME", "ENTITY", "TAGS"):
        monkeypatch.setenv(f"WANDB_{name}", "of the server")
    tracking.prepare(["wandb"], tmp_path, "run", {"project": "theirs", "tags": ["a", "b"]})
    assert [os.environ[f"WANDB_{n}"] for n in ("PROJECT", "TAGS", "ENTITY", "NAME")] == ["theirs", "a,b", "of the server", "of the server"]
