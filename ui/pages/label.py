"""Label: set up -> collect -> label -> results -> train. Which project is judged is chosen at the top; each step can be opened again."""

import gradio as gr

from tuner.data.store import sample_data
from tuner.errors import NotFoundError, TunerError
from tuner.labels import pairs, projects
from ui.components import html
from ui.components.actions import Actions, value
from ui.label_views import added_pairs, drawn
from ui.label_views.collect_view import CollectView
from ui.label_views.dataset_view import DatasetView
from ui.label_views.judge_view import QUICK, JudgeView
from ui.label_views.results_view import ResultsView
from ui.label_views.setup_view import SetupView
from ui.navigation import wire_drawing
from ui.session import AppContext, Session
from ui.text import text

STEPS = ("setup", "collect", "label", "results", "train")


class LabelPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.intro = gr.HTML(visible=False, elem_id="label-intro", padding=False)
        self._top()
        self.notice = gr.HTML(elem_id="label-notice", padding=False)
        self.next_step = gr.HTML(elem_id="label-next-step", padding=False)
        self.steps: dict[str, gr.Tab] = {}
        self.step = gr.State("label")  # a step that the page opened by itself leaves the messages
        with gr.Tabs(selected="label", elem_id="label-inner", overflow_behavior="wrap", visible=False) as self.inner:
            self._steps()
        self.to_step = Actions(drawn.STEP)
        self.name = self.judge.name
        self.head = [
            self.intro,
            self.empty,
            self.top,
            self.pick,
            self.add,
            self.new,
            self.notice,
            self.next_step,
            self.inner,
            self.step,
            self.name,
        ]
        self.shown = [*self.head, *self.judge.shown, *self.setup.shown]
        self._wire()

    def _top(self) -> None:
        with gr.Column(visible=False, elem_id="label-empty", elem_classes=["ts-empty"]) as self.empty:
            gr.HTML(f"<p>{text('label-empty')}</p>", padding=False)
            with gr.Row():
                self.try_it = gr.Button(text("label-try"), variant="primary", elem_id="label-try")
                self.first = gr.Button(text("label-new-project"), elem_id="label-first")
        with gr.Row(visible=False, elem_id="label-top") as self.top:
            self.pick = gr.Dropdown([], label=text("label-project"), elem_id="label-project", interactive=True, scale=2)
            self.add = gr.Button(text("label-new-project"), elem_id="label-add", elem_classes=["ts-beside-input"])
        with gr.Column(visible=False, elem_id="label-new") as self.new:
            gr.HTML(f"<h2>{text('label-new-project')}</h2>", padding=False)
            with gr.Row():
                self.title = gr.Textbox(label=text("label-title.label"), info=text("label-title.info"), max_lines=1, elem_id="label-title")
                self.template = gr.Radio(
                    [(text(f"label-template-{name}"), name) for name in projects.TEMPLATES],
                    value="alone",
                    label=text("label-template.label"),
                    info=text("label-template.info"),
                )
            with gr.Row():
                self.make = gr.Button(text("label-make"), variant="primary", elem_id="label-make")
                self.cancel = gr.Button(text("label-cancel"), elem_id="label-cancel")

    def _steps(self) -> None:
        made = {
            "setup": lambda: SetupView(self.context, self.pick),
            "collect": lambda: CollectView(self.context, self.pick),
            "label": lambda: JudgeView(self.context, self.session, self.pick),
            "results": lambda: ResultsView(self.context, self.pick, self.judge.name),
            "train": lambda: DatasetView(self.context, self.session, self.pick),
        }
        names = {"setup": "setup", "collect": "collect", "label": "judge", "results": "results", "train": "teach"}
        for step in STEPS:
            with gr.Tab(text(f"label-step-{step}"), id=step, render_children=True) as self.steps[step]:
                setattr(self, names[step], made[step]())

    def _wire(self) -> None:
        known = [self.session, *self.shown]
        for event in (self.make.click, self.title.submit):
            wire_drawing(event, "label", self.on_make, [self.title, self.template, self.name, self.session], known, **QUICK)
        wire_drawing(self.try_it.click, "label", self.on_try, [self.name, self.session], known, show_progress="minimal")
        for event in (self.add.click, self.first.click):
            event(lambda: [gr.update(visible=True), gr.update(visible=False)], None, [self.new, self.empty], **QUICK)
        self.cancel.click(self.on_cancel, None, [self.new, self.empty], **QUICK)
        wire_drawing(self.pick.input, "label", self.on_pick, [self.pick, self.name, self.session], known, **QUICK)
        for event in self.setup.pairs.added:
            event.then(self.on_added, self.pick, [self.next_step, *self.setup.shown], **QUICK)
        self._wire_steps()
        keeping = [self.setup.guide_kept, self.setup.preview]
        self.setup.keep_guide.click(self.setup.on_keep_guide, [self.pick, self.setup.guide, self.name], keeping, **QUICK)
        self.setup.drop.click(
            self.on_drop, [self.pick, self.setup.sure, self.name, self.session], [self.session, self.setup.sure, *self.shown], **QUICK
        )

    def _wire_steps(self) -> None:
        self.to_step.wire(lambda pressed: gr.Tabs(selected=value(pressed)), [], [self.inner], queue=False)
        ways = {self.setup.go: "collect", self.collect.go: "label", self.judge.next: "results", self.results.go: "train"}
        for button, step in ways.items():
            button.click(None, None, self.inner, js=f"() => ({{__type__: 'update', selected: '{step}'}})")
        shows = {
            "setup": (self.on_setup, self.pick, self.setup.shown),
            "collect": (self.on_collect, self.pick, self.collect.shown),
            "label": (self.on_label, [self.pick, self.name, self.judge.anew], self.judge.shown),
            "results": (self.on_results, self.pick, self.results.shown),
            "train": (self.on_train, self.pick, self.teach.shown),
        }
        for step, (handler, inputs, outputs) in shows.items():
            known = [self.step, self.pick, *(inputs if isinstance(inputs, list) else [inputs])]
            drawing = [self.step, self.notice, self.next_step, *outputs]
            wire_drawing(self.steps[step].select, f"label-{step}", self._opening(step, handler), known, drawing, **QUICK)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws, project: str | None, name: str | None, *, guest: bool = False, desk: bool = True) -> dict:
        """All of the page: `project` when it is there, else the newest. A `guest` came by a link and sees the desk alone. Without `desk`
        nobody is given a pair, and no models are looked for: another page is open."""
        found = projects.listing(ws)
        known = next((p for p in found if p.id == project), found[0] if found and not guest else None)
        if guest and known is None:
            raise NotFoundError(
                f"There is no label project {project!r}.",
                asked=project,
                available="a link that is up to date",
                remedy="Ask for a new link.",
            )
        return self._head(found, known, project, name, guest) | (self._body(ws, known, name) if desk else {})

    def _head(self, found: list, known: projects.Project | None, asked: str | None, name: str | None, guest: bool) -> dict:
        """What stands above the steps."""
        options = [(p.name, p.id) for p in found if not guest or p.id == asked]
        missing = html.gone("project", asked) if asked and not guest and (known is None or known.id != asked) else ""
        closed, begin = gr.update(visible=False), {"selected": "setup"} if known and not known.pairs and not guest else {}
        opened = {self.step: begin["selected"]} if begin else {}
        return {
            self.intro: gr.update(visible=guest, value=invitation(known.name) if guest and known else ""),
            self.empty: gr.update(visible=not found and not guest),
            self.top: gr.update(visible=bool(found) and not guest),
            self.pick: gr.update(choices=options, value=known.id if known else None),
            self.new: closed,
            self.notice: missing,
            self.next_step: drawn.next_step(known) if known and not guest else "",
            self.inner: gr.update(visible=known is not None, **begin),
            **({self.name: name} if name else {}),
            **opened,
        }

    def _body(self, ws, known: projects.Project | None, name: str | None) -> dict:
        id = known.id if known else None
        return self.judge.show(ws, id, name) | self.setup.show(ws, id)

    def _opening(self, step: str, handler):
        """Return the handler of a step that is opened: its own, and what stands above it. Messages of the step before no longer hold."""

        def opening(before, project, request: gr.Request, *values):
            ws = self.context.workspace(request)
            above = {self.step: step, self.next_step: drawn.next_step(projects.find(ws, project)) if project else ""}
            return handler(ws, *values, request) | above | ({} if before == step else {self.notice: ""})

        return opening

    def on_pick(self, project, name, session, request: gr.Request):
        """Another project, at its desk. A box that was only passed through changes nothing: somebody may be writing below."""
        ws, before = self.context.workspace(request), Session.read(session)
        found = projects.listing(ws)
        if project == (before.label or (found[0].id if found else None)):
            return {self.session: gr.skip()}
        out = {self.inner: gr.update(selected="label", visible=True), self.step: "label"} | self.show(ws, project, name)
        return out | {self.session: before.with_(label=project)}

    def on_setup(self, ws, project, request):
        return self.setup.show(ws, project)

    def on_added(self, project, request: gr.Request):
        """The pairs there are now; guidelines and rules that somebody is changing below stay."""
        if not project:
            return {self.next_step: gr.skip()}
        ws = self.context.workspace(request)
        p = projects.find(ws, project)
        return self.setup.pairs.show(ws, project) | self.setup.status(p) | {self.next_step: drawn.next_step(p)}

    def on_collect(self, ws, project, request):
        return self.collect.show(ws, project, request)

    def on_label(self, ws, project, name, anew, request):
        return self.judge.show(ws, project, name, anew=bool(anew))

    def on_results(self, ws, project, request):
        return dict(zip(self.results.shown, self.results.show(ws, project), strict=True))

    def on_train(self, ws, project, request):
        return self.teach.show(ws, project)

    # --- what is done -------------------------------------------------------------------------------------------------

    def on_make(self, title, template, name, session, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            made = projects.create(ws, title, template)
        except TunerError as error:
            return {self.notice: html.trouble(error)}
        out = self.show(ws, made.id, name) | {self.session: Session.read(session).with_(label=made.id)}
        return out | {self.inner: gr.update(selected="setup", visible=True), self.step: "setup"}

    def on_try(self, name, session, request: gr.Request):
        """A project with the bundled sample, at its first pair."""
        ws = self.context.workspace(request)
        try:
            made = projects.create(ws, projects.unused(ws, text("label-sample-name")))
            report = pairs.from_dataset(ws, made.id, sample_data.add(ws, "preferences").ref)
        except TunerError as error:
            return {self.notice: html.trouble(error)}
        out = self.show(ws, made.id, name) | {self.session: Session.read(session).with_(label=made.id)}
        told = {self.notice: added_pairs.report(report)}
        return out | told | {self.inner: gr.update(selected="label", visible=True), self.step: "label"}

    def on_cancel(self, request: gr.Request):
        return [gr.update(visible=False), gr.update(visible=not projects.listing(self.context.workspace(request)))]

    def on_drop(self, project, sure, name, session, request: gr.Request):
        if not project or not sure:
            return {self.setup.dropped: html.bad(text("label-sure-first"))}
        ws = self.context.workspace(request)
        try:
            projects.delete(ws, project)
        except TunerError as error:
            return {self.setup.dropped: html.trouble(error)}
        out = self.show(ws, None, name) | {self.session: Session.read(session).with_(label=None), self.setup.sure: False}
        return out | {self.notice: drawn.good(text("label-deleted"))}


def invitation(name: str) -> str:
    """What somebody reads who came by a link."""
    return f"<p><b>{drawn.name(name)}</b>: {html.escape(text('label-invitation'))}</p>"
