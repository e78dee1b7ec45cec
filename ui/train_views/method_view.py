"""Which method: two questions, one proposal with its reason, and all methods beside each other for this model and dataset."""

import gradio as gr

from tuner import devices, models
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import training
from tuner.planning import method_suggestions, planner
from tuner.settings import methods, parsing
from ui.components import html
from ui.components.html import escape
from ui.session import AppContext
from ui.text import term, text
from ui.train_views.acts import set_button
from ui.train_views.draft import Draft

COMMON = ("objective", "epochs", "max_steps", "max_length", "effective_batch", "device", "precision", "last_layers", "lora_rank")
COMMON += ("lora_targets", "adapter_size", "adapter_placement", "virtual_tokens")  # what no method refuses
HEAD = ("setting-method.label", "train-changes", "train-parameters", "train-peak", "train-time")


class MethodView:
    def __init__(self, context: AppContext):
        self.context = context
        with gr.Accordion(text("train-which-method"), open=False, elem_id="which-method") as self.fold:
            with gr.Row():
                self.goal = gr.Radio(
                    [(text(f"goal-{goal}"), goal) for goal in method_suggestions.GOALS],
                    value="manner",
                    label=text("train-goal.label"),
                    info=text("train-goal.info"),
                    elem_id="choose-goal",
                )
                self.served = gr.Radio(
                    [(text(f"served-{served}"), served) for served in method_suggestions.SERVED],
                    value="one",
                    label=text("train-served.label"),
                    info=text("train-served.info"),
                    elem_id="choose-served",
                )
            self.proposal = gr.HTML(elem_id="proposal")
            self.table = gr.HTML(elem_id="methods")

    def wire(self, draft: gr.BrowserState) -> None:
        for event in (self.fold.expand, self.goal.input, self.served.input):
            event(self.on_ask, [draft, self.goal, self.served], [self.proposal, self.table], show_progress="hidden")

    def on_ask(self, stored, goal, served, request: gr.Request):
        try:
            ws, draft = self.context.workspace(request), Draft.read(stored)
            found = models.resolve(draft.model, ws)
            ds = store.get(ws, draft.data) if draft.data else None
            asked = parsing.parse({k: v for k, v in draft.chosen.items() if k in COMMON})
            facts = training.data_facts(ds, found, ws, asked.given()) if ds else None
            device, preset = devices.get(asked.device), training.preset_of(ws, draft.preset)
            offers = method_suggestions.offers(asked, found, facts, preset=preset, device=device)
            method, reason = method_suggestions.choose(offers, rows=facts.rows if facts else 1000, goal=goal, served=served)
            plan = planner.plan(asked, found, facts, preset=preset, device=device)
            method, reason = next(
                ((r.value, r.reason) for r in plan.reasons if r.setting == "method" and r.by == "planner"), (method, reason)
            )
        except TunerError as error:
            return html.trouble(error), ""
        return proposal(method, reason), table(offers)


def proposal(method: str, reason: str) -> str:
    """Return the proposed method, why, and a button that chooses it (HTML)."""
    said = " ".join([term("method", method, "good"), term("method", method, "bad")])
    button = set_button({"method": method}, text("train-use-method"))
    head = f"<b>{escape(term('method', method))}</b>"
    return f'<div class="ts-card">{head}: <span lang="en">{escape(reason)}</span><p>{escape(said)}</p>{button}</div>'


def table(offers: list[method_suggestions.Offer]) -> str:
    """Return all methods beside each other (HTML)."""
    rows = [method_suggestions.as_row(o) for o in offers]
    about = "".join(_about(methods.get(o.method)) for o in offers)
    fold = f"<details><summary>{escape(text('train-method-details'))}</summary><ul>{about}</ul></details>"
    return html.table([text(k) for k in HEAD], rows) + fold


def _about(method: methods.Method) -> str:
    said = " ".join(term("method", method.name, part) for part in ("good", "bad"))
    return f"<li><b>{escape(method.title)}</b>: {escape(said)} <span class='ts-quiet'>{escape(method.paper)}</span></li>"
