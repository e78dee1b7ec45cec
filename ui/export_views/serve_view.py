"""The API server on Export: a switch, the address and key for other programs, and the lines that ask this run.

The server belongs to this page's process and listens on this computer only; `tunesmith serve` stays without the page, and for other computers.
"""

import threading
from typing import Any

import gradio as gr

from tuner import runs
from tuner.paths import Workspace
from tuner.serving import examples
from tuner.serving.gateway import Gateway
from tuner.settings import objectives
from ui.components import html
from ui.session import AppContext
from ui.text import text

COMMAND = '<code translate="no">tunesmith serve --host 0.0.0.0</code>'


class ServeView:
    """A card that is hidden from the guests of a Space: what it starts would outlive their visit."""

    def __init__(self, context: AppContext, pick: gr.Dropdown):
        self.context, self.gateway, self.lock = context, None, threading.Lock()
        with gr.Column(visible=False, elem_classes=["ts-card"], elem_id="serve") as self.card:
            gr.HTML(f"<h2>{text('serve')}</h2><p>{text('serve.info', command=COMMAND)}</p>", padding=False)
            self.about = gr.HTML(elem_id="serve-about", padding=False)
            code: dict[str, Any] = {"lines": 1, "wrap_lines": True, "buttons": ["copy"], "interactive": False, "visible": False}
            self.curl = gr.Code(label=text("serve-curl"), language="shell", elem_id="serve-curl", **code)
            self.python = gr.Code(label=text("serve-python"), language="python", elem_id="serve-python", **code)
            with gr.Row():
                self.start = gr.Button(text("serve-start"), elem_id="serve-start")
                self.stop = gr.Button(text("serve-stop"), elem_id="serve-stop", visible=False)
        self.shown = [self.card, self.about, self.curl, self.python, self.start, self.stop]
        for button, handler in ((self.start, self.on_start), (self.stop, self.on_stop)):
            button.click(handler, pick, self.shown, show_progress="hidden")

    def show(self, ws: Workspace, run: runs.Run | None) -> list:
        """Values for `shown`."""
        hidden = gr.update(visible=False)
        if run is None or self.context.guest:
            return [hidden, "", *[hidden] * 4]
        if self.gateway is None or not self.gateway.running:
            return [gr.update(visible=True), "", hidden, hidden, gr.update(visible=True), hidden]
        key, url, objective = self.gateway.key, self.gateway.url, run.plan["settings"]["objective"]
        listed = self.gateway.models.listing()
        name = next((m.name for m in listed if m.ref == run.id), run.id)
        chats = objective in objectives.GENERATIVE
        return [
            gr.update(visible=True),
            about(url, key, len(listed)),
            gr.update(value=examples.curl(url, key, name, objective), visible=True),
            gr.update(value=examples.python(url, key, name) if chats else None, visible=chats),
            hidden,
            gr.update(visible=True),
        ]

    def on_start(self, id, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            self.context.require_own(request)
            with self.lock:
                if self.gateway is None or not self.gateway.running:
                    self.gateway = Gateway(ws, [], key=self.gateway.key if self.gateway else None).start()
            return self.show(ws, runs.get(ws, id))
        except Exception as error:
            return [gr.skip(), html.trouble(error), *[gr.skip()] * 4]

    def on_stop(self, id, request: gr.Request):
        with self.lock:
            if self.gateway is not None:
                self.gateway.stop()
        ws = self.context.workspace(request)
        return self.show(ws, runs.get(ws, id))


def about(url: str, key: str, models: int) -> str:
    """The address, the key and how many models it has."""
    lines = [("serve-url", url), ("serve-key", key)]
    told = "".join(f'<p>{html.escape(text(name))} <code translate="no">{html.escape(value)}</code></p>' for name, value in lines)
    return f"<p>{html.state('good', text('serve-running', n=models))}</p>{told}"
