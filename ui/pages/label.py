"""Judge pairs of markdown, blind; see how well it goes; make data of it. What is judged, and by whom, is chosen at the top."""

import gradio as gr

from tuner.data.store import sample_data
from tuner.errors import NotFoundError, TunerError
from tuner.labels import pairs, projects
from ui.components import html, markdown
from ui.label_views.dataset_view import DatasetView
from ui.label_views.judge_view import QUICK, JudgeView
from ui.label_views.pairs_view import PairsView
from ui.label_views.quality_view import QualityView
from ui.session import AppContext, Session

INTRO = (
    '<p class="ts-quiet">Which of two answers is better? You say so, pair by pair, and a model learns to answer more like the better ones. '
    "Make a project below: it holds the pairs, who judged them and how.</p>"
)


class LabelPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.intro = gr.HTML(INTRO, elem_id="label-intro")
        with gr.Row() as self.top:
            self.pick = gr.Dropdown(
                [], label="Project", info="What is judged together.", elem_id="label-project", interactive=True, scale=2
            )
            self.name = gr.Textbox(
                label="Your name",
                info="Verdicts are kept under it.",
                max_length=projects.LABELLER,
                max_lines=1,
                elem_id="label-name",
                scale=1,
            )
        self.notice = gr.HTML(elem_id="label-notice")
        with gr.Tabs(selected="judge", elem_id="label-inner", visible=False) as self.inner:
            with gr.Tab("Judge", id="judge", render_children=True) as judge:
                self.judge = JudgeView(context, self.pick, self.name)
            with gr.Tab("Pairs", id="pairs", render_children=True) as bring:
                self.pairs = PairsView(context, self.pick)
            with gr.Tab("Guidelines and rules", id="rules", render_children=True) as rules:
                self._rules()
            with gr.Tab("Quality", id="quality", render_children=True) as quality:
                self.quality = QualityView(context, self.pick, self.name)
            with gr.Tab("Learn from them", id="teach", render_children=True) as teach:
                self.teach = DatasetView(context, session, self.pick)
        with gr.Accordion("New project", open=False, elem_id="label-new") as self.new:
            with gr.Row():
                self.title = gr.Textbox(label="Name", info="For example: Help desk answers.", max_lines=1, elem_id="label-title")
                self.template = gr.Radio(
                    [(title, name) for name, (title, _) in projects.TEMPLATES.items()],
                    value="alone",
                    label="Who judges",
                    info="It can be changed.",
                )
            with gr.Row():
                self.make = gr.Button("Make the project", elem_id="label-make")
                self.try_it = gr.Button("Try it with the sample (200 pairs)", variant="primary", elem_id="label-try")
        self.tabs = {"judge": judge, "pairs": bring, "rules": rules, "quality": quality, "teach": teach}
        self.head = [self.intro, self.pick, self.name, self.new, self.inner]
        self.shown = [*self.head, *self.judge.shown, *self.pairs.shown]
        self._wire()

    def _rules(self) -> None:
        self.link = gr.HTML(elem_id="label-link")
        self.guide = gr.Textbox(
            label="Guidelines",
            info="Markdown, with an example or two. New labellers see them first; every verdict remembers its version.",
            lines=10,
            max_lines=30,
            elem_id="label-guidelines",
        )
        self.preview = gr.HTML(elem_id="label-guidelines-preview")
        self.keep_guide = gr.Button("Keep as a new version", elem_id="label-keep-guidelines")
        with gr.Row():
            self.overlap = gr.Slider(
                0, 100, 0, step=5, label="Judged by more than one (%)", info="To see how far people agree.", elem_id="label-overlap"
            )
            self.people = gr.Slider(2, 10, 2, step=1, label="By how many", info="Of those pairs.")
            self.repeats = gr.Slider(
                0, 30, 5, step=1, label="Shown again (%)", info="Hidden, with sides swapped: how steady a labeller is."
            )
            self.planned = gr.Number(
                0,
                precision=0,
                minimum=0,
                label="Pairs to compare two models over",
                info="Pairs, fixed beforehand; 0: until it is decided.",
                elem_id="label-planned",
            )
        with gr.Row():
            self.strength = gr.Checkbox(False, label="Ask how much better", info="1 to 3 after each choice.", elem_id="label-ask-strength")
            self.marks = gr.Checkbox(False, label="Mark where they differ", info="Shown as plain text then.", elem_id="label-differences")
            self.markdown = gr.Checkbox(True, label="Read as Markdown", info="Lists, tables, code; never HTML.")
        self.keep = gr.Button("Keep these rules", elem_id="label-keep-rules")
        self.kept = gr.HTML(elem_id="label-kept")
        with gr.Row():
            self.sure = gr.Checkbox(False, label="Yes, delete this project with its verdicts", info="This can't be undone.")
            self.drop = gr.Button("Delete the project", variant="stop", size="sm", elem_id="label-delete")
        self.dropped = gr.HTML(elem_id="label-dropped")
        self.rules = [
            self.guide,
            self.preview,
            self.overlap,
            self.people,
            self.repeats,
            self.planned,
            self.strength,
            self.marks,
            self.markdown,
            self.link,
        ]

    def _wire(self) -> None:
        self.make.click(
            self.on_make, [self.title, self.template, self.name, self.session], [self.session, self.notice, *self.shown], **QUICK
        )
        self.title.submit(
            self.on_make, [self.title, self.template, self.name, self.session], [self.session, self.notice, *self.shown], **QUICK
        )
        self.try_it.click(self.on_try, [self.name, self.session], [self.session, self.notice, *self.shown], show_progress="minimal")
        self.pick.input(self.on_pick, [self.pick, self.name, self.session], [self.session, self.notice, *self.shown], **QUICK)
        for event in (self.name.submit, self.name.blur):
            event(self.on_name, [self.pick, self.name, self.session], [self.session, *self.judge.shown], **QUICK)
        self.tabs["judge"].select(self.on_judge, [self.pick, self.name], [self.notice, *self.judge.shown], **QUICK)
        for event in self.pairs.added + self.pairs.writing:
            event.then(self.on_pairs, self.pick, [self.notice, *self.pairs.shown], **QUICK)
        self.judge.next.click(self.on_next, None, [self.inner, self.teach.who], **QUICK)
        self.pairs.go.click(self.on_go, [self.pick, self.name], [self.inner, self.notice, *self.judge.shown], **QUICK)
        self.tabs["pairs"].select(self.on_pairs, self.pick, [self.notice, *self.pairs.shown], **QUICK)
        self.tabs["rules"].select(self.on_rules, self.pick, self.rules, **QUICK)
        self.tabs["quality"].select(self.on_quality, self.pick, self.quality.shown, **QUICK)
        self.tabs["teach"].select(self.on_teach, None, [self.teach.who], **QUICK)
        self.keep_guide.click(self.on_keep_guide, [self.pick, self.guide, self.name], [self.kept, self.preview], **QUICK)
        rules = [self.overlap, self.people, self.repeats, self.planned, self.strength, self.marks, self.markdown]
        self.keep.click(self.on_keep, [self.pick, *rules], self.kept, **QUICK)
        self.drop.click(
            self.on_drop,
            [self.pick, self.sure, self.name, self.session],
            [self.session, self.notice, self.dropped, self.sure, *self.shown],
            **QUICK,
        )

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws, project: str | None, name: str | None, *, guest: bool = False, desk: bool = True) -> dict:
        """All of the tab: `project` when it is there, else the newest. A `guest` came by a link and sees the desk alone. Without `desk`
        nobody is given a pair, and no writers are looked for: another tab is open."""
        found = projects.listing(ws)
        known = next((p for p in found if p.id == project), found[0] if found and not guest else None)
        if guest and known is None:
            raise NotFoundError(
                f"There is no label project {project!r}.",
                asked=project,
                available="a link that is up to date",
                remedy="Ask for a new link.",
            )
        options = [(p.name, p.id) for p in found if not guest or p.id == project]
        id = known.id if known else None
        out = {
            self.intro: gr.update(visible=known is None or guest, value=invitation(known.name) if guest else INTRO),
            self.pick: gr.update(choices=options, value=id, visible=bool(found) and not guest),
            self.name: gr.update(visible=bool(found)) | ({"value": name} if name else {}),
            self.new: gr.update(open=not found, visible=not guest),
            self.inner: gr.update(visible=known is not None),
        }
        return out | (self.judge.show(ws, id, name) | self.pairs.show(ws, id) if desk else {})

    def on_pick(self, project, name, session, request: gr.Request):
        """Another project, at its desk. A box that was only passed through changes nothing: somebody may be writing below."""
        ws, before = self.context.workspace(request), Session.read(session)
        found = projects.listing(ws)
        if project == (before.label or (found[0].id if found else None)):
            return {self.session: gr.skip()}
        at = {self.session: before.with_(label=project), self.notice: "", self.inner: gr.update(selected="judge", visible=True)}
        return self.show(ws, project, name) | at

    def on_make(self, title, template, name, session, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            made = projects.create(ws, title, template)
        except TunerError as error:
            return {self.notice: html.trouble(error)}
        name = name or "me"
        out = self.show(ws, made.id, name) | {self.session: Session.read(session).with_(label=made.id, labeller=name)}
        out |= {self.new: gr.update(open=False), self.inner: gr.update(selected="pairs", visible=True)}
        return out | {self.notice: html.good(f"{made.name} is there. Now take in some pairs.")}

    def on_try(self, name, session, request: gr.Request):
        """A project with the bundled sample, at its first pair."""
        ws, name = self.context.workspace(request), name or "me"
        try:
            made = projects.create(ws, "Manners (sample)")
            report = pairs.from_dataset(ws, made.id, sample_data.add(ws, "preferences").ref)
        except TunerError as error:
            return {self.notice: html.trouble(error)}
        out = self.show(ws, made.id, name) | {self.session: Session.read(session).with_(label=made.id, labeller=name)}
        return out | {self.inner: gr.update(selected="judge", visible=True), self.notice: html.good(report.as_text())}

    def on_name(self, project, name, session, request: gr.Request):
        kept = Session.read(session)
        if kept.labeller == name:
            return {self.session: gr.skip()}
        return self.judge.show(self.context.workspace(request), project, name) | {self.session: kept.with_(labeller=name)}

    def on_judge(self, project, name, request: gr.Request):
        return self.judge.show(self.context.workspace(request), project, name) | {self.notice: ""}

    def on_go(self, project, name, request: gr.Request):
        return self.on_judge(project, name, request) | {self.inner: gr.Tabs(selected="judge")}

    def on_pairs(self, project, request: gr.Request):
        return self.pairs.show(self.context.workspace(request), project) | {self.notice: ""}

    def on_quality(self, project, request: gr.Request):
        return self.quality.show(self.context.workspace(request), project)

    def on_teach(self, request: gr.Request):
        return self.teach.show(self.context.workspace(request))

    def on_next(self, request: gr.Request):
        return self.on_teach(request) | {self.inner: gr.Tabs(selected="teach")}

    def on_rules(self, project, request: gr.Request):
        if not project:
            return [gr.skip()] * len(self.rules)
        ws = self.context.workspace(request)
        p, (version, text) = projects.find(ws, project), projects.guidelines(ws, project)
        s = p.settings
        return [
            text,
            shown_rules(version, text),
            100 * s.overlap_share,
            s.overlap_labellers,
            100 * s.repeats,
            s.planned,
            s.strength,
            s.differences,
            s.markdown,
            "" if self.context.guest else link(p.id),
        ]

    # --- what is done -------------------------------------------------------------------------------------------------

    def on_keep_guide(self, project, text, name, request: gr.Request):
        try:
            version = projects.write_guidelines(self.context.workspace(request), project, text or "", name or "")
        except TunerError as error:
            return html.trouble(error), gr.skip()
        return html.good(f"Kept as version {version}; labellers see it before their next pair."), shown_rules(version, text)

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
        return html.good(f"Kept. {p.tasks:,} judgements are wanted of {p.pairs:,} pairs, {p.done:,} are given.")

    def on_drop(self, project, sure, name, session, request: gr.Request):
        if not project or not sure:
            return {self.dropped: html.bad("Tick the box first.")}
        ws = self.context.workspace(request)
        try:
            projects.delete(ws, project)
        except TunerError as error:
            return {self.notice: html.trouble(error)}
        out = self.show(ws, None, name)
        at = gr.update(selected="judge", visible=bool(projects.listing(ws)))
        return out | {
            self.session: Session.read(session).with_(label=None),
            self.notice: html.good("Deleted."),
            self.sure: False,
            self.inner: at,
        }


def invitation(name: str) -> str:
    """What somebody reads who came by a link."""
    return f'<p><b dir="auto">{html.escape(name)}</b>: which of two answers is better? Write your name, then press Enter.</p>'


def shown_rules(version: int, text: str) -> str:
    return f'<div class="ts-card"><span class="ts-quiet">Version {version}, as labellers see it</span>{markdown.markdown(text)}</div>'


def link(id: str) -> str:
    return (
        f'<p class="ts-quiet">A link for labellers, who then see the guidelines and the pairs alone: add <code>?label={html.escape(id)}</code> '
        f'to the address of this page, or copy <a href="?label={html.escape(id)}" target="_blank" rel="noopener">this&nbsp;one</a></p>'
    )
