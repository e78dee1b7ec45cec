"""What a person does in the Chat page: ask, stop, regenerate, edit, compare with another run, rate; and its empty state."""

import os
import re
import shutil
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browser.test_runs import choose
from tests.browsing import ANSWER, SEND, STOP, go, here
from tests.conftest import until
from tuner.jobs import queue
from tuner.labels import feedback
from tuner.paths import Workspace

FIGURES = re.compile(r"\d+ tokens? in · \d+ out( · [\d.]+ tokens/s)?")


@pytest.fixture(scope="module")
def filled(tmp_path_factory, house):
    """The app over a copy of a workspace with two finished runs."""
    place = tmp_path_factory.mktemp("chats")
    shutil.copytree(house.ws.home, place / "home")
    with running(place / "home") as app:
        yield app, Workspace(place / "home", machine=place / "home" / "machine"), house
    end_all(place)


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


def ask(page, question: str) -> None:
    page.fill("#message textarea", question)
    page.click(SEND)


def both_answered(page, questions: int) -> None:
    for side in ("tuned", "original"):
        expect(page.locator(f"#chat-{side} {ANSWER}")).to_have_count(questions, timeout=LONG)
        expect(page.locator(f"#chat-{side} .thought-group")).to_have_count(questions, timeout=LONG)
    expect(page.locator(SEND)).to_be_visible(timeout=LONG)


def test_ask_stop_regenerate_and_begin_anew(filled, page):
    app, ws, house = filled
    page.goto(app.url)
    go(page, "Chat")
    choose(page, "#who", "^whole")
    expect(page.locator("#chat-about")).to_contain_text("second complete model", timeout=LONG)
    expect(page.locator("#chat-parameters")).not_to_be_visible()
    page.click("#chat-parameters-open")
    expect(page.locator("#chat-parameters-open")).to_have_attribute("aria-expanded", "true")
    page.get_by_label("System prompt").fill("Answer in capitals.")
    page.fill("#message textarea", "What is 2 plus 2?")
    page.keyboard.press("Enter")
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_contain_text(re.compile(r"\w"), timeout=LONG)
    both_answered(page, 1)
    for side in ("tuned", "original"):
        expect(page.locator(f"#chat-{side} .thought-group")).to_have_text(FIGURES)
    page.locator("#chat-tuned").get_by_role("button", name="Retry").click()
    page.wait_for_timeout(1500)
    both_answered(page, 1)
    expect(page.locator("#chat-tuned .user")).to_have_count(1)
    choose(page, "#compare-with", "^None")
    expect(page.locator("#chat-original")).not_to_be_visible(timeout=LONG)
    for pid in queue.sharing(ws.machine_folder(), "cpu"):
        os.kill(pid, signal.SIGKILL)  # the model has to be loaded again: time enough to stop, which the starter's short answers are not
    ask(page, "Tell me a story.")
    expect(page.locator("#chat-status")).to_contain_text("Loading the model", timeout=LONG)
    page.fill("#message textarea", "typed while it answers")
    page.click(STOP)
    expect(page.locator("#chat-status")).to_contain_text("Stopped", timeout=LONG)
    expect(page.locator(SEND)).to_be_visible()
    expect(page.locator("#message textarea")).to_have_value("typed while it answers")
    page.wait_for_timeout(8000)  # once the model is there, nothing of the stopped question comes
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_have_count(1)
    page.click(SEND)
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_have_count(2, timeout=LONG)
    expect(page.locator("#chat-tuned .user")).to_have_text([re.compile("2 plus 2"), re.compile("typed while")])
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_have_count(0, timeout=LONG)
    expect(page.locator("#feedback")).not_to_be_visible()


def test_another_run_beside_it_and_a_question_in_other_words(filled, page):
    app, ws, house = filled
    page.goto(f"{app.url}/chat?model={house.lora}")
    choose(page, "#compare-with", "^whole")
    expect(page.locator("#chat-original")).to_contain_text("whole", timeout=LONG)
    page.locator("#chat-tuned button.example").first.click()  # a question to try
    both_answered(page, 1)
    ask(page, "What is 3 plus 3?")
    both_answered(page, 2)
    page.locator("#chat-original").get_by_role("button", name="Edit").first.click()
    page.locator("#chat-original textarea").fill("What is 5 plus 1?")
    page.locator("#chat-original").get_by_role("button", name="Submit").click()
    expect(page.locator("#chat-tuned .user")).to_have_count(1, timeout=LONG)
    expect(page.locator("#chat-tuned .user")).to_have_text(re.compile("5 plus 1"))
    both_answered(page, 1)
    page.reload()
    expect(page.locator("#compare-with input")).to_have_value("whole", timeout=LONG)
    expect(page.locator("#chat-original .user")).to_have_text(re.compile("5 plus 1"), timeout=LONG)
    choose(page, "#compare-with", "^Base model")
    expect(page.locator("#chat-original .user")).to_have_count(0, timeout=LONG)


def test_a_rating_lands_among_the_labels_with_its_reason(filled, page):
    app, ws, house = filled
    page.goto(f"{app.url}/chat?model={house.lora}")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_have_count(0, timeout=LONG)
    expect(page.locator("#feedback")).not_to_be_visible()
    ask(page, "What is 1 plus 1?")
    both_answered(page, 1)
    page.locator("#chat-tuned").get_by_role("button", name="Dislike").locator("visible=true").click()
    expect(page.locator("#feedback-told")).to_contain_text("Not kept", timeout=LONG)
    page.get_by_role("button", name="Feedback on answers").click()
    page.get_by_label("Keep feedback").check()
    expect(page.locator("#feedback-told")).to_contain_text("from now on", timeout=LONG)
    page.locator("#chat-tuned").get_by_role("button", name="Like", exact=True).locator("visible=true").click()
    expect(page.locator("#feedback-told")).to_contain_text("good answer", timeout=LONG)
    page.locator("#chat-tuned").get_by_role("button", name="Feedback").locator("visible=true").hover()
    page.locator("#chat-tuned .extra-feedback-option", has_text="Too long").locator("visible=true").click()
    expect(page.locator("#feedback-told")).to_contain_text("bad answer", timeout=LONG)
    (kept,) = until(lambda: [k for k in feedback.kept(ws) if k["good"] is False], 30)
    assert (
        kept["origin"] == {"chat": "tuned", "model": house.lora, "reason": "long"} and kept["prompt"][-1]["content"] == "What is 1 plus 1?"
    )


def test_without_a_model_the_page_says_what_comes_here(app, page):
    page.goto(f"{app.url}/chat")
    expect(page.locator("#chat-empty")).to_contain_text("as soon as a run", timeout=LONG)
    for useless in ("#message", "#who", "#feedback", "#chat-tuned"):
        expect(page.locator(useless)).not_to_be_visible()
    page.get_by_role("link", name="Chat with the starter model").click()
    expect(page.locator("#message")).to_be_visible(timeout=LONG)
    ask(page, "What sound does a cow make?")
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_contain_text(re.compile("moo", re.I), timeout=LONG)
    page.goto(f"{app.url}/chat?model=gone")
    expect(page.locator("#tabs")).to_contain_text("There is no run gone here", timeout=LONG)
    page.get_by_role("link", name="Fine-tune on my data").click()
    expect(here(page)).to_have_text("Data", timeout=LONG)
