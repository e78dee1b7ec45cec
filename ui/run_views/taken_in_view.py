"""Add a run from another computer: the result of a notebook, or a packed run."""

from pathlib import Path

import gradio as gr

from tuner.jobs import bundles
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
            run = bundles.take_in(self.context.workspace(request), Path(str(file)))
        except Exception as error:
            return html.trouble(error)
        link = html.link("runs", text("checkpoints-open"), query=f"run={run.id}")
        return f"{html.good(text('runs-taken-in', name=run.name))}<p>{link}</p>"
