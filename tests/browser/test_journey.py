"""A person's way through the page: upload, preset, Start, the curve grows, reload, restart, finish, chat, take away."""

import json
import re

import pytest
from playwright.sync_api import expect

from presets.recipe import world
from tests.browser.conftest import end_all, free_port, running
from tests.browsing import ANSWER, SEND, chosen, go, here, train_step
from tests.conftest import until

LONG = 90_000  # milliseconds: two busy cores are slow


def rows_file(folder, n=160):
    import random

    rng, lines = random.Random(5), []
    for _ in range(n):
        item = world.draw(rng)
        lines.append(json.dumps({"question": item.prompt, "answer": world.spoken(item.answer, "pirate")}))
    (folder / "sailors.jsonl").write_text("\n".join(lines))
    return folder / "sailors.jsonl"


def tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def points(page) -> int:
    """How far the drawn loss curve goes: the step in the progress line."""
    found = re.search(r"step ([\d,]+) of", page.inner_text("#progress"))
    return int(found[1].replace(",", "")) if found else 0


def test_upload_train_reload_restart_chat(tmp_path, browser):
    port, home = free_port(), tmp_path / "home"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    problems = []
    context.on("weberror", lambda e: problems.append(str(e.error)))
    page = context.new_page()
    try:
        with running(home, port=port) as app:
            page.goto(app.url)
            page.click("#own-data")
            page.set_input_files("#upload input[type=file]", rows_file(tmp_path))
            expect(page.locator("#data-summary")).to_contain_text("sailors.jsonl", timeout=LONG)
            expect(page.locator("#data-summary")).to_contain_text("validation rows")
            expect(page.locator("#rows")).to_contain_text("Ahoy, matey!")
            page.click("#use-data")
            expect(page.locator("#plan-card")).to_contain_text("training", timeout=LONG)
            expect(page.locator("#plan-memory")).to_contain_text("Fits")
            train_step(page, "settings", "watch")
            page.get_by_label("Quick", exact=True).check()
            page.fill("#setting-epochs input", "8")
            chosen(page, "epochs", "8")
            page.fill("#setting-eval_steps input", "20")
            page.fill("#setting-effective_batch input", "8")
            chosen(page, "effective_batch", "8")
            page.click("#start-training")
            expect(page.locator("#progress")).to_contain_text(re.compile(r"step [1-9]"), timeout=LONG)
            before = points(page)
            page.reload()
            expect(page.locator("#progress")).to_contain_text(re.compile(r"step [1-9]"), timeout=LONG)
            assert points(page) >= before
            expect(page.locator("#overview-loss canvas").first).to_be_visible(timeout=LONG)
            page.close()
        # the browser and the page's process are gone; the run goes on, and a new page finds it
        with running(home, port=port) as app:
            page = context.new_page()
            page.goto(app.url)
            expect(page.locator("#last-runs")).to_contain_text("sailors", timeout=LONG)
            go(page, "Runs")
            page.locator("#runs-table").get_by_role("link", name=re.compile("sailors")).click()
            expect(page.locator("#progress")).to_contain_text("Completed", timeout=LONG)
            expect(page.locator("#overview")).to_contain_text("Validation loss")
            page.click("#talk-to-run")
            page.fill("#message textarea", "What sound does a cow make?")
            page.click(SEND)
            expect(page.locator("#chat-tuned")).to_contain_text("Ahoy", timeout=LONG)
            expect(page.locator("#chat-original")).to_contain_text(re.compile("moo", re.I), timeout=LONG)
            expect(page.locator("#chat-original")).not_to_contain_text("Ahoy")
            until(lambda: any("Ahoy" in f.read_text() for f in (home / "me" / "chats").glob("*.json")), 30)
            page.reload()
            expect(page.locator("#chat-tuned")).to_contain_text("Ahoy", timeout=LONG)
            go(page, "Export")
            page.click("#make-adapter")
            expect(page.locator("#made-adapter")).to_contain_text("Checked", timeout=LONG)
            expect(page.locator("#made-adapter")).to_contain_text("identical to those of the run")
            expect(page.locator("#use-adapter")).to_contain_text("PeftModel.from_pretrained")
            with page.expect_download(timeout=LONG) as download:
                page.click("#download-adapter")
            assert download.value.suggested_filename.endswith(".zip")
            assert not problems, problems
    finally:
        context.close()
        end_all(tmp_path)


def test_the_demo_lands_in_a_chat_with_both_answers(app, browser):
    page = browser.new_page()
    page.goto(app.url)
    page.click("#try-demo")
    expect(here(page)).to_have_text("Chat", timeout=LONG)
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_contain_text("matey", timeout=LONG)
    expect(page.locator(f"#chat-original {ANSWER}")).to_contain_text(re.compile(r"\w+"), timeout=LONG)
    expect(page.locator("#chat-original")).not_to_contain_text("matey")
    kept = until(lambda: [f.read_text() for f in (app.home / "me" / "chats").glob("*.json") if "matey" in f.read_text()], 30)
    sides = [side for text in kept for side in json.loads(text).values() if isinstance(side, list) and side]
    assert page.locator("#chat-tuned .user").count() == 1 and all([m["role"] for m in side].count("user") == 1 for side in sides), (
        "asked once"
    )
    page.close()


def test_all_that_is_wrong_is_told_beside_its_field(app, browser):
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    page.click("#sample-helpdesk")
    expect(page.locator("#data-summary")).to_contain_text("helpdesk", timeout=LONG)
    page.click("#use-data")
    expect(page.locator("#plan-card")).to_contain_text("training", timeout=LONG)
    train_step(page, "settings")
    page.fill("#setting-epochs input", "-2")  # while the plan that the count of all rows asked for is still being made
    page.fill("#setting-lora_rank input", "5000")
    expect(page.locator("#setting-lora_rank")).to_contain_text("1 to 1024", timeout=LONG)
    expect(page.locator("#setting-epochs")).to_contain_text("above 0")
    expect(page.locator("#start-training")).to_be_disabled()
    expect(page.locator("#plan-problems")).to_contain_text("Epochs can't be -2", timeout=LONG)
    train_step(page, "dataset")
    page.locator("#plan-problems [data-field=setting-lora_rank]").click()
    expect(page.locator("#setting-lora_rank input")).to_be_focused()
    page.locator("#setting-epochs .ts-reset").click()
    page.locator("#setting-lora_rank .ts-reset").click()
    expect(page.locator("#setting-lora_rank input")).to_have_value("16", timeout=LONG)
    expect(page.locator("#start-training")).to_be_enabled(timeout=LONG)
    assert not list((app.home / "me" / "runs").iterdir())
    page.close()


BAD = {
    "empty.csv": (b"", "empty"),
    "header.csv": (b"prompt,answer\n", "header"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "PNG image"),
    "broken.json": (b'[{"prompt": "a", "answer": ', "invalid at line 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_a_clear_word_and_the_page_lives_on(name, tmp_path, app, browser):
    content, word = BAD[name]
    (tmp_path / name).write_bytes(content)
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    page.set_input_files("#upload input[type=file]", tmp_path / name)
    expect(page.locator("#import-progress .ts-bad")).to_contain_text(re.compile(word, re.I), timeout=LONG)
    page.click("#sample-tickets")
    expect(page.locator("#data-summary")).to_contain_text("tickets", timeout=LONG)
    page.close()
