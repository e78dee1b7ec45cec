"""Models that do not chat, as a person meets them: labels from a sample, shown with bars."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import LONG
from tests.browsing import chosen, go, train_step


def test_a_classifier_from_the_sample_to_its_bars(app, browser):
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    page.click("#sample-tickets")
    expect(page.locator("#data-summary")).to_contain_text("tickets.csv", timeout=LONG)
    page.click("#use-data")
    expect(page.locator("#plan-rows")).to_contain_text("Puts a head on the model", timeout=LONG)
    train_step(page, "settings")
    page.get_by_text("Which method should I use?").click()
    expect(page.locator("#proposal")).to_contain_text("LoRA", timeout=LONG)
    expect(page.locator("#methods")).to_contain_text("Bottleneck adapter")
    page.fill("#setting-epochs input", "2")
    chosen(page, "epochs", "2")
    page.click("#start-training")
    expect(page.locator("#progress")).to_contain_text("Completed", timeout=2 * LONG)
    expect(page.locator("#overview")).to_contain_text(re.compile(r"accuracy 0\.\d+ \(0\.\d+ before\)|accuracy 1 "))
    page.locator("#run-tabs").get_by_role("tab", name="Charts", exact=True).click()
    expect(page.locator("#chart-quality canvas").first).to_be_visible(timeout=LONG)
    page.click("#talk-to-run")
    page.locator("#task-examples button, #task-examples td").first.click()
    expect(page.locator("#task-answer .ts-table tr").first).to_contain_text("%", timeout=LONG)
    expect(page.locator("#message")).not_to_be_visible()
    page.close()


def test_the_hub_is_searched_as_one_types(tmp_path, browser):
    """With the real client, against a small server that answers as the Hub does."""
    from tests.browser.conftest import end_all, running
    from tests.models.test_hub import serving

    with serving() as (url, handler):
        with running(tmp_path / "home", HF_ENDPOINT=url, HF_HUB_OFFLINE="0", HF_HOME=str(tmp_path / "hub")) as app:
            page = browser.new_page()
            page.goto(app.url)
            go(page, "Train")
            train_step(page, "model")
            expect(page.locator("#model-facts")).to_contain_text("million parameters", timeout=LONG)
            box = page.locator("#train-model input")
            box.click()
            box.press_sequentially("smol", delay=120)
            expect(page.get_by_role("option").filter(has_text="owner/smol-small")).to_be_visible(timeout=20_000)
            expect(page.get_by_role("option").filter(has_text="owner/gated-model")).to_be_visible()
            assert any("search=smol&" in path for path in handler.asked)
            page.close()
        end_all(tmp_path)
