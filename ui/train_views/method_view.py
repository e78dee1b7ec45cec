"""'Which one should I use?': three questions, one proposal with its reason, and all techniques beside each other for this model and data."""

import gradio as gr

from tuner import devices, models
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import training
from tuner.planning import method_suggestions, planner
from tuner.settings import methods, parsing
from ui.components import html
from ui.session import AppContext
from ui.train_views import form

COMMON = ("objective", "epochs", "max_steps", "max_length", "effective_batch", "device", "precision", "last_layers", "lora_rank")
COMMON += ("lora_targets", "adapter_size", "adapter_placement", "virtual_tokens")
HEAD = ["Method", "What it changes", "Trained", "Memory", "Time"]


class MethodView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Accordion("Which method should I use?", open=False, elem_id="which-method") as self.fold:
            with gr.Row():
                self.goal = gr.Radio(
                    [(words, goal) for goal, words in method_suggestions.GOALS.items()],
                    value="manner",
                    label="What is to be learnt",
                    info="A manner is how it says things; knowledge is what it says.",
                    elem_id="choose-goal",
                )
                self.served = gr.Radio(
                    [(words, served) for served, words in method_suggestions.SERVED.items()],
                    value="one",
                    label="What will be used",
                    info="Small additions can share one model in memory.",
                    elem_id="choose-served",
                )
            self.proposal = gr.HTML(elem_id="proposal")
            self.take = gr.Button("Use this method", size="sm", elem_id="take-method")
            self.table = gr.HTML(elem_id="methods")
        self.chosen = gr.State(None)

    def wire(self, model, data, preset, widgets: dict) -> None:
        """`widgets`: those of the form, by the names of their settings."""
        self.names = list(widgets)
        inputs, outputs = [model, data, preset, self.goal, self.served, *widgets.values()], [self.proposal, self.table, self.chosen]
        for event in (self.fold.expand, self.goal.input, self.served.input):
            event(self.on_ask, inputs, outputs, show_progress="hidden")
        self.take.click(lambda chosen: chosen or gr.skip(), self.chosen, widgets["method"], queue=False)

    def on_ask(self, model, data, preset, goal, served, request: gr.Request, *given):
        try:
            ws = self.context.workspace(request)
            found = models.resolve(str(model), ws)
            ds = store.get(ws, str(data)) if data else None
            asked = parsing.parse(_asked(dict(zip(self.names, given, strict=True))))
            facts = training.data_facts(ds, found, ws, asked.given()) if ds else None
            device = devices.get(asked.device)
            offers = method_suggestions.offers(asked, found, facts, preset=preset, device=device)
            method, reason = method_suggestions.choose(offers, rows=facts.rows if facts else 1000, goal=goal, served=served)
            plan = planner.plan(asked, found, facts, preset=preset, device=device)
            method, reason = next(
                ((r.value, r.reason) for r in plan.reasons if r.setting == "method" and r.by == "planner"), (method, reason)
            )
        except TunerError as error:
            return html.trouble(error), "", None
        m = methods.get(method)
        said = (
            f'<div class="ts-card"><b>{html.escape(m.title)}</b>: {html.escape(reason)}<br>{html.escape(m.good)} {html.escape(m.bad)}</div>'
        )
        return said, table(offers), method


def _asked(values: dict) -> dict:
    """Of the form, what no method refuses."""
    return {k: v for k, v in form.values(values).items() if k in COMMON}


def table(offers: list[method_suggestions.Offer]) -> str:
    rows = [method_suggestions.as_row(o) for o in offers]
    papers = "".join(
        f"<li><b>{html.escape(m.title)}</b>: {html.escape(m.good)} {html.escape(m.bad)} <span class='ts-quiet'>{html.escape(m.paper)}</span></li>"
        for m in (methods.get(o.method) for o in offers)
    )
    return html.table(HEAD, rows) + f"<details><summary>What each is good and bad at</summary><ul>{papers}</ul></details>"
