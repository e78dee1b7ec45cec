"""Train on Hugging Face's machines: what they cost for this run, the agreement to it, and the start there."""

import gradio as gr

from tuner import runs
from tuner.errors import NotAllowedError
from tuner.jobs import hub_hardware, training
from tuner.jobs.hub_hardware import Offer, dollars
from tuner.paths import Workspace
from ui.components import html, units
from ui.session import AppContext
from ui.text import text
from ui.train_views.draft import Draft


class JobsView:
    """The page wires `look` and `start`, since it knows the rest of the form. `offered`: {flavor: (minutes, dollars an hour)} of the last look."""

    def __init__(self, context: AppContext):
        self.context = context
        self.offered = gr.State({})
        with gr.Accordion(text("train-jobs"), open=False, elem_id="hub-jobs", visible=not context.guest):
            gr.HTML(f'<p class="ts-quiet">{html.escape(text("train-jobs-about"))}</p>', padding=False)
            self.look = gr.Button(text("train-jobs-look"), elem_id="jobs-look")
            with gr.Column(visible=False) as self.choice:
                self.flavor = gr.Dropdown([], label=text("train-jobs-flavor.label"), interactive=True, elem_id="jobs-flavor")
                self.minutes = gr.Number(
                    label=text("train-jobs-timeout.label"),
                    info=text("train-jobs-timeout.info"),
                    precision=0,
                    minimum=1,
                    elem_id="jobs-timeout",
                )
                self.agreed = gr.Checkbox(label=" ", elem_id="jobs-agreed")
                self.start = gr.Button(text("train-jobs-start"), variant="primary", elem_id="jobs-start")
            self.said = gr.HTML(elem_id="jobs-said", padding=False)
        self.asked = [self.offered, self.flavor, self.minutes, self.agreed]
        self.shown = [self.offered, self.choice, self.flavor, self.minutes, self.agreed, self.said]
        quiet = {"show_progress": "hidden", "queue": False}
        self.flavor.input(self.of_flavor, [self.offered, self.flavor], [self.minutes, self.agreed], **quiet)
        self.minutes.change(self.of_minutes, [self.offered, self.flavor, self.minutes], self.agreed, **quiet)

    def of_flavor(self, offered, flavor):
        """Return the minutes of another kind of hardware, and what is agreed to."""
        minutes, per_hour = offered.get(flavor, (hub_hardware.LEAST, 0.0))
        return minutes, agreement(minutes, per_hour)

    def of_minutes(self, offered, flavor, minutes):
        """Return what is agreed to with another number of minutes: an earlier agreement was to another price."""
        return agreement(minutes or 0, offered.get(flavor, (0, 0.0))[1])

    def require(self) -> None:
        """Raise NotAllowedError on a page of guests: a visit ends, and what it rents would go on."""
        if self.context.guest:
            raise NotAllowedError(
                "Guests can't rent hardware from here.",
                asked="Hugging Face Jobs",
                available="training on this computer",
                remedy="Run Tunesmith on your computer, or in a Space of your own.",
            )

    def offers(self, ws: Workspace, draft: Draft) -> list:
        """Ask what there is; return values for `shown`."""
        self.require()
        found = hub_hardware.offers(ws, draft.request(), preset=draft.preset)
        best = hub_hardware.choose(found, None, None)
        offered = {o.flavor: (o.timeout, o.per_hour) for o in found}
        choices = [(titled(o), o.flavor) for o in found if o.fits]
        unfit = len(found) - len(choices)
        needed = text("train-jobs-unfit", count=unfit, needed=units.size(best.needed))
        told = f'<p class="ts-quiet">{html.escape(needed)}</p>' if unfit else ""
        return [
            offered,
            gr.update(visible=True),
            gr.update(choices=choices, value=best.flavor),
            best.timeout,
            agreement(best.timeout, best.per_hour),
            told,
        ]

    def begin(self, ws: Workspace, draft: Draft, offered, flavor, minutes, agreed) -> runs.Run:
        """Start the run there, where the price of this moment is not above the one that was agreed to."""
        self.require()
        offer = hub_hardware.choose(hub_hardware.offers(ws, draft.request(), preset=draft.preset), flavor or None, int(minutes or 0))
        shown = offered.get(offer.flavor, (0, 0.0))[1] * offer.timeout / 60
        where = hub_hardware.where(offer, bool(agreed) and offer.most <= shown * 1.001)
        return training.start(ws, draft.request(), preset=draft.preset, name=draft.name.strip() or None, where=where)


def titled(offer: Offer) -> str:
    return text(
        "train-jobs-offer",
        title=offer.title,
        memory=units.size(offer.memory),
        price=dollars(offer.per_hour),
        time=units.duration(offer.seconds),
        cost=dollars(offer.cost),
    )


def agreement(minutes: float, per_hour: float) -> dict:
    """Return the checkbox with the price that is agreed to, not yet agreed."""
    return gr.update(label=text("train-jobs-agree", price=dollars(per_hour * minutes / 60)), value=False)
