"""Two doors, what this machine can do, and the way back to what was under way."""

import gradio as gr

from tuner import devices, runs
from tuner.formatting import human_time
from tuner.planning import model_suggestions
from ui.components import html
from ui.session import AppContext

WELCOME = (
    "# Teach a language model something of yours\n"
    "Drop in a spreadsheet of questions and answers, watch it learn, talk to the result, take it away. Everything stays on this computer."
)
WELCOME_GUEST = (
    "# Teach a language model something\n"
    "This public page works with the samples and the starter model; what you make here is gone when you leave or reload the page. "
    "To use your own data, run Tunesmith on your computer."
)


class HomePage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        device = devices.listing()[0]
        gr.Markdown(WELCOME_GUEST if context.guest else WELCOME)
        with gr.Row():
            self.demo = gr.Button("Try it: 1-minute demo", variant="primary", size="lg", elem_id="try-demo")
            self.own = gr.Button("Look at the samples" if context.guest else "Use my own data", size="lg", elem_id="own-data")
        gr.Markdown(
            "The demo teaches the bundled starter model, a toy of four million parameters, to talk like a pirate. It needs no network."
        )
        self.notice = gr.HTML()
        if command := devices.gpu_without_torch():
            gr.HTML(html.bad(f"There is an NVIDIA card, but the installed torch can only use the CPU. This mends it: {command}"))
        gr.Markdown(
            f"**What this computer can do.** {model_suggestions.capacity(device)} After the toy, a good next model here is `{model_suggestions.recommended(device).id}`."
        )
        self.last = gr.Dataframe(
            headers=["Run", "State", "Data", "Held-out loss", "Time"],
            datatype=["str"] * 5,
            interactive=False,
            label="Continue: the last runs (click one to open it)",
            elem_id="last-runs",
            visible=False,
        )


def last_runs(found: list[runs.Run]):
    rows = [
        [
            r.name,
            r.state,
            str(r.config.get("data", "")),
            "" if r.best is None else f"{r.best:.3f}",
            human_time(r.progress.elapsed_seconds) if r.progress.elapsed_seconds else "",
        ]
        for r in found
    ]
    return gr.update(value=rows, visible=bool(rows))
