"""Drop in a file, see how it is read and what is wrong with which row, change what was read wrongly, go on."""

import time

import gradio as gr

from tuner import runs
from tuner.data.readers.file_format import ENCODINGS
from tuner.data.schema import column_aliases
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.formatting import human_bytes, human_time
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from ui.components import dropdowns, html
from ui.data_views.edit_view import EditView
from ui.data_views.quality_view import QualityView
from ui.data_views.summaries import problems, summary
from ui.data_views.token_preview_view import TokenPreviewView
from ui.data_views.upload import UploadView
from ui.data_views.versions_view import VersionsView
from ui.session import AppContext, Session

PAGE = 20
EMPTY = (
    '<p class="ts-quiet">Nothing here yet. Drop a file above, or start with a sample: it shows the rows, how they are read, '
    "and what is wrong with which.</p>"
)
ROLES = (
    "messages",
    "system",
    "prompt",
    "answer",
    "history",
    "text",
    "label",
    "chosen",
    "rejected",
    "rating",
    "source",
    "target",
    "context",
    "question",
    "answers",
    "choices",
    "tools",
    "tokens",
    "tags",
)


class DataPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.bring = UploadView(context)
        self.working = gr.HTML(elem_id="import-progress")
        self.cancel = gr.Button("Cancel the import", visible=False, size="sm")
        self.job = gr.State(None)
        self.pick = gr.Dropdown([], label="Data", info="All that was brought in so far.", elem_id="dataset", interactive=True)
        self.summary = gr.HTML(EMPTY, elem_id="data-summary")
        self.use = gr.Button("Use this data →", variant="primary", elem_id="use-data")
        with gr.Tabs():
            with gr.Tab("Rows"):
                self.which = gr.Radio(
                    [("all", "all"), ("to learn from", "train"), ("held out", "held")],
                    value="all",
                    label="Show these rows",
                    info="Held-out rows are never learnt; they test the model.",
                )
                self.rows = gr.HTML(elem_id="rows")
                with gr.Row():
                    self.back, self.forth = gr.Button("← Earlier rows", size="sm"), gr.Button("Later rows →", size="sm")
                self.at = gr.State(0)
                self.editing = EditView(context)
            with gr.Tab("What the model will learn", id="learn") as learn:
                self.learn = TokenPreviewView(context, learn)
            with gr.Tab("Health", id="health"):
                self.health = QualityView(context)
            with gr.Tab("What is wrong with which row"):
                self.problems = gr.HTML('<p class="ts-quiet">No data chosen.</p>', elem_id="problems")
            with gr.Tab("How it is read"):
                self._reading_form()
            with gr.Tab("Versions", id="versions"):
                self.versions = VersionsView(context)
            with gr.Tab("Delete"):
                gr.Markdown("Deletes the data and all its versions from the workspace. The file you brought stays where it was.")
                self.sure = gr.Checkbox(label="Yes, delete it", info="This can't be undone.")
                self.delete = gr.Button("Delete this data", variant="stop", size="sm")
        self.shown = [
            self.summary,
            self.rows,
            self.problems,
            self.at,
            self.kind,
            self.share,
            self.told,
            self.seed,
            self.encoding,
            *self.health.shown,
            *self.learn.cleared,
            *self.versions.shown,
            *self.roles.values(),
        ]
        self._wire()

    def _reading_form(self) -> None:
        gr.Markdown(
            "Which column plays which part. What was recognised is filled in; a change makes a new version, and the file itself is never changed. "
            "Several columns for one part are joined by an empty line; a small template works too: type `{title}: {body}` and press Enter."
        )
        self.kind = gr.Dropdown(
            [(title, kind) for kind, (title, *_) in column_aliases.KINDS.items()],
            label="Kind of data",
            info="What one row is.",
            elem_id="kind",
        )
        self.roles = {}
        with gr.Row():
            for role in ROLES:
                self.roles[role] = gr.Dropdown(
                    [],
                    label=role,
                    info=column_aliases.ROLES[role],
                    multiselect=True,
                    allow_custom_value=True,
                    visible=False,
                    min_width=220,
                    elem_id=f"role-{role}",
                )
        with gr.Row():
            self.told = gr.Textbox(
                label="System prompt for all rows",
                info="What the model is told before each conversation that has none of its own; it goes with the model to the chat.",
                lines=2,
                scale=2,
                elem_id="system-for-all",
            )
            self.share = gr.Slider(
                0,
                50,
                5,
                step=1,
                label="Held out to test with (%)",
                info="At least 20 rows and at most 1,000 where there are enough; rows with the same question stay together.",
                elem_id="share",
            )
            self.seed = gr.Number(
                0, label="Seed", info="Another number holds other rows out.", precision=0, minimum=0, min_width=120, elem_id="seed"
            )
        self.encoding = gr.Dropdown(
            [("As it was read", ""), ("UTF-8", "utf-8"), ("Windows Western European (cp1252)", "cp1252")]
            + [(title, name) for name, title in ENCODINGS.items()],
            value="",
            label="Text encoding",
            info="Choose another one if letters look wrong. Parquet files and workbooks have none.",
            elem_id="encoding",
        )
        self.apply = gr.Button("Read it this way", elem_id="apply-mapping")

    def _wire(self) -> None:
        outs = [self.working, self.cancel, self.job, self.pick, self.session, *self.shown]
        quiet = {"show_progress": "hidden"}
        for way in self.bring.ways():
            way.event(self._bringing(way.work, way.own), [self.session, *way.inputs], outs, **quiet)
        self.bring.mixing.select(self.on_mixing, None, self.bring.parts, queue=False)
        self.apply.click(
            self.on_apply,
            [self.pick, self.session, self.kind, self.share, self.told, self.seed, self.encoding, *self.roles.values()],
            outs,
            **quiet,
        )
        self.cancel.click(self.on_cancel, self.job, None, queue=False)
        self.pick.input(self.on_pick, [self.pick, self.which, self.session], [self.session, *self.shown], queue=False)
        self.which.input(self.on_page, [self.pick, self.which], [self.rows, self.at], queue=False)
        for button, step in ((self.back, -PAGE), (self.forth, PAGE)):
            button.click(self._turning(step), [self.pick, self.which, self.at], [self.rows, self.at], queue=False)
        self.kind.input(self.on_kind, [self.pick, self.kind], list(self.roles.values()), queue=False)
        self.learn.wire(self._import, self.pick, self.session, outs)
        self.editing.wire(self._import, self.pick, self.session, outs)
        self.health.wire(self._import, self.summary, self.pick, self.session, outs)
        self.versions.wire(self.pick)
        self.delete.click(self.on_delete, [self.pick, self.sure, self.session], [*outs, self.sure])

    # --- bringing data in ---------------------------------------------------------------------------------------------

    def _bringing(self, work, own: bool):
        def bring(session, request: gr.Request, *values):
            yield from self._import(lambda ws: work(ws, *values), session, request, own)

        return bring

    def on_mixing(self, request: gr.Request):
        return gr.update(choices=options(self.context.workspace(request)))

    def on_apply(self, ref, session, kind, share, told, seed, encoding, request: gr.Request, *columns):
        mapping = {role: c[0] if len(c) == 1 else c for role, c in zip(self.roles, columns, strict=True) if c}
        asked = {"ref": str(ref), "mapping": mapping, "kind": kind, "held_out": share / 100, "system": told or "", "seed": int(seed or 0)}
        asked |= {"encoding": encoding} if encoding else {}
        yield from self._import(lambda ws: data_jobs.begin(ws, "remap", **asked), session, request)

    def _import(self, work, session, request, own: bool = False):
        """Start `work` (which gives a job's id, or a dataset at once) and follow it; an error is drawn and nothing else moves."""
        still = [gr.skip()] * (len(self.shown) + 2)
        try:
            if own:
                self.context.require_own(request)
            ws = self.context.workspace(request)
            made = work(ws)
            if made is None:
                return
            if not isinstance(made, str):
                yield self._done(ws, made.ref, session)
                return
            while (p := data_jobs.progress(ws, made)).running:
                yield [_bar(p), gr.update(visible=True), made, *still]
                time.sleep(0.25)
            data_jobs.forget(ws, made)
            if p.state == "done":
                yield self._done(ws, p.result["dataset"], session)
            else:
                said = (
                    "The import was cancelled; nothing of it was kept."
                    if p.state == "cancelled"
                    else " ".join(f"{e['message']} {e['remedy']}" for e in p.errors)
                )
                yield [html.bad(said), gr.update(visible=False), None, *still]
        except Exception as error:
            yield [html.trouble(error), gr.update(visible=False), None, *still]

    def _done(self, ws: Workspace, ref: str, session):
        return [
            html.good(f"{store.get(ws, ref).name} is in."),
            gr.update(visible=False),
            None,
            choices(ws, ref),
            Session.read(session).with_(tab="data", data=ref),
            *self.show(ws, ref),
        ]

    def on_cancel(self, job, request: gr.Request):
        if job:
            data_jobs.cancel(self.context.workspace(request), job)

    # --- looking at it ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, ref: str | None, which: str = "all") -> list:
        """Values for `shown`: summary, rows, problems, page, kind and the role columns."""
        try:
            ds = store.get(ws, ref) if ref else None
        except Exception as error:
            return [html.trouble(error), "", "", 0, *[gr.skip()] * (len(self.shown) - 4)]
        if ds is None:
            return [
                EMPTY,
                "",
                "",
                0,
                None,
                5,
                "",
                0,
                "",
                "",
                "",
                gr.Timer(active=False),
                *self.learn.nothing(),
                *self.versions.nothing(),
                *[gr.update(visible=False, value=[]) for _ in self.roles],
            ]
        return [
            summary(ds),
            html.rows(_page(ds, which, 0)),
            problems(ds),
            0,
            ds.kind,
            100 * ds.share,
            ds.system,
            ds.seed,
            "",
            *self.health.values(ws, ds),
            *self.learn.nothing(),
            *self.versions.values(ws, ds),
            *self._role_updates(ds, ds.kind),
        ]

    def _role_updates(self, ds, kind: str) -> list:
        _, required, optional, *_ = column_aliases.KINDS[kind]
        wanted = [r for group in required for r in ([group] if isinstance(group, str) else group)] + list(optional)
        out = []
        for role in self.roles:
            value = ds.mapping.get(role) or []
            out.append(
                gr.update(choices=ds.columns, value=[value] if isinstance(value, str) else value, visible=role in wanted or bool(value))
            )
        return out

    def on_pick(self, ref, which, session, request: gr.Request):
        return [Session.read(session).with_(data=ref), *self.show(self.context.workspace(request), ref, which)]

    def on_kind(self, ref, kind, request: gr.Request):
        if not ref:
            return [gr.skip()] * len(self.roles)
        return self._role_updates(store.get(self.context.workspace(request), ref), kind)

    def on_page(self, ref, which, request: gr.Request):
        return self._turned(ref, which, 0, request)

    def _turning(self, step: int):
        def turn(ref, which, at, request: gr.Request):
            return self._turned(ref, which, max(0, at + step), request)

        return turn

    def _turned(self, ref, which, at, request):
        if not ref:
            return gr.skip(), 0
        found = _page(store.get(self.context.workspace(request), ref), which, at)
        return (html.rows(found), at) if found or not at else (gr.skip(), gr.skip())

    def on_delete(self, ref, sure, session, request: gr.Request):
        still = [gr.skip()] * (len(self.shown) + 4)
        ws = self.context.workspace(request)
        if not ref or not sure:
            return [html.bad("Choose the data and tick the box first."), *still, gr.skip()]
        try:
            id = ref.split("@")[0]
            store.delete(ws, id, runs.using_dataset(ws, id))
        except Exception as error:
            return [html.trouble(error), *still, False]
        left = store.listing(ws)
        ref = left[0].ref if left else None
        return [
            html.good("Deleted."),
            gr.skip(),
            gr.skip(),
            choices(ws, ref),
            Session.read(session).with_(data=ref),
            *self.show(ws, ref),
            False,
        ]


def options(ws: Workspace) -> list[tuple[str, str]]:
    """(title, ref) of all versions of all datasets, the newest first."""
    return [(f"{d.name} · {d.rows:,} rows · version {d.version}", d.ref) for versions in store.histories(ws) for d in versions]


def known(ws: Workspace, ref: str) -> bool:
    """Return whether there is such a dataset and version."""
    try:
        return store.get(ws, ref) is not None
    except TunerError:
        return False


def choices(ws: Workspace, ref: str | None):
    """The dropdown of datasets, `ref` chosen."""
    found = options(ws)
    chosen = ref if any(ref == r for _, r in found) else (found[0][1] if found else None)
    info = dropdowns.info("All that was brought in so far.", len(found), "the command `tunesmith data list` lists all.")
    return gr.update(choices=dropdowns.newest(found, chosen), value=chosen, info=info)


def _page(ds, which: str, at: int) -> list[dict]:
    return store.rows(ds, at, PAGE, held_out={"all": None, "train": False, "held": True}[which])


def _bar(p: dict) -> str:
    share = 100 * p.done / max(1, p.total)
    left = f", about {human_time(p.eta_seconds)} left" if p.eta_seconds else ""
    return (
        f'<div class="ts-card"><div class="ts-bar" role="progressbar" aria-valuenow="{share:.0f}"><span class="ts-fill" style="width:{share:.0f}%"></span></div>'
        f"Reading: {human_bytes(p.done)} of {human_bytes(p.total)}, {p.rows:,} rows{left}</div>"
    )
