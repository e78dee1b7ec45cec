"""One model recommended for this device, task and language, with the reason, and its download in the background."""

import time

import gradio as gr

from tuner import devices, runs
from tuner.data.quality import language
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.formatting import human_bytes
from tuner.jobs import downloads
from tuner.models import hub
from tuner.planning import model_suggestions
from tuner.settings import objectives
from ui.components import html
from ui.session import AppContext


class SuggestionView:
    def __init__(self, context: AppContext):
        self.context = context
        self.card = gr.HTML(elem_id="suggested")
        with gr.Row():
            self.take = gr.Button("Choose it", size="sm", visible=False, elem_id="take-suggested")
            self.fetch = gr.Button("Download it now", size="sm", visible=False, elem_id="fetch-suggested")
            self.stop = gr.Button("Stop the download", size="sm", visible=False, elem_id="stop-fetch")
        self.id = gr.State(None)
        self.state = gr.HTML(elem_id="fetch-state")
        self.outputs = [self.card, self.take, self.fetch, self.id]

    def wire(self, model, replan) -> None:
        taken = self.take.click(lambda id: id or gr.skip(), self.id, model, queue=False)
        taken.then(*replan, show_progress="hidden")
        if not self.context.guest:
            self.fetch.click(self.on_fetch, self.id, [self.state, self.stop], show_progress="hidden", concurrency_limit=None)
            self.stop.click(self.on_stop, self.id, None, queue=False)

    def show(self, ws, ds: store.Dataset | None, objective: str, model: str) -> list:
        """Values for `outputs`: nothing to say where it is chosen already."""
        if self.context.guest:
            return ["", gr.update(visible=False), gr.update(visible=False), None]
        there = frozenset(h.id for h in hub.cached())
        spoken = language.soon(ds) if ds else None
        found = model_suggestions.recommended(devices.get(None), objective, spoken, there=there)
        chosen = found.id == model
        size = f" · download {human_bytes(found.download)}" if found.download else " · on this computer"
        said = f"<b>Recommended here: {html.escape(found.id)}</b>{'' if found.id == 'starter' else size}<br>{html.escape(found.reason)}"
        return [
            f'<div class="ts-card">{said}</div>',
            gr.update(visible=not chosen),
            gr.update(visible=bool(found.download), value=f"Download it now ({human_bytes(found.download)})"),
            found.id,
        ]

    def here(self, ds: store.Dataset | None) -> str | None:
        """The recommended model when it is on this computer already: it is chosen from the start, and otherwise the starter."""
        there = frozenset() if self.context.guest else frozenset(h.id for h in hub.cached())
        if not there:
            return None
        found = model_suggestions.recommended(devices.get(None), objective_of({}, ds), language.soon(ds) if ds else None, there=there)
        return found.id if found.id in there else None

    def on_fetch(self, id, request: gr.Request):
        """Starts or joins the download, and tells of it while the page is open; it goes on without the page."""
        ws = self.context.workspace(request)
        try:
            found = downloads.start(ws, str(id))
        except TunerError as error:
            yield html.trouble(error), gr.update(visible=False)
            return
        while found.get("state") in runs.LIVE:
            yield f'<p class="ts-quiet" role="status">{html.escape(found.get("reason") or "Downloading.")}</p>', gr.update(visible=True)
            time.sleep(0.5)
            found = downloads.state(ws, str(id))
        done = found.get("state") == "finished"
        said = html.good(f"{id} is on this computer now.") if done else html.bad(found.get("reason") or "The download ended.")
        yield said, gr.update(visible=False)

    def on_stop(self, id, request: gr.Request):
        downloads.stop(self.context.workspace(request), str(id))


def objective_of(values: dict, ds: store.Dataset | None) -> str:
    """What is learnt, as far as the form and the data tell."""
    if values.get("objective"):
        return values["objective"]
    if ds is None:
        return "chat"
    return objectives.default_for(ds.kind, "decoder" if ds.kind in ("chat", "text", "preference", "rated") else "encoder")
