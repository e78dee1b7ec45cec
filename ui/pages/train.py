"""Dataset, model, settings, review: four steps, and beside them what the run would take and do. Start it when nothing is wrong.

`draft` (in the browser) is what a person asked for; every event makes another draft, and `plan` draws the page of it.
"""

import json
from dataclasses import replace
from pathlib import Path

import gradio as gr

from tuner.data.store import store
from tuner.jobs import sweeps, training
from tuner.paths import Workspace
from tuner.system import processes
from ui.components import dropdowns, html
from ui.components.html import escape
from ui.session import AppContext, Session
from ui.text import text
from ui.train_views import acts, form, model_view, preset_view, rows_view, summary_view, sweep_view, template_view, where_view
from ui.train_views.bundle_view import BundleView
from ui.train_views.draft import STARTER, Draft
from ui.train_views.dry_run_view import DryRunView
from ui.train_views.fields import fields_json, pressed, states_of
from ui.train_views.jobs_view import JobsView
from ui.train_views.memory_view import OtherCards
from ui.train_views.method_view import MethodView
from ui.train_views.model_view import ModelView
from ui.train_views.outcome import Outcome, dataset_of, planned
from ui.train_views.pieces import about_data, chosen_table, data_choices, group_header, onward, step, stepper
from ui.train_views.preset_view import PresetView
from ui.train_views.rows_view import RowsView
from ui.train_views.sweep_view import SweepView
from ui.train_views.template_view import TemplateView
from ui.train_views.where_view import WhereView
from ui.train_views.yaml_view import YamlView


class TrainPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.draft = gr.BrowserState({}, storage_key="tunesmith-draft", secret="tunesmith")  # settings only: nothing in it is secret
        self.fields = gr.Textbox(visible="hidden", show_label=False, elem_id="train-fields", elem_classes=["ts-hidden"])
        self.act = gr.Textbox(visible="hidden", show_label=False, elem_id="train-act", elem_classes=["ts-hidden"])
        self.asking = gr.Button(visible="hidden", elem_id="train-plan", elem_classes=["ts-hidden"])
        self.apply_again = gr.Button(visible="hidden", elem_id="train-apply", elem_classes=["ts-hidden"])
        gr.HTML(stepper(), elem_id="steps", padding=False)
        with gr.Row(elem_id="train-columns", equal_height=False):
            with gr.Column(scale=3, min_width=320, elem_id="train-steps"):
                self._steps()
            with gr.Column(scale=2, min_width=300, elem_id="train-summary"):
                self._summary()
        form_shown = [self.draft, self.fields, self.data, self.about_data, self.model.model, *self.model.outputs]
        beside = [self.summary, self.warnings, self.problems, self.anyway, self.start, self.rows.pending]
        drawn = [self.name, self.chosen, *self.yaml.outputs, *self.template.outputs]
        self.shown = [*form_shown, self.presets.preset, self.presets.about, *beside, *drawn]
        self.started = [self.session, self.draft, self.start, self.cancel, self.starting]
        self._wire()

    def _steps(self) -> None:
        """Build the four steps; one is in view at a time (train.js)."""
        with step("dataset"):
            self.data = gr.Dropdown([], label=text("setting-data.label"), elem_id="train-data", interactive=True)
            self.about_data = gr.HTML(elem_id="train-about-data")
            gr.HTML(onward("model"), padding=False)
        with step("model"):
            self.model = ModelView(self.context)
            gr.HTML(onward("settings"), padding=False)
        with step("settings"):
            self.presets = PresetView(self.context)
            self._settings()
            gr.HTML(onward("review"), padding=False)
        with step("review"):
            self.name = gr.Textbox(
                label=text("train-name.label"), placeholder=text("train-name.placeholder"), max_lines=1, elem_id="run-name"
            )
            self.where = WhereView(self.context)
            self.chosen = gr.HTML(elem_id="train-chosen")
            self.yaml = YamlView(self.context)
            self.sweep = SweepView(self.context)
            self.jobs = JobsView(self.context)
            self.elsewhere = BundleView(self.context)

    def _settings(self) -> None:
        self.widgets: dict[str, gr.components.Component] = {}
        with gr.Row(elem_classes="ts-fields"):
            self.widgets |= {name: form.widget(name) for name in form.FIRST}
        self.method = MethodView(self.context)
        for group, names in form.groups().items():
            gr.HTML(group_header(group), padding=False, elem_classes="ts-group-head")
            with gr.Row(elem_classes=["ts-fields", "ts-group"], elem_id=f"group-{group}"):
                self.widgets |= {name: form.widget(name) for name in names}
                if template_view.NAME in names:
                    self.template = TemplateView(self.context)
        with gr.Row():
            self.reset_preset = gr.Button(text("train-reset-preset"), elem_id="reset-preset")
            self.reset_all = gr.Button(text("train-reset-all"), elem_id="reset-all")
        self.presets.own()

    def _summary(self) -> None:
        gr.HTML(f"<h2>{text('train-summary')}</h2>", padding=False)
        self.problems = gr.HTML(elem_id="plan-problems", padding=False)
        self.summary = gr.HTML(elem_id="plan-summary", padding=False)
        self.rows = RowsView(self.context)
        self.warnings = gr.HTML(elem_id="plan-rows", padding=False)
        self.anyway = gr.Checkbox(label=text("train-anyway.label"), info=text("train-anyway.info"), visible=False, elem_id="start-anyway")
        with gr.Row():
            self.start = gr.Button(text("train-start"), variant="primary", interactive=False, elem_id="start-training")
            self.cancel = gr.Button(text("train-cancel"), visible=False, elem_id="cancel-start")
        self.starting = gr.HTML(elem_id="starting", padding=False)
        self.dry_run = DryRunView(self.context)
        self.cards = OtherCards(self.context)

    # --- events -------------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> list:
        """Return what the form holds, as `plan` in train.js and `on_plan` read it."""
        entered = [self.model.model, self.data, self.presets.preset, self.name, self.anyway]
        return [self.draft, self.fields, self.yaml.which, *entered, self.template.editor, *self.widgets.values()]

    def _wire(self) -> None:
        """Whatever changes the form asks for a plan by `ask`; the script puts these questions to the server one after the other."""
        hidden = {"show_progress": "hidden", "concurrency_limit": 4}
        ask = {"fn": None, "js": "() => window.tunesmith.train.ask()"}
        entered = [self.model.model, self.data, self.presets.preset, self.name, self.anyway, self.yaml.which, *self.widgets.values()]
        events = [w.change if isinstance(w, gr.Textbox) else w.input for w in entered]  # its `input` is a key press: not a paste
        events.append(self.template.editor.blur)  # while a person writes, the preview alone follows
        gr.on([*events, self.rows.counted.change], **ask)
        for button, what in ((self.reset_all, "all"), (self.reset_preset, "preset")):
            button.click(None, js=f"() => window.tunesmith.train.act({json.dumps(acts.reset(what))})")
        self.act.change(None, self.act, js="(act) => window.tunesmith.train.act(act)")
        planned = self.asking.click(self.on_plan, self.inputs, self.shown, js="(...v) => window.tunesmith.train.plan(v)", **hidden)
        self.answered(planned)
        widgets = list(self.widgets.values())
        applied = self.fields.change(None, self.fields, widgets, js="(fields) => window.tunesmith.train.apply(fields)")
        applied.then(None, js="() => window.tunesmith.train.settled()")
        self.answered(self.apply_again.click(None, None, widgets, js="() => window.tunesmith.train.again()"))
        self.data.input(None, [self.data, self.session], self.session, js="(data, session) => ({...session, data})")
        self.model.wire(ask)
        self.presets.wire(self.draft, self.act)
        self.yaml.wire(self.draft, self.act)
        self.method.wire(self.draft)
        self.dry_run.wire(self.draft)
        self.cards.wire(self.draft)
        self.rows.wire()
        self.template.wire()
        self._wire_starts()

    def _wire_starts(self) -> None:
        """Whatever begins a run or hands it on takes the whole form, as the script has it."""
        self.going = self.start.click(
            self.on_start,
            [self.session, *self.where.asked, *self.inputs],
            self.started,
            js="(session, where, options, ...v) => [session, where, options, ...window.tunesmith.train.start(v)]",
            show_progress="hidden",
            concurrency_limit=8,
        )
        self.answered(self.going)
        self.sweeping = self.sweep.start.click(
            self.on_sweep,
            [self.session, *self.sweep.asked, *self.inputs],
            [self.session, self.sweep.start, self.sweep.said, self.sweep.made],
            js="(session, values, halving, ...v) => [session, values, halving, ...window.tunesmith.train.start(v)]",
            show_progress="hidden",
            concurrency_limit=4,
        )
        self.answered(self.sweeping)
        bundled = self.elsewhere.make.click(
            self.on_bundle,
            [self.session, *self.inputs],
            [*self.elsewhere.files, self.elsewhere.said],
            js="(session, ...v) => [session, ...window.tunesmith.train.start(v)]",
            show_progress="minimal",
            concurrency_limit=4,
        )
        self.answered(bundled)
        looked = self.jobs.look.click(
            self.on_jobs_look,
            [self.session, *self.inputs],
            self.jobs.shown,
            js="(session, ...v) => [session, ...window.tunesmith.train.start(v)]",
            show_progress="minimal",
            concurrency_limit=4,
        )
        self.answered(looked)
        self.renting = self.jobs.start.click(
            self.on_jobs_start,
            [self.session, *self.jobs.asked, *self.inputs],
            [self.session, self.jobs.said],
            js="(session, offered, flavor, minutes, agreed, ...v) => [session, offered, flavor, minutes, agreed, ...window.tunesmith.train.start(v)]",
            show_progress="minimal",
            concurrency_limit=4,
        )
        self.answered(self.renting)
        self.cancel.click(self.on_cancel, None, [self.start, self.cancel, self.starting], cancels=[self.going], show_progress="hidden")

    def answered(self, event: gr.events.Dependency) -> None:
        """Let the script ask on after an event that changes the form, or may change it."""
        event.then(None, self.fields, js="(fields) => window.tunesmith.train.answered(fields)")

    def follow(self, opening: gr.events.Dependency) -> None:
        """Go on after an event that opened the page, see `opening` in train.js."""
        self.rows.follow(opening)
        self.answered(opening)

    def entered(self, request: gr.Request, stored, fields, _which, model, data, preset, name, anyway, template, *values) -> Draft:
        """Return the draft with what stands in the form, as `inputs` lists it."""
        typed = {"model": str(model or "").strip(), "data": data, "preset": preset, "name": name or "", "anyway": bool(anyway)}
        found, before, states, name = (
            dict(zip(self.widgets, values, strict=True)),
            Draft.read(stored),
            states_of(fields),
            template_view.NAME,
        )
        draft = replace(before, **typed).edited(form.values(states), found.items())
        shown = str(states.get(name, {}).get("template") or "")
        entry = template_view.Entry(found[name], template or "", shown, before.chosen.get(name))
        return self.template.entered(draft, entry, request)

    def on_plan(self, stored, fields, which, request: gr.Request, *values):
        """Plan with what a person entered and pressed."""
        ws, typed = self.context.workspace(request), self.entered(request, stored, fields, which, *values)
        written = values[len(values) - len(self.widgets) - 1]
        return self.plan(ws, self.pressed(ws, typed, fields), fields, which, held=typed, written=written)

    def pressed(self, ws: Workspace, draft: Draft, fields: str | None) -> Draft:
        """Return the draft after all that was pressed since the last question."""
        for act in pressed(fields):
            draft = acts.apply(draft, act, ws)
        return draft

    # --- what is shown ------------------------------------------------------------------------------------------------

    def open(self, ws: Workspace, draft: Draft, fields: str | None, which: str = "asked") -> list:
        """Return values for `shown` as the page is opened: what the draft names and is not here any more is chosen anew."""
        found = store.listing(ws)
        ds = dataset_of(ws, draft.data) or (found[0] if found else None)
        data = ds.ref if ds else None
        untouched = draft.data is None and draft.model == STARTER  # nothing was chosen yet: what suits the data is
        draft = replace(draft, data=data, model=self.model.here(ds) if untouched else draft.model)
        return self.plan(ws, draft, fields, which)

    def plan(
        self,
        ws: Workspace,
        draft: Draft,
        fields: str | None,
        which: str = "asked",
        *,
        held: Draft | None = None,
        written: str | None = None,
    ) -> list:
        """Return values for `shown`: what a run would take and do, or all that is wrong, each beside its field. `held`: the draft that the
        fields hold, so that those in which a person may write on are left alone; `written`: what the template's editor holds."""
        outcome = planned(ws, draft)
        if outcome.plan:
            states = form.states(outcome.plan, draft.chosen)
            if outcome.ds:
                processes.prepare(outcome.plan.device)  # a start is near: it is not to wait for libraries
        else:
            states = form.with_errors(states_of(fields), draft.chosen, outcome.wrong)
        return [
            *self._form(ws, draft, outcome, fields_json(states, fields, alike(draft, held)), held),
            *self._beside(ws, draft, outcome),
            gr.skip() if held and held.name == draft.name else draft.name,
            chosen_table(draft, states),
            *self.yaml.show(draft, outcome.plan, which),
            *self.template.show(draft, outcome, held, written),
        ]

    def _form(self, ws: Workspace, draft: Draft, outcome: Outcome, fields: str, held: Draft | None) -> list:
        return [
            draft.as_json(),
            fields,
            gr.skip() if held and held.data == draft.data else data_choices(ws, draft.data),
            about_data(outcome.ds),
            gr.skip() if held and held.model == draft.model else self._models(ws, draft.model),
            *self.model.show(draft, outcome.ds, outcome.model),
            gr.skip() if held and held.preset == draft.preset else preset_view.radio(ws, draft.preset),
            preset_view.about(ws, draft.preset),
        ]

    def _models(self, ws: Workspace, chosen: str):
        return gr.update(choices=[dropdowns.option(*o) for o in self.model.offers(ws)], value=chosen)

    def _beside(self, ws: Workspace, draft: Draft, outcome: Outcome) -> list:
        plan, ds = outcome.plan, outcome.ds
        if plan is None:
            told = summary_view.errors(outcome.error) if outcome.wrong or draft.data else ""
            return ["", "", told, gr.skip(), gr.update(interactive=False), None]
        ready = ds is not None and not plan.question and (plan.fits or draft.anyway)
        pending = draft.request() | {rows_view.LANGUAGES: not outcome.told} if ds and not (plan.rows and outcome.told) else None
        told = summary_view.question(plan) if ds else f'<p class="ts-quiet">{escape(text("train-no-data"))}</p>'
        return [
            summary_view.of_plan(plan, model_view.named(ws, outcome.model), ds),
            summary_view.warnings(plan, own_models=not self.context.guest),
            told,
            gr.update(visible=not plan.fits, value=draft.anyway),
            gr.update(interactive=ready),
            pending,
        ]

    # --- the start ----------------------------------------------------------------------------------------------------

    def on_start(self, session, where, options, request: gr.Request, *values):
        """Yield values for `started`: at once that it starts, how far the count of all rows is, and the run, whose page is then shown."""
        yield [gr.skip(), gr.skip(), gr.update(interactive=False, value=text("train-starting")), gr.update(visible=True), ""]
        ready = [gr.update(interactive=True, value=text("train-start")), gr.update(visible=False)]
        try:
            ws, draft = self._pressed(request, values)
            for said in rows_view.progress(rows_view.question(ws, draft.request())):
                yield [gr.skip(), gr.skip(), gr.skip(), gr.skip(), said]
            other = where_view.read(where, options)
            run = training.start(
                ws, draft.request(), preset=draft.preset, name=draft.name.strip() or None, anyway=draft.anyway, where=other
            )
        except Exception as error:
            yield [gr.skip(), gr.skip(), *ready, html.trouble(error)]
            return
        yield [Session.read(session).with_(tab="runs", runs=run.id, run=run.id), draft.next().as_json(), *ready, ""]

    def on_sweep(self, session, written, halving, request: gr.Request, *values):
        """Plan a run for each combination of the values and put all of them into the queue; yield the session, the button, what is said, the
        sweep's id."""
        yield gr.skip(), sweep_view.busy(True), "", gr.skip()
        try:
            ws, draft = self._pressed(request, values)
            swept = sweep_view.read(written)
            for said in rows_view.progress(rows_view.question(ws, draft.request())):
                yield gr.skip(), gr.skip(), said, gr.skip()
            id, _ = sweeps.start(
                ws, draft.request(), swept, preset=draft.preset, name=draft.name.strip() or None, anyway=draft.anyway, halving=bool(halving)
            )
        except Exception as error:
            yield gr.skip(), sweep_view.busy(False), html.trouble(error), gr.skip()
            return
        yield Session.read(session).with_(tab="runs", runs=None), sweep_view.busy(False), "", id

    def on_bundle(self, session, request: gr.Request, *values):
        """Write what the form asks for as a bundle for another computer."""
        hidden = [gr.update(visible=False)] * 2
        try:
            return self.elsewhere.written(*self._pressed(request, values))
        except Exception as error:
            return [*hidden, html.trouble(error)]

    def on_jobs_look(self, session, request: gr.Request, *values):
        """Ask Hugging Face what it rents, for what the form asks for."""
        try:
            return self.jobs.offers(*self._pressed(request, values))
        except Exception as error:
            return [*[gr.skip()] * (len(self.jobs.shown) - 1), html.trouble(error)]

    def on_jobs_start(self, session, offered, flavor, minutes, agreed, request: gr.Request, *values):
        """Start the run on Hugging Face's machines."""
        try:
            run = self.jobs.begin(*self._pressed(request, values), offered, flavor, minutes, agreed)
        except Exception as error:
            return gr.skip(), html.trouble(error)
        return Session.read(session).with_(tab="runs", runs=run.id, run=run.id), ""

    def _pressed(self, request: gr.Request, values) -> tuple[Workspace, Draft]:
        """Return the workspace and what the form asks for, which must be a person's to ask."""
        ws = self.context.workspace(request)
        draft = self.pressed(ws, self.entered(request, *values), values[1])  # of what was done last there may be no plan yet
        self.context.require_model(ws, draft.model, request)
        return ws, draft

    def on_cancel(self):
        """The count goes on beside, and is there the next time."""
        return gr.update(interactive=True, value=text("train-start")), gr.update(visible=False), ""


def alike(draft: Draft, held: Draft | None) -> dict:
    """Return the choices of a draft that the fields hold already."""
    return {k: v for k, v in draft.chosen.items() if k in held.chosen and held.chosen[k] == v} if held else {}


def script() -> str:
    """Return the script of the page, with the names of the fields in the order of the widgets."""
    names = [*form.FIRST, *(n for found in form.groups().values() for n in found)]
    source = Path(__file__).with_name("train.js").read_text(encoding="utf-8")
    return f"<script>window.tunesmithFields = {json.dumps(names)}; window.tunesmithAct = {json.dumps(acts.ACT)};</script>\n<script>\n{source}</script>\n"
