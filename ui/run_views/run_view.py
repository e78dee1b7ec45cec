"""The page of one run: its head with what can be done with it, and tabs: Overview, Charts, Samples, Checkpoints,
Evaluation, Config, Log."""

import gradio as gr

from tuner import runs
from tuner.jobs import run_queue
from tuner.paths import Workspace
from tuner.runs import metrics_file
from ui import live
from ui.components import charts, dropdowns, html
from ui.run_views import checkpoints_view, compare, config, listing, overview, samples_view
from ui.run_views.checkpoints_view import CheckpointsView
from ui.run_views.evaluation_view import EvaluationView
from ui.run_views.listing import all_runs, find
from ui.run_views.samples_view import SamplesView
from ui.session import AppContext
from ui.text import text

TABS = ("overview", "charts", "samples", "checkpoints", "evaluation", "config", "log")
RESUMABLE = ("stopped", "failed", "interrupted")
NUMBERS = 1000  # steps in the table, the newest: all of them are in the files
QUICK = {"queue": False, "show_progress": "hidden"}


class RunView:
    def __init__(self, context: AppContext):
        self.context = context
        self.id = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])  # the run whose page is drawn
        gr.HTML(live.slot("run-head"), elem_id="progress", padding=False)
        with gr.Row(elem_id="run-actions"):
            self.talk = gr.Button(text("runs-chat"), variant="primary", visible=False, elem_id="talk-to-run")
            self.stop = gr.Button(text("runs-stop"), visible=False, elem_id="stop-run")
            self.resume = gr.Button(text("runs-resume"), visible=False, elem_id="resume-run")
            self.take = gr.Button(text("runs-export"), visible=False, elem_id="export-run")
            self.further = gr.Button(text("runs-further"), visible=False, elem_id="train-further")
            self.reuse = gr.Button(text("runs-duplicate"), elem_id="reuse-run")
        self.notice = gr.HTML(elem_id="run-notice", padding=False)
        gr.HTML(live.slot("run-charts", hidden=True), padding=False)  # above the tabs: what is in one of them is built when it opens
        with gr.Tabs(elem_id="run-tabs", selected="overview") as self.tabs:
            for name in TABS:
                with gr.Tab(text(f"runs-tab-{name}"), id=name, render_children=True):
                    getattr(self, f"_{name}")()
        self.live = [self.id, self.notice, self.talk, self.stop, self.resume, self.take, self.further]
        self.described = [self.name, self.notes, self.settings, self.other, self.differences, self.sure, self.tabs]
        self.described += [self.manage, self.numbers, self.managed, *self.evaluation.shown, *self.samples.shown]
        self.described += [*self.checkpoints.shown, *self.files]
        self._wire()

    def _overview(self) -> None:
        gr.HTML(live.slot("run-overview"), elem_id="overview", padding=False)
        gr.HTML(charts.place("run-charts", only="loss"), padding=False)
        with gr.Accordion(text("runs-about"), open=False) as self.manage:
            self.name = gr.Textbox(label=text("runs-name.label"), info=text("runs-name.info"), max_lines=1, elem_id="rename")
            self.notes = gr.Textbox(label=text("runs-notes.label"), info=text("runs-notes.info"), lines=3, elem_id="run-notes")
            self.describe = gr.Button(text("runs-save"), elem_id="keep-name")
            self.sure = gr.Checkbox(label=text("runs-sure.label"), info=text("runs-sure.info"), elem_id="delete-sure")
            self.delete = gr.Button(text("runs-delete"), variant="stop", elem_id="delete-run")
            self.managed = gr.HTML(elem_id="run-managed", padding=False)  # what came of it, where it was asked for

    def _evaluation(self) -> None:
        self.evaluation = EvaluationView(self.context, self.id)

    def _samples(self) -> None:
        self.samples = SamplesView(self.context, self.id)

    def _checkpoints(self) -> None:
        self.checkpoints = CheckpointsView(self.context, self.id)

    def _charts(self) -> None:
        gr.HTML(charts.place("run-charts"), elem_id="charts", padding=False)
        with gr.Accordion(text("runs-numbers"), open=False):
            self.read_numbers = gr.Button(text("runs-show-numbers"), elem_id="show-numbers")
            with gr.Row():
                self.write_files = gr.Button(text("runs-metrics-files"), elem_id="write-metrics")
                self.files = [gr.DownloadButton(name, visible=False, elem_id=f"metrics-{name.lower()}") for name in ("CSV", "JSONL")]
            self.numbers = gr.Dataframe(interactive=False, max_height=300, label=text("runs-numbers"), show_label=False, visible=False)

    def _config(self) -> None:
        self.settings = gr.HTML(elem_id="run-config", padding=False)
        self.other = gr.Dropdown(
            [], label=text("runs-other.label"), info=text("runs-other.info"), allow_custom_value=True, elem_id="other-run", interactive=True
        )
        self.differences = gr.HTML(elem_id="run-differences", padding=False)

    def _log(self) -> None:
        gr.HTML(live.slot("run-log"), elem_id="log", padding=False)

    def _wire(self) -> None:
        self.stop.click(self.on_stop, self.id, self.notice, **QUICK)
        self.read_numbers.click(self.on_numbers, self.id, self.numbers, **QUICK)
        self.write_files.click(self.on_files, self.id, self.files, queue=False)
        self.other.change(self.on_other, [self.id, self.other], self.differences, **QUICK)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def values(self, run: runs.Run) -> dict:
        """Return values for `live`: what can be done with a run in its state; what was said of the state before no longer holds."""
        return {
            self.id: run.id,
            self.notice: "",
            self.talk: gr.update(visible=run.can_answer and not run.live),
            self.stop: gr.update(visible=run.live, interactive=run.state != "stopping"),
            self.resume: gr.update(visible=run.state in RESUMABLE),
            self.take: gr.update(visible=run.can_answer),
            self.further: gr.update(visible=run.can_answer and not run.live),
        }

    def about(self, ws: Workspace, run: runs.Run, before: str | None) -> dict:
        """Return values for `described`: not touched while a person may be typing there."""
        options = [o for o in listing.options(all_runs(ws)) if o[1] != run.id]
        return {
            self.name: run.name,
            self.notes: run.notes,
            self.settings: config.table(run),
            self.other: gr.update(choices=dropdowns.newest(options, None), value=None, visible=bool(options)),
            self.differences: "",
            self.sure: False,
            self.managed: "",
            **self.evaluation.values(ws, run),
            **self.samples.values(run),
            **self.checkpoints.values(),
            **({} if before == run.id else self._anew()),
        }

    def _anew(self) -> dict:
        """Return values for the page of another run than before: it begins with its overview, and nothing of the other is left."""
        closed, hidden = gr.update(open=False), dict.fromkeys(self.files, gr.update(visible=False))
        return {self.tabs: gr.update(selected="overview"), self.manage: closed, self.numbers: gr.update(value=None, visible=False)} | hidden

    def on_numbers(self, id, request: gr.Request):
        run = find(self.context.workspace(request), id)
        table = runs.metrics_table(run) if run else {"columns": ["step"], "rows": []}
        return gr.update(value={"headers": table["columns"], "data": table["rows"][-NUMBERS:]}, visible=True)

    def on_files(self, id, request: gr.Request):
        """Write the metrics of all charts as CSV and as JSONL, and show where to download them."""
        ws = self.context.workspace(request)
        if (run := find(ws, id)) is None:
            return [gr.update(visible=False)] * 2
        ws.exports.mkdir(parents=True, exist_ok=True)
        files = [metrics_file.write_table(run, ws.exports / f"{run.id}-metrics{ending}") for ending in metrics_file.FILES]
        return [gr.update(value=str(file), visible=True) for file in files]

    def on_other(self, id, other, request: gr.Request):
        """Return in which settings another run differs from this one."""
        ws = self.context.workspace(request)
        chosen = [run for i in (id, other) if (run := find(ws, i))]
        if other and len(chosen) < 2:
            return html.gone("run", str(other))
        return compare.differences(chosen) if other else ""

    def on_stop(self, id, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            run_queue.enqueue(ws, runs.ask_to_stop(ws, id))  # one that waits in the queue is taken out of it
            return html.good(text("runs-stopping"))
        except Exception as error:
            return html.trouble(error)


def parts(ws: Workspace, run: runs.Run) -> live.Parts:
    """Return all that changes on the page of a run while it goes on."""
    log = html.log(runs.log_tail(run, 8000)) or html.empty(text("runs-log-empty"))
    return {"run-head": overview.head(run), "run-overview": overview.body(run), "run-charts": charts.marker([run]), "run-log": log} | {
        "run-samples": samples_view.drawn(run),
        "run-checkpoints": checkpoints_view.drawn(ws, run),
    }
