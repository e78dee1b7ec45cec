"""Runs: the table of all, the page of one, several compared. Which of them is shown is `Session.runs`: nothing, an id, or several."""

import gradio as gr

from tuner import runs
from tuner.jobs import training
from tuner.labels import blind_test
from tuner.paths import Workspace
from ui import live
from ui.components import charts, html, run_state
from ui.run_views import queue_view
from ui.run_views.compare_view import CompareView
from ui.run_views.listing import View, all_runs, find
from ui.run_views.queue_view import QueueView
from ui.run_views.run_view import RunView, parts
from ui.run_views.table_view import TableView, drawn, there
from ui.run_views.taken_in_view import TakenInView
from ui.session import AppContext, Session
from ui.text import text

QUICK = {"queue": False, "show_progress": "hidden"}


class RunsPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.back = gr.HTML(elem_id="all-runs", padding=False)
        self.notice = gr.HTML(elem_id="runs-notice", padding=False)
        with gr.Column(visible=False, elem_id="runs-listed") as self.listed:
            self.waiting = QueueView(context)
            self.table = TableView(context)
        self.taken_in = TakenInView(context)
        with gr.Column(visible=False, elem_id="run-page") as self.opened:
            self.run = RunView(context)
        with gr.Column(visible=False, elem_id="runs-compared") as self.compared:
            self.comparison = CompareView(context)
        self.places = [self.back, self.notice, self.listed, self.opened, self.compared, self.taken_in.place]
        self.live = [*self.places, self.table.table, self.waiting.queue, *self.run.live, *self.comparison.shown]
        self.shown = [*self.live, *self.table.tools, *self.run.described]
        self._wire()

    def _wire(self) -> None:
        here, page, table = self.session, self.run, self.table
        self.blind = ((table.blind, table.view), (self.comparison.blind, self.comparison.ids))  # (button, which runs): wired by the layout
        table.compare.click(self.on_compare, [table.view, here], [here, *self.shown], **QUICK)
        page.resume.click(self.on_resume, page.id, page.notice, **QUICK)
        page.describe.click(self.on_describe, [page.id, page.name, page.notes], page.managed, **QUICK)
        page.delete.click(self.on_delete, [page.id, page.sure, here], [here, *self.shown])

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, asked: str | None, view: dict | None) -> dict:
        """Return values for `live`: what `asked` names, else the table of all."""
        ids = ids_of(asked)
        chosen = [run for id in ids if (run := find(ws, id))]
        gone = "".join(html.gone("run", id) for id in ids if id not in {run.id for run in chosen})
        if len(chosen) == 1:
            return self._places(self.opened, gone) | self.run.values(chosen[0])
        if chosen:
            return self._places(self.compared, gone) | self.comparison.values(chosen)
        found = all_runs(ws)
        if not found.rows:
            empty = html.empty(text("runs-empty"), html.link("train", text("runs-begin"), primary=True))
            return self._places(None, gone) | {self.back: empty}
        return self._places(self.listed, gone) | {self.table.table: drawn(ws, View.read(view)), self.waiting.queue: queue_view.drawn(ws)}

    def _places(self, shown: gr.Column | None, notice: str) -> dict:
        """Return which of the three is shown."""
        back = f'<a class="ts-back" href="runs" data-page="runs">\u2190 {html.escape(text("runs-all"))}</a>'
        boxes = {box: gr.update(visible=box is shown) for box in (self.listed, self.opened, self.compared)}
        boxes[self.taken_in.place] = gr.update(visible=shown in (None, self.listed) and not self.context.guest)
        return {self.back: "" if shown in (None, self.listed) else back, self.notice: notice} | boxes

    def parts(self, ws: Workspace, asked: str | None) -> live.Parts:
        """Return what the script draws of the runs in view."""
        chosen = [run for id in ids_of(asked) if (run := find(ws, id))]
        if len(chosen) == 1:
            return parts(ws, chosen[0]) | {"run-overlay": ""}
        return {"run-charts": "", "run-overlay": charts.marker(chosen) if chosen else ""}

    def open(self, ws: Workspace, asked: str | None, view: dict | None, drawn_before: str | None) -> dict:
        """Return values for `shown`: as `show`, with what a person can write in; another run than before begins with its overview."""
        run = find(ws, asked)
        tools = dict(zip(self.table.tools, self.table.tool_values(ws, View.read(view)), strict=True))
        return self.show(ws, asked, view) | tools | (self.run.about(ws, run, drawn_before) if run else {})

    # --- what is done -------------------------------------------------------------------------------------------------

    def on_compare(self, view, session, request: gr.Request):
        ws = self.context.workspace(request)
        ids = ",".join(there(ws, View.read(view)))
        return {self.session: Session.read(session).with_(runs=ids)} | self.show(ws, ids, view)

    def on_blind(self, which, session, request: gr.Request):
        """Begin a blind test of two runs, and go to its label project."""
        ws = self.context.workspace(request)
        ids = which.split(",") if isinstance(which, str) else there(ws, View.read(which))
        try:
            project = blind_test.begin(ws, *ids[:2])
        except Exception as error:
            return gr.skip(), html.trouble(error)
        return Session.read(session).with_(tab="label", label=project), ""

    def on_resume(self, id, request: gr.Request):
        try:
            run = training.resume(self.context.workspace(request), id)
            return html.good(text("runs-resumed", name=run.name))
        except Exception as error:
            return html.trouble(error)

    def on_describe(self, id, name, notes, request: gr.Request):
        ws = self.context.workspace(request)
        if not (name or "").strip():
            return html.bad(text("runs-name-empty"))
        try:
            runs.describe(ws, id or "", name=name, notes=notes)
        except Exception as error:
            return html.trouble(error)
        return html.good(text("runs-saved"))

    def on_delete(self, id, sure, session, request: gr.Request):
        """Delete the run and show all others; what stands in the way is said beside the button."""
        ws, kept = self.context.workspace(request), Session.read(session)
        if not id or not sure:
            return {self.run.managed: html.bad(text("runs-not-sure"))}
        try:
            runs.delete(ws, id)
        except Exception as error:
            return {self.run.managed: html.trouble(error), self.run.sure: False}
        cleared = kept.with_(runs=None, run=None if kept.run == id else kept.run)
        return {self.session: cleared} | self.show(ws, None, None) | {self.notice: html.good(text("runs-deleted"))}


def ids_of(asked: str | None) -> list[str]:
    """Return the ids that an address names, as many as can be compared."""
    return [id for id in (asked or "").split(",") if id][: charts.TOGETHER]


def figures(context: AppContext):
    """Return the function that the script of the charts calls: what is new of some runs since a step of each."""

    def run_metrics(wanted: list, request: gr.Request) -> dict:
        ws, asked = context.workspace(request), [(w.get("run"), w.get("since")) for w in wanted[: charts.TOGETHER] if isinstance(w, dict)]
        found = [(run, since if isinstance(since, int) else -1) for id, since in asked if (run := find(ws, str(id or "")))]
        chosen = [run for run, _ in found]
        drawn = [charts.figures(run, since) | {"name": name} for (run, since), name in zip(found, run_state.distinct(chosen), strict=True)]
        return charts.described(chosen) | {"runs": drawn}

    return run_metrics
