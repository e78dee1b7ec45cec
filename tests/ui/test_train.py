"""The form of the Train page without a browser: what was chosen, what is Auto, what a press of a button changes, YAML in and out."""

import json
from html import unescape

import gradio as gr
import pytest
import yaml

from tests.conftest import chat_rows, write_rows
from tuner import devices
from tuner.data.store import store
from tuner.data.versions import new_version
from tuner.errors import SettingError
from tuner.jobs import training
from tuner.planning import model_list
from tuner.settings import parsing, presets
from ui.components import html
from ui.pages import train
from ui.pages.train import TrainPage
from ui.session import AppContext
from ui.train_views import acts, form, model_view, yaml_view
from ui.train_views.draft import Draft


class Request:
    session_hash = "one"
    headers: dict = {}


@pytest.fixture
def page(ws):
    with gr.Blocks():
        return TrainPage(AppContext(ws.home, ws.machine), gr.BrowserState({}))


def by_name(page, values: list) -> dict:
    return dict(zip(page.shown, values, strict=True))


def edited(page, draft: Draft, states: dict, template: str = "", acts_=(), **entered) -> list:
    """The page after a person wrote `entered` into a form that showed `states`, and pressed what does `acts_`."""
    raw = [entered.get(n, states[n]["value"]) for n in page.widgets]
    fields = json.dumps({"fields": states, "asked": 7, "acts": list(acts_)})
    form_ = [draft.model, draft.data, draft.preset, draft.name, draft.anyway, template, *raw]
    return page.on_plan(draft.as_json(), fields, "asked", Request(), *form_)


# --- the draft ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored", [None, 7, [], "x", {"chosen": 5}, {"chosen": {"nonsense": 1, "model": "x"}, "model": 5, "anyway": "yes"}]
)
def test_a_browser_may_have_kept_anything(stored):
    assert Draft.read(stored) == Draft()


def test_a_draft_survives_the_browser():
    draft = Draft("m", "d@1", "quick", "mine", True, {"epochs": 2.0, "lora_targets": ["q", "v"]})
    assert Draft.read(json.loads(json.dumps(draft.as_json()))) == draft


def test_what_differs_from_what_was_shown_is_a_choice_and_the_rest_stays_auto():
    shown = {"epochs": 3.0, "lora_rank": 16, "max_steps": None, "packing": False, "lora_targets": "all-linear"}
    same = Draft().edited(shown, {**shown, "max_steps": 0, "beta": 5}.items())
    assert same.chosen == {}, "an empty number field says 0 while it is mounted, and one that shows nothing yet was not filled in"
    changed = Draft().edited(shown, {**shown, "epochs": 5, "packing": True, "lora_targets": "q v"}.items())
    assert changed.chosen == {"epochs": 5, "packing": True, "lora_targets": ["q", "v"]}
    emptied = changed.edited({**shown, "epochs": 5}, {**shown, "epochs": None}.items())
    assert "epochs" not in emptied.chosen
    fixed = Draft().edited({**shown, "epochs": "written"}, shown.items())
    assert fixed.chosen == {"epochs": 3.0}, "who writes the value that Auto has fixes it"


def test_resets_of_one_setting_of_the_presets_and_of_all():
    draft = Draft(chosen={"epochs": 5, "seed": 1, "lora_rank": 64})
    assert draft.reset("seed").chosen == {"epochs": 5, "lora_rank": 64}
    own = presets.load("balanced").settings
    assert set(draft.reset("preset", presets.load("balanced")).chosen) == set(draft.chosen) - set(own)
    assert draft.reset("all").chosen == {} and draft.reset("nothing like that") == draft


def test_the_next_run_begins_without_the_choices_of_the_last():
    draft = Draft("m", "a@1", "quick", "first", True, {"objective": "text", "packing": False})
    assert draft.next(data="b@1") == Draft("m", "b@1", "quick", "", False, {})


# --- presses --------------------------------------------------------------------------------------------------------------


def test_a_press_sets_or_resets(ws):
    draft = Draft(chosen={"epochs": 5})
    assert acts.apply(draft, json.dumps({"set": {"max_length": 64, "model": "other"}}), ws) == Draft(
        "other", chosen={"epochs": 5, "max_length": 64}
    )
    assert acts.apply(draft, acts.reset("epochs"), ws).chosen == {}
    assert acts.apply(draft, acts.draft_act(Draft(name="other")), ws) == Draft(name="other")


@pytest.mark.parametrize("value", [None, "", "[]", "{", "5", '{"set": 5}', '{"set": {"nonsense": 1}}', '{"reset": 5}', '{"draft": 5}'])
def test_what_no_button_of_ours_wrote_changes_nothing(ws, value):
    draft = Draft(chosen={"epochs": 5})
    assert acts.apply(draft, value, ws) == draft


# --- what is shown --------------------------------------------------------------------------------------------------------


def test_fields_show_the_values_that_will_be_used_and_who_decided_them(ws, data, page):
    draft = Draft(data=data.ref, chosen={"epochs": 2.0})
    shown = by_name(page, page.plan(ws, draft, None))
    states = json.loads(shown[page.fields])["fields"]
    plan, *_ = training.prepare(ws, draft.request(), preset=draft.preset)
    for name, state in states.items():
        value = draft.chosen.get(name, getattr(plan.settings, name))
        assert state["value"] == form.show(name, value), name
    assert (states["epochs"]["by"], states["epochs"]["chip"]) == ("you", "Your choice")
    assert states["lora_rank"]["chip"] == "Preset" and states["max_length"]["chip"] == "Auto" and states["max_length"]["why"]
    assert states["beta"]["off"] and not states["lora_rank"]["off"], "what has no effect is not shown"
    assert shown[page.start]["interactive"] and shown[page.problems] == ""


def test_errors_stand_beside_their_fields_and_the_start_is_closed(ws, data, page):
    draft = Draft(data=data.ref)
    states = json.loads(by_name(page, page.plan(ws, draft, None))[page.fields])["fields"]
    wrong = by_name(page, page.plan(ws, draft.with_settings({"epochs": -2.0}), None, "resolved"))
    assert wrong[page.yaml.yaml].startswith("# Resolved once"), "no old value stands for a new one"
    shown = by_name(page, edited(page, draft, states, epochs=-2, lora_targets="banana"))
    after = json.loads(shown[page.fields])
    assert "above 0" in after["fields"]["epochs"]["error"] and after["fields"]["epochs"]["held"] and after["answered"] == 7
    assert not shown[page.start]["interactive"] and 'data-field="setting-epochs"' in shown[page.problems]
    assert after["fields"]["lora_rank"]["value"] == 16, "the others show what they showed"
    shown = by_name(page, edited(page, draft, states, lora_targets="banana"))
    told = json.loads(shown[page.fields])["fields"]["lora_targets"]["error"]
    assert "banana" in told and "all-linear, q, k, v, o" in told, "what 'these' are is said"
    assert json.loads(shown[page.draft and page.fields])["fields"]["lora_targets"]["value"] == "banana"


def test_without_data_nothing_is_wrong_yet_and_nothing_can_start(ws, page):
    shown = by_name(page, page.open(ws, Draft(), None))
    assert "Import a dataset" in shown[page.about_data] and "ts-bad" not in shown[page.problems]
    assert not shown[page.start]["interactive"]


def test_rows_that_would_be_lost_close_the_start_until_they_are_accepted(ws, tmp_path, page):
    rows = chat_rows(40)
    for row in rows[:8]:
        row["messages"][0]["content"] = "word " * 300  # the answer begins after the maximum length
    ds = store.add(ws, write_rows(tmp_path / "long.jsonl", rows), held_out=0.1)
    draft = Draft(data=ds.ref, preset=None, chosen={"max_length": 128})
    training.prepare(ws, draft.request())  # all rows are counted
    shown = by_name(page, page.plan(ws, draft, None))
    assert not shown[page.start]["interactive"] and "accept_lost_rows" in shown[page.problems]
    accepted = by_name(page, page.plan(ws, draft.with_settings({"accept_lost_rows": True}), None))
    assert accepted[page.start]["interactive"] and not accepted[page.problems]


def test_an_older_version_of_a_dataset_is_trained_on_when_it_was_chosen(ws, data, page):
    newer = new_version.edit(ws, data.ref, {3: None})
    assert newer.ref != data.ref
    shown = by_name(page, page.open(ws, Draft(data=data.ref), None))
    assert shown[page.draft]["data"] == shown[page.data]["value"] == data.ref
    assert [ref for _, ref in shown[page.data]["choices"]] == [newer.ref, data.ref] and "version 1" in shown[page.data]["choices"][1][0]
    assert by_name(page, page.open(ws, Draft(data="gone@1"), None))[page.draft]["data"] == newer.ref


@pytest.mark.parametrize("fields", [None, "", "{", "[]", '{"fields": 5}', '{"fields": {"epochs": 5}}'])
def test_a_changed_document_of_the_form_is_no_harm(ws, data, page, fields):
    assert by_name(page, page.plan(ws, Draft(data=data.ref), fields))[page.start]["interactive"]


def test_what_is_available_is_listed_only_where_the_remedy_names_none_of_it():
    error = SettingError("No banana.", asked="banana", available=["q", "k"], remedy="Choose among these.", field="lora_targets")
    assert html.sentence_of(error.as_dict()) == "No banana. Choose among these. Available: q, k."
    named = SettingError("No fp16.", asked="fp16", available=["bf16", "fp32"], remedy="Choose bf16.", field="precision")
    assert html.sentence_of(named.as_dict()) == "No fp16. Choose bf16."


def test_what_is_pressed_is_done_in_its_order_and_leaves_what_is_being_written(ws, data, page):
    draft = Draft(data=data.ref, name="mine", chosen={"epochs": 5.0, "lora_rank": 5000})
    states = json.loads(by_name(page, page.plan(ws, draft, None))[page.fields])["fields"]
    presses = [acts.reset("epochs"), acts.reset("lora_rank"), json.dumps({"set": {"lora_rank": 8}})]
    shown = by_name(page, edited(page, draft, states, acts_=presses, seed=7))
    assert shown[page.draft]["chosen"] == {"lora_rank": 8, "seed": 7}
    fields = json.loads(shown[page.fields])["fields"]
    assert {n for n, s in fields.items() if s["held"]} == {"seed"} and fields["lora_rank"]["value"] == 8
    assert shown[page.name] == shown[page.data] == shown[page.model.model] == shown[page.presets.preset] == gr.skip()
    other = by_name(page, edited(page, draft, states, acts_=[acts.draft_act(Draft(data=data.ref, preset="quick", name="other"))]))
    assert other[page.name] == "other" and other[page.presets.preset]["value"] == "quick" and other[page.data] == gr.skip()


# --- YAML -----------------------------------------------------------------------------------------------------------------


def test_yaml_out_is_yaml_in(ws, data):
    draft = Draft(data=data.ref, chosen={"epochs": 2.0, "lora_targets": ["q", "v"], "packing": False})
    asked = yaml_view.loaded(Draft(chosen={"seed": 1}), parsing.read_yaml(yaml_view.as_yaml(draft, None), "YAML"))
    assert asked == draft, "and what was chosen before is gone"
    plan, *_ = training.prepare(ws, draft.request(), preset=draft.preset)
    resolved = yaml_view.loaded(Draft(preset=None), parsing.read_yaml(yaml_view.as_yaml(draft, plan), "YAML"))
    again, *_ = training.prepare(ws, resolved.request(), preset=None)
    assert again.settings == plan.settings, "every setting resolved plans the same run without a preset"


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1, 2]", "not a list of names"), ("a: [", "can't be read"), ("nonsense: 1", "no setting called"), ("epochs: -1", "can't be")],
)
def test_wrong_yaml_says_what_is_wrong_and_changes_nothing(ws, page, text, said):
    kept, told = page.yaml.on_text(text, Draft().as_json(), Request())
    assert said in unescape(told) and kept == gr.skip()


def test_a_config_of_another_tool_is_taken_and_what_is_left_is_said(ws, data, page):
    written = "model_name_or_path: starter\nfinetuning_type: lora\nlora_target: all\nlora_rank: 8\ndataset: support\nnum_train_epochs: 2"
    act, told = page.yaml.on_text(written, Draft(data=data.ref).as_json(), Request())
    draft = acts.apply(Draft(), act, ws)
    assert draft.chosen == {"method": "lora", "lora_targets": "all-linear", "lora_rank": 8, "epochs": 2} and draft.data == data.ref
    assert "Read as a config of LLaMA-Factory" in told and "dataset was not taken" in told and 'lang="en"' in told


def test_the_documents_of_yaml_are_plain(ws, data):
    assert yaml.safe_load(yaml_view.as_yaml(Draft(data=data.ref), None)) == {"model": "starter", "data": data.ref, "preset": "balanced"}


# --- models ---------------------------------------------------------------------------------------------------------------


def test_the_list_of_models_says_what_fits_by_which_method():
    small, large = model_list.offers(devices.hypothetical(8 * 10**9)), model_list.offers(devices.hypothetical(80 * 10**9))
    fits = {o.id: (o.fits, o.method) for o in small}
    assert [o.parameters for o in small] == sorted(o.parameters for o in small)
    assert fits["Qwen/Qwen2.5-0.5B-Instruct"] == ("fits", "lora") and fits["Qwen/Qwen3-32B"] == ("no", None)
    assert {"qlora"} <= {m for _, m in fits.values()} and sum(o.method is not None for o in large) > sum(
        o.method is not None for o in small
    )
    there = model_list.offers(devices.hypothetical(8 * 10**9), there=frozenset({"Qwen/Qwen3-4B"}))
    assert there[0].id == "Qwen/Qwen3-4B" and there[0].download == 0
    drawn = model_view.model_table(there, "Qwen/Qwen3-4B")
    assert 'aria-pressed="true"' in drawn and "on this computer" in drawn and "Gated" in drawn and "Doesn&#x27;t fit" in drawn


def test_the_script_knows_each_field_in_the_order_of_the_widgets(page):
    names = json.loads(train.script().partition("window.tunesmithFields = ")[2].partition(";")[0])
    assert names == list(page.widgets)


def test_the_summary_names_the_model_and_the_data_it_is_of(page, ws, data):
    summary = by_name(page, page.plan(ws, Draft(data=data.ref), None))[page.summary]
    assert "Starter" in summary and f"{data.name} · version 1" in summary and " training, " in summary
    assert "plan-card" not in by_name(page, page.plan(ws, Draft(), None))[page.summary], "without data there is nothing to count"


def test_a_broken_yaml_says_where(ws):
    with pytest.raises(SettingError, match=r"Line 3, column 7: expected .* \(begun in line 2\)"):
        parsing.read_yaml("epochs: 3\nlora_targets: [q, k\nmethod: lora\n", "The text")


def test_languages_of_a_model_are_listed_and_many_in_short():
    assert model_view.spoken(("en",)) == "en" and model_view.spoken(()) == ""
    assert model_view.spoken(tuple("abcdefg")) == "a, b, c, d and 3 more"
