"""Choose model, preset and method; see what it will take and do before it starts; start it."""

import shlex

import gradio as gr

from tuner import models
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import training
from tuner.models import hub
from tuner.paths import Workspace
from tuner.settings import parsing, presets, run_config
from ui.components import dropdowns, html
from ui.session import AppContext, Session
from ui.train_views import form
from ui.train_views.dry_run_view import DryRunView
from ui.train_views.memory_view import MemoryView
from ui.train_views.method_view import MethodView
from ui.train_views.preset_view import PresetView
from ui.train_views.rows_view import RowsView
from ui.train_views.suggestion_view import SuggestionView, objective_of

STARTER = "starter"
PATIENCE = 2.0  # seconds that a plan waits for the count of all rows; a larger dataset is planned from a sample until then


class TrainPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.data = gr.Dropdown(
            [], label="Learn from (data)", info=run_config.FIELDS["data"].description, elem_id="train-data", interactive=True
        )
        self.model = gr.Dropdown(
            [STARTER],
            value=STARTER,
            label="Model",
            info="Choose one, write to search the Hub, or give a folder's path.",
            allow_custom_value=not context.guest,
            elem_id="train-model",
            interactive=True,
        )
        self.found = gr.HTML(elem_id="hub-found")
        self.about = gr.HTML(elem_id="model-facts")
        self.suggest = SuggestionView(context)
        found = presets.listing()
        self.preset = gr.Radio(
            [(p.title, p.name) for p in found],
            value="balanced",
            label="Effort (preset)",
            info=" ".join(f"{p.title}: {p.sentence}" for p in found),
            elem_id="preset",
        )
        self.widgets: dict[str, gr.components.Component] = {}
        with gr.Row():
            for name in form.names(simple=True):
                self.widgets[name] = form.widget(name)
        self.which = MethodView(context)
        with gr.Accordion("All settings: each with its reason; what you change stays yours", open=False, elem_id="all-settings"):
            for group, title in run_config.GROUPS.items():
                gr.Markdown(f"**{title}**")
                with gr.Row():
                    for name in form.names(simple=False):
                        if run_config.group_of(name) == group:
                            self.widgets[name] = form.widget(name)
            self.mine = PresetView(context)
        self.problems = gr.HTML(elem_id="plan-problems")
        with gr.Row():
            with gr.Column(min_width=300):
                self.fit = MemoryView(context)
                self.measuring = DryRunView(context)
            with gr.Column(min_width=300):
                self.plan = gr.HTML(elem_id="plan-card")
                self.rows = RowsView(context)
        with gr.Accordion("The same as a command, and as YAML", open=False):
            self.command = gr.Code(label="Command", language="shell", interactive=False)
            self.yaml = gr.Code(label="YAML (for: tunesmith train FILE.yaml)", language="yaml", interactive=False)
        with gr.Row():
            self.name = gr.Textbox(
                label="Name of the run",
                info="Yours to choose; it can be changed later.",
                placeholder="made from data and model",
                max_lines=1,
                elem_id="run-name",
            )
            self.anyway = gr.Checkbox(
                label="Start even if it does not fit", info="The estimate may be wrong; what happens is up to the device."
            )
        self.start = gr.Button("Start training", variant="primary", elem_id="start-training")
        self.inputs = [self.model, self.data, self.preset, *self.widgets.values()]
        told = [*self.fit.outputs, *self.rows.outputs, *self.suggest.outputs]
        self.outputs = [self.problems, self.plan, self.about, self.command, self.yaml, *told, *self.widgets.values()]
        if not context.guest:
            self.model.key_up(
                self.on_type, None, [self.model, self.found], trigger_mode="multiple", show_progress="hidden", concurrency_limit=1
            )
        self.again = gr.State(0)  # whoever raises it has the plan drawn anew
        replan = (lambda times: times + 1), self.again, self.again
        self.which.wire(self.model, self.data, self.preset, self.widgets)
        self.fit.wire(self.model, self.data, self.preset, self.widgets, replan)
        self.suggest.wire(self.model, replan)
        self.rows.wire(self.widgets, replan)
        self.mine.wire(self.preset, self.widgets, replan)
        self.measuring.wire(self.request, self.inputs)
        typed = (gr.Radio, gr.Textbox, gr.Number)
        events = [w.input if isinstance(w, typed) else w.change for w in self.inputs]
        gr.on(  # one event for all: of two that run side by side the slower would draw a plan of what stood there before
            [*events, self.again.change, self.rows.counted.change],
            self.on_change,
            self.inputs,
            self.outputs,
            trigger_mode="always_last",
            show_progress="hidden",
            concurrency_limit=4,
        )

    def request(self, model, data, given) -> dict:
        return {"model": model, "data": data, **form.values(dict(zip(self.widgets, given, strict=True)))}

    def on_change(self, model, data, preset, request: gr.Request, *given):
        return self.show(self.context.workspace(request), model, data, preset, form.opened(self.widgets, given))

    def offers(self, ws: Workspace) -> list[tuple[str, str]]:
        """(title, ref) of what can be started from: what lies here first."""
        listed = models.listing(ws, most=dropdowns.NEWEST)
        if self.context.guest:
            return [o for o in listed if o[1] == STARTER or (ws.runs / o[1]).is_dir()]
        there = [(hub.title(h), h.id) for h in hub.cached()]
        return there + [o for o in listed if o[1] not in {ref for _, ref in there}]

    def on_type(self, event: gr.KeyUpData, request: gr.Request):
        """What the Hub has of that name, below what is known here."""
        known = self.offers(self.context.workspace(request))
        words = str(event.input_value or "")
        for title, _ in known:  # whoever writes on behind what was chosen before means what was written
            words = words.removeprefix(title)
        try:
            own = self.context.may_bring_own(request)  # a public page asks the Hub nothing for its visitors
            hits = [(hub.title(h), h.id) for h in hub.search(words)] if own else []
        except TunerError as error:
            return gr.update(choices=known), f'<p class="ts-quiet">{html.escape(str(error))}</p>'
        return gr.update(choices=known + [h for h in hits if h[1] not in {ref for _, ref in known}]), ""

    def show(self, ws: Workspace, model, data, preset, given) -> list:
        """Values for `outputs`: what a run would take and do, or all that is wrong, each beside its field."""
        values = self.request(model, data, given)
        try:
            plan, found, ds, _ = training.prepare(ws, values, preset=preset, wait=PATIENCE)
        except Exception as error:
            wrong = html.field_errors(error) if isinstance(error, TunerError) else {}
            elsewhere = html.trouble(error)
            told = [*self.fit.nothing(), *self.rows.nothing(), *[gr.skip() for _ in self.suggest.outputs]]
            infos = [gr.update(info=form.info(n, None, wrong.get(n))) for n in self.widgets]
            return [elsewhere, "", "", gr.skip(), gr.skip(), *told, *infos]
        reasons = {r.setting: r for r in plan.reasons}
        infos = [
            gr.update(
                info=form.info(n, reasons.get(n), None, plan.ignored.get(n)), visible=n in plan.ignored or form.matters(n, plan.settings)
            )
            for n in self.widgets
        ]
        card = (
            html.plan_card(plan, ds.rows - ds.held_out, ds.held_out)
            if ds
            else '<div class="ts-card">Choose the data to learn from: the Data page brings it in.</div>'
        )
        return [
            "",
            card,
            f'<p class="ts-quiet">{html.escape(models.describe(found))}</p>'
            + (html.bad(hub.how_to_open(found.base)) if found.facts.gated and not found.facts.path else ""),
            command(values, preset),
            parsing.to_yaml({**values, "preset": preset}),
            *self.fit.show(plan),
            *self.rows.show(plan, values),
            *self.suggest.show(ws, ds, objective_of(values, ds), str(model)),
            *infos,
        ]

    def fresh(self, ws: Workspace, data: str | None, model: str | None = None, mine: dict | None = None) -> list:
        """Values for data, model, and all widgets: the form as a person finds it, or with a stored run's own settings."""
        found = [(f"{d.name} · {d.rows:,} rows", d.ref) for d in store.listing(ws)]
        chosen = data if any(data == r for _, r in found) else (found[0][1] if found else None)
        info = dropdowns.info(run_config.FIELDS["data"].description, len(found), "choose another in the Data page, then come back.")
        values = [form.show(n, (mine or {}).get(n)) for n in self.widgets]
        model = model or self.suggest.here(chosen and store.get(ws, chosen)) or STARTER
        return [
            gr.update(choices=dropdowns.newest(found, chosen), value=chosen, info=info),
            gr.update(choices=[dropdowns.option(*o) for o in self.offers(ws)], value=model),
            *values,
        ]

    def on_start(self, model, data, preset, name, anyway, session, request: gr.Request, *given):
        """(run id or None, session, what went wrong)"""
        try:
            ws = self.context.workspace(request)
            self.context.require_model(ws, str(model), request)
            run = training.start(
                ws, self.request(model, data, given), preset=preset, name=(name or "").strip() or None, anyway=bool(anyway)
            )
        except Exception as error:
            return gr.skip(), html.trouble(error)
        return Session.read(session).with_(tab="runs", run=run.id), ""


def command(values: dict, preset: str | None) -> str:
    """The line that does the same in a terminal."""
    parts = ["tunesmith", "train", "--model", str(values.get("model")), "--data", str(values.get("data"))]
    parts += ["--preset", preset] if preset else []
    for key, value in values.items():
        if key in ("objective", "method"):
            parts += [f"--{key}", str(value)]
        elif key not in ("model", "data"):
            text = (
                "[" + ", ".join(value) + "]"
                if isinstance(value, list)
                else str(value).lower()
                if isinstance(value, bool)
                else f"{value:g}"
                if isinstance(value, float)
                else str(value)
            )
            parts += ["-s", f"{key}={text}"]
    return shlex.join(parts)
