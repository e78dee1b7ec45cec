"""A page that was opened before anything was counted or loaded tells of the languages of the rows by itself; one click chooses another model."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import LONG
from tests.browsing import go
from tests.conftest import write_rows
from tuner.data.store import store
from tuner.paths import Workspace


def test_german_rows_for_the_starter(app, browser, tmp_path):
    said = "Das Paket ist noch immer nicht da, und niemand konnte mir sagen, wo es ist oder wann es kommt."
    rows = [{"messages": [{"role": "user", "content": "Wo?"}, {"role": "assistant", "content": f"{said} ({i})"}]} for i in range(40)]
    store.add(Workspace(app.home).prepare(), write_rows(tmp_path / "german.jsonl", rows), held_out=0.1)
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Train")
    told = page.locator("#plan-rows")
    expect(told).to_contain_text("The trained text is in German, and starter knows only English.", timeout=LONG)
    expect(told).not_to_contain_text("being counted", timeout=LONG)
    expect(page.locator("#start-training")).to_be_enabled()
    told.get_by_role("link", name="Model").click()
    expect(page.locator("#step-model")).to_be_visible()
    told.get_by_role("button", name=re.compile("Choose ")).click()
    expect(page.locator("#train-model input")).not_to_have_value(re.compile("Starter"), timeout=LONG)
    expect(told).not_to_contain_text("knows only", timeout=LONG)
    page.close()
