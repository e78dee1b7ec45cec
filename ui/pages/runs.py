"""A run with its charts, config and log, and all runs: open, compare, name, duplicate, resume, delete."""

import gradio as gr

from tuner import runs
from tuner.jobs import run_queue, training
from tuner.paths import Workspace
from ui.components import charts, dropdowns, html, units
from ui.run_views import compare, listing, overview
from ui.run_views.listing import all_runs, by_name, find
from ui.session import AppContext, Session
from ui.text import term, text


class RunsPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        with gr.Column(visible=False) as self.listed_here:
            self.pick = gr.Dropdown([], label=text("runs-run.label"), info=text("runs-run.info"), elem_id="run", interactive=True)
        self.progress = gr.HTML(elem_id="progress")
        self.notice = gr.HTML()
        with gr.Row():
            self.stop = gr.Button(text("runs-stop"), visible=False, elem_id="stop-run")
            self.resume = gr.Button(text("runs-resume"), visible=False, elem_id="resume-run")
            self.talk = gr.Button(text("runs-chat"), variant="primary", visible=False, elem_id="talk-to-run")
            self.reuse = gr.Button(text("runs-duplicate"), visible=False, elem_id="reuse-run")
        self.charts = gr.HTML(elem_id="charts")
        with gr.Column(visible=False) as self.details:
            self._details()
        self.live = [self.progress, self.stop, self.resume, self.talk, self.reuse, self.charts, self.log, self.details, self.listed_here]
        self.lists = [self.pick, self.table, self.compare]
        self.described = [self.name, self.notes, self.settings]
        self._wire()

    def _details(self) -> None:
        with gr.Accordion(text("runs-numbers"), open=False):
            self.numbers = gr.Dataframe(interactive=False, max_height=300, label=text("runs-numbers"), show_label=False)
            self.read_numbers = gr.Button(text("runs-show-numbers"))
        with gr.Accordion(text("runs-config"), open=False):
            self.settings = gr.HTML()
        with gr.Accordion(text("runs-log"), open=False):
            self.log = gr.HTML(elem_id="log")
        with gr.Accordion(text("runs-about"), open=False):
            self.name = gr.Textbox(label=text("runs-name.label"), info=text("runs-name.info"), max_lines=1, elem_id="rename")
            self.notes = gr.Textbox(label=text("runs-notes.label"), info=text("runs-notes.info"), lines=3, elem_id="run-notes")
            self.describe = gr.Button(text("runs-save"), elem_id="keep-name")
            self.sure = gr.Checkbox(label=text("runs-sure.label"), info=text("runs-sure.info"), elem_id="delete-sure")
            self.delete = gr.Button(text("runs-delete"), variant="stop", elem_id="delete-run")
        gr.HTML(f"<h2>{text('runs-all')}</h2>", padding=False)
        self.table = gr.Dataframe(
            headers=listing.headers(),
            interactive=False,
            datatype=["str"] * len(listing.HEAD),
            column_widths=listing.WIDTHS,
            elem_id="runs-table",
            show_search="filter",
            label=text("runs-table"),
            max_chars=80,
        )
        self.compare = gr.Dropdown(
            [],
            multiselect=True,
            label=text("runs-compare.label"),
            info=text("runs-compare.info"),
            allow_custom_value=True,  # the id of a run that is not among the newest
            elem_id="compare",
            interactive=True,
        )
        self.overlay = gr.HTML(elem_id="overlay")
        self.differences = gr.HTML(elem_id="differences")

    def _wire(self) -> None:
        quick = {"queue": False, "show_progress": "hidden"}
        self.pick.input(self.on_pick, [self.pick, self.session], [self.session, *self.live, *self.described], **quick)
        self.table.select(self.on_row, self.session, [self.session, self.pick, *self.live, *self.described], show_progress="hidden")
        self.stop.click(self.on_stop, self.pick, self.notice, **quick)
        self.resume.click(self.on_resume, self.pick, self.notice, **quick)
        self.describe.click(self.on_describe, [self.pick, self.name, self.notes], [self.notice, *self.lists], **quick)
        deleted = [self.notice, self.sure, self.session, *self.lists, *self.live]
        self.delete.click(self.on_delete, [self.pick, self.sure, self.session], deleted)
        self.compare.input(self.on_compare, self.compare, [self.overlay, self.differences], **quick)
        self.read_numbers.click(self.on_numbers, self.pick, self.numbers, **quick)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, id: str | None) -> list:
        """Return values for `live`; where there is no run, what comes here and the one way to begin."""
        run = find(ws, id)
        if run is None:
            empty = html.empty(text("runs-empty"), html.link("train", text("runs-begin"), primary=True))
            there = bool(all_runs(ws, glance=True).ids)
            return ["" if there else empty, *[gr.update(visible=False)] * 4, "", "", *[gr.update(visible=there)] * 2]
        can_resume = run.state in ("stopped", "failed", "interrupted")
        return [
            overview.card(run),
            gr.update(visible=run.live, interactive=run.state != "stopping"),
            gr.update(visible=can_resume),
            gr.update(visible=run.can_answer),
            gr.update(visible=True),
            charts.of_run(run),
            html.log(runs.log_tail(run, 8000)) or html.escape(text("runs-log-empty")),
            *[gr.update(visible=True)] * 2,
        ]

    def about(self, ws: Workspace, id: str | None) -> list:
        """Return values for `described`: not touched while a person may be typing there."""
        run = find(ws, id)
        if run is None:
            return ["", "", ""]
        rows = [
            (term("setting", r["setting"]) if r in run.plan["reasons"] else r["setting"], r["value"], r["by"], r["reason"])
            for r in [*run.plan["reasons"], *run.plan.get("fixed", [])]
        ]
        return [run.name, run.notes, html.table([text(f"runs-head-{k}") for k in ("setting", "value", "by", "reason")], rows)]

    def listed(self, ws: Workspace, id: str | None) -> list:
        """Return values for `lists`."""
        found = all_runs(ws)
        compared = gr.update(choices=dropdowns.newest(listing.options(found), id), info=_info("runs-compare", len(found.rows)))
        return [self.picked(ws, id), gr.update(value=listing.table(found)), compared]

    def picked(self, ws: Workspace, id: str | None):
        """Return the dropdown with `id` chosen."""
        found = all_runs(ws)
        chosen = id if id in found.ids else None
        return gr.update(choices=dropdowns.newest(listing.options(found), id), value=chosen, info=_info("runs-run", len(found.rows)))

    def on_pick(self, id, session, request: gr.Request):
        ws = self.context.workspace(request)
        return [Session.read(session).with_(run=id), *self.show(ws, id), *self.about(ws, id)]

    def on_row(self, session, event: gr.SelectData, request: gr.Request):
        ws = self.context.workspace(request)
        id = by_name(ws, event.row_value)
        return [Session.read(session).with_(run=id), self.picked(ws, id), *self.show(ws, id), *self.about(ws, id)]

    def on_numbers(self, id, request: gr.Request):
        run = find(self.context.workspace(request), id)
        table = runs.metrics_table(run) if run else {"columns": ["step"], "rows": []}
        return gr.update(value={"headers": table["columns"], "data": table["rows"]})

    def on_compare(self, ids, request: gr.Request):
        ws = self.context.workspace(request)
        chosen = [r for i in ids or [] if (r := find(ws, i))]
        return charts.overlay(chosen), compare.differences(chosen)

    # --- what is done -------------------------------------------------------------------------------------------------

    def on_stop(self, id, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            run = runs.ask_to_stop(ws, id)
            run_queue.enqueue(ws, run)
            return html.good(text("runs-stopping"))
        except Exception as error:
            return html.trouble(error)

    def on_resume(self, id, request: gr.Request):
        try:
            run = training.resume(self.context.workspace(request), id)
            return html.good(text("runs-resumed", name=run.name))
        except Exception as error:
            return html.trouble(error)

    def on_describe(self, id, name, notes, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            runs.describe(ws, id or "", name=name, notes=notes)
        except Exception as error:
            return [html.trouble(error), *[gr.skip()] * len(self.lists)]
        return [html.good(text("runs-saved")), *self.listed(ws, id)]

    def on_delete(self, id, sure, session, request: gr.Request):
        still = [gr.skip()] * (1 + len(self.lists) + len(self.live))
        if not id or not sure:
            return [html.bad(text("runs-not-sure")), gr.skip(), *still]
        ws = self.context.workspace(request)
        try:
            runs.delete(ws, id)
        except Exception as error:
            return [html.trouble(error), False, *still]
        shown = [*self.listed(ws, None), *self.show(ws, None)]
        return [html.good(text("runs-deleted")), False, Session.read(session).with_(run=None), *shown]


def _info(key: str, total: int) -> str:
    """Return what stands under a dropdown of runs, with a line when not all of them can be in it."""
    said = text(f"{key}.info")
    if total <= dropdowns.NEWEST:
        return said
    more = "runs-more" if key == "runs-run" else "runs-compare-more"
    return f"{said} {text(more, most=dropdowns.NEWEST, n=units.count(total))}"
