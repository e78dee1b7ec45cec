"""A person's own presets: what they set in the form, kept under a name."""

import gradio as gr

from tuner.errors import TunerError
from tuner.settings import presets
from ui.components import html
from ui.session import AppContext
from ui.train_views import form


class PresetView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Row(visible=not context.guest):
            self.name = gr.Textbox(
                label="Keep these settings as a preset",
                info="What you changed above, under a name of yours; it then stands beside the others.",
                placeholder="for example: long letters",
                max_lines=1,
                elem_id="preset-name",
            )
            self.save = gr.Button("Save preset", size="sm", elem_id="save-preset")
            self.forget = gr.Button("Forget the chosen preset", size="sm", elem_id="forget-preset")
        self.told = gr.HTML(elem_id="preset-told")

    def wire(self, preset, widgets: dict, replan) -> None:
        self.names = list(widgets)
        done = self.save.click(self.on_save, [self.name, preset, *widgets.values()], [preset, self.told, *widgets.values()])
        done.then(*replan, show_progress="hidden")
        gone = self.forget.click(self.on_forget, preset, [preset, self.told])
        gone.then(*replan, show_progress="hidden")

    def on_load(self, request: gr.Request):
        """The presets of whoever opens the page; the one that is chosen stays."""
        found = presets.listing(self.context.workspace(request))
        return gr.update(choices=[(p.title, p.name) for p in found])

    def on_save(self, name, preset, request: gr.Request, *given):
        """Saved, chosen, and out of the form: what the preset says is no longer the person's own."""
        ws = self.context.workspace(request)
        values = form.values(dict(zip(self.names, given, strict=True)))
        try:
            base = presets.load(preset, ws).settings if preset else {}
            kept = presets.save(ws, name or "", {**base, **values})
        except TunerError as error:
            return [gr.skip(), html.trouble(error), *[gr.skip() for _ in self.names]]
        emptied = [gr.skip() if n in presets.NOT_KEPT else form.show(n, None) for n in self.names]
        return [choices(ws, kept.name), html.good(f"Kept as {kept.title!r}."), *emptied]

    def on_forget(self, preset, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            presets.delete(ws, str(preset))
        except TunerError as error:
            return gr.skip(), html.trouble(error)
        return choices(ws, "balanced"), html.good("Forgotten.")


def choices(ws, chosen: str):
    """The radio of presets, as they are now."""
    return gr.update(choices=[(p.title, p.name) for p in presets.listing(ws)], value=chosen)
