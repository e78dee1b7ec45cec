"""What history and visitors cost: the real page over a workspace with many runs and datasets, asked as browsers ask it.

    python -m bench.scale [--runs 1000] [--datasets 300] [--parts load tabs idle crowd left] [--sessions 50] [--seconds 120] [--left 300]

Prints, one line a part:
load   seconds of `on_load` (what a reload of the page waits for) and the bytes it sends: the first after the start, and the median of five
tabs   seconds to open each tab, median of three
idle   seconds of processor time of the server in 30 s of one open tab of a real browser, as a share of one core
crowd  N sessions that load the page, tick once a second and open a tab every ten: p50, p95 and most of the seconds an answer took, errors,
       and by how many MB the server grew after a first visitor had opened every tab
left   resident memory before sessions are opened and left without a word, after, and once they have expired (`--expire` seconds)
"""

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import httpx
import psutil

from tests.browser.conftest import CHROMIUM, FLAGS, free_port
from tuner import paths, runs
from tuner.data.store import sample_data
from tuner.jobs import training
from tuner.paths import Workspace

TABS = ("on_open_runs", "on_open_chat", "on_open_data", "on_open_take", "on_open_train")
IDLE = 30  # seconds
TABS_OPEN = 10  # browser tabs that look on at once
SLOW = 60.0  # seconds after which a client gives up


# --- the workspace ----------------------------------------------------------------------------------------------------


def workspace(home: Path, n: int, datasets: int) -> Workspace:
    """`n` finished runs, each with its files and a short metrics.db, and `datasets` copies of a sample."""
    ws = Workspace(home, machine=home / "machine").prepare()
    ds = sample_data.add(ws, "helpdesk")
    plan, model, ds, asked = training.prepare(ws, {"model": "starter", "data": ds.ref, "device": "cpu"}, preset="balanced")
    wish, document = training._wish(model, ds, "balanced", asked), training._document(plan, model, ds, "balanced")
    first = runs.create(ws, wish, document, name="run 0")
    first_run(first.path)
    for i in range(1, n):
        another_run(first.path, ws.runs / f"run-{i}", i)
    for i in range(1, datasets):
        another_dataset(ws.dataset(ds.id), ws.datasets / f"data-{i}", i)
    return ws


def first_run(folder: Path) -> None:
    runs.write_status(
        folder,
        state="finished",
        best={"eval_loss": 1.2, "step": 90},
        progress={"step": 100, "steps": 100, "epoch": 3, "elapsed_seconds": 61},
    )
    db = runs.metrics_db(folder)
    for step in range(1, 101):
        runs.write_metrics(db, step, {"loss": 3 / step, "learning_rate": 1e-4} | ({"eval_loss": 2 / step} if step % 25 == 0 else {}))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")


def another_run(pattern: Path, folder: Path, i: int) -> None:
    shutil.copytree(pattern, folder)
    about = {"name": f"run {i}", "notes": "", "created": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(1.7e9 + 60 * i))}
    (folder / "about.json").write_text(json.dumps(about))


def another_dataset(pattern: Path, folder: Path, i: int) -> None:
    shutil.copytree(pattern, folder)
    file = folder / "versions" / "1" / "dataset.json"
    file.write_text(json.dumps(paths.read_json(file) | {"id": folder.name, "name": f"data {i}"}))


# --- the page ---------------------------------------------------------------------------------------------------------


class Server:
    """The page in a process of its own; `expire` seconds without a word end a session."""

    def __init__(self, home: Path, expire: int):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = os.environ | {"TUNESMITH_HOME": str(home), "TUNESMITH_MACHINE": str(home / "machine"), "GRADIO_ANALYTICS_ENABLED": "False"}
        command = [sys.executable, "-m", "bench.scale", "--serve", str(home), "--port", str(self.port), "--expire", str(expire)]
        begun = time.monotonic()
        self.child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        while not self.answers():
            if self.child.poll() is not None:
                raise SystemExit("the page did not start")
            time.sleep(0.05)
        self.start = time.monotonic() - begun
        self.process = psutil.Process(self.child.pid)

    def answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def megabytes(self) -> float:
        return self.process.memory_info().rss / 1e6

    def cpu(self) -> float:
        return sum(self.process.cpu_times()[:2])

    def end(self) -> None:
        self.child.terminate()
        self.child.wait(20)


class Visitor:
    """A browser's requests without the browser."""

    def __init__(self, url: str, config: dict):
        self.http = httpx.Client(base_url=url, timeout=SLOW)
        self.session, self.config = secrets.token_hex(6), config
        self.values = {c["id"]: c["props"].get("value") for c in config["components"]}
        self.found = {d["api_name"]: d for d in config["dependencies"]}
        loads = [d for d in config["dependencies"] if [0, "load"] in d["targets"] and d["api_name"].startswith("on_load")]
        self.found["on_load"] = max(loads, key=lambda d: len(d["outputs"]))
        self.beat = self.shape = ""

    def call(self, name: str, first=None, *more) -> httpx.Response:
        """Call a handler with the values the components begin with, the first ones replaced."""
        given = [self.values.get(i) for i in self.found[name]["inputs"]]
        data = [v for v, _ in zip([first, *more, *given[1 + len(more) :]], given, strict=False)]
        body = {"data": data, "session_hash": self.session, "fn_index": self.found[name]["id"]}
        answer = self.http.post("/gradio_api/run/predict", json=body)
        answer.raise_for_status()
        return answer

    def tick(self) -> None:
        """As live.js: look, and tell Gradio when a run came, went or changed its state."""
        body = {"data": [{"tab": "runs"}, self.beat], "session_hash": self.session}
        answer = self.http.post("/gradio_api/run/page_state", json=body)
        answer.raise_for_status()
        now = answer.json()["data"][0]
        self.beat = now["known"]
        if now.get("shape", self.shape) != self.shape:
            self.shape = now["shape"]
            self.call("on_shape", {"tab": "runs"})


def config_of(url: str) -> dict:
    return httpx.get(f"{url}/config", timeout=SLOW).json()


def seconds(work, *args) -> float:
    begun = time.monotonic()
    work(*args)
    return time.monotonic() - begun


# --- what is measured -------------------------------------------------------------------------------------------------


def load(server: Server, args) -> None:
    config, sizes = config_of(server.url), []
    took = [seconds(lambda: sizes.append(len(Visitor(server.url, config).call("on_load", {}).content))) for _ in range(6)]
    print(f"load: first {took[0]:.2f} s, then {statistics.median(took[1:]):.2f} s, {max(sizes) / 1e3:.0f} kB, start {server.start:.1f} s")


def tabs(server: Server, args) -> None:
    who = Visitor(server.url, config_of(server.url))
    who.call("on_load", {})
    took = {name: statistics.median(seconds(who.call, name, {}) for _ in range(3)) for name in TABS}
    print("tabs: " + ", ".join(f"{name} {t:.2f} s" for name, t in took.items()))


def idle(server: Server, args) -> None:
    """The page's process while one browser tab, then ten, look at it and nothing happens."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        begun = time.monotonic()
        page.goto(server.url)
        page.wait_for_function("(document.querySelector('#last-runs')?.innerText || '').includes('run 0')", timeout=120_000)
        shown = time.monotonic() - begun
        opened = seconds(
            lambda: (page.locator("#pages").get_by_role("link", name="Runs").click(), page.locator("#runs-table a").first.wait_for())
        )
        shares = {}
        for count in (1, TABS_OPEN):
            for _ in range(count - len(browser.contexts)):
                other = browser.new_page()
                other.goto(server.url + "/runs")
                other.locator("#runs-table a").first.wait_for(timeout=120_000)
            page.wait_for_timeout(10_000)
            before = server.cpu()
            page.wait_for_timeout(IDLE * 1000)
            shares[count] = (server.cpu() - before) / IDLE
        browser.close()
    said = ", ".join(f"{n} tab{'s' if n > 1 else ''} {100 * share:.1f} % of a core" for n, share in shares.items())
    print(f"idle: {said}; in the browser: page shown after {shown:.1f} s, Runs tab after {opened:.2f} s more")


def crowd(server: Server, args) -> None:
    config = config_of(server.url)
    warm = Visitor(server.url, config)
    for name in ("on_load", *TABS):
        warm.call(name, {})
    time.sleep(10)  # what is loaded once, on somebody's first visit: the reader of Parquet, the telling of languages
    before = server.megabytes()
    end, took, errors = time.monotonic() + args.seconds, [], []

    def visit(i: int) -> None:
        who, at = Visitor(server.url, config), i
        timed(lambda: who.call("on_load", {}))
        while time.monotonic() < end:
            at += 1
            timed(partial(who.call, TABS[at // 10 % len(TABS)], {}) if at % 10 == 0 else who.tick)
            time.sleep(1)

    def timed(work) -> None:
        begun = time.monotonic()
        try:
            work()
        except httpx.HTTPError as error:
            errors.append(type(error).__name__)
        took.append(time.monotonic() - begun)

    threads = [threading.Thread(target=visit, args=(i,)) for i in range(args.sessions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    cuts = statistics.quantiles(took, n=100)
    words = f"p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, most {max(took):.1f} s, {len(errors)} errors {sorted(set(errors))}"
    print(f"crowd: {args.sessions} sessions, {len(took)} requests: {words}; {before:.0f} -> {server.megabytes():.0f} MB")


def left(server: Server, args) -> None:
    config = config_of(server.url)
    Visitor(server.url, config).call("on_load", {})
    before = server.megabytes()
    for _ in range(args.left):
        who = Visitor(server.url, config)
        who.call("on_load", {})
        who.http.close()
    after = server.megabytes()
    time.sleep(args.expire + 15)
    Visitor(server.url, config).tick()
    gone = server.megabytes()
    print(f"left: {args.left} sessions: {before:.0f} MB before, {after:.0f} MB after, {gone:.0f} MB expired ({gone / before - 1:+.0%})")


PARTS = {f.__name__: f for f in (load, tabs, idle, crowd, left)}


def serve(args) -> None:
    """The page as `tunesmith app` opens it, with sessions that expire sooner."""
    import app
    from ui import session

    session.EXPIRE, session.SWEEP = args.expire, min(5, args.expire)
    app.launch(Workspace(Path(args.serve), machine=Path(args.serve) / "machine"), port=args.port, browser=False)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"runs": 1000, "datasets": 300, "sessions": 50, "seconds": 120, "left": 300, "expire": 20, "port": 0}.items():
        parse.add_argument(f"--{name}", type=int, default=value)
    parse.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parse.add_argument("--serve", help=argparse.SUPPRESS)
    args = parse.parse_args()
    if args.serve:
        return serve(args)
    with tempfile.TemporaryDirectory() as home:
        workspace(Path(home), args.runs, args.datasets)
        for part in args.parts:
            server = Server(Path(home), args.expire)
            try:
                PARTS[part](server, args)
            finally:
                server.end()
            sys.stdout.flush()
    return None


if __name__ == "__main__":
    main()
