"""A large file through the page: it comes in with progress while the page stays usable. 12 MB by default, 200 MB with `--long`."""

import json
import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.test_data import part
from tests.browser.test_journey import LONG
from tests.browsing import go


@pytest.mark.parametrize("size", [12_000_000, pytest.param(200_000_000, marks=pytest.mark.long)], ids=["12MB", "200MB"])
def test_a_large_file_comes_in_with_progress(size, tmp_path, app, browser):
    line = json.dumps({"instruction": "Say {n}.", "input": "", "output": "It is {n}. " * 20})
    file, rows = tmp_path / "large.jsonl", 0
    with open(file, "w") as f:
        while f.tell() < size:
            rows += 1
            f.write(line.replace("{n}", str(rows)) + "\n")
    page = browser.new_page()
    page.goto(app.url)
    go(page, "Data")
    page.set_input_files("#upload input[type=file]", file, timeout=LONG)
    seen, end = set(), time.monotonic() + 240
    while f"{rows:,} rows" not in page.inner_text("#data-summary") and time.monotonic() < end:
        seen.add(page.inner_text("#import-progress"))
        page.wait_for_timeout(40)
    expect(page.locator("#data-summary")).to_contain_text(f"{rows:,} rows", timeout=LONG)
    part(page, "Columns")
    expect(page.locator("#how-read")).to_contain_text("instruction")
    if size > 50_000_000:  # the smaller one may be there between two looks
        assert any(re.search(r"\d+ ?%|rows", s) for s in seen), seen
    page.click("#use-data")
    expect(page.locator("#plan-card")).to_contain_text("training", timeout=LONG)
    page.close()
