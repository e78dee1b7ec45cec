"""Nothing leaves the computer that nobody asked for: no packet of the whole flow, no request of the page, nothing kept in the browser."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.browsing import go
from tests.conftest import ROOT, end_processes_of
from tuner.network import connections

SECRETS = ("geheim-4711", "hf_typed_in_settings")


def alone(home, *words: str) -> list[str]:
    """To whom the flow spoke in a network of its own."""
    command = ["unshare", "-n", sys.executable, "-m", "tests.hostile.silence_flow", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=ROOT)
    end_processes_of(home)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def why_not() -> str | None:
    """What keeps this machine from giving a process a network of its own."""
    if not sys.platform.startswith("linux") or not shutil.which("unshare") or not shutil.which("ip"):
        return "needs Linux with unshare and ip (Debian: util-linux, iproute2)"
    if os.geteuid() != 0:
        return "needs root, to give a process a network of its own"
    tried = subprocess.run(
        ["unshare", "-n", "ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1"], capture_output=True, text=True
    )
    return f"no network of its own: {tried.stderr.strip()}" if tried.returncode else None


@pytest.fixture(scope="module")
def network():
    if reason := why_not():
        pytest.skip(reason)


def test_the_whole_flow_sends_no_packet(network, tmp_path):
    """Data, token preview, plan, training, chat, export and every tab of the page, with a network at hand."""
    assert alone(tmp_path / "home") == []


def test_the_listener_hears_what_is_asked_for(network, tmp_path):
    """Planning with a model of the Hub looks it up: without this the silence above would prove nothing."""
    assert alone(tmp_path / "home", "ask") == ["name huggingface.co"]
    assert any("huggingface.co" in c.to for c in connections.CONNECTIONS)


def test_the_page_asks_nobody_else_and_keeps_no_secret_in_the_browser(app, browser):
    """Rows are pasted, a token is typed, all tabs opened; then everything that a browser keeps is looked through."""
    context = browser.new_context()
    page = context.new_page()
    asked, refused = [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: refused.append(m.text) if "Content Security Policy" in m.text or "Refused to" in m.text else None)
    page.goto(app.url)
    go(page, "Data")
    page.get_by_role("button", name="Other ways").click()
    page.locator("#paste textarea").fill(f"question,answer\nWhat is it?,It is {SECRETS[0]}\nAnd that?,{SECRETS[0]} too\n")
    page.locator("#read-paste").click()
    page.get_by_text("2 rows", exact=False).first.wait_for(timeout=60_000)
    go(page, "Settings")
    page.locator("#hub-token input").fill(SECRETS[1])
    page.locator("#keep-token").click()
    page.get_by_text("The token is in use").wait_for()
    for name in ("Home", "Train", "Runs", "Chat", "Label", "Export", "Settings"):
        go(page, name)
        page.wait_for_timeout(300)
    assert page.get_by_text("What leaves this computer").is_visible()
    elsewhere = [url for url in asked if not url.startswith((app.url, "data:", "blob:"))]
    assert asked and not elsewhere, elsewhere
    assert not refused, refused
    kept = page.evaluate(KEPT)
    assert kept["localStorage"], "the page keeps which tab was open, so something must be there"
    assert not [s for s in SECRETS if s in json.dumps(kept)], kept
    assert not [s for s in SECRETS if s in json.dumps(context.storage_state())]
    context.close()


KEPT = """async () => {
  const of = (store) => Object.fromEntries(Object.keys(store).map((k) => [k, store.getItem(k)]));
  const found = { localStorage: of(localStorage), sessionStorage: of(sessionStorage), databases: {}, caches: [] };
  for (const { name } of await indexedDB.databases()) {
    const db = await new Promise((done, fail) => { const r = indexedDB.open(name); r.onsuccess = () => done(r.result); r.onerror = fail; });
    for (const store of db.objectStoreNames) {
      const all = db.transaction(store).objectStore(store).getAll();
      found.databases[name + "/" + store] = await new Promise((done) => { all.onsuccess = () => done(all.result); });
    }
    db.close();
  }
  for (const name of await caches.keys()) found.caches.push(name);
  return found;
}"""


def test_a_path_that_is_typed_is_not_sent_to_the_hub(monkeypatch):
    from tuner.models import hub

    sent = []
    monkeypatch.setattr(hub, "_search", lambda words: sent.append(words) or ())
    for path in ("/home/ann/models/secret", "~/models", "./qwen", "..\\models", "C:\\models\\x", "c:/models", "data/models/qwen", "/ab"):
        assert hub.search(path) == []
    assert sent == []
    hub.search("Qwen/Qwen2.5")
    assert sent == ["Qwen/Qwen2.5"]


def test_visitors_of_a_space_search_no_hub(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from ui.session import AppContext
    from ui.train_views import model_view

    monkeypatch.setattr(model_view.hub, "search", lambda words: pytest.fail(f"asked the Hub for {words}"))
    tab = SimpleNamespace(context=AppContext(tmp_path, guest=True), offers=lambda ws: [])
    event, request = SimpleNamespace(input_value="qwen"), SimpleNamespace(session_hash="one", client=None)
    assert model_view.ModelView.on_type(tab, event, request)[1] == ""
