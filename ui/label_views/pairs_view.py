"""Where the pairs of a label project come from: the sample, a dataset, a file, or models that answer the same questions twice."""

import time

import gradio as gr

from tuner.data.store import sample_data, store
from tuner.jobs import data_jobs
from tuner.labels import pair_import
from ui.components import html
from ui.label_views import added_pairs, drawn
from ui.label_views.generate_view import GenerateView
from ui.session import AppContext
from ui.text import text

POLL = 0.4  # seconds
SOURCES = ("sample", "data", "file", "models")
WATCHED = {"show_progress": "hidden", "concurrency_limit": 8}


class PairsView:
    def __init__(self, context: AppContext, project: gr.Dropdown):
        self.context, self.project = context, project
        own = not context.guest or bool(context.password)
        sources = [(text(f"label-source-{name}"), name) for name in SOURCES if own or name != "file"]
        self.source = gr.Radio(
            sources, value="sample", label=text("label-source.label"), info=text("label-source.info"), elem_id="pairs-source"
        )
        with gr.Column() as sample:
            self.sample = gr.Button(text("label-add-sample"), elem_id="pairs-sample")
        with gr.Column(visible=False) as data:
            self.data = gr.Dropdown(
                [], label=text("label-data.label"), info=text("label-data.info"), elem_id="pairs-data", interactive=True
            )
        self.gold = gr.Checkbox(False, label=text("label-gold.label"), info=text("label-gold.info"), elem_id="pairs-gold", visible=False)
        with gr.Column(visible=False) as add:
            self.take = gr.Button(text("label-add-data"), elem_id="pairs-add")
        with gr.Column(visible=False) as file:
            self.file = gr.File(label=text("label-file"), height=110, elem_id="pairs-file")
        with gr.Column(visible=False) as models:
            self.models = GenerateView(context, project)
        self.told = gr.HTML(elem_id="pairs-told", padding=False)
        self.end = gr.Button(text("label-cancel"), visible=False, size="sm", elem_id="pairs-cancel-adding")
        self.job = gr.State(None)
        self.parts = [sample, data, self.gold, add, file, models]
        self.shown = [self.source, *self.parts, self.data, *self.models.shown]
        self._wire()

    def _wire(self) -> None:
        self.source.input(self.on_source, self.source, [*self.parts, self.told], queue=False, show_progress="hidden")
        taken = [self.told, self.end, self.job]
        self.added = [
            self.sample.click(self.on_sample, self.project, taken, **WATCHED),
            self.take.click(self.on_data, [self.project, self.data, self.gold], taken, **WATCHED),
            self.file.upload(self.on_file, [self.project, self.file, self.gold], taken, **WATCHED),
            *self.models.writing,
        ]
        self.end.click(self.on_end, self.job, self.end, queue=False, show_progress="hidden")

    def show(self, ws, project: str | None) -> dict:
        """The choices there are, and whether something that was begun waits to be resumed."""
        found = store.listing(ws)
        pairs_ = [(f"{d.name} · {text('label-pairs', n=d.rows, shown=f'{d.rows:,}')}", d.ref) for d in found if d.kind == "preference"]
        models = self.models.show(ws, project, found)
        # models that are writing are shown at it
        sources = {self.source: "models"} | dict(zip(self.parts, self._parts("models"), strict=True)) if models[self.models.going] else {}
        return {self.data: gr.update(choices=pairs_, value=pairs_[0][1] if pairs_ else None)} | models | sources

    def _parts(self, source: str) -> list:
        """Return the fields of a source alone."""
        of = {"sample": (0,), "data": (1, 2, 3), "file": (2, 4), "models": (5,)}[source]
        return [gr.update(visible=n in of) for n in range(len(self.parts))]

    def on_source(self, source) -> list:
        """The fields of the chosen source alone."""
        return [*self._parts(source), ""]

    def on_sample(self, project, request: gr.Request):
        yield from self.adding(request, project, lambda ws: pair_import.from_dataset(ws, project, sample_data.add(ws, "preferences").ref))

    def on_data(self, project, ref, gold, request: gr.Request):
        if not ref:
            yield drawn.warning(text("label-no-data"), html.link("data", text("label-open-data"))), gr.skip(), None
            return
        yield from self.adding(request, project, lambda ws: pair_import.from_dataset(ws, project, ref, gold=bool(gold)))

    def on_file(self, project, file, gold, request: gr.Request):
        def add(ws):
            self.context.require_own(request)
            return pair_import.from_file(ws, project, file, gold=bool(gold), limit_bytes=self.context.limit_bytes)

        if file:
            yield from self.adding(request, project, add)

    def adding(self, request, project, start):
        """Values for what was told, the button that ends it and its job, until the job that `start` begins has ended."""
        try:
            if not project:
                raise added_pairs.no_project()
            ws = self.context.workspace(request)
            job = start(ws)
            while (now := data_jobs.progress(ws, job)).running:
                yield added_pairs.reading(now), gr.update(visible=True, interactive=True), job
                time.sleep(POLL)
            data_jobs.forget(ws, job)
            yield added_pairs.taken(now), gr.update(visible=False), None
        except Exception as error:
            yield html.trouble(error), gr.update(visible=False), None

    def on_end(self, job, request: gr.Request):
        if job:
            data_jobs.cancel(self.context.workspace(request), job)
        return gr.update(interactive=False)
