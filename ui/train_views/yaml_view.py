"""The run as YAML and as a command, and settings read from YAML: what was asked, or every setting resolved."""

from pathlib import Path
from typing import Any

import gradio as gr

from tuner.errors import TunerError
from tuner.planning.planner import Plan
from tuner.settings import other_tools, parsing
from ui.components import html
from ui.session import AppContext
from ui.text import text
from ui.train_views.acts import draft_act
from ui.train_views.command import command
from ui.train_views.draft import Draft

MOST = 200_000  # bytes of a YAML file


class YamlView:
    def __init__(self, context: AppContext):
        self.context = context
        self.which = gr.Radio(
            [(text("train-yaml-asked"), "asked"), (text("train-yaml-resolved"), "resolved")],
            value="asked",
            label=text("train-yaml"),
            elem_id="yaml-which",
        )
        self.yaml = gr.Code(language="yaml", interactive=False, show_label=False, label=text("train-yaml"), elem_id="yaml-out")
        self.command = gr.Code(label=text("train-command"), language="shell", interactive=False, elem_id="command-out")
        with gr.Accordion(text("train-yaml-load"), open=False, elem_id="yaml-load"):
            self.typed = gr.Code(language="yaml", interactive=True, label=text("train-yaml-paste"), lines=6, elem_id="yaml-in")
            with gr.Row():
                self.use = gr.Button(text("train-yaml-use"), elem_id="yaml-use")
                self.file = gr.UploadButton(text("train-yaml-file"), file_types=[".yaml", ".yml"], elem_id="yaml-file")
            self.told = gr.HTML(elem_id="yaml-told")
        self.outputs = [self.yaml, self.command]

    def wire(self, draft: gr.BrowserState, act: gr.Textbox) -> None:
        """`act`: the field of drafts that the form takes."""
        quick = {"queue": False, "show_progress": "hidden"}
        self.use.click(self.on_text, [self.typed, draft], [act, self.told], **quick)
        self.file.upload(self.on_file, [self.file, draft], [act, self.typed, self.told], show_progress="hidden")

    def show(self, draft: Draft, plan: Plan | None, which: str) -> list:
        """Return values for `outputs`; while something is wrong nothing is resolved, and old values would be taken for the new ones."""
        if which == "resolved" and plan is None:
            return [f"# {text('train-yaml-unresolved')}\n", command(draft.request(), draft.preset)]
        return [as_yaml(draft, plan if which == "resolved" else None), command(draft.request(), draft.preset)]

    def on_text(self, typed: str, stored, request: gr.Request):
        """Return the draft that a YAML text describes."""
        try:
            draft, told = taken(Draft.read(stored), typed or "", text("train-yaml-paste"))
            return draft_act(draft), told
        except TunerError as error:
            return gr.skip(), html.trouble(error)

    def on_file(self, file: str | None, stored, request: gr.Request):
        try:
            source = Path(file).read_bytes()[:MOST].decode("utf-8", "replace") if file else ""
            draft, told = taken(Draft.read(stored), source, Path(file or "").name)
            return draft_act(draft), source, told
        except TunerError as error:
            return gr.skip(), gr.skip(), html.trouble(error)


def as_yaml(draft: Draft, plan: Plan | None) -> str:
    """Return what was asked for, or with a plan every setting that it resolved to, in the order of the form."""
    if plan is None:
        return parsing.to_yaml({**draft.request(), "preset": draft.preset})
    return parsing.to_yaml({"model": draft.model, "data": draft.data, **plan.settings.as_json()})


def taken(draft: Draft, source: str, name: str) -> tuple[Draft, str]:
    """Return the draft with the settings of a YAML text, and what is said of it (HTML): of another tool's file also what was not taken."""
    values = parsing.read_yaml(source, name)
    found = other_tools.translated(values)
    draft = loaded(draft, found.values if found else values)
    said = html.good(text("train-yaml-read"))
    if found:
        first, *others = found.sentences
        said += f'<div class="ts-notice" lang="en"><p>{html.escape(first)}</p>{"".join(f"<p>{html.escape(s)}</p>" for s in others)}</div>'
    return draft, said


def loaded(draft: Draft, values: dict[str, Any]) -> Draft:
    """Return the draft with the settings of a YAML document, and with nothing else chosen; TunerError for what is wrong in it."""
    settings = {k: v for k, v in values.items() if k != "preset"}
    parsing.parse(settings)
    preset = values.get("preset", draft.preset)
    return draft.next(preset=str(preset) if preset else None).with_settings(settings)
