"""The Train page and rows in a language that the model does not know: a warning with one click to a model that knows it, never missed."""

import json
import re
from html import unescape
from types import SimpleNamespace

import gradio as gr
import pytest

from tests.conftest import write_rows
from tests.ui.test_train import Request, by_name, page  # noqa: F401 (fixture)
from tuner.data.quality import language
from tuner.data.store import store
from tuner.jobs import training
from ui.train_views import acts, rows_view, summary_view
from ui.train_views.draft import Draft


@pytest.fixture
def german(ws, tmp_path):
    said = "Das Paket ist noch immer nicht da, und niemand konnte mir sagen, wo es ist oder wann es kommt."
    rows = [{"messages": [{"role": "user", "content": "Wo?"}, {"role": "assistant", "content": f"{said} ({i})"}]} for i in range(40)]
    return store.add(ws, write_rows(tmp_path / "german.jsonl", rows), held_out=0.1)


def test_german_rows_for_the_starter_are_a_warning_and_one_click_chooses_a_model_that_knows_it(ws, german, page):  # noqa: F811
    language.of_rows(german)
    shown = by_name(page, page.plan(ws, Draft(data=german.ref), None))
    told = unescape(shown[page.warnings])
    assert "The trained text is in German, and starter knows only English." in told and 'data-field="train-model"' in told
    assert shown[page.start]["interactive"], "it never blocks"
    (act,) = [a for a in map(json.loads, re.findall(r"data-value='?\"?({.*?}})", told)) if "model" in a["set"]]
    chosen = acts.apply(Draft(data=german.ref), json.dumps(act), ws)
    assert chosen.model == act["set"]["model"] != "starter"
    assert "knows only" not in unescape(by_name(page, page.plan(ws, chosen, None))[page.warnings])


def test_a_visitor_who_may_choose_no_other_model_is_offered_none(ws, german):
    language.of_rows(german)
    plan = training.prepare(ws, {"model": "starter", "data": german.ref})[0]
    assert "ts-offer" in summary_view.warnings(plan) and "data-act" not in summary_view.warnings(plan, own_models=False)
    assert "knows only English" in summary_view.warnings(plan, own_models=False)


def test_a_page_that_was_drawn_before_the_classifier_was_there_is_drawn_anew(ws, german, page, monkeypatch):  # noqa: F811
    language._KNOWN.clear()
    loads = iter([True])  # while the plan is made it still loads, a moment later it is there
    monkeypatch.setattr(language, "_loading", lambda: SimpleNamespace(is_alive=lambda: next(loads, False), join=lambda seconds: None))
    shown = by_name(page, page.plan(ws, Draft(data=german.ref), None))
    assert "knows only" not in shown[page.warnings] and language.told(german), "told by what was drawn after the plan"
    pending = shown[page.rows.pending]
    assert pending[rows_view.LANGUAGES]
    *_, (_, counted) = page.rows.on_count(pending, 3, Request())
    assert counted == 4, "which draws the plan anew"
    shown = by_name(page, page.plan(ws, Draft(data=german.ref), None))
    assert "knows only English" in shown[page.warnings] and not (shown[page.rows.pending] or {}).get(rows_view.LANGUAGES)


def test_languages_are_waited_for_without_a_count_too(ws, german, page):  # noqa: F811
    """Of a model that is not on this computer no row is counted."""
    pending = {"model": "HuggingFaceTB/SmolLM2-135M-Instruct", "data": german.ref}
    assert [counted for _, counted in page.rows.on_count(pending, 3, Request())] == [gr.skip()]
    assert [counted for _, counted in page.rows.on_count(pending | {rows_view.LANGUAGES: True}, 3, Request())] == [4]
