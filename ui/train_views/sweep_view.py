"""A sweep from the form: several values of some settings, a run for each combination, in the queue."""

import gradio as gr

from tuner.jobs import sweeps
from ui.session import AppContext
from ui.text import text


class SweepView:
    """`asked` is what the fields hold; the page wires `start`, since it knows the rest of the form."""

    def __init__(self, context: AppContext):
        self.context = context
        with gr.Accordion(text("train-sweep"), open=False, elem_id="sweep"):
            self.values = gr.Textbox(
                label=text("train-sweep-values.label"),
                info=text("train-sweep-values.info", most=sweeps.MOST),
                placeholder="learning_rate: 1e-4, 3e-4\nlora_rank: 8, 16",
                lines=3,
                elem_id="sweep-values",
            )
            self.halving = gr.Checkbox(
                label=text("train-sweep-halving.label"), info=text("train-sweep-halving.info"), elem_id="sweep-halving"
            )
            self.start = gr.Button(text("train-sweep-start"), elem_id="sweep-start")
            self.said = gr.HTML(elem_id="sweep-said", padding=False)
        self.made = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])  # the id of the sweep that was started
        self.asked = [self.values, self.halving]


def read(written: str | None) -> dict[str, list]:
    """Return {setting: its values} of lines such as "learning_rate: 1e-4, 3e-4"; the sweep's errors for what is no such line."""
    lines = [line.strip() for line in (written or "").splitlines() if line.strip()]
    return sweeps.values_of([line if "=" in line.partition(":")[0] else line.replace(":", "=", 1) for line in lines] or [""])


def busy(on: bool) -> dict:
    """Return how the button looks while the runs are planned, and else."""
    return gr.update(interactive=not on, value=text("train-sweep-planning" if on else "train-sweep-start"))
