"""A chat template of one's own: chosen, edited, and seen at work beside the editor while it is written."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, free_port, running
from tests.browser.test_journey import LONG
from tests.browsing import go, train_step
from tests.conftest import chat_rows, write_rows
from tuner.data.store import store
from tuner.paths import Workspace


@pytest.fixture
def page(tmp_path, browser):
    home = tmp_path / "home"
    ws = Workspace(home, machine=home / "machine").prepare()
    store.add(ws, write_rows(tmp_path / "sums.jsonl", chat_rows(30)), held_out=0.2)
    with running(home, port=free_port()) as app:
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto(app.url)
        go(page, "Train")
        train_step(page, "settings", "goal")
        yield page
        page.close()
    end_all(tmp_path)


def choose(page, name: str) -> None:
    page.locator("#setting-chat_template input").click()
    page.get_by_role("option", name=name).click()


def test_a_template_is_edited_with_its_preview(page):
    code, preview = page.locator("#template-code .cm-content"), page.locator("#template-preview")
    expect(page.locator("#setting-chat_template .ts-chip")).to_be_visible(timeout=LONG)
    expect(page.locator("#template-panel")).to_be_hidden()
    choose(page, "Custom")
    expect(code).to_contain_text("for message in messages", timeout=LONG)
    expect(preview.locator(".ts-token.learnt").first).to_be_visible(timeout=LONG)
    code.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("Ahoy. ")
    expect(preview.locator(".ts-tokens")).to_contain_text("Ahoy.", timeout=LONG)
    page.keyboard.press("Control+End")
    page.keyboard.type("\n{{ nope.x }}")
    expect(preview).to_contain_text("line 2: 'nope' is undefined", timeout=LONG)
    expect(preview.locator(".ts-token")).to_have_count(0)
    box, screen = page.locator("#template-panel").bounding_box(), page.viewport_size["width"]
    assert box["x"] >= 0 and box["x"] + box["width"] <= screen and box["height"] < 1500
    assert preview.bounding_box()["y"] > code.bounding_box()["y"], "below the editor on a phone"
    page.locator("#setting-epochs input").focus()  # leaving the editor plans anew
    expect(page.locator("#setting-chat_template .ts-field-error")).to_contain_text("line 2", timeout=LONG)
    expect(page.locator("#start-training")).to_be_disabled()
    code.click()
    page.keyboard.press("Control+End")
    for _ in "\n{{ nope.x }}":
        page.keyboard.press("Backspace")
    page.locator("#setting-epochs input").focus()
    expect(page.locator("#plan-rows")).to_contain_text("replaces the model's own", timeout=LONG)
    expect(page.locator("#start-training")).to_be_enabled()
    page.reload()
    train_step(page, "settings", "goal")
    expect(code).to_contain_text("Ahoy.", timeout=LONG)
    expect(preview.locator(".ts-tokens")).to_contain_text("Ahoy.", timeout=LONG)
    page.locator("#setting-chat_template .ts-reset").click()
    expect(page.locator("#template-panel")).to_be_hidden(timeout=LONG)
