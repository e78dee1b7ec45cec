"""The whole flow by the keyboard alone: a sample, its training, the run, a chat, the export. The mouse is never touched."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import LONG
from tests.browsing import ANSWER, here

WITHIN = 200  # presses of Tab until something must have had the focus


def tab_to(page, wanted: str, key: str = "Tab") -> None:
    """Press Tab until what `wanted` selects has the focus, and see that the focus shows."""
    page.locator(wanted).locator("visible=true").first.wait_for(timeout=LONG)
    for _ in range(WITHIN):
        if page.evaluate("wanted => !!document.activeElement && document.activeElement.matches(wanted)", wanted):
            style = page.evaluate(
                "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).boxShadow"
            )
            assert style != "nonenone", f"{wanted} has the focus and doesn't show it"
            return
        page.keyboard.press(key)
    raise AssertionError(f"{wanted} is never reached by {key}")


def press(page, wanted: str, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def page_of(page, name: str) -> None:
    """Open a page by its link in the side bar."""
    page.keyboard.press("Control+Home")
    press(page, f"#pages a[data-page={name}]")
    expect(here(page)).to_have_attribute("data-page", name, timeout=LONG)


def test_from_a_sample_to_an_export_without_a_mouse(app, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(app.url)
    page_of(page, "data")
    press(page, "button[id^=sample-]")
    expect(page.locator("#data-summary")).to_contain_text("validation rows", timeout=LONG)
    press(page, "#use-data")
    expect(here(page)).to_have_attribute("data-page", "train", timeout=LONG)
    expect(page.locator("#plan-card")).to_contain_text("training", timeout=LONG)
    press(page, "#steps [data-step=settings]")
    tab_to(page, "#setting-preset input, #preset input")
    page.keyboard.press("ArrowUp")
    press(page, "[data-group=effort]")
    tab_to(page, "#setting-max_steps input")
    page.keyboard.press("Control+A")
    page.keyboard.type("12")
    expect(page.locator("#plan-card")).to_contain_text("Steps12", timeout=LONG)
    press(page, "#start-training")
    expect(here(page)).to_have_attribute("data-page", "runs", timeout=LONG)
    expect(page.locator("#progress")).to_contain_text("Completed", timeout=LONG)
    tab_to(page, "#run-tabs [role=tab][aria-selected=true]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#run-tabs [role=tab][aria-selected=true]")).to_have_text("Charts")
    expect(page.locator("#chart-loss canvas")).to_be_visible(timeout=LONG)
    press(page, "#chart-loss .ts-key")
    expect(page.locator("#chart-loss .ts-key").first).to_have_attribute("aria-pressed", "false")
    page_of(page, "runs")
    press(page, "#runs-table [role=checkbox]", "Space")
    expect(page.locator("#runs-ticked")).to_contain_text("1 run selected", timeout=LONG)
    press(page, "#runs-table a")
    press(page, "#talk-to-run")
    expect(here(page)).to_have_attribute("data-page", "chat", timeout=LONG)
    tab_to(page, "#message textarea")
    page.keyboard.type("What sound does a cow make?")
    page.keyboard.press("Enter")
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_contain_text(re.compile(r"\w"), timeout=LONG)
    page_of(page, "export")
    press(page, "#make-adapter")
    expect(page.locator("#made-adapter")).to_contain_text("Checked", timeout=LONG)
    page.close()
