"""The tab Evaluation of a run: the newest scorecard, and the button that makes one, against the base model or another run."""

import time
from collections.abc import Iterator

import gradio as gr

from tuner import runs
from tuner.jobs import data_jobs
from tuner.labels import summary
from tuner.paths import Workspace
from tuner.scorecard import evaluation, judged, lm_eval_tasks
from tuner.scorecard.contenders import BASE
from tuner.serving.ai_judge import Judge
from ui.components import dropdowns, html, units
from ui.run_views import listing, scorecard
from ui.run_views.listing import all_runs, find
from ui.session import AppContext
from ui.text import text

LOOK = 0.4  # seconds between two looks at a job


class EvaluationView:
    """`values(run)` fills `shown`."""

    def __init__(self, context: AppContext, id: gr.Textbox):
        self.context, self.id = context, id
        with gr.Row(elem_id="evaluation-actions"):
            self.against = gr.Dropdown(
                [(text("evaluation-base"), BASE)],
                value=BASE,
                label=text("evaluation-against.label"),
                info=text("evaluation-against.info"),
                elem_id="evaluation-against",
                interactive=True,
            )
            self.rows = gr.Number(
                value=evaluation.ROWS,
                precision=0,
                label=text("evaluation-rows.label"),
                info=text("evaluation-rows.info"),
                elem_id="evaluation-rows",
            )
        with gr.Accordion(text("label-judge"), open=False, visible=not context.guest, elem_id="evaluation-judge"):
            gr.HTML(f'<p class="ts-quiet">{text("evaluation-judge-about")}</p>', padding=False)
            with gr.Row():
                self.judge = gr.Textbox(
                    label=text("label-judge-model.label"), info=text("evaluation-judge-model.info"), elem_id="evaluation-judge-model"
                )
                self.url = gr.Textbox(
                    label=text("label-judge-url.label"), info=text("label-judge-url.info"), placeholder="http://127.0.0.1:11434/v1"
                )
                self.key = gr.Textbox(label=text("label-judge-key.label"), info=text("label-judge-key.info"), type="password")
            self.rubric = gr.Textbox(label=text("evaluation-rubric.label"), placeholder=judged.RUBRIC, lines=2, elem_id="evaluation-rubric")
        with gr.Row():
            self.start = gr.Button(text("evaluation-start"), elem_id="evaluation-start")
            self.cancel = gr.Button(text("evaluation-cancel"), visible=False, elem_id="evaluation-cancel")
        self.told = gr.HTML(elem_id="evaluation-told", padding=False)
        self.card = gr.HTML(elem_id="evaluation-card", padding=False)
        self.job = gr.State(None)
        self.shown = [self.against, self.told, self.card, self.start, self.cancel]
        outs = [self.told, self.card, self.start, self.cancel, self.job]
        asked = [id, self.against, self.rows, self.judge, self.url, self.key, self.rubric]
        self.start.click(self.on_start, asked, outs, show_progress="hidden")
        self.cancel.click(self.on_cancel, self.job, None, queue=False)

    def values(self, ws: Workspace, run: runs.Run) -> dict:
        """Return values for `shown`."""
        options = [(text("evaluation-base"), BASE), *dropdowns.newest([o for o in listing.options(all_runs(ws)) if o[1] != run.id], None)]
        return {
            self.against: gr.update(choices=options, value=BASE),
            self.told: "",
            self.card: newest(ws, run),
            self.start: gr.update(visible=run.can_answer),
            self.cancel: gr.update(visible=False),
        }

    def on_start(self, id, against, rows, judge, url, key, rubric, request: gr.Request) -> Iterator[list]:
        """Evaluate, and show how far it is; a page that is closed meanwhile finds the scorecard when it comes back."""
        ws, off, on = self.context.workspace(request), gr.update(visible=False), gr.update(visible=True)
        try:
            many = evaluation.ROWS if rows is None else int(rows)
            job = evaluation.start(ws, id, against=against or BASE, rows=many, **self._judge(judge, url, key, rubric))
            while (now := data_jobs.progress(ws, job)).running:
                yield [working(now), gr.skip(), off, on, job]
                time.sleep(LOOK)
        except Exception as error:
            yield [html.trouble(error), gr.skip(), on, off, None]
            return
        if now.state == "done":
            told = ""
        elif now.state == "cancelled":
            told = f'<p role="status">{html.state("quiet", text("evaluation-cancelled"))}</p>'
        else:
            told = "".join(html.bad(f"{e['message']} {e['remedy']}", lang="en") for e in now.errors)
        yield [told, newest(ws, find(ws, id)) if now.state == "done" else gr.skip(), on, off, None]

    def _judge(self, model, url, key, rubric) -> dict:
        """Return what `evaluation.start` needs for an AI judge; nothing where none is named, and on a public page."""
        model, url, key = ((said or "").strip() for said in (model, url, key))
        if self.context.guest or not (model or url):
            return {}
        return {"judge": Judge(model, url or None), "key": key or None, "rubric": rubric or ""}

    def on_cancel(self, job, request: gr.Request) -> None:
        if job:
            data_jobs.cancel(self.context.workspace(request), job)


def newest(ws: Workspace, run: runs.Run | None) -> str:
    """Draw the newest scorecard of a run, or what comes here."""
    cards, public = (evaluation.kept(ws, run.id), lm_eval_tasks.kept(ws, run.id)) if run else ([], [])
    more = scorecard.benchmarks(public[0]) if public else ""
    if cards:
        found = cards[0].get("judge")
        return scorecard.drawn(cards[0], agreed=summary.agreed(ws, found["model"]) if found else []) + more
    return html.empty(text("evaluation-empty" if run and run.can_answer else "evaluation-later")) + more


def working(now) -> str:
    """Say how far an evaluation is."""
    left = " · " + text("evaluation-left", time=units.duration(now.eta_seconds)) if now.eta_seconds else ""
    said = text("evaluation-working", done=f"{now.done:,}", total=f"{now.total:,}") if now.total else text("evaluation-loading")
    return f'<p role="status">{html.state("quiet", said)}{left}</p>' + (html.bar(now.done / now.total) if now.total else "")
