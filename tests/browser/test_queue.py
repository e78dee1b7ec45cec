"""The queue in the page: what works, what waits and for what; moved, held, released and taken out by pressing."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import LONG
from tests.browser.test_runs import filled  # noqa: F401
from tests.conftest import until
from tuner import runs
from tuner.jobs import run_queue, training


def test_the_order_is_changed_by_pressing(filled, browser):  # noqa: F811
    app, ws, house = filled
    wish = {"model": "starter", "data": house.data.ref, "method": "lora", "epochs": 1000, "max_steps": 50_000, "device": "cpu"}
    for name in ("first <b>", "second", "third"):
        training.start(ws, wish, name=name)
    until(lambda: runs.get(ws, "first-b").state == "running", 90)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{app.url}/runs")
    queue = page.locator("#runs-queue")
    names = queue.locator("li a.ts-name")
    expect(names).to_have_text(["first <b>", "second", "third"], timeout=LONG)
    expect(queue.locator("li").nth(1)).to_contain_text("Waiting for first-b on cpu")
    queue.locator("li").nth(2).get_by_role("button", name="Up", exact=True).click()
    expect(names).to_have_text(["first <b>", "third", "second"])
    queue.locator("li").nth(1).get_by_role("button", name="Hold", exact=True).click()
    expect(queue.locator("li").nth(1)).to_contain_text("On hold")
    queue.locator("li").nth(1).get_by_role("button", name="Release", exact=True).click()
    expect(queue.locator("li").nth(1)).to_contain_text("Waiting")
    run_queue.cancel(ws, "second")
    until(lambda: runs.get(ws, "second").state == "stopped", 30)
    if queue.locator("li", has_text="second").get_by_role("button", name="Hold", exact=True).count():  # the page has not heard of it yet
        queue.locator("li", has_text="second").get_by_role("button", name="Hold", exact=True).click()
        expect(queue).to_contain_text("does not wait: it is stopped")
    queue.locator("li").first.get_by_role("button", name="Cancel", exact=True).click()
    until(lambda: runs.get(ws, "first-b").state == "stopped", 60)
    until(lambda: runs.get(ws, "third").state == "running", 90)
    expect(names).to_have_text(["third"], timeout=LONG)
    queue.get_by_role("button", name="Cancel", exact=True).click()
    until(lambda: runs.get(ws, "third").state == "stopped", 60)
    expect(queue.locator("li")).to_have_count(0, timeout=LONG)
    page.locator("#runs-table").get_by_role("link", name=re.compile("third")).click()
    expect(page.locator("#progress h2")).to_have_text("third", timeout=LONG)
