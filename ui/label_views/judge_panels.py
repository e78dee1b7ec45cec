"""The buttons of a judgment, and the panels that open below them; panels open and shut in the browser (see keyboard.py)."""

import gradio as gr

from ui.label_views.drawn import HOW_MUCH
from ui.text import text

REASONS = {  # as they are kept in the project's file: the end of their texts' names
    "I don't know the subject": "subject",
    "The question makes no sense": "question",
    "It should not be in here": "unwanted",
    "Another reason (see the note)": "other",
}


class JudgePanels:
    """The parts of `JudgeView` that hold no logic."""

    def _judgments(self) -> None:
        with gr.Row():
            self.take_a = gr.Button(text("label-take-a"), elem_id="label-a", min_width=120)
            self.take_b = gr.Button(text("label-take-b"), elem_id="label-b", min_width=120)
        with gr.Column(visible=False, elem_id="label-strength") as self.strength:
            self.asked = gr.HTML(elem_id="label-asked", padding=False)
            with gr.Row():
                self.much = [
                    gr.Button(text(f"label-strength-{word}"), size="sm", elem_id=f"label-{n}", min_width=90) for n, word in HOW_MUCH.items()
                ]
        with gr.Row():
            self.tie = gr.Button(text("label-tie"), size="sm", elem_id="label-tie", min_width=90)
            self.both = gr.Button(text("label-both"), size="sm", elem_id="label-both", min_width=90)
            self.skip = gr.Button(text("label-skip"), size="sm", elem_id="label-skip", min_width=90)
            self.edit = gr.Button(text("label-edit"), size="sm", elem_id="label-edit", min_width=90)
            self.note = gr.Button(text("label-note"), size="sm", elem_id="label-note", min_width=90)

    def _panels(self) -> None:
        with gr.Column(elem_id="label-better-panel", elem_classes=["ts-panel"]):
            self.better = gr.Textbox(label=text("label-better.label"), info=text("label-better.info"), lines=3, elem_id="label-better")
            self.commit_both = gr.Button(text("label-commit-both"), variant="primary", elem_id="label-both-commit")
        with gr.Column(elem_id="label-skip-panel", elem_classes=["ts-panel"]):
            why = [(text(f"label-reason-{end}"), kept) for kept, end in REASONS.items()]
            self.reason = gr.Radio(why, label=text("label-reason.label"), info=text("label-reason.info"), elem_id="label-reason")
            self.commit_skip = gr.Button(text("label-commit-skip"), variant="primary", elem_id="label-skip-commit")
        with gr.Column(elem_id="label-edit-panel", elem_classes=["ts-panel"]):
            self.which = gr.Radio(["A", "B"], label=text("label-which.label"), info=text("label-which.info"), elem_id="label-which")
            self.wording = gr.Textbox(label=text("label-wording.label"), info=text("label-wording.info"), lines=4, elem_id="label-wording")
            self.commit_edit = gr.Button(text("label-commit-edit"), variant="primary", elem_id="label-edit-commit")
        with gr.Column(elem_id="label-note-panel", elem_classes=["ts-panel"]):
            self.note_text = gr.Textbox(
                label=text("label-note-text.label"), info=text("label-note-text.info"), lines=2, elem_id="label-note-text"
            )
        self.texts = [self.note_text, self.better, self.reason, self.wording]
