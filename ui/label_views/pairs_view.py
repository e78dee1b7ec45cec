"""Where the pairs of a label project come from: the sample, data, a file, or models that answer the same questions twice."""

import time
from pathlib import Path

import gradio as gr

from tuner import runs
from tuner.data.store import sample_data, store
from tuner.errors import RequestError
from tuner.formatting import human_time
from tuner.jobs import data_jobs
from tuner.labels import generate, pair_import, pairs, projects
from tuner.labels.generate import ASKED, DATA, Request, Writer
from ui.components import dropdowns, html
from ui.session import AppContext

POLL = 0.4  # seconds
BASE = "/base"


class PairsView:
    def __init__(self, context: AppContext, project: gr.Dropdown):
        self.context, self.project = context, project
        own = not context.guest or bool(context.password)
        gr.Markdown("Pairs are a question with two answers. Take them from what you have, or let models write them.")
        self.told = gr.HTML(elem_id="pairs-told")
        self.go = gr.Button("Judge them →", variant="primary", visible=False, elem_id="pairs-go")
        self.sample = gr.Button("Take the sample (200 pairs)", size="sm", elem_id="pairs-sample")
        with gr.Row():
            self.data = gr.Dropdown(
                [], label="From data", info="Datasets with a better and a worse answer.", elem_id="pairs-data", interactive=True
            )
            self.gold = gr.Checkbox(
                False,
                label="The right answers are known",
                info="Mixed in now and then, to see how careful the labellers are.",
                elem_id="pairs-gold",
            )
        self.take = gr.Button("Add these pairs", size="sm", elem_id="pairs-add")
        self.file = gr.File(label="From a file: any format of pairs or rankings", height=110, elem_id="pairs-file", visible=own)
        self.end = gr.Button("Cancel", visible=False, size="sm", elem_id="pairs-cancel-adding")
        self.job = gr.State(None)
        self._written_by_models()
        self.shown = [self.go, self.data, self.asked, self.one, self.two, self.again]
        self.state = [self.writing_told, self.cancel, self.again]
        form = [self.project, self.asked, self.typed, self.held, self.limit, self.most, self.one, self.two, self.warm_one, self.warm_two]
        self.writing = [
            self.write.click(self.on_write, form, self.state, show_progress="hidden", concurrency_limit=8),
            self.again.click(self.on_resume, self.project, self.state, show_progress="hidden", concurrency_limit=8),
        ]
        self.cancel.click(self.on_cancel, self.project, self.writing_told, queue=False, show_progress="hidden")
        taken = [self.told, self.end, self.job]
        self.added = [
            self.sample.click(self.on_sample, self.project, taken, show_progress="hidden", concurrency_limit=8),
            self.take.click(self.on_data, [self.project, self.data, self.gold], taken, show_progress="hidden", concurrency_limit=8),
            self.file.upload(self.on_file, [self.project, self.file, self.gold], taken, show_progress="hidden", concurrency_limit=8),
        ]
        self.end.click(self.on_end, self.job, self.end, queue=False, show_progress="hidden")

    def _written_by_models(self) -> None:
        gr.Markdown("#### Written by models")
        with gr.Row():
            self.asked = gr.Dropdown(
                [], label="Questions from", info="A dataset; or type some beside.", elem_id="pairs-asked", interactive=True
            )
            self.typed = gr.Textbox(label="And questions of your own", info="One a line.", lines=3, elem_id="pairs-typed")
        with gr.Row():
            self.held = gr.Checkbox(
                True, label="Held-out rows alone", info="To compare models: rows that neither has seen.", elem_id="pairs-held"
            )
            self.limit = gr.Number(50, label="How many questions", precision=0, minimum=1, maximum=20_000, elem_id="pairs-limit")
            self.most = gr.Slider(16, 2048, 256, step=16, label="Longest answer (max tokens)", info="What is cut off makes no pair.")
        with gr.Row():
            self.one = gr.Dropdown(
                [], label="One answer by", info="A run, the starter, a folder or a Hub id.", allow_custom_value=True, elem_id="pairs-one"
            )
            self.two = gr.Dropdown(
                [], label="The other by", info="The same one writes another answer.", allow_custom_value=True, elem_id="pairs-two"
            )
        with gr.Row():
            self.warm_one = gr.Slider(
                0, 2, 0.8, step=0.05, label="Randomness of the one (temperature)", info="0 takes the likeliest words."
            )
            self.warm_two = gr.Slider(0, 2, 1.2, step=0.05, label="Randomness of the other (temperature)", info="Higher is more unlike.")
        with gr.Row():
            self.write = gr.Button("Write pairs", elem_id="pairs-write")
            self.again = gr.Button("Go on with what was begun", visible=False, elem_id="pairs-resume")
            self.cancel = gr.Button("Stop writing", visible=False, elem_id="pairs-cancel")
        self.writing_told = gr.HTML(elem_id="pairs-writing")

    def show(self, ws, project: str | None) -> dict:
        """The choices there are, and whether something that was begun waits to be gone on with."""
        found = store.listing(ws)
        pairs_ = [(f"{d.name} · {d.rows:,} pairs", d.ref) for d in found if d.kind == "preference"]
        asked = [("none", ""), *((f"{d.name} · {d.kind}", d.ref) for d in found if d.kind in ASKED)]
        writers = writers_of(ws)
        waits = [g for g in generate.unfinished(ws, project) if not generate.state(ws, project, g).running] if project else []
        first = next((v for _, v in writers if v not in (DATA, "starter")), "starter")
        return {
            self.go: gr.update(visible=bool(project) and projects.find(ws, project).pairs > 0),
            self.data: gr.update(choices=pairs_, value=pairs_[0][1] if pairs_ else None),
            self.asked: gr.update(choices=asked, value=asked[1][1] if len(asked) > 1 else ""),
            self.one: gr.update(choices=writers, value=first),
            self.two: gr.update(choices=writers, value=first + BASE if first + BASE in [v for _, v in writers] else first),
            self.again: gr.update(visible=bool(waits)),
        }

    # --- what is there ------------------------------------------------------------------------------------------------

    def on_sample(self, project, request: gr.Request):
        yield from self.adding(request, project, lambda ws: pair_import.from_dataset(ws, project, sample_data.add(ws, "preferences").ref))

    def on_data(self, project, ref, gold, request: gr.Request):
        if not ref:
            yield html.bad("There is no data with pairs yet. UploadView some in the Data page, or drop a file below."), gr.skip(), None
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
                raise no_project()
            ws = self.context.workspace(request)
            job = start(ws)
            while (now := data_jobs.progress(ws, job)).running:
                yield reading(now), gr.update(visible=True, interactive=True), job
                time.sleep(POLL)
            data_jobs.forget(ws, job)
            yield taken(now), gr.update(visible=False), None
        except Exception as error:
            yield html.trouble(error), gr.update(visible=False), None

    def on_end(self, job, request: gr.Request):
        if job:
            data_jobs.cancel(self.context.workspace(request), job)
        return gr.update(interactive=False)

    # --- written by models ----------------------------------------------------------------------------------------------

    def on_write(self, project, asked, typed, held, limit, most, one, two, warm_one, warm_two, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            if not project:
                raise no_project()
            for model in (one, two):
                if model != DATA:
                    self.context.require_model(ws, str(model or "").removesuffix(BASE), request)
            writers = (writer(one, warm_one, most, 0), writer(two, warm_two, most, 1))
            wish = Request(writers, tuple((typed or "").splitlines()), asked or None, True if held and asked else None, int(limit or 50))
            id = generate.ask(ws, project, wish)
        except Exception as error:
            yield html.trouble(error), gr.update(visible=False), gr.skip()
            return
        yield from self.watch(ws, project, id)

    def on_resume(self, project, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            id = generate.unfinished(ws, project)[-1]
            generate.resume(ws, project, id)
        except Exception as error:
            yield html.trouble(error), gr.update(visible=False), gr.skip()
            return
        yield from self.watch(ws, project, id)

    def watch(self, ws, project: str, id: str):
        """Values for `state` until the models are done. The work goes on whether or not anybody looks."""
        while (now := generate.state(ws, project, id)).running:
            yield going(now), gr.update(visible=True, interactive=True), gr.update(visible=False)
            time.sleep(POLL)
        yield ended(now), gr.update(visible=False), gr.update(visible=now.state != "done")

    def on_cancel(self, project, request: gr.Request):
        ws = self.context.workspace(request)
        for id in generate.unfinished(ws, project) if project else []:
            if generate.state(ws, project, id).running:
                generate.cancel(ws, project, id)
        return '<p class="ts-quiet">It stops after this answer; what was written is kept.</p>'


def no_project() -> RequestError:
    return RequestError("There is no project yet.", asked=None, available="a project", remedy="Make one below.", field="project")


def writer(choice: str | None, temperature: float, most: int, seed: int) -> Writer:
    model = (choice or "").strip() or "starter"
    return Writer(model.removesuffix(BASE), model.endswith(BASE), float(temperature), seed=seed, max_tokens=int(most))


def writers_of(ws) -> list[tuple[str, str]]:
    """Who can write an answer: finished runs, what they were before and on the way, the starter, the data itself."""
    speaking = [r for r in runs.listing(ws) if r.brief["objective"] in ("chat", "text", "preference")]
    found = dropdowns.answering(speaking, None)
    out = []
    for r in found:
        out += [(f"{r.name} (tuned)", r.id), (f"{r.name}, before tuning", r.id + BASE)]
        out += [(f"{r.name}, as it was at step {c.name.split('-')[-1]}", str(c)) for c in runs.checkpoints(r.path) if speaks(c)]
    return [*out, ("The starter, untuned", "starter"), ("The answer in the data", DATA)]


def speaks(checkpoint: Path) -> bool:
    """Whether a checkpoint is whole and can be loaded by itself: a model, or an adapter of PEFT's."""
    return any((checkpoint / name).exists() for name in ("config.json", "adapter_config.json")) and dropdowns.whole(checkpoint)


def reading(now: dict) -> str:
    """The bar while pairs are taken in; of a file `done` counts bytes, so it is told in percent."""
    return bar(now, f"Adding pairs: {now.done / now.total:.0%}, {now.rows:,} read" if now.total else "Opening it")


def taken(now: dict) -> str:
    """What became of the pairs, or why there are none."""
    if now.state == "cancelled":
        return '<p class="ts-quiet">Cancelled. Pairs that were added before are kept; adding the same again goes on.</p>'
    if now.state == "failed":
        return "".join(html.bad(f"{e['message']} {e['remedy']}") for e in now.errors)
    report = pair_import.report(now)
    return html.good(report.as_text()) if report.added else html.bad(f"{report.as_text()} Nothing new came in.")


def going(now: dict) -> str:
    return bar(now, f"{now.done:,} of {now.total:,} answers, {now.rows:,} pairs" if now.total else "Waking the model up")


def bar(now: dict, what: str) -> str:
    share = 100 * now.done / max(1, now.total)
    left = f", {human_time(now.eta_seconds)} left" if now.eta_seconds else ""
    return (
        f'<div class="ts-card"><div class="ts-bar" role="progressbar" aria-valuenow="{share:.0f}" aria-valuemin="0" aria-valuemax="100">'
        f'<span class="ts-fill" style="width:{share:.0f}%"></span></div>{what}{left}</div>'
    )


def ended(now: dict) -> str:
    if now.state == "done":
        report = pairs.Added(now.result["report"]["added"], pairs.Counter(now.result["report"]["dropped"]))
        return html.good(f"{report.as_text()} Judge them in the first tab.")
    if now.state == "cancelled":
        return '<p class="ts-quiet">Stopped. What was written is kept; "Go on" writes the rest.</p>'
    return "".join(html.bad(f"{e['message']} {e['remedy']}") for e in now.errors)
