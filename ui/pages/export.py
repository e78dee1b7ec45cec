"""Cards: what can be made of a run, how big it is, what it is for; once made, its check and the lines that load it."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr

from tuner import runs
from tuner.export import formats, model_card, sizes
from tuner.formatting import human_bytes
from tuner.paths import Workspace
from ui.components import dropdowns, html
from ui.session import AppContext

TITLES = {"adapter": "The adapter", "merged": "The merged model"}
WITHOUT = {
    "adapter": "This way of tuning has no adapter: take the whole model.",
    "merged": "What this way of tuning adds can't be merged into the model: take the adapter.",
}
PICK = "Runs that have a model."
ELSEWHERE = "open another in the Runs page, then come back."
EMPTY = '<p class="ts-quiet">Nothing to take away yet: train a model first.</p>'


class ExportPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context = context
        self.pick = gr.Dropdown([], label="Run", info=PICK, elem_id="take-run", interactive=True)
        self.about = gr.HTML(EMPTY, elem_id="take-about")
        self.cards: dict[str, tuple] = {}
        with gr.Row():
            for kind, title in TITLES.items():
                with gr.Column(min_width=300):
                    gr.Markdown(f"### {title}\n{formats.KINDS[kind]}")
                    made = gr.HTML(elem_id=f"made-{kind}")
                    make = gr.Button(f"Make {title[0].lower() + title[1:]}", visible=False, elem_id=f"make-{kind}")
                    code = gr.Code(label="In Python, inside the unpacked folder", language="python", interactive=False, visible=False)
                    load = gr.DownloadButton("Download as .zip", visible=False, elem_id=f"download-{kind}")
                    self.cards[kind] = (made, make, code, load)
        with gr.Accordion("The model card", open=False):
            self.card = gr.Markdown(elem_id="model-card")
        self.shown = [self.pick, self.about, self.card, *[c for four in self.cards.values() for c in four]]
        self.pick.input(self.on_pick, self.pick, self.shown, queue=False)
        for kind, (made, make, code, load) in self.cards.items():
            make.click(self._making(kind), self.pick, [made, make, code, load], show_progress="hidden")

    def show(self, ws: Workspace, id: str | None) -> list:
        """Values for `shown`."""
        every = runs.listing(ws)
        found = list(dropdowns.answering(every, id))
        run = next((r for r in found if r.id == id), found[0] if found else None)
        if run is None:
            return [gr.update(choices=[], value=None), EMPTY, "", *[v for _ in self.cards for v in ("", *[gr.update(visible=False)] * 3)]]
        text = (run.path / "card.md").read_text(encoding="utf-8") if (run.path / "card.md").exists() else ""
        said = f'<p class="ts-quiet">{html.escape(run.name)}: {html.escape(run.plan["model"]["name"])}, method {run.plan["settings"]["method"]}.</p>'
        return [
            gr.update(
                choices=[dropdowns.option(r.name, r.id) for r in found], value=run.id, info=dropdowns.info(PICK, len(every), ELSEWHERE)
            ),
            said,
            text.split("---\n")[-1] if text.startswith("---") else text,
            *[v for kind in self.cards for v in self._card(ws, run, kind)],
        ]

    def _card(self, ws: Workspace, run: runs.Run, kind: str) -> list:
        if kind not in formats.kinds(run):
            return [html.good(WITHOUT[kind]), *[gr.update(visible=False)] * 3]
        made = next((m for m in formats.exports_of(ws, run.id) if m["kind"] == kind), None)
        if made is None:
            return [
                f"<p>about {human_bytes(sizes.estimate(run, kind))}; safetensors with tokenizer, chat template and card</p>",
                gr.update(visible=True, interactive=True),
                gr.update(visible=False),
                gr.update(visible=False),
            ]
        check = made["check"]
        verdict = f"Checked: {check['kind']}" + (f", KL {check['max_kl']:.6f}" if "max_kl" in check else "") + "."
        zipped = Path(made["path"]).with_suffix(".zip")
        where = (
            f"<p>{human_bytes(made['bytes'])} in <code>{html.escape(made['path'])}</code></p>"
            if not self.context.guest
            else f"<p>{human_bytes(made['bytes'])}</p>"
        )
        base = "./base" if (Path(made["path"]) / "base").is_dir() else run.plan["model"]["base"]
        return [
            html.good(verdict) + where,
            gr.update(visible=True, interactive=True),
            gr.update(
                value=model_card.lines(
                    "adapter" if kind == "adapter" else "model", run.plan, base=base, labels=model_card.labels_in(run.path / "model")
                ),
                visible=True,
            ),
            gr.update(value=str(zipped) if zipped.exists() else None, visible=zipped.exists()),
        ]

    def on_pick(self, id, request: gr.Request):
        return self.show(self.context.workspace(request), id)

    def _making(self, kind: str):
        def make(id, request: gr.Request):
            ws = self.context.workspace(request)
            still = [gr.update(interactive=False), gr.skip(), gr.skip()]
            try:
                with ThreadPoolExecutor(1) as pool:
                    begun = time.monotonic()
                    work = pool.submit(lambda: formats.make_zip(Path(formats.make(ws, id or "", kind)["path"])))
                    while not work.done():
                        yield [f'<p class="ts-quiet">Making it, and checking it ({time.monotonic() - begun:.0f} s)</p>', *still]
                        time.sleep(0.4)
                    work.result()
                yield self._card(ws, runs.get(ws, id), kind)
            except Exception as error:
                yield [html.trouble(error), gr.update(interactive=True), gr.skip(), gr.skip()]

        return make
