"""Token preview: rows as tokens, the trained ones marked, and what a maximum length costs for the whole set."""

import time
from collections.abc import Callable

import gradio as gr

from tuner import models
from tuner.data.store import store
from tuner.jobs import token_preview
from tuner.paths import Workspace
from ui.components import html
from ui.data_views.activity import Activity, failed, trouble
from ui.data_views.edit_view import edited
from ui.data_views.summaries import english, quiet, say
from ui.session import AppContext
from ui.text import text

PAGE, SHOWN, BESIDE = 5, 1500, 8  # rows; tokens drawn of a row; rows in a micro-batch
PATIENCE = 90.0  # seconds: a tokenizer of a large model on a slow disk
HEADS = ("classification", "regression", "qa", "seq2seq")  # kinds that are shown as a chat, and trained otherwise


class TokenPreviewView:
    def __init__(self, context: AppContext, tab: gr.Tab):
        self.context, self.tab = context, tab
        gr.HTML(f'<p class="ts-quiet">{text("data-tokens-intro")}</p>', padding=False)
        with gr.Row(equal_height=False):
            self.model = gr.Dropdown(
                [(text("data-tokens-starter"), "starter")],
                value="starter",
                label=text("data-tokens-model.label"),
                info=text("data-tokens-model.info"),
                allow_custom_value=not context.guest,
                elem_id="learn-model",
                min_width=220,
            )
            self.limit = gr.Slider(
                16,
                8192,
                1024,
                step=16,
                label=text("data-tokens-limit.label"),
                info=text("data-tokens-limit.info"),
                elem_id="learn-limit",
            )
            self.at = gr.Number(
                1,
                label=text("data-tokens-at.label"),
                info=text("data-tokens-at.info"),
                precision=0,
                minimum=1,
                min_width=120,
                elem_id="learn-at",
            )
        self.show = gr.Button(text("data-tokens-show"), elem_id="learn-show")
        self.costs = gr.HTML(elem_id="learn-costs")
        self.activity = Activity(context, elem_id="learn-told", failure="data-failed-version")
        self.drop = gr.Button(text("data-fix-drop"), size="sm", visible=False, elem_id="learn-drop")
        self.rows = gr.HTML(elem_id="learn-rows")
        self.job = gr.State(None)
        self.cleared = [self.costs, self.drop, self.rows, self.job]
        self.shown = [*self.cleared, self.at, self.activity.told, self.activity.cancel]

    def values(self) -> dict:
        """Values for `shown`: another dataset was chosen."""
        nothing = dict(zip(self.cleared, ("", gr.update(visible=False), "", None), strict=True))
        return {**nothing, self.at: 1, **self.activity.cleared()}

    def wire(self, pick: gr.Textbox, done: Callable, outs: list) -> None:
        ins = [pick, self.model, self.limit, self.at]
        self.show.click(self.on_show, ins, self.cleared, show_progress="hidden")
        self.at.submit(self.on_show, ins, self.cleared, show_progress="hidden")
        self.limit.release(self.on_limit, [pick, self.job, self.limit, self.at], [self.costs, self.drop, self.rows], show_progress="hidden")
        self.tab.select(self.on_open, [pick, self.job, *ins[1:]], self.cleared, show_progress="hidden")
        self.model.focus(self.on_models, None, self.model, queue=False, show_progress="hidden")
        self.activity.wire(self.drop.click, dropped, [pick, self.job, self.limit], done, outs)

    def on_models(self, request: gr.Request):
        ws = self.context.workspace(request)
        found = [o for o in models.listing(ws) if not self.context.guest or o[1] == "starter" or (ws.runs / o[1]).is_dir()]
        return gr.update(choices=found)

    def on_open(self, ref, job, model, limit, at, request: gr.Request):
        """Whoever opens the tab wants to see it: no button needs to be pressed for that."""
        if not ref or job:
            yield [gr.skip()] * 4
            return
        yield from self.on_show(ref, model, limit, at, request)

    def on_show(self, ref, model, limit, at, request: gr.Request):
        """The rows as soon as they are there, the numbers of the whole set when they are counted."""
        hide = gr.update(visible=False)
        try:
            ws = self.context.workspace(request)
            self.context.require_model(ws, str(model), request)
            job = token_preview.start(ws, str(ref), str(model))
            yield [quiet(text("data-tokens-loading")), hide, gr.skip(), job]
            drawn = self._rows(ws, ref, job, limit, at)
            yield [gr.skip(), hide, drawn, job]
            while (state := token_preview.progress(ws, job)).running:
                share = round(100 * state.done / max(1, state.total))
                yield [quiet(text("data-tokens-counting", share=share)), hide, gr.skip(), job]
                time.sleep(0.3)
            yield [*self._counted(ws, job, int(limit)), drawn, job]
        except Exception as error:
            yield [trouble(error, failure=""), hide, "", None]

    def on_limit(self, ref, job, limit, at, request: gr.Request):
        if not job:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            ws = self.context.workspace(request)
            return [*self._counted(ws, job, int(limit)), self._rows(ws, ref, job, limit, at)]
        except Exception as error:
            return trouble(error, failure=""), gr.skip(), gr.skip()

    def _rows(self, ws: Workspace, ref, job: str, limit, at) -> str:
        """The rows from `at` on as tokens, under a line where the training differs from what is shown."""
        rows = token_preview.look_now(ws, job, PATIENCE, offset=int(at or 1) - 1, count=PAGE)
        kind = store.get(ws, str(ref)).kind
        return (quiet(text(f"data-tokens-as-{kind}")) if kind in HEADS else "") + draw_rows(rows, int(limit))

    def _counted(self, ws: Workspace, job: str, limit: int) -> list:
        """Values for the numbers of the whole set and the button that removes rows without a trained token."""
        state = token_preview.progress(ws, job)
        if state.state != "done":
            return [failed(state.errors, failure=""), gr.update(visible=False)]
        cost = token_preview.costs(ws, job, limit, micro_batch=BESIDE)
        notes = english("".join(html.bad(n) for n in state.result.get("notes", [])))
        refused = (state.result.get("refused") or {}).items()
        notes += "".join(html.bad(text("data-tokens-refused", n=n, why=why)) for why, n in refused)
        idle = token_preview.untrained(ws, job, limit, None)
        return [
            counts(cost, limit, token_preview.histogram(ws, job)) + notes,
            gr.update(visible=bool(idle), value=text("data-tokens-drop", n=len(idle))),
        ]


def dropped(ws: Workspace, ref, job: str, limit) -> str:
    """Start the job that removes the rows without a trained token and return its id."""
    return edited(ws, ref, dict.fromkeys(token_preview.untrained(ws, job, int(limit), None)))


def counts(cost: dict, limit: int, lengths: dict) -> str:
    """Draw how many tokens there are, what the maximum length costs, and the lengths as a chart."""
    total = {k: cost[k] for k in ("tokens", "rows", "longest")} | {"trained": cost["trained_tokens"], "mean": round(cost["mean"])}
    lines = [text("data-tokens-total", **total, share=round(100 * cost["trained_tokens"] / max(1, cost["tokens"])))]
    cut = {"rows": cost["cut_rows"], "lost": cost["lost_tokens"], "trained": cost["lost_trained"]}
    lines.append(text("data-tokens-cut", limit=limit, **cut) if cost["cut_rows"] else text("data-tokens-whole", limit=limit))
    lines.append(text("data-tokens-padding", share=round(100 * cost["padding"]), batch=BESIDE))
    if cost["untrained_rows"]:
        lines.append(text("data-tokens-untrained", n=cost["untrained_rows"]))
    return f'<div class="ts-card"><ul>{"".join(f"<li>{html.escape(line)}</li>" for line in lines)}</ul>{chart(lengths, limit)}</div>'


def chart(lengths: dict, limit: int) -> str:
    """Draw how many rows have how many tokens; what the maximum length cuts has the second colour, behind a line."""
    edges, counted, most = lengths["edges"], lengths["counts"], max([*lengths["counts"], 1])
    wide, high, foot = 600, 110, 16
    scale = wide / max(edges[-1], 1)
    bars = "".join(
        f'<rect x="{a * scale:.1f}" y="{high * (1 - n / most):.1f}" width="{max((b - a) * scale - 1, 0.5):.1f}" height="{high * n / most:.1f}" '
        f'class="{"cut" if a >= limit else "kept"}"><title>{say("data-tokens-bar", low=round(a), high=round(b), n=n)}</title></rect>'
        for a, b, n in zip(edges, edges[1:], counted, strict=False)
    )
    at = min(limit, edges[-1]) * scale
    line = f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{high}" class="cut" stroke-width="2" stroke-dasharray="5 3"/>'
    title, axis = say("data-tokens-chart"), say("data-tokens-axis", n=round(edges[-1]))
    return (
        f'<figure class="ts-chart" style="max-width:640px"><figcaption><b>{title}</b></figcaption>'
        f'<svg viewBox="0 0 {wide} {high + foot}" role="img" aria-label="{title}: {axis}">{bars}{line if limit < edges[-1] else ""}'
        f'<text x="0" y="{high + foot - 2}">0</text>'
        f'<text x="{wide}" y="{high + foot - 2}" text-anchor="end">{axis}</text></svg></figure>'
    )


def draw_rows(rows: list[dict], limit: int) -> str:
    """Draw each row as its tokens, with its length and what is wrong with it."""
    if not rows:
        return quiet(text("data-tokens-none"))
    out = []
    for row in rows:
        problem = html.bad(text("data-tokens-problem", why=row["problem"])) if row["problem"] else ""
        key = "data-tokens-row-validation" if row["held_out"] else "data-tokens-row"
        head = say(key, n=row["row"], tokens=row["length"], trained=row["learnt"])
        drawn = chips(row["tokens"], limit)
        out.append(f'<div class="ts-row ts-tokens"><span class="ts-quiet">{head}</span><div translate="no">{drawn}</div>{problem}</div>')
    return "".join(out)


def chips(tokens: list[dict], limit: int) -> str:
    """Draw each token as a chip; a line where the maximum length cuts; a break is drawn as one and kept visible."""
    out = []
    for i, token in enumerate(tokens[:SHOWN]):
        if i == limit:
            out.append(f'<div class="ts-cut">{say("data-tokens-cut-here")}</div>')
        kind = " ".join(c for c, on in (("learnt", token["trained"]), ("special", token["special"]), ("gone", i >= limit)) if on)
        chip = html.escape(token["text"]).replace("\n", "⏎<br>").replace(" ", "·" if not token["text"].strip() else " ")
        named = "" if token["id"] is None else f' title="{say("data-tokens-token", id=str(token["id"]))}"'
        out.append(f'<span class="ts-token {kind}"{named}>{chip}</span>')
    more = f'<span class="ts-quiet"> {say("data-tokens-more", n=len(tokens) - SHOWN)}</span>' if len(tokens) > SHOWN else ""
    return "".join(out) + more
