"""Edit a row by hand, or remove it: each makes a new version."""

import json
from collections.abc import Callable

import gradio as gr

from tuner.data.store import store
from tuner.errors import NotFoundError, RequestError
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from ui.data_views.activity import Activity, trouble
from ui.session import AppContext
from ui.text import text


class EditView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Accordion(text("data-edit"), open=False, elem_id="edit"):
            with gr.Row(elem_classes="ts-line"):
                self.number = gr.Number(
                    1,
                    label=text("data-edit-row.label"),
                    info=text("data-edit-row.info"),
                    precision=0,
                    minimum=1,
                    elem_id="edit-row",
                    min_width=120,
                    scale=0,
                )
                self.load = gr.Button(text("data-edit-load"), elem_id="edit-load", min_width=120)
            self.activity = Activity(context, elem_id="edit-told", failure="data-failed-version")
            with gr.Column(visible=False) as self.editor:
                self.value = gr.Code(language="json", label=text("data-edit-value"), lines=6, elem_id="edit-value")
                with gr.Row():
                    self.save = gr.Button(text("data-edit-save"), elem_id="edit-save", min_width=160)
                    self.remove = gr.Button(text("data-edit-remove"), elem_id="edit-drop", min_width=160)
        self.shown = [self.activity.told, self.activity.cancel, self.editor]

    def wire(self, pick: gr.Textbox, done: Callable, outs: list) -> None:
        self.load.click(
            self.on_load, [pick, self.number], [self.editor, self.value, self.activity.told], queue=False, show_progress="hidden"
        )
        inputs = [pick, self.number, self.value]
        self.activity.wire(self.save.click, lambda ws, ref, n, value: edited(ws, ref, {int(n or 0): parsed(value)}), inputs, done, outs)
        self.activity.wire(self.remove.click, lambda ws, ref, n, _: edited(ws, ref, {int(n or 0): None}), inputs, done, outs)

    def values(self) -> dict:
        """Values for `shown`: no row of another dataset stays in the editor."""
        return {**self.activity.cleared(), self.editor: gr.update(visible=False)}

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
            return gr.update(visible=True), json.dumps(row["value"], ensure_ascii=False, indent=2), ""
        except Exception as error:
            return gr.skip(), gr.skip(), trouble(error, failure="")


def edited(ws: Workspace, ref: str, changes: dict) -> str:
    """Start the job that makes the new version and return its id: {12: edited row}, or {12: None} to remove it."""
    return data_jobs.begin(ws, "edit", ref=str(ref), changes=changes)


def parsed(value: str) -> dict:
    """Return the row that was written as JSON; RequestError where it is none."""
    try:
        row = json.loads(value or "")
    except (ValueError, RecursionError) as error:
        row, why = None, str(error)[:200]
    else:
        why = "it is not an object {...}"
    if not isinstance(row, dict):
        raise RequestError(
            f"The row can't be read as JSON: {why}.",
            asked=(value or "")[:200],
            available="the row as it was opened",
            remedy="Correct that place.",
        )
    return row
