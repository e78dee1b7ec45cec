"""From judgments to training: a version of a dataset and on to the Train page, or files."""

import gradio as gr

from tuner.labels import export, feedback, projects
from ui.components import html
from ui.label_views import added_pairs, drawn
from ui.session import AppContext, Session
from ui.text import text

LEASTS = {0: "all", 2: "clearly", 3: "far"}  # least strength: the end of its text's name


class DatasetView:
    def __init__(self, context: AppContext, session: gr.BrowserState, project: gr.Dropdown):
        self.context, self.project = context, project
        self.empty = gr.HTML(visible=False, elem_id="label-train-empty", padding=False)
        with gr.Column(visible=False) as self.filled:
            self.about = gr.HTML(elem_id="label-enough", padding=False)
            with gr.Row():
                self.least = gr.Dropdown(
                    [(text(f"label-least-{end}"), value) for value, end in LEASTS.items()],
                    value=0,
                    label=text("label-least.label"),
                    info=text("label-least.info"),
                    elem_id="label-least",
                    interactive=True,
                )
                self.judges = gr.Checkbox(
                    False,
                    label=text("label-count-judges.label"),
                    info=text("label-count-judges.info"),
                    elem_id="label-judges",
                )
            self.teach = gr.Button(text("label-train"), variant="primary", elem_id="label-teach")
            gr.HTML(f"<h2>{text('label-other-formats')}</h2>", padding=False)
            with gr.Row():
                self.kto = gr.Button(text("label-as-kto"), elem_id="label-kto")
                self.chat = gr.Button(text("label-as-chat"), elem_id="label-chat")
                self.files = gr.Button(text("label-as-files"), elem_id="label-export")
            self.taken = gr.File(label=text("label-files"), visible=False, file_count="multiple", interactive=False, elem_id="label-files")
        self.told = gr.HTML(elem_id="label-teach-told", padding=False)
        self.shown = [self.empty, self.filled, self.about, self.told, self.taken]
        given = [self.project, self.least, self.judges]
        self.made = self.teach.click(self.on_train, [*given, session], [self.told, session])
        self.kto.click(self.on_kind("kto"), given, self.told)
        self.chat.click(self.on_kind("chat"), given, self.told)
        self.files.click(self.on_files, given, [self.told, self.taken])

    def show(self, ws, project: str | None) -> dict:
        """What there is to train on; nothing but the way to it while there is none."""
        p = projects.find(ws, project) if project else None
        rated = len(feedback.kept(ws)) if project == feedback.PROJECT else 0
        some = p is not None and bool(p.done or rated)
        empty = "" if some else html.empty(text("label-train-none"), drawn.step_button("label", text("label-go-label")))
        shown = {self.empty: gr.update(value=empty, visible=not some), self.filled: gr.update(visible=some), self.told: ""}
        n = p.done + rated if some else 0
        about = drawn.quiet(f"{text('label-train-about', n=n, shown=f'{n:,}')} {text('label-enough')}") if some else ""
        return shown | {self.about: about, self.taken: gr.update(visible=False)}

    def on_train(self, project, least, judges, session, request: gr.Request):
        try:
            ds = self.dataset(request, project, "preference", least, judges)
        except Exception as error:
            return html.trouble(error), gr.skip()
        said = text("label-dataset-pairs", name=drawn.name(ds.name), version=ds.version, n=ds.rows, shown=f"{ds.rows:,}")
        return drawn.good(said), Session.read(session).with_(data=ds.ref, tab="train")

    def on_kind(self, kind: str):
        def make(project, least, judges, request: gr.Request):
            try:
                ds = self.dataset(request, project, kind, least, judges)
            except Exception as error:
                return html.trouble(error)
            said = text("label-dataset-rows", name=drawn.name(ds.name), version=ds.version, n=ds.rows, shown=f"{ds.rows:,}")
            return drawn.good(f"{said} {html.link('train', text('label-open-train'), query=f'dataset={ds.ref}')}")

        return make

    def dataset(self, request, project, kind, least, judges):
        if not project:
            raise added_pairs.no_project()
        return export.to_dataset(self.context.workspace(request), project, kind, min_strength=float(least or 0), judges=bool(judges))

    def on_files(self, project, least, judges, request: gr.Request):
        try:
            if not project:
                raise added_pairs.no_project()
            ws = self.context.workspace(request)
            folder = ws.exports / f"labels-{project}"
            made = export.to_folder(ws, project, folder, min_strength=float(least or 0), judges=bool(judges))
        except Exception as error:
            return html.trouble(error), gr.update(visible=False)
        files = [text("label-file-rows", name=name, n=n, shown=f"{n:,}") for name, n in made["files"].items()]
        where = "" if self.context.guest else f" <code>{html.escape(str(folder))}</code>"
        return drawn.good(", ".join(files) + where), gr.update(value=[str(folder / name) for name in made["files"]], visible=True)
