"""The library: all datasets as links, the shown one marked; a search when there are many."""

import gradio as gr

from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.formatting import human_bytes
from tuner.paths import Workspace
from ui.components import html
from ui.data_views import summaries
from ui.data_views.summaries import say
from ui.session import AppContext
from ui.text import text

LISTED = 100  # datasets drawn at a time: a browser and each visitor's connection carry them all
FEW = 7  # datasets that are found at a glance, without a search


class LibraryView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Column(scale=0, min_width=280, visible=False, elem_id="library", elem_classes="ts-library") as self.column:
            self.add = gr.Button(text("data-add"), elem_id="import-data")
            self.search = gr.Textbox(
                label=text("data-search.label"),
                placeholder=text("data-search.placeholder"),
                max_lines=1,
                visible=False,
                elem_id="search-datasets",
            )
            self.list = gr.HTML(elem_id="datasets", padding=False)
        self.shown = [self.column, self.search, self.list]

    def wire(self, pick: gr.Textbox) -> None:
        self.search.change(self.on_search, [pick, self.search], self.list, queue=False, show_progress="hidden", trigger_mode="always_last")

    def on_search(self, ref, query, request: gr.Request):
        return drawn(self.context.workspace(request), ref, query or "")

    def values(self, ws: Workspace, ref: str | None) -> dict:
        """Values for `shown`: nothing at all while there is no dataset."""
        there = len(store.listing(ws))
        return {
            self.column: gr.update(visible=bool(there)),
            self.search: gr.update(visible=there > FEW, value=""),
            self.list: drawn(ws, ref),
        }


def matching(ws: Workspace, query: str) -> list[Dataset]:
    """Return the newest version of each dataset whose name, source or kind has all words of the query."""
    words = query.casefold().split()
    found = store.listing(ws)
    if not words:
        return found
    texts = ((ds, f"{ds.name} {ds.source_name} {ds.id} {summaries.kind(ds)}".casefold()) for ds in found)
    return [ds for ds, said in texts if all(word in said for word in words)]


def drawn(ws: Workspace, ref: str | None, query: str = "") -> str:
    """Draw the first datasets that match, and how many there are beyond them."""
    found = matching(ws, query)
    if not found:
        return summaries.quiet(text("data-none-found", query=query)) if query else ""
    items = "".join(f"<li>{item(ws, ds, ref)}</li>" for ds in found[:LISTED])
    more = summaries.quiet(text("data-listed", shown=LISTED, total=len(found))) if len(found) > LISTED else ""
    return f'<nav aria-label="{say("data-library")}"><ul class="ts-items">{items}</ul></nav>{more}'


def item(ws: Workspace, ds: Dataset, ref: str | None) -> str:
    """Draw a dataset as a link to it: name, size, kind, warnings. An older version that is shown stands for its dataset."""
    chosen = bool(ref) and ref.partition("@")[0] == ds.id
    name = html.escape(ds.name)
    facts = html.escape(" · ".join((text("data-rows", n=ds.rows), human_bytes(ds.bytes), summaries.kind(ds))))
    warned = summaries.warnings(ds)
    warning = f"<br>{html.state('warning', text('data-warnings', n=warned))}" if warned else ""
    mark = ' aria-current="true"' if chosen else ""
    return (
        f'<a class="ts-item" href="data?dataset={html.escape(ds.ref)}" data-page="data" title="{name}"{mark}>'
        f'<b class="ts-name" translate="no">{name}</b><span class="ts-quiet">{facts}</span>{warning}</a>'
    )
