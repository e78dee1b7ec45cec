"""The Data page: the library of datasets, and beside it either the import or one dataset with all that is known of it."""

import gradio as gr

from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.errors import TunerError
from tuner.paths import Workspace
from ui.components import html
from ui.data_views import library_view
from ui.data_views.columns_view import ColumnsView
from ui.data_views.delete_view import DeleteView
from ui.data_views.edit_view import EditView
from ui.data_views.library_view import LibraryView
from ui.data_views.quality_view import QualityView
from ui.data_views.rows_view import RowsView
from ui.data_views.summaries import quiet, say, summary
from ui.data_views.token_preview_view import TokenPreviewView
from ui.data_views.upload import UploadView
from ui.data_views.versions_view import VersionsView
from ui.session import AppContext, Session
from ui.text import text

# what "Import data" does, without the server: the pane opens, and the dataset with its buttons gives way to it
TO_IMPORT = "() => [{__type__: 'update', visible: true}, {__type__: 'update', visible: 'hidden'}, '', '']"


class DataPage:
    """`opened` gives the values for `shown`: while there is no dataset the import alone is seen, after a failed one too."""

    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.pick = gr.Textbox(visible="hidden", show_label=False, label="dataset", elem_id="dataset", elem_classes=["ts-hidden"])
        with gr.Row(equal_height=False, elem_id="data-room"):
            self.library = LibraryView(context)
            with gr.Column(elem_id="data-main", min_width=300):
                self.notice = gr.HTML(elem_id="data-notice", padding=False)
                with gr.Column(visible="hidden", elem_id="data-import") as self.importing:
                    self.bring = UploadView(context)
                with gr.Column(visible="hidden", elem_id="data-detail") as self.detail:
                    self._detail()
        self.views = [self.rows, self.editing, self.quality, self.columns, self.tokens, self.versions, self.deleting]
        self.shown = [self.pick, *self.library.shown, *self.panes, *[part for view in self.views for part in view.shown]]
        self._wire()

    def _detail(self) -> None:
        with gr.Row(elem_classes="ts-detail-head", equal_height=False):
            self.summary = gr.HTML(elem_id="data-summary", padding=False, min_width=260)
            self.use = gr.Button(text("data-use"), variant="primary", elem_id="use-data", scale=0, min_width=120)
        self.panes = [self.notice, self.importing, self.detail, self.summary, self.bring.head, self.bring.mixing]
        self.panes += [self.bring.activity.told, self.bring.activity.cancel]
        checking = gr.Timer(1.0, active=False)
        with gr.Tabs(elem_id="data-tabs", overflow_behavior="wrap") as self.tabs:
            with gr.Tab(text("data-tab-rows"), id="rows"):
                self.rows = RowsView(self.context)
                self.editing = EditView(self.context)
            with gr.Tab(text("data-tab-quality"), id="quality") as quality:
                self.quality = QualityView(self.context, quality, checking)
            with gr.Tab(text("data-tab-columns"), id="columns"):
                self.columns = ColumnsView(self.context)
            with gr.Tab(text("data-tab-tokens"), id="tokens") as tokens:
                self.tokens = TokenPreviewView(self.context, tokens)
            with gr.Tab(text("data-tab-versions"), id="versions"):
                self.versions = VersionsView(self.context)
            with gr.Tab(text("data-tab-more"), id="more"):
                self.deleting = DeleteView(self.context)

    def _wire(self) -> None:
        outs = [self.session, *self.shown]
        self.library.add.click(None, None, [self.importing, self.detail, self.notice, self.bring.activity.told], js=TO_IMPORT)
        self.library.wire(self.pick)
        self.bring.wire(self.on_imported, [*outs, *self.bring.cleared])
        self.rows.wire(self.pick)
        self.quality.wire(self.pick, self.summary, self.library.list, library_view.drawn, self.on_saved, outs)
        for view in (self.editing, self.columns, self.tokens):
            view.wire(self.pick, self.on_saved, outs)
        self.versions.wire(self.pick)
        self.deleting.wire(self.pick, self.session, self.opened, outs)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def opened(self, ws: Workspace, ref: str | None, note: str = "") -> dict:
        """Values for `shown`: the dataset `ref`, else the newest, else the import; `note` is what has just happened."""
        ds = find(ws, ref)
        if ref and ds is None:
            note += html.gone("dataset", ref)
        if ds is None and (found := store.listing(ws)):
            ds = found[0]
        values = {self.notice: note, **self._panes(ws, importing=ds is None), **self.library.values(ws, ds.ref if ds else None)}
        values |= self.bring.activity.cleared()
        return values | {self.pick: ds.ref if ds else None} | (self._shown(ws, ds) if ds else {self.quality.timer: gr.Timer(active=False)})

    def _panes(self, ws: Workspace, importing: bool) -> dict:
        there = len(store.listing(ws))
        return {
            self.importing: gr.update(visible=True if importing else "hidden"),
            self.detail: gr.update(visible="hidden" if importing else True),
            self.bring.head: head(first=not there),
            self.bring.mixing: gr.update(visible=there > 1),
        }

    def _shown(self, ws: Workspace, ds: Dataset) -> dict:
        return {
            self.summary: summary(ds),
            **self.rows.values(ws, ds),
            **self.editing.values(),
            **self.quality.values(ws, ds),
            **self.columns.values(ds),
            **self.tokens.values(),
            **self.versions.values(ws, ds),
            **self.deleting.values(),
        }

    # --- what was made ------------------------------------------------------------------------------------------------

    def on_imported(self, ref, session, request: gr.Request) -> dict:
        """Show what was imported. What failed keeps the import open, beside the reason, and no other dataset poses as its result."""
        ws = self.context.workspace(request)
        if not ref:
            return {self.session: gr.skip(), self.bring.file: None, **self._panes(ws, importing=True), self.notice: ""}
        ds = store.get(ws, ref)
        note = html.good(text("data-imported", name=ds.name, rows=ds.rows))
        emptied = dict.fromkeys(self.bring.cleared)
        return {self.session: Session.read(session).with_(data=ref), **self.opened(ws, ref, note), **emptied}

    def on_saved(self, ref, session, request: gr.Request) -> dict:
        """Show the version that was made; what failed is told where it was started, and the rest stays."""
        if not ref:
            return {self.session: gr.skip()}
        ws = self.context.workspace(request)
        note = html.good(text("data-saved", version=store.get(ws, ref).version))
        return {self.session: Session.read(session).with_(data=ref), **self.opened(ws, ref, note)}


def head(first: bool) -> str:
    """Say what comes here; the invitation only while there is nothing yet."""
    title = say("data-import-first" if first else "data-import")
    return f"<h2>{title}</h2>{quiet(text('data-import-intro'))}"


def find(ws: Workspace, ref: str | None) -> Dataset | None:
    """Return a dataset version, None where there is no such one."""
    try:
        return store.get(ws, ref) if ref else None
    except TunerError:
        return None
