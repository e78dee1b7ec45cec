"""What a page costs a browser that looks at it: idle, and with a run of 5,000 points that grows once a second.

    python -m bench.live [--points 5000] [--seconds 20]
    python -m bench.live --minutes 5    what a page that stays open for that long grows by, while the run goes on

Baseline: a page with one gr.LinePlot that grows as the run does; gr.Plot (plotly) beside it. Figures: milliseconds of the browser's main
thread and kilobytes received, both per second.
Without plotly (`pip install plotly`) that row is left out. Needs chromium and playwright.
"""

import argparse
import math
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import gradio as gr
import pandas as pd
import psutil
from playwright.sync_api import sync_playwright

from bench.scale import workspace
from tests.browsing import CHROMIUM, FLAGS, App, free_port, running
from tuner import locks, runs

SHAPE = [(3 * math.exp(-step / 900) + 0.6 + random.Random(step).gauss(0, 0.1)) for step in range(1, 20_001)]


def loss(step: int) -> float:
    """Return a loss that falls and jumps; the same after 20,000 steps."""
    return SHAPE[(step - 1) % len(SHAPE)]


def other(kind: str, points: int) -> gr.Blocks:
    """Return an app with one chart of Gradio's own that grows by a point a second."""
    with gr.Blocks() as app:
        seen = gr.State(points)
        if kind == "LinePlot":
            chart = gr.LinePlot(x="step", y="loss", height=220)
        else:
            chart = gr.Plot()
        gr.Timer(1).tick(lambda n: (n + 1, drawn(kind, n)), seen, [seen, chart], show_progress="hidden")
    return app


def drawn(kind: str, n: int):
    frame = pd.DataFrame({"step": range(1, n + 1), "loss": map(loss, range(1, n + 1))})
    if kind == "LinePlot":
        return frame
    import plotly.express as px

    return px.line(frame, x="step", y="loss").update_layout(uirevision="same")


def cost(browser, url: str, seconds: int, then=lambda page: None, each=lambda second: None) -> tuple[float, float]:
    """Return (main-thread milliseconds, kilobytes received) per second of a page, after it has settled."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    talk = page.context.new_cdp_session(page)
    talk.send("Performance.enable")
    talk.send("Network.enable")
    received = []
    talk.on("Network.dataReceived", lambda event: received.append(event["dataLength"]))
    page.goto(url)
    page.wait_for_timeout(6000)
    then(page)
    page.wait_for_timeout(3000)
    busy = lambda: next(m["value"] for m in talk.send("Performance.getMetrics")["metrics"] if m["name"] == "TaskDuration")  # noqa: E731
    begin, received[:] = busy(), []
    for second in range(seconds):
        each(second)
        page.wait_for_timeout(1000)
    found = (busy() - begin) * 1000 / seconds, sum(received) / 1000 / seconds
    page.close()
    return found


@contextmanager
def under_way(points: int) -> Iterator[tuple[App, str, Callable[[int], None]]]:
    """The real app with a run under way: (the app, the address of the run, what takes its next step)."""
    with tempfile.TemporaryDirectory() as place:
        ws = workspace(Path(place) / "home", 1, 0)
        folder = next(ws.runs.iterdir())
        runs.write_status(folder, state="running", progress={"step": points, "steps": 2 * points})
        with closing(runs.metrics_db(folder)) as db, db:
            db.executemany("INSERT OR REPLACE INTO metrics VALUES (?, 'loss', ?)", ((n, loss(n)) for n in range(1, points + 1)))
        at = [points]

        def step(second: int) -> None:
            at[0] += 1
            with closing(runs.metrics_db(folder)) as db:
                runs.write_metrics(db, at[0], {"loss": loss(at[0])})
            runs.write_status(folder, state="running", progress={"step": at[0], "steps": 2 * points})

        locks.acquire(folder / "lock")  # as its worker does
        with running(Path(place) / "home") as app:
            yield app, f"{app.url}/runs?run={folder.name}", step


def ours(browser, points: int, seconds: int) -> dict[str, tuple[float, float]]:
    """The real app: idle, and a run under way on each of its tabs."""
    with under_way(points) as (app, address, step):
        found = {"ours: Home, idle": cost(browser, app.url, seconds), "ours: a run, idle": cost(browser, address, seconds)}
        for name in ("Overview", "Charts", "Log"):
            opened = lambda page, name=name: page.get_by_role("tab", name=name, exact=True).click()  # noqa: E731
            found[f"ours: a run, live, {name}"] = cost(browser, address, seconds, opened, step)
    return found


def growth(browser, points: int, minutes: int) -> None:
    """Print, minute by minute, what the browser holds for a page of charts that grow, after its garbage was collected, and what the app's process holds."""
    with under_way(points) as (app, address, step):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        talk = page.context.new_cdp_session(page)
        talk.send("Performance.enable")
        page.goto(address)
        page.get_by_role("tab", name="Charts").click()
        first: dict[str, float] = {}
        for second in range(-60, minutes * 60 + 1):  # the first minute settles it
            if second % 60 == 0 and second >= 0:
                talk.send("HeapProfiler.collectGarbage")
                known = {m["name"]: m["value"] for m in talk.send("Performance.getMetrics")["metrics"]}
                now = {"heap, MB": known["JSHeapUsedSize"] / 1e6, "nodes": known["Nodes"], "listeners": known["JSEventListeners"]}
                now["process, MB"] = psutil.Process(app.process.pid).memory_info().rss / 1e6
                first = first or now
                said = (f"{name} {value:,.1f} ({value / first[name]:.2f}x)" for name, value in now.items())
                print(f"minute {second // 60}: {', '.join(said)}", flush=True)
            step(second)
            page.wait_for_timeout(1000)
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=0)
    args = parser.parse_args()
    found = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if args.minutes:
            return growth(browser, args.points, args.minutes)
        found["empty page"] = cost(browser, "about:blank", 3)
        for kind in ("LinePlot", "Plot (plotly)"):
            with suppress(ImportError):
                drawn(kind, 10)
                app, port = other(kind, args.points), free_port()
                app.launch(server_port=port, prevent_thread_lock=True, quiet=True)
                found[kind] = cost(browser, f"http://127.0.0.1:{port}", args.seconds)
                app.close()
        found |= ours(browser, args.points, args.seconds)
        browser.close()
    base = found["LinePlot"]
    for name, (busy, kilobytes) in found.items():
        print(f"{name:28} {busy:8.1f} ms/s ({busy / base[0]:.2f}x)  {kilobytes:8.1f} kB/s ({kilobytes / max(base[1], 1e-9):.3f}x)")


if __name__ == "__main__":
    main()
