"""The Label page as labellers use it: the keyboard alone, a reload, a second device, a link, a crowd, a page that is killed."""

import os
import re
import signal
import sys

import httpx
import pytest
from playwright.sync_api import expect

from bench import labels as crowd
from tests.browser.conftest import free_port, running
from tests.browser.test_journey import LONG
from tests.browsing import go, here
from tests.labels.test_queue import candidate
from tuner.labels import db, outcome, pairs, projects
from tuner.paths import Workspace
from ui import reach

QUICK_HAND = """() => new Promise(done => {  // three presses within 0.2 s of the page's own time: the test's would stretch under load
  let n = 0;
  const press = () => {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft", bubbles: true}));
    if (++n < 3) setTimeout(press, 100); else done();
  };
  press();
})"""


def workspace(home) -> Workspace:
    return Workspace(home, machine=home / "machine").prepare()


def task(page) -> str:
    return page.locator("#label-pair [data-task]").get_attribute("data-task", timeout=LONG)


def press(page, *keys: str) -> str:
    """Press keys until the pair changes; the task that was judged."""
    judged = task(page)
    page.wait_for_timeout(350)  # a key counts once the pair has been seen
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(400 if key != keys[-1] else 0)
    expect(page.locator("#label-pair [data-task]")).not_to_have_attribute("data-task", judged, timeout=LONG)
    return judged


def begun(page, app, name: str = "ann", query: str = "") -> None:
    page.goto(app.url + query)
    if not query:
        go(page, "Label")
    page.fill("#label-name input, #label-name textarea", name)
    page.keyboard.press("Enter")
    page.locator("#label-begin").click(timeout=LONG)
    expect(page.locator("#label-pair [data-task]")).to_be_visible(timeout=LONG)


STEPS = ("Set up", "Collect", "Label", "Results", "Train")


def open_step(page, name: str) -> None:
    page.locator("#label-inner > .tab-wrapper").get_by_role("tab", name=name).click()


def said(ws, project) -> dict[str, outcome.Judgment]:
    with db.reading(ws, project) as file:
        return {str(r["task"]): dict(r) for r in file.execute("SELECT e.* FROM events e WHERE e.kind = 'verdict'")}


def test_from_nothing_to_a_training_with_the_keyboard(app, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(app.url)
    go(page, "Label")
    page.click("#label-try")
    expect(page.locator("#label-notice")).to_contain_text("200 pairs added.", timeout=LONG)
    page.fill("#label-name input, #label-name textarea", "ann")
    page.click("#label-start")
    expect(page.locator("#label-rules")).to_contain_text("Which answer would you rather get?", timeout=LONG)
    page.click("#label-begin")
    left, right, tie = press(page, "ArrowLeft"), press(page, "b"), press(page, "t")
    bad, skipped = press(page, "x", "x"), press(page, "s", "s")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("e")
    page.wait_for_timeout(300)
    events = [url for url in asked if "/queue/" in url or ("/run/" in url and not url.endswith("/run/page_state"))]  # which only reads
    assert not events, "no late answer can undo what is chosen next"
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#label-wording textarea")).not_to_have_value("", timeout=LONG)
    page.fill("#label-wording textarea", "better tesu")  # with the letters of commands in it
    mended = task(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#label-pair [data-task]")).not_to_have_attribute("data-task", mended, timeout=LONG)
    ws = workspace(app.home)
    project = projects.listing(ws)[0].id
    kept = said(ws, project)
    assert {kept[t]["winner"] for t in (left, right)} <= {"first", "second"} and kept[tie]["winner"] == "tie"
    assert kept[bad]["winner"] == "both_bad" and kept[skipped]["winner"] == "skip" and kept[mended]["edited"] == "better tesu"
    assert len(kept) == 6, "no key counted twice, none while somebody typed"
    page.wait_for_timeout(350)
    page.evaluate(QUICK_HAND)
    expect(page.locator("#label-pair [data-task]")).to_be_visible(timeout=LONG)
    assert len(said(ws, project)) == 7, "a pair that nobody has seen is not judged"
    page.wait_for_timeout(350)
    press(page, "ArrowLeft")
    page.keyboard.press("u")
    expect(page.locator("#label-message")).to_contain_text("The judgment was", timeout=LONG)
    now = task(page)
    page.reload()
    expect(page.locator("#label-pair [data-task]")).to_have_attribute("data-task", now, timeout=LONG)
    page.keyboard.press("?")
    expect(page.locator("#label-help")).to_contain_text("undo", timeout=LONG)
    open_step(page, "Results")
    expect(page.locator("#label-quality")).to_contain_text("7 of 200 judgments", timeout=LONG)
    page.click("#label-go-train")
    page.click("#label-teach")
    expect(here(page)).to_have_text("Train", timeout=LONG)
    expect(page.locator("#train-data input").first).to_have_value(re.compile("Answer styles"), timeout=LONG)
    page.close()


@pytest.fixture
def filled(app):
    """An app with a project of twelve pairs, judged with strength."""
    ws = workspace(app.home)
    project = projects.create(ws, "Sums").id
    pairs.add_pairs(ws, project, [candidate(n) for n in range(12)])
    projects.update_settings(ws, project, strength=True, repeats=0)
    return ws, project


def test_a_link_shows_the_pairs_alone_on_a_phone_and_everywhere_the_same(app, browser, filled):
    ws, project = filled
    phone = browser.new_page(viewport={"width": 400, "height": 850})
    begun(phone, app, "ben", f"/?label={project}")
    expect(phone.locator("#side-bar")).not_to_be_visible()
    for step in STEPS:
        expect(phone.get_by_role("tab", name=step)).not_to_be_visible()
    expect(phone.locator("#label-top")).not_to_be_visible()
    a, b = (phone.locator("#label-pair .ts-card").nth(n).bounding_box() for n in (0, 1))
    assert b["y"] > a["y"] + a["height"] - 1 and a["x"] == b["x"], "A and B stand one above the other"
    shown = task(phone)
    phone.wait_for_timeout(350)
    phone.keyboard.press("ArrowRight")
    expect(phone.locator("#label-asked")).to_contain_text("B is better", timeout=LONG)
    desk = browser.new_page(viewport={"width": 1280, "height": 900})
    begun(desk, app, "cid")
    assert task(desk) != shown, "two people never have one pair"
    desk.click("#label-handover")
    desk.fill("#label-name input, #label-name textarea", "ben")
    desk.keyboard.press("Enter")
    desk.locator("#label-begin").click(timeout=LONG)
    expect(desk.locator("#label-pair [data-task]")).to_have_attribute("data-task", shown, timeout=LONG)
    assert press(phone, "3") == shown
    assert (said(ws, project)[shown]["strength"], said(ws, project)[shown]["labeller"]) == (3, "ben")
    wrong = browser.new_page()
    wrong.goto(app.url + "/?label=no-such-project")
    expect(wrong.get_by_text("There is no label project")).to_be_visible(timeout=LONG)
    for page in (phone, desk, wrong):
        page.close()


def test_answers_are_text_and_never_html(app, browser):
    ws = workspace(app.home)
    project = projects.create(ws, "Hostile").id
    evil = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script> **bold** [x](javascript:alert(1)) ![i](http://127.0.0.1:9/x)"
    one = pairs.Candidate(
        [{"role": "system", "content": "<b>sys</b>"}, {"role": "user", "content": "<i>first</i>"}, {"role": "assistant", "content": "mm"}]
        + [{"role": "user", "content": evil}],
        [{"role": "assistant", "content": evil}],
        [{"role": "assistant", "content": "plain and simple"}],
    )
    pairs.add_pairs(ws, project, [one])
    page = browser.new_page()
    begun(page, app)
    shown = page.locator("#label-pair")
    expect(shown).to_contain_text("onerror", timeout=LONG)
    expect(shown).to_contain_text("<i>first</i>")
    assert shown.locator("img, script, i, a[href^=javascript]").count() == 0 and shown.locator("strong").count() > 0
    assert page.title() != "pwned"
    page.close()


@pytest.mark.parametrize("labellers, n", [(8, 120), pytest.param(50, 2000, marks=pytest.mark.long)])
def test_a_crowd_through_the_page(tmp_path, labellers, n):
    found = crowd.crowd(tmp_path / "home", labellers, n)
    assert (found["given"], found["kept"], found["twice"], found["lost"]) == (n, n, 0, 0)


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_page_loses_no_verdict_and_goes_on_at_the_same_pair(tmp_path, times):
    ws = workspace(tmp_path / "home")
    project = crowd.project(ws, 4 * times + 4)
    projects.mark_guidelines_read(ws, project, "ann")
    port, kept, waiting = free_port(), [], None
    for _ in range(times):
        with running(ws.home, port=port) as app, httpx.Client(base_url=app.url, timeout=60, trust_env=False) as http:
            call = lambda where, data: http.post(f"/gradio_api/run/{where}", json={"data": data, "session_hash": "s"}).raise_for_status()  # noqa: E731
            call("label_open", [{"label": project, "labeller": "ann"}, "ann"])
            shown = crowd.shown(call("label_begin", [project, "ann"]))
            assert waiting in (None, shown)
            for _ in range(3):
                answer = call("label_a", [project, "ann", shown, "", "", None, ""])
                kept.append(int(shown))
                shown = waiting = crowd.shown(answer)
            os.kill(app.process.pid, signal.SIGKILL)
            app.process.wait()
    with db.reading(ws, project) as file:
        assert [t for (t,) in file.execute("SELECT task FROM events ORDER BY id")] == kept


def test_the_steps_from_an_empty_project_each_with_what_comes_next(app, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(app.url + "/label")
    expect(page.locator("#label-empty")).to_be_visible(timeout=LONG)
    expect(page.locator("#label-inner")).not_to_be_visible()
    page.click("#label-first")
    page.fill("#label-title input, #label-title textarea", "Sums")
    page.click("#label-make")
    expect(page.locator("#label-next-step")).to_contain_text("Next: add pairs", timeout=LONG)
    assert page.locator("#label-inner > .tab-wrapper [role=tab]").all_inner_texts() == list(STEPS)
    for step, empty in (
        ("Collect", "once the project has pairs"),
        ("Label", "no pairs to judge"),
        ("Results", "appear here"),
        ("Train", "none yet"),
    ):
        open_step(page, step)
        expect(page.locator("#label-inner .ts-empty:visible")).to_contain_text(empty, timeout=LONG)
        assert page.locator("#label-inner button.primary:visible").count() == 0, "nothing to do here but what the empty state says"
    open_step(page, "Label")
    page.get_by_role("button", name="Add pairs").click()
    page.locator("#label-guidelines-box > button").click()
    page.fill("#label-guidelines textarea", "Not saved yet")
    page.click("#pairs-sample")
    expect(page.locator("#pairs-told .ts-good")).to_contain_text("200 pairs added.", timeout=LONG)
    expect(page.locator("#label-next-step")).to_contain_text("share the link", timeout=LONG)
    expect(page.locator("#label-guidelines textarea")).to_have_value("Not saved yet")
    page.click("#pairs-sample")
    expect(page.locator("#pairs-told")).to_contain_text("0 pairs added.", timeout=LONG)
    expect(page.locator("#pairs-told")).to_contain_text("The project already has all of them")
    assert page.locator("#pairs-told .ts-state.warning").count() == 1 and page.locator("#pairs-told .ts-good").count() == 0
    page.click("#pairs-go")
    expect(page.locator("#label-reach")).to_contain_text("Only this computer", timeout=LONG)
    expect(page.locator("#label-command")).to_contain_text("tunesmith app --host 0.0.0.0")
    page.click("#label-go-label")
    expect(page.locator("#label-who")).to_be_visible(timeout=LONG)
    open_step(page, "Set up")
    page.locator("#label-delete-box > button").click()
    page.click("#label-delete")
    expect(page.locator("#label-dropped .ts-bad")).to_contain_text("Tick the box", timeout=LONG)
    page.check("#label-sure input")
    page.click("#label-delete")
    expect(page.locator("#label-empty")).to_be_visible(timeout=LONG)
    expect(page.locator("#label-notice .ts-good")).to_contain_text("deleted", timeout=LONG)
    expect(page.locator("#label-inner")).not_to_be_visible()
    page.close()


def test_the_next_person_at_this_browser_is_asked_for_the_name_and_shown_the_guidelines(app, browser, filled):
    ws, project = filled
    projects.mark_guidelines_read(ws, project, "ben")  # who has read them before sees them again: two people share one browser
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    begun(page, app)
    shown = task(page)
    page.click("#label-handover")
    expect(page.locator("#label-who")).to_be_visible(timeout=LONG)
    expect(page.locator("#label-desk")).not_to_be_visible()
    page.reload()
    expect(page.locator("#label-name input, #label-name textarea")).to_have_value("", timeout=LONG)
    page.click("#label-start")
    expect(page.locator("#label-message")).to_contain_text("Enter your name", timeout=LONG)
    page.fill("#label-name input, #label-name textarea", "cid")
    page.click("#label-start")
    expect(page.locator("#label-rules")).to_contain_text("Which answer would you rather get?", timeout=LONG)
    page.click("#label-begin")
    assert task(page) == shown, "the pair that was handed over waits for nobody"
    page.click("#label-handover")
    page.fill("#label-name input, #label-name textarea", "ben")
    page.keyboard.press("Enter")
    expect(page.locator("#label-rules")).to_be_visible(timeout=LONG)
    page.click("#label-begin")
    expect(page.locator("#label-progress")).to_contain_text("none by ben yet", timeout=LONG)
    open_step(page, "Collect")
    for name in ("ann", "ben", "cid"):
        expect(page.locator("#label-roster")).to_contain_text(name, timeout=LONG)
    page.close()


def slow(page, seconds: float) -> None:
    """Let the answer to each step that is opened take longer; the others come at once."""

    def late(route) -> None:
        found = route.fetch()
        if '"event_data":{"value"' in (route.request.post_data or ""):
            page.wait_for_timeout(1000 * seconds)
        route.fulfill(response=found)

    page.route(re.compile(r"/gradio_api/run/(?!page_state)"), late)


def test_no_late_answer_takes_back_what_a_quick_hand_did(app, browser, filled):
    """The answer that opens a step comes 0.8 s late: what is written and pressed meanwhile counts."""
    ws, project = filled
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(app.url + "/label")
    expect(page.locator("#label-name textarea, #label-name input")).to_be_visible(timeout=LONG)
    page.wait_for_function("() => window.tunesmith.settled()")
    slow(page, 0.8)
    open_step(page, "Set up")
    page.locator("#label-guidelines-box > button").click()  # opens at once
    page.fill("#label-guidelines textarea", "Be kind")
    page.click("#label-keep-guidelines")
    assert not page.evaluate("window.tunesmith.settled()"), "the step is still being drawn"
    expect(page.locator("#label-guidelines-kept")).to_contain_text("aved", timeout=LONG)
    expect(page.locator("#label-guidelines textarea")).to_have_value("Be kind")
    assert projects.guidelines(ws, project)[1] == "Be kind", "what was written was saved, not what the late answer put there"
    open_step(page, "Label")
    page.click("#label-start")
    assert not page.evaluate("window.tunesmith.settled()")
    page.wait_for_timeout(2500)  # its own answer would come first, and that of the step take it back
    expect(page.locator("#label-message")).to_contain_text("Enter your name")
    open_step(page, "Results")
    page.wait_for_timeout(1500)
    open_step(page, "Label")
    page.fill("#label-name input, #label-name textarea", "ann")
    page.keyboard.press("Enter")
    assert not page.evaluate("window.tunesmith.settled()")
    expect(page.locator("#label-begin")).to_be_visible(timeout=LONG)
    page.close()


def test_a_project_that_is_not_here_is_said(app, browser, filled):
    page = browser.new_page()
    page.goto(app.url + "/label?project=no-such-project")
    expect(page.locator("#label-project input")).to_have_value("Sums", timeout=LONG)
    page.wait_for_timeout(1500)  # the step that the page opens by itself leaves the message
    expect(page.locator("#label-notice .ts-bad")).to_contain_text("no-such-project")
    open_step(page, "Results")
    expect(page.locator("#label-notice .ts-bad")).to_have_count(0, timeout=LONG)
    page.close()


def test_the_link_is_one_that_others_can_open(tmp_path, browser):
    """The page listens in the network: the link names this computer's address there, its QR code holds the same, and it opens."""
    address = reach.network_address()
    if address is None:
        pytest.skip("this computer is in no network")
    ws, port = workspace(tmp_path / "home"), free_port()
    project = projects.create(ws, "Sums").id
    pairs.add_pairs(ws, project, [candidate(n) for n in range(3)])
    command = [sys.executable, "-m", "tuner.cli", "app", "--no-browser", "--host", "0.0.0.0", "--port", str(port)]
    with running(ws.home, port=port, command=command, TUNESMITH_PASSWORD="chalk-and-duster") as app:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(app.url)
        page.get_by_label("username").fill("tunesmith")
        page.get_by_label("password").fill("chalk-and-duster")
        page.get_by_role("button", name="Login").click()
        go(page, "Label")
        open_step(page, "Collect")
        link = page.locator("#label-link").locator("input, textarea")
        expect(link).to_have_value(f"http://{address}:{port}/?label={project}", timeout=LONG)
        expect(page.locator("#label-qr svg")).to_be_visible()
        expect(page.locator("#label-reach")).to_contain_text("tunesmith")
        assert httpx.get(link.input_value(), trust_env=False).status_code == 200
        page.close()
