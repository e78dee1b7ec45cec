"""Export: cards of what can be made of a run, how big it is and what it is for; once made, its check and how to use it. Below them the API server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from tuner import runs
from tuner.errors import TunerError
from tuner.export import converter, formats, model_card, sizes
from tuner.formatting import human_bytes
from tuner.paths import Workspace
from ui.components import dropdowns, html, units
from ui.export_views.serve_view import ServeView
from ui.navigation import wire_drawing
from ui.session import AppContext
from ui.text import text

CHECKS = {  # what a check compared: the end of its text's name
    "identical to the weights of the run": "copy",
    "the trained weights themselves": "weights",
    "scores of the merged model against the base model with its adapter": "scores",
    "answers of the GGUF against the merged model": "answers",
    "not tested": "untested",
}
POLL = 0.4  # seconds


class Card(NamedTuple):
    """The parts of a card: size and check, the button, how to use it, the download."""

    about: gr.HTML
    make: gr.Button
    code: gr.Code
    load: gr.DownloadButton


class ExportPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context = context
        with gr.Column(visible=False, elem_id="take-top") as self.top:
            self.pick = gr.Dropdown([], label=text("export-run.label"), info=text("export-run.info"), elem_id="take-run", interactive=True)
        self.about = gr.HTML(elem_id="take-about", padding=False)
        with gr.Row(visible=False, equal_height=True) as self.filled:
            self.cards = {kind: self._card(kind) for kind in formats.KINDS}
        self.serve = ServeView(context, self.pick)
        with gr.Accordion(text("export-card"), open=False, visible=False) as self.below:
            self.card = gr.Markdown(elem_id="model-card")
        parts = [part for card in self.cards.values() for part in card]
        self.shown = [self.pick, self.about, self.card, self.top, self.filled, self.below, self.quantize, *parts, *self.serve.shown]
        wire_drawing(self.pick.input, "export", self.on_pick, self.pick, self.shown, queue=False)
        for kind, card in self.cards.items():
            card.make.click(self._making(kind), [self.pick, self.quantize], [self.pick, *parts], show_progress="hidden")

    def _card(self, kind: str) -> Card:
        with gr.Column(min_width=300, elem_classes=["ts-card"], elem_id=f"card-{kind}"):
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
            use = gr.Code(
                label=text("export-use-gguf" if kind == "gguf" else "export-use"),
                language="shell" if kind == "gguf" else "python",
                lines=1,
                wrap_lines=True,
                buttons=["copy"],
                interactive=False,
                visible=False,
                elem_id=f"use-{kind}",
            )
            return Card(made, make, use, load)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, id: str | None) -> list:
        """Values for `shown`."""
        every = runs.listing(ws)
        found = list(dropdowns.answering(every, id))
        run = next((r for r in found if r.id == id), found[0] if found else None)
        if run is None:
            closed = gr.update(visible=False)
            said = html.empty(text("export-empty"), html.link("train", text("export-open-train"), primary=True))
            parts = [part for _ in self.cards for part in ("", *[closed] * 3)]
            return [gr.update(choices=[], value=None), said, "", *[closed] * 4, *parts, *self.serve.show(ws, None)]
        more = (
            text("export-newest", n=dropdowns.NEWEST, total=f"{len(every):,}") if len(every) > dropdowns.NEWEST else text("export-run.info")
        )
        choices, opened = [dropdowns.option(r.name, r.id) for r in found], gr.update(visible=True)
        parts = [part for kind in self.cards for part in self._shown(ws, run, kind)]
        return [
            gr.update(choices=choices, value=run.id, info=more),
            about(run),
            card_of(run),
            *[opened] * 3,
            gr.update(visible="gguf" in formats.kinds(run)),
            *parts,
            *self.serve.show(ws, run),
        ]

    def _shown(self, ws: Workspace, run: runs.Run, kind: str) -> list:
        """Values for a card: what it would be, or what was made and its check."""
        possible = formats.kinds(run)
        if kind not in possible:
            return [not_possible(kind), *[gr.update(visible=False)] * 3]
        every = {m["kind"]: m for m in formats.exports_of(ws, run.id)}
        if not (made := every.get(kind)):
            look = "primary" if kind == possible[0] and not every else "secondary"
            make = gr.update(value=text(f"export-make-{kind}"), visible=True, interactive=True, variant=look)
            return [before(ws, run, kind), make, gr.update(visible=False), gr.update(visible=False)]
        zipped = Path(made["path"]).with_suffix(".zip")
        return [
            after(made, None if self.context.guest else made["path"]),
            gr.update(value=text("export-again"), visible=True, interactive=True, variant="secondary"),
            gr.update(value=code(run, kind, Path(made["path"])), visible=True),
            gr.update(
                value=str(zipped) if zipped.exists() else None,
                visible=zipped.exists(),
                variant="primary" if kind == next(iter(every)) else "secondary",
            ),
        ]

    def on_pick(self, id, request: gr.Request):
        return self.show(self.context.workspace(request), id)

    # --- what is done -------------------------------------------------------------------------------------------------

    def _making(self, kind: str):
        """Export and check; another run is chosen after that, since this one's result stands in the card."""

        def make(id, quantize, request: gr.Request) -> Iterator[dict]:
            ws, free, busy, card = (
                self.context.workspace(request),
                gr.update(interactive=True),
                gr.update(interactive=False),
                self.cards[kind],
            )
            try:
                for said in working(
                    kind, lambda tell: formats.make_zip(Path(formats.make(ws, id or "", kind, quantize=quantize, waiting=tell)["path"]))
                ):
                    yield {card.about: said, self.pick: busy, card.make: busy}
                run = runs.get(ws, id)
                yield {self.pick: free} | {p: v for k, c in self.cards.items() for p, v in zip(c, self._shown(ws, run, k), strict=True)}
            except Exception as error:
                yield {card.about: html.trouble(error), self.pick: free, card.make: free}

        return make


def working(kind: str, work) -> Iterator[str]:
    """Do the work in a thread and yield what it is doing, and for how long, until it is done; raises its error. `work(tell)` calls
    `tell(seconds, what)`."""
    doing = [""]

    def tell(_: float, what: str) -> None:
        doing[0] = what

    with ThreadPoolExecutor(1) as pool:
        begun, future = time.monotonic(), pool.submit(work, tell)
        while not future.done():
            said = text(f"export-making-{kind}", seconds=int(time.monotonic() - begun))
            now = f'<p class="ts-quiet" lang="en">{html.escape(doing[0])}</p>' if doing[0] else ""
            yield f'<p role="status">{html.state("quiet", said)}</p>{now}'
            time.sleep(POLL)
        future.result()


def not_possible(kind: str) -> str:
    return f"<p>{html.state('quiet', text('export-not-available'))}</p><p class='ts-quiet'>{html.escape(text(f'export-{kind}-not'))}</p>"


def about(run: runs.Run) -> str:
    """The run in a line: its base model and method, and the way to it."""
    settings, name = run.plan["settings"], html.escape(run.name)
    base = f'<span translate="no">{html.escape(run.plan["model"]["name"])}</span>'
    facts = text("export-about", model=base, method=html.escape(text(f"method-{settings['method'].replace('_', '-')}.label")))
    links = (
        html.link("runs", text("export-open-run"), query=f"run={run.id}")
        + " "
        + html.link("chat", text("export-chat"), query=f"model={run.id}")
    )
    return f'<div class="ts-line"><span class="ts-quiet"><b class="ts-short" translate="no" title="{name}">{name}</b> {facts}</span> <span>{links}</span></div>'


def card_of(run: runs.Run) -> str:
    """The run's model card without its front matter."""
    file = run.path / "card.md"
    found = file.read_text(encoding="utf-8") if file.exists() else ""
    return found.split("---\n")[-1] if found.startswith("---") else found


def before(ws: Workspace, run: runs.Run, kind: str) -> str:
    """How big it will be, and what is in it."""
    try:
        size = text("export-size-about", size=human_bytes(sizes.estimate(run, kind)))
    except TunerError:
        size = text("export-size-unknown")  # a damaged model, which the export itself reports
    base = f'<span translate="no">{html.escape(run.plan["model"]["name"])}</span>'
    if kind == "gguf":
        fetched = converter.there(converter.place(ws))
        return f"<p><b>{html.escape(size)}</b></p><p class='ts-quiet'>{text('export-gguf-made' if fetched else 'export-gguf-fetch')}</p>"
    shipped = ("export-with-base" if sizes.shipped_base(run) else "export-needs-base") if kind == "adapter" else "export-whole"
    return f"<p><b>{html.escape(size)}</b></p><p class='ts-quiet'>{text(shipped, model=base)}</p>"


def after(made: dict[str, Any], path: str | None) -> str:
    """The verdict of the check, the size, and where it lies."""
    check = made["check"]
    known = CHECKS.get(check["kind"])
    verdict = (
        text(f"export-checked-{known}", kl=f"{check.get('max_kl', check.get('kl', 0)):.6f}", **answers(check))
        if known
        else text("export-checked")
    )
    note = f'<p class="ts-quiet" lang="en">{html.escape(check["note"])}</p>' if check.get("note") else ""
    where = f'<p class="ts-quiet">{html.escape(text("export-in"))} <code translate="no">{html.escape(path)}</code></p>' if path else ""
    untested = known == "untested"
    head = html.state("warning" if untested else "good", text("export-untested" if untested else "export-checked"))
    return f"<p>{head}</p><p>{html.escape(verdict)}</p>{note}<p><b>{human_bytes(made['bytes'])}</b></p>{where}"


def answers(check: dict[str, Any]) -> dict[str, Any]:
    """What a self-test found, as its sentence names it."""
    if not check.get("runtime"):
        return {"reason": check.get("reason", "")}
    return {"runtime": check["runtime"], "n": check["prompts"], "share": units.percent(check["top1_agreement"], 1)}


def code(run: runs.Run, kind: str, folder: Path) -> str:
    """The lines that load an export, inside its folder."""
    if kind == "gguf":
        return model_card.lines("gguf", run.plan, here=next(folder.glob("*.gguf")).name)
    base = "./base" if (folder / "base").is_dir() else run.plan["model"]["base"]
    return model_card.lines(
        "adapter" if kind == "adapter" else "model", run.plan, base=base, labels=model_card.labels_in(run.path / "model")
    )
