"""What the page refuses: foreign hosts, other sites' pages, monitoring, files; and that normal use still works."""

import subprocess
import sys

import pytest

from tests.browser.conftest import running, status

FORM = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with running(tmp_path_factory.mktemp("guard") / "home") as app:
        yield app


def test_a_foreign_host_is_refused(page):
    assert page.get("/", Host="evil.example") == 400
    assert page.get("/", Host="localhost:1") == 200


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/run/predict"])
def test_another_sites_page_is_refused(page, path):
    assert status(page.url + path, FORM, MULTIPART | {"Origin": "https://evil.example"}) == 403
    assert status(page.url + path, FORM, MULTIPART | {"Origin": "null"}) == 403
    assert status(page.url + path, FORM, MULTIPART | {"Origin": "http://127.0.0.1:1"}) == 403  # another program on this computer


def test_uploads_of_the_page_and_of_programs_are_taken(page):
    assert status(page.url + "/gradio_api/upload", FORM, MULTIPART | {"Origin": page.url}) == 200
    assert status(page.url + "/gradio_api/upload", FORM, MULTIPART) == 200


@pytest.mark.parametrize("path", ["/monitoring/summary", "/monitoring", "/gradio_api/file=/etc/passwd", "/gradio_api/file=pyproject.toml"])
def test_what_is_not_offered(page, path):
    assert page.get(path) in (401, 403, 404)


def test_files_of_the_workspace_are_not_served(page):
    for name in ("machine/queue.db", "page.log"):
        assert page.get(f"/gradio_api/file={page.home / name}") in (403, 404)


def test_gradio_client_works(page):
    from gradio_client import Client

    client = Client(page.url, verbose=False)
    assert client.config["title"] == "Tunesmith"
    opened = next(d for d in client.config["dependencies"] if d["api_name"] == "on_open_runs")
    assert "Runs appear here" in str(client.predict({}, "", fn_index=opened["id"]))


def test_exports_are_served_and_what_lies_beside_them_is_not(page):
    for name in ("exports/run/adapter.zip", "runs/run/worker.log", "exports-beside.txt"):
        file = page.home / "me" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
        assert page.get(f"/gradio_api/file={file}") == (200 if name.startswith("exports/") else 403), name
    assert page.get(f"/gradio_api/file={page.home}/me/exports/../runs/run/worker.log") in (400, 403, 404)


def test_an_upload_over_the_limit_is_refused(tmp_path):
    from tuner.paths import Workspace
    from ui.server import context_of
    from ui.session import LOCAL_LIMIT, SPACE_LIMIT

    assert context_of(Workspace(tmp_path)).limit_bytes == LOCAL_LIMIT == 2_000_000_000 and SPACE_LIMIT == 200_000_000
    with running(tmp_path / "home", TUNESMITH_UPLOAD_LIMIT="100kB") as app:
        for size, code in ((50_000, 200), (200_000, 413)):
            assert status(app.url + "/gradio_api/upload", FORM.replace(b"hello", b"x" * size), MULTIPART) == code


def test_elsewhere_than_loopback_a_login_is_demanded(tmp_path):
    command = [sys.executable, "-m", "tuner.cli", "--home", str(tmp_path), "app", "--host", "0.0.0.0", "--no-browser"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "TUNESMITH_PASSWORD" in done.stderr


def test_with_a_password_elsewhere_the_page_asks_for_it(tmp_path):
    from tests.browser.conftest import free_port

    port = free_port()
    command = [sys.executable, "-m", "tuner.cli", "app", "--host", "0.0.0.0", "--no-browser", "--port", str(port)]
    with running(tmp_path / "home", port=port, command=command, TUNESMITH_PASSWORD="open sesame") as app:
        assert status(app.url + "/config") == 401
        login = b"username=tunesmith&password=open+sesame"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert status(app.url + "/login", login, form) == 200
        assert status(app.url + "/login", login.replace(b"sesame", b"barley"), form) == 400


def test_a_proxys_name_is_let_in_when_it_is_named(tmp_path):
    from tests.browser.conftest import free_port

    port = free_port()
    command = [sys.executable, "-m", "tuner.cli", "app", "--no-browser", "--port", str(port), "--allow-host", "hub.example"]
    with running(tmp_path / "home", port=port, command=command) as app:
        assert app.get("/", Host="hub.example") == 200
        assert app.get("/", Host="evil.example") == 400
        assert status(app.url + "/gradio_api/upload", FORM, MULTIPART | {"Host": "hub.example", "Origin": "https://hub.example"}) == 200


def test_a_port_in_use_is_told_with_a_free_one(page, tmp_path):
    port = page.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "tuner.cli", "--home", str(tmp_path), "app", "--port", port, "--no-browser"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "in use" in done.stderr and "--port" in done.stderr
