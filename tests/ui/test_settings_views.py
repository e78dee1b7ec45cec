"""Settings: what can go is listed and freed as chosen; a webhook is set, shown by its host alone, tested and removed."""

import gradio as gr
import pytest

from tests.jobs.test_cleanup import made
from tests.jobs.test_notices import listener  # noqa: F401 (a fixture)
from tuner import runs
from tuner.jobs import notices
from ui.session import AppContext
from ui.settings_views.cleanup_view import CleanupView
from ui.settings_views.notices_view import NoticesView


@pytest.fixture
def context(ws):
    return AppContext(ws.home, ws.machine)


def test_what_is_chosen_goes_and_nothing_else(ws, context):
    with gr.Blocks():
        view = CleanupView(context)
    found, free, said = view.on_look(None)
    assert found["visible"] is False and "Nothing to clean up" in said
    first, second = made(ws, "first <b>"), made(ws, "second")
    found, free, _ = view.on_look(None)
    assert sorted(label for label, _ in found["choices"]) == ["2 kB · 2 checkpoints of first <b>", "2 kB · 2 checkpoints of second"]
    assert found["value"] == [key for _, key in found["choices"]] and free["visible"]
    _, _, said = view.on_free([f"checkpoints:{second.id}", "checkpoints:../../etc", "x"], None)
    assert "2 kB were freed" in said and runs.checkpoints(second.path) == [] and len(runs.checkpoints(first.path)) == 2
    assert "0 byte" in view.on_free([], None)[2] and len(runs.checkpoints(first.path)) == 2


def test_a_webhook_is_set_shown_by_its_host_tested_and_removed(ws, context, listener):  # noqa: F811
    url, seen, answer = listener
    with gr.Blocks():
        view = NoticesView(context)
    assert "No webhook" in view.now(None) and "No webhook" in view.on_test(None)
    kept, said = view.on_save(url, False, None)
    assert "private network" in said and notices.webhook(ws.root) is None
    kept, said = view.on_save(url, True, None)
    assert kept == "" and "127.0.0.1 is told" in said and "secret-token" not in said
    assert "took the test" in view.on_test(None) and seen[0]["text"].startswith("This is a test")
    answer[0] = 500
    assert "answered 500" in view.on_test(None)
    view.on_save("", True, None)
    assert notices.webhook(ws.root), "an empty field, as it is shown again, changes nothing"
    assert "No webhook" in view.on_off(None)[1] and notices.webhook(ws.root) is None


def test_a_guest_sets_no_webhook(ws):
    with gr.Blocks():
        view = NoticesView(AppContext(ws.home, ws.machine, guest=True))
    assert view.shown == [] and not hasattr(view, "url")
