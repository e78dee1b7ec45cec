"""The cards of Export: what is being made can be cancelled, and one card leaves the others alone."""

import threading
import time
from pathlib import Path

import gradio as gr
import pytest

from tuner.errors import WorkError
from tuner.export import making
from ui.pages.export import ExportPage
from ui.session import AppContext


class Request:
    session_hash = "one"
    query_params: dict = {}


@pytest.fixture
def page(house):
    with gr.Blocks():
        return ExportPage(AppContext(house.ws.home, house.ws.machine), gr.BrowserState({}))


@pytest.fixture
def slow(monkeypatch):
    """An export that takes until it is cancelled."""
    begun = threading.Event()

    def make(ws, id, kind, *, quantize, waiting, cancelled):
        begun.set()
        while not cancelled():
            waiting(0.0, "Converting")
            time.sleep(0.01)
        raise WorkError("The export was cancelled.", asked=kind, available="the exports before", remedy="Export again.")

    monkeypatch.setattr(making, "make", make)
    return begun


def test_what_is_being_made_can_be_cancelled(page, house, slow):
    going = page._making("gguf")(house.lora, "f16", Request())
    first = next(going)
    card = page.cards["gguf"]
    assert first[card.cancel]["visible"] and not first[card.make]["visible"] and "Exporting" in first[card.about]
    assert not set(first) & set(page.cards["merged"]), "what another card is doing stays"
    assert slow.wait(5)
    page._cancelling("gguf")(house.lora, "q8_0", Request())  # another type is not meant
    page._cancelling("merged")(house.lora, "f16", Request())
    assert "Converting" in next(going)[card.about]
    assert page._cancelling("gguf")(house.lora, "f16", Request())["visible"] is False
    *_, last = going
    assert (
        "cancelled" in last[card.about]
        and last[card.make]["visible"]
        and not last[card.cancel]["visible"]
        and last[page.pick]["interactive"]
    )
    assert not page.going


def test_each_type_of_a_gguf_is_shown_by_itself(page, house, tmp_path, monkeypatch):
    made = {"kind": "gguf", "quantize": "f16", "path": str(tmp_path), "bytes": 5_000_000}
    check = {"kind": "answers of the GGUF against the tuned model", "runtime": "llama.cpp", "prompts": 20, "top1_agreement": 1.0, "kl": 0.0}
    monkeypatch.setattr(making, "exports_of", lambda ws, id: [made | {"check": check | {"file": "m-f16.gguf", "modelfile": True}}])
    _, about, make, cancel, code, load = page.on_type(house.lora, "f16", Request())
    assert "20 answers in llama.cpp" in about and "ollama create m -f Modelfile" in code["value"] and make["value"] == "Export again"
    _, about, make, _, code, _ = page.on_type(house.lora, "q8_0", Request())
    assert "About" in about and make["value"] == "Export GGUF" and not code["visible"] and Path(tmp_path).exists()
