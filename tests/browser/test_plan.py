"""What a person with a card of 8 GB sees before they train: what fits, what would make it fit with one click, other cards, a preset of theirs."""

import re
import shutil
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, free_port, running
from tests.browser.test_journey import LONG
from tests.browsing import chosen, go, train_step
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
        expect(page.locator("#plan-memory")).to_contain_text("Fits", timeout=LONG)
        yield page
        page.close()
    end_all(tmp_path)


def choose_model(page, name: str) -> None:
    train_step(page, "model")
    page.locator("#train-model input").click()
    page.get_by_role("option", name=re.compile(name)).first.click()


def from_preset(page, value: str) -> None:
    expect(page.locator("#setting-epochs .ts-chip")).to_have_text("Preset", timeout=LONG)
    expect(page.locator("#setting-epochs input")).to_have_value(value)


def test_what_fits_and_what_would(page):
    expect(page.locator("#plan-memory")).to_contain_text("7 GB of 8 GB are free now")
    page.get_by_text("Memory by part").click()
    expect(page.locator("#plan-memory")).to_contain_text("other programs 1 GB")
    expect(page.locator("#suggested")).to_contain_text("allenai/Olmo-3-7B-Instruct", timeout=LONG)
    expect(page.locator("#suggested")).to_contain_text("QLoRA")
    choose_model(page, "Qwen2.5-7B")
    expect(page.locator("#plan-memory")).to_contain_text("Doesn't fit", timeout=LONG)
    expect(page.locator("#start-training")).to_be_disabled()
    page.locator("#plan-memory .ts-offer").first.click()
    expect(page.locator("#train-model input")).to_have_value(re.compile("Olmo-3-7B"), timeout=LONG)
    expect(page.locator("#plan-memory")).to_contain_text(re.compile("^(Fits|Tight)"), timeout=LONG)
    expect(page.locator("#plan-memory .ts-offer")).to_have_count(0)
    page.get_by_text("The same on other GPUs").click()
    expect(page.locator("#other-cards")).to_contain_text("80 GB", timeout=LONG)
    expect(page.locator("#other-cards")).to_contain_text("The largest models of the catalog")


def test_what_a_person_fixed_is_offered_with_its_price(page):
    choose_model(page, "Qwen2.5-1.5B")
    train_step(page, "settings")
    page.fill("#setting-micro_batch input", "8")
    page.fill("#setting-effective_batch input", "8")
    page.fill("#setting-max_length input", "4096")
    expect(page.locator("#plan-memory")).to_contain_text("Doesn't fit", timeout=LONG)
    offer = page.locator("#plan-memory .ts-offer", has_text="Maximum length 4096")
    expect(offer.first).to_contain_text("of the rows")
    offer.first.click()
    expect(page.locator("#plan-memory")).to_contain_text(re.compile("^(Fits|Tight)"), timeout=LONG)
    chosen(page, "micro_batch", "8")


def test_a_preset_of_ones_own(page):
    train_step(page, "settings")
    from_preset(page, "3")
    page.fill("#setting-epochs input", "7")
    chosen(page, "epochs", "7")
    page.get_by_text("Save or delete a preset of your own").click()
    page.fill("#preset-name textarea, #preset-name input", "Long letters")
    page.click("#save-preset")
    expect(page.locator("#preset-told")).to_contain_text("Saved as “Long letters”", timeout=LONG)
    expect(page.locator("#preset")).to_contain_text("Long letters")
    from_preset(page, "7")
    page.reload()
    go(page, "Train")
    expect(page.locator("#preset")).to_contain_text("Long letters", timeout=LONG)
    page.locator("#preset").get_by_text("Long letters").click()
    from_preset(page, "7")
    page.get_by_text("Save or delete a preset of your own").click()
    page.fill("#preset-name textarea, #preset-name input", "Balanced")
    page.click("#save-preset")
    expect(page.locator("#preset-told")).to_contain_text("can't be called 'Balanced'", timeout=LONG)
    page.click("#delete-preset")
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
        expect(page.locator("#plan-card")).to_contain_text("training", timeout=LONG)
        train_step(page, "model")
        page.locator("#train-model input").fill(str(folder))
        page.keyboard.press("Enter")
        expect(page.locator("#plan-rows")).to_contain_text("does not support system messages", timeout=LONG)
        expect(page.locator("#plan-problems")).to_contain_text("Training doesn't start with these rows lost")
        expect(page.locator("#plan-card")).to_contain_text(" of ")
        expect(page.locator("#start-training")).to_be_disabled()
        page.locator("#plan-rows .ts-offer").first.click()
        expect(page.locator("#plan-rows .ts-offer")).to_have_count(0, timeout=LONG)
        expect(page.locator("#start-training")).to_be_enabled()
        page.close()
    end_all(tmp_path)


ENTER = """values => Object.entries(values).forEach(([name, value]) => {
  const input = document.querySelector(`#setting-${name} input`);
  input.value = value;
  input.dispatchEvent(new Event("input", {bubbles: true}));
})"""
RESET = "names => names.forEach(name => document.querySelector(`#setting-${name} .ts-reset`).click())"


def test_what_is_done_in_quick_succession_is_all_kept(page):
    """Questions to the server go one after the other: of two side by side the later answer would take back what the other was asked for."""
    train_step(page, "settings")
    for group in ("adapter", "watch"):
        page.evaluate("group => { const head = document.querySelector(`[data-group=${group}]`); if (head) head.click(); }", group)
    for pause in (0, 40, 250):  # milliseconds: within one question, while it is prepared, and while it is answered
        page.evaluate(ENTER, {"epochs": "7", "lora_rank": "24"})
        page.wait_for_timeout(pause)
        page.evaluate(ENTER, {"effective_batch": "12", "max_length": "96"})
        for name, value in {"epochs": "7", "lora_rank": "24", "effective_batch": "12", "max_length": "96"}.items():
            chosen(page, name, value)
        page.evaluate(RESET, ["epochs", "lora_rank"])
        page.wait_for_timeout(pause)
        page.evaluate(RESET, ["effective_batch"])
        page.evaluate(ENTER, {"max_length": "80"})
        for name in ("epochs", "lora_rank", "effective_batch"):
            expect(page.locator(f"#setting-{name} .ts-chip")).not_to_have_text("Your choice", timeout=LONG)
            expect(page.locator(f"#setting-{name} input")).not_to_have_value("24" if name == "lora_rank" else "12")
        chosen(page, "max_length", "80")
    value = page.locator("#setting-epochs input").input_value()
    page.evaluate(ENTER, {"epochs": value})  # of a value that stood there already Gradio tells nothing
    chosen(page, "epochs", value)
    expect(page.locator("#start-training")).to_be_enabled()
