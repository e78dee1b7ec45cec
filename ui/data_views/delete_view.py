"""Delete a dataset with all its versions, after a tick that says so."""

from collections.abc import Callable

import gradio as gr

from tuner import runs
from tuner.data.store import store
from tuner.paths import Workspace
from ui.components import html
from ui.data_views.activity import trouble
from ui.session import AppContext
from ui.text import text


class DeleteView:
    def __init__(self, context: AppContext):
        self.context = context
        gr.HTML(f'<p class="ts-quiet">{text("data-delete-intro")}</p>')
        self.sure = gr.Checkbox(label=text("data-delete-sure.label"), elem_id="delete-sure")
        self.told = gr.HTML(elem_id="delete-told")
        self.delete = gr.Button(text("data-delete"), variant="stop", size="sm", interactive=False, elem_id="delete-data")
        self.shown = [self.sure, self.told, self.delete]
        self.sure.input(None, self.sure, self.delete, js="(sure) => ({__type__: 'update', interactive: sure})")

    def wire(self, pick: gr.Textbox, session: gr.BrowserState, opened: Callable, outs: list) -> None:
        """`opened(ws, ref, note)` gives the values for `outs` after the session."""

        def on_delete(ref, sure, kept, request: gr.Request):
            return self.on_delete(ref, sure, kept, request, session, opened)

        self.delete.click(on_delete, [pick, self.sure, session], outs, show_progress="hidden")

    def values(self) -> dict:
        """Values for `shown`: what was ticked and said was of another dataset."""
        return {self.sure: False, self.told: "", self.delete: gr.update(interactive=False)}

    def on_delete(self, ref, sure, kept, request: gr.Request, session, opened: Callable) -> dict:
        ws = self.context.workspace(request)
        if not ref or not sure:
            return {self.told: html.bad(text("data-delete-confirm"))}
        try:
            name = deleted(ws, ref)
        except Exception as error:
            return {self.told: trouble(error, failure="")}
        left = store.listing(ws)
        ref = left[0].ref if left else None
        note = html.good(text("data-deleted", name=name))
        return {session: {**(kept or {}), "data": ref}, **opened(ws, ref, note)}


def deleted(ws: Workspace, ref: str) -> str:
    """Delete a dataset and return its name; ConflictError while runs use it."""
    ds = store.get(ws, ref)
    store.delete(ws, ds.id, runs.using_dataset(ws, ds.id))
    return ds.name
