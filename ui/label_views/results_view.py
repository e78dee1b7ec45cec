"""Results of a label project: agreement, each labeller, which model is preferred, pairs to settle; in words with their intervals."""

import gradio as gr

from tuner.errors import TunerError
from tuner.labels import agreement, ai_labellers, outcome, quality, queue, summary
from tuner.labels.summary import Summary
from tuner.labels.win_rate import WinRate
from ui.components import html, markdown
from ui.label_views import drawn
from ui.session import AppContext
from ui.text import text

QUICK = {"queue": False, "show_progress": "hidden"}
WINNERS = ("first", "second", "tie", "both_bad")
SHOWN = 200  # disagreements in the list
FEW = "not enough data"  # in a sentence of the engine


class ResultsView:
    def __init__(self, context: AppContext, project: gr.Dropdown, labeller: gr.Textbox):
        self.context, self.project = context, project
        self.report = gr.HTML(elem_id="label-quality", padding=False)
        with gr.Accordion(text("label-disputes"), open=False, visible=False, elem_id="label-disputes") as self.disputes:
            self.dispute = gr.Dropdown(
                [], label=text("label-dispute.label"), info=text("label-dispute.info"), elem_id="label-dispute", interactive=True
            )
            self.both = gr.HTML(elem_id="label-disputed", padding=False)
            winners = [(text(f"label-winner-{w.replace('_', '-')}"), w) for w in WINNERS]
            self.winner = gr.Radio(winners, label=text("label-settle.label"), info=text("label-settle.info"), elem_id="label-settle")
            self.settle = gr.Button(text("label-settle-commit"), elem_id="label-settle-commit")
        self.settled = gr.HTML(elem_id="label-settled", padding=False)
        with gr.Row(visible=False) as self.actions:
            self.go = gr.Button(text("label-go-train"), variant="primary", elem_id="label-go-train")
            self.release = gr.Button(text("label-release"), elem_id="label-release")
            self.reopen = gr.Button(text("label-reopen"), elem_id="label-reopen")
        self.told = gr.HTML(elem_id="label-quality-told", padding=False)
        self.shown = [self.report, self.disputes, self.dispute, self.actions, self.told]
        self.dispute.input(self.on_dispute, [self.project, self.dispute], self.both, **QUICK)
        settling = [self.settled, self.both, self.winner, *self.shown]
        self.settle.click(self.on_settle, [self.project, self.dispute, self.winner, labeller], settling, **QUICK)
        self.release.click(self.on_release, self.project, self.told, **QUICK)
        self.reopen.click(self.on_reopen, self.project, self.told, **QUICK)

    def show(self, ws, project: str | None) -> list:
        """Values for `shown`."""
        found = summary.of(ws, project) if project else None
        if found is None or not (found.panel.overall.verdicts or found.judges):
            said = html.empty(text("label-results-empty"), drawn.step_button("label", text("label-go-label")))
            return [said, gr.update(visible=False), gr.update(choices=[], value=None), gr.update(visible=False), ""]
        some = found.panel.disagreements[:SHOWN]
        disputed = [(f"{d.pair}: {', '.join(f'{n} {vote(w)}' for n, w in d.votes.items())}"[:140], d.pair) for d in some]
        return [in_words(found), gr.update(visible=bool(some)), gr.update(choices=disputed, value=None), gr.update(visible=True), ""]

    def on_dispute(self, project, pair, request: gr.Request):
        found = outcome.pair_of(self.context.workspace(request), project, int(pair)) if pair else None
        if not found:
            return ""
        prompt, first, second = (markdown.side(m, False) for m in found)
        cards = "".join(
            f'<div class="ts-card"><b>{html.escape(text(f"label-winner-{side}"))}</b><div translate="no">{said}</div></div>'
            for side, said in (("first", first), ("second", second))
        )
        return f'<div class="ts-question" translate="no">{prompt}</div><div class="ts-answers">{cards}</div>'

    def on_settle(self, project, pair, winner, labeller, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            if not pair or not winner:
                return [html.bad(text("label-settle-first")), *[gr.skip()] * (2 + len(self.shown))]
            queue.settle(ws, project, int(pair), winner, labeller or "me")
        except TunerError as error:
            return [html.trouble(error), *[gr.skip()] * (2 + len(self.shown))]
        return [drawn.good(text("label-settled")), "", None, *self.show(ws, project)]

    def on_release(self, project, request: gr.Request):
        return counted("label-released", queue.release(self.context.workspace(request), project)) if project else ""

    def on_reopen(self, project, request: gr.Request):
        return counted("label-reopened", queue.reopen_skipped(self.context.workspace(request), project)) if project else ""


def counted(key: str, n: int) -> str:
    """A message with a number; none is no success."""
    said = text(key, n=n, shown=f"{n:,}")
    return drawn.good(said) if n else drawn.quiet(said)


def vote(winner: str) -> str:
    return text(f"label-vote-{winner.replace('_', '-')}")


def in_words(found: Summary) -> str:
    p, labellers = found.project, found.panel.labellers
    said = html.escape(text("label-judgments-of", shown=f"{p.done:,}", total=f"{p.tasks:,}"))
    head = f'<div class="ts-card"><b>{said}</b><ul>{items(found.sentences)}</ul></div>'
    each = "".join(f'<div class="ts-card"><b>{drawn.name(r.labeller)}</b><ul>{items(r.sentences())}</ul></div>' for r in labellers)
    each = f"<h2>{html.escape(text('label-each'))}</h2>{each}" if len(labellers) > 1 else ""
    return head + contest(found) + each + of_judges(found.judges)


def items(lines: list[str]) -> str:
    """As a list; what is too few to say is said once."""
    few = [line for line in lines if FEW in line]
    shown = [drawn.english(line) for line in lines if FEW not in line]
    shown += [html.escape(text("label-too-few", n=agreement.ENOUGH))] if few else []
    return "".join(f"<li>{line}</li>" for line in shown)


def contest(found: Summary) -> str:
    """Which model is preferred, when pairs of different models were judged."""
    said = [two(rate) for rate in found.rates]
    heads = [text(f"label-contest-{column}") for column in ("model", "chance", "interval", "won", "ties", "lost")]
    for table in found.tables:
        lines = [(s.model, f"{s.chance:.0%}", f"{s.low:.0%} – {s.high:.0%}", s.wins, s.ties, s.losses) for s in table]
        said.append(f'<div translate="no">{html.table(heads, lines)}</div>')
    title = html.escape(text("label-contest"))
    return f'<div class="ts-card" id="label-contest"><b>{title}</b>{"".join(said)}</div>' if said else ""


def two(rate: WinRate) -> str:
    """The rate, ties, and an interval: for the number fixed beforehand, or one that may be looked at after each judgment."""
    more = "" if rate.decided or rate.planned else " " + html.escape(text("label-contest-open"))
    return f"<p>{drawn.english(rate.sentence())}{more}</p>"


def of_judges(judges: dict[str, list[bool]]) -> str:
    """How far an AI judge agrees with people, on pairs that both judged."""
    out = [
        quality.sentence(f"{judge.removeprefix(ai_labellers.PREFIX)} says what people say", quality.share(same))
        for judge, same in judges.items()
    ]
    return f'<div class="ts-card"><b>{html.escape(text("label-ai-judges"))}</b><ul>{items(out)}</ul></div>' if out else ""
