"""The desk at which pairs are judged, blind: who is labelling, the guidelines, then a question, two answers and a judgment by button or key.

Handlers read the project, the labeller and the number of the task that is shown from the page, so that whoever sends one judgment twice, or
from an old page, changes nothing; the truth is in the project's file. Several people can label in one browser, one after the other.
"""

import gradio as gr

from tuner.errors import TunerError
from tuner.labels import feedback, projects, queue, roster
from tuner.labels.projects import Settings
from tuner.labels.queue import Assignment
from ui.components import html, markdown
from ui.label_views import drawn, keyboard
from ui.label_views.judge_panels import JudgePanels
from ui.session import AppContext, Session
from ui.text import text

QUICK = {"queue": False, "show_progress": "hidden"}


class JudgeView(JudgePanels):
    def __init__(self, context: AppContext, session: gr.BrowserState, project: gr.Dropdown):
        self.context, self.project, self.session = context, project, session
        self._who()
        with gr.Column(visible=False, elem_id="label-welcome") as self.welcome:
            gr.HTML(f"<h2>{text('label-read-first')}</h2>", padding=False)
            self.rules = gr.HTML(elem_id="label-rules", padding=False)
            self.begin = gr.Button(text("label-begin"), variant="primary", elem_id="label-begin")
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                self.progress = gr.HTML(elem_id="label-progress", padding=False)
            with gr.Column(scale=3, min_width=320, visible=False) as self.aside, gr.Row():
                self.guide = gr.Button(text("label-guidelines-key"), size="sm", elem_id="label-guide", min_width=80)
                self.undo = gr.Button(text("label-undo"), size="sm", elem_id="label-undo", min_width=80)
                self.keys = gr.Button(text("label-keys"), size="sm", elem_id="label-keys", min_width=80)
                self.hand_over = gr.Button(text("label-hand-over"), size="sm", elem_id="label-handover", min_width=80)
        with gr.Column(visible=False, elem_id="label-desk") as self.desk:
            self.pair = gr.HTML(elem_id="label-pair", padding=False)
            with gr.Column(elem_id="label-verdicts"):
                self._judgments()
            self._panels()
        with gr.Column(elem_id="label-keys-panel", elem_classes=["ts-panel"]):
            gr.HTML(keyboard.table(), elem_id="label-help", padding=False)
        with gr.Column(elem_id="label-guide-panel", elem_classes=["ts-panel"]):
            self.guide_text = gr.HTML(elem_id="label-guide-text", padding=False)
        self.message = gr.HTML(elem_id="label-message", padding=False)
        self.next = gr.Button(text("label-go-results"), variant="primary", visible=False, elem_id="label-next")
        self.task = gr.Textbox(visible="hidden", show_label=False, elem_id="label-task", elem_classes=["ts-hidden"])
        self.chosen = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])  # the side that waits for its strength
        self.more = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])  # what the quick answer has no outputs for
        self.anew = gr.State(False)  # handed over: the next person is shown the guidelines, whoever they are
        self.quick = [self.progress, self.message, self.task, self.pair, self.more]  # each output costs Gradio a millisecond, used or not
        self.shown = [self.who, self.welcome, self.rules, self.aside, self.progress, self.desk, self.guide_text, self.pair, self.strength]
        self.shown += [self.next, self.more, *self.texts, self.message, self.task, self.chosen]
        self._wire()

    def _who(self) -> None:
        with gr.Column(visible=False, elem_id="label-who") as self.who, gr.Row(equal_height=False):
            self.name = gr.Textbox(
                label=text("label-name.label"),
                info=text("label-name.info"),
                max_length=projects.LABELLER,
                max_lines=1,
                elem_id="label-name",
                scale=2,
            )
            self.start = gr.Button(text("label-start"), variant="primary", elem_id="label-start", elem_classes=["ts-beside-input"])

    def _wire(self) -> None:
        at = [self.project, self.name]
        judged, texts = [*at, self.task, self.note_text], [self.better, self.reason, self.wording]
        for button, letter in ((self.take_a, "a"), (self.take_b, "b")):
            button.click(self.on_quick(letter), [*judged, *texts], self.quick, api_name=f"label_{letter}", **QUICK)
        for n, button in zip(drawn.HOW_MUCH, self.much, strict=True):
            button.click(self.on_strength(n), [*judged, self.chosen], self.shown, **QUICK)
        self.tie.click(self.on_quick("tie"), [*judged, *texts], self.quick, api_name="label_tie", **QUICK)
        self.more.change(self.on_more, [*at, self.more], [*self.shown, self.asked], **QUICK)
        self.commit_both.click(self.on_both, [*judged, self.better], self.shown, **QUICK)
        self.commit_skip.click(self.on_skip, [*judged, self.reason], self.shown, **QUICK)
        self.commit_edit.click(self.on_edit, [*judged, self.which, self.wording], self.shown, **QUICK)
        self.undo.click(self.on_undo, at, self.shown, api_name="label_undo", **QUICK)
        self.begin.click(self.on_begin, at, self.shown, api_name="label_begin", **QUICK).then(lambda: False, None, self.anew, **QUICK)
        # emptied in the browser: an answer of the server could come after the side has been chosen, and take the choice back
        self.edit.click(None, None, [self.which, self.wording], js="() => [null, '']")
        self.which.input(self.on_which, [*at, self.which], self.wording, **QUICK)
        self.guide.click(self.on_guide, self.project, self.guide_text, **QUICK)
        for event in (self.name.submit, self.start.click):
            event(self.on_name, [*at, self.anew, self.session], [self.session, self.name, *self.shown], **QUICK)
        self.hand_over.click(self.on_hand_over, [*at, self.session], [self.session, self.name, self.anew, *self.shown], **QUICK)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws, project: str | None, labeller: str | None, *, anew: bool = False) -> dict:
        """The pair before this labeller, or the guidelines when they have not read them (or `anew`), or what to do first."""
        if not project:
            return self.nothing("")
        try:
            p = projects.find(ws, project)
            if p.pairs == 0:
                return self.nothing(
                    collected(ws, p.id) or html.empty(text("label-no-pairs"), drawn.step_button("setup", text("label-go-setup")))
                )
            if not (labeller or "").strip():
                return self.nothing("") | {self.who: gr.update(visible=True)}
            if anew or not projects.has_read(ws, project, queue.labeller_name(labeller)):
                rules = markdown.markdown(projects.guidelines(ws, project)[1])
                shown = f'<div class="ts-card" translate="no">{rules}</div>'
                return self.nothing("") | {self.welcome: gr.update(visible=True), self.rules: shown}
            return self.drawn(p.settings, queue.next(ws, project, labeller), labeller)
        except TunerError as error:
            return self.nothing(html.trouble(error)) | {self.who: gr.update(visible=True)}

    def nothing(self, why: str) -> dict:
        hidden = (self.who, self.welcome, self.desk, self.aside, self.next)
        return dict.fromkeys(hidden, gr.update(visible=False)) | {self.progress: why, self.task: "", self.message: ""}

    def drawn(self, rules: Settings, desk: Assignment, labeller: str, message: str = "") -> dict:
        """The desk of one pair; texts of the last one are gone."""
        item, closed = desk.item, gr.update(visible=False)
        if item and item.before:
            message = drawn.good(drawn.before(item.before))
        out = {self.progress: drawn.progress(desk, labeller), self.message: message, self.task: str(item.task) if item else ""}
        out |= {self.who: closed, self.welcome: closed, self.aside: gr.update(visible=True), self.desk: gr.update(visible=item is not None)}
        out[self.next] = gr.update(visible=item is None and not desk.waiting)
        out |= {self.strength: closed, self.chosen: "", self.more: ""} | dict.fromkeys(self.texts, "") | {self.reason: None}
        return out | ({self.pair: drawn.pair(rules, item)} if item else {})

    # --- who is labelling ---------------------------------------------------------------------------------------------

    def on_name(self, project, name, anew, session, request: gr.Request):
        """To the guidelines, or the pair that waits for this labeller."""
        kept, ws, name = Session.read(session), self.context.workspace(request), (name or "").strip()
        if not name:
            return {self.message: html.bad(text("label-name-empty"))}
        name = roster.spelled(ws, project, name) if project else name
        return self.show(ws, project, name, anew=bool(anew)) | {self.session: kept.with_(labeller=name), self.name: name}

    def on_hand_over(self, project, name, session, request: gr.Request):
        """To the next person at this browser: the pair that was shown is free for anybody."""
        ws = self.context.workspace(request)
        try:
            queue.release(ws, project, queue.labeller_name(name))
        except TunerError as error:
            return {self.message: html.trouble(error)}
        kept = Session.read(session).with_(labeller=None)
        return self.show(ws, project, None) | {self.session: kept, self.name: "", self.anew: True}

    def on_begin(self, project, labeller, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            projects.mark_guidelines_read(ws, project, labeller)
        except Exception as error:
            return {self.message: html.trouble(error)}
        return self.show(ws, project, labeller)

    # --- judgments ----------------------------------------------------------------------------------------------------

    def commit(self, request: gr.Request, project, labeller, task, choice: str, **more) -> dict:
        """Keep the judgment; whatever goes wrong is told, and the pair stays."""
        ws = self.context.workspace(request)
        try:
            if not str(task or "").isdigit():
                return self.show(ws, project, labeller)
            desk = queue.judge(ws, project, labeller, int(task), choice, **more)
            return self.drawn(projects.get_settings(ws, project), desk, labeller)
        except Exception as error:
            return {self.message: html.trouble(error)}

    def on_quick(self, choice: str):
        """Values for `quick`: the same with few outputs. What needs others (a strength to ask, texts to empty, the end) is told to `more`."""

        def commit(project, labeller, task, note, better, reason, wording, request: gr.Request):
            ws, stay = self.context.workspace(request), [gr.skip()] * 3
            try:
                rules = projects.get_settings(ws, project)
                if rules.strength and choice in ("a", "b"):
                    return [*stay, gr.skip(), f"{choice} {task}"]
                desk = queue.judge(ws, project, labeller, int(task or 0), choice, note=note or "")
            except Exception as error:
                return [gr.skip(), html.trouble(error), *stay]
            far = drawn.progress(desk, labeller)
            if desk.item is None or desk.unread or rules.strength or note or better or reason or wording:
                return [far, "", str(desk.item.task) if desk.item else "", "", f"anew {desk.mine}"]
            return [far, "", str(desk.item.task), drawn.pair(rules, desk.item), ""]

        return commit

    def on_more(self, project, labeller, more, request: gr.Request):
        what, _, _ = (more or "").partition(" ")
        if what == "anew":
            return self.show(self.context.workspace(request), project, labeller)
        if what in ("a", "b"):
            words = f"<b>{html.escape(text('label-how-much', letter=what.upper()))}</b>"
            return {self.strength: gr.update(visible=True), self.asked: words, self.chosen: what}
        return {self.asked: ""}

    def on_strength(self, n: int):
        def commit(project, labeller, task, note, chosen, request: gr.Request):
            if chosen not in ("a", "b"):
                return {self.message: html.bad(text("label-choose-first"))}
            return self.commit(request, project, labeller, task, chosen, strength=n, note=note or "")

        return commit

    def on_both(self, project, labeller, task, note, better, request: gr.Request):
        return self.commit(request, project, labeller, task, "both_bad", better=better, note=note or "")

    def on_skip(self, project, labeller, task, note, reason, request: gr.Request):
        return self.commit(request, project, labeller, task, "skip", reason=reason or "", note=note or "")

    def on_edit(self, project, labeller, task, note, which, wording, request: gr.Request):
        if which not in ("A", "B"):
            return {self.message: html.bad(text("label-which-first"))}
        return self.commit(request, project, labeller, task, which.lower(), edited=wording, note=note or "")

    def on_undo(self, project, labeller, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            return self.drawn(projects.get_settings(ws, project), queue.undo(ws, project, labeller), labeller)
        except Exception as error:
            return {self.message: html.trouble(error)}

    def on_which(self, project, labeller, which, request: gr.Request) -> str:
        """The words of the answer that is to be corrected."""
        try:
            item = queue.next(self.context.workspace(request), project, labeller).item
        except TunerError:
            return ""
        return "\n".join(map(markdown.content, item.a if which == "A" else item.b)) if item else ""

    def on_guide(self, project, request: gr.Request):
        rules = projects.guidelines(self.context.workspace(request), project)[1]
        return f'<div translate="no">{markdown.markdown(rules)}</div>'


def collected(ws, id: str) -> str:
    """Of the project of the chat: single answers, which need no judging any more."""
    n = len(feedback.kept(ws)) if id == feedback.PROJECT else 0
    return drawn.good(text("label-from-chat", n=n, shown=f"{n:,}")) if n else ""
