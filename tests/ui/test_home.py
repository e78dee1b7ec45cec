"""Home, Settings and the strip, without a browser: cards of recent runs, what this machine can do, the time left."""

from types import SimpleNamespace

import pytest

from tests.ui.test_ui import Request
from tuner import runs
from tuner.planning import model_suggestions
from ui.components import html, machine, units
from ui.pages import home
from ui.pages.settings import SettingsPage
from ui.session import AppContext
from ui.text import text


@pytest.mark.parametrize("state", [*runs.LIVE, *runs.ENDED])
def test_a_recent_run_is_a_card_with_its_state_in_a_word(state, ws, monkeypatch):
    run = made(ws, state)
    drawn = home.last_runs([run])
    assert text(f"runs-state-{state}") in drawn and '<svg class="ts-icon"' in drawn and f'href="runs?run={run.id}"' in drawn
    assert "validation loss 1.234" in drawn and 'data-page="chat"' not in drawn, "no model, no chat"
    (run.path / "model").mkdir()
    assert f'href="chat?model={run.id}"' in home.last_runs([run]) and f'href="export?run={run.id}"' in home.last_runs([run])
    assert "<b>" not in home.last_runs([made(ws, state, name="<b>x</b>")]) and home.last_runs([]) == ""


def made(ws, state: str, name: str = "pirate") -> runs.Run:
    plan = {"settings": {"method": "lora", "objective": "chat"}, "model": {"name": "starter"}, "reasons": []}
    run = runs.create(ws, {"model": "starter", "data": "x@1"}, plan, name=name)
    return runs.read(run.path, runs.write_status(run.path, state=state, best={"eval_loss": 1.234, "step": 1}))


def test_the_strip_leads_to_its_runs_and_says_how_long_they_take(ws):
    names = ["p" * 80, "<i>", "c", "d", "e"]
    found = [made(ws, "running", name) for name in names]
    status = runs.write_status(found[0].path, state="running", progress={"step": 62, "steps": 100, "eta_seconds": 240.0})
    found[0] = runs.read(found[0].path, status)
    drawn = html.strip("NVIDIA RTX 4070", int(8.1e9), 12 * 10**9, found)
    assert "8.1 GB of 12 GB free" in drawn and "62%, 4 min left" in drawn and f'href="runs?run={found[0].id}"' in drawn
    assert f'title="{names[0]}"' in drawn and "<i>" not in drawn and "2 more runs" in drawn and drawn.count("ts-pill live") == 3


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (0.2, "1 sec", "1 Sek."),
        (45, "45 sec", "45 Sek."),
        (240, "4 min", "4 Min."),
        (5400, "1.5 hr", "1,5 Std."),
        (5 * 86400, "5 days", "5 Tg."),
    ],
)
def test_durations_in_both_languages(seconds, english, german, monkeypatch):
    assert units.duration(seconds) == english
    monkeypatch.setenv("TUNESMITH_LANGUAGE", "de")
    assert units.duration(seconds) == german


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (360, 540, "6–9 min"),
        (400, 410, "7 min"),
        (50, 180, "50 sec – 3 min"),
        (0, 0.2, "1 sec"),
        (5000, 9000, "83 min – 2.5 hr"),
        (60, 60, "60 sec"),
    ],
)
def test_a_span_of_time(low, high, said):
    assert units.span(low, high) == said


def test_home_and_settings_say_the_same_of_this_machine(tmp_path):
    line = machine.line()
    found = model_suggestions.this_machine()
    assert found.recommended.id in line and all(id in line for id in found.largest.values())
    page = SettingsPage.__new__(SettingsPage)
    page.context = AppContext(tmp_path)
    page.notices = SimpleNamespace(shown=[], values=lambda request: [])
    shown = page.show(Request("one"))
    assert line in shown[1] and shown[0] == "en"


def test_a_card_that_pytorch_can_not_use_is_told(monkeypatch):
    monkeypatch.setattr(machine.devices, "gpu_without_torch", lambda: "pip install torch --index-url X")
    assert "pip install torch --index-url X" in machine.without_torch()
    monkeypatch.setattr(machine.devices, "gpu_without_torch", lambda: None)
    assert machine.without_torch() == ""


def test_a_look_at_home_decides_nothing_anew(monkeypatch):
    """Each browser looks once a second while a run is under way."""
    said = machine.line()

    def anew(*_, **__):
        raise AssertionError("worked out again")

    monkeypatch.setattr(model_suggestions, "training_seconds", anew)
    monkeypatch.setattr(model_suggestions, "fits", anew)
    assert machine.line() == said
