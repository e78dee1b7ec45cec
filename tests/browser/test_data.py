"""The Data page in a real browser: every way to import, quality and its fixes, tokens, versions, rows by hand."""

import json
import re

from playwright.sync_api import TimeoutError, expect

from tests.browser.test_journey import LONG
from tests.browsing import go


def table(path, head, n=60):
    path.write_text(head + "\n" + "".join(f"one {i},two {i}\n" for i in range(n)))
    return path


def brought(page, text):
    expect(page.locator("#data-summary")).to_contain_text(text, timeout=LONG)


def part(page, name):
    """Open a tab of the dataset; the one of its quality has a number in its name."""
    page.locator("#data-tabs").get_by_role("tab", name=re.compile(f"^{name}")).click()


def other_way(page, name):
    """Open the import, and in it another way than dropping a file."""
    page.click("#import-data")
    way = page.get_by_role("tab", name=name, exact=True)
    for _ in range(3):  # it is opened as it was left, which may take a moment to be drawn
        try:
            way.wait_for(state="visible", timeout=3000)
            break
        except TimeoutError:
            page.get_by_text("Other ways").click()
    way.click()


def test_every_way_in(app, browser, tmp_path):
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    files = [table(tmp_path / "a.csv", "prompt,answer"), table(tmp_path / "b.csv", "answer,prompt")]
    page.set_input_files("#upload input[type=file]", files)
    brought(page, re.compile("a.csv and 1 more · 120 rows"))
    other_way(page, "File path")
    page.fill("#path textarea, #path input", str(table(tmp_path / "c.csv", "prompt,answer")))
    page.click("#read-path")
    brought(page, "c.csv · 60 rows")
    assert not list((app.home / "me/datasets/c/source").iterdir()), "left where it is"
    part(page, "Columns")
    page.fill("#system-for-all textarea", "Be kind.")
    page.click("#apply-mapping")
    expect(page.locator("#data-notice")).to_contain_text("Saved as version 2", timeout=LONG)
    expect(page).to_have_url(re.compile(r"dataset=c@2$"))
    part(page, "Rows")
    expect(page.locator("#rows")).to_contain_text("Be kind.")
    other_way(page, "Mix")
    page.click("#mix-parts input")
    for i in range(2):
        page.locator("#mix-parts [role=option]").nth(i).click()
    page.keyboard.press("Escape")
    page.fill("#mix-weights textarea, #mix-weights input", "1, 2, 3")
    page.click("#mix")
    expect(page.locator("#import-progress")).to_contain_text("There are 2 datasets and the weights", timeout=LONG)
    page.fill("#mix-weights textarea, #mix-weights input", "1, 2")
    page.click("#mix")
    brought(page, "MIXTURE")
    part(page, "Columns")
    expect(page.locator("#how-read")).to_contain_text("A mixture")
    expect(page.locator("#apply-mapping")).not_to_be_visible()
    other_way(page, "File path")
    page.fill("#path textarea, #path input", str(tmp_path / "gone.csv"))
    page.click("#read-path")
    expect(page.locator("#import-progress")).to_contain_text("There is no file 'gone.csv'", timeout=LONG)
    page.close()


def test_quality_fixes_tokens_and_versions(app, browser, tmp_path):
    rows = [{"prompt": f"What is number {i % 40}?", "answer": f"It is {i}; write to ada{i}@lovelace.org."} for i in range(80)]
    (tmp_path / "h.jsonl").write_text("\n".join(map(json.dumps, rows)))
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    page.set_input_files("#upload input[type=file]", tmp_path / "h.jsonl")
    brought(page, "h.jsonl · 80 rows")
    part(page, "Quality")
    expect(page.locator("#health")).to_contain_text("enough", timeout=LONG)
    page.locator("[data-act=fix][data-value$='|privacy_email|mask']").click()
    brought(page, "Made from version 1: 80 rows masked")
    part(page, "Rows")
    expect(page.locator("#rows")).to_contain_text("[email]")
    expect(page.locator("#rows")).not_to_contain_text("lovelace")
    part(page, "Token preview")  # shows it by itself
    expect(page.locator("#learn-rows .ts-token.learnt").first).to_be_visible(timeout=LONG)
    expect(page.locator("#learn-costs")).to_contain_text("nothing is truncated", timeout=LONG)
    expect(page.locator("#learn-costs svg rect").first).to_be_attached()
    page.click("#learn-show")
    expect(page.locator("#learn-costs")).to_contain_text("nothing is truncated", timeout=LONG)
    learnt = "".join(page.locator("#learn-rows .ts-row").first.locator(".ts-token.learnt").all_inner_texts())
    assert learnt.startswith("It is") and "What is number" not in learnt
    part(page, "Versions")
    expect(page.locator("#versions")).to_contain_text("80 rows masked")
    page.click("#compare-with input")
    page.locator("#compare-with [role=option]").first.click()
    expect(page.locator("#compared")).to_contain_text("From v1 to v2: 80 rows changed; 0 rows are the same", timeout=LONG)
    page.click("#export-rows")
    with page.expect_download(timeout=LONG) as download:
        page.click("#download-rows", timeout=LONG)
    assert download.value.suggested_filename == "h-version-2.jsonl" and len(open(download.value.path()).readlines()) == 80
    page.close()


def test_what_is_written_right_after_something_was_opened_stays(app, browser):
    """Gradio sets the fields of an accordion, and of a tab, once more in the frame after it has drawn them: here frames take 0.3 s each."""
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    page.click("#sample-helpdesk")
    brought(page, "helpdesk.csv · 240 rows")
    expect(page.locator("#data-summary")).not_to_contain_text("Checking quality", timeout=LONG)  # though nobody has opened that tab
    page.evaluate("window.frame = window.requestAnimationFrame; window.requestAnimationFrame = f => setTimeout(() => frame(f), 300)")
    page.get_by_text("Edit or remove a row").click()
    page.fill("#edit-row input", "9999")
    page.wait_for_timeout(1000)
    expect(page.locator("#edit-row input")).to_have_value("9999")
    page.get_by_role("tab", name="More").click()
    page.locator("#delete-sure input").check()
    page.wait_for_timeout(1000)
    expect(page.locator("#delete-sure input")).to_be_checked()
    page.close()


def test_rows_by_hand(app, browser):
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    page.click("#sample-helpdesk")
    brought(page, "helpdesk.csv · 240 rows")
    page.get_by_text("Edit or remove a row").click()
    page.fill("#edit-row input", "9999")
    page.click("#edit-load")
    expect(page.locator("#edit-told")).to_contain_text("There is no row 9999", timeout=LONG)
    page.fill("#edit-row input", "3")
    page.click("#edit-load")
    expect(page.locator("#edit-value")).to_contain_text("messages", timeout=LONG)
    page.click("#edit-drop")
    brought(page, "0 rows edited and 1 removed by hand")
    other_way(page, "Write by hand")
    for i, words in enumerate(("Who are you?", "A test.")):
        page.locator(f"#write-rows [data-testid='cell-0-{i}']").first.dblclick()
        editor = page.locator("#write-rows textarea:focus, #write-rows input:focus")
        editor.fill(words)  # waits for it: a key that comes sooner is lost
        editor.press("Enter")
    page.click("#write")
    brought(page, "1 row ·")
    expect(page.locator("#rows")).to_contain_text("Who are you?")
    page.close()
