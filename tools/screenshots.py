"""Screenshots of every page in its states, from the real app: `python -m tools.screenshots FOLDER [--language de]`.

States: empty; filled (datasets, finished runs, pairs to label); trouble (a file that can't be read, settings that contradict each other). A
run with each of its tabs, and two runs compared.
Each in light and dark at 1440 px and in light at 390 px. Needs Chromium and the development dependencies.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browsing import CHROMIUM, FLAGS, App, end_all, running
from tuner import runs
from tuner.data.store import sample_data
from tuner.jobs import training
from tuner.labels import pair_import, projects
from tuner.paths import Workspace
from ui import navigation
from ui.text import COOKIE

LOOKS = (("light", 1440), ("dark", 1440), ("light", 390))
WAIT = 2500  # milliseconds until what a page shows has come
STEPS = ("dataset", "model", "settings", "review")


def fill(ws: Workspace) -> None:
    """Put a dataset, a finished run and a label project into a workspace."""
    run = training.demo(ws)
    training.wait(ws, run.id)
    other = training.start(
        ws, {"model": "starter", "data": run.config["data"], "lora_rank": 4, "learning_rate": 0.001}, preset="quick", name="rank 4"
    )
    training.wait(ws, other.id)
    sample_data.add(ws, "tickets")
    project = projects.create(ws, "Tone of the helpdesk")
    pair_import.from_dataset(ws, project.id, sample_data.add(ws, "preferences").ref)


@contextmanager
def look(browser: Browser, app: App, scheme: str, width: int, language: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.add_cookies([{"name": COOKIE, "value": language, "url": app.url}])
    yield context.new_page()
    context.close()


def pages(page: Page, app: App, folder: Path, state: str, name: str) -> None:
    """Take each page as it opens, and each step of Train."""
    for title, address in navigation.PAGES.items():
        page.goto(f"{app.url}/{address.path}")
        page.wait_for_selector("#pages a", state="attached")
        page.wait_for_timeout(WAIT)
        for step in STEPS if title == "train" else ("",):
            if step:
                page.locator(f"#steps [data-step={step}]").click()
                page.wait_for_timeout(300)
            page.screenshot(path=folder / f"{title}{'-' + step if step else ''}-{state}-{name}.png", full_page=title != "chat")


def of_runs(page: Page, app: App, folder: Path, name: str, ids: list[str]) -> None:
    """Take a run with each of its tabs, and two runs compared."""
    page.goto(f"{app.url}/runs?run={ids[0]}")
    page.wait_for_selector("#progress h2")
    for tab in page.locator("#run-tabs > .tab-wrapper [role=tab]").locator("visible=true").all():
        tab.click()
        page.wait_for_timeout(WAIT // 2)
        page.screenshot(path=folder / f"run-{tab.inner_text().lower()}-{name}.png", full_page=True)
    page.goto(f"{app.url}/runs?run={','.join(ids)}")
    page.wait_for_selector("#overlay canvas")
    page.wait_for_timeout(WAIT // 2)
    page.screenshot(path=folder / f"runs-compared-{name}.png", full_page=True)


def trouble(page: Page, app: App, folder: Path, name: str) -> None:
    """Take a file that can't be read, and settings that are wrong."""
    page.goto(f"{app.url}/data")
    page.wait_for_timeout(WAIT)
    if page.locator("#import-data").is_visible():
        page.locator("#import-data").click()
    picture = {"name": "picture.csv", "mimeType": "text/csv", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(2000)}
    page.set_input_files("#upload input[type=file]", picture)
    page.wait_for_timeout(2 * WAIT)
    page.screenshot(path=folder / f"data-trouble-{name}.png", full_page=True)
    page.goto(f"{app.url}/train")
    page.wait_for_timeout(WAIT)
    page.locator("#steps [data-step=settings]").click()
    page.fill("#setting-epochs input", "-2")
    page.wait_for_timeout(WAIT)
    page.screenshot(path=folder / f"train-trouble-{name}.png", full_page=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Take screenshots of every page of Tunesmith.")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--language", default="en", help="en, de or en-XA (the pseudo-locale)")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tunesmith-screenshots-") as place, sync_playwright() as playwright:
        browser, home = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS), Path(place) / "home"
        ws = Workspace(home, machine=home / "machine").prepare()
        with running(home, TUNESMITH_PROBE="0") as app:
            for state in ("empty", "filled"):
                if state == "filled":
                    fill(ws)
                for scheme, width in LOOKS:
                    with look(browser, app, scheme, width, asked.language) as page:
                        name = f"{scheme}-{width}"
                        pages(page, app, asked.folder, state, name)
                        if state == "filled":
                            of_runs(page, app, asked.folder, name, [run.id for run in runs.listing(ws)][:2])
                            trouble(page, app, asked.folder, name)
        browser.close()
        end_all(home)
    print(f"{len(list(asked.folder.glob('*.png')))} screenshots in {asked.folder}")


if __name__ == "__main__":
    main()
