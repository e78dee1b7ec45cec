"""The page's own logic, without a browser: what is escaped, remembered, drawn; the form loses no setting."""

import gradio as gr
import pytest

from tuner import devices, runs
from tuner.errors import NotAllowedError, Problems, SettingError
from tuner.planning import model_suggestions
from tuner.runs.run_status import RunStatus
from tuner.settings import parsing, run_config
from tuner.settings.run_config import Settings
from ui import layout, text
from ui.components import html
from ui.data_views import rows_view
from ui.data_views.upload import UploadView
from ui.run_views import overview
from ui.session import AppContext, Session
from ui.train_views import form
from ui.train_views.command import command

NASTY = '<img src=x onerror="alert(1)">'


class Request:
    def __init__(self, session):
        self.session_hash = session


def test_what_comes_from_people_data_and_models_is_escaped():
    row = {"row": 1, "held_out": False, "value": {"messages": [{"role": NASTY, "content": NASTY}], NASTY: NASTY}}
    for drawn in (
        html.bad(NASTY),
        html.good(NASTY),
        rows_view.draw([row]),
        html.table([NASTY], [[NASTY]]),
        html.log(NASTY),
        html.code(f"`{NASTY}` {NASTY}"),
        html.strip(NASTY, 1, 2, []),
        html.trouble(SettingError(NASTY, remedy=NASTY)),
        html.trouble(ValueError(NASTY)),
    ):
        assert "<img" not in drawn and "&lt;img" in drawn


def test_errors_stand_beside_their_fields():
    with pytest.raises(Problems) as raised:
        parsing.parse({"epochs": 0, "lora_rank": 0, "seed": -1})
    assert set(html.field_errors(raised.value)) == {"epochs", "lora_rank", "seed"}
    states = form.with_errors({}, {"epochs": 0}, html.field_errors(raised.value))
    assert "above 0" in states["epochs"]["error"] and states["epochs"]["by"] == "you" and not states["beta"]["error"]


VALUES = {str: "x", int: 3, float: 0.25, bool: True}


@pytest.mark.parametrize("name", [n for n in run_config.FIELDS if n not in form.OWN])
def test_a_setting_goes_through_its_widget_and_back(name):
    form.widget(name)
    named = ["chatml"] if name == "chat_template" else run_config.choices(name)  # a template of one's own is in an editor
    value = (named or [VALUES[run_config.base_type(name)]])[0]
    for v in (value, False if run_config.base_type(name) is bool else None):
        assert form.read(name, form.show(name, v)) == v


def test_lists_and_numbers_survive_the_form_and_the_command_line():
    assert form.read("lora_targets", form.show("lora_targets", ["q", "v"])) == form.read("lora_targets", "q v") == ["q", "v"]
    line = command(
        {"model": "starter", "data": "a b@1", "learning_rate": 1e-4, "lora_targets": ["q", "v"], "packing": False, "method": "full"},
        "quick",
    )
    import shlex

    parts = shlex.split(line)
    pairs = [parts[i + 1] for i, p in enumerate(parts) if p == "-s"]
    assert parsing.from_pairs(pairs) == {"learning_rate": 1e-4, "lora_targets": ["q", "v"], "packing": False}
    assert parts[parts.index("--data") + 1] == "a b@1" and parts[parts.index("--method") + 1] == "full"


def test_a_browser_may_have_kept_anything():
    assert Session.read(None) == Session.read(7) == Session.read({"tab": 5, "nonsense": 1}) == Session()
    assert Session.read(Session(tab="runs").with_(run="a")) == Session(tab="runs", run="a")


def test_a_guest_names_no_model_by_its_path(tmp_path):
    house, one = AppContext(tmp_path, tmp_path / "machine", guest=True), Request("one")
    ws = house.workspace(one)
    (ws.runs / "mine").mkdir(parents=True)
    for free in ("starter", "mine"):
        house.require_model(ws, free, one)
    for path in ("/", str(tmp_path), "..", "../../..", "mine/", ".", "owner/name", "", "None"):
        with pytest.raises(NotAllowedError):
            house.require_model(ws, path, one)


def _built(house) -> UploadView:
    with gr.Blocks():
        return UploadView(house)


def test_guests_are_apart_and_the_password_opens_one_visit(tmp_path):
    house = AppContext(tmp_path, tmp_path / "machine", guest=True, password="sesame")
    one, two = Request("one"), Request("two")
    assert house.workspace(one).root != house.workspace(two).root
    with pytest.raises(NotAllowedError):
        house.require_own(one)
    assert not house.unlock(one, "barley") and house.unlock(one, "sesame")
    house.require_own(one)
    with pytest.raises(NotAllowedError):
        house.require_own(two)
    found = [way for way in _built(house).ways() if way.inputs]
    ways, inputs = {w.inputs[0].elem_id: w.work for w in found}, {w.inputs[0].elem_id: w.inputs for w in found}
    for hidden in ("path", "hub-id"):
        with pytest.raises(NotAllowedError):
            ways[hidden](house.workspace(two), "/etc/passwd", *[""] * (len(inputs[hidden]) - 1))
    house.leave(one)
    assert house.workspace(two).root != tmp_path and not house.may_bring_own(one)
    at_home = AppContext(tmp_path)
    at_home.require_own(one)
    assert at_home.workspace(one).owner == "me"
    at_home.leave(one)
    assert at_home.home.exists()


def test_every_state_of_a_run_has_its_sentence():
    assert set(runs.SENTENCES) == {*runs.LIVE, *runs.ENDED}
    assert all(text.text(f"runs-state-{state}") for state in runs.SENTENCES)


@pytest.mark.parametrize(("before", "after", "said"), [(14.6, 5.0, "66% lower"), (2.0, 2.4, "20% higher"), (2.0, 2.0, "unchanged")])
def test_a_loss_is_said_without_a_verdict(house, before, after, said):
    """German data on the English starter: the loss fell from 14.6 to 5.0, and the answers were gibberish."""
    run = house.run(house.lora)
    document = run.status.document | {"baseline": {"eval_loss": before}, "best": {"eval_loss": after}}
    found = run.with_status(RunStatus.from_json(document))
    (told,) = overview.verdict(found)
    assert said in told and "not how good its own answers are" in told and "better" not in told


def test_settings_are_shown_only_where_they_mean_something():
    told = Settings(objective="preference", method="lora", preference_loss="sigmoid")
    assert form.matters("beta", told) and not form.matters("beta", told.replace(objective="chat"))
    assert not form.matters("label_smoothing", told) and form.matters("label_smoothing", told.replace(preference_loss="robust"))
    assert not form.matters("precompute_reference", told.replace(preference_loss="orpo"))


def test_no_container_is_told_that_an_answer_is_on_its_way(tmp_path):
    """Gradio copies the state of everything within it, at the begin and the end of each event of the page: 0.3 s a click."""
    page = layout.build(AppContext(tmp_path / "home", tmp_path / "machine"))
    told = {f.api_name: f.show_progress_on or f.outputs for f in page.fns.values() if f.fn is not None}
    assert told and [name for name, parts in told.items() if not all(isinstance(c, gr.components.Component) for c in parts)] == []
    chats = [f for f in page.fns.values() if any(isinstance(c, gr.Chatbot) for c in f.outputs)]
    assert chats and all(any(isinstance(c, gr.Chatbot) for c in f.show_progress_on) for f in chats), "their dots"


def test_the_page_is_built_without_measuring_anything(tmp_path, monkeypatch):
    """A second of its start: the processor's speed, and the largest model that fits, are found when Home is looked at."""

    def measured(*_):
        raise AssertionError("measured while the page was being built")

    monkeypatch.setattr(devices.detection, "cpu_tflops", measured)
    monkeypatch.setattr(devices.detection, "_nvml_cards", measured)  # the library for NVIDIA's cards takes a quarter of a second to import
    monkeypatch.setattr(model_suggestions, "_largest", measured)
    page = layout.build(AppContext(tmp_path / "home", tmp_path / "machine"))
    (home,) = [c["props"]["value"] for c in page.config["components"] if c["props"].get("elem_id") == "home-machine"]
    assert 'data-part="machine"' in home and (page._queue.max_size, page._queue.default_concurrency_limit) == (1000, 8)
