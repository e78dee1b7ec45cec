"""The API server on Export: on and off by its buttons, with what a person needs to ask it; nothing of it for guests."""

import html
import re

import gradio as gr
import httpx
import pytest

from ui.export_views.serve_view import ServeView
from ui.session import AppContext

REQUEST = gr.Request(username=None)


def view_of(house, **more) -> ServeView:
    with gr.Blocks():
        return ServeView(AppContext(house.ws.home, house.ws.machine, **more), gr.Dropdown())


@pytest.fixture
def view(house, monkeypatch):
    monkeypatch.setenv("TUNESMITH_MACHINE", str(house.ws.machine_folder()))
    view = view_of(house)
    yield view
    if view.gateway:
        view.gateway.stop()


def values(view: ServeView, listed: list) -> dict:
    return dict(zip(view.shown, listed, strict=True))


def test_it_is_off_until_somebody_starts_it_and_off_again(view, house):
    run = house.run(house.lora)
    off = values(view, view.show(house.ws, run))
    assert off[view.card]["visible"] and off[view.start]["visible"] and not off[view.stop]["visible"] and off[view.about] == ""
    on = values(view, view.on_start(house.lora, REQUEST))
    assert on[view.stop]["visible"] and not on[view.start]["visible"]
    said = html.unescape(re.sub("<[^>]*>", " ", on[view.about]))
    url, key = view.gateway.url, view.gateway.key
    assert url in said and key in said and url.startswith("http://127.0.0.1:")
    assert key in on[view.curl]["value"] and f'"model": "{run.name}"' in on[view.curl]["value"] and url in on[view.python]["value"]
    listed = httpx.get(url + "/models", headers={"Authorization": f"Bearer {key}"}).json()["data"]
    assert {run.name, f"{run.name}/base"} <= {m["id"] for m in listed} and f"{len(listed)} models" in said
    assert values(view, view.show(house.ws, run)) == on, "another browser sees the same"
    again = values(view, view.on_stop(house.lora, REQUEST))
    assert again[view.start]["visible"] and again[view.about] == ""
    with pytest.raises(httpx.TransportError):
        httpx.get(url + "/models")
    view.on_start(house.lora, REQUEST)
    assert view.gateway.key == key, "clients keep their key"


def test_guests_do_not_see_it_and_can_not_start_it(house):
    view = view_of(house, guest=True)
    assert all(not v["visible"] for part, v in values(view, view.show(house.ws, house.run(house.lora))).items() if part is not view.about)
    refused = values(view, view.on_start(house.lora, REQUEST))
    assert view.gateway is None and "public page" in refused[view.about]


def test_what_goes_wrong_is_said_there(view, monkeypatch):
    wrong = values(view, view.on_start("no-such-run", REQUEST))
    assert "no-such-run" in wrong[view.about]
