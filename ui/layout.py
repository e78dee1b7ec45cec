"""The pages in the order of the work, and the wiring between them. One timer looks at a cheap number and redraws on change."""

import json
import time
from dataclasses import replace

import gradio as gr

from tuner import devices, runs
from tuner.errors import RequestError
from tuner.jobs import run_queue, training
from tuner.labels import export
from tuner.runs import index
from ui import gradio_options, navigation
from ui.components import html
from ui.pages.chat import ChatPage, first_question
from ui.pages.data import DataPage
from ui.pages.export import ExportPage
from ui.pages.home import HomePage, last_runs
from ui.pages.label import LabelPage
from ui.pages.runs import RunsPage
from ui.pages.settings import SettingsPage
from ui.pages.train import TrainPage
from ui.run_views.listing import all_runs, find
from ui.session import AppContext, Session
from ui.text import building, text
from ui.train_views.draft import STARTER, Draft

KINDS = {
    "home": HomePage,
    "data": DataPage,
    "train": TrainPage,
    "runs": RunsPage,
    "chat": ChatPage,
    "label": LabelPage,
    "export": ExportPage,
    "settings": SettingsPage,
}


class Page:
    def __init__(self, context: AppContext):
        self.context = context
        # how often Gradio's own copies of uploads and downloads are looked at, and how old they may be: seconds
        cache = (60, 900) if context.guest else (3600, 86400)
        with gr.Blocks(**gradio_options.decided(gradio_options.BLOCKS, delete_cache=cache)) as self.blocks:
            self.session = gr.BrowserState({}, storage_key="tunesmith-session", secret="tunesmith")  # ids only: nothing in it is secret
            self.seen = gr.State("")
            self.version = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])  # the version a tick found
            navigation.side_bar()
            self.strip = gr.HTML(elem_id="strip")
            self.timer = gr.Timer(1.0)
            self.build_tabs()
            self.travel = gr.Button(elem_id="ts-travel", elem_classes="ts-hidden", visible="hidden")
            self.shows = navigation.hidden_buttons(self.tabs)
            self.wire()

    def build_tabs(self) -> None:
        with gr.Tabs(selected="home", elem_id="tabs") as self.tabs:
            self.tab = {}
            for name in navigation.PAGES:
                with gr.Tab(text(f"page-{name}"), id=name, render_children=True) as self.tab[name]:
                    if name != "home":  # which has a heading of its own
                        gr.HTML(f"<h1>{text(f'page-{name}')}</h1>", elem_classes="ts-title", padding=False)
                    setattr(self, name, KINDS[name](self.context, self.session))

    def wire(self) -> None:
        quick = {"queue": False, "show_progress": "hidden"}
        for name in KINDS:
            self.tab[name].select(None, self.session, self.session, js=navigation.selected(name))
        self.session.change(None, self.session, None, js=navigation.KEEP)
        self.travel.click(None, self.session, [self.session, self.tabs], js=navigation.TRAVEL)
        for name, (open_, inputs, outputs) in self.openings().items():
            opened = self.tab[name].select(open_, inputs, outputs, **quick)
            shown = self.shows[name].click(open_, inputs, outputs, js=navigation.arriving(len(inputs)), **quick)
            for event in (opened, shown) if name == "train" else ():
                self.train.rows.follow(event)
        self.tab["settings"].select(self.settings.show, None, self.settings.shown, **quick)
        self.label.teach.made.success(self.on_taught, [self.session, self.label.pick, self.train.draft], [self.train.draft, self.tabs])

        self.home.demo.click(self.on_demo, self.session, [self.session, self.home.notice]).success(self.to("runs"), self.session, self.tabs)
        self.home.own.click(lambda: gr.Tabs(selected="data"), None, self.tabs, queue=False)
        self.data.use.click(self.on_use_data, [self.session, self.train.draft], [self.session, self.train.draft, self.tabs], **quick)
        self.train.going.then(self.to("runs"), self.session, self.tabs, queue=False, show_progress="hidden")
        self.runs.talk.click(self.on_talk, [self.runs.pick, self.session], [self.session, self.tabs], **quick)
        self.runs.reuse.click(
            self.on_reuse, [self.runs.pick, self.session, self.train.draft], [self.session, self.train.draft, self.tabs], **quick
        )

        ticked = [
            self.strip,
            self.seen,
            self.home.last,
            *self.runs.lists,
            *self.runs.live,
            self.session,
            self.tabs,
            self.chat.ask_now,
        ]
        self.timer.tick(self.on_tick, None, self.version, **quick)
        self.version.change(self.on_version, [self.version, self.seen, self.session], ticked, **quick)
        loaded = [self.session, self.tabs, self.strip, self.seen, self.home.last]
        self.blocks.load(self.on_load, self.session, loaded, js=navigation.arriving(), **quick)
        opened = [self.session, self.tabs, *self.label.shown]
        self.blocks.load(
            self.on_load_label, [self.session, self.label.name], opened, js=navigation.arriving(2), api_name="label_open", **quick
        )
        self.blocks.unload(self.context.leave)

    def openings(self) -> dict[str, tuple]:
        """What is shown of a page is made when it is opened, by a reload too, and never for all pages at once: {page: (handler, inputs, outputs)},
        the first input always the session."""
        runs_shown = [self.seen, *self.runs.lists, *self.runs.live, *self.runs.described]
        return {
            "data": (self.on_open_data, [self.session], self.data.shown),
            "train": (self.on_open_train, [self.session, self.train.draft, self.train.fields, self.train.yaml.which], self.train.shown),
            "runs": (self.on_open_runs, [self.session, self.seen], runs_shown),
            "chat": (self.on_open_chat, [self.session], self.chat.shown),
            "label": (self.on_open_label, [self.session, self.label.name], self.label.shown),
            "export": (self.on_open_export, [self.session], self.export.shown),
        }

    # --- moving about -------------------------------------------------------------------------------------------------

    def to(self, name: str):
        """Go to a tab when the step before it made what the tab shows."""

        def go(session):
            return gr.Tabs(selected=name) if Session.read(session).tab == name else gr.skip()

        return go

    def on_open_data(self, session, request: gr.Request):
        return self.data.opened(self.context.workspace(request), Session.read(session).data)

    def on_open_train(self, session, draft, fields, which, request: gr.Request):
        """The form as it was left; another dataset than the one it was for begins a new one."""
        draft, data = Draft.read(draft), Session.read(session).data
        if data and draft.data and data != draft.data:
            draft = draft.next(data=data)
        return self.train.open(self.context.workspace(request), replace(draft, data=data or draft.data), fields, which)

    def on_open_runs(self, session, seen, request: gr.Request):
        """The lists are sent when this session does not have them, as they are, already."""
        ws, (version, _, had) = self.context.workspace(request), (seen or "").partition("#")
        s = Session.read(session)
        shape, id = all_runs(ws).shape, self.current(ws, s)
        sent = self.runs.listed(ws, id) if shape != had else [self.runs.picked(ws, id), *[gr.skip()] * (len(self.runs.lists) - 1)]
        return [f"{version}#{shape}", *sent, *self.live(ws, s), *self.runs.about(ws, id)]

    def on_open_chat(self, session, request: gr.Request):
        s, ws = Session.read(session), self.context.workspace(request)
        return noted(self.chat.show(ws, s.chat or s.run), 1, "" if s.chat == "starter" else self.missing(ws, s.chat))

    def on_taught(self, session, project, draft, request: gr.Request):
        """To the Train page with what was judged; the run that wrote it is trained further."""
        s, ws = Session.read(session), self.context.workspace(request)
        if s.tab != "train":  # nothing was made
            return [gr.skip()] * 2
        return [Draft.read(draft).next(data=s.data, model=export.written_by(ws, project) or STARTER).as_json(), gr.Tabs(selected="train")]

    def on_use_data(self, session, draft):
        """To the Train page with the dataset in view; the settings of another run are not carried over."""
        s, kept = Session.read(session), Draft.read(draft)
        return [s.with_(tab="train"), (kept if kept.data == s.data else kept.next(data=s.data)).as_json(), gr.Tabs(selected="train")]

    def on_open_label(self, session, name, request: gr.Request):
        s, link = Session.read(session), linked(request)
        ws, name = self.context.workspace(request), name or s.labeller
        return self.by_link(ws, link, name) if link else self.label.show(ws, s.label, name)

    def by_link(self, ws, link: str, name: str | None) -> dict:
        """The desk alone, or that there is none any more."""
        try:
            return self.label.show(ws, link, name, guest=True)
        except RequestError as error:
            hidden = (self.label.top, self.label.empty, self.label.new, self.label.inner)
            gone = {self.label.intro: gr.update(value=html.trouble(error), visible=True)}
            return gone | dict.fromkeys(hidden, gr.update(visible=False))

    def on_load_label(self, session, name, request: gr.Request):
        """The Label page as it was left, by who has judged here; whoever came by a link (`?label=PROJECT`) sees its guidelines and pairs alone
        (the class `ts-guest` of the page hides the rest)."""
        ws, s, link = self.context.workspace(request), Session.read(session), linked(request)
        name = name or s.labeller
        if not link:
            used = s.label or name or s.tab == "label"  # who never judged here is spared the wait
            return self.label.show(ws, s.label, name, desk=s.tab == "label") if used else {self.session: gr.skip()}
        return self.by_link(ws, link, name) | {self.session: s.with_(tab="label", label=link), self.tabs: gr.Tabs(selected="label")}

    def on_open_export(self, session, request: gr.Request):
        ws, id = self.context.workspace(request), Session.read(session).run
        return noted(self.export.show(ws, id), 1, self.missing(ws, id))

    def on_talk(self, id, session):
        return Session.read(session).with_(tab="chat", chat=id, run=id), gr.Tabs(selected="chat")

    def on_reuse(self, id, session, draft, request: gr.Request):
        """To the Train page with all that was asked for in a run."""
        run = runs.get(self.context.workspace(request), id)
        settings = {k: v for k, v in run.config.items() if k != "preset"}
        asked = Draft.read(draft).next(preset=run.config.get("preset")).with_settings(settings)
        return [Session.read(session).with_(tab="train", data=run.config["data"]), asked.as_json(), gr.Tabs(selected="train")]

    # --- the demo -----------------------------------------------------------------------------------------------------

    def on_demo(self, session, request: gr.Request):
        try:
            run = training.demo(self.context.workspace(request))
        except Exception as error:
            return gr.skip(), html.trouble(error)
        kept = Session.read(session).with_(tab="runs", run=run.id, demo=run.id)
        return kept, html.good(text("home-demo-started"))

    # --- the timer ----------------------------------------------------------------------------------------------------

    def current(self, ws, session: Session) -> str | None:
        """The run to show: the one chosen, else the one under way, else the newest."""
        found = all_runs(ws, glance=True)
        return session.run if session.run in found.ids else found.first

    def missing(self, ws, id: str | None) -> str:
        """A sentence where there is no run of this id any more; "" else."""
        if not id or id in all_runs(ws, glance=True).ids or id in all_runs(ws).ids:  # a glance may be older than a run that has just begun
            return ""
        return html.gone("run", id)

    def live(self, ws, session: Session) -> list:
        """Values for the live view of the Runs page."""
        return noted(self.runs.show(ws, self.current(ws, session)), 0, self.missing(ws, session.run))

    def on_tick(self, request: gr.Request):
        """A cheap number, and nothing else: each output of a handler, skipped or not, has Gradio build its component anew (1 to 2 ms)."""
        version = index.of(self.context.workspace(request)).glance()
        return f"{version}/{int(time.time() // 15)}"  # the memory in the strip is looked at now and then

    def on_version(self, version, seen, session, request: gr.Request):
        """Redraws when the number is another one."""
        ws, s = self.context.workspace(request), Session.read(session)
        return [*self.view(ws, s, version, seen), *self.land(ws, s)]

    def land(self, ws, s: Session) -> list:
        """Session, tab and first question of the chat, when the demo this browser started is done."""
        run = find(ws, s.demo)
        if run is None or run.live:
            return [gr.skip()] * 3
        if run.state != "finished":
            return [s.with_(demo=None), gr.skip(), gr.skip()]
        ask = json.dumps({"who": run.id, "text": first_question(ws, run.id)})
        return [s.with_(tab="chat", chat=run.id, run=run.id, demo=None), gr.Tabs(selected="chat"), ask]

    def view(self, ws, s: Session, version: str, seen: str) -> list:
        """Strip, version, last runs, lists and the live view. Those of the Runs page only while it is open, and its lists only when
        they are others than those that were sent: a run came, went or changed its state."""
        head, had, id = self.head(ws), (seen or "").partition("#")[2], self.current(ws, s)
        shape = all_runs(ws, glance=True).shape if s.tab == "runs" else had
        lists = self.runs.listed(ws, id) if shape != had else [gr.skip()] * len(self.runs.lists)
        live = self.live(ws, s) if s.tab == "runs" else [gr.skip()] * len(self.runs.live)
        return [head[0], f"{version}#{shape}", head[1], *lists, *live]

    def head(self, ws) -> list:
        """What every tab shows or the Home page begins with: strip and last runs."""
        device, found = devices.listing()[0], all_runs(ws, glance=True)
        return [html.strip(device.name, device.free, device.total, found.live) + html.read_only(ws.root), last_runs(found.newest)]

    def on_load(self, session, request: gr.Request):
        """The page that the address names, strip and last runs; opening a page brings what it shows."""
        ws, s = self.context.workspace(request), Session.read(session)
        run_queue.watch_again(ws)
        # whoever was quicker than this stays where they went
        tab = gr.Tabs(selected=s.tab) if s.tab in KINDS and s.tab != "home" and not linked(request) else gr.skip()
        strip, last = self.head(ws)
        return [gr.skip() if linked(request) else s.with_(), tab, strip, "loaded#", last]


def noted(values: list, at: int, note: str) -> list:
    """Put a note above the text that is the value `at`."""
    return [*values[:at], note + values[at], *values[at + 1 :]] if note else values


def linked(request: gr.Request) -> str | None:
    """The label project to which a link led this browser."""
    return request.query_params.get("label") or None


PROGRAMS = "label_"  # the functions that other programs may rely on begin so; the others are the page's own wiring


def build(context: AppContext) -> gr.Blocks:
    """The page. What only its own controls call is left out of the description that Gradio sends with it."""
    with building():
        blocks = Page(context).blocks
    for function in blocks.fns.values():
        if function.api_visibility == "public" and not str(function.api_name).startswith(PROGRAMS):
            function.api_visibility = "undocumented"
    return blocks
