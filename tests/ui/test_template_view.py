"""The editor of a chat template on the Train page: what it begins with, that it keeps what is written, and what its preview shows."""

import json
import shlex
import shutil
from dataclasses import replace

import gradio as gr
import pytest

from tests.conftest import chat_rows, write_rows
from tests.ui.test_train import Request, by_name, edited
from tuner import paths
from tuner.data.store import store
from tuner.models.chat_templates import ALPACA, CHATML, PLAIN
from tuner.settings import parsing, presets
from ui.pages.train import TrainPage
from ui.session import AppContext
from ui.train_views import acts, form
from ui.train_views.draft import Draft

OWN = "{% for m in messages %}\n{{ m['role'] + '>' }}{% generation %}{{ m['content'] }}{% endgeneration %}\n{% endfor %}"


@pytest.fixture
def page(ws):
    with gr.Blocks():
        return TrainPage(AppContext(ws.home, ws.machine), gr.BrowserState({}))


@pytest.fixture
def bare(tmp_path):
    """The starter without its template."""
    shutil.copytree(paths.STARTER, tmp_path / "bare", ignore=shutil.ignore_patterns("chat_template.jinja"))
    return str(tmp_path / "bare")


def states_of(shown: dict, page) -> dict:
    return json.loads(shown[page.fields])["fields"]


def opened(page, ws, draft: Draft) -> dict:
    return by_name(page, page.plan(ws, draft, None))


def chosen(page, ws, draft: Draft, template: str = "", choice: str = form.CUSTOM) -> dict:
    """What the page shows after a person chose `choice` while `template` stands in the editor."""
    states = states_of(opened(page, ws, draft), page)
    return by_name(page, edited(page, draft, states, template=template, chat_template=choice))


def test_the_choice_is_the_models_own_a_name_or_ones_own(page):
    values = [value for _, value in page.widgets["chat_template"].choices]
    assert values == ["", "plain", "chatml", "alpaca", "custom"]
    assert form.show("chat_template", OWN) == "custom" and form.show("chat_template", None) == ""
    assert form.show("chat_template", ["a changed draft"]) == "a changed draft"


def test_until_it_is_chosen_there_is_no_editor(ws, data, page):
    for draft in (Draft(data=data.ref), Draft(data=data.ref, chosen={"chat_template": "alpaca"})):
        shown = opened(page, ws, draft)
        assert shown[page.template.panel]["visible"] is False and shown[page.template.editor] == "" and shown[page.template.asked] is None


def test_it_begins_with_the_models_own_template(ws, data, page):
    shown = chosen(page, ws, Draft(data=data.ref))
    own = (paths.STARTER / "chat_template.jinja").read_text()
    assert shown[page.template.panel]["visible"] and shown[page.template.editor] == own
    assert shown[page.draft]["chosen"] == {"chat_template": own} and shown[page.template.asked]["model"] == "starter"
    state = states_of(shown, page)["chat_template"]
    assert state["value"] == "custom" and state["by"] == "you" and "replaces" not in shown[page.warnings]
    assert shown[page.start]["interactive"]


@pytest.mark.parametrize("before, begins", [({}, PLAIN), ({"chat_template": "alpaca"}, ALPACA)])
def test_for_a_model_without_one_it_begins_with_the_one_that_was_chosen(ws, data, page, bare, before, begins):
    assert chosen(page, ws, Draft(model=bare, data=data.ref, chosen=before))[page.template.editor] == begins


def test_what_is_written_is_the_choice_and_stays_in_the_editor(ws, data, page):
    draft = Draft(data=data.ref, chosen={"chat_template": PLAIN})
    shown = chosen(page, ws, draft, template=CHATML)
    assert shown[page.draft]["chosen"] == {"chat_template": CHATML}
    assert shown[page.template.editor] == gr.skip(), "a person writes on in it"
    assert "replaces the model's own" in shown[page.warnings].replace("&#x27;", "'")
    states = states_of(opened(page, ws, draft), page)
    pressed = by_name(page, edited(page, draft, states, template=PLAIN, acts_=[acts.reset("epochs")]))
    assert pressed[page.template.editor] == gr.skip(), "a press that changes another field leaves it"


def test_a_draft_that_comes_from_elsewhere_fills_the_editor(ws, data, page):
    shown = opened(page, ws, Draft(data=data.ref, chosen={"chat_template": OWN}))
    assert shown[page.template.editor] == OWN and shown[page.template.panel]["visible"]


def test_a_template_of_a_preset_stays_the_presets_until_it_is_changed(ws, data, page):
    mine = presets.save(ws, "Mine", {"chat_template": OWN})
    draft = Draft(data=data.ref, preset=mine.name)
    shown = opened(page, ws, draft)
    states = states_of(shown, page)
    assert shown[page.template.editor] == OWN and states["chat_template"]["by"] == "preset" and states["chat_template"]["value"] == "custom"
    for other in ({}, {"preset": "balanced"}):
        after = by_name(page, edited(page, replace(draft, **other), states, template=OWN, epochs=5))
        assert after[page.draft]["chosen"] == {"epochs": 5}, "another field was changed, or the preset"
    after = by_name(page, edited(page, draft, states, template=CHATML))
    assert after[page.draft]["chosen"] == {"chat_template": CHATML}


@pytest.mark.parametrize(
    "written, said", [("{{ nope.x }}", "line 1: 'nope' is undefined"), ("{% if %}", "line 1"), ("no template", "no chat template called")]
)
def test_what_is_wrong_stands_beside_the_field_and_can_be_mended(ws, data, page, written, said):
    shown = chosen(page, ws, Draft(data=data.ref), template=written)
    assert said in states_of(shown, page)["chat_template"]["error"] and not shown[page.start]["interactive"]
    assert shown[page.template.panel]["visible"] and states_of(shown, page)["chat_template"]["value"] == "custom"
    preview = page.template.on_preview(written, shown[page.template.asked], Request())
    assert "ts-bad" in preview and "ts-token" not in preview


def test_in_lists_it_is_short_and_in_yaml_whole(ws, data, page):
    shown = opened(page, ws, Draft(data=data.ref, chosen={"chat_template": OWN}))
    assert "custom (" in shown[page.chosen] and "messages" not in shown[page.chosen]
    assert "chat_template: |" in shown[page.yaml.yaml]
    words = shlex.split(shown[page.yaml.command])
    assert parsing.from_pairs([words[words.index("-s") + 1]]) == {"chat_template": OWN}


# --- the preview ----------------------------------------------------------------------------------------------------------


def previewed(page, template: str, **asked) -> str:
    return page.template.on_preview(template, {"model": "starter", "data": None} | asked, Request())


def test_the_preview_is_drawn_as_the_token_preview_is(ws, tmp_path, page):
    rows = [{"messages": [{"role": "user", "content": f"<b>{i}"}, {"role": "assistant", "content": "Aye"}]} for i in range(20)]
    ds = store.add(ws, write_rows(tmp_path / "rows.jsonl", rows), held_out=0.2)
    drawn = previewed(page, CHATML, data=ds.ref)
    assert 'class="ts-token learnt' in drawn and "Row 1" in drawn and "&lt;" in drawn and "<b>0" not in drawn
    assert "placeholders" not in drawn and "sample conversation" not in drawn


def test_without_a_tokenizer_or_data_it_says_so(page):
    drawn = previewed(page, CHATML, model="nobody/nothing")
    assert "placeholders" in drawn and "sample conversation" in drawn and "&lt;eos&gt;" in drawn and "token None" not in drawn


def test_an_error_is_in_place_of_the_preview_with_its_line(page):
    drawn = previewed(page, "{% for m in messages %}\n{{ m.content | <script> }}{% endfor %}")
    assert "line 2" in drawn and "ts-token" not in drawn and "<script>" not in drawn and 'lang="en"' in drawn


def test_what_a_person_should_know_is_below_it(page):
    assert "add_generation_prompt" in previewed(page, OWN)


def test_while_it_is_not_chosen_nothing_is_previewed(page):
    assert page.template.on_preview(OWN, None, Request()) == gr.skip()


def test_a_row_that_is_left_out_says_why(ws, tmp_path, page):
    system = {"messages": [{"role": "system", "content": "Be kind."}, *chat_rows(1)[0]["messages"]]}
    ds = store.add(ws, write_rows(tmp_path / "some.jsonl", [system, *chat_rows(20)]), held_out=0.2)
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No.') }}{% endif %}"
    assert "system messages" in previewed(page, refuses + CHATML, data=ds.ref)
