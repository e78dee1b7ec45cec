"""Sessions that fall silent are let go of with all that Gradio and the page keep of them; a tick with nothing new costs nothing."""

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio import state_holder

from tests.runs.test_index import ended, old, opened
from tests.runs.test_runs import make
from tuner import locks, runs
from tuner.export import sizes
from tuner.jobs import queue
from tuner.paths import Workspace
from tuner.runs import index
from tuner.system import machine
from ui import layout, live, session
from ui.components import dropdowns
from ui.session import AppContext
from ui.visits import LightState, Sessions, Visits


def run(coroutine):
    """Run a coroutine in a thread of its own: a browser test before this one leaves its loop running in the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


class Request:
    query_params: dict = {}

    def __init__(self, session="one"):
        self.session_hash = session


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def small(house: AppContext, clock: Clock) -> Sessions:
    with gr.Blocks() as blocks:
        box, state = gr.Textbox(), gr.State(0)
        box.change(lambda x, n: (x, n + 1), [box, state], [box, state])
    blocks.queue()
    return Sessions(blocks, house, clock)


@pytest.fixture
def house(tmp_path):
    return AppContext(tmp_path / "home", tmp_path / "machine", guest=True, password="sesame")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(house, clock):
    return small(house, clock)


@pytest.fixture(autouse=True)
def no_supervisor(monkeypatch):
    monkeypatch.setattr(machine, "ensure", lambda machine: None)


# --- sessions -------------------------------------------------------------------------------------------------------------


def test_a_silent_session_goes_with_all_that_is_kept_of_it(sessions, house, clock):
    queue = sessions.blocks._queue
    sessions["one"][next(k for k, b in sessions.blocks.blocks.items() if isinstance(b, gr.State))] = 5
    house._unlocked.add("one")
    queue.pending_messages_per_session["one"] = object()
    queue.pending_event_ids_session["one"] = {"over"}
    sessions.blocks.pending_streams["one"] = {}
    clock.now += session.EXPIRE - 1
    sessions["two"]
    assert sessions.sweep() == []
    clock.now += 1
    gone = sessions.sweep()
    sessions.clean(gone)
    assert gone == ["one"] and set(sessions.session_data) == {"two"} == set(sessions.heard)
    for place in (queue.pending_messages_per_session, queue.pending_event_ids_session, sessions.blocks.pending_streams, house._unlocked):
        assert "one" not in place


def test_who_has_a_page_open_or_something_at_work_stays(sessions, clock):
    queue = sessions.blocks._queue
    for name in ("open", "busy", "left"):
        sessions[name]
    sessions.begin("open"), sessions.begin("open"), sessions.end("open")
    queue.pending_event_ids_session["busy"], queue.event_ids_to_events["e"] = {"e"}, object()
    clock.now += 10 * session.EXPIRE
    assert sessions.sweep() == ["left"]
    sessions.end("open")
    assert sessions.sweep() == [], "a browser that lost its connection finds its session for a while"
    queue.event_ids_to_events.clear()
    clock.now += session.EXPIRE
    assert set(sessions.sweep()) == {"open", "busy"} and not sessions.open and not sessions.session_data


def test_no_number_of_visitors_fills_the_memory(sessions, clock, monkeypatch):
    monkeypatch.setattr(sessions, "capacity", 10)
    for i in range(50):
        sessions[f"s{i}"]
    assert len(sessions.session_data) == 10
    clock.now += session.EXPIRE
    sessions.sweep()
    assert not sessions.session_data and not sessions.heard and not sessions.time_last_used


def test_a_light_session_does_what_gradios_own_does(sessions):
    """A handler that updates a component and a state, on both kinds of session; and Gradio's own has nothing that ours lacks."""
    blocks, fn = sessions.blocks, next(iter(sessions.blocks.fns.values()))
    light, heavy = sessions["one"], state_holder.SessionState(blocks)
    out = [run(blocks.postprocess_data(fn, [gr.update(label="new", value="x"), 3], s)) for s in (light, heavy)]
    assert out[0] == out[1] and {k: light[k] for k in light.state_data} == {k: heavy[k] for k in heavy.state_data}
    assert set(vars(heavy)) == set(vars(light)) and not light.config_values and heavy.config_values
    assert [b.label for b in light.blocks_config.blocks.values() if isinstance(b, gr.Textbox)] == ["new"]
    assert set(vars(state_holder.StateHolder())) <= set(vars(sessions)) | {"blocks"}
    assert not inspect.isgeneratorfunction(LightState.__setitem__)


def test_heartbeats_are_counted_and_the_page_is_taken_over(house):
    seen = []

    class App:
        state_holder = None

        def __init__(self):
            self.blocks = small(house, Clock()).blocks

        def get_blocks(self):
            return self.blocks

    async def inner(scope, receive, send):
        seen.append(dict(layer.sessions.open))

    async def ask(path):
        await layer({"type": "http", "path": path, "app": app}, None, None)

    async def visit():
        await ask("/gradio_api/heartbeat/abc")
        await ask("/config")
        layer.sweeping.cancel()

    app, layer = App(), Visits(inner, house)
    run(visit())
    assert seen == [{"abc": 1}, {}] and app.state_holder is layer.sessions is app.blocks.state_holder
    assert layer.sessions.capacity == session.CAPACITY and "abc" in layer.sessions.heard


# --- guests ---------------------------------------------------------------------------------------------------------------


def test_a_guest_who_only_looks_leaves_no_folder(house):
    page = layout.Page(house)
    for i in range(20):
        page.on_load({}, Request(f"s{i}")), page.on_shape({"tab": "runs"}, None, Request(f"s{i}")), told(page, "runs", who=f"s{i}")
        page.on_open_chat({}, Request(f"s{i}")), page.on_open_export({}, Request(f"s{i}")), page.on_open_label({}, None, Request(f"s{i}"))
    assert not house.home.exists() or not list(house.home.iterdir())


def test_folders_of_guests_that_are_gone_are_removed(house, sessions, clock):
    for name in ("one", "two", "former"):
        house.guest_workspace(name).prepare()
    (house.home / "me").mkdir()
    sessions["one"], sessions["two"]
    sessions.clean(sessions.sweep())
    assert {p.name for p in house.home.iterdir()} == {"me", house.guest_workspace("one").owner, house.guest_workspace("two").owner}
    clock.now += session.EXPIRE - 1
    sessions["two"]
    clock.now += 1
    sessions.clean(sessions.sweep())
    assert {p.name for p in house.home.iterdir()} == {"me", house.guest_workspace("two").owner}


def test_a_run_under_way_keeps_its_folder_until_it_ended(house):
    ws = house.guest_workspace("one")
    run = make(ws)
    runs.write_status(run.path, state="running")
    assert locks.acquire(run.path / "lock")  # as its worker does
    house.expire("one")
    assert run.path.exists() and (run.path / "control").read_text() == "stop", "it is asked to save and stop"
    with closing(queue.connect(ws.machine_folder())) as db:
        assert db.execute("SELECT folder FROM jobs").fetchall() == [(str(run.path),)], "and somebody looks after it"
    house.sweep([])
    assert run.path.exists()
    runs.write_status(run.path, state="stopped")
    locks.release(run.path / "lock")
    house.sweep([])
    assert not ws.root.exists()


def test_at_home_nothing_is_removed(tmp_path):
    home = AppContext(tmp_path)
    make(Workspace(tmp_path, "me")), (tmp_path / "guest-like").mkdir()
    home.expire("one"), home.sweep([])
    assert (tmp_path / "guest-like").exists() and len(runs.listing(home.workspace(Request()))) == 1


# --- what an event costs --------------------------------------------------------------------------------------------------


@pytest.fixture
def page(ws, monkeypatch):
    """A page whose clock stands still: with the time the figure of the memory is told anew."""
    monkeypatch.setattr(live, "time", SimpleNamespace(time=lambda: 1000.0))
    return layout.Page(AppContext(ws.home, ws.machine))


def told(page, tab: str, id: str | None = None, known: str = "", who: str = "s") -> dict:
    """What the script of a page hears."""
    return live.page_state(page.context, layout.glance, page.parts, layout.ended)({"tab": tab, "runs": id}, known, Request(who))


@pytest.mark.parametrize("tab", ["home", "data", "label"])
def test_a_look_with_nothing_changed_reads_no_run(ws, page, tab):
    ended(ws, 30)
    known = told(page, tab)["known"]
    with opened() as files:
        assert "parts" not in told(page, tab, known=known)
        told(page, tab)
    assert not [f for f in files if str(ws.runs) in f]


def test_an_open_run_is_read_alone(ws, page):
    ended(ws, 30)
    told(page, "runs", "run-7")
    with opened() as files:
        assert "run-7" in told(page, "runs", "run-7")["parts"]["run-charts"]
    assert {f for f in files if str(ws.runs) in f} and all("run-7" in f for f in files if str(ws.runs) in f)


def test_gradio_is_told_when_a_run_comes_or_changes_its_state_and_not_of_its_steps(ws, page):
    ended(ws, 5)
    first = told(page, "runs")
    assert told(page, "runs", known=first["known"]).keys() == {"known", "live"} and not first["live"]
    new = make(ws, "new").path
    assert locks.acquire(new / "lock")  # as its worker does
    runs.write_status(new, state="running", progress={"step": 1, "elapsed_seconds": 5})
    index.of(ws).look()
    begun = told(page, "runs", "new", first["known"])
    assert begun["shape"] != first["shape"] and begun["live"] and begun["known"] != first["known"]
    runs.write_status(new, state="running", progress={"step": 7, "steps": 9, "elapsed_seconds": 9})
    index.of(ws).look()
    step = told(page, "runs", "new", begun["known"])
    assert step["shape"] == begun["shape"] and "step 7 of 9" in step["parts"]["run-head"], "a step is drawn by the script alone"
    runs.describe(ws, "run-1", notes="worth a look")
    index.of(ws).look()
    assert told(page, "runs", known=step["known"])["shape"] != step["shape"]
    locks.release(new / "lock")


@pytest.mark.parametrize("tab", ["home", "chat", "runs"])
def test_gradio_is_answered_with_components_whatever_page_is_open(ws, page, tab):
    ended(ws, 1)
    answered = page.on_shape({"tab": tab}, None, Request())
    assert answered and all(isinstance(component, gr.blocks.Block) for component in answered)


def test_each_page_is_sent_what_it_shows_alone(ws, page):
    first, second = (run.id for run in ended(ws, 2))
    assert told(page, "data")["parts"].keys() == {"strip"} and told(page, "home")["parts"].keys() == {
        "strip",
        "last-runs",
        "machine",
        "torch",
    }
    one, two = told(page, "runs", first)["parts"], told(page, "runs", f"{first},{second}")["parts"]
    assert (
        one["run-overlay"] == ""
        and f"{first},{second}" in two["run-overlay"]
        and first in one["run-charts"]
        and two["run-charts"] == ""
        and "run-log" not in two
    )
    assert told(page, "runs", "../../etc,gone")["parts"]["run-overlay"] == ""


def test_long_lists_are_cut_to_the_newest_and_say_so(ws, page, monkeypatch):
    monkeypatch.setattr(dropdowns, "NEWEST", 3)
    for run in ended(ws, 8):
        (run.path / "model").mkdir()
    old(ws)
    listed = page.on_open_runs({"runs": "run"}, None, None, Request())
    assert len(listed[page.runs.run.other]["choices"]) == 3 and listed[page.runs.run.id] == "run"
    who = page.on_open_chat({"chat": "run"}, Request())[0]
    assert [v for _, v in who["choices"]][-2:] == ["run", "starter"] and len(who["choices"]) == 5 and who["value"] == "run"
    monkeypatch.setattr(sizes, "estimate", lambda run, kind, quantize: 0)
    assert len(page.on_open_export({"run": "run"}, Request())[0]["choices"]) == 4
    assert dropdowns.info("A run.", 3, "x") == "A run." and dropdowns.newest([("a", "a")], None) == [("a", "a")]
