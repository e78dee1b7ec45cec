"""Each page and object has an address: links, Back, Forward and reload lead to it, by mouse, by keyboard and on a phone."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browsing import go, here, train_step
from tests.conftest import chat_rows, write_rows
from tuner import runs
from tuner.data.store import store
from tuner.paths import Workspace
from ui import navigation, text


@pytest.fixture(scope="module")
def filled(tmp_path_factory, house):
    """The app over a copy of a workspace with two finished runs and two datasets."""
    place = tmp_path_factory.mktemp("addresses")
    shutil.copytree(house.ws.home, place / "home")
    ws = Workspace(place / "home", machine=place / "home" / "machine")
    store.add(ws, write_rows(place / "others.jsonl", chat_rows(40)), name="others")
    with running(place / "home") as app:
        yield app, ws, house
    end_all(place)


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    yield page
    page.close()


def at(page, name: str, address: str) -> None:
    expect(here(page)).to_have_text(name, timeout=LONG)
    expect(page).to_have_url(re.compile(re.escape(address) + "$"), timeout=LONG)


def test_every_page_has_a_link_and_an_address_that_opens_it(filled, page):
    app, *_ = filled
    for name, address in navigation.PAGES.items():
        page.goto(f"{app.url}/{address.path}")
        title = text.text(f"page-{name}")
        expect(here(page)).to_have_text(title, timeout=LONG)
        assert page.title() == ("Tunesmith" if name == "home" else f"{title} · Tunesmith")
        expect(page.locator("#tabs > .tabitem").locator("visible=true")).to_contain_text(re.compile(r"\w[\s\S]{20}"), timeout=LONG)
    assert app.get("/nowhere") == app.get("/train/more") == app.get("/runs/../nowhere") == 404
    assert app.get("/train/") == 200


def test_back_forward_and_reload(filled, page):
    app, *_ = filled
    page.goto(app.url)
    for name in ("Data", "Train", "Settings"):
        go(page, name)
        expect(here(page)).to_have_text(name, timeout=LONG)
        page.wait_for_function("path => location.pathname === path", arg=f"/{name.lower()}", timeout=LONG)
    page.go_back()
    expect(here(page)).to_have_text("Train", timeout=LONG)
    expect(page.locator("#plan-card")).to_contain_text("epochs", timeout=LONG)
    page.go_back()
    expect(here(page)).to_have_text("Data", timeout=LONG)
    page.go_forward()
    expect(here(page)).to_have_text("Train", timeout=LONG)
    page.reload()
    expect(here(page)).to_have_text("Train", timeout=LONG)
    expect(page.locator("#plan-card")).to_contain_text("epochs", timeout=LONG)
    page.goto(app.url)
    expect(here(page)).to_have_text("Home", timeout=LONG)
    expect(page.locator("#try-demo")).to_be_visible(timeout=LONG)


def test_a_run_and_a_dataset_are_addressed_and_back_leads_from_one_to_the_other(filled, page):
    app, ws, house = filled
    ids = [house.lora, house.full]
    page.goto(f"{app.url}/runs?run={ids[0]}")
    expect(page.locator("#progress")).to_contain_text(runs.get(ws, ids[0]).name, timeout=LONG)
    page.locator("#all-runs a").click()
    at(page, "Runs", "/runs")
    page.locator("#runs-table").get_by_role("link", name=runs.get(ws, ids[1]).name, exact=True).click()
    expect(page).to_have_url(re.compile(f"run={ids[1]}$"), timeout=LONG)
    expect(page.locator("#progress")).to_contain_text(runs.get(ws, ids[1]).name, timeout=LONG)
    page.go_back()
    at(page, "Runs", "/runs")
    expect(page.locator("#runs-table")).to_be_visible(timeout=LONG)
    page.go_back()
    at(page, "Runs", f"/runs?run={ids[0]}")
    expect(page.locator("#progress")).to_contain_text(runs.get(ws, ids[0]).name, timeout=LONG)
    for back, forward in ((0, 0), (40, 150), (0, 0)):  # milliseconds: while the page between is still being made
        page.go_forward()
        page.wait_for_timeout(forward)
        page.go_forward()
        expect(page.locator("#progress")).to_contain_text(runs.get(ws, ids[1]).name, timeout=LONG)
        page.go_back()
        page.wait_for_timeout(back)
        page.go_back()
        expect(page.locator("#progress")).to_contain_text(runs.get(ws, ids[0]).name, timeout=LONG)
    page.go_forward()
    page.go_forward()
    expect(page.locator("#progress")).to_contain_text(runs.get(ws, ids[1]).name, timeout=LONG)
    page.reload()
    expect(page.locator("#progress")).to_contain_text(runs.get(ws, ids[1]).name, timeout=LONG)
    page.goto(f"{app.url}/runs?run={ids[0]},{ids[1]}")
    for id in ids:
        expect(page.locator("#compared-runs")).to_contain_text(runs.get(ws, id).name, timeout=LONG)
    go(page, "Runs")
    at(page, "Runs", "/runs")
    expect(page.locator("#runs-table")).to_be_visible(timeout=LONG)
    page.goto(f"{app.url}/data?dataset=others@1")
    expect(page.locator("#data-summary")).to_contain_text("others", timeout=LONG)


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("runs?run=gone-long-ago", "#runs-notice"),
        ("data?dataset=gone@1", "#data-notice"),
        ("chat?model=gone", "#tabs"),
        ("export?run=gone", "#tabs"),
    ],
)
def test_what_is_not_here_is_said_and_another_is_shown(filled, page, address, where):
    app, *_ = filled
    page.goto(f"{app.url}/{address}")
    expect(page.locator(where)).to_contain_text(re.compile("There is no (run|dataset) gone.* here"), timeout=LONG)
    page.goto(f"{app.url}/runs?run=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    expect(page.locator("#runs-notice")).to_contain_text("There is no run <img src=x onerror=alert(1)> here", timeout=LONG)


def test_an_address_is_stronger_than_where_the_last_visit_ended(filled, page):
    app, *_ = filled
    page.goto(f"{app.url}/settings")
    at(page, "Settings", "/settings")
    page.goto(f"{app.url}/train")
    expect(here(page)).to_have_text("Train", timeout=LONG)
    page.wait_for_timeout(1500)  # nothing that the browser kept comes later and leads away
    expect(here(page)).to_have_text("Train")


def test_a_page_begins_at_its_top_and_links_are_links(filled, page):
    app, *_ = filled
    page.goto(f"{app.url}/train")
    expect(page.locator("#plan-card")).to_contain_text("epochs", timeout=LONG)
    train_step(page, "settings")
    page.mouse.wheel(0, 4000)
    page.wait_for_function("scrollY > 200")
    go(page, "Settings")
    at(page, "Settings", "/settings")
    assert page.evaluate("scrollY") == 0
    with page.context.expect_page() as opened:
        page.locator("#pages a", has_text="Runs").click(modifiers=["Control"])
    expect(here(opened.value)).to_have_text("Runs", timeout=LONG)
    opened.value.close()
    expect(here(page)).to_have_text("Settings")


def test_the_keyboard_alone_goes_from_page_to_page(filled, page):
    app, *_ = filled
    page.goto(app.url)
    expect(here(page)).to_have_text("Home", timeout=LONG)
    page.locator("#pages a").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(here(page)).to_have_text("Data", timeout=LONG)


def test_on_a_phone_the_side_bar_is_a_menu(filled, browser):
    app, *_ = filled
    phone = browser.new_page(viewport={"width": 390, "height": 800})
    phone.goto(app.url)
    expect(phone.locator("#menu")).to_be_visible(timeout=LONG)
    expect(phone.locator("#pages")).not_to_be_visible()
    go(phone, "Train")
    expect(here(phone)).to_have_text("Train", timeout=LONG)
    expect(phone.locator("#pages")).not_to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.close()
