"""The rows of a dataset, a page at a time: all, the training rows or the validation rows."""

from collections.abc import Iterable

import gradio as gr

from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.paths import Workspace
from ui.components import html
from ui.data_views.summaries import quiet, say
from ui.session import AppContext
from ui.text import text

PAGE, LONGEST = 20, 4000  # rows; characters of a cell
SIDES = {"all": None, "train": False, "held": True}


class RowsView:
    def __init__(self, context: AppContext):
        self.context = context
        self.which = gr.Radio(
            [(text(f"data-which-{side}"), side) for side in SIDES],
            value="all",
            label=text("data-which.label"),
            info=text("data-which.info"),
            elem_id="which-rows",
        )
        self.rows = gr.HTML(elem_id="rows", padding=False)
        with gr.Row(elem_classes="ts-pager"):
            self.back = gr.Button(text("data-previous"), size="sm", elem_id="rows-previous")
            self.forth = gr.Button(text("data-next"), size="sm", elem_id="rows-next")
            self.place = gr.HTML(elem_id="rows-place", padding=False)
        self.at = gr.State(0)
        self.page = [self.rows, self.at, self.back, self.forth, self.place]
        self.shown = [self.which, *self.page]

    def wire(self, pick: gr.Textbox) -> None:
        quick = {"queue": False, "show_progress": "hidden"}
        self.which.input(self.on_page, [pick, self.which], self.page, **quick)
        for button, step in ((self.back, -PAGE), (self.forth, PAGE)):
            button.click(self._turning(step), [pick, self.which, self.at], self.page, **quick)

    def values(self, ws: Workspace, ds: Dataset) -> dict:
        """Values for `shown`: the first rows of all."""
        page = dict(zip(self.page, turned(ds, "all", 0), strict=True))
        return {self.which: gr.update(value="all", visible=bool(ds.held_out)), **page}

    def on_page(self, ref, which, request: gr.Request):
        return self._turned(ref, which, 0, request)

    def _turning(self, step: int):
        def turn(ref, which, at, request: gr.Request):
            return self._turned(ref, which, at + step, request)

        return turn

    def _turned(self, ref, which, at, request: gr.Request) -> list:
        if not ref:
            return [gr.skip()] * len(self.page)
        return turned(store.get(self.context.workspace(request), str(ref)), which, at)


def turned(ds: Dataset, which: str, at: int) -> list:
    """Values for the rows from `at` on, their position, both buttons and the range in words; the buttons only where there is more than a page."""
    total = {"all": ds.rows, "train": ds.rows - ds.held_out, "held": ds.held_out}[which]
    at = max(0, min(at, (total - 1) // PAGE * PAGE))
    found = store.rows(ds, at, PAGE, held_out=SIDES[which])
    last, several = at + len(found), total > PAGE
    place = quiet(text("data-range", first=at + 1, last=last, total=total)) if several else ""
    return [
        draw(found),
        at,
        gr.update(visible=several, interactive=at > 0),
        gr.update(visible=several, interactive=last < total),
        place,
    ]


def draw(items: Iterable[dict]) -> str:
    """Draw canonical rows as a person reads them."""
    drawn = [
        f'<div class="ts-row"><span class="ts-quiet">{say("data-row-validation" if i["held_out"] else "data-row", n=i["row"])}</span>'
        f"{_value(i['value'])}</div>"
        for i in items
    ]
    return "".join(drawn) or quiet(text("data-no-rows"))


def _value(value: dict) -> str:
    lines = []
    for key, content in value.items():
        if isinstance(content, list) and content and isinstance(content[0], dict):
            lines += [(m.get("role", key) if key in ("messages", "prompt") else key, m.get("content") or m) for m in content]
        else:
            lines.append((key, content))
    return "".join(
        f'<div class="ts-turn" translate="no" dir="auto"><b>{html.escape(str(k))}</b> {html.escape(str(v))[:LONGEST]}</div>'
        for k, v in lines
    )
