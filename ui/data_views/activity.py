"""A job of this page where it was started: what, how far, how long, a button that cancels it; and why it made nothing, if so."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from tuner import paths
from tuner.data.store.dataset import Dataset
from tuner.errors import translate
from tuner.formatting import human_time
from tuner.jobs import data_jobs
from tuner.jobs.job import JobStatus
from tuner.paths import Workspace
from ui.components import html
from ui.data_views.summaries import english, say
from ui.session import AppContext
from ui.text import text

LOOK = 0.25  # seconds between two looks at a job
Work = Callable[[Workspace], "str | Dataset | None"]  # the id of a job, a dataset at once, or nothing to do


class Activity:
    """`follow` fills `parts`; `made` then holds the version that was made, None when there is none. `failure` is the text that begins what
    is said then."""

    def __init__(self, context: AppContext, elem_id: str | None = None, failure: str = "data-failed"):
        self.context, self.failure = context, failure
        with gr.Row(elem_classes="ts-activity"):
            self.told = gr.HTML(elem_id=elem_id, min_width=200)
            self.cancel = gr.Button(text("data-cancel"), visible=False, size="sm", scale=0, min_width=80)
        self.job, self.made = gr.State(None), gr.State(None)
        self.parts = [self.told, self.cancel, self.job, self.made]
        self.cancel.click(self.on_cancel, self.job, None, queue=False)

    def wire(self, event: Callable, work: Callable, inputs: list, done: Callable, outs: list, *, own: bool = False) -> None:
        """On `event` do `work(ws, *values of inputs)`, then `done`, which gets what was made and the session (`outs[0]`).

        Two steps, since each output of a handler costs the page 1 to 2 ms at every look at the job.
        """

        def begin(request: gr.Request, *values: Any):
            yield from self.follow(lambda ws: work(ws, *values), request, own)

        event(begin, inputs, self.parts, show_progress="hidden").then(done, [self.made, outs[0]], outs, show_progress="hidden")

    def follow(self, work: Work, request: gr.Request | None, own: bool = False) -> Iterator[list]:
        """Start `work` and yield values for `parts` until it has ended; what goes wrong is drawn."""
        yield [f'<p class="ts-quiet">{say("data-starting")}</p>', gr.skip(), None, None]
        try:
            if own:
                self.context.require_own(request)
            ws = self.context.workspace(request)
            made = work(ws)
            if isinstance(made, str):
                yield from self._job(ws, made)
            else:
                yield self.ended("", made.ref if made else None)
        except Exception as error:
            yield self.ended(trouble(error, self.failure))

    def _job(self, ws: Workspace, job: str) -> Iterator[list]:
        what = data_jobs.subject(paths.read_json(ws.jobs / job / "job.json") or {})
        while (now := data_jobs.progress(ws, job)).running:
            yield [bar(now, what), gr.update(visible=True), job, None]
            time.sleep(LOOK)
        data_jobs.forget(ws, job)
        if now.state == "done":
            yield self.ended("", now.result["dataset"])
        elif now.state == "cancelled":
            yield self.ended(f'<div class="ts-notice" role="status">{say("data-cancelled")}</div>')
        else:
            yield self.ended(failed(now.errors, self.failure))

    def ended(self, told: str = "", ref: str | None = None) -> list:
        """Values for `parts` when nothing is under way."""
        return [told, gr.update(visible=False), None, ref]

    def cleared(self) -> dict:
        """Values that take back what was said: another dataset is shown now."""
        return {self.told: "", self.cancel: gr.update(visible=False)}

    def on_cancel(self, job, request: gr.Request):
        if job:
            data_jobs.cancel(self.context.workspace(request), job)


def bar(now: JobStatus, what: str) -> str:
    """Draw what is worked on, how far it is and how long it will take."""
    share = min(100, round(100 * now.done / max(1, now.total)))
    left = " · " + say("data-progress-left", time=human_time(now.eta_seconds)) if now.eta_seconds else ""
    title = html.escape(what)
    return (
        f'<div role="status"><b class="ts-name" title="{title}">{say("data-working", what=what)}</b>'
        f'<div class="ts-bar thin" role="progressbar" aria-label="{title}" aria-valuenow="{share}" aria-valuemin="0" aria-valuemax="100">'
        f'<span class="ts-fill" style="width:{share}%"></span></div>'
        f'<span class="ts-quiet">{say("data-progress", share=share, rows=now.rows)}{left}</span></div>'
    )


def failed(errors: list[dict], failure: str = "data-failed") -> str:
    """Draw what failed and why, what to do about it, and what was kept; without a `failure` only the reason and what to do."""
    said = "".join(f'<p lang="en">{html.escape(e["message"])} {html.escape(e["remedy"])}</p>' for e in errors)
    head, kept = (f"<b>{say(failure)}</b>", f"<p>{say('data-kept')}</p>") if failure else ("", "")
    return f'<div class="ts-bad" role="alert">{head}{said}{kept}</div>'


def trouble(error: BaseException, failure: str = "data-failed") -> str:
    """As `failed`, of an exception; one that nobody foresaw is logged."""
    known = translate(error)
    return failed(known.as_list(), failure) if known else english(html.trouble(error))
