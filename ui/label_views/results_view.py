"""How well the judging goes, pairs to settle, and which model wins, all in words with their intervals."""

import gradio as gr

from tuner.errors import TunerError
from tuner.labels import agreement, ai_labellers, outcome, quality, queue, summary
from tuner.labels.summary import Summary
from tuner.labels.win_rate import WinRate
from ui.components import html, markdown
from ui.session import AppContext

QUICK = {"queue": False, "show_progress": "hidden"}
WINNERS = [("The first", "first"), ("The second", "second"), ("A tie", "tie"), ("Both bad", "both_bad")]
SHOWN = 200  # disagreements in the list
FEW = "too few to say"


class QualityView:
    def __init__(self, context: AppContext, project: gr.Dropdown, labeller: gr.Textbox):
        self.context, self.project = context, project
        self.report = gr.HTML('<p class="ts-quiet">Nothing was judged yet.</p>', elem_id="label-quality")
        with gr.Accordion("Pairs about which labellers disagree", open=False, elem_id="label-disputes"):
            self.dispute = gr.Dropdown([], label="Pair", info="The furthest apart first.", elem_id="label-dispute", interactive=True)
            self.both = gr.HTML(elem_id="label-disputed")
            self.verdict = gr.Radio(WINNERS, label="Which one is better", info="It counts instead of the majority.", elem_id="label-settle")
            self.settle = gr.Button("Settle it", size="sm", elem_id="label-settle-commit")
            self.settled = gr.HTML(elem_id="label-settled")
        with gr.Row():
            self.release = gr.Button("Release reserved pairs", size="sm", elem_id="label-release")
            self.reopen = gr.Button("Offer skipped pairs again", size="sm", elem_id="label-reopen")
        self.told = gr.HTML(elem_id="label-quality-told")
        self.shown = [self.report, self.dispute]
        self.dispute.input(self.on_dispute, [self.project, self.dispute], self.both, **QUICK)
        self.settle.click(
            self.on_settle,
            [self.project, self.dispute, self.verdict, labeller],
            [self.settled, self.both, self.verdict, *self.shown],
            **QUICK,
        )
        self.release.click(self.on_release, self.project, self.told, **QUICK)
        self.reopen.click(self.on_reopen, self.project, self.told, **QUICK)

    def show(self, ws, project: str | None) -> list:
        """Values for `shown`."""
        if not project:
            return ['<p class="ts-quiet">No project chosen.</p>', gr.update(choices=[], value=None)]
        found = summary.of(ws, project)
        some = found.panel.disagreements[:SHOWN]
        disputed = [(f"{d.pair}: {', '.join(f'{n} {w}' for n, w in d.votes.items())}"[:140], d.pair) for d in some]
        return [in_words(found), gr.update(choices=disputed, value=None)]

    def on_dispute(self, project, pair, request: gr.Request):
        found = outcome.pair_of(self.context.workspace(request), project, int(pair)) if pair else None
        if not found:
            return ""
        prompt, first, second = (markdown.side(m, False) for m in found)
        return f'<div class="ts-question">{prompt}</div><div class="ts-card"><b>The first</b>{first}</div><div class="ts-card"><b>The second</b>{second}</div>'

    def on_settle(self, project, pair, winner, labeller, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            if not pair or not winner:
                return [html.bad("Choose a pair and what holds."), *[gr.skip()] * 4]
            queue.settle(ws, project, int(pair), winner, labeller or "me")
        except TunerError as error:
            return [html.trouble(error), *[gr.skip()] * 4]
        return [html.good("Settled: it counts instead of the majority."), "", None, *self.show(ws, project)]

    def on_release(self, project, request: gr.Request):
        return html.good(f"{queue.release(self.context.workspace(request), project)} pairs are free again.") if project else ""

    def on_reopen(self, project, request: gr.Request):
        return html.good(f"{queue.reopen_skipped(self.context.workspace(request), project)} pairs are offered again.") if project else ""


def in_words(found: Summary) -> str:
    p, labellers = found.project, found.panel.labellers
    head = f'<div class="ts-card"><b>{p.done:,} of {p.tasks:,} judgements</b><ul>{items(found.sentences)}</ul></div>'
    each = "".join(f'<div class="ts-card"><b>{html.escape(r.labeller)}</b><ul>{items(r.sentences())}</ul></div>' for r in labellers)
    return head + contest(found) + (f"<h4>Each labeller</h4>{each}" if len(labellers) > 1 else "") + of_judges(found.judges)


def items(lines: list[str]) -> str:
    """As a list; what is too few to say is said once."""
    few = [line for line in lines if FEW in line]
    shown = [line for line in lines if FEW not in line]
    shown += [f"Habits and agreement: {FEW} yet; each needs {agreement.ENOUGH}."] if few else []
    return "".join(f"<li>{html.escape(line)}</li>" for line in shown)


def contest(found: Summary) -> str:
    """Which model is preferred, when pairs of different models were judged."""
    said = [two(rate) for rate in found.rates]
    for table in found.tables:
        lines = [(s.model, f"{s.chance:.0%}", f"{s.low:.0%} to {s.high:.0%}", s.wins, s.ties, s.losses) for s in table]
        said.append(html.table(["Model", "Preferred to another", "Interval (95%)", "Won", "Ties", "Lost"], lines))
    return f'<div class="ts-card" id="label-contest"><b>Which model is better</b>{"".join(said)}</div>' if said else ""


def two(rate: WinRate) -> str:
    """The rate, ties, and an interval: for the number fixed beforehand, or one that may be looked at after each verdict."""
    more = " Go on until it is decided: this interval may be looked at after every verdict, an ordinary one may not."
    return f"<p>{html.escape(rate.sentence() + ('' if rate.decided or rate.planned else more))}</p>"


def of_judges(judges: dict[str, list[bool]]) -> str:
    """How far a model that votes agrees with people, on pairs that both judged."""
    out = [
        quality.sentence(f"{judge.removeprefix(ai_labellers.PREFIX)} says what people say", quality.share(same))
        for judge, same in judges.items()
    ]
    return f'<div class="ts-card"><b>Judge models</b><ul>{items(out)}</ul></div>' if out else ""
