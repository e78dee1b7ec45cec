"""Train on another computer: a bundle and a notebook of what the form asks for."""

import gradio as gr

from tuner.jobs import bundles
from tuner.paths import Workspace, id_of
from ui.components import html, units
from ui.session import AppContext
from ui.text import text
from ui.train_views.draft import Draft


class BundleView:
    """The page wires `make`, since it knows the rest of the form."""

    def __init__(self, context: AppContext):
        self.context = context
        with gr.Accordion(text("train-elsewhere"), open=False, elem_id="elsewhere"):
            gr.HTML(f'<p class="ts-quiet">{html.escape(text("train-elsewhere-about"))}</p>', padding=False)
            with gr.Row():
                self.make = gr.Button(text("train-elsewhere-make"), elem_id="bundle-make")
                self.files = [gr.DownloadButton(visible=False, elem_id=f"bundle-{name}") for name in ("zip", "notebook")]
            self.said = gr.HTML(elem_id="bundle-said", padding=False)

    def written(self, ws: Workspace, draft: Draft) -> list:
        """Write the bundle of a draft; return values for `files` and `said`."""
        name = draft.name.strip() or None
        file = ws.exports / f"{id_of(name or f'{draft.data} elsewhere', 60) or 'bundle'}.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        made = bundles.write(ws, draft.request(), file, preset=draft.preset, name=name)
        words = text("train-elsewhere-zip", size=units.size(made["bytes"])), text("train-elsewhere-notebook")
        shown = [
            gr.update(visible=True, value=path, label=word) for path, word in zip((made["file"], made["notebook"]), words, strict=True)
        ]
        return [*shown, html.good(text("train-elsewhere-done"))]
