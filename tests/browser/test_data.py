"""The data room in a real browser: several files, a path, another reading, a mixture."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import LONG, tab


def table(path, head, n=60):
    path.write_text(head + "\n" + "".join(f"one {i},two {i}\n" for i in range(n)))
    return path


def brought(page, text):
    expect(page.locator("#data-summary")).to_contain_text(text, timeout=LONG)


def test_every_way_in(app, browser, tmp_path):
    page = browser.new_page()
    page.goto(app.url)
    tab(page, "Data")
    files = [table(tmp_path / "a.csv", "prompt,answer"), table(tmp_path / "b.csv", "answer,prompt")]
    page.set_input_files("#upload input[type=file]", files)
    brought(page, re.compile("a.csv and 1 more · 120 rows"))
    page.get_by_text("Other ways").click()
    tab(page, "A file's path")
    page.fill("#path textarea, #path input", str(table(tmp_path / "c.csv", "prompt,answer")))
    page.click("#read-path")
    brought(page, "c.csv · 60 rows")
    assert not list((app.home / "me/datasets/c/source").iterdir()), "left where it is"
    tab(page, "How it is read")
    page.fill("#system-for-all textarea", "Be kind.")
    page.click("#apply-mapping")
    expect(page.locator("#dataset input")).to_have_value(re.compile("version 2"), timeout=LONG)
    tab(page, "Rows")
    expect(page.locator("#rows")).to_contain_text("Be kind.")
    tab(page, "Mix")
    page.click("#mix-parts input")
    for i in range(2):
        page.locator("#mix-parts [role=option]").nth(i).click()
    page.keyboard.press("Escape")
    page.fill("#mix-weights textarea, #mix-weights input", "1, 2, 3")
    page.click("#mix")
    expect(page.locator("#import-progress")).to_contain_text("There are 2 datasets and the weights", timeout=LONG)
    page.fill("#mix-weights textarea, #mix-weights input", "1, 2")
    page.click("#mix")
    brought(page, "A mixture")
    tab(page, "A file's path")
    page.fill("#path textarea, #path input", str(tmp_path / "gone.csv"))
    page.click("#read-path")
    expect(page.locator("#import-progress")).to_contain_text("There is no file 'gone.csv'", timeout=LONG)
    page.close()
