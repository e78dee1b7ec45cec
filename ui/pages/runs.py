"""The live run first, then all runs: open, compare, name, reuse, resume, delete."""

import hashlib
from dataclasses import dataclass

import gradio as gr

from tuner import runs
from tuner.errors import NotFoundError
from tuner.formatting import human_time
from tuner.jobs import run_queue, training
from tuner.paths import Workspace
from tuner.runs import index
from ui.components import charts, dropdowns, html
from ui.session import AppContext, Session

EMPTY = '<p class="ts-quiet">No runs yet. Choose data and a model in the Train page, or press Try it in the Home page.</p>'
PICK = "A run under way goes on whatever this page does."
LAST = 5  # runs in the Home page
COMPARE = "Lays the curves of several runs over each other and shows what differs between their settings."
HEAD = ["Name", "State", "Data", "Model", "Method", "Best held-out loss", "Time", "Started", "Notes"]


class RunsPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.pick = gr.Dropdown([], label="Run", info=PICK, elem_id="run", interactive=True)
        self.progress = gr.HTML(EMPTY, elem_id="progress")
        self.notice = gr.HTML()
        with gr.Row():
            self.stop = gr.Button("Stop and save", visible=False, elem_id="stop-run")
            self.resume = gr.Button("Resume", visible=False, elem_id="resume-run")
            self.talk = gr.Button("Talk to it →", variant="primary", visible=False, elem_id="talk-to-run")
            self.reuse = gr.Button("Use these settings again", visible=False, elem_id="reuse-run")
        self.charts = gr.HTML(elem_id="charts")
        with gr.Accordion("The numbers, step by step", open=False):
            self.numbers = gr.Dataframe(interactive=False, max_height=300, label="Numbers", show_label=False)
            self.read_numbers = gr.Button("Show the numbers up to now", size="sm")
        with gr.Accordion("Settings of this run, each with its reason", open=False):
            self.settings = gr.HTML()
        with gr.Accordion("Log", open=False):
            self.log = gr.HTML(html.log(""), elem_id="log")
        with gr.Accordion("Name, notes, delete", open=False):
            self.name = gr.Textbox(label="Name", info="Shown everywhere; the folder keeps its own.", max_lines=1, elem_id="rename")
            self.notes = gr.Textbox(label="Notes", info="What you tried and why.", lines=3)
            self.describe = gr.Button("Keep name and notes", size="sm", elem_id="keep-name")
            self.sure = gr.Checkbox(label="Yes, delete this run with its checkpoints and model", info="This can't be undone.")
            self.delete = gr.Button("Delete this run", variant="stop", size="sm", elem_id="delete-run")
        gr.Markdown("### All runs")
        self.table = gr.Dataframe(
            headers=HEAD,
            interactive=False,
            datatype=["str"] * len(HEAD),
            elem_id="runs-table",
            show_search="filter",
            label="Runs: click one to open it",
            wrap=True,
        )
        self.compare = gr.Dropdown(
            [],
            multiselect=True,
            label="Compare",
            info=COMPARE,
            allow_custom_value=True,  # the id of a run that is not among the newest
            elem_id="compare",
            interactive=True,
        )
        self.overlay = gr.HTML(elem_id="overlay")
        self.differences = gr.HTML(elem_id="differences")
        self.live = [self.progress, self.stop, self.resume, self.talk, self.reuse, self.charts, self.log]
        self.lists = [self.pick, self.table, self.compare]
        self._wire()

    def _wire(self) -> None:
        quick = {"queue": False, "show_progress": "hidden"}
        self.pick.input(self.on_pick, [self.pick, self.session], [self.session, *self.live, self.name, self.notes, self.settings], **quick)
        self.table.select(
            self.on_row, self.session, [self.session, self.pick, *self.live, self.name, self.notes, self.settings], show_progress="hidden"
        )
        self.stop.click(self.on_stop, self.pick, self.notice, **quick)
        self.resume.click(self.on_resume, self.pick, self.notice, **quick)
        self.describe.click(self.on_describe, [self.pick, self.name, self.notes], [self.notice, *self.lists], **quick)
        self.delete.click(
            self.on_delete, [self.pick, self.sure, self.session], [self.notice, self.sure, self.session, *self.lists, *self.live]
        )
        self.compare.input(self.on_compare, self.compare, [self.overlay, self.differences], **quick)
        self.read_numbers.click(self.on_numbers, self.pick, self.numbers, **quick)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, id: str | None) -> list:
        """Values for `live`."""
        run = find(ws, id)
        if run is None:
            return [EMPTY, *[gr.update(visible=False)] * 4, "", html.log("")]
        can_resume = run.state in ("stopped", "failed", "interrupted")
        return [
            html.progress(run),
            gr.update(visible=run.live, interactive=run.state != "stopping"),
            gr.update(visible=can_resume),
            gr.update(visible=run.can_answer),
            gr.update(visible=True),
            charts.of_run(run),
            html.log(runs.log_tail(run, 8000)),
        ]

    def about(self, ws: Workspace, id: str | None) -> list:
        """Values for name, notes, settings: not touched while a person may be typing there."""
        run = find(ws, id)
        if run is None:
            return ["", "", ""]
        rows = [(r["setting"], r["value"], r["by"], r["reason"]) for r in [*run.plan["reasons"], *run.plan.get("fixed", [])]]
        return [run.name, run.notes, html.table(["Setting", "Value", "Chosen by", "Reason"], rows)]

    def listed(self, ws: Workspace, id: str | None) -> list:
        """Values for `lists`."""
        found = all_runs(ws)
        info = dropdowns.info(COMPARE, len(found.rows), "write the id of another (the name of its folder).")
        compare = gr.update(choices=dropdowns.newest(found.options, id), info=info)
        return [self.picked(ws, id), gr.update(value=found.rows), compare]

    def picked(self, ws: Workspace, id: str | None):
        """The dropdown with `id` chosen."""
        found = all_runs(ws)
        info = dropdowns.info(PICK, len(found.rows), "the table below opens any.")
        return gr.update(choices=dropdowns.newest(found.options, id), value=id if id in found.ids else None, info=info)

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
        return charts.overlay(chosen), differences(chosen)

    # --- what is done -------------------------------------------------------------------------------------------------

    def on_stop(self, id, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            run = runs.ask_to_stop(ws, id)
            run_queue.enqueue(ws, run)
            return html.good("It saves at the next step, then stops.")
        except Exception as error:
            return html.trouble(error)

    def on_resume(self, id, request: gr.Request):
        try:
            run = training.resume(self.context.workspace(request), id)
            return html.good(f"{run.name} goes on from its last good state.")
        except Exception as error:
            return html.trouble(error)

    def on_describe(self, id, name, notes, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            runs.describe(ws, id or "", name=name, notes=notes)
        except Exception as error:
            return [html.trouble(error), *[gr.skip()] * len(self.lists)]
        return [html.good("Kept."), *self.listed(ws, id)]

    def on_delete(self, id, sure, session, request: gr.Request):
        still = [gr.skip()] * (1 + len(self.lists) + len(self.live))
        if not id or not sure:
            return [html.bad("Choose the run and tick the box first."), gr.skip(), *still]
        ws = self.context.workspace(request)
        try:
            runs.delete(ws, id)
        except Exception as error:
            return [html.trouble(error), False, *still]
        return [html.good("Deleted."), False, Session.read(session).with_(run=None), *self.listed(ws, None), *self.show(ws, None)]


@dataclass(frozen=True)
class AllRuns:
    """What the page shows of all runs, made once for all sessions. `shape` is another when the lists are to be sent again: not for each
    step of a live run. `first` is the run to show to who chose none: one under way, else the newest."""

    options: list[tuple[str, str]]
    rows: list[list[str]]
    ids: frozenset[str]
    shape: str
    newest: list[runs.Run]
    live: list[runs.Run]

    @property
    def first(self) -> str | None:
        return next((r.id for r in (*self.live, *self.newest)), None)


def all_runs(ws: Workspace, *, glance: bool = False) -> AllRuns:
    return index.derived(ws, "what the page shows of all runs", _all_runs, glance=glance)


def _all_runs(found: list[runs.Run]) -> AllRuns:
    rows = [_row(r) for r in found]
    still = [[r.id, *row[:5], *([] if r.live else row[5:7]), *row[7:]] for r, row in zip(found, rows, strict=True)]
    shape = hashlib.sha256(repr(still).encode()).hexdigest()[:16]
    options, live = [(f"{r.name} · {r.state}", r.id) for r in found], [r for r in found if r.live]
    return AllRuns(options, rows, frozenset(r.id for r in found), shape, found[:LAST], live)


def _row(r: runs.Run) -> list[str]:
    return [
        r.name,
        r.state,
        str(r.config.get("data", "")),
        r.brief["model"] or "",
        r.brief["method"],
        "" if r.best is None else f"{r.best:.4f}",
        human_time(r.progress.elapsed_seconds) if r.progress.elapsed_seconds else "",
        (r.about.get("created") or "")[:16].replace("T", " "),
        r.notes[:80],
    ]


def find(ws: Workspace, id: str | None) -> runs.Run | None:
    """The run, or None when there is none (any more): a page may know a run that another page deleted."""
    try:
        return runs.get(ws, id) if id else None
    except NotFoundError:
        return None


def by_name(ws: Workspace, row: list) -> str | None:
    """The run that a row of the table shows; names may repeat, name and start together rarely do."""
    same = [r for r in runs.listing(ws) if r.name == row[0]]
    exact = [r for r in same if (r.about.get("created") or "")[:16].replace("T", " ") in row]
    return (exact or same)[0].id if same else None


def differences(chosen: list[runs.Run]) -> str:
    """A table of the settings in which the runs differ."""
    if len(chosen) < 2:
        return '<p class="ts-quiet">Choose two or more.</p>' if chosen else ""
    keys = dict.fromkeys(k for r in chosen for k in r.plan["settings"])
    rows = [("model", *[r.plan["model"]["name"] for r in chosen]), ("data", *[r.config.get("data") for r in chosen])]
    rows += [(k, *[r.plan["settings"].get(k) for r in chosen]) for k in keys]
    different = [row for row in rows if len({str(v) for v in row[1:]}) > 1]
    rows = [*different, ("best held-out loss", *[r.best for r in chosen])]
    return html.table(["What differs", *[r.name for r in chosen]], rows)
