"""Two doors, what this machine can do, and the way back to what was under way."""

from dataclasses import dataclass

import gradio as gr

from tuner import hardware, planner, runs
from tuner.hardware import human_time
from ui.session import House


@dataclass
class StartTab:
    demo: gr.Button
    own: gr.Button
    notice: gr.HTML
    last: gr.Dataframe


def build(house: House) -> StartTab:
    gr.Markdown(
        "## Teach a language model something of yours\nDrop in a spreadsheet of questions and answers, watch it learn, talk to the result, take it away. "
        "Everything stays on this computer."
        if not house.guest
        else "## Teach a language model something\nThis public page works with the samples and the starter model; what you make here is gone when you leave. "
        "To use your own data, run Tunesmith on your computer."
    )
    with gr.Row():
        demo = gr.Button("Try it: 1-minute demo", variant="primary", size="lg", elem_classes="ts-big", elem_id="try-demo")
        own = gr.Button(
            "Use my own data" if not house.guest else "Look at the samples", size="lg", elem_classes="ts-big", elem_id="own-data"
        )
    gr.Markdown("The demo teaches the bundled starter model, a toy of four million parameters, to talk like a pirate. It needs no network.")
    notice = gr.HTML()
    device = hardware.devices()[0]
    gr.Markdown(
        f"**What this computer can do.** {planner.capacity(device)} After the toy, a good next model here is `{planner.next_model(device)}`."
    )
    last = gr.Dataframe(
        headers=["Run", "State", "Data", "Held-out loss", "Time"],
        interactive=False,
        label="Continue: the last runs (click one to open it)",
        elem_id="last-runs",
        visible=False,
        datatype=["str"] * 5,
    )
    return StartTab(demo, own, notice, last)


def last_runs(found: list[runs.Run]):
    rows = [
        [
            r.name,
            r.state,
            str(r.config.get("data", "")),
            "" if r.best is None else f"{r.best:.3f}",
            human_time(r.progress["elapsed_seconds"]) if r.progress.get("elapsed_seconds") else "",
        ]
        for r in found[:5]
    ]
    return gr.update(value=rows, visible=bool(rows))
