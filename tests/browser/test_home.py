"""Home, Settings and the strip in a browser: cards lead on, the language stays, nothing is clipped on a phone or read out for nothing."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browsing import here
from tuner import locks, runs
from tuner.paths import Workspace


@pytest.fixture(scope="module")
def filled(tmp_path_factory, house):
    place = tmp_path_factory.mktemp("homes")
    shutil.copytree(house.ws.home, place / "home")
    with running(place / "home") as app:
        yield app, Workspace(place / "home", machine=place / "home" / "machine"), house
    end_all(place)


def test_a_card_leads_to_its_run_its_chat_and_its_export(filled, browser):
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    for link, where, address in (("Chat", "Chat", f"chat?model={house.lora}"), ("Export", "Export", f"export?run={house.lora}")):
        page.goto(app.url)
        card = page.locator("#last-runs article", has=page.get_by_role("link", name="tuned", exact=True))
        expect(card).to_contain_text(re.compile(r"Completed[\s\S]*validation loss \d"), timeout=LONG)
        card.get_by_role("link", name=link).click()
        expect(here(page)).to_have_text(where, timeout=LONG)
        expect(page).to_have_url(re.compile(re.escape(address) + "$"), timeout=LONG)
    page.goto(app.url)
    page.get_by_role("link", name="tuned", exact=True).click()
    expect(page).to_have_url(re.compile(re.escape(f"runs?run={house.lora}") + "$"), timeout=LONG)
    page.goto(app.url)
    expect(page.locator("h1").locator("visible=true")).to_have_count(1, timeout=LONG)
    page.get_by_text("Why", exact=True).click()
    expect(page.locator("#home-machine table")).to_be_visible()
    page.close()


def test_the_language_is_chosen_once_and_stays(filled, browser):
    app, *_ = filled
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{app.url}/settings")
    expect(page.locator("#language input")).to_have_value("English", timeout=LONG)
    page.locator("#language input").click()
    page.get_by_role("option", name="Deutsch").click()
    expect(here(page)).to_have_text("Einstellungen", timeout=LONG)
    expect(page.locator("#language input")).to_have_value("Deutsch", timeout=LONG)
    (cookie,) = [c for c in context.cookies() if c["name"] == "tunesmith-language"]
    assert (cookie["value"], cookie["path"], cookie["sameSite"]) == ("de", "/", "Strict") and cookie["expires"] > 1e9
    assert page.evaluate("document.documentElement.lang") == "de"
    page.goto(app.url)
    expect(page.locator("#own-data")).to_have_text("Mit eigenen Daten trainieren", timeout=LONG)
    context.close()


def test_the_strip_is_whole_on_a_phone_and_no_hidden_timer_is_read_out(filled, browser):
    app, ws, house = filled
    live = shutil.copytree(ws.runs / house.lora, ws.runs / "live")
    assert locks.acquire(live / "lock")  # as its worker does
    try:
        runs.describe(ws, "live", name="a very long name of a run " * 4)
        progress = {"step": 62, "steps": 100, "eta_seconds": 240.0, "eta_low": 200.0, "eta_high": 280.0}
        runs.write_status(live, state="running", progress=progress)
        phone = browser.new_page(viewport={"width": 390, "height": 800})
        phone.goto(app.url)
        pill = phone.locator("#strip .ts-pill")
        expect(pill).to_contain_text("62", timeout=LONG)
        expect(pill).to_contain_text("3–5 min left")
        box, end = pill.bounding_box(), pill.locator("span").last.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and end["x"] + end["width"] <= box["x"] + box["width"]
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        phone.wait_for_timeout(1000)
        trackers = phone.locator("[data-testid=status-tracker].hide").evaluate_all("all => all.map(e => getComputedStyle(e).visibility)")
        assert trackers and set(trackers) == {"hidden"}, "Gradio's timers of what is done are transparent, but were read out"
        pill.click()
        expect(phone).to_have_url(re.compile("runs\\?run=live$"), timeout=LONG)
        phone.close()
    finally:
        locks.release(live / "lock")
        shutil.rmtree(live)
