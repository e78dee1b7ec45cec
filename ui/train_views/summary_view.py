"""What a run would take and do, beside the form: memory, time, steps, rows, warnings and errors, each with a link to its field."""

from html import escape
from typing import Any

from tuner.data.store.dataset import Dataset
from tuner.errors import TunerError
from tuner.planning.planner import Plan
from tuner.runs import run_warnings
from tuner.settings import run_config
from ui.components import html, units
from ui.text import text
from ui.train_views import form, memory_view
from ui.train_views.acts import set_button


def of_plan(plan: Plan, model: str, ds: Dataset | None) -> str:
    """Return the summary of a plan (HTML): the model and dataset it is of, memory, and with a dataset what the run would take and do."""
    name = f'<span translate="no">{escape(model)}</span>'
    data = text("train-dataset-version", said=ds.name, version=ds.version) if ds else ""
    of = f'<dl id="plan-of"><dt>{text("setting-model.label")}</dt><dd>{name}</dd>'
    of += f'<dt>{text("setting-data.label")}</dt><dd><span translate="no">{escape(data)}</span></dd></dl>' if ds else "</dl>"
    return of + memory_view.card(plan) + (facts(plan, ds.rows - ds.held_out, ds.held_out) if ds else "")


def epochs(plan: Plan, rows: int) -> float:
    """Return how often all rows are read: less often than asked for where a number of steps ends the run before."""
    settings = plan.settings
    if plan.steps != settings.max_steps or settings.packing or not rows:
        return settings.epochs
    return min(settings.epochs, plan.steps * settings.effective_batch / rows)


def facts(plan: Plan, rows: int, validation: int) -> str:
    """Return time, steps, batch, rows and what is trained, a line each (HTML)."""
    settings, passes = plan.settings, epochs(plan, rows)
    share = plan.trainable_parameters / max(1, plan.total_parameters)
    lines = {
        "train-time": f"{units.span(plan.seconds_low, plan.seconds_high)}{effort(plan)}",
        "train-steps": text("train-steps-of", n=units.count(plan.steps), epochs=units.decimal(passes, 3), number=passes),
        "train-batch": batch(settings),
        "train-rows": used(plan, rows, validation),
        "train-parameters": text(
            "train-parameters-of",
            n=units.compact(plan.trainable_parameters),
            total=units.compact(plan.total_parameters),
            share=units.percent(share, 1 if share >= 0.001 else 3),
        ),
        "train-evaluation": text(
            "train-evaluation-of" if validation else "train-evaluation-none",
            evaluation=settings.eval_steps,
            save=settings.save_steps,
            size=units.size(plan.checkpoint_bytes),
        ),
    }
    if settings.early_stopping:
        lines["train-stopping"] = text("train-stopping-of", n=settings.early_stopping)
    return '<dl id="plan-card">' + "".join(f"<dt>{escape(text(k))}</dt><dd>{escape(v)}</dd>" for k, v in lines.items()) + "</dl>"


def batch(settings: run_config.Settings) -> str:
    """Return the effective batch size as micro-batch × accumulation × devices."""
    micro, effective = settings.micro_batch or 1, settings.effective_batch or 1
    together = micro * settings.processes
    return text("train-batch-of", micro=micro, accumulation=max(1, effective // together), devices=settings.processes, effective=effective)


def used(plan: Plan, rows: int, validation: int) -> str:
    """Return how many rows are trained and validated with; of those that the dataset has, where that is fewer."""
    if not plan.rows:
        return text("train-rows-of", n=units.count(rows), validation=units.count(validation))
    there, held = plan.rows["rows"], plan.rows["held_out"]["rows"]
    fewer = sum(plan.rows["left_out"].values()) or sum(plan.rows["held_out"]["left_out"].values())
    names = {"n": units.count(there), "validation": units.count(held), "all": units.count(rows), "all_validation": units.count(validation)}
    return text("train-rows-left", **names) if fewer else text("train-rows-of", n=names["n"], validation=names["validation"])


def effort(plan: Plan) -> str:
    """Return ', about 12 Wh, 0.10 to 0.20 USD': what is known of it."""
    parts = [text("train-energy", n=units.decimal(plan.energy_wh, 2))] if plan.energy_wh else []
    if cost := plan.cost:
        parts.append(text("train-cost", low=f"{cost['low']:.2f}", high=f"{cost['high']:.2f}", currency=cost["currency"]))
    return "".join(f", {p}" for p in parts)


# --- warnings and errors --------------------------------------------------------------------------------------------------


def warnings(plan: Plan, *, own_models: bool = True) -> str:
    """Return the warnings of a plan with the fixes that a click takes, then its notes (HTML). `own_models`: the visitor may choose any model."""
    lines = [_warning(w, own_models) for w in plan.warnings]
    notes = "".join(f'<li lang="en">{escape(n)}</li>' for n in plan.notes)
    return "".join(lines) + (f'<ul class="ts-notes">{notes}</ul>' if notes else "")


def _warning(warning: dict[str, Any], own_models: bool) -> str:
    models = [f for f in warning["fixes"] if "model" in f["settings"]]
    link = f" {form.field_link('model')}" if models else ""
    fixes = "".join(set_button(f["settings"], f["title"]) for f in warning["fixes"] if own_models or f not in models)
    kind = "quiet" if warning["severity"] == "info" else warning["severity"].replace("error", "bad")
    head = html.state(kind, text(f"train-{warning['severity']}"))
    return f'<div class="ts-note {kind}">{head}{link}<p lang="en">{escape(run_warnings.sentence(warning))}</p><div class="ts-offers" lang="en">{fixes}</div></div>'


def question(plan: Plan) -> str:
    """Return why training doesn't start although the plan fits: rows would be lost; accepting that is one click (HTML)."""
    if not plan.question:
        return ""
    accepts = any(q["field"] == "accept_lost_rows" for q in plan.question)
    button = set_button({"accept_lost_rows": True}, text("setting-accept-lost-rows.label")) if accepts else ""
    said = text("train-question-accept" if accepts else "train-question")
    return (
        f'<div class="ts-note bad">{html.state("bad", text("train-error"))}<p>{escape(said)}</p><div class="ts-offers">{button}</div></div>'
    )


def errors(error: BaseException) -> str:
    """Return all that is wrong with a form, each with a link to its field (HTML); what is unforeseen is shown as such."""
    if not isinstance(error, TunerError):
        return html.trouble(error)
    return "".join(_error(e) for e in error.as_list())


def _error(found: dict[str, Any]) -> str:
    link = f" {form.field_link(found['field'])}" if found["field"] in run_config.FIELDS else ""
    head = html.state("bad", text("train-error"))
    return f'<div class="ts-note bad" role="alert">{head}{link}<p lang="en">{escape(html.sentence_of(found))}</p></div>'
