"""Pieces of the Train page: the stepper, the heads of groups, what a dataset is, what was chosen."""

from html import escape
from typing import Any

import gradio as gr

from tuner.data.store import store
from tuner.paths import Workspace
from tuner.settings import run_config
from ui.components import dropdowns, html, units
from ui.text import term, text
from ui.train_views import form
from ui.train_views.draft import Draft
from ui.train_views.outcome import dataset_of

STEPS = ("dataset", "model", "settings", "review")


def step(name: str) -> gr.Column:
    """Return the column of a step."""
    return gr.Column(elem_id=f"step-{name}", elem_classes="ts-step")


def stepper() -> str:
    """Return the four steps as buttons (HTML)."""
    items = "".join(
        f'<li><button type="button" data-step="{name}"><span class="ts-number">{n}</span>{text(f"train-step-{name}")}</button></li>'
        for n, name in enumerate(STEPS, 1)
    )
    return f'<nav aria-label="{text("train-steps-nav")}"><ol class="ts-steps">{items}</ol></nav>'


def onward(name: str) -> str:
    return f'<button type="button" class="ts-button" data-step="{name}">{text("train-next", step=text(f"train-step-{name}"))}</button>'


def group_header(group: str) -> str:
    """Return the button that unfolds a group of settings (HTML); train.js says how many of them are a person's own."""
    return (
        f'<button type="button" class="ts-fold" data-group="{group}" aria-expanded="false" aria-controls="group-{group}">'
        f'{text(f"settings-{group}.label")}<span class="ts-count"></span></button>'
    )


def data_choices(ws: Workspace, chosen: str | None):
    """Return the update of the datasets: the newest version of each, and the chosen one whichever version it is."""
    every = store.listing(ws)
    if chosen and all(chosen != d.ref for d in every) and (older := dataset_of(ws, chosen)):
        at = next((i for i, d in enumerate(every) if d.id == older.id), 0)
        every.insert(at + 1, older)
    newest = {d.id: d.ref for d in reversed(every)}
    found = [(_dataset(d, older=d.ref != newest[d.id]), d.ref) for d in every]
    return gr.update(choices=dropdowns.newest(found, chosen), value=chosen if any(chosen == ref for _, ref in found) else None)


def _dataset(ds: store.Dataset, *, older: bool) -> str:
    said = text("train-dataset", name=ds.name, n=units.count(ds.rows))
    return text("train-dataset-version", said=said, version=ds.version) if older else said


def about_data(ds: store.Dataset | None) -> str:
    """Return the rows and the kind of a dataset, with the way to it, or to where one is imported (HTML)."""
    if ds is None:
        return html.empty(text("train-no-data"), html.link("data", text("train-import"), primary=True))
    said = text("train-about-data", n=units.count(ds.rows - ds.held_out), validation=units.count(ds.held_out), kind=ds.kind)
    return f'<p class="ts-quiet">{escape(said)}</p>{html.link("data", text("train-look"), query=f"dataset={ds.ref}")}'


def chosen_table(draft: Draft, states: dict[str, Any]) -> str:
    """Return what differs from the preset and Auto (HTML)."""
    if not draft.chosen:
        return f'<p class="ts-quiet">{escape(text("train-nothing-chosen"))}</p>'
    rows = [(term("setting", n), form.listed(n, v)) for n, v in draft.chosen.items() if n in run_config.FIELDS]
    return f"<h3>{escape(text('train-your-choices'))}</h3>" + html.table([text("train-setting"), text("train-value")], rows)
