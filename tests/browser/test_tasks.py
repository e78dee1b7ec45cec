"""Models that do not chat, as a person meets them: labels from a sample, shown with bars."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import LONG, tab


def test_a_classifier_from_the_sample_to_its_bars(app, browser):
    page = browser.new_page()
    page.goto(app.url)
    tab(page, "Data")
    page.click("#sample-tickets")
    expect(page.locator("#data-summary")).to_contain_text("tickets.csv", timeout=LONG)
    page.click("#use-data")
    expect(page.locator("#plan-card")).to_contain_text("A head is put on the model", timeout=LONG)
    page.get_by_text("Which method should I use?").click()
    expect(page.locator("#proposal")).to_contain_text("LoRA", timeout=LONG)
    expect(page.locator("#methods")).to_contain_text("Bottleneck adapters")
    page.fill("#setting-epochs input", "2")
    expect(page.locator("#setting-epochs")).to_contain_text("Yours: 2", timeout=LONG)
    page.click("#start-training")
    expect(page.locator("#progress")).to_contain_text("finished", timeout=2 * LONG)
    expect(page.locator("#progress")).to_contain_text(re.compile(r"accuracy 0\.\d+ \(0\.\d+ before\)|accuracy 1\.0"))
    expect(page.locator("#chart-quality svg").first).to_be_visible()
    page.click("#talk-to-run")
    page.locator("#task-examples button, #task-examples td").first.click()
    expect(page.locator("#task-answer .ts-table tr").first).to_contain_text("%", timeout=LONG)
    expect(page.locator("#message")).not_to_be_visible()
    page.close()
