"""A dry run of what the form says: two real steps on the longest rows, on the actual device, before a long run."""

import time

import gradio as gr

from tuner.jobs import dry_run, training
from ui.components import html, units
from ui.components.html import escape
from ui.session import AppContext
from ui.text import text
from ui.train_views.draft import Draft

POLL = 0.3  # seconds


class DryRunView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Row():
            self.measure = gr.Button(text("train-dry-run"), elem_id="measure")
            self.cancel = gr.Button(text("train-cancel"), visible=False, elem_id="cancel-measure")
        self.told = gr.HTML(hint(), elem_id="measured")
        self.job = gr.State(None)
        self.shown = [self.measure, self.cancel, self.told, self.job]

    def wire(self, draft: gr.BrowserState) -> None:
        self.measure.click(self.on_measure, draft, self.shown, show_progress="hidden", concurrency_limit=4)
        self.cancel.click(self.on_cancel, self.job, self.cancel, queue=False, show_progress="hidden")

    def on_measure(self, stored, request: gr.Request):
        """Yield values for `shown`, as it goes on."""
        busy = (gr.update(interactive=False), gr.update(visible=True, interactive=True))
        free = (gr.update(interactive=True), gr.update(visible=False))
        try:
            ws, draft = self.context.workspace(request), Draft.read(stored)
            self.context.require_model(ws, draft.model, request)
            plan, id = training.measure(ws, draft.request(), preset=draft.preset)
            while (now := dry_run.look(ws, id))["state"] == "running":
                yield [*busy, going(now), id]
                time.sleep(POLL)
            yield [*free, self.ended(ws, draft, plan, now), None]
            dry_run.forget(ws, id)
        except Exception as error:
            yield [*free, html.trouble(error), None]

    def ended(self, ws, draft: Draft, plan, now: dict) -> str:
        if now["state"] == "cancelled":
            return f'<p class="ts-quiet" lang="en">{escape(now["reason"])}</p>'
        if now["state"] == "failed":
            return "".join(html.bad(html.sentence_of(e), "en") for e in now["errors"])
        found = now["measured"]
        if found["fits"]:
            return card(plan, found)
        wish = draft.request() | ({"preset": draft.preset} if draft.preset else {})
        return html.bad(str(dry_run.refusal(found, plan.device, training.remedies(ws, wish, plan.as_dict(), found))), "en")

    def on_cancel(self, job, request: gr.Request):
        if job:
            dry_run.cancel(self.context.workspace(request), job)
        return gr.update(interactive=False)


def hint() -> str:
    return f'<p class="ts-quiet">{text("train-dry-run.info")}</p>'


def going(now: dict) -> str:
    """Return what it does, how far it is and how long it still takes (HTML)."""
    share = ((now["step"] or 0) + 1) / (now["steps"] + 2) if now["steps"] else 0.05
    left = text("train-time-left", time=units.duration(now["eta_seconds"])) if now["eta_seconds"] else ""
    return f'<div class="ts-card">{html.bar(share)}{escape(text("train-measuring"))} {escape(now["reason"] or "")}{escape(left)}</div>'


def card(plan, found: dict) -> str:
    """Return what was measured, and of which settings: the form may have changed since (HTML)."""
    settings, off = plan.settings, found["peak_bytes"] / plan.peak_bytes - 1
    lines = [
        f'<li lang="en">{escape(dry_run.words(found, plan.device))}</li>',
        _line("train-measured-more" if off > 0 else "train-measured-less", share=units.percent(abs(off))),
    ]
    if found["allocated_bytes"]:
        lines.append(_line("train-measured-held", used=units.size(found["allocated_bytes"]), held=units.size(found["reserved_bytes"])))
    if found["step_seconds"]:
        lines.append(_line("train-measured-step", time=units.duration(found["step_seconds"])))
    of = text(
        "train-measured-of",
        method=settings.method,
        micro=settings.micro_batch,
        length=units.count(settings.max_length),
        precision=settings.precision,
    )
    return f'<div class="ts-good"><ul>{"".join(lines)}</ul><span class="ts-quiet">{escape(of)}</span></div>'


def _line(key: str, **params: str) -> str:
    return f"<li>{escape(text(key, **params))}</li>"
