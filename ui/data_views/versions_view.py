"""The versions of the chosen data: what made each, what differs between two, and all rows of one as a file."""

import json
import time

import gradio as gr

from tuner.data.store import store
from tuner.data.store.diff import MOST, compare
from tuner.jobs import data_jobs
from ui.components import html
from ui.data_views.summaries import made_by
from ui.session import AppContext

WORDS = {"gone": "rows left out", "new": "rows more", "changed": "rows changed", "moved": "rows moved between learning and testing"}


class VersionsView:
    def __init__(self, context: AppContext):
        self.context = context
        self.list = gr.HTML(elem_id="versions")
        with gr.Row():
            self.other = gr.Dropdown(
                [],
                label="Compare with",
                info="Another version of the same data. To go back to one, choose it in Data above.",
                elem_id="compare-with",
                min_width=220,
            )
            with gr.Column(min_width=220):
                self.make = gr.Button("All rows of this version as JSONL", size="sm", elem_id="export-rows")
                self.load = gr.DownloadButton("Download", size="sm", visible=False, elem_id="download-rows")
                self.written = gr.HTML()
        self.told = gr.HTML(elem_id="compared")
        self.shown = [self.list, self.other, self.load, self.written, self.told]

    def wire(self, pick: gr.Dropdown) -> None:
        self.other.input(self.on_compare, [pick, self.other], self.told, show_progress="minimal")
        self.make.click(self.on_export, pick, [self.written, self.load], show_progress="hidden")

    def nothing(self) -> list:
        return ["", gr.update(choices=[], value=None), gr.update(visible=False), "", ""]

    def values(self, ws, ds) -> list:
        """Values for `shown`."""
        found = store.history(ws, ds.id)
        lines = [
            (
                d.version,
                f"{d.rows:,}",
                f"{d.held_out:,}",
                " ".join(map(made_by, d.made_by)) or d.reason.replace("`", ""),
                d.created[:16].replace("T", " "),
            )
            for d in found
        ]
        others = [(f"version {d.version} · {d.rows:,} rows", d.ref) for d in found if d.version != ds.version]
        table = html.table(["Version", "Rows", "Held out", "Made by", "When (UTC)"], lines)
        return [table, gr.update(choices=others, value=None, visible=bool(others)), gr.update(visible=False), "", ""]

    def on_compare(self, ref, other, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            new, old = store.get(ws, str(ref)), store.get(ws, str(other))
            old, new = sorted((old, new), key=lambda ds: ds.version)
            return compared(old, new, compare(old, new))
        except Exception as error:
            return html.trouble(error)

    def on_export(self, ref, request: gr.Request):
        hidden = gr.update(visible=False)
        try:
            ws = self.context.workspace(request)
            ds = store.get(ws, str(ref))
            path = ws.exports / f"{ds.id}-version-{ds.version}.jsonl"
            job = data_jobs.begin(ws, "export", ref=ds.ref, path=str(path))
            while (state := data_jobs.progress(ws, job)).running:
                yield f'<p class="ts-quiet">Writing row {state.rows:,} of {ds.rows:,}.</p>', hidden
                time.sleep(0.3)
            data_jobs.wait(ws, job)
            yield html.good(f"{ds.rows:,} rows are written."), gr.update(value=str(path), visible=True)
        except Exception as error:
            yield html.trouble(error), hidden


def compared(old, new, found: dict) -> str:
    """The counts in a sentence, and the first differences side by side."""
    counts = [f"{found[what]:,} {words}" for what, words in WORDS.items() if found[what]]
    head = f"From version {old.version} to version {new.version}: {', '.join(counts) or 'no row differs'}; {found['same']:,} rows are the same."
    part = "" if found["whole"] else f" Only the first {MOST:,} rows of each were compared."
    lines = "".join(
        f"<tr><td>{e['row']}</td><td>{WORDS[e['what']].removeprefix('rows ')}</td><td>{_cell(e['before'])}</td><td>{_cell(e['after'])}</td></tr>"
        for e in found["examples"]
    )
    table = (
        f'<table class="ts-table"><tr><th>Row</th><th></th><th>Version {old.version}</th><th>Version {new.version}</th></tr>{lines}</table>'
        if lines
        else ""
    )
    return f'<div class="ts-card">{html.escape(head + part)}{table}</div>'


def _cell(value: dict | None) -> str:
    if value is None:
        return '<span class="ts-quiet">not there</span>'
    if "messages" in value:
        return "<br>".join(f"<b>{html.escape(m['role'])}</b> {html.escape(str(m['content'])[:300])}" for m in value["messages"][:6])
    return html.escape(json.dumps(value, ensure_ascii=False)[:600])
