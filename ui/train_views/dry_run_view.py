"""'Measure it (two steps)': a dry run of what the form says, on the actual device, before a long run. Below the memory card."""

import time

import gradio as gr

from tuner.formatting import human_bytes, human_time
from tuner.jobs import dry_run, training
from ui.components import html
from ui.session import AppContext

POLL = 0.3  # seconds
HINT = (
    '<p class="ts-quiet">The figure above is computed. Before a long run two real steps on the longest rows tell the true one, '
    "mostly within a minute; nothing is learnt or saved.</p>"
)


class DryRunView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Row():
            self.measure = gr.Button("Measure it (two steps)", size="sm", elem_id="measure")
            self.cancel = gr.Button("Cancel", size="sm", visible=False, elem_id="cancel-measure")
        self.told = gr.HTML(HINT, elem_id="measured")
        self.job = gr.State(None)
        self.shown = [self.measure, self.cancel, self.told, self.job]

    def wire(self, request_of, inputs: list) -> None:
        """`request_of(model, data, given)`: the request that the form's `inputs` (model, data, preset, settings) make."""
        self.request_of = request_of
        self.measure.click(self.on_measure, inputs, self.shown, show_progress="hidden", concurrency_limit=4)
        self.cancel.click(self.on_cancel, self.job, self.cancel, queue=False, show_progress="hidden")

    def on_measure(self, model, data, preset, request: gr.Request, *given):
        """Values for `shown`, as it goes on."""
        busy, free = (
            (gr.update(interactive=False), gr.update(visible=True, interactive=True)),
            (gr.update(interactive=True), gr.update(visible=False)),
        )
        try:
            ws = self.context.workspace(request)
            self.context.require_model(ws, str(model), request)
            values = self.request_of(model, data, given)
            plan, id = training.measure(ws, values, preset=preset)
            while (now := dry_run.look(ws, id))["state"] == "running":
                yield [*busy, going(now), id]
                time.sleep(POLL)
            yield [*free, self.ended(ws, values, preset, plan, now), None]
            dry_run.forget(ws, id)
        except Exception as error:
            yield [*free, html.trouble(error), None]

    def ended(self, ws, values: dict, preset, plan, now: dict) -> str:
        if now["state"] == "cancelled":
            return f'<p class="ts-quiet">{html.escape(now["reason"])}</p>'
        if now["state"] == "failed":
            return "".join(html.bad(f"{e['message']} {e['remedy']}") for e in now["errors"])
        found = now["measured"]
        if found["fits"]:
            return card(plan, found)
        offers = training.remedies(ws, values | ({"preset": preset} if preset else {}), plan.as_dict(), found)
        return html.bad(str(dry_run.refusal(found, plan.device, offers)))

    def on_cancel(self, job, request: gr.Request):
        if job:
            dry_run.cancel(self.context.workspace(request), job)
        return gr.update(interactive=False)


def going(now: dict) -> str:
    """What it does, how far it is, how long it still takes."""
    share = 100 * ((now["step"] or 0) + 1) / (now["steps"] + 2) if now["steps"] else 5
    left = f", about {human_time(now['eta_seconds'])} left" if now["eta_seconds"] else ""
    return (
        f'<div class="ts-card"><div class="ts-bar" role="progressbar" aria-valuenow="{share:.0f}" aria-valuemin="0" aria-valuemax="100">'
        f'<span class="ts-fill" style="width:{share:.0f}%"></span></div>Measuring: {html.escape(now["reason"] or "")}{left}</div>'
    )


def card(plan, found: dict) -> str:
    """What was measured, and of which settings: the form may have changed since."""
    settings, off = plan.settings, found["peak_bytes"] / plan.peak_bytes - 1
    lines = [dry_run.words(found, plan.device), f"That is {abs(off):.0%} {'more' if off > 0 else 'less'} than predicted."]
    if found["allocated_bytes"]:
        lines.append(f"Of that {human_bytes(found['allocated_bytes'])} were in use at once, {human_bytes(found['reserved_bytes'])} held.")
    if found["step_seconds"]:
        lines.append(f"A step of such rows takes {human_time(found['step_seconds'])}; most rows are shorter.")
    of = f"{settings.method}, {settings.micro_batch} rows at once, at most {settings.max_length} tokens, {settings.precision}"
    listed = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<div class="ts-good"><ul>{listed}</ul><span class="ts-quiet">Measured with: {html.escape(of)}.</span></div>'
