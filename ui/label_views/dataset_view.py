"""From judgements to something to learn from: a version of a dataset and on to the Train page, or files to take away; a judge model."""

import time

import gradio as gr

from tuner.errors import NotAllowedError
from tuner.jobs import data_jobs
from tuner.labels import export, generate, judge
from tuner.labels.judge import Judge
from ui.components import html
from ui.label_views.pairs_view import going, no_project, writers_of
from ui.session import AppContext, Session

LEASTS = [("all verdicts", 0), ("clearly better and more", 2), ("far better alone", 3)]
MEASURED = (  # bench/preferences.py --pairs N, after the demo: answers to 50 new questions that change as the pairs intend
    "On the bundled model 25 pairs change no answer, 50 change 4 of 10, 100 change 7 of 10 and 200 nearly all. Expect to need some hundred."
)


class DatasetView:
    def __init__(self, context: AppContext, session: gr.BrowserState, project: gr.Dropdown):
        self.context, self.project = context, project
        gr.Markdown("What was judged becomes data: the better answer is learnt, the worse one is unlearnt.")
        self.enough = gr.HTML(f'<p class="ts-quiet">How many pairs are enough? {MEASURED}</p>', elem_id="label-enough")
        with gr.Row():
            self.least = gr.Dropdown(
                LEASTS,
                value=0,
                label="Which verdicts",
                info="By how much better, where that was asked.",
                elem_id="label-least",
                interactive=True,
            )
            self.judges = gr.Checkbox(
                False, label="Count the votes of judge models too", info="Without it people alone decide.", elem_id="label-judges"
            )
        self.teach = gr.Button("Make data of it and teach a model →", variant="primary", elem_id="label-teach")
        with gr.Row():
            self.kto = gr.Button("As single ratings (KTO)", size="sm", elem_id="label-kto")
            self.chat = gr.Button("As answers to learn (chat)", size="sm", elem_id="label-chat")
            self.files = gr.Button("Files to take away (JSONL)", size="sm", elem_id="label-export")
        self.taken = gr.File(label="The files", visible=False, file_count="multiple", interactive=False, elem_id="label-files")
        self.told = gr.HTML(elem_id="label-teach-told")
        with gr.Accordion("Let a model judge too", open=False, visible=not context.guest, elem_id="label-judge"):
            gr.Markdown(
                "It votes on every pair as one more labeller, asked in both orders. Its votes are counted apart, and how far it agrees with "
                'people stands under "Quality". With an address, the pairs are sent there.'
            )
            with gr.Row():
                self.who = gr.Dropdown(
                    [], label="Judge", info="A model here, or its name at the address.", allow_custom_value=True, elem_id="judge-model"
                )
                self.url = gr.Textbox(
                    label="Address (OpenAI-compatible)", info="Empty: a model on this computer.", placeholder="http://127.0.0.1:11434/v1"
                )
                self.key = gr.Textbox(label="Key", info="Kept in memory until it is done.", type="password")
            with gr.Row():
                self.ask = gr.Button("Let it judge", size="sm", elem_id="judge-ask")
                self.stop = gr.Button("Stop", size="sm", visible=False)
            self.going = gr.HTML(elem_id="judge-told")
            self.job = gr.State(None)
        given = [self.project, self.least, self.judges]
        self.made = self.teach.click(self.on_teach, [*given, session], [self.told, session])
        self.kto.click(self.on_kind("kto"), given, self.told)
        self.chat.click(self.on_kind("chat"), given, self.told)
        self.files.click(self.on_files, given, [self.told, self.taken])
        judging = [self.going, self.stop, self.job]
        self.ask.click(self.on_ask, [self.project, self.who, self.url, self.key], judging, show_progress="hidden", concurrency_limit=4)
        self.stop.click(self.on_stop, self.job, None, queue=False)

    def show(self, ws) -> dict:
        found = [(t, v) for t, v in writers_of(ws) if v != generate.DATA and not v.endswith("/base")]
        return {self.who: gr.update(choices=found, value=None)}

    def on_teach(self, project, least, judges, session, request: gr.Request):
        try:
            ds = self.dataset(request, project, "preference", least, judges)
        except Exception as error:
            return html.trouble(error), gr.skip()
        return html.good(f"{ds.name}, version {ds.version}: {ds.rows:,} pairs."), Session.read(session).with_(data=ds.ref, tab="train")

    def on_kind(self, kind: str):
        def make(project, least, judges, request: gr.Request):
            try:
                ds = self.dataset(request, project, kind, least, judges)
            except Exception as error:
                return html.trouble(error)
            return html.good(f"{ds.name}, version {ds.version}: {ds.rows:,} rows. It stands in the Data and Train pages.")

        return make

    def dataset(self, request, project, kind, least, judges):
        if not project:
            raise no_project()
        return export.to_dataset(self.context.workspace(request), project, kind, min_strength=float(least or 0), judges=bool(judges))

    def on_files(self, project, least, judges, request: gr.Request):
        try:
            if not project:
                raise no_project()
            ws = self.context.workspace(request)
            folder = ws.exports / f"labels-{project}"
            made = export.to_folder(ws, project, folder, min_strength=float(least or 0), judges=bool(judges))
        except Exception as error:
            return html.trouble(error), gr.update(visible=False)
        told = ", ".join(f"{name} ({n:,} rows)" for name, n in made["files"].items())
        return html.good(f"{told}, in {folder}."), gr.update(value=[str(folder / name) for name in made["files"]], visible=True)

    def on_ask(self, project, model, url, key, request: gr.Request):
        off = gr.update(visible=False)
        try:
            ws = self.context.workspace(request)
            if self.context.guest:
                raise NotAllowedError(
                    "This public page asks no judges.", asked=model, available="people", remedy="Run Tunesmith on your computer."
                )
            if not project:
                raise no_project()
            job = judge.ask(ws, project, Judge(str(model or ""), (url or "").strip() or None), key=(key or "").strip() or None)
            while (now := data_jobs.progress(ws, job)).running:
                yield going(now).replace(" pairs", " judged"), gr.update(visible=True), job
                time.sleep(0.4)
            data_jobs.forget(ws, job)
        except Exception as error:
            yield html.trouble(error), off, None
            return
        errors = "".join(html.bad(f"{e['message']} {e['remedy']}") for e in now.errors)
        yield errors or html.good('Done. How far it agrees with people stands under "Quality".'), off, None

    def on_stop(self, job, request: gr.Request):
        if job:
            data_jobs.cancel(self.context.workspace(request), job)
