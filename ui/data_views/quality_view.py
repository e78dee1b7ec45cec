"""The health report of the chosen data: what was found, why it matters, and a button that makes a new version without it."""

import gradio as gr

from tuner import paths
from tuner.data.store import store
from tuner.data.versions import new_version
from tuner.errors import NotFoundError, TunerError
from tuner.formatting import human_time
from tuner.jobs import data_jobs, token_preview
from ui.components import html
from ui.data_views.summaries import summary
from ui.session import AppContext

WAIT = '<p class="ts-quiet">Looking through the rows: repeats, leaks, personal data, labels ...</p>'
LARGE = 20_000  # rows: a remedy for more of them runs in a process of its own


class QualityView:
    """`key` names the version and the state of its report; when it changes the view is drawn anew."""

    def __init__(self, context: AppContext):
        self.context, self.act, self.session, self.outs = context, None, None, []  # the last three by `wire`: the buttons are drawn later
        self.head = gr.HTML(elem_id="health")
        self.key = gr.Textbox(visible="hidden", show_label=False)
        self.timer = gr.Timer(1.0, active=False)
        self.shown = [self.head, self.key, self.timer]

        @gr.render(inputs=[self.key], triggers=[self.key.change], show_progress="hidden", queue=False)
        def buttons(key, request: gr.Request):
            ref, _, state = (key or "").partition("|")
            for found in _document(self.context.workspace(request), ref).get("findings", []) if state else []:
                with gr.Row(elem_classes="ts-finding"):
                    gr.HTML(card(found), min_width=300)
                    with gr.Column(scale=0, min_width=250):
                        for remedy in found["remedies"]:
                            button = gr.Button(remedy["title"], size="sm", elem_id=f"mend-{found['key']}-{remedy['key']}")
                            button.click(self._mending(ref, found, remedy["key"]), self.session, self.outs, show_progress="hidden")

    def wire(self, act, summary: gr.HTML, pick: gr.Dropdown, session, outs: list) -> None:
        """`act(work, session, request)` follows a job and fills `outs`, as for an import."""
        self.timer.tick(self.on_tick, pick, [summary, *self.shown], queue=False, show_progress="hidden")
        self.act, self.session, self.outs = act, session, outs

    def _mending(self, ref: str, found: dict, remedy: str):
        def press(session, request: gr.Request):
            def work(ws):
                wish = [(found["key"], remedy)]
                if store.get(ws, ref).rows < LARGE:
                    return new_version.apply_fixes(ws, ref, wish)
                return data_jobs.begin(ws, "mend", ref=ref, wishes=wish)

            yield from self.act(work, session, request)

        return press

    def on_tick(self, ref, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            ds = store.get(ws, ref)
        except NotFoundError:  # deleted a moment ago: nothing is left to look at
            return [gr.skip(), "", "", gr.Timer(active=False)]
        values = self.values(ws, ds)
        if not self.context.guest and _document(ws, ds.ref).get("complete"):
            count_tokens(ws, ds)
        return [summary(ds), *values]

    def values(self, ws, ds) -> list:
        """Values for `shown`; sees that the report is made. Where it can't be, the rest of the page goes on."""
        try:
            job = data_jobs.quality_report(ws, ds)
        except TunerError as error:
            return [html.trouble(error), "", gr.Timer(active=False)]
        document = _document(ws, ds.ref)
        state = f"{len(document.get('findings', []))}-{document.get('complete')}" if document else ""
        return [head(document, data_jobs.progress(ws, job) if job else None), f"{ds.ref}|{state}", gr.Timer(active=_going(ws, job))]


def count_tokens(ws, ds) -> None:
    """The lengths in tokens follow the report in the background, so that they are there when they are looked at."""
    try:
        token_preview.start(ws, ds.ref, "starter")
    except TunerError:
        return  # data without such a view; opening the view says why


def _going(ws, job: str | None) -> bool:
    return bool(job) and data_jobs.progress(ws, job).running


def _document(ws, ref: str) -> dict:
    try:
        return paths.read_json(store.get(ws, ref).path / "health.json") or {}
    except NotFoundError:  # a version that was deleted has no report
        return {}


def head(document: dict, progress: dict | None) -> str:
    """The verdict, an honest word on what the rows can teach, and the charts."""
    if progress and progress.state == "failed":
        return html.bad(" ".join(f"{e['message']} {e['remedy']}" for e in progress.errors))
    going = ""
    if progress:
        left = f", about {human_time(progress.eta_seconds)} left" if progress.eta_seconds else ""
        going = f'<p class="ts-quiet">Still looking: {100 * progress.done / max(1, progress.total):.0f}%{left}.</p>'
    if not document:
        return WAIT + going
    charts = document["charts"]
    return (
        f'<div class="ts-card"><b>{html.escape(document["score"])}.</b> {html.escape(document["teaches"])}{going}'
        f'<div class="ts-charts">{bars("Length in characters", charts["lengths"])}{bars("Labels", charts["labels"])}</div></div>'
    )


def bars(title: str, counts: list[dict]) -> str:
    if not any(c["count"] for c in counts):
        return ""
    most = max(c["count"] for c in counts)
    lines = "".join(
        f'<tr><td>{html.escape(str(c["label"]))}</td><td style="width:60%"><span class="ts-bar"><span class="ts-fill" '
        f'style="width:{100 * c["count"] / most:.1f}%"></span></span></td><td>{c["count"]:,}</td></tr>'
        for c in counts
        if c["count"]
    )
    return f'<figure class="ts-chart"><b>{title}</b><table class="ts-table">{lines}</table></figure>'


def card(found: dict) -> str:
    mark = "▲" if found["severity"] == "decide" else "●"
    rows = ", ".join(f"{n:,}" for n in found["rows"][:8])
    more = " ..." if found["count"] > 8 else ""
    where = f'<div class="ts-quiet">rows {rows}{more}</div>' if rows else ""
    said = "".join(f"<code>{html.escape(str(e))}</code> " for e in (found["details"].get("examples") or [])[:4] if isinstance(e, str))
    return f"<div><b>{mark} {html.escape(found['title'])}</b><br>{html.escape(found['why'])}{where}{said}</div>"
