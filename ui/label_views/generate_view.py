"""Pairs that models write: the same questions answered twice, by two models or by one with two temperatures."""

import time
from pathlib import Path

import gradio as gr

from tuner import runs
from tuner.jobs.job import JobStatus
from tuner.labels import generate, pairs
from tuner.labels.generate import ASKED, DATA, Request, Writer
from ui.components import dropdowns, html
from ui.label_views import added_pairs, drawn
from ui.session import AppContext
from ui.text import text

POLL = 0.4  # seconds
BASE = "/base"
WATCHED = {"show_progress": "hidden", "concurrency_limit": 8}


class GenerateView:
    def __init__(self, context: AppContext, project: gr.Dropdown):
        self.context, self.project = context, project
        self.told = gr.HTML(elem_id="pairs-writing", padding=False)
        with gr.Column() as self.form:
            self._questions()
            self._models()
        with gr.Row():
            self.write = gr.Button(text("label-generate"), elem_id="pairs-write")
            self.again = gr.Button(text("label-resume"), visible=False, elem_id="pairs-resume")
            self.cancel = gr.Button(text("label-stop"), visible=False, elem_id="pairs-cancel")
        self.going = gr.Textbox(
            visible="hidden", show_label=False, elem_classes=["ts-hidden"]
        )  # PROJECT/GENERATION that was under way when this was opened
        self.shown = [self.asked, self.one, self.two, self.again, self.going]
        state = [self.told, self.cancel, self.again, self.form, self.write]
        form = [self.project, self.asked, self.typed, self.held, self.limit, self.most, self.one, self.two, self.warm_one, self.warm_two]
        self.writing = [
            self.write.click(self.on_write, form, state, **WATCHED),
            self.again.click(self.on_resume, self.project, state, **WATCHED),
            self.going.change(self.on_going, self.going, state, **WATCHED),
        ]
        self.cancel.click(self.on_cancel, self.project, self.told, queue=False, show_progress="hidden")

    def _questions(self) -> None:
        with gr.Row():
            self.asked = gr.Dropdown(
                [], label=text("label-asked.label"), info=text("label-asked.info"), elem_id="pairs-asked", interactive=True
            )
            self.typed = gr.Textbox(label=text("label-typed.label"), info=text("label-typed.info"), lines=3, elem_id="pairs-typed")
        with gr.Row():
            self.limit = gr.Number(
                50,
                label=text("label-limit.label"),
                info=text("label-limit.info"),
                precision=0,
                minimum=1,
                maximum=generate.PROMPTS,
                elem_id="pairs-limit",
            )
            self.most = gr.Slider(16, 2048, 256, step=16, label=text("label-max-tokens.label"), info=text("label-max-tokens.info"))
            self.held = gr.Checkbox(True, label=text("label-held.label"), info=text("label-held.info"), elem_id="pairs-held")

    def _models(self) -> None:
        with gr.Row():
            self.one = gr.Dropdown(
                [], label=text("label-model-a.label"), info=text("label-model-a.info"), allow_custom_value=True, elem_id="pairs-one"
            )
            self.two = gr.Dropdown(
                [], label=text("label-model-b.label"), info=text("label-model-b.info"), allow_custom_value=True, elem_id="pairs-two"
            )
        with gr.Row():
            self.warm_one = gr.Slider(0, 2, 0.8, step=0.05, label=text("label-temperature-a.label"), info=text("label-temperature-a.info"))
            self.warm_two = gr.Slider(0, 2, 1.2, step=0.05, label=text("label-temperature-b.label"), info=text("label-temperature-b.info"))

    def show(self, ws, project: str | None, found: list) -> dict:
        """The datasets `found` and the models there are, and whether a generation waits to be resumed."""
        asked = [(text("label-none"), ""), *((f"{d.name} · {d.kind}", d.ref) for d in found if d.kind in ASKED)]
        writers = writers_of(ws)
        begun = {g: generate.state(ws, project, g).running for g in generate.unfinished(ws, project)} if project else {}
        first = next((v for _, v in writers if v not in (DATA, "starter")), "starter")
        return {
            self.asked: gr.update(choices=asked, value=asked[1][1] if len(asked) > 1 else ""),
            self.one: gr.update(choices=writers, value=first),
            self.two: gr.update(choices=writers, value=first + BASE if first + BASE in [v for _, v in writers] else first),
            self.again: gr.update(visible=not all(begun.values())),
            self.going: next((f"{project}/{id}" for id, running in begun.items() if running), ""),
        }

    def on_write(self, project, asked, typed, held, limit, most, one, two, warm_one, warm_two, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            if not project:
                raise added_pairs.no_project()
            for model in (one, two):
                if model != DATA:
                    self.context.require_model(ws, str(model or "").removesuffix(BASE), request)
            writers = (writer(one, warm_one, most, 0), writer(two, warm_two, most, 1))
            wish = Request(writers, tuple((typed or "").splitlines()), asked or None, True if held and asked else None, int(limit or 50))
            id = generate.ask(ws, project, wish)
        except Exception as error:
            yield html.trouble(error), gr.update(visible=False), *[gr.skip()] * 3
            return
        yield from self.watch(ws, project, id)

    def on_resume(self, project, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            id = generate.unfinished(ws, project)[-1]
            generate.resume(ws, project, id)
        except Exception as error:
            yield html.trouble(error), gr.update(visible=False), *[gr.skip()] * 3
            return
        yield from self.watch(ws, project, id)

    def on_going(self, going, request: gr.Request):
        """Show how far a generation is that was begun elsewhere, or before this page was opened anew."""
        project, _, id = (going or "").partition("/")
        if not id:
            yield [gr.skip()] * 5
            return
        yield from self.watch(self.context.workspace(request), project, id)

    def watch(self, ws, project: str, id: str):
        """Values for `state` until the models are done. The work goes on whether or not anybody looks."""
        while (now := generate.state(ws, project, id)).running:
            yield going(now), gr.update(visible=True, interactive=True), *[gr.update(visible=False)] * 3
            time.sleep(POLL)
        yield ended(now), gr.update(visible=False), gr.update(visible=now.state != "done"), *[gr.update(visible=True)] * 2

    def on_cancel(self, project, request: gr.Request):
        ws = self.context.workspace(request)
        for id in generate.unfinished(ws, project) if project else []:
            if generate.state(ws, project, id).running:
                generate.cancel(ws, project, id)
        return drawn.quiet(text("label-stopping"))


def writer(choice: str | None, temperature: float, most: int, seed: int) -> Writer:
    model = (choice or "").strip() or "starter"
    return Writer(model.removesuffix(BASE), model.endswith(BASE), float(temperature), seed=seed, max_tokens=int(most))


def writers_of(ws) -> list[tuple[str, str]]:
    """Who can write an answer: finished runs, what they were before and on the way, the starter, the data itself."""
    speaking = [r for r in runs.listing(ws) if r.brief["objective"] in ("chat", "text", "preference")]
    out = []
    for r in dropdowns.answering(speaking, None):
        out += [(text("label-writer-tuned", name=r.name), r.id), (text("label-writer-base", name=r.name), r.id + BASE)]
        steps = [(c.name.split("-")[-1], str(c)) for c in runs.checkpoints(r.path) if speaks(c)]
        out += [(text("label-writer-step", name=r.name, step=step), path) for step, path in steps]
    return [*out, (text("label-writer-starter"), "starter"), (text("label-writer-data"), DATA)]


def speaks(checkpoint: Path) -> bool:
    """Whether a checkpoint is whole and can be loaded by itself: a model, or an adapter of PEFT's."""
    return any((checkpoint / name).exists() for name in ("config.json", "adapter_config.json")) and dropdowns.whole(checkpoint)


def going(now: JobStatus) -> str:
    if not now.total:
        return drawn.bar(0, 1, text("label-loading-model"))
    words = text("label-generating", done=f"{now.done:,}", total=f"{now.total:,}", n=now.rows, shown=f"{now.rows:,}")
    return drawn.bar(now.done, now.total, " · ".join([words, *left(now)]))


def left(now: JobStatus) -> list[str]:
    return [text("label-left", time=drawn.duration(now.eta_seconds))] if now.eta_seconds else []


def ended(now: JobStatus) -> str:
    if now.state == "done":
        found = now.result["report"]
        return added_pairs.report(pairs.Added(found["added"], pairs.Counter(found["dropped"])))
    if now.state == "cancelled":
        return drawn.quiet(text("label-stopped"))
    return added_pairs.failed(now)
