"""The versions of a dataset: what made each, what differs between two, and all rows of one as a file."""

import json
import time

import gradio as gr

from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.data.store.diff import MOST, compare
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from ui.components import html
from ui.data_views.activity import trouble
from ui.data_views.summaries import english, made_by, quiet, say
from ui.session import AppContext
from ui.text import text

CHANGES = ("gone", "new", "changed", "moved")


class VersionsView:
    def __init__(self, context: AppContext):
        self.context = context
        self.list = gr.HTML(elem_id="versions")
        self.other = gr.Dropdown(
            [], label=text("data-compare.label"), info=text("data-compare.info"), elem_id="compare-with", min_width=220
        )
        self.differences = gr.HTML(elem_id="compared")
        with gr.Row():
            self.make = gr.Button(text("data-export"), elem_id="export-rows")
            self.load = gr.DownloadButton(text("data-download"), visible=False, elem_id="download-rows")
        self.written = gr.HTML(elem_id="export-told")
        self.shown = [self.list, self.other, self.load, self.written, self.differences]

    def wire(self, pick: gr.Textbox) -> None:
        self.other.input(self.on_compare, [pick, self.other], self.differences, show_progress="minimal")
        self.make.click(self.on_export, pick, [self.written, self.load], show_progress="hidden")

    def values(self, ws: Workspace, ds: Dataset) -> dict:
        """Values for `shown`."""
        found = store.history(ws, ds.id)
        others = [(text("data-compare-option", version=d.version, rows=d.rows), d.ref) for d in found if d.version != ds.version]
        return {
            self.list: table(found, ds),
            self.other: gr.update(choices=others, value=None, visible=bool(others)),
            self.load: gr.update(visible=False),
            self.written: "",
            self.differences: "",
        }

    def on_compare(self, ref, other, request: gr.Request):
        try:
            ws = self.context.workspace(request)
            old, new = sorted((store.get(ws, str(ref)), store.get(ws, str(other))), key=lambda ds: ds.version)
            return compared(old, new, compare(old, new))
        except Exception as error:
            return trouble(error, failure="")

    def on_export(self, ref, request: gr.Request):
        hidden = gr.update(visible=False)
        try:
            ws = self.context.workspace(request)
            ds = store.get(ws, str(ref))
            path = ws.exports / f"{ds.id}-version-{ds.version}.jsonl"
            job = data_jobs.begin(ws, "export", ref=ds.ref, path=str(path))
            while (state := data_jobs.progress(ws, job)).running:
                yield quiet(text("data-export-writing", n=state.rows, total=ds.rows)), hidden
                time.sleep(0.3)
            data_jobs.wait(ws, job)
            yield html.good(text("data-export-done", n=ds.rows)), gr.update(value=str(path), visible=True)
        except Exception as error:
            yield trouble(error, failure=""), hidden


def table(found: list[Dataset], shown: Dataset) -> str:
    """Draw the versions, the newest first, each with a link that opens it."""
    head = "".join(f"<th>{say(f'data-versions-{column}')}</th>" for column in ("version", "rows", "validation", "made", "when"))
    lines = ""
    for ds in found:
        made = html.escape(" ".join(map(made_by, ds.made_by))) or english(html.code(ds.reason))
        link = html.link("data", text("data-versions-open"), query=f"dataset={ds.ref}")
        open_ = html.state("good", text("data-versions-current")) if ds.version == shown.version else link
        when = html.escape(ds.created[:16].replace("T", " "))
        lines += (
            f"<tr><td>{say('data-version', n=ds.version)}</td><td>{ds.rows:,}</td><td>{ds.held_out:,}</td><td>{made}</td>"
            f"<td>{when}</td><td>{open_}</td></tr>"
        )
    return f'<table class="ts-table"><tr>{head}<th></th></tr>{lines}</table>'


def compared(old: Dataset, new: Dataset, found: dict) -> str:
    """Draw the counts in a sentence, and the first differences side by side."""
    changes = ", ".join(text(f"data-diff-{what}", n=found[what]) for what in CHANGES if found[what]) or text("data-diff-none")
    head = say("data-diff", old=old.version, new=new.version, changes=changes, same=found["same"])
    part = "" if found["whole"] else " " + say("data-diff-part", n=MOST)
    lines = "".join(
        f"<tr><td>{e['row']:,}</td><td>{say('data-diff-is-' + e['what'])}</td><td>{_cell(e['before'])}</td><td>{_cell(e['after'])}</td></tr>"
        for e in found["examples"]
    )
    versions = "".join(f"<th>{say('data-version', n=ds.version)}</th>" for ds in (old, new))
    drawn = f'<table class="ts-table"><tr><th>{say("data-problem-row")}</th><th></th>{versions}</tr>{lines}</table>' if lines else ""
    return f'<div class="ts-card">{head}{part}{drawn}</div>'


def _cell(value: dict | None) -> str:
    if value is None:
        return f'<span class="ts-quiet">{say("data-diff-absent")}</span>'
    if "messages" in value:
        said = (f"<b>{html.escape(m['role'])}</b> {html.escape(str(m['content'])[:300])}" for m in value["messages"][:6])
    else:
        said = [html.escape(json.dumps(value, ensure_ascii=False)[:600])]
    return f'<div translate="no">{"<br>".join(said)}</div>'
