"""What a person does with runs in the page: find, open, name, compare, use again, stop, resume, delete; and the charts they look at."""

import csv
import re
import shutil
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browsing import chosen, go, here, train_step
from tuner import locks, runs
from tuner.paths import Workspace


@pytest.fixture
def filled(tmp_path, house):
    """The app over a copy of a workspace with two finished runs."""
    shutil.copytree(house.ws.home, tmp_path / "home")
    with running(tmp_path / "home") as app:
        yield app, Workspace(tmp_path / "home", machine=tmp_path / "home" / "machine"), house
    end_all(tmp_path)


def choose(page, where: str, option: str) -> None:
    page.locator(f"{where} input").first.click()
    page.get_by_role("option", name=re.compile(option)).first.click()


def tick(page, name: str) -> None:
    page.locator("#runs-table").get_by_role("checkbox", name=f"Select {name}", exact=True).click()


def open_run(page, name: str) -> None:
    page.locator("#runs-table").get_by_role("link", name=name, exact=True).click()
    expect(page.locator("#progress h2")).to_have_text(name, timeout=LONG)


def run_tab(page, name: str) -> None:
    page.locator("#run-tabs").get_by_role("tab", name=name, exact=True).click()


def test_two_runs_and_their_base_answer_side_by_side(filled, browser):
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{app.url}/runs?run={house.lora},{house.full}")
    page.locator("#answers-questions textarea").fill("What is 3 plus 3?\n\n=2+2? <b>")
    page.locator("#answers-base input").check()
    page.click("#answers-ask")
    told = page.locator("#answers-table section")
    expect(page.locator("#answers-table a[download]")).to_be_visible(timeout=LONG)
    expect(told).to_have_count(2)
    expect(told.first.locator(".ts-sides > div > b")).to_have_text(["tuned", "whole", "tuned: base model"])
    expect(told.last.locator("p").first).to_have_text("=2+2? <b>")
    for said in told.locator(".ts-sides p").all():
        assert said.inner_text().strip(), "each has an answer, or says that it is none"
    first, others = told.first.locator(".ts-sides > div").first, told.first.locator(".ts-sides > div:not(:first-child) mark")
    assert first.locator("mark").count() == 0 and others.count() > 0, "what the first one did not say is marked"
    with page.expect_download() as file:
        page.click("#answers-table a[download]")
    table = list(csv.reader(file.value.path().read_text(encoding="utf-8").splitlines()))
    assert table[0] == ["question", "tuned", "whole", "tuned: base model"] and table[2][0] == "'=2+2? <b>"
    page.locator("#answers-questions textarea").fill("\n".join(f"What is {n} plus 1?" for n in range(90)))
    page.click("#answers-ask")
    expect(page.locator("#answers-told")).to_contain_text("of 270 answers", timeout=LONG)
    expect(told.first).to_be_visible(timeout=LONG)
    page.click("#answers-cancel")
    expect(page.locator("#answers-told")).to_contain_text("Cancelled", timeout=LONG)
    expect(page.locator("#answers-ask")).to_be_visible()
    before = page.locator("#answers-table").inner_html()
    page.wait_for_timeout(1500)
    assert page.locator("#answers-table").inner_html() == before != "", "what had come stays, and no more comes"
    page.locator("#answers-questions textarea").fill("\n".join(["again"] * 101))
    page.click("#answers-ask")
    expect(page.locator("#answers-told .ts-bad")).to_contain_text("101 questions are too many", timeout=LONG)
    page.close()


def test_the_runs_page(filled, browser):
    app, ws, house = filled
    before = {r.id for r in runs.listing(ws)}
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(app.url)
    go(page, "Runs")
    open_run(page, "tuned")
    expect(page.locator("#progress")).to_contain_text("Completed", timeout=LONG)
    page.get_by_text("Name, notes, delete").click()
    expect(page.locator("#rename textarea, #rename input")).to_have_value("tuned", timeout=LONG)
    page.fill("#rename textarea, #rename input", "My <b>first</b>")
    page.get_by_label("Notes").fill("rank 8")
    page.click("#keep-name")
    expect(page.locator("#progress h2")).to_have_text("My <b>first</b>", timeout=LONG)
    assert runs.get(ws, house.lora).notes == "rank 8" and (runs.get(ws, house.lora).path).name == house.lora
    run_tab(page, "Config")
    choose(page, "#other-run", "^whole")
    expect(page.locator("#run-differences")).to_contain_text("Method", timeout=LONG)
    page.locator("#all-runs a").click()
    expect(page.locator("#compare")).to_be_disabled(timeout=LONG)
    tick(page, "My <b>first</b>")
    page.locator("#runs-query").locator("input, textarea").fill("no such run")
    expect(page.locator("#runs-table")).to_contain_text("No run has", timeout=LONG)
    page.locator("#runs-query").locator("input, textarea").fill("whole")
    tick(page, "whole")  # what was ticked before the search still is
    expect(page.locator("#runs-ticked")).to_contain_text("2 runs selected", timeout=LONG)
    page.click("#compare")
    expect(page.locator("#overlay canvas").first).to_be_visible(timeout=LONG)
    expect(page.locator("#overlay")).to_contain_text("My <b>first</b>: training")
    expect(page.locator("#differences")).to_contain_text("Method", timeout=LONG)
    assert "Seed" not in page.inner_text("#differences"), "only what differs"
    page.locator("#compared-runs").get_by_role("link", name="My <b>first</b>").click()
    page.click("#talk-to-run")
    expect(page).to_have_url(re.compile(f"/chat\\?model={house.lora}$"), timeout=LONG)
    page.go_back()
    expect(page.locator("#progress h2")).to_have_text("My <b>first</b>", timeout=LONG)
    page.click("#reuse-run")
    expect(here(page)).to_have_text("Train", timeout=LONG)
    train_step(page, "settings", "effort")
    chosen(page, "learning_rate", "0.003")
    page.fill("#setting-max_steps input", "4000")
    chosen(page, "max_steps", "4000")
    page.fill("#setting-epochs input", "1000")
    train_step(page, "review")
    page.fill("#run-name textarea, #run-name input", "long one")
    expect(page.locator("#plan-card")).to_contain_text("500 epochs", timeout=LONG)
    page.click("#start-training")
    expect(page.locator("#progress")).to_contain_text(re.compile("long one.*step [1-9]", re.S), timeout=LONG)
    page.click("#stop-run")
    expect(page.locator("#progress")).to_contain_text("Stopped", timeout=LONG)
    page.click("#resume-run")
    expect(page.locator("#progress")).to_contain_text("Running", timeout=LONG)
    page.click("#stop-run")
    expect(page.locator("#progress")).to_contain_text("Stopped as requested", timeout=LONG)
    page.get_by_text("Name, notes, delete").click()
    page.click("#delete-run")
    expect(page.get_by_text("tick the box first")).to_be_visible(timeout=LONG)
    page.get_by_label("Yes, delete this run").check()
    page.click("#delete-run")
    expect(page.locator("#runs-table")).to_contain_text("whole", timeout=LONG)
    expect(page.locator("#runs-table")).not_to_contain_text("long one")
    assert {r.id for r in runs.listing(ws)} == before
    page.close()


def legend(page, name: str):
    """The value that the legend of the loss chart shows."""
    return page.locator("#chart-loss .ts-key", has_text=name).locator("output")


def test_charts_show_values_zoom_and_grow_without_being_drawn_anew(filled, browser):
    app, ws, house = filled
    live = shutil.copytree(ws.runs / house.lora, ws.runs / "live")
    with closing(runs.metrics_db(live)) as db:
        db.execute("DELETE FROM metrics")
        for step in range(1, 1001):
            runs.write_metrics(
                db,
                step,
                {"loss": 1 + 10 / step, "learning_rate": 1e-3, "grad_norm": 1.0, "epoch": step / 100, "elapsed_seconds": 2.0 * step},
            )
        runs.write_metrics(db, 1000, {"eval_loss": 1.25})
    assert locks.acquire(live / "lock")  # as its worker does
    runs.write_status(live, state="running", progress={"step": 1000, "steps": 1001})
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{app.url}/runs?run=live")
    run_tab(page, "Charts")
    expect(legend(page, "validation")).to_have_text("1.25", timeout=LONG)
    assert page.locator("#charts figure").evaluate_all("all => all.map(f => f.id)")[:2] == ["chart-loss", "chart-learning-rate"]
    assert "validation 1.25" in page.locator("#chart-loss .ts-canvas").get_attribute("aria-label")
    plot = page.locator("#chart-loss .u-over").bounding_box()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + 50)
    expect(page.locator("#chart-loss .ts-at")).to_have_text(re.compile(r"Step (49|50)\d"))
    expect(page.locator("#chart-learning-rate .ts-at")).to_have_text(re.compile(r"Step (49|50)\d"))
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] * 0.75, plot["y"] + 50)
    page.mouse.up()
    reset = page.get_by_role("button", name="Reset zoom").locator("visible=true")
    expect(reset).to_be_visible()
    found = "[...tunesmith.charts].find(([place]) => place.dataset.of === 'run-charts' && !place.dataset.only)[1]"
    shown = f"(({{min, max}}) => [min, max])({found}.charts[0].plot.scales.x)"
    zoomed = page.evaluate(shown)
    assert 480 < zoomed[0] < 520 and 730 < zoomed[1] < 770
    page.locator("#chart-loss canvas").evaluate("canvas => { canvas.dataset.same = 'yes'; }")
    with closing(runs.metrics_db(live)) as db:
        runs.write_metrics(db, 1001, {"loss": 7.5, "epoch": 10.01, "elapsed_seconds": 2002.0})
        runs.write_metrics(db, 1001, {"eval_loss": 2.5})
        runs.write_metrics(db, 500, {"eval_loss": 1.1})  # at its end a run says more of its best step
    runs.write_status(live, state="finished", progress={"step": 1001, "steps": 1001})
    locks.release(live / "lock")
    page.mouse.move(5, 5)
    expect(legend(page, "validation")).to_have_text("2.5", timeout=LONG)
    assert page.locator("#chart-loss canvas").get_attribute("data-same") == "yes", "the chart is the same, and was added to"
    assert page.evaluate(shown) == zoomed, "the zoom stays"
    page.wait_for_function(f"{found}.runs.get('live').series.eval_loss[0].join() === '500,1000,1001'", timeout=LONG)
    reset.click()
    assert page.evaluate(shown)[1] == 1001
    page.get_by_label("X axis").locator("visible=true").select_option("time")
    assert page.evaluate(shown)[1] == pytest.approx(2002)
    page.locator("#chart-loss .ts-key", has_text="training").click()
    expect(page.locator("#chart-loss .ts-key", has_text="training")).to_have_attribute("aria-pressed", "false")
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV: Loss").locator("visible=true").click()
    lines = taken.value.path().read_text().splitlines()
    assert lines[0].startswith("Time,training,") and len(lines) == 1002 and lines[1].startswith("2,11,")
    with page.expect_download() as taken:
        page.get_by_role("button", name="PNG: Loss").locator("visible=true").click()
    assert taken.value.path().read_bytes()[:4] == b"\x89PNG"
    page.locator("#chart-loss .ts-chart-table summary").click()
    expect(page.locator("#chart-loss .ts-table tr").last).to_contain_text("7.5")
    page.close()


def test_figures_that_do_not_come_are_said_and_asked_for_again(filled, browser):
    app, _, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.route("**/run_metrics", lambda route: route.abort())
    page.goto(f"{app.url}/runs?run={house.lora}")
    expect(page.locator("#run-page").get_by_role("alert")).to_contain_text("tries again", timeout=LONG)
    page.unroute("**/run_metrics")
    expect(page.locator("#overview-loss canvas")).to_be_visible(timeout=LONG)
    expect(page.locator("#run-page").get_by_role("alert")).to_have_count(0)
    page.close()


def test_a_table_keeps_its_shape_with_long_names_on_every_screen(filled, browser):
    app, ws, house = filled
    runs.describe(ws, house.lora, name="a very long name of a run, " * 3)
    for width in (1440, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(app.url + "/runs")
        link = page.locator("#runs-table").get_by_role("link", name=re.compile("a very long name"))
        expect(link).to_be_visible(timeout=LONG)
        assert link.evaluate("a => a.scrollWidth > a.clientWidth && getComputedStyle(a).textOverflow === 'ellipsis'")
        assert link.get_attribute("title").startswith("a very long name of a run, a very")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for state in page.locator("#runs-table .ts-state").all():
            assert state.bounding_box()["height"] < 30, "a state stays in one line"
        page.close()


SORTED_AT_ONCE = """() => {
  document.querySelector("#pages a[data-page=runs]").click();
  document.querySelector("#runs-table [data-act=runs-sort][data-value=name]").click();
}"""


def test_what_is_pressed_while_a_page_is_made_is_not_taken_back(filled, browser):
    app, *_ = filled
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(app.url + "/runs")
    expect(page.locator("#runs-table table")).to_be_visible(timeout=LONG)
    for _ in range(3):
        page.evaluate(SORTED_AT_ONCE)
        expect(page.locator("#runs-table th[aria-sort=ascending]")).to_be_visible(timeout=LONG)
        page.wait_for_timeout(1500)
        expect(page.locator("#runs-table th[aria-sort=ascending]")).to_be_visible()
        page.locator("#runs-table [data-act=runs-sort][data-value=name]").click()
        expect(page.locator("#runs-table th[aria-sort=descending]")).to_be_visible(timeout=LONG)
        page.locator("#runs-table [data-act=runs-sort][data-value=name]").click()
        expect(page.locator("#runs-table th[aria-sort]")).to_have_count(0, timeout=LONG)


def test_a_blind_test_of_two_runs_in_one_click(filled, browser):
    app, ws, house = filled
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(app.url + "/runs")
    for name in ("tuned", "whole"):
        tick(page, name)
    page.click("#blind")
    expect(here(page)).to_have_text("Label", timeout=LONG)
    expect(page.locator("#label-project input")).to_have_value(re.compile("tuned / whole|whole / tuned"), timeout=LONG)
    expect(page.locator("#pairs-writing")).to_contain_text(re.compile(r"answers|pairs added|Loading", re.I), timeout=LONG)
    expect(page.locator("#pairs-write")).to_be_visible(timeout=LONG)  # the form comes back when the models are done
    page.close()
