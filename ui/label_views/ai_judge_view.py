"""An AI judge (LLM-as-a-judge) as one more labeller: a model here or at an address; its votes are counted apart."""

import time

import gradio as gr

from tuner.errors import NotAllowedError
from tuner.jobs import data_jobs
from tuner.jobs.job import JobStatus
from tuner.labels import generate, judge
from tuner.serving.ai_judge import Judge
from ui.components import html
from ui.label_views import added_pairs, drawn, generate_view
from ui.session import AppContext
from ui.text import text

POLL = 0.4  # seconds


class AIJudgeView:
    def __init__(self, context: AppContext, project: gr.Dropdown):
        self.context = context
        with gr.Accordion(text("label-judge"), open=False, visible=not context.guest, elem_id="label-judge"):
            gr.HTML(f'<p class="ts-quiet">{text("label-judge-about")}</p>', padding=False)
            with gr.Row():
                self.model = gr.Dropdown(
                    [],
                    label=text("label-judge-model.label"),
                    info=text("label-judge-model.info"),
                    allow_custom_value=True,
                    elem_id="judge-model",
                )
                self.url = gr.Textbox(
                    label=text("label-judge-url.label"), info=text("label-judge-url.info"), placeholder="http://127.0.0.1:11434/v1"
                )
                self.key = gr.Textbox(label=text("label-judge-key.label"), info=text("label-judge-key.info"), type="password")
            with gr.Row():
                self.ask = gr.Button(text("label-judge-ask"), elem_id="judge-ask")
                self.stop = gr.Button(text("label-stop"), visible=False)
            self.told = gr.HTML(elem_id="judge-told", padding=False)
            self.job = gr.State(None)
        self.shown = [self.model]
        judging = [self.told, self.stop, self.job]
        self.ask.click(self.on_ask, [project, self.model, self.url, self.key], judging, show_progress="hidden", concurrency_limit=4)
        self.stop.click(self.on_stop, self.job, None, queue=False)

    def show(self, ws) -> dict:
        found = [(t, v) for t, v in generate_view.writers_of(ws) if v != generate.DATA and not v.endswith(generate_view.BASE)]
        return {self.model: gr.update(choices=found)}

    def on_ask(self, project, model, url, key, request: gr.Request):
        off = gr.update(visible=False)
        try:
            ws = self.context.workspace(request)
            if self.context.guest:
                raise NotAllowedError(
                    "This public page asks no AI judges.", asked=model, available="people", remedy="Run Tunesmith on your computer."
                )
            if not project:
                raise added_pairs.no_project()
            job = judge.ask(ws, project, Judge(str(model or ""), (url or "").strip() or None), key=(key or "").strip() or None)
            while (now := data_jobs.progress(ws, job)).running:
                yield judging(now), gr.update(visible=True), job
                time.sleep(POLL)
            data_jobs.forget(ws, job)
        except Exception as error:
            yield html.trouble(error), off, None
            return
        yield added_pairs.failed(now) or drawn.good(text("label-judge-done")), off, None

    def on_stop(self, job, request: gr.Request):
        if job:
            data_jobs.cancel(self.context.workspace(request), job)


def judging(now: JobStatus) -> str:
    if not now.total:
        return drawn.bar(0, 1, text("label-loading-model"))
    words = text("label-judging", done=f"{now.done:,}", total=f"{now.total:,}", n=now.total)
    return drawn.bar(now.done, now.total, " · ".join([words, *generate_view.left(now)]))
