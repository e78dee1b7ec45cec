"""The pages in the order of the work, and the wiring between them. What changes by itself is drawn by a script (live.py)."""

import json
from dataclasses import replace

import gradio as gr

from tuner import devices, runs
from tuner.errors import RequestError
from tuner.jobs import run_queue, training
from tuner.labels import export
from ui import gradio_options, live, navigation
from ui.components import html, machine
from ui.pages.chat import ChatPage, first_question
from ui.pages.data import DataPage
from ui.pages.export import ExportPage
from ui.pages.home import HomePage, last_runs
from ui.pages.label import LabelPage
from ui.pages.runs import RunsPage, figures
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
            self.blocks.queue(**gradio_options.decided(gradio_options.QUEUE))  # before the components: it describes them all once more
            self.session = gr.BrowserState({}, storage_key="tunesmith-session", secret="tunesmith")  # ids only: nothing in it is secret
            self.shape = gr.Textbox(
                visible="hidden", show_label=False, elem_id="ts-shape", elem_classes=["ts-hidden"]
            )  # of all runs, see live.py
            self.visit = gr.HTML(elem_classes=["ts-hidden"])
            navigation.side_bar()
            gr.HTML(live.slot("strip"), elem_id="strip")
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
            told = "window.tunesmith.train.opening" if name == "train" else ""  # its script asks nothing while the form is drawn
            self.tab[name].select(None, js=f"() => window.tunesmith.show('{name}')")
            shown = self.shows[name].click(open_, inputs, outputs, js=navigation.arriving(len(inputs), told), **quick)
            shown.then(None, js=f"() => window.tunesmith.shown('{name}')")
            if name == "train":
                self.train.follow(shown)
        navigation.wire_drawing(self.tab["settings"].select, "page-settings", self.settings.show, None, self.settings.shown, **quick)
        self.settings.wire_opening(self.tab["settings"])
        self.label.teach.made.success(self.on_taught, [self.session, self.label.pick, self.train.draft], [self.train.draft, self.tabs])

        self.lead(self.home.demo.click(self.on_demo, self.session, [self.session, self.home.notice]), "runs")
        self.home.own.click(lambda: gr.Tabs(selected="data"), None, self.tabs, queue=False)
        used = self.data.use.click(self.on_use_data, [self.session, self.train.draft], [self.session, self.train.draft], **quick)
        self.lead(used, "train")
        looked, draft = self.data.tokens.model, self.train.draft  # whoever looks at the rows with a model means to train it
        looked.input(None, [looked, draft], draft, js="(model, draft) => ({...(draft || {}), model})")
        self.lead(self.train.going, "runs")
        self.lead(self.train.renting, "runs")
        table = self.runs.table
        swept = self.train.sweeping.success(table.on_sweep, [self.train.sweep.made, table.view], [table.view, table.query], **quick)
        self.lead(swept, "runs")
        self.wire_runs(quick)

        changed = [*self.runs.live, self.session, self.chat.ask_now]
        self.lead(self.shape.change(self.on_shape, [self.session, self.runs.table.view], changed, **quick), "chat")
        gr.api(live.page_state(self.context, glance, self.parts, ended), api_name="page_state", queue=False, api_visibility="undocumented")
        loaded = [self.session, self.tabs, self.visit]
        self.blocks.load(self.on_load, self.session, loaded, js=navigation.arriving(), **quick)
        opened = [self.session, self.tabs, *self.label.shown]
        told = f"({navigation.drawing('label-open')})"
        asked = navigation.arriving(2, told)
        shown = self.blocks.load(self.on_load_label, [self.session, self.label.name], opened, js=asked, api_name="label_open", **quick)
        shown.then(None, js=navigation.drawn("label-open"))
        self.blocks.unload(self.context.leave)

    def wire_runs(self, quick: dict) -> None:
        """From a run to the other pages, and the figures of the charts."""
        page = self.runs.run
        self.lead(page.talk.click(self.on_talk, [page.id, self.session], self.session, **quick), "chat")
        self.lead(page.take.click(self.on_take, [page.id, self.session], self.session, **quick), "export")
        asked = [page.id, self.session, self.train.draft]
        self.lead(page.further.click(self.on_further, asked, [self.session, self.train.draft], **quick), "train")
        self.lead(page.reuse.click(self.on_reuse, asked, [self.session, self.train.draft], **quick), "train")
        for button, which in self.runs.blind:
            self.lead(button.click(self.runs.on_blind, [which, self.session], [self.session, self.runs.notice], **quick), "label")
        gr.api(figures(self.context), api_name="run_metrics", queue=False, api_visibility="undocumented")

    def lead(self, event: gr.events.Dependency, name: str) -> None:
        """Open a page after an event that put it into the session."""
        event.success(None, self.session, self.tabs, js=navigation.lead(name))

    def openings(self) -> dict[str, tuple]:
        """What is shown of a page is made when it is opened, by a reload too, and never for all pages at once: {page: (handler, inputs, outputs)},
        the first input always the session."""
        return {
            "data": (self.on_open_data, [self.session], self.data.shown),
            "train": (self.on_open_train, [self.session, self.train.draft, self.train.fields, self.train.yaml.which], self.train.shown),
            "runs": (self.on_open_runs, [self.session, self.runs.table.view, self.runs.run.id], self.runs.shown),
            "chat": (self.on_open_chat, [self.session], self.chat.shown),
            "label": (self.on_open_label, [self.session, self.label.name], self.label.shown),
            "export": (self.on_open_export, [self.session], self.export.shown),
        }

    # --- moving about -------------------------------------------------------------------------------------------------

    def on_open_data(self, session, request: gr.Request):
        return self.data.opened(self.context.workspace(request), Session.read(session).data)

    def on_open_train(self, session, draft, fields, which, request: gr.Request):
        """The form as it was left; another dataset than the one it was for begins a new one."""
        draft, data = Draft.read(draft), Session.read(session).data
        if data and draft.data and data != draft.data:
            draft = draft.next(data=data)
        return self.train.open(self.context.workspace(request), replace(draft, data=data or draft.data), fields, which)

    def on_open_runs(self, session, view, drawn, request: gr.Request):
        return self.runs.open(self.context.workspace(request), Session.read(session).runs, view, drawn)

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
        return [s.with_(tab="train"), (kept if kept.data == s.data else kept.next(data=s.data)).as_json()]

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

    def on_take(self, id, session):
        return Session.read(session).with_(tab="export", run=id)

    def on_talk(self, id, session):
        return Session.read(session).with_(tab="chat", chat=id, run=id)

    def on_reuse(self, id, session, draft, request: gr.Request):
        """To the Train page with all that was asked for in a run."""
        run = runs.get(self.context.workspace(request), id)
        settings = {k: v for k, v in run.config.items() if k != "preset"}
        asked = Draft.read(draft).next(preset=run.config.get("preset")).with_settings(settings)
        return [Session.read(session).with_(tab="train", data=run.config["data"]), asked.as_json()]

    def on_further(self, id, session, draft, request: gr.Request):
        """To the Train page with the run's model to train further, on the same data until another is chosen."""
        run = runs.get(self.context.workspace(request), id)
        asked = Draft.read(draft).next(data=run.config["data"], model=id)
        return [Session.read(session).with_(tab="train", data=run.config["data"]), asked.as_json()]

    # --- the demo -----------------------------------------------------------------------------------------------------

    def on_demo(self, session, request: gr.Request):
        yield gr.skip(), html.good(text("home-demo-starting"))
        try:
            run = training.demo(self.context.workspace(request))
        except Exception as error:
            yield gr.skip(), html.trouble(error)
            return
        kept = Session.read(session).with_(tab="runs", runs=run.id, run=run.id, demo=run.id)
        yield kept, html.good(text("home-demo-started"))

    # --- what changes by itself ---------------------------------------------------------------------------------------

    def missing(self, ws, id: str | None) -> str:
        """A sentence where there is no run of this id any more; "" else."""
        if not id or id in all_runs(ws, glance=True).ids or id in all_runs(ws).ids:  # a glance may be older than a run that has just begun
            return ""
        return html.gone("run", id)

    def parts(self, ws, s: Session) -> live.Parts:
        """What the script draws: the strip, and what the open page shows of runs that go on."""
        device, found = devices.listing()[0], all_runs(ws, glance=True)
        parts = {"strip": html.strip(device.name, device.free, device.total, found.live) + html.read_only(ws.root)}
        if s.tab == "home":
            parts |= {"last-runs": last_runs(found.newest), "machine": machine.line(), "torch": machine.without_torch()}
        if s.tab == "runs":
            parts |= self.runs.parts(ws, s.runs)
        return parts

    def on_shape(self, session, view, request: gr.Request):
        """A run came, went or changed its state: what Gradio's own components show of it."""
        ws, s = self.context.workspace(request), Session.read(session)
        shown = self.runs.show(ws, s.runs, view) if s.tab == "runs" else {}
        return self.land(ws, s) | shown or {self.session: gr.skip()}  # Gradio takes an empty document for a value

    def land(self, ws, s: Session) -> dict:
        """To the chat, with its first question, when the demo that this browser started is done; whoever went elsewhere meanwhile stays there."""
        run = find(ws, s.demo)
        if run is None or run.live:
            return {}
        if run.state != "finished" or s.tab not in ("home", "runs"):
            return {self.session: s.with_(demo=None)}
        ask = json.dumps({"who": run.id, "text": first_question(ws, run.id)})
        kept = s.with_(tab="chat", chat=run.id, runs=run.id, run=run.id, demo=None)
        return {self.session: kept, self.chat.ask_now: ask}

    def on_load(self, session, request: gr.Request):
        """The page that the address names; opening a page brings what it shows."""
        ws, s = self.context.workspace(request), Session.read(session)
        run_queue.watch_again(ws)
        # whoever was quicker than this stays where they went
        tab = gr.Tabs(selected=s.tab) if s.tab in KINDS and s.tab != "home" and not linked(request) else gr.skip()
        return [gr.skip() if linked(request) else s.with_(), tab, live.visit(str(request.session_hash))]


def ended(ws) -> list[dict]:
    """What a browser may be told of: runs that ended lately, and those under way that are in trouble."""
    found = []
    for run in all_runs(ws, glance=True).told:
        state = "troubled" if run.live else run.state
        word = text("runs-in-trouble") if run.live else text(f"runs-state-{run.state}")
        found.append(
            {
                "key": f"{run.id}/{state}/{run.status.document.get('updated') if not run.live else ''}",
                "run": run.id,
                "title": f"{run.name}: {word}",
                "text": run.status.reason or "",
            }
        )
    return found


def glance(ws) -> tuple[str, bool]:
    """The shape of all runs, and whether one is under way."""
    found = all_runs(ws, glance=True)
    return found.shape, bool(found.live)


def noted(values: list, at: int, note: str) -> list:
    """Put a note above the text that is the value `at`."""
    return [*values[:at], note + values[at], *values[at + 1 :]] if note else values


def linked(request: gr.Request) -> str | None:
    """The label project to which a link led this browser."""
    return request.query_params.get("label") or None


def progress_on(function: gr.blocks.BlockFunction) -> list[gr.blocks.Block]:
    """Return the outputs that are told when an answer is on its way: those that show progress, and chats, which draw their dots by it.

    Gradio tells these of all events so far at the begin and the end of each event, and copies the state of every component within them for it:
    with columns and tabs among them a click took 300 ms more of the browser's time (p95 of all clicks 1.3 s instead of 0.6 s, `bench.clicks`)."""
    shown = gr.Chatbot if function.show_progress == "hidden" else gr.components.Component
    return [c for c in function.outputs if isinstance(c, shown)]


PROGRAMS = "label_"  # the functions that other programs may rely on begin so; the others are the page's own wiring


def build(context: AppContext) -> gr.Blocks:
    """The page. What only its own controls call is left out of the description that Gradio sends with it."""
    with building():
        page = Page(context)
    blocks = page.blocks
    for function in blocks.fns.values():
        function.show_progress_on = progress_on(function) or [page.session]
        if function.api_visibility == "public" and not str(function.api_name).startswith(PROGRAMS):
            function.api_visibility = "undocumented"
    return blocks
