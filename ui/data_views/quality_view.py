"""The quality of a dataset: findings with why they matter and a button that fixes each in a new version, and the rows that were left out."""

from collections.abc import Callable

import gradio as gr

from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.data.versions import new_version
from tuner.errors import NotFoundError, TunerError
from tuner.formatting import human_time
from tuner.jobs import data_jobs, token_preview
from tuner.jobs.job import JobStatus
from tuner.paths import Workspace
from ui.components import actions, html, units
from ui.components.actions import Actions
from ui.data_views import summaries
from ui.data_views.activity import Activity, failed
from ui.data_views.summaries import english, quiet, say
from ui.session import AppContext
from ui.text import text

LARGE = 20_000  # rows: a fix of more of them runs in a process of its own
ROWS, EXAMPLES = 8, 4  # of a finding
SEVERITIES = {"decide": ("data-quality-warnings", "warning"), "remark": ("data-quality-remarks", "quiet")}  # heading and state


class QualityView:
    """While the report is in the making `timer` draws it anew; the tab's name says how many warnings there are. The timer stands outside of
    the tab: what is in a tab that nobody has opened does not tick."""

    def __init__(self, context: AppContext, tab: gr.Tab, timer: gr.Timer):
        self.context, self.tab, self.timer = context, tab, timer
        self.head = gr.HTML(elem_id="health")
        self.activity = Activity(context, elem_id="fix-told", failure="data-failed-version")
        self.findings = gr.HTML(elem_id="findings")
        self.problems = gr.HTML(elem_id="problems")
        self.fixes = Actions("fix")
        self.drawn = [self.tab, self.head, self.findings, self.timer]
        self.shown = [*self.drawn, self.problems, self.activity.told, self.activity.cancel]

    def wire(self, pick: gr.Textbox, summary: gr.HTML, library: gr.HTML, listed: Callable, done: Callable, outs: list) -> None:
        """`listed(ws, ref)` draws the library, whose warnings are known when the report is complete."""

        def tick(ref, request: gr.Request):
            return self.on_tick(ref, request, summary, library, listed)

        self.timer.tick(tick, pick, [summary, library, *self.drawn], queue=False, show_progress="hidden")
        self.activity.wire(self.fixes.field.change, fixed, [self.fixes.field], done, outs)

    def on_tick(self, ref, request: gr.Request, summary: gr.HTML, library: gr.HTML, listed: Callable) -> dict:
        ws = self.context.workspace(request)
        try:
            ds = store.get(ws, ref)
        except NotFoundError:  # deleted a moment ago: nothing is left to look at
            return {self.timer: gr.Timer(active=False)}
        values = self.report(ws, ds)
        if summaries.report(ds).get("complete"):
            values[library] = listed(ws, ref)
            if not self.context.guest:
                count_tokens(ws, ds)
        return {summary: summaries.summary(ds), **values}

    def values(self, ws: Workspace, ds: Dataset) -> dict:
        """Values for `shown`."""
        return {**self.report(ws, ds), self.problems: summaries.problems(ds), **self.activity.cleared()}

    def report(self, ws: Workspace, ds: Dataset) -> dict:
        """Values for `drawn`; sees that the report is made. Where it can't be, the rest of the page goes on."""
        try:
            job = data_jobs.quality_report(ws, ds)
            now = data_jobs.progress(ws, job) if job else None
        except TunerError as error:
            return {self.tab: gr.skip(), self.head: english(html.trouble(error)), self.findings: "", self.timer: gr.Timer(active=False)}
        document, n = summaries.report(ds), summaries.warnings(ds)
        return {
            self.tab: gr.update(label=text("data-tab-quality-n", n=n) if n else text("data-tab-quality")),
            self.head: head(document, now),
            self.findings: findings(document, ds),
            self.timer: gr.Timer(active=bool(now and now.running)),
        }


def fixed(ws: Workspace, pressed: str) -> "str | Dataset":
    """Apply the fix whose button was pressed: the new version, or the id of the job that makes it."""
    ref, _, wish = actions.value(pressed).partition("|")
    wishes = [tuple(wish.split("|", 1))]
    if store.get(ws, ref).rows < LARGE:
        return new_version.apply_fixes(ws, ref, wishes)
    return data_jobs.begin(ws, "mend", ref=ref, wishes=wishes)


def count_tokens(ws: Workspace, ds: Dataset) -> None:
    """Have the tokens counted in the background after the report, so that they are there when they are looked at."""
    try:
        token_preview.start(ws, ds.ref, "starter")
    except TunerError:
        return  # data without such a view; opening the view says why


# ---- what is drawn


def head(document: dict, now: JobStatus | None) -> str:
    """Draw the score, an honest word on what the rows are enough for, and the charts."""
    if now and now.state == "failed":
        return failed(now.errors, failure="")
    going = ""
    if now:
        left = f" · {text('data-progress-left', time=human_time(now.eta_seconds))}" if now.eta_seconds else ""
        going = quiet(text("data-quality-progress", share=round(100 * now.done / max(1, now.total))) + left)
    if not document:
        return quiet(text("data-quality-wait")) + going
    charts = document["charts"]
    said = english(f"<p><b>{html.escape(document['score'])}.</b> {html.escape(document['teaches'])}</p>")
    drawn = bars(text("data-lengths"), charts["lengths"]) + bars(text("data-labels"), charts["labels"])
    return f'{said}{going}<div class="ts-charts">{drawn}</div>'


def bars(title: str, counts: list[dict]) -> str:
    """Draw counts as a table of bars; "" when there is nothing to count."""
    if not any(c["count"] for c in counts):
        return ""
    most = max(c["count"] for c in counts)
    lines = "".join(
        f'<tr><td translate="no">{html.escape(str(c["label"]))}</td><td style="width:60%"><span class="ts-bar thin"><span class="ts-fill" '
        f'style="width:{100 * c["count"] / most:.1f}%"></span></span></td><td>{c["count"]:,}</td></tr>'
        for c in counts
        if c["count"]
    )
    return f'<figure class="ts-chart"><figcaption><b>{html.escape(title)}</b></figcaption><table class="ts-table">{lines}</table></figure>'


def findings(document: dict, ds: Dataset) -> str:
    """Draw all findings, those that ask for a decision first."""
    out = ""
    for severity, (heading, kind) in SEVERITIES.items():
        cards = [card(found, ds.ref, kind, ds.rows) for found in document.get("findings", []) if found["severity"] == severity]
        out += f"<h3>{say(heading)}</h3>{''.join(cards)}" if cards else ""
    nothing = document.get("complete") and not out and not ds.problem_count
    return out or (html.good(text("data-quality-none")) if nothing else "")


def _word(fix: dict, rows: int) -> str:
    """Return what stands on the button of a fix, with how many of the rows it removes."""
    word = text(f"data-fix-{fix['key'].replace('_', '-')}")
    n = fix.get("removes")
    return text("data-fix-removes", word=word, n=n, shown=units.count(n), rows=units.count(rows)) if n else word


def card(found: dict, ref: str, kind: str, rows: int) -> str:
    """Draw a finding: what, why it matters, where, examples, and its fixes. `rows`: how many the dataset has."""
    numbers = ", ".join(f"{n:,}" for n in found["rows"][:ROWS])
    where = quiet(text("data-finding-more" if len(found["rows"]) > ROWS else "data-finding-rows", rows=numbers)) if numbers else ""
    examples = [e for e in (found["details"].get("examples") or [])[:EXAMPLES] if isinstance(e, str)]
    said = "".join(f'<code translate="no">{html.escape(e)}</code> ' for e in examples)
    buttons = "".join(html.button("fix", f"{ref}|{found['key']}|{fix['key']}", _word(fix, rows)) for fix in found["remedies"])
    title = html.state(kind, found["title"])
    return (
        f'<div class="ts-card ts-finding"><div><span lang="en">{title}</span><p lang="en">{html.escape(found["why"])}</p>{where}{said}</div>'
        f'<div class="ts-fixes">{buttons}</div></div>'
    )
