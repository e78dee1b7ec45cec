"""Several runs side by side: their curves in one chart each, the settings in which they differ, their answers to the same questions, and a blind test of two."""

import gradio as gr

from tuner import runs
from ui import live
from ui.components import charts, html, run_state
from ui.run_views import compare
from ui.run_views.answers_view import AnswersView
from ui.session import AppContext
from ui.text import text


class CompareView:
    def __init__(self, context: AppContext):
        gr.HTML(f"<h2>{text('runs-compare')}</h2>", padding=False)
        self.chosen = gr.HTML(elem_id="compared-runs", padding=False)
        self.blind = gr.Button(text("runs-blind"), visible=False, elem_id="blind-compared")
        gr.HTML(live.slot("run-overlay", hidden=True), padding=False)
        gr.HTML(charts.place("run-overlay"), elem_id="overlay", padding=False)
        self.differences = gr.HTML(elem_id="differences", padding=False)
        self.ids = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])
        self.answers = AnswersView(context, self.ids)
        self.shown = [self.chosen, self.blind, self.differences, self.ids, *self.answers.shown]

    def values(self, chosen: list[runs.Run]) -> dict:
        """Return values for `shown`."""
        names = "".join(
            f"<li>{run_state.name_link(run, shown)} {run_state.badge(run.state, run.troubled)}</li>"
            for run, shown in zip(chosen, run_state.distinct(chosen), strict=True)
        )
        return {
            self.chosen: f'<ul class="ts-compared">{names}</ul>',
            self.blind: gr.update(visible=len(chosen) == 2 and all(run.can_answer for run in chosen)),
            self.differences: f"<h3>{html.escape(text('runs-differences'))}</h3>{compare.differences(chosen)}",
            self.ids: ",".join(run.id for run in chosen),
            **self.answers.values(chosen),
        }
