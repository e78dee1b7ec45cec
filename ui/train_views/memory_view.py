"""'Will it fit?': the bar of terms against what the device has, what would make it fit (one click each), and the same plan on other cards."""

import gradio as gr

from tuner import devices, models
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.formatting import human_bytes
from tuner.jobs import training
from tuner.planning import memory, model_suggestions
from tuner.planning.fitting import Remedy
from tuner.planning.memory import calibration
from tuner.settings import methods, parsing
from ui.components import html
from ui.session import AppContext
from ui.train_views import form

BUTTONS = 5  # remedies that can be taken with one click
TIGHT = 0.85  # of the free memory: from here on it is said to be tight
OTHERS = "#94a3b855"


class MemoryView:
    def __init__(self, context: AppContext):
        self.context = context
        self.card = gr.HTML(elem_id="plan-memory")
        self.remedies = gr.State([])
        self.buttons = [gr.Button("", visible=False, size="sm", elem_id=f"remedy-{i}", elem_classes="ts-remedy") for i in range(BUTTONS)]
        with gr.Accordion("The same on other cards; the largest models here", open=False, elem_id="other-cards") as self.fold:
            self.other = gr.HTML()
        self.outputs = [self.card, self.remedies, *self.buttons]

    def wire(self, model, data, preset, widgets: dict, replan) -> None:
        """`widgets`: those of the form, by the names of their settings; `replan` = (handler, inputs, outputs) draws the plan anew."""
        self.names = list(widgets)
        for i, button in enumerate(self.buttons):
            taken = button.click(
                lambda found, i=i: self.on_take(found, i), self.remedies, [model, *widgets.values()], queue=False, show_progress="hidden"
            )
            taken.then(*replan, show_progress="hidden")
        self.fold.expand(self.on_other, [model, data, preset, *widgets.values()], self.other, show_progress="hidden")

    def show(self, plan) -> list:
        """Values for `outputs`."""
        found = plan.remedies[:BUTTONS]
        titles = [gr.update(value=label(r), visible=True) for r in found]
        return [card(plan), found, *titles, *[gr.update(visible=False)] * (BUTTONS - len(found))]

    def nothing(self) -> list:
        return ["", [], *[gr.update(visible=False)] * BUTTONS]

    def on_take(self, found: list, i: int) -> list:
        """The form with the i-th remedy in it."""
        change = found[i].settings if i < len(found) else {}
        rest = [gr.update(value=form.show(n, change[n])) if n in change else gr.skip() for n in self.names]
        return [change.get("model", gr.skip()), *rest]

    def on_other(self, model, data, preset, request: gr.Request, *given) -> str:
        try:
            ws = self.context.workspace(request)
            asked = parsing.parse(form.values(dict(zip(self.names, given, strict=True))) | {"device": None})
            found = models.resolve(str(model), ws)
            ds = store.get(ws, str(data)) if data else None
            counts = training.data_facts(ds, found, ws, asked.given()) if ds else None
            effort = training.preset_of(ws, preset)
            return elsewhere(model_suggestions.elsewhere(asked, found, counts, preset=effort)) + largest(devices.get(None))
        except TunerError as error:
            return html.trouble(error)


def label(remedy: Remedy) -> str:
    """'Length 4096 → 2048: −5.1 GB, cuts 2% of the rows'"""
    fits = "" if remedy.fits else " (still too much)"
    return f"{remedy.title}: −{human_bytes(remedy.saves_bytes)}, {remedy.cost}{fits}"


def card(plan) -> str:
    """The predicted peak, term by term, beside what others hold and what is free; what overflows is in the second colour."""
    taken = max(0, plan.total_bytes - plan.free_bytes)
    scale = max(plan.total_bytes, taken + plan.peak_bytes)
    parts = [(k, v) for k, v in plan.breakdown.items() if v]
    spans = _span(taken, scale, OTHERS, f"other programs: {human_bytes(taken)}") if taken else ""
    spans += "".join(_span(v, scale, html.COLOURS[k], f"{memory.LABELS[k]}: {human_bytes(v)}") for k, v in parts)
    mark = f'<i class="ts-limit" style="left:{100 * plan.total_bytes / scale:.2f}%"></i>' if scale > plan.total_bytes else ""
    legend = "".join(f'<span><i style="background:{html.COLOURS[k]}"></i>{memory.LABELS[k]} {human_bytes(v)}</span>' for k, v in parts)
    legend += f'<span><i style="background:{OTHERS}"></i>other programs {human_bytes(taken)}</span>' if taken else ""
    said = f"about {human_bytes(plan.peak_bytes)} of the {human_bytes(plan.free_bytes)} free now on {html.escape(plan.device)}"
    said += f", which has {human_bytes(plan.total_bytes)}"
    taught = f' <span class="ts-quiet">({html.escape(words)})</span>' if (words := calibration.describe(plan.correction)) else ""
    over = "" if plan.fits else " over"
    told = "<p>What would make it fit, the smallest price first; a click takes it:</p>" if plan.remedies else ""
    if not plan.fits and not plan.remedies:
        told = "<p>Nothing in this form would make it fit: choose a smaller model.</p>"
    return (
        f'<div class="ts-card{over}"><b>Will it fit? {verdict(plan)}</b><div class="ts-bar ts-fit" role="img" aria-label="{said}">'
        f'{spans}{mark}</div><div class="ts-legend">{legend}</div>{said}{taught}{told}</div>'
    )


def _span(size: int, scale: int, colour: str, title: str) -> str:
    return f'<span style="width:{100 * size / max(1, scale):.2f}%;background:{colour}" title="{title}"></span>'


def verdict(plan) -> str:
    if not plan.fits:
        return "▲ No, it does not fit"
    return "◆ Yes, but it is tight" if plan.peak_bytes > TIGHT * plan.free_bytes else "● Yes, it fits"


def elsewhere(found: list[dict]) -> str:
    """A table: what the plan would be on cards of other sizes."""
    rows = [[cell.replace(" ", "\u00a0") if i < 3 else cell for i, cell in enumerate((f"{f['gigabytes']} GB", *_way(f)))] for f in found]
    return html.table(["Card", "Fits", "Takes", "How"], rows)


def _way(f: dict) -> list[str]:
    if "why_not" in f:
        return ["▲ no", "", f["why_not"]]
    how = methods.get(f["method"]).title + f", {f['micro_batch']} at once"
    how += ", computing twice" if f["gradient_checkpointing"] else ""
    how += ", 8-bit optimizer" if "8bit" in f["optimizer"] else ""
    return ["● yes" if f["fits"] else "▲ no", human_bytes(f["peak_bytes"]), how + f", up to {f['max_length']:,} tokens"]


def largest(device: devices.Device) -> str:
    rows = [[methods.get(m).title, id] for m, id in model_suggestions.largest(device).items()]
    if not rows:
        return ""
    return f"<p>The largest models of the list for {html.escape(device.name)}, all of it free:</p>" + html.table(["Method", "Model"], rows)
