"""Correct a row by hand, or leave it out: each makes a new version."""

import json

import gradio as gr

from tuner.data.store import store
from tuner.errors import NotFoundError, RequestError
from tuner.jobs import data_jobs
from ui.components import html
from ui.session import AppContext


class EditView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Accordion("Correct a row, or leave it out", open=False, elem_id="edit"):
            with gr.Row():
                self.number = gr.Number(
                    1, label="Row", info="Its number as shown above.", precision=0, minimum=1, elem_id="edit-row", min_width=120
                )
                self.load = gr.Button("Open it", elem_id="edit-load", min_width=120)
            self.value = gr.Code(language="json", label="The row as it was understood", lines=6, elem_id="edit-value")
            self.told = gr.HTML(elem_id="edit-told")
            with gr.Row():
                self.save = gr.Button("Save as a new version", elem_id="edit-save", min_width=160)
                self.drop = gr.Button("Leave this row out", elem_id="edit-drop", min_width=160)

    def wire(self, act, pick: gr.Dropdown, session, outs: list) -> None:
        self.load.click(self.on_load, [pick, self.number], [self.value, self.told], queue=False)
        self.save.click(
            self._acting(act, lambda text: _parsed(text)), [session, pick, self.number, self.value], outs, show_progress="hidden"
        )
        self.drop.click(self._acting(act, lambda text: None), [session, pick, self.number, self.value], outs, show_progress="hidden")

    def on_load(self, ref, number, request: gr.Request):
        try:
            ds = store.get(self.context.workspace(request), str(ref))
            row = store.row(ds, int(number or 0))
            if row is None:
                raise NotFoundError(
                    f"There is no row {number} in {ds.name}.",
                    asked=number,
                    available="the numbers shown with the rows",
                    remedy="Choose another one.",
                )
            return json.dumps(row["value"], ensure_ascii=False, indent=2), ""
        except Exception as error:
            return gr.skip(), html.trouble(error)

    def _acting(self, act, change):
        def press(session, ref, number, text, request: gr.Request):
            yield from act(lambda ws: edited(ws, str(ref), {int(number or 0): change(text)}), session, request)

        return press


def edited(ws, ref: str, changes: dict) -> str:
    """The id of the job that makes the new version: {12: corrected row} or {12: None} to leave it out."""
    return data_jobs.begin(ws, "edit", ref=ref, changes=changes)


def _parsed(text: str) -> dict:
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        value, why = None, str(error)[:200]
    else:
        why = "it is not an object {...}"
    if not isinstance(value, dict):
        raise RequestError(
            f"The row can't be read as JSON: {why}.",
            asked=(text or "")[:200],
            available="the row as it was opened",
            remedy="Correct that place.",
        )
    return value
