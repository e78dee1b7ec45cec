"""Every route and option of the installed Gradio has a decision; what is closed stays closed, for every method and spelling."""

import inspect
import json
import os

import pytest

from tests.browser.conftest import free_port, running, status
from tests.conftest import fresh
from ui import gradio_options, routes

LISTS = """
import json, sys
from pathlib import Path
import app
from tuner.paths import Workspace
page = app.launch(Workspace(Path(sys.argv[1]), machine=Path(sys.argv[1]) / "machine"), port=int(sys.argv[2]), browser=False, block=False)
found = []
def walk(all, prefix=""):
    for r in all:
        inner = getattr(r, "original_router", None)
        if inner is not None:
            walk(inner.routes)
        else:
            found.append([r.path, sorted(getattr(r, "methods", None) or ["MOUNT"])])
walk(page.app.routes)
facts = {"routes": found, "share": page.share, "allowed": page.allowed_paths, "vibe": page.vibe_mode, "mcp": page.mcp_server,
         "history": page.run_history, "monitoring": page.enable_monitoring, "ssr": page.ssr_mode, "pwa": page.pwa, "links": page.footer_links,
         "public": [f.api_name for f in page.fns.values() if f.api_visibility == "public"], "uploads": page.app.uploaded_file_dir}
print(json.dumps(facts))
sys.stdout.flush()
import os; os._exit(0)
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory) -> dict:
    """What the running app says of itself, started from a shell whose profile would open every door."""
    home, before = tmp_path_factory.mktemp("routes"), dict(os.environ)
    wishes = {"SHARE": "True", "ALLOWED_PATHS": "/", "MCP_SERVER": "true", "VIBE_MODE": "1", "RUN_HISTORY": "True", "SSR_MODE": "true"}
    os.environ.update({f"GRADIO_{name}": value for name, value in wishes.items()})
    try:
        return json.loads(fresh(LISTS, str(home), str(free_port())).splitlines()[-1]) | {"home": str(home)}
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_each_route_of_the_running_app_has_a_decision(facts):
    decided = {(r.path, m) for r in routes.ROUTES for m in r.methods.split()}
    undecided = [(path, m) for path, methods in facts["routes"] for m in methods if (path, m) not in decided and m != "HEAD"]
    assert not undecided, f"decide these in ui/routes.py: {undecided}"
    assert len(facts["routes"]) > 60  # the list was really read


def test_no_decision_is_left_over(facts):
    there = {path for path, _ in facts["routes"]}
    conditional = ("profiling", "run-history", "openapi.json")  # only with a switch that is off
    assert not [r.path for r in routes.ROUTES if r.path not in there and not any(c in r.path for c in conditional)]


def test_the_environment_opens_nothing(facts):
    closed = {k: facts[k] for k in ("share", "vibe", "mcp", "history", "monitoring", "ssr", "pwa")}
    assert not any(closed.values()), closed
    assert facts["allowed"] == [f"{facts['home']}/me/exports"] and facts["links"] == []
    assert facts["uploads"].startswith(facts["home"])  # not in the folder in /tmp that all accounts share
    assert facts["public"] and all(name.startswith("label_") for name in facts["public"])


@pytest.mark.parametrize("table, of", [("LAUNCH", "launch"), ("QUEUE", "queue"), ("BLOCKS", "__init__")])
def test_each_option_of_gradio_has_a_decision(table, of):
    import gradio as gr

    there = set(inspect.signature(getattr(gr.Blocks, of)).parameters) - {"self", "kwargs"}
    assert there == set(getattr(gradio_options, table))


def test_a_call_that_forgets_an_option_is_refused():
    with pytest.raises(TypeError):
        gradio_options.decided(gradio_options.LAUNCH, server_name="127.0.0.1")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with running(tmp_path_factory.mktemp("doors") / "home") as app:
        yield app


def filled(path: str) -> str:
    """A request's path for a row of the table."""
    return (
        path.replace("{path:path}", "x")
        .replace("{path_or_url:path}", "x")
        .replace("{url_path:path}", "x")
        .replace("{", "")
        .replace("}", "")
    )


CLOSED = [(m, r.path) for r in routes.ROUTES if r.decision == "closed" for m in r.methods.split()]


@pytest.mark.parametrize(
    "spelling", [lambda p: p, lambda p: p + "/", lambda p: p.replace("/gradio_api/", "/gradio_api//"), lambda p: p.upper()]
)
def test_closed_routes_answer_404(page, spelling):
    for method, path in CLOSED:
        assert status(page.url + spelling(filled(path)), method=method) in (404, 405), (method, path)


@pytest.mark.parametrize(
    "path", ["file=http://127.0.0.1:9/x", "file=HTTPS://example.com/x", "file=%68ttp://127.0.0.1:9/", "file=ftp://a/b"]
)
def test_the_page_fetches_no_address_for_a_caller(page, path):
    assert page.get("/gradio_api/" + path) == 404


def test_an_unknown_route_is_closed():
    assert routes.decide("GET", "/gradio_api/something-new") == "closed"
    assert routes.decide("DELETE", "/config") == "closed" and routes.decide("GET", "/config") == "login"


def test_a_file_field_fetches_nothing(page):
    """The upload field is given an address in place of a file; the small server behind it must hear nothing."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    from gradio_client import Client

    heard = []

    class Seen(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"question,answer\na,b\n")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Seen)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = Client(page.url, verbose=False)
    ids = {c["id"] for c in client.config["components"] if c["type"] == "file"}
    takes = [d for d in client.config["dependencies"] if set(d["inputs"]) & ids]
    assert takes
    # by its name the public allow-list of Gradio lets a host through; the address of this computer would be refused either way
    for url in (
        f"http://127.0.0.1:{server.server_port}/x.csv",
        f"http://localhost:{server.server_port}/x.csv",
        "https://huggingface.co/x.csv",
    ):
        for d in takes:
            at = [i for i, c in enumerate(d["inputs"]) if c in ids][0]
            data = [None] * len(d["inputs"])
            data[at] = {"path": url, "url": url, "orig_name": "x.csv", "meta": {"_type": "gradio.FileData"}}
            for value in (data[at], [data[at]]):
                data[at] = value
                body = json.dumps({"data": data, "fn_index": d["id"], "session_hash": "abc"}).encode()
                status(page.url + "/gradio_api/queue/join", body, {"Content-Type": "application/json"})
    assert "This page fetches nothing" in wait_for(page.log, "This page fetches nothing") and not heard
    server.shutdown()


def wait_for(log, text: str) -> str:
    from tests.conftest import until

    return until(lambda: text in log.read_text(errors="replace") and log.read_text(errors="replace"))
