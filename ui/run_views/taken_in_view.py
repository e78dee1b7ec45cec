"""Add a run from another computer: the result of a notebook, or a packed run."""

import gradio as gr

from tuner.jobs import data_jobs
from ui.components import html
from ui.session import AppContext
from ui.text import text


class TakenInView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Column(visible=False) as self.place, gr.Accordion(text("runs-take-in"), open=False, elem_id="take-in"):
            gr.HTML(f'<p class="ts-quiet">{html.escape(text("runs-take-in-about"))}</p>', padding=False)
            self.file = gr.UploadButton(text("runs-take-in-file"), file_types=[".zip"], elem_id="take-in-file")
            self.said = gr.HTML(elem_id="take-in-said", padding=False)
        self.file.upload(self.on_file, self.file, self.said, show_progress="minimal")

    def on_file(self, file, request: gr.Request):
        """Take in the uploaded file and say where it is."""
        try:
            self.context.require_own(request)
            ws = self.context.workspace(request)
            found = data_jobs.follow(ws, data_jobs.begin(ws, "take-in", path=str(file))).result["document"]
        except Exception as error:
            return html.trouble(error)
        link = html.link("runs", text("checkpoints-open"), query=f"run={found['run']}")
        return f"{html.good(text('runs-taken-in', name=found['name']))}<p>{link}</p>"
