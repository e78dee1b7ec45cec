"""How fast the page answers in a real browser: clicks with 100 finished runs, while one is under way.

    python -m bench.clicks [--runs 100] [--rounds 20]

For each click: milliseconds until the first change on the screen (goal 100 at p95) and until the result is there (goal 500). Baseline, in the
same browser: a bare Gradio page whose button answers with one text. Needs chromium and playwright.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import gradio as gr
from playwright.sync_api import Browser, Page, sync_playwright

from bench.scale import workspace
from tests.browsing import CHROMIUM, FLAGS, free_port, running
from tuner import locks, runs
from tuner.paths import Workspace

SIGN = """
(at) => new Promise(done => {
  const began = performance.now();
  const seen = new MutationObserver(() => { seen.disconnect(); requestAnimationFrame(() => done(performance.now() - began)); });
  seen.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
  at.click();
})
"""
TAB = "#run-tabs > .tab-wrapper [role=tab] >> nth="
STEPS = {  # what: (what is clicked, what is visible when the result is there), in this order
    "Runs": ("#pages a[data-page=runs]", "#runs-table table"),
    "a run": ("#runs-table tbody a.ts-name >> nth=3", "#progress h2"),
    "its charts": (TAB + "1", "#charts canvas"),
    "its config": (TAB + "3", "#run-config table"),
    "all runs": ("#all-runs a", "#runs-table table"),
    "sort": ("#runs-table [data-act=runs-sort][data-value=name]", "#runs-table tbody"),
    "Data": ("#pages a[data-page=data]", "#datasets button, #datasets a"),
    "Train": ("#pages a[data-page=train]", "#plan-card"),
    "Chat": ("#pages a[data-page=chat]", "#who"),
    "Label": ("#pages a[data-page=label]", "#label-top, .ts-empty"),
    "Export": ("#pages a[data-page=export]", "#take-top"),
    "Settings": ("#pages a[data-page=settings]", "#doctor table"),
    "Home": ("#pages a[data-page=home]", ".ts-cards"),
}


def measure(page: Page, clicked: str, result: str) -> tuple[float, float]:
    """Return milliseconds until something moved, and until the result is visible."""
    at = page.locator(clicked).first
    began = time.perf_counter()
    sign = at.evaluate(SIGN)
    page.locator(result).locator("visible=true").first.wait_for(timeout=20_000)
    page.wait_for_function("!window.tunesmith || window.tunesmith.settled()")
    return sign, 1000 * (time.perf_counter() - began)


def bare(browser: Browser, rounds: int) -> list[tuple[float, float]]:
    """Return the same of a page with one button and one text of Gradio's."""
    with gr.Blocks() as app:
        button, out = gr.Button("go", elem_id="go"), gr.HTML(elem_id="out")
        n = gr.State(0)
        button.click(lambda n: (n + 1, f"<p id=at-{n + 1}>{n + 1}</p>"), n, [n, out], queue=False, show_progress="hidden")
    port = free_port()
    app.launch(server_port=port, prevent_thread_lock=True, quiet=True)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{port}")
    page.wait_for_selector("#go")
    found = [measure(page, "#go", f"#at-{i}") for i in range(1, rounds + 1)]
    app.close()
    return found


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


@contextmanager
def growing(ws: Workspace) -> Iterator[None]:
    """Have one run under way that tells of a step each second, as its worker does."""
    folder, done = ws.runs / "run-1", threading.Event()
    locks.acquire(folder / "lock")

    def go() -> None:
        step = 1
        while not done.wait(1.0):
            step += 1
            with closing(runs.metrics_db(folder)) as db:
                runs.write_metrics(db, step, {"loss": 1 / step})
            runs.write_status(folder, state="running", progress={"step": step, "steps": 10_000})

    runs.write_status(folder, state="running", progress={"step": 1, "steps": 10_000})
    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        base = bare(browser, args.rounds)
        ws = workspace(Path(place) / "home", args.runs, 3)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in STEPS}
        with growing(ws), running(Path(place) / "home") as app:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(app.url)
            page.wait_for_selector(".ts-cards", timeout=60_000)
            for name in STEPS:  # each page is built once, as for a person who has been there
                measure(page, *STEPS[name])
            for _ in range(args.rounds):
                for name, step in STEPS.items():
                    found[name].append(measure(page, *step))
                    page.wait_for_timeout(200)
        browser.close()
    every = [m for ms in found.values() for m in ms]
    for name, ms in {"bare Gradio": base, **found, "all": every}.items():
        sign, result = ([m[i] for m in ms] for i in (0, 1))
        print(
            f"{name:12} sign p50 {statistics.median(sign):5.0f} p95 {p95(sign):5.0f} ms   result p50 {statistics.median(result):5.0f} "
            f"p95 {p95(result):5.0f} ms ({p95(result) / p95([m[1] for m in base]):.1f}x bare)"
        )


if __name__ == "__main__":
    main()
