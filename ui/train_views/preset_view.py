"""Presets: which one, and a person's own, which keep what they set in the form under a name."""

from dataclasses import replace

import gradio as gr

from tuner.errors import TunerError
from tuner.paths import Workspace
from tuner.settings import presets
from ui.components import html
from ui.session import AppContext
from ui.text import term, text
from ui.train_views.acts import draft_act
from ui.train_views.draft import PRESET, Draft


class PresetView:
    def __init__(self, context: AppContext):
        self.context = context
        self.preset = gr.Radio(choices_of(None), value=PRESET, label=text("train-preset"), elem_id="preset")
        self.about = gr.HTML(elem_id="preset-about")

    def own(self) -> None:
        """Build where a person saves and deletes presets of their own."""
        with gr.Accordion(text("train-own-presets"), open=False, visible=not self.context.guest, elem_id="own-presets"):
            self.name = gr.Textbox(
                label=text("train-preset-name.label"),
                info=text("train-preset-name.info"),
                placeholder=text("train-preset-name.placeholder"),
                max_lines=1,
                elem_id="preset-name",
            )
            with gr.Row():
                self.save = gr.Button(text("train-save-preset"), elem_id="save-preset")
                self.delete = gr.Button(text("train-delete-preset"), elem_id="delete-preset")
            self.told = gr.HTML(elem_id="preset-told")

    def wire(self, draft: gr.BrowserState, act: gr.Textbox) -> None:
        """`act`: the field of drafts that the form takes."""
        outputs = [act, self.preset, self.told]
        self.save.click(self.on_save, [self.name, draft], outputs, show_progress="hidden")
        self.delete.click(self.on_delete, draft, outputs, show_progress="hidden")

    def on_save(self, name, stored, request: gr.Request):
        """Save the settings; what the preset says is no longer a person's own choice."""
        ws, draft = self.context.workspace(request), Draft.read(stored)
        try:
            base = presets.load(draft.preset, ws).settings if draft.preset else {}
            kept = presets.save(ws, name or "", {**base, **draft.chosen})
        except TunerError as error:
            return gr.skip(), gr.skip(), html.trouble(error)
        left = {k: v for k, v in draft.chosen.items() if k in presets.NOT_KEPT}
        said = html.good(text("train-preset-saved", name=kept.title))
        return draft_act(replace(draft, preset=kept.name, chosen=left)), radio(ws, kept.name), said

    def on_delete(self, stored, request: gr.Request):
        ws, draft = self.context.workspace(request), Draft.read(stored)
        try:
            presets.delete(ws, str(draft.preset))
        except TunerError as error:
            return gr.skip(), gr.skip(), html.trouble(error)
        return draft_act(replace(draft, preset=PRESET)), radio(ws, PRESET), html.good(text("train-preset-deleted"))


def choices_of(ws: Workspace | None) -> list[tuple[str, str]]:
    """Return (title, name) of the presets; the titles of a person's own are theirs."""
    return [(p.title if p.own else term("preset", p.name), p.name) for p in presets.listing(ws)]


def radio(ws: Workspace, chosen: str | None):
    """Return the update of the presets, as they are now."""
    found = choices_of(ws)
    return gr.update(choices=found, value=chosen if chosen in [name for _, name in found] else None)


def about(ws: Workspace, chosen: str | None) -> str:
    """Return the sentence of the chosen preset (HTML)."""
    found = next((p for p in presets.listing(ws) if p.name == chosen), None)
    if found is None:
        return ""
    said = found.sentence if found.own else term("preset", found.name, "info")
    return f'<p class="ts-quiet">{html.escape(said)}</p>'
