"""Sessions that fall silent are let go of with all that Gradio and the page keep of them; a tick with nothing new costs nothing."""

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

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
from ui import layout, session
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
        page.on_load({}, Request(f"s{i}")), page.on_version("1", "", {"tab": "runs"}, Request(f"s{i}"))
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
def page(ws):
    return layout.Page(AppContext(ws.home, ws.machine))


@pytest.mark.parametrize("tab", ["home", "data", "label"])
def test_a_tick_with_nothing_changed_reads_no_run(ws, page, tab):
    ended(ws, 30)
    page.on_tick(Request()), page.on_version("1", "loaded#", {"tab": tab}, Request())
    with opened() as files:
        assert page.on_tick(Request()) == page.on_tick(Request())
        page.on_version("2", "loaded#", {"tab": tab}, Request())
    assert not [f for f in files if str(ws.runs) in f]


def test_an_open_runs_tab_reads_the_run_that_it_shows_alone(ws, page):
    ended(ws, 30)
    first = page.on_version("1", "loaded#", {"tab": "runs", "run": "run-7"}, Request())
    with opened() as files:
        page.on_version("2", first[1], {"tab": "runs", "run": "run-7"}, Request())
    assert {f for f in files if str(ws.runs) in f} and all("run-7" in f for f in files if str(ws.runs) in f)


def rows_sent(page, values) -> list:
    lists = values[3:6] if isinstance(values[0], str) and "ts-strip" in values[0] else values[1:4]
    return [v["value"]["data"] for v in lists if isinstance(v, dict) and isinstance(v.get("value"), dict)]


def test_the_lists_are_sent_once_and_again_when_they_change(ws, page):
    ended(ws, 5)
    opened_tab = page.on_open_runs({"tab": "runs"}, "loaded#", Request())
    seen = opened_tab[0]
    assert len(rows_sent(page, opened_tab)[0]) == 5
    assert rows_sent(page, page.on_open_runs({"tab": "runs"}, seen, Request())) == []
    assert rows_sent(page, page.on_version("1", seen, {"tab": "runs"}, Request())) == []
    new = make(ws, "new").path
    assert locks.acquire(new / "lock")  # as its worker does
    runs.write_status(new, state="running", progress={"elapsed_seconds": 5})
    index.of(ws).look()
    ticked = page.on_version("2", seen, {"tab": "runs"}, Request())
    assert len(rows_sent(page, ticked)[0]) == 6
    runs.write_status(ws.runs / "new", state="running", progress={"elapsed_seconds": 9})
    index.of(ws).look()
    assert rows_sent(page, page.on_version("3", ticked[1], {"tab": "runs"}, Request())) == [], (
        "a step of a live run redraws its progress alone"
    )
    assert rows_sent(page, page.on_version("4", ticked[1], {"tab": "chat"}, Request())) == []
    runs.describe(ws, "run-1", notes="worth a look")
    index.of(ws).look()
    assert "worth a look" in str(rows_sent(page, page.on_version("5", ticked[1], {"tab": "runs"}, Request())))
    locks.release(new / "lock")


def test_long_lists_are_cut_to_the_newest_and_say_so(ws, page, monkeypatch):
    monkeypatch.setattr(dropdowns, "NEWEST", 3)
    for run in ended(ws, 8):
        (run.path / "model").mkdir()
    old(ws)
    listed = page.on_open_runs({"run": "run"}, "", Request())
    pick, table = listed[1], listed[2]
    assert len(pick["choices"]) == 4 and pick["value"] == "run" and "newest 3 of 8" in pick["info"] and len(table["value"]["data"]) == 8
    who = page.on_open_chat({"chat": "run"}, Request())[0]
    assert [v for _, v in who["choices"]][-2:] == ["run", "starter"] and len(who["choices"]) == 5 and who["value"] == "run"
    monkeypatch.setattr(sizes, "estimate", lambda run, kind: 0)
    assert len(page.on_open_export({"run": "run"}, Request())[0]["choices"]) == 4
    assert dropdowns.info("A run.", 3, "x") == "A run." and dropdowns.newest([("a", "a")], None) == [("a", "a")]
