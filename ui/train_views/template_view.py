"""A chat template of one's own: an editor that begins with the template that would be used, and beside it a row as the template writes it."""

from dataclasses import dataclass
from html import escape

import gradio as gr

from tuner import models
from tuner.errors import SettingError, TunerError
from tuner.jobs import template_check
from tuner.jobs.template_check import Trial
from tuner.models.chat_templates import CHATML, PLAIN, TEMPLATES
from tuner.paths import Workspace
from tuner.planning import templates
from ui.components import html
from ui.data_views.token_preview_view import chips, draw_rows
from ui.session import AppContext
from ui.text import text
from ui.train_views import form
from ui.train_views.draft import Draft
from ui.train_views.outcome import Outcome, dataset_of

NAME = "chat_template"
WHOLE = 10**9  # a maximum length that cuts nothing


@dataclass(frozen=True)
class Entry:
    """What the form holds: the `choice`, what is `written` in the editor, what a preset put there (`shown`), and what was chosen `before`."""

    choice: str | None
    written: str
    shown: str
    before: str | None

    @property
    def of_preset(self) -> bool:
        """Whether the template is a preset's, as the preset has it."""
        return bool(self.shown) and self.written.strip() in ("", self.shown.strip())


class TemplateView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Column(visible=False, elem_id="template-panel") as self.panel:
            gr.HTML(f'<p class="ts-quiet">{text("train-template-intro")}</p>', padding=False)
            with gr.Row(equal_height=False):
                with gr.Column(min_width=300):
                    self.editor = gr.Code(
                        language="jinja2",
                        label=text("train-template-code"),
                        lines=12,
                        max_lines=24,
                        wrap_lines=True,
                        interactive=True,
                        elem_id="template-code",
                    )
                with gr.Column(min_width=300):
                    gr.HTML(f"<h3>{text('train-template-preview')}</h3>", padding=False)
                    self.preview = gr.HTML(elem_id="template-preview", padding=False)
        self.asked = gr.State(None)
        self.outputs = [self.panel, self.editor, self.asked]

    def wire(self) -> None:
        gr.on(
            [self.editor.change, self.asked.change],
            self.on_preview,
            [self.editor, self.asked],
            self.preview,
            trigger_mode="always_last",
            concurrency_limit=4,
            show_progress="hidden",
        )

    def entered(self, draft: Draft, entry: Entry, request: gr.Request) -> Draft:
        """Return the draft with the template that was written; an empty editor begins with the one that would be used."""
        if entry.choice != form.CUSTOM or (NAME not in draft.chosen and entry.of_preset):
            return draft
        return draft.with_settings({NAME: entry.written if entry.written.strip() else self._beginning(draft, entry.before, request)})

    def _beginning(self, draft: Draft, before: str | None, request: gr.Request) -> str:
        try:
            ws = self.context.workspace(request)
            self.context.require_model(ws, draft.model, request)
            return beginning(models.resolve(draft.model, ws), before)
        except TunerError:  # a model that is not here: said beside its own field
            return PLAIN

    def show(self, draft: Draft, outcome: Outcome, held: Draft | None, written: str | None) -> list:
        """Return values for `outputs`. `held`: the draft that stands in the form, and `written` what the editor holds: a person may write on
        in it."""
        template = draft.chosen.get(NAME) or (outcome.plan.settings.chat_template if outcome.plan else None)
        if form.show(NAME, template) != form.CUSTOM:
            return [gr.update(visible=False), gr.skip() if held else "", None]
        same = held is not None and held.chosen.get(NAME) == draft.chosen.get(NAME) and written == template
        settings = outcome.plan.settings if outcome.plan else None
        asked = {"model": draft.model, "data": draft.data}
        asked |= {name: getattr(settings, name, None) or draft.chosen.get(name) for name in ("objective", "fold_system")}
        return [gr.update(visible=True), gr.skip() if same else template, asked]

    def on_preview(self, template: str | None, asked: dict | None, request: gr.Request):
        """Return a row as the template writes it, or what is wrong with the template, in its place."""
        if not asked:
            return gr.skip()
        try:
            ws = self.context.workspace(request)
            return drawn(self._trial(ws, template or "", asked, request))
        except Exception as error:
            return html.trouble(error)

    def _trial(self, ws: Workspace, template: str, asked: dict, request: gr.Request) -> Trial:
        model = None
        try:
            self.context.require_model(ws, str(asked["model"]), request)
            model = models.resolve(str(asked["model"]), ws)
        except TunerError:
            pass  # said beside its own field; the template alone can be shown
        how = {"objective": asked.get("objective"), "fold_system": bool(asked.get("fold_system"))}
        return template_check.look(ws, template, dataset_of(ws, asked.get("data")), model, **how)


def beginning(model: models.Model, named: str | None = None) -> str:
    """Return the template that is used until a person writes another: the model's own, or for a model without one the `named`."""
    if not model.facts.has_template:
        return TEMPLATES.get(str(named), PLAIN)
    return templates.own(model) or CHATML  # its own is not on this computer yet


# --- the preview ----------------------------------------------------------------------------------------------------------


def drawn(trial: Trial) -> str:
    """Draw what came of a template (HTML)."""
    if trial.problem:
        return _wrong(trial.problem)
    lines = [text("train-template-marked")]
    lines += [text("train-template-sample")] if trial.sample else []
    lines += [text("train-template-placeholders")] if trial.placeholders else []
    said = "".join(f'<p class="ts-quiet">{escape(line)}</p>' for line in lines)
    head = html.state("warning", text("train-warning"))
    notes = "".join(f'<div class="ts-note warning">{head}<p lang="en">{escape(n)}</p></div>' for n in trial.notes)
    return said + _row(trial.row) + notes


def _row(row: dict) -> str:
    """Draw the row as the token preview of the Data page does; without a tokenizer the parts of its text are in place of tokens."""
    if row["length"] is not None or row["problem"]:
        return draw_rows([row | {"length": row["length"] or 0, "learnt": row["learnt"] or 0}], WHOLE)
    return f'<div class="ts-row ts-tokens"><div translate="no">{chips(row["tokens"], WHOLE)}</div></div>'


def _wrong(error: SettingError) -> str:
    """Draw an error, with the line that it is about."""
    line = f'<pre translate="no">{escape(str(error.asked))}</pre>' if "line" in error.remedy else ""
    return f'<div lang="en">{html.bad(html.sentence_of(error.as_list()[0]))}{line}</div>'
