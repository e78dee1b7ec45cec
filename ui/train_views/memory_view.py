"""The memory of a plan: the bar of its parts against what the device has, ways to reduce it, and the same plan on other GPUs."""

import gradio as gr

from tuner import devices, models
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import training
from tuner.planning import model_suggestions
from tuner.planning.memory import calibration
from tuner.planning.model_list import TIGHT
from tuner.settings import methods, parsing
from ui.components import html, units
from ui.components.html import escape
from ui.session import AppContext
from ui.text import term, text
from ui.train_views.acts import set_button
from ui.train_views.draft import Draft

OFFERED = 5  # ways to reduce memory that are shown
OTHERS = "#94a3b855"


class OtherCards:
    """The fold 'The same on other GPUs', which plans once it is opened."""

    def __init__(self, context: AppContext):
        self.context = context
        with gr.Accordion(text("train-other-cards"), open=False, elem_id="other-cards") as self.fold:
            self.table = gr.HTML()

    def wire(self, draft: gr.BrowserState) -> None:
        self.fold.expand(self.on_open, draft, self.table, show_progress="hidden")

    def on_open(self, stored, request: gr.Request) -> str:
        try:
            ws, draft = self.context.workspace(request), Draft.read(stored)
            asked = parsing.parse(draft.request() | {"device": None})
            found = models.resolve(draft.model, ws)
            ds = store.get(ws, draft.data) if draft.data else None
            counts = training.data_facts(ds, found, ws, asked.given()) if ds else None
            elsewhere = model_suggestions.elsewhere(asked, found, counts, preset=training.preset_of(ws, draft.preset))
            return cards(elsewhere) + largest(devices.get(None))
        except TunerError as error:
            return html.trouble(error)


def verdict(plan) -> str:
    """Return whether a plan fits, as icon, word and colour (HTML)."""
    if not plan.fits:
        return html.state("bad", text("train-fits-no"))
    tight = plan.peak_bytes > TIGHT * plan.free_bytes
    return html.state("warning", text("train-fits-tight")) if tight else html.state("good", text("train-fits-yes"))


def card(plan) -> str:
    """Return the predicted peak by part, beside what other programs hold and what is free (HTML); what overflows is hatched."""
    taken = max(0, plan.total_bytes - plan.free_bytes)
    scale = max(plan.total_bytes, taken + plan.peak_bytes)
    parts = [(term("memory", k), v, html.COLOURS[k]) for k, v in plan.breakdown.items() if v]
    parts = ([(text("train-other-programs"), taken, OTHERS)] if taken else []) + parts
    spans = "".join(_span(v, scale, colour, f"{label}: {units.size(v)}") for label, v, colour in parts)
    mark = f'<i class="ts-limit" style="left:{100 * plan.total_bytes / scale:.2f}%"></i>' if scale > plan.total_bytes else ""
    legend = "".join(f'<span><i style="background:{colour}"></i>{escape(label)} {units.size(v)}</span>' for label, v, colour in parts)
    said = escape(
        text("train-memory", peak=units.size(plan.peak_bytes), free=units.size(plan.free_bytes), total=units.size(plan.total_bytes))
    )
    measured = f' <span class="ts-quiet" lang="en">({escape(words)})</span>' if (words := calibration.describe(plan.correction)) else ""
    bar = f'<div class="ts-bar ts-fit" role="img" aria-label="{said}">{spans}{mark}</div>'
    return f'<div id="plan-memory">{verdict(plan)}{bar}<p>{said}{measured}</p>{_legend(legend)}{remedies(plan)}</div>'


def _legend(parts: str) -> str:
    return f'<details><summary>{escape(text("train-memory-parts"))}</summary><div class="ts-legend">{parts}</div></details>'


def _span(size: int, scale: int, colour: str, title: str) -> str:
    return f'<span style="width:{100 * size / max(1, scale):.2f}%;background:{colour}" title="{escape(title)}"></span>'


def remedies(plan) -> str:
    """Return the ways to reduce memory as buttons, the lowest price first (HTML)."""
    if plan.fits:
        return ""
    if not plan.remedies:
        return f"<p>{escape(text('train-no-fallback'))}</p>"
    buttons = "".join(
        set_button(r.settings, f"{r.title}: −{units.size(r.saves_bytes)}, {r.cost}", _short(r)) for r in plan.remedies[:OFFERED]
    )
    return f'<p>{escape(text("train-fallbacks"))}</p><div class="ts-offers" lang="en">{buttons}</div>'


def _short(remedy) -> str:
    return "" if remedy.fits else text("train-not-enough")


def cards(found: list[dict]) -> str:
    """Return a table of what the plan would be on GPUs of other sizes (HTML)."""
    head = [text("train-card"), text("train-fits"), text("train-peak"), text("train-how")]
    return html.table(head, [(f"{f['gigabytes']} GB", *_way(f)) for f in found])


def _way(found: dict) -> tuple[str, str, str]:
    if "why_not" in found:
        return text("train-fits-no"), "", found["why_not"]
    how = [methods.get(found["method"]).title, text("train-micro-batch", n=found["micro_batch"])]
    how += [text("setting-gradient-checkpointing.label")] if found["gradient_checkpointing"] else []
    how += [found["optimizer"]] if "8bit" in found["optimizer"] else []
    how += [text("train-up-to-tokens", n=units.count(found["max_length"]))]
    return text("train-fits-yes" if found["fits"] else "train-fits-no"), units.size(found["peak_bytes"]), ", ".join(how)


def largest(device: devices.Device) -> str:
    """Return the largest models of the catalog by method (HTML); "" where none fits."""
    rows = [[methods.get(m).title, id] for m, id in model_suggestions.largest(device).items()]
    told = escape(text("train-largest", device=device.name))
    return f"<p>{told}</p>{html.table([text('setting-method.label'), text('setting-model.label')], rows)}" if rows else ""
