"""The tab Evaluation: a scorecard as a person reads it, and the button that makes one."""

import re

import gradio as gr
import pytest

from tuner.scorecard import evaluation
from ui.run_views import scorecard
from ui.run_views.evaluation_view import EvaluationView, newest
from ui.session import AppContext


def interval(value: float, spread: float = 0.1) -> dict:
    return {"value": value, "low": value - spread, "high": value + spread}


CARD = {
    "model": "pirate <1>", "against": "pirate <1>/base", "objective": "chat", "rows": 12, "left_out": 1, "available": 400, "which": "validation",
    "data": "persona@1", "metrics": {"chrf": interval(80.0, 4), "exact_match": interval(0.5)},
    "baseline": {"chrf": interval(60.0, 4), "exact_match": interval(0.45)},
    "difference": {"chrf": interval(20.0, 5) | {"real": True, "better": True}, "exact_match": interval(0.05, 0.2) | {"real": False, "better": False}},
    "verdict": "better", "says": [],
    "changed": [
        {"row": 6, "change": 31.0, "by": "chrf", "question": "What <b>is</b> it?", "reference": "It is salt.", "answer": "It is <i>salt</i>.", "baseline": ""},
    ],
}  # fmt: skip


def words(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def test_a_scorecard_says_what_is_better_and_on_what_it_stands():
    said = words(scorecard.drawn(CARD))
    assert "Better than the base model: chrF" in said and "Exact match" not in said.split("Fewer than 30 rows")[0]
    assert "12 of 400 validation rows of persona@1" in said and "1 row could not be evaluated" in said and "Fewer than 30 rows" in said
    assert "+20 +15 to +25 Better" in said and "+5% −15% to +25% No difference" in said
    assert "Row 7 of the dataset" in said and "no answer" in said


def test_what_a_prompt_alone_does_is_said():
    prompted = {"examples": 2, "metrics": CARD["baseline"], "difference": CARD["difference"]}
    assert "without training, does not reach this" in words(scorecard.drawn(CARD | {"prompted": prompted}))
    even = {name: d | {"real": False} for name, d in CARD["difference"].items()}
    said = words(scorecard.drawn(CARD | {"prompted": prompted | {"difference": even}}))
    assert "may not have been needed" in said and "Base model with 2 examples" in said


def test_what_models_and_people_wrote_is_text():
    drawn = scorecard.drawn(CARD)
    for foreign in ("<1>", "<b>is</b>", "<i>salt</i>"):
        assert foreign not in drawn


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("It is salt.", "It is salt."),
        ("It is sugar.", "It is <mark>sugar</mark>."),
        ("Well, it is salt!", "<mark>Well, it</mark> is salt<mark>!</mark>"),
        ("x & y", "<mark>x</mark> <mark>&amp;</mark> <mark>y</mark>"),
    ],
)
def test_what_the_reference_lacks_is_marked(answer, shown):
    assert scorecard.marked(answer, "It is salt.") == shown


def test_without_another_model_there_is_no_verdict():
    said = words(scorecard.drawn(CARD | {"against": None, "difference": None, "baseline": None, "verdict": None, "changed": []}))
    assert "Better" not in said and "chrF 80 76 to 84" in said


def test_the_button_makes_a_scorecard_and_what_is_wrong_is_said_there(house, monkeypatch):
    monkeypatch.setenv("TUNESMITH_MACHINE", str(house.ws.machine_folder()))
    with gr.Blocks():
        view = EvaluationView(AppContext(house.ws.home, house.ws.machine), gr.Textbox())
    request = gr.Request(username=None)
    steps = list(view.on_start(house.lora, "base", 4, "", "", "", "", request))
    assert len(steps) > 1 and words(steps[-1][1]).count("Better") and steps[-1][0] == "" and steps[0][4]
    assert evaluation.kept(house.ws, house.lora)[0]["rows"] <= 4
    run = house.run(house.lora)
    assert newest(house.ws, run) == steps[-1][1] and view.values(house.ws, run)[view.card] == steps[-1][1]
    for few in (0, -3):
        (wrong,) = view.on_start(house.lora, "base", few, "", "", "", "", request)
        assert "no rows" in words(wrong[0])
    (wrong,) = view.on_start("no-such-run", "base", 4, "", "", "", "", request)
    assert "no-such-run" in words(wrong[0])
