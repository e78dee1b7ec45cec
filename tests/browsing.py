"""The real app in a process of its own, and a real browser. When a test fails, what the app printed is shown."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tuner import paths

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]


ANSWER = ".bot:not(:has(.thought-group))"  # in a conversation; what has a title of its own is its figures, or a thought
SEND, STOP = "#message .submit-button", "#message .stop-button"


@dataclass
class App:
    url: str
    home: Path
    log: Path
    process: subprocess.Popen

    def get(self, path: str = "/", **headers: str) -> int:
        return status(self.url + path, headers=headers)


def status(url: str, data: bytes | None = None, headers: dict | None = None, method: str | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers or {}, method=method), timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def go(page, name: str) -> None:
    """Open a page of the app by the side bar; on a phone by its menu."""
    page.locator("#menu").wait_for()
    if page.viewport_size["width"] < 900:
        page.locator("#menu > summary").click()
    page.locator("#pages").get_by_role("link", name=name, exact=True).click()


def train_step(page, name: str, group: str | None = None) -> None:
    """Open a step of the Train page (dataset, model, settings, review), and in it a group of settings."""
    page.locator(f"#steps [data-step={name}]").click()
    if group and page.locator(f"[data-group={group}]").get_attribute("aria-expanded") == "false":
        page.locator(f"[data-group={group}]").click()


def chosen(page, name: str, value: str) -> None:
    """Wait until a setting of the Train page holds a value that is a person's own choice."""
    from playwright.sync_api import expect

    field = page.locator(f"#setting-{name}")
    expect(field.locator(".ts-chip")).to_have_text("Your choice", timeout=90_000)
    expect(field.locator("input").first).to_have_value(value)


def here(page) -> Locator:
    """The link of the page that is open."""
    return page.locator("#pages a[aria-current=page]")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def running(
    home: Path, *, port: int | None = None, command: list[str] | None = None, cwd: Path | None = None, host: str = "127.0.0.1", **env: str
):
    """The app as a person starts it; ended, with all it started, when the block ends."""
    port = port or free_port()
    command = command or [sys.executable, "-m", "tuner.cli", "app", "--no-browser", "--port", str(port)]
    home.mkdir(parents=True, exist_ok=True)
    log = home / "page.log"
    root = str(paths.PRESETS.parent)
    everything = (
        os.environ
        | {"TUNESMITH_HOME": str(home), "TUNESMITH_MACHINE": str(home / "machine"), "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}
        | env
    )
    with open(log, "ab") as out:
        process = subprocess.Popen(command, env=everything, cwd=cwd, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    app = App(f"http://{host}:{port}", home, log, process)
    try:
        end = time.monotonic() + 90
        while True:
            try:
                if app.get() in (200, 401):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(log.read_text()) from None
                time.sleep(0.1)
        yield app
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def end_all(home: Path) -> None:
    """End the supervisor and the workers that a test's app left running, as they should be left."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if "tuner." in line and process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                if str(home) in line or process.environ().get("TUNESMITH_MACHINE", "").startswith(str(home)):
                    process.kill()


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def app(tmp_path, request):
    with running(tmp_path / "home") as app:
        yield app
        outcome = getattr(request.node, "outcome", None)
        if outcome is not None and outcome.failed:
            print(app.log.read_text())
    end_all(tmp_path)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.outcome = report
