"""What a person with a card of 8 GB sees before they train: what fits, what would make it fit with one click, other cards, a preset of theirs."""

import re
import shutil
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, free_port, running
from tests.browser.test_journey import LONG
from tests.browsing import go
from tests.conftest import chat_rows, write_rows
from tuner import paths
from tuner.data.store import sample_data, store
from tuner.paths import Workspace

WITH_A_CARD = """
import sys
from pathlib import Path
from tuner import devices
card, cpu = devices.Device("cuda:0", "cuda", "NVIDIA GeForce RTX 4060", 8 * 10**9, 7 * 10**9, 30.0), devices.cpu
devices.listing = devices.detection.listing = lambda: [card, cpu()]
import app
from tuner.paths import Workspace
app.launch(Workspace(Path(sys.argv[1])), port=int(sys.argv[2]), browser=False)
"""


@pytest.fixture
def page(tmp_path, browser):
    home, port = tmp_path / "home", free_port()
    ws = Workspace(home, machine=home / "machine").prepare()
    sample_data.add(ws, "helpdesk")
    with running(home, port=port, command=[sys.executable, "-c", WITH_A_CARD, str(home), str(port)]) as app:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(app.url)
        go(page, "Train")
        expect(page.locator("#plan-memory")).to_contain_text("Yes, it fits", timeout=LONG)
        yield page
        page.close()
    end_all(tmp_path)


def choose_model(page, name: str) -> None:
    page.locator("#train-model input").click()
    page.get_by_role("option", name=re.compile(name)).first.click()


def test_what_fits_and_what_would(page):
    expect(page.locator("#plan-memory")).to_contain_text("which has 8.0 GB")
    expect(page.locator("#plan-memory")).to_contain_text("other programs 1.0 GB")
    expect(page.locator("#suggested")).to_contain_text("Recommended here: allenai/Olmo-3-7B-Instruct", timeout=LONG)
    expect(page.locator("#suggested")).to_contain_text("QLoRA")
    choose_model(page, "Qwen2.5-7B")
    expect(page.locator("#plan-memory")).to_contain_text("No, it does not fit", timeout=LONG)
    page.click("#remedy-0")
    expect(page.locator("#train-model input")).to_have_value(re.compile("Olmo-3-7B"), timeout=LONG)
    expect(page.locator("#plan-memory")).to_contain_text(re.compile("Yes"), timeout=LONG)
    expect(page.locator("#remedy-0")).to_be_hidden()
    page.get_by_text("The same on other cards").click()
    expect(page.locator("#other-cards")).to_contain_text("80 GB", timeout=LONG)
    expect(page.locator("#other-cards")).to_contain_text("The largest models of the list")


def test_what_a_person_fixed_is_offered_with_its_price(page):
    choose_model(page, "Qwen2.5-1.5B")
    page.get_by_text("All settings").click()
    page.fill("#setting-micro_batch input", "8")
    page.fill("#setting-effective_batch input", "8")
    page.fill("#setting-max_length input", "4096")
    expect(page.locator("#plan-memory")).to_contain_text("No, it does not fit", timeout=LONG)
    offer = page.locator(".ts-remedy:visible", has_text="Maximum length 4096")
    expect(offer.first).to_contain_text("of the rows")
    offer.first.click()
    expect(page.locator("#plan-memory")).to_contain_text("Yes", timeout=LONG)
    expect(page.locator("#setting-micro_batch")).to_contain_text("Yours")


def test_a_preset_of_ones_own(page):
    page.get_by_text("All settings").click()
    expect(page.locator("#setting-epochs")).to_contain_text("Now 3 (preset)", timeout=LONG)
    page.fill("#setting-epochs input", "7")
    expect(page.locator("#setting-epochs")).to_contain_text("Yours: 7", timeout=LONG)
    page.fill("#preset-name textarea, #preset-name input", "Long letters")
    page.click("#save-preset")
    expect(page.locator("#preset-told")).to_contain_text("Kept as 'Long letters'", timeout=LONG)
    expect(page.locator("#preset")).to_contain_text("Long letters")
    expect(page.locator("#setting-epochs")).to_contain_text("Now 7 (preset)", timeout=LONG)
    expect(page.locator("#setting-epochs input")).to_have_value("")
    page.reload()
    go(page, "Train")
    expect(page.locator("#preset")).to_contain_text("Long letters", timeout=LONG)
    page.locator("#preset").get_by_text("Long letters").click()
    expect(page.locator("#setting-epochs")).to_contain_text("Now 7 (preset)", timeout=LONG)
    page.get_by_text("All settings").click()
    page.fill("#preset-name textarea, #preset-name input", "Balanced")
    page.click("#save-preset")
    expect(page.locator("#preset-told")).to_contain_text("can't be called 'Balanced'", timeout=LONG)
    page.click("#forget-preset")
    expect(page.locator("#preset")).not_to_contain_text("Long letters", timeout=LONG)


def test_rows_that_would_be_lost_are_said_and_mended_with_one_click(tmp_path, browser):
    """A template that takes no system turns: counts before the start, one click folds them in; a large dataset is counted in view."""
    home, folder = tmp_path / "home", tmp_path / "strict"
    ws = Workspace(home, machine=home / "machine").prepare()
    shutil.copytree(paths.STARTER, folder)
    template = (folder / "chat_template.jinja").read_text()
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(refuses + template)
    rows = [{"messages": [{"role": "system", "content": "Be kind."}] * (i % 2) + chat_rows(1)[0]["messages"]} for i in range(40)]
    store.add(ws, write_rows(tmp_path / "halves.jsonl", rows), held_out=0.2)
    with running(home) as app:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(app.url)
        go(page, "Train")
        expect(page.locator("#plan-card")).to_contain_text("to learn from", timeout=LONG)
        page.locator("#train-model input").fill(str(folder))
        page.keyboard.press("Enter")
        expect(page.locator("#plan-rows")).to_contain_text("does not support system messages", timeout=LONG)
        expect(page.locator("#plan-rows")).to_contain_text("Training will not start like this")
        page.click("#start-training")
        expect(page.locator("body")).to_contain_text("fold_system=true", timeout=LONG)
        page.click("#fix-0")
        expect(page.locator("#fix-0")).to_be_hidden(timeout=LONG)
        expect(page.locator("#plan-card")).not_to_contain_text("(of ")
        page.close()
    end_all(tmp_path)
