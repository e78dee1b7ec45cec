"""What the model will learn: rows as tokens, the learnt ones marked, and what a maximum length costs for the whole set."""

import time

import gradio as gr

from tuner import models
from tuner.data.store import store
from tuner.jobs import token_preview
from ui.components import html
from ui.data_views.edit_view import edited
from ui.session import AppContext

PAGE, SHOWN, BESIDE = 5, 1500, 8  # rows; tokens drawn of a row; rows in a micro-batch
PATIENCE = 90.0  # seconds: a tokenizer of a large model on a slow disk
AS_CHAT = '<p class="ts-quiet">Shown as the chat it would be. With a head on the model (see Train) the text is read, and {} learnt.</p>'
HEADS = {
    "classification": AS_CHAT.format("the label alone is"),
    "regression": AS_CHAT.format("the number alone is"),
    "qa": AS_CHAT.format("where the answer stands is"),
    "seq2seq": '<p class="ts-quiet">Shown as the chat it would be. An encoder-decoder reads the first text and learns the second.</p>',
}
HINT = (
    '<p class="ts-quiet">Choose a model and press the button: each token is a chip; the marked ones are what the model learns to write, '
    "the others it only reads.</p>"
)


class TokenPreviewView:
    def __init__(self, context: AppContext, tab: gr.Tab):
        self.context, self.tab = context, tab
        with gr.Row():
            self.model = gr.Dropdown(
                [("Starter", "starter")],
                value="starter",
                label="In the eyes of",
                info="Models cut text into tokens each in its own way.",
                allow_custom_value=not context.guest,
                elem_id="learn-model",
                min_width=220,
            )
            self.limit = gr.Slider(
                16, 8192, 1024, step=16, label="Maximum length (tokens)", info="What is longer is cut.", elem_id="learn-limit"
            )
            self.at = gr.Number(
                1, label="From row", info="Counted in this version.", precision=0, minimum=1, min_width=120, elem_id="learn-at"
            )
        self.show = gr.Button("Show what the model will learn", elem_id="learn-show")
        self.costs = gr.HTML(elem_id="learn-costs")
        self.drop = gr.Button("Leave out the rows that teach nothing", size="sm", visible=False, elem_id="learn-drop")
        self.rows = gr.HTML(HINT, elem_id="learn-rows")
        self.job = gr.State(None)
        self.cleared = [self.costs, self.drop, self.rows, self.job]

    def nothing(self) -> list:
        """Values for `cleared`: another dataset was chosen."""
        return ["", gr.update(visible=False), HINT, None]

    def wire(self, act, pick: gr.Dropdown, session, outs: list) -> None:
        ins = [pick, self.model, self.limit, self.at]
        self.show.click(self.on_show, ins, self.cleared, show_progress="hidden")
        self.at.submit(self.on_show, ins, self.cleared, show_progress="hidden")
        self.limit.release(self.on_limit, [pick, self.job, self.limit, self.at], [self.costs, self.drop, self.rows], show_progress="hidden")
        self.tab.select(self.on_open, [pick, self.job, *ins[1:]], self.cleared, show_progress="hidden")
        self.model.focus(self.on_models, None, self.model, queue=False, show_progress="hidden")
        self.drop.click(self._dropping(act), [session, pick, self.job, self.limit], outs, show_progress="hidden")

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
            yield ['<p class="ts-quiet">Waking the tokenizer up.</p>', hide, gr.skip(), job]
            rows = token_preview.look_now(ws, job, PATIENCE, offset=int(at or 1) - 1, count=PAGE)
            drawn = HEADS.get(store.get(ws, str(ref)).kind, "") + draw_rows(rows, int(limit))
            yield [gr.skip(), hide, drawn, job]
            while (state := token_preview.progress(ws, job)).running:
                share = 100 * state.done / max(1, state.total)
                yield [f'<p class="ts-quiet">Counting the tokens of all rows: {share:.0f}%.</p>', hide, gr.skip(), job]
                time.sleep(0.3)
            yield [*self._counted(ws, job, int(limit)), drawn, job]
        except Exception as error:
            yield [html.trouble(error), hide, gr.skip(), None]

    def on_limit(self, ref, job, limit, at, request: gr.Request):
        if not job:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            ws = self.context.workspace(request)
            rows = token_preview.look_now(ws, job, PATIENCE, offset=int(at or 1) - 1, count=PAGE)
            return [*self._counted(ws, job, int(limit)), draw_rows(rows, int(limit))]
        except Exception as error:
            return html.trouble(error), gr.skip(), gr.skip()

    def _counted(self, ws, job: str, limit: int) -> list:
        state, cost = token_preview.progress(ws, job), token_preview.costs(ws, job, limit, micro_batch=BESIDE)
        if state.state != "done":
            return [html.bad(" ".join(f"{e['message']} {e['remedy']}" for e in state.errors)), gr.update(visible=False)]
        notes = "".join(html.bad(n) for n in state.result.get("notes", []))
        refused = "".join(html.bad(f"{n:,} rows: {why}.") for why, n in (state.result.get("refused") or {}).items())
        idle = token_preview.untrained(ws, job, limit, None)
        return [
            said(cost, limit, token_preview.histogram(ws, job)) + notes + refused,
            gr.update(visible=bool(idle), value=f"Leave out the {len(idle):,} rows that teach nothing"),
        ]

    def _dropping(self, act):
        def press(session, ref, job, limit, request: gr.Request):
            def work(ws):
                return edited(ws, str(ref), dict.fromkeys(token_preview.untrained(ws, job, int(limit), None)))

            yield from act(work, session, request)

        return press


def said(cost: dict, limit: int, lengths: dict) -> str:
    share = cost["trained_tokens"] / max(1, cost["tokens"])
    lines = [
        f"<b>{cost['tokens']:,}</b> tokens in {cost['rows']:,} rows, <b>{cost['trained_tokens']:,}</b> of them learnt ({share:.0%}); "
        f"a row has {cost['mean']:,.0f} on the average, the longest {cost['longest']:,}",
        f"{cost['cut_rows']:,} rows are longer than {limit:,} tokens and lose their ends: {cost['lost_tokens']:,} tokens, {cost['lost_trained']:,} of them learnt"
        if cost["cut_rows"]
        else f"no row is longer than {limit:,} tokens: nothing is cut",
        f"{cost['padding']:.0%} of what is computed would be padding with {BESIDE} rows beside each other and no packing",
    ]
    if cost["untrained_rows"]:
        lines.append(f"{cost['untrained_rows']:,} rows teach nothing at this length")
    return f'<div class="ts-card"><ul>{"".join(f"<li>{line}</li>" for line in lines)}</ul>{chart(lengths, limit)}</div>'


def chart(lengths: dict, limit: int) -> str:
    """How many rows have how many tokens; what the maximum length cuts is drawn in the second colour, behind a line."""
    edges, counts, most = lengths["edges"], lengths["counts"], max([*lengths["counts"], 1])
    wide, high, foot = 600, 110, 16
    scale = wide / max(edges[-1], 1)
    bars = "".join(
        f'<rect x="{a * scale:.1f}" y="{high * (1 - n / most):.1f}" width="{max((b - a) * scale - 1, 0.5):.1f}" height="{high * n / most:.1f}" '
        f'fill="{"#c2410c" if a >= limit else "#0d9488"}"><title>{a:,.0f} to {b:,.0f} tokens: {n:,} rows</title></rect>'
        for a, b, n in zip(edges, edges[1:], counts, strict=False)
    )
    at = min(limit, edges[-1]) * scale
    cut = (
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{high}" stroke="#c2410c" stroke-width="2" stroke-dasharray="5 3"/>'
        if limit < edges[-1]
        else ""
    )
    return (
        f'<figure class="ts-chart" style="max-width:640px"><b>Rows by their length in tokens</b>'
        f'<svg viewBox="0 0 {wide} {high + foot}" role="img" aria-label="lengths of the rows in tokens, up to {edges[-1]:,.0f}">{bars}{cut}'
        f'<text x="0" y="{high + foot - 2}" font-size="11" fill="currentColor">0</text>'
        f'<text x="{wide}" y="{high + foot - 2}" font-size="11" text-anchor="end" fill="currentColor">{edges[-1]:,.0f} tokens</text></svg></figure>'
    )


def draw_rows(rows: list[dict], limit: int) -> str:
    if not rows:
        return '<p class="ts-quiet">There is no such row.</p>'
    out = []
    for row in rows:
        problem = html.bad(f"This row can't be learnt from: {row['problem']}.") if row["problem"] else ""
        side = " · held out" if row["held_out"] else ""
        head = f'<span class="ts-quiet">row {row["row"]}{side} · {row["length"]:,} tokens, {row["learnt"]:,} learnt</span>'
        out.append(f'<div class="ts-row ts-tokens">{head}<div>{chips(row["tokens"], limit)}</div>{problem}</div>')
    return "".join(out)


def chips(tokens: list[dict], limit: int) -> str:
    """Each token a chip; a line where the maximum length cuts; a break is drawn as one and kept visible."""
    out = []
    for i, token in enumerate(tokens[:SHOWN]):
        if i == limit:
            out.append('<div class="ts-cut">cut here by the maximum length</div>')
        kind = " ".join(c for c, on in (("learnt", token["trained"]), ("special", token["special"]), ("gone", i >= limit)) if on)
        text = html.escape(token["text"]).replace("\n", "⏎<br>").replace(" ", "·" if not token["text"].strip() else " ")
        out.append(f'<span class="ts-token {kind}" title="token {token["id"]}">{text}</span>')
    more = f'<span class="ts-quiet"> ... and {len(tokens) - SHOWN:,} more</span>' if len(tokens) > SHOWN else ""
    return "".join(out) + more
