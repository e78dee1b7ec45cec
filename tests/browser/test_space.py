"""The checkout as a Space runs it: app.py, read-only, not root, no card, no network; guests apart from each other."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, free_port, running
from tests.browsing import ANSWER, go, here
from tuner import paths

ROOT = paths.PRESETS.parent


def lay_out(target: Path) -> Path:
    """The files that git holds (here: all but what is ignored), none of them writable."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    names = [n for n in names if n and not n.startswith(("tests/", "bench/"))]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
        (target / name).chmod(0o444)
    for folder in (target, *(p for p in target.rglob("*") if p.is_dir())):
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    return target


def without_rights(tmp_path: Path, home: Path) -> list[str]:
    """How to run as nobody in particular. Where root alone can reach the interpreter: as root without any capability, whom permissions bind."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    for folder in (tmp_path, *(p for p in tmp_path.parents if p.name.startswith("pytest"))):
        folder.chmod(0o755)
    home.chmod(0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    able = "import gradio, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    if subprocess.run([*nobody, sys.executable, "-c", able], capture_output=True, cwd="/").returncode == 0:
        return nobody
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.fixture
def space(tmp_path):
    checkout = lay_out(tmp_path / "checkout")
    port, home = free_port(), tmp_path / "home"
    home.mkdir()
    command = [*without_rights(tmp_path, home), sys.executable, "app.py"]
    env = {
        "SPACE_ID": "someone/tunesmith",
        "SPACE_HOST": "someone-tunesmith.hf.space",
        "GRADIO_SERVER_PORT": str(port),
        "HOME": str(home),
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_TEMP_DIR": str(home / "gradio"),
        "TUNESMITH_PASSWORD": "mine",
    }
    with running(home, port=port, command=command, cwd=checkout, **env) as app:
        yield app
    end_all(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def test_guests_use_the_samples_apart_and_leave_nothing(space, browser):
    assert space.get("/", Host="someone-tunesmith.hf.space") == 200
    assert space.get("/", Host="evil.example") == 400
    one, two = browser.new_page(), browser.new_page()
    for page in (one, two):
        page.goto(space.url)
        expect(here(page)).to_have_text("Home", timeout=60_000)
        expect(page.get_by_text("gone when you leave")).to_be_visible(timeout=60_000)
        go(page, "Data")
    one.click("#sample-tickets")
    expect(one.locator("#data-summary")).to_contain_text("tickets", timeout=60_000)
    two.click("#sample-helpdesk")
    expect(two.locator("#data-summary")).to_contain_text("helpdesk", timeout=60_000)
    expect(two.locator("#data-summary")).not_to_contain_text("tickets")
    owners = [p for p in space.home.iterdir() if p.name.startswith("guest-") and list((p / "datasets").glob("[!.]*"))]
    assert len(owners) == 2
    one.set_input_files("#upload input[type=file]", {"name": "own.csv", "mimeType": "text/csv", "buffer": b"prompt,answer\na,b\n"})
    expect(one.locator("#import-progress")).to_contain_text("samples", timeout=60_000)
    one.close()
    two.wait_for_timeout(1000)
    for _ in range(180):  # a report on the sample may still be in the making: its process keeps the folder
        if sum(p.exists() for p in owners) == 1:
            break
        two.wait_for_timeout(500)
    assert sum(p.exists() for p in owners) == 1
    two.close()


@pytest.mark.long
def test_a_guest_does_the_demo_and_takes_the_result_away(space, browser):
    page = browser.new_page(accept_downloads=True)
    page.goto(space.url)
    page.click("#try-demo")
    expect(here(page)).to_have_text("Chat", timeout=120_000)
    expect(page.locator(f"#chat-tuned {ANSWER}")).to_contain_text("matey", timeout=60_000)
    go(page, "Export")
    page.click("#make-adapter")
    expect(page.locator("#made-adapter")).to_contain_text("Checked", timeout=60_000)
    assert str(space.home) not in page.inner_text("#made-adapter"), "a guest is told no path"
    with page.expect_download(timeout=60_000) as download:
        page.click("#download-adapter")
    assert download.value.path().stat().st_size > 100_000
    page.close()


def test_the_front_matter_is_that_of_a_gradio_space():
    import yaml

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and front["license"] == "apache-2.0"
    major, minor = map(int, str(front["sdk_version"]).split(".")[:2])
    assert (major, minor) >= (6, 26)
