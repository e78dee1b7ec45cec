"""A blind test of two runs: its questions, what is refused, and that nothing is left behind by a refusal."""

import shutil

import pytest

from tuner import runs
from tuner.data.store import store
from tuner.errors import RequestError
from tuner.labels import blind_test, generate, projects
from tuner.paths import Workspace


@pytest.fixture
def copied(tmp_path, house):
    """A copy of a workspace with two finished runs."""
    shutil.copytree(house.ws.home, tmp_path / "home")
    return Workspace(tmp_path / "home", machine=tmp_path / "machine").prepare(), house


@pytest.fixture
def asked(monkeypatch) -> list:
    """The requests for pairs; nothing is generated."""
    found = []
    monkeypatch.setattr(generate, "ask", lambda ws, project, request: found.append((project, request)) or "g")
    return found


def test_both_runs_answer_the_same_rows_of_the_first(copied, asked):
    ws, house = copied
    project = blind_test.begin(ws, house.lora, house.full)
    ((where, request),) = asked
    assert where == project and projects.find(ws, project).name == "tuned / whole"
    assert [w.model for w in request.writers] == [house.lora, house.full] and request.writers[0].seed != request.writers[1].seed
    data = store.get(ws, request.data)
    assert data.id == runs.get(ws, house.lora).config["data"].partition("@")[0] and request.limit == blind_test.QUESTIONS
    assert 0 < data.held_out < blind_test.ENOUGH and request.held_out is None, "a few validation rows compare nothing"


def test_enough_validation_rows_are_asked_alone(copied, asked, monkeypatch):
    ws, house = copied
    monkeypatch.setattr(blind_test, "ENOUGH", 2)
    blind_test.begin(ws, house.lora, house.full)
    assert asked[0][1].held_out is True


def test_long_names_still_name_the_project(copied, asked):
    ws, house = copied
    for id in (house.lora, house.full):
        runs.describe(ws, id, name="n" * 70)
    assert len(projects.find(ws, blind_test.begin(ws, house.lora, house.full)).name) <= projects.NAME


def test_what_can_not_be_compared_is_refused_and_leaves_no_project(copied, asked):
    ws, house = copied
    before = [p.id for p in projects.listing(ws)]
    with pytest.raises(RequestError, match="the same run"):
        blind_test.begin(ws, house.lora, house.lora)
    shutil.rmtree(ws.runs / house.full / "model")
    with pytest.raises(RequestError, match="no model yet"):
        blind_test.begin(ws, house.lora, house.full)
    shutil.copytree(ws.runs / house.lora / "model", ws.runs / house.full / "model")
    shutil.rmtree(ws.datasets)
    with pytest.raises(RequestError, match="The data of these runs is gone"):
        blind_test.begin(ws, house.lora, house.full)
    assert [p.id for p in projects.listing(ws)] == before and not asked


def test_a_generation_that_is_refused_leaves_no_project(copied, monkeypatch):
    ws, house = copied
    before = projects.listing(ws)
    monkeypatch.setattr(generate, "ask", lambda *_: (_ for _ in ()).throw(RequestError("No.", asked=1, available=2, remedy="Don't.")))
    with pytest.raises(RequestError, match="No"):
        blind_test.begin(ws, house.lora, house.full)
    assert projects.listing(ws) == before
