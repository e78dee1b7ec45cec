"""The states of the Data page: empty, failed, cancelled, 1,000 datasets with long names, a phone; what is said goes when it no longer holds."""

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browsing import go, here
from tests.conftest import chat_rows, write_rows
from tuner.data.store import store
from tuner.paths import Workspace

LONGEST = "Kundenanfragen der Filialen in Sueddeutschland, 2019 bis 2024, bereinigt "


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    yield page
    page.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The app over 1,000 datasets, copies of one, with names of 70 letters and more."""
    place = tmp_path_factory.mktemp("library")
    ws = Workspace(place / "home", machine=place / "home" / "machine")
    first = store.add(ws, write_rows(place / "first.jsonl", chat_rows(40)), name=f"{LONGEST}1000")
    document = json.loads((first.path / "dataset.json").read_text(encoding="utf-8"))
    for n in range(999):
        folder = ws.datasets / f"copy-{n}"
        shutil.copytree(ws.datasets / first.id, folder)
        changed = document | {"id": folder.name, "name": f"{LONGEST}{n}", "created": f"2026-01-01T00:00:00.{n:06}+00:00"}
        (folder / "versions" / "1" / "dataset.json").write_text(json.dumps(changed))
    with running(place / "home") as app:
        yield app, first
    end_all(place)


def test_before_there_is_a_dataset_only_the_ways_to_import_are_seen(app, page):
    page.goto(f"{app.url}/data")
    expect(page.locator("#import-head")).to_contain_text("Import data to begin", timeout=LONG)
    expect(page.locator("#upload")).to_be_visible()
    expect(page.locator("#sample-helpdesk")).to_be_visible()
    for useless in ("#library", "#data-tabs", "#use-data", "#data-summary", "#rows", "#ways"):
        expect(page.locator(useless)).not_to_be_visible()
    assert not page.locator("#data-room button.primary").locator("visible=true").count()
    page.get_by_text("Other ways").click()
    assert page.locator("#ways [role=tab]").locator("visible=true").all_inner_texts()[-1] != "Mix", "nothing is there to be mixed"


def test_after_a_failed_import_nothing_poses_as_its_result_and_the_refused_file_is_gone(app, page, tmp_path):
    page.goto(f"{app.url}/data")
    page.click("#sample-tickets", timeout=LONG)
    expect(page.locator("#use-data")).to_be_visible(timeout=LONG)
    expect(page.locator("#data-notice")).to_contain_text(re.compile(r"is imported: \d+ rows"))
    (tmp_path / "bad.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    page.click("#import-data")
    page.set_input_files("#upload input[type=file]", tmp_path / "bad.csv")
    expect(page.locator("#import-progress .ts-bad")).to_contain_text("PNG image", timeout=LONG)
    expect(page.locator("#import-progress")).to_contain_text("Nothing was added; your datasets are unchanged.")
    for old in ("#use-data", "#data-summary", "#rows"):
        expect(page.locator(old)).not_to_be_visible()
    expect(page.locator("#upload")).not_to_contain_text("bad")
    expect(page.locator("#data-notice")).not_to_contain_text("imported")
    write_rows(tmp_path / "good.jsonl", chat_rows(40))
    page.set_input_files("#upload input[type=file]", tmp_path / "good.jsonl")
    expect(page.locator("#data-summary")).to_contain_text("good.jsonl · 40 rows", timeout=LONG)  # and not "bad.csv and 1 more"
    expect(page.locator("#import-progress")).to_be_empty()
    page.click("#import-data")
    expect(page.locator("#import-progress .ts-bad")).to_have_count(0)
    expect(page.locator("#upload")).not_to_contain_text("good")


def test_what_is_said_goes_with_what_it_was_about(app, page):
    page.goto(f"{app.url}/data")
    for sample in ("tickets", "helpdesk"):
        if page.locator("#import-data").is_visible():
            page.click("#import-data")
        page.click(f"#sample-{sample}", timeout=LONG)
        expect(page.locator("#data-summary h2")).to_have_attribute("title", re.compile(sample, re.I), timeout=LONG)
    expect(page.locator("#data-notice")).to_contain_text("imported")
    page.get_by_text("Edit or remove a row").click()
    page.fill("#edit-row input", "9999")
    page.click("#edit-load")
    expect(page.locator("#edit-told")).to_contain_text("There is no row 9999", timeout=LONG)
    page.locator("#datasets a:not([aria-current])").click()
    expect(page.locator("#data-summary h2")).to_have_attribute("title", re.compile("tickets", re.I), timeout=LONG)
    expect(page.locator("#data-notice .ts-good")).to_have_count(0)
    expect(page.locator("#edit-told")).to_be_empty()
    page.goto(f"{app.url}/data?dataset=gone@1")
    expect(page.locator("#data-notice")).to_contain_text("There is no dataset gone@1 here", timeout=LONG)
    page.locator("#datasets a").first.click()
    expect(page.locator("#data-notice .ts-bad")).to_have_count(0)


def test_deleting_asks_first_and_ends_in_the_next_dataset_or_the_empty_page(app, page):
    page.goto(f"{app.url}/data")
    page.click("#sample-tickets", timeout=LONG)
    page.locator("#data-tabs").get_by_role("tab", name="More").click(timeout=LONG)
    expect(page.locator("#delete-data")).to_be_disabled()
    page.locator("#delete-sure input").check()
    page.click("#delete-data")
    expect(page.locator("#import-head")).to_contain_text("Import data to begin", timeout=LONG)
    expect(page.locator("#library")).not_to_be_visible()
    expect(page.locator("#data-notice")).to_contain_text("is deleted")
    assert not list((app.home / "me" / "datasets").glob("[!.]*"))


def test_train_on_this_lands_at_the_top(many, page):
    app, first = many
    page.goto(f"{app.url}/data?dataset={first.ref}")
    expect(page.locator("#rows")).to_contain_text("Row 20", timeout=LONG)
    page.mouse.move(900, 500)
    page.mouse.wheel(0, 3000)
    page.wait_for_function("scrollY > 300")
    page.evaluate("document.querySelector('#use-data').click()")
    expect(here(page)).to_have_text("Train", timeout=LONG)
    expect(page.locator("#plan-card")).to_contain_text("epochs", timeout=LONG)
    page.wait_for_timeout(1000)  # what comes later moves nothing
    assert page.evaluate("scrollY") == 0


def test_a_thousand_datasets_with_long_names(many, page):
    app, first = many
    page.goto(app.url)
    go(page, "Data")
    items = page.locator("#datasets a")
    expect(items).to_have_count(100, timeout=LONG)
    expect(page.locator("#library")).to_contain_text("100 of 1,000 datasets")
    expect(page.locator("#datasets a[aria-current=true]")).to_have_attribute("title", first.name)
    name = items.first.locator(".ts-name")
    assert name.evaluate("e => e.scrollWidth > e.clientWidth"), "an ellipsis, the full name in the title"
    assert name.bounding_box()["height"] < 30 and page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.get_by_label("Search datasets").fill("2024 bereinigt 777 chat")
    expect(items).to_have_count(1, timeout=LONG)
    items.first.click()
    expect(page).to_have_url(re.compile("dataset=copy-777@1$"), timeout=LONG)
    expect(page.locator("#data-summary h2")).to_have_attribute("title", f"{LONGEST}777", timeout=LONG)
    page.get_by_label("Search datasets").fill("no such <b>name</b>")
    expect(page.locator("#datasets")).to_contain_text("No dataset matches “no such <b>name</b>”", timeout=LONG)


def test_on_a_phone_nothing_is_clipped(many, browser):
    app, first = many
    phone = browser.new_page(viewport={"width": 390, "height": 800})
    phone.goto(f"{app.url}/data?dataset={first.ref}")
    expect(phone.locator("#rows")).to_contain_text("Row 1", timeout=LONG)
    for name in ("Quality", "Columns", "Versions", "More", "Rows"):
        phone.locator("#data-tabs").get_by_role("tab", name=re.compile(f"^{name}")).click()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, name
    use = phone.locator("#use-data").bounding_box()
    assert 0 <= use["x"] and use["x"] + use["width"] <= 390
    phone.close()


NAMELESS = """() => [...document.querySelectorAll('#data-room :is(input, textarea, select, button, a, [role=slider], [role=combobox])')]
  .filter(e => e.checkVisibility({visibilityProperty: true}) && e.type !== 'hidden' && e.type !== 'file')
  .filter(e => !(e.getAttribute('aria-label') || e.title || e.innerText?.trim() || [...(e.labels || [])].some(l => l.innerText.trim())
    || document.getElementById(e.getAttribute('aria-labelledby'))?.innerText.trim()))
  .map(e => e.outerHTML.slice(0, 200))"""


def test_every_control_has_a_name(many, page):
    app, first = many
    page.goto(f"{app.url}/data?dataset={first.ref}")
    expect(page.locator("#rows")).to_contain_text("Row 1", timeout=LONG)
    page.get_by_text("Edit or remove a row").click()
    found = {"rows": page.evaluate(NAMELESS)}
    for name in ("Quality", "Columns", "Token preview", "Versions", "More"):
        page.locator("#data-tabs").get_by_role("tab", name=re.compile(f"^{name}")).click()
        page.wait_for_timeout(500)
        found[name] = page.evaluate(NAMELESS)
    page.click("#import-data")
    page.get_by_text("Other ways").click()
    for name in ("Paste rows", "Write by hand", "With a validation file", "File path", "Hugging Face Hub", "Mix"):
        page.locator("#ways").get_by_role("tab", name=name).click()
        page.wait_for_timeout(300)
        found[name] = page.evaluate(NAMELESS)
    assert not {name: nameless for name, nameless in found.items() if nameless}
