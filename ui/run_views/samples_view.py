"""The tab Samples of a run: what the model answered to a few prompts before the first step and at each evaluation, side by side."""

import gradio as gr

from tuner import runs
from tuner.runs import samples_file
from ui import live
from ui.components import html, units
from ui.run_views.listing import find
from ui.run_views.scorecard import marked
from ui.session import AppContext
from ui.text import text

SHOWN = 100  # evaluations
QUICK = {"queue": False, "show_progress": "hidden"}


class SamplesView:
    """`shown` are the fields that belong to a run; `id` holds its id."""

    def __init__(self, context: AppContext, id: gr.Textbox):
        self.context = context
        gr.HTML(live.slot("run-samples"), elem_id="samples", padding=False)
        with gr.Accordion(text("samples-own"), open=False):
            self.prompts = gr.Textbox(
                label=text("samples-prompts.label"),
                info=text("samples-prompts.info", most=samples_file.MOST),
                lines=4,
                elem_id="samples-prompts",
            )
            self.save = gr.Button(text("samples-save"), elem_id="samples-save")
            self.said = gr.HTML(elem_id="samples-said", padding=False)
        self.shown = [self.prompts, self.said]
        self.save.click(self.on_save, [id, self.prompts], self.said, **QUICK)

    def values(self, run: runs.Run) -> dict:
        """Return values for `shown`."""
        return {self.prompts: "\n".join(samples_file.own_prompts(run.path)), self.said: ""}

    def on_save(self, id, prompts, request: gr.Request):
        run = find(self.context.workspace(request), id)
        if run is None:
            return html.gone("run", str(id))
        try:
            kept = samples_file.set_prompts(run.path, str(prompts or "").splitlines())
        except Exception as error:
            return html.trouble(error)
        if not run.live:
            return html.good(text("samples-kept-ended"))
        return html.good(text("samples-kept", n=len(kept)) if kept else text("samples-rows-again"))


def drawn(run: runs.Run) -> str:
    """Return the answers (HTML): for each prompt a strip of its answers that scrolls, with what changed from one to the next marked."""
    steps = samples_file.read(run.path)[-SHOWN:]
    if not steps:
        return html.empty(text("samples-none"))
    prompts = list(dict.fromkeys(a["prompt"] for s in reversed(steps) for a in s["answers"]))
    return f'<p class="ts-quiet">{html.escape(text("samples-about"))}</p>' + "".join(_strip(prompt, steps, run) for prompt in prompts)


def _strip(prompt: str, steps: list[dict], run: runs.Run) -> str:
    cards, before = [], None
    for entry in steps:
        answer = next((a for a in entry["answers"] if a["prompt"] == prompt), None)
        if answer is None:
            continue
        step = entry["step"]
        head = text("samples-step", step=units.count(step)) if step else text("samples-before")
        best = f" {html.state('good', text('samples-best'))}" if step and step == run.status.best.get("step") else ""
        cut = f' <span class="ts-quiet" title="{html.escape(text("samples-cut"))}">…</span>' if answer["cut"] else ""
        said = marked(answer["answer"], answer["answer"] if before is None else before)
        cards.append(f"<article><b>{html.escape(head)}</b>{best}<div>{said}{cut}</div></article>")
        before = answer["answer"]
    shown = html.escape(prompt)
    return (
        f'<section class="ts-samples"><h4>{shown}</h4><div class="ts-sample-strip" tabindex="0" role="group" aria-label="{html.escape(text("samples-strip"))}">'
        f"{''.join(cards)}</div></section>"
    )
