"""The model to train: a list with size, fit, licence and access; any other by its name, its folder or a search; the download of one."""

import time
from pathlib import Path

import gradio as gr

from tuner import devices, models, runs
from tuner.data.quality import language
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import downloads
from tuner.models import hub
from tuner.paths import Workspace
from tuner.planning import model_list, model_suggestions
from tuner.settings import methods, objectives
from ui.components import dropdowns, html, units
from ui.components.html import escape
from ui.session import AppContext
from ui.text import text
from ui.train_views.acts import model_button, set_button
from ui.train_views.draft import STARTER, Draft


class ModelView:
    def __init__(self, context: AppContext):
        self.context = context
        self.model = gr.Dropdown(
            [STARTER],
            value=STARTER,
            label=text("setting-model.label"),
            info=text("train-model.info"),
            allow_custom_value=not context.guest,
            elem_id="train-model",
            interactive=True,
        )
        self.search_state = gr.HTML(elem_id="hub-found")
        self.about = gr.HTML(elem_id="model-facts")
        with gr.Row(visible=False) as self.access:
            self.token = gr.Textbox(
                label=text("train-token.label"), info=text("train-token.info"), type="password", max_lines=1, scale=3, elem_id="train-token"
            )
            self.use_token = gr.Button(text("train-use-token"), elem_id="train-use-token")
        self.suggested = gr.HTML(elem_id="suggested")
        with gr.Row():
            self.fetch = gr.Button(visible=False, elem_id="fetch-suggested")
            self.stop = gr.Button(text("train-stop-download"), visible=False, elem_id="stop-fetch")
        self.id = gr.State(None)
        self.state = gr.HTML(elem_id="fetch-state")
        self.list = gr.HTML(elem_id="model-list")
        self.outputs = [self.about, self.access, self.suggested, self.fetch, self.id, self.list]

    def wire(self, ask: dict) -> None:
        """`ask`: the arguments of an event that plans anew, but for its trigger."""
        quick = {"show_progress": "hidden"}
        if self.context.guest:
            return
        self.model.key_up(self.on_type, None, [self.model, self.search_state], trigger_mode="multiple", concurrency_limit=1, **quick)
        self.fetch.click(self.on_fetch, self.id, [self.state, self.stop], concurrency_limit=None, **quick).then(**ask)
        self.stop.click(self.on_stop, self.id, None, queue=False)
        for event in (self.use_token.click, self.token.submit):
            event(self.on_token, self.token, [self.token, self.state], queue=False, **quick).then(**ask)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, draft: Draft, ds: store.Dataset | None, found: models.Model | None) -> list:
        """Return values for `outputs`."""
        objective = objective_of(draft, ds)
        if self.context.guest:
            return [facts(found), gr.update(visible=False), "", gr.update(visible=False), None, ""]
        there = frozenset(h.id for h in hub.cached())
        gated = found is not None and found.facts.gated and not found.facts.path
        best = model_suggestions.recommended(devices.get(None), objective, language.soon(ds) if ds else None, there=there)
        fetch = gr.update(
            visible=bool(best.download), value=text("train-download", model=best.id.split("/")[-1], size=units.size(best.download))
        )
        listed = model_table(model_list.offers(devices.get(None), objective, there=there), draft.model)
        return [facts(found), gr.update(visible=gated), suggestion(best, draft.model), fetch, best.id, listed]

    def offers(self, ws: Workspace) -> list[tuple[str, str]]:
        """Return (title, reference) of what can be started from: what is on this computer first."""
        listed = models.listing(ws, most=dropdowns.NEWEST)
        if self.context.guest:
            return [o for o in listed if o[1] == STARTER or (ws.runs / o[1]).is_dir()]
        there = [(hub.title(h), h.id) for h in hub.cached()]
        return there + [o for o in listed if o[1] not in {ref for _, ref in there}]

    def here(self, ds: store.Dataset | None) -> str:
        """Return the recommended model when it is on this computer already, else the starter."""
        there = frozenset() if self.context.guest else frozenset(h.id for h in hub.cached())
        if not there:
            return STARTER
        best = model_suggestions.recommended(devices.get(None), objective_of(Draft(), ds), language.soon(ds) if ds else None, there=there)
        return best.id if best.id in there else STARTER

    # --- what a person does -------------------------------------------------------------------------------------------

    def on_type(self, event: gr.KeyUpData, request: gr.Request):
        """Offer what the Hub has of that name, below what is known here; a path is no search."""
        known = self.offers(self.context.workspace(request))
        words = str(event.input_value or "")
        for title, _ in known:  # whoever writes on behind what was chosen before means what was written
            words = words.removeprefix(title)
        try:
            own = self.context.may_bring_own(request)  # a public page asks the Hub nothing for its visitors
            hits = [(hub.title(h), h.id) for h in hub.search(words)] if own else []
        except TunerError as error:
            return gr.update(choices=known), f'<p class="ts-quiet" lang="en">{escape(str(error))}</p>'
        return gr.update(choices=known + [h for h in hits if h[1] not in {ref for _, ref in known}]), ""

    def on_token(self, token, request: gr.Request):
        """Keep the token in this process's memory; the plan is then made with it."""
        try:
            self.context.keep_hub_token(request, token or "")
        except Exception as error:
            return "", html.trouble(error)
        return "", html.good(text("train-token-used" if token else "train-token-forgotten"))

    def on_fetch(self, id, request: gr.Request):
        """Start or join the download, and tell of it while the page is open; it goes on without the page."""
        ws = self.context.workspace(request)
        try:
            found = downloads.start(ws, str(id))
        except TunerError as error:
            yield html.trouble(error), gr.update(visible=False)
            return
        while found.get("state") in runs.LIVE:
            said = found.get("reason") or text("train-downloading")
            yield f'<p class="ts-quiet" role="status">{escape(said)}</p>', gr.update(visible=True)
            time.sleep(0.5)
            found = downloads.state(ws, str(id))
        if found.get("state") == "finished":
            yield html.good(text("train-downloaded", model=str(id))), gr.update(visible=False)
        else:
            yield html.bad(found.get("reason") or text("train-download-ended")), gr.update(visible=False)

    def on_stop(self, id, request: gr.Request):
        downloads.stop(self.context.workspace(request), str(id))


def named(ws: Workspace, found: models.Model) -> str:
    """Return a model as the summary names it: a run by its name, a folder by its last part, the starter as such."""
    if found.kind == "run":
        return runs.get(ws, found.ref).name
    return {"starter": text("train-starter"), "folder": Path(found.ref).name}.get(found.kind, found.ref)


def facts(found: models.Model | None) -> str:
    """Return what is known of the chosen model (HTML), and how to get access where it is gated."""
    if found is None:
        return ""
    locked = html.bad(hub.how_to_open(found.base), "en") if found.facts.gated and not found.facts.path else ""
    return f'<p class="ts-quiet" lang="en">{escape(models.describe(found))}</p>{locked}'


def suggestion(best: model_suggestions.Suggestion, chosen: str) -> str:
    """Return the recommended model, its reason and a button that chooses it (HTML)."""
    choose = "" if best.id == chosen else set_button({"model": best.id}, text("train-choose-model"))
    head = f'<b>{escape(text("train-recommended"))}</b> <span translate="no">{escape(best.id)}</span>'
    return f'<div class="ts-card">{head}<p lang="en">{escape(best.reason)}</p>{choose}</div>'


LANGUAGES = 4  # shown of a model
FITS = {"fits": ("good", "train-fits-yes"), "tight": ("warning", "train-fits-tight"), "no": ("bad", "train-fits-no")}


def model_table(offers: list[model_list.Offer], chosen: str) -> str:
    """Return the list of models: name, size, whether it fits and how, time, licence, access, download (HTML)."""
    keys = ("setting-model.label", "train-size", "train-fits", "train-typical-time", "train-licence", "train-where")
    head = "".join(f"<th scope=col>{escape(text(k))}</th>" for k in keys)
    rows = "".join(_row(o, chosen) for o in offers)
    return (
        f'<div class="ts-scroll" tabindex="0" role="region" aria-label="{escape(text("train-model-list"))}">'
        f'<table class="ts-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(offer: model_list.Offer, chosen: str) -> str:
    kind, word = FITS[offer.fits]
    method = f" ({methods.get(offer.method).title})" if offer.method else ""
    where = text("train-on-this-computer") if not offer.download else units.size(offer.download)
    gated = f"{html.state('warning', text('train-gated'))} " if offer.gated else ""
    known = spoken(offer.languages)
    languages = f'<br><span class="ts-quiet">{escape(text("train-languages", known=known))}</span>' if known else ""
    cells = [
        f'<span translate="no">{model_button(offer.id, offer.id, chosen=offer.id == chosen)}</span>{languages}',
        units.compact(offer.parameters),
        html.state(kind, text(word) + method),
        units.duration(offer.seconds) if offer.method else "",
        f"{gated}{escape(offer.licence)}",
        escape(where),
    ]
    return f"<tr{' class=chosen' if offer.id == chosen else ''}>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"


def spoken(languages: tuple[str, ...]) -> str:
    """Return the languages of a model by their codes, the first of many; "" where the catalog names none."""
    shown = ", ".join(languages[:LANGUAGES])
    return text("train-languages-more", shown=shown, n=len(languages) - LANGUAGES) if len(languages) > LANGUAGES else shown


def objective_of(draft: Draft, ds: store.Dataset | None) -> str:
    """Return what is trained, as far as the form and the data tell."""
    if draft.chosen.get("objective"):
        return draft.chosen["objective"]
    if ds is None:
        return "chat"
    return objectives.default_for(ds.kind, "decoder" if ds.kind in ("chat", "text", "preference", "rated") else "encoder")
