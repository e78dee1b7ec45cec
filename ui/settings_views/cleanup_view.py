"""Clean up: what takes space in the workspace and can go, chosen and freed."""

import gradio as gr

from tuner.jobs import cleanup
from ui.components import html, units
from ui.session import AppContext
from ui.text import text

SHOWN = 200  # the largest; the others are freed by `tunesmith clean`


class CleanupView:
    def __init__(self, context: AppContext):
        self.context = context
        gr.HTML(f'<p class="ts-quiet">{html.escape(text("settings-clean-what"))}</p>', padding=False)
        self.look = gr.Button(text("settings-clean-look"), size="sm", elem_id="clean-look", min_width=120)
        self.found = gr.CheckboxGroup([], label=text("settings-clean-found"), visible=False, elem_id="clean-found")
        self.free = gr.Button(text("settings-clean-free"), size="sm", visible=False, variant="stop", elem_id="clean-free", min_width=120)
        self.said = gr.HTML(elem_id="clean-said", padding=False)
        outputs = [self.found, self.free, self.said]
        self.look.click(self.on_look, None, outputs, show_progress="minimal")
        self.free.click(self.on_free, self.found, outputs, show_progress="minimal")

    def on_look(self, request: gr.Request):
        """Return what can go, the largest first, all of it chosen."""
        items = cleanup.survey(self.context.workspace(request))[:SHOWN]
        if not items:
            return gr.update(visible=False), gr.update(visible=False), html.good(text("settings-clean-nothing"))
        choices = [(f"{units.size(item.bytes)} · {said(item)}", key(item)) for item in items]
        return gr.update(choices=choices, value=[k for _, k in choices], visible=True), gr.update(visible=True), ""

    def on_free(self, chosen, request: gr.Request):
        """Free what is chosen and still there."""
        try:
            items = [item for item in cleanup.survey(self.context.workspace(request)) if key(item) in (chosen or [])]
            freed = cleanup.free(items)
        except Exception as error:
            return gr.skip(), gr.skip(), html.trouble(error)
        return (
            gr.update(visible=False, choices=[], value=[]),
            gr.update(visible=False),
            html.good(text("settings-clean-freed", size=units.size(freed))),
        )


def key(item: cleanup.Item) -> str:
    return f"{item.kind}:{item.run or ''}"


def said(item: cleanup.Item) -> str:
    """Return what an item is."""
    if item.kind == "checkpoints":
        return text("settings-clean-checkpoints", n=len(item.folders), name=item.name or "")
    return text("settings-clean-leftovers")
