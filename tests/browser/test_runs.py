"""What a person does with runs in the page: name, compare, use again, stop, resume, delete."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browsing import chosen, go, here, train_step
from tuner import runs
from tuner.paths import Workspace


@pytest.fixture
def filled(tmp_path, house):
    """The app over a copy of a workspace with two finished runs."""
    shutil.copytree(house.ws.home, tmp_path / "home")
    with running(tmp_path / "home") as app:
        yield app, Workspace(tmp_path / "home", machine=tmp_path / "home" / "machine"), house
    end_all(tmp_path)


def choose(page, where: str, option: str) -> None:
    page.locator(f"{where} input").first.click()
    page.get_by_role("option", name=re.compile(option)).first.click()


def test_the_runs_tab(filled, browser):
    app, ws, house = filled
    before = {r.id for r in runs.listing(ws)}
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(app.url)
    go(page, "Runs")
    expect(page.locator("#runs-table")).to_contain_text("whole", timeout=LONG)
    choose(page, "#run", "^tuned")
    expect(page.locator("#progress")).to_contain_text(re.compile("tuned.*Completed", re.S), timeout=LONG)  # not the one shown before
    page.get_by_text("Name, notes, delete").click()
    expect(page.locator("#rename textarea, #rename input")).to_have_value("tuned", timeout=LONG)
    page.fill("#rename textarea, #rename input", "My <b>first</b>")
    page.get_by_label("Notes").fill("rank 8")
    page.click("#keep-name")
    expect(page.locator("#runs-table")).to_contain_text("My <b>first</b>", timeout=LONG)
    assert runs.get(ws, house.lora).notes == "rank 8" and (runs.get(ws, house.lora).path).name == house.lora
    for name in ("first", "whole"):
        choose(page, "#compare", name)
    expect(page.locator("#overlay svg").first).to_be_visible(timeout=LONG)
    expect(page.locator("#differences")).to_contain_text("Method", timeout=LONG)
    assert "Seed" not in page.inner_text("#differences"), "only what differs"
    page.keyboard.press("Escape")
    page.click("#reuse-run")
    expect(here(page)).to_have_text("Train", timeout=LONG)
    train_step(page, "settings", "effort")
    chosen(page, "learning_rate", "0.003")
    page.fill("#setting-max_steps input", "4000")
    chosen(page, "max_steps", "4000")
    page.fill("#setting-epochs input", "1000")
    train_step(page, "review")
    page.fill("#run-name textarea, #run-name input", "long one")
    expect(page.locator("#plan-card")).to_contain_text("1,000 epochs", timeout=LONG)
    page.click("#start-training")
    expect(page.locator("#progress")).to_contain_text(re.compile("long one.*step [1-9]", re.S), timeout=LONG)
    page.click("#stop-run")
    expect(page.locator("#progress")).to_contain_text("Stopped", timeout=LONG)
    page.click("#resume-run")
    expect(page.locator("#progress")).to_contain_text("Running", timeout=LONG)
    page.click("#stop-run")
    expect(page.locator("#progress")).to_contain_text("Stopped as requested", timeout=LONG)
    page.click("#delete-run")
    expect(page.get_by_text("tick the box first")).to_be_visible(timeout=LONG)
    page.get_by_label("Yes, delete this run").check()
    page.click("#delete-run")
    expect(page.locator("#runs-table")).not_to_contain_text("long one", timeout=LONG)
    assert {r.id for r in runs.listing(ws)} == before
    page.close()
