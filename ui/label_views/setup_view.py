"""Set up a label project: its pairs, the guidelines, the rules of judging; and delete it."""

import gradio as gr

from tuner.errors import TunerError
from tuner.labels import projects
from ui.components import html
from ui.label_views import drawn
from ui.label_views.pairs_view import PairsView
from ui.session import AppContext
from ui.text import text

QUICK = {"queue": False, "show_progress": "hidden"}


class SetupView:
    def __init__(self, context: AppContext, project: gr.Dropdown):
        self.context, self.project = context, project
        gr.HTML(f"<h2>{text('label-pairs-title')}</h2>", padding=False)
        self.about = gr.HTML(elem_id="label-pairs-about", padding=False)
        self.pairs = PairsView(context, project)
        with gr.Accordion(text("label-guidelines"), open=False, elem_id="label-guidelines-box"):
            self._guidelines()
        with gr.Accordion(text("label-rules"), open=False, elem_id="label-rules-box"):
            self._rules()
        with gr.Accordion(text("label-delete-project"), open=False, elem_id="label-delete-box"):
            self.sure = gr.Checkbox(False, label=text("label-sure.label"), info=text("label-sure.info"), elem_id="label-sure")
            self.drop = gr.Button(text("label-delete"), variant="stop", elem_id="label-delete")
            self.dropped = gr.HTML(elem_id="label-dropped", padding=False)
        self.go = gr.Button(text("label-go-collect"), variant="primary", visible=False, elem_id="pairs-go")
        self.settings = [self.overlap, self.people, self.repeats, self.planned, self.strength, self.marks, self.markdown]
        self.adding = [self.pairs.sample, self.pairs.take, self.pairs.models.write]
        self.shown = [
            self.about,
            self.go,
            *self.adding,
            *self.pairs.shown,
            self.guide,
            self.preview,
            *self.settings,
            self.kept,
            self.dropped,
        ]
        self.keep.click(self.on_keep, [project, *self.settings], self.kept, **QUICK)

    def _guidelines(self) -> None:
        with gr.Row():
            self.guide = gr.Textbox(
                label=text("label-guidelines-text.label"),
                info=text("label-guidelines-text.info"),
                lines=10,
                max_lines=30,
                elem_id="label-guidelines",
            )
            self.preview = gr.HTML(elem_id="label-guidelines-preview", padding=False)
        self.keep_guide = gr.Button(text("label-keep-guidelines"), elem_id="label-keep-guidelines")
        self.guide_kept = gr.HTML(elem_id="label-guidelines-kept", padding=False)

    def _rules(self) -> None:
        with gr.Row():
            self.overlap = gr.Slider(
                0, 100, 0, step=5, label=text("label-overlap.label"), info=text("label-overlap.info"), elem_id="label-overlap"
            )
            self.people = gr.Slider(2, 10, 2, step=1, label=text("label-people.label"), info=text("label-people.info"))
            self.repeats = gr.Slider(0, 30, 5, step=1, label=text("label-repeats.label"), info=text("label-repeats.info"))
            self.planned = gr.Number(
                0, precision=0, minimum=0, label=text("label-planned.label"), info=text("label-planned.info"), elem_id="label-planned"
            )
        with gr.Row():
            self.strength = gr.Checkbox(
                False,
                label=text("label-ask-strength.label"),
                info=text("label-ask-strength.info"),
                elem_id="label-ask-strength",
            )
            self.marks = gr.Checkbox(
                False,
                label=text("label-differences.label"),
                info=text("label-differences.info"),
                elem_id="label-differences",
            )
            self.markdown = gr.Checkbox(True, label=text("label-markdown.label"), info=text("label-markdown.info"))
        self.keep = gr.Button(text("label-keep-rules"), elem_id="label-keep-rules")
        self.kept = gr.HTML(elem_id="label-kept", padding=False)

    def show(self, ws, project: str | None) -> dict:
        """The pairs there are, guidelines and rules of a project."""
        if not project:
            return {}
        p, (version, rules) = projects.find(ws, project), projects.guidelines(ws, project)
        s = p.settings
        out = dict(zip(self.settings, rule_values(s), strict=True)) | {self.guide: rules, self.preview: drawn.guidelines(version, rules)}
        return out | self.pairs.show(ws, project) | self.status(p) | {self.kept: "", self.dropped: ""}

    def status(self, p: projects.Project) -> dict:
        """How many pairs there are; the way on once there are any."""
        said = text("label-pairs-there", n=p.pairs, shown=f"{p.pairs:,}") if p.pairs else text("label-pairs-about")
        first = "secondary" if p.pairs else "primary"
        return {self.about: drawn.quiet(said), self.go: gr.update(visible=p.pairs > 0)} | {b: gr.update(variant=first) for b in self.adding}

    def on_keep_guide(self, project, rules, name, request: gr.Request):
        try:
            version = projects.write_guidelines(self.context.workspace(request), project, rules or "", name or "")
        except TunerError as error:
            return html.trouble(error), gr.skip()
        return drawn.good(text("label-guidelines-kept", version=version)), drawn.guidelines(version, rules)

    def on_keep(self, project, overlap, people, repeats, planned, strength, marks, markdown, request: gr.Request):
        try:
            p = projects.update_settings(
                self.context.workspace(request),
                project,
                overlap_share=overlap / 100,
                overlap_labellers=int(people),
                repeats=repeats / 100,
                planned=int(planned or 0),
                strength=bool(strength),
                differences=bool(marks),
                markdown=bool(markdown),
            )
        except TunerError as error:
            return html.trouble(error)
        return drawn.good(text("label-rules-kept", tasks=f"{p.tasks:,}", n=p.pairs, pairs=f"{p.pairs:,}", done=f"{p.done:,}"))


def rule_values(s: projects.Settings) -> tuple:
    """The values of the rules' fields, in their order."""
    return 100 * s.overlap_share, s.overlap_labellers, 100 * s.repeats, s.planned, s.strength, s.differences, s.markdown
