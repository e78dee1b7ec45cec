"""Export: cards of what can be made of a run, how big it is and what it is for; once made, its check and how to use it. Below them the API server."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gradio as gr

from tuner import runs
from tuner.export import formats, making
from tuner.paths import Workspace
from ui.components import dropdowns, html
from ui.export_views import drawn
from ui.export_views.hub_view import HubView
from ui.export_views.serve_view import ServeView
from ui.navigation import wire_drawing
from ui.session import AppContext
from ui.text import text

CARDS = (
    "adapter",
    "merged",
    "gguf",
    "adapter-gguf",
    "onnx",
    "space",
    "script",
    "llamafactory",
    "axolotl",
)  # a GGUF brings its Modelfile, so Ollama has no card of its own
ALWAYS = ("adapter", "merged")  # shown where they are not possible, too, with the reason


class Card(NamedTuple):
    """The parts of a card: itself, size and check, the buttons, how to use it, the download."""

    column: gr.Column
    about: gr.HTML
    make: gr.Button
    cancel: gr.Button
    code: gr.Code
    load: gr.DownloadButton


class ExportPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context = context
        self.going: dict[tuple, threading.Event] = {}  # (workspace, run, folder of an export) -> set when it is to be cancelled
        with gr.Column(visible=False, elem_id="take-top") as self.top:
            self.pick = gr.Dropdown([], label=text("export-run.label"), info=text("export-run.info"), elem_id="take-run", interactive=True)
        self.about = gr.HTML(elem_id="take-about", padding=False)
        with gr.Row(visible=False, equal_height=True) as self.filled:
            self.cards = {kind: self._card(kind) for kind in CARDS}
        self.hub, self.serve = HubView(context, self.pick), ServeView(context, self.pick)
        with gr.Accordion(text("export-card"), open=False, visible=False) as self.below:
            self.card = gr.Markdown(elem_id="model-card")
        parts = [part for card in self.cards.values() for part in card]
        self.shown = [
            self.pick,
            self.about,
            self.card,
            self.top,
            self.filled,
            self.below,
            self.quantize,
            *parts,
            *self.hub.shown,
            *self.serve.shown,
        ]
        wire_drawing(self.pick.input, "export", self.on_pick, self.pick, self.shown, queue=False)
        self.quantize.input(self.on_type, [self.pick, self.quantize], list(self.cards["gguf"]), queue=False, show_progress="hidden")
        for kind, card in self.cards.items():
            asked = [self.pick, self.quantize]
            card.make.click(self._making(kind), asked, [self.pick, self.quantize, *card], show_progress="hidden")
            card.cancel.click(self._cancelling(kind), asked, card.cancel, queue=False, show_progress="hidden")

    def _card(self, kind: str) -> Card:
        in_terminal = kind not in (*ALWAYS, "onnx")
        with gr.Column(min_width=420, elem_classes=["ts-card"], elem_id=f"card-{kind}") as column:
            gr.HTML(f"<h2>{text(f'export-{kind}')}</h2><p>{text(f'export-{kind}.info')}</p>", padding=False)
            made = gr.HTML(elem_id=f"made-{kind}", padding=False)
            if kind == "gguf":
                self.quantize = gr.Radio(
                    [(text(f"export-{name.replace('_', '-')}"), name) for name in formats.QUANTIZE],
                    value=next(iter(formats.QUANTIZE)),
                    label=text("export-quantize.label"),
                    info=text("export-quantize.info"),
                    elem_id="quantize",
                )
            with gr.Row():
                load = gr.DownloadButton(text("export-download"), visible=False, variant="primary", elem_id=f"download-{kind}")
                make = gr.Button(text(f"export-make-{kind}"), visible=False, elem_id=f"make-{kind}")
                cancel = gr.Button(text("export-cancel"), visible=False, elem_id=f"cancel-{kind}")
            use = gr.Code(
                label=text("export-use-gguf" if in_terminal else "export-use"),
                language="shell" if in_terminal else "python",
                lines=1,
                wrap_lines=True,
                buttons=["copy"],
                interactive=False,
                visible=False,
                elem_id=f"use-{kind}",
            )
            return Card(column, made, make, cancel, use, load)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, id: str | None) -> list:
        """Values for `shown`."""
        every = runs.listing(ws)
        found = list(dropdowns.answering(every, id))
        run = next((r for r in found if r.id == id), found[0] if found else None)
        if run is None:
            closed = gr.update(visible=False)
            said = html.empty(text("export-empty"), html.link("train", text("export-open-train"), primary=True))
            parts = [part for _ in self.cards for part in (closed, "", *[closed] * 4)]
            return [
                gr.update(choices=[], value=None),
                said,
                "",
                *[closed] * 4,
                *parts,
                *self.hub.show(ws, None),
                *self.serve.show(ws, None),
            ]
        more = (
            text("export-newest", n=dropdowns.NEWEST, total=f"{len(every):,}") if len(every) > dropdowns.NEWEST else text("export-run.info")
        )
        choices, opened = [dropdowns.option(r.name, r.id) for r in found], gr.update(visible=True)
        quantize = next(iter(formats.QUANTIZE))
        parts = [part for kind in self.cards for part in self._shown(ws, run, kind, quantize)]
        return [
            gr.update(choices=choices, value=run.id, info=more),
            drawn.about(run),
            drawn.card_of(run),
            *[opened] * 3,
            gr.update(visible="gguf" in formats.kinds(run), value=quantize),
            *parts,
            *self.hub.show(ws, run),
            *self.serve.show(ws, run),
        ]

    def _shown(self, ws: Workspace, run: runs.Run, kind: str, quantize: str) -> list:
        """Values for a card: what it would be, or what was made and its check."""
        possible, hidden = formats.kinds(run), gr.update(visible=False)
        if kind not in possible:
            return [gr.update(visible=kind in ALWAYS), drawn.not_possible(kind) if kind in ALWAYS else "", *[hidden] * 4]
        opened = gr.update(visible=True)
        every = {formats.folder_name(m["kind"], m.get("quantize")): m for m in making.exports_of(ws, run.id)}
        if not (made := every.get(formats.folder_name(kind, quantize))):
            look = "primary" if kind == possible[0] and not every else "secondary"
            make = gr.update(value=text(f"export-make-{kind}"), visible=True, interactive=True, variant=look)
            return [opened, drawn.before(ws, run, kind, quantize), make, *[hidden] * 3]
        zipped = Path(made["path"]).with_suffix(".zip")
        return [
            opened,
            drawn.after(made, None if self.context.guest else made["path"]),
            gr.update(value=text("export-again"), visible=True, interactive=True, variant="secondary"),
            hidden,
            gr.update(value=drawn.code(run, kind, made), visible=True),
            gr.update(
                value=str(zipped) if zipped.exists() else None,
                visible=zipped.exists(),
                variant="primary" if made["path"] == next(iter(every.values()))["path"] else "secondary",
            ),
        ]

    def on_pick(self, id, request: gr.Request):
        return self.show(self.context.workspace(request), id)

    def on_type(self, id, quantize, request: gr.Request):
        ws = self.context.workspace(request)
        return self._shown(ws, runs.get(ws, id), "gguf", quantize)

    # --- what is done -------------------------------------------------------------------------------------------------

    def _making(self, kind: str):
        """Export and check; another run is chosen after that, since this one's result stands in the card."""

        def make(id, quantize, request: gr.Request) -> Iterator[dict]:
            ws, card = self.context.workspace(request), self.cards[kind]
            free, busy, hidden = gr.update(interactive=True), gr.update(interactive=False), gr.update(visible=False)
            held = {self.pick: busy, self.quantize: busy, card.make: gr.update(visible=False), card.cancel: gr.update(visible=True)}
            freed = {self.pick: free, self.quantize: free}
            key = (ws.root, id, formats.folder_name(kind, quantize))
            stop = self.going.setdefault(key, threading.Event())

            def work(tell) -> None:
                made = making.make(ws, id or "", kind, quantize=quantize, waiting=tell, cancelled=stop.is_set)
                making.make_zip(Path(made["path"]))

            try:
                for said in drawn.working(work):
                    yield {card.about: said} | held
                yield freed | dict(zip(card, self._shown(ws, runs.get(ws, id), kind, quantize), strict=True))
            except Exception as error:
                again = gr.update(visible=True, interactive=True)
                yield {card.about: html.trouble(error), card.make: again, card.cancel: hidden} | freed
            finally:
                self.going.pop(key, None)

        return make

    def _cancelling(self, kind: str):
        """Cancel what is being made; the card says so itself when it has ended."""

        def cancel(id, quantize, request: gr.Request):
            stop = self.going.get((self.context.workspace(request).root, id, formats.folder_name(kind, quantize)))
            if stop is not None:
                stop.set()
            return gr.update(visible=False)

        return cancel
