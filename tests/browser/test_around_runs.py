"""Around a run in the page: its checkpoints, sweeps, metrics as files, notices of the browser, cleaning up."""

import csv
import json
import re

from playwright.sync_api import expect

from tests.browser.test_journey import LONG
from tests.browser.test_runs import filled, run_tab  # noqa: F401
from tests.browsing import go, train_step
from tests.conftest import until
from tuner import runs
from tuner.jobs import bundles, training

STUB = """window.shown = []; window.Notification = class { constructor(title, more) { window.shown.push([title, more.body, more.tag]); }
  static permission = "granted"; static requestPermission() { return Promise.resolve("granted"); } };"""


def opened(page, title: str, inside: str) -> bool:
    """Open an accordion; a press while the tab is drawn may be lost, and is done again."""
    if not page.locator(inside).is_visible():
        page.get_by_text(title).click()
        page.wait_for_timeout(1000)
    return page.locator(inside).is_visible()


def test_a_checkpoint_becomes_a_run_and_all_metrics_a_file(filled, browser):  # noqa: F811
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{app.url}/runs?run={house.lora}")
    run_tab(page, "Checkpoints")
    table = page.locator("#checkpoints table")
    steps = [c["step"] for c in runs.get(ws, house.lora).checkpoints]
    expect(table.locator("tr")).to_have_count(len(steps) + 1, timeout=LONG)
    table.get_by_role("button", name="Make it a run").last.click()
    expect(page.locator("#checkpoints-said")).to_contain_text(f"tuned · step {steps[0]} is a run of its own", timeout=LONG)
    table.get_by_role("link", name="Open").click()
    expect(page.locator("#progress h2")).to_have_text(f"tuned · step {steps[0]}", timeout=LONG)
    expect(page.locator("#progress")).to_contain_text(f"the checkpoint of step {steps[0]} of tuned")
    page.click("#train-further")
    expect(page.locator("#train-model input, input#train-model").first).to_be_attached(timeout=LONG)
    train_step(page, "review")
    expect(page.locator("#train-steps")).to_contain_text("model: tuned-step", timeout=LONG)
    page.goto(f"{app.url}/runs?run={house.lora}")
    run_tab(page, "Charts")
    until(lambda: opened(page, "Metrics, step by step", "#write-metrics"))
    page.click("#write-metrics")
    for ending in ("csv", "jsonl"):
        expect(page.locator(f"#metrics-{ending}")).to_be_visible(timeout=LONG)
        with page.expect_download() as download:
            page.click(f"#metrics-{ending}")
        lines = download.value.path().read_text().splitlines()
        rows = list(csv.DictReader(lines)) if ending == "csv" else [json.loads(line) for line in lines]
        assert [int(r["step"]) for r in rows] == [r[0] for r in runs.metrics_table(runs.get(ws, house.lora))["rows"]]


def test_a_sweep_from_the_form_to_its_table(filled, browser):  # noqa: F811
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{app.url}/train?dataset={house.data.ref}")
    train_step(page, "review")
    page.get_by_text("Try several values (sweep)").click()
    page.fill("#sweep-values textarea", "learning_rate: 1e-3")
    page.click("#sweep-start")
    expect(page.locator("#sweep-said")).to_contain_text("has no two values to compare", timeout=LONG)
    page.fill("#sweep-values textarea", "learning_rate: 3e-3, 1e-7\nmax_steps = 4, 4.5")
    page.click("#sweep-start")
    expect(page.locator("#sweep-said")).to_contain_text("max_steps=4.5", timeout=LONG)
    assert len(runs.listing(ws)) == 2, "nothing begins when one of them can't"
    page.fill("#sweep-values textarea", "learning_rate: 3e-3, 1e-7\nmax_steps = 4, 6")
    page.locator("#sweep-halving input").check()
    page.click("#sweep-start")
    expect(page.locator("#runs-table tbody tr")).to_have_count(4, timeout=LONG)
    expect(page.locator("#runs-query input, #runs-query textarea")).to_have_value("sums-sweep")
    expect(page.locator("#runs-table th[aria-sort]")).to_contain_text("Validation loss")
    until(lambda: all(r.state == "finished" for r in runs.listing(ws)), 120)
    best = min((r for r in runs.listing(ws) if r.about.get("sweep")), key=lambda r: r.best)
    expect(page.locator("#runs-table tbody tr").first).to_contain_text(best.name, timeout=LONG)


def test_the_browser_is_told_of_what_ends_and_of_nothing_older(filled, browser):  # noqa: F811
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.add_init_script(STUB)
    page.goto(f"{app.url}/settings")
    page.locator("#notices-browser input").click()  # held while the page is drawn, and done then
    expect(page.locator("#notices-browser input")).to_be_checked(timeout=LONG)
    assert page.evaluate("localStorage.getItem('tunesmith-notify')") == "1"
    page.reload()
    expect(page.locator("#notices-browser input")).to_be_checked(timeout=LONG)
    wish = {"model": "starter", "data": house.data.ref, "method": "lora", "epochs": 1000, "max_steps": 3, "device": "cpu"}
    run = training.wait(ws, training.start(ws, wish, name="told <b>").id)
    page.wait_for_function("window.shown.length > 0", timeout=30_000)
    page.wait_for_timeout(3000)
    assert [title for title, _, _ in page.evaluate("window.shown")] == ["told <b>: Completed"], "once, and not the two runs that were there"
    page.locator("#notices-browser input").click()
    expect(page.locator("#notices-browser input")).not_to_be_checked(timeout=LONG)
    training.wait(ws, training.start(ws, wish, name="quiet").id)
    page.wait_for_timeout(3500)
    assert len(page.evaluate("window.shown")) == 1 and run.state == "finished"


def test_space_is_freed_in_settings(filled, browser):  # noqa: F811
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{app.url}/settings")
    page.click("#clean-look")
    choices = page.locator("#clean-found label")
    expect(choices.filter(has_text=re.compile("checkpoints? of"))).to_have_count(2, timeout=LONG)
    choices.filter(has_text="of whole").locator("input").click()
    expect(choices.filter(has_text="of whole").locator("input")).not_to_be_checked()
    page.click("#clean-free")
    expect(page.locator("#clean-said")).to_contain_text("were freed", timeout=LONG)
    assert runs.checkpoints(ws.runs / house.lora) == [] and runs.checkpoints(ws.runs / house.full)
    go(page, "Runs")
    expect(page.locator("#runs-table")).to_contain_text("tuned", timeout=LONG)


def test_a_bundle_goes_and_its_result_comes_back(filled, browser, tmp_path, monkeypatch):  # noqa: F811
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{app.url}/train?dataset={house.data.ref}")
    train_step(page, "review")
    page.fill("#run-name input, #run-name textarea", "Elsewhere <b>")
    page.get_by_text("Train on another computer").click()
    page.click("#bundle-make")
    expect(page.locator("#bundle-said")).to_contain_text("Download both", timeout=LONG)
    with page.expect_download() as download:
        page.click("#bundle-zip")
    bundle = download.value.path().rename(tmp_path / "elsewhere.zip")
    monkeypatch.setenv("TUNESMITH_MACHINE", str(tmp_path / "other"))
    bundles.carry_out(bundle, tmp_path / "work", tmp_path / "result.zip")
    page.goto(f"{app.url}/runs")
    page.get_by_text("Add a run from another computer").click()
    page.set_input_files("#take-in input[type=file]", str(bundle))
    expect(page.locator("#take-in-said")).to_contain_text("is no packed run", timeout=LONG)
    page.set_input_files("#take-in input[type=file]", str(tmp_path / "result.zip"))
    expect(page.locator("#take-in-said")).to_contain_text("Elsewhere <b> is here now", timeout=LONG)
    page.locator("#take-in-said").get_by_role("link", name="Open").click()
    expect(page.locator("#progress h2")).to_have_text("Elsewhere <b>", timeout=LONG)
    expect(page.locator("#take-in")).to_be_hidden()
