"""RunConfig's fields as widgets: one loop, so that no field can be forgotten. A field shows the value that will be used.

`states` says of each field what it shows, who decided it and why, what is wrong with it; `train.js` puts it there. (As updates of 50 components
the same took 90 ms of each answer.)
"""

import re
from html import escape
from typing import Any

import gradio as gr

from tuner.models import chat_templates
from tuner.planning import decisions
from tuner.planning.planner import Plan
from tuner.settings import losses, methods, objectives, run_config
from ui.text import term, text

OWN = ("model", "data")  # chosen by widgets that know what there is
OPEN = ""  # the choice of nothing, where a setting may be off
CUSTOM = "custom"  # the choice of a chat template of one's own, which stands in an editor
TITLES = {
    "method": ("method", methods.METHODS),
    "objective": ("objective", objectives.OBJECTIVES),
    "preference_loss": ("loss", losses.LOSSES),
}
FIRST = ("objective", "method", "epochs", "learning_rate", "max_length", "effective_batch", "micro_batch", "lora_rank")  # always in view


def widget(name: str) -> gr.components.Component:
    """Build the widget of a setting, without a value yet."""
    kind, words = run_config.base_type(name), run_config.choices(name)
    common = {"label": term("setting", name), "elem_id": f"setting-{name}", "interactive": True}
    if name == "chat_template":
        return gr.Dropdown(_template_choices(), **common)
    if words:
        off = [(text("train-none"), OPEN)] if _optional(name) else []
        return gr.Dropdown([*off, *((_title(name, w), w) for w in words)], **common)
    if kind is bool:
        return gr.Checkbox(**common)
    if kind in (int, float):
        return gr.Number(value=None, precision=0 if kind is int else None, step=1 if kind is int else 0.0001, placeholder="–", **common)
    return gr.Textbox(value="", placeholder="–", max_lines=1, **common)


def _template_choices() -> list[tuple[str, str]]:
    named = [(text(f"train-template-{name}"), name) for name in chat_templates.TEMPLATES]
    return [(text("train-template-own"), OPEN), *named, (text("train-template-custom"), CUSTOM)]


def _optional(name: str) -> bool:
    return run_config.FIELDS[name].default is None


def _title(name: str, word: str) -> str:
    return term(TITLES[name][0], word) if name in TITLES else word


def groups() -> dict[str, list[str]]:
    """Return the settings that are folded away, by group, in the order of the form."""
    rest = [n for n in run_config.FIELDS if n not in (*FIRST, *OWN)]
    return {g: found for g in run_config.GROUPS if (found := [n for n in rest if run_config.group_of(n) == g])}


def matters(name: str, settings: run_config.Settings) -> bool:
    """Return whether a setting is shown: it has an effect with the method and objective that are chosen, or leads to another method."""
    return decisions.matters(name, settings) or (name == "quantization" and settings.method == "lora")


# --- values of widgets, and of settings -----------------------------------------------------------------------------------


def read(name: str, value: Any) -> Any:
    """Return a widget's value as a setting: an empty one is None, 'q v' and 'q, v' are lists."""
    if value is None or value == OPEN:
        return None
    if name == "lora_targets" and len(parts := [p for p in re.split(r"[,\s]+", str(value)) if p]) > 1:
        return parts
    return value.strip() if isinstance(value, str) else value


def show(name: str, value: Any) -> Any:
    """Return a setting as its widget's value."""
    if value is None:
        return False if _is_switch(name) else None if run_config.base_type(name) in (int, float) else OPEN
    if name == "chat_template" and isinstance(value, str) and value not in chat_templates.TEMPLATES:
        return CUSTOM
    return ", ".join(value) if isinstance(value, list) else value


def listed(name: str, value: Any) -> Any:
    """Return a setting as a list of settings shows it: a chat template in short."""
    return run_config.shown(name, value) if name == "chat_template" else show(name, value)


def _is_switch(name: str) -> bool:
    return run_config.base_type(name) is bool and not run_config.choices(name)


def unmounted(name: str, value: Any, shown: Any) -> bool:
    """Return whether a value is none of a person's: Gradio tells 0 of an empty number field that is only just being mounted."""
    bounds = run_config.limits(name)
    no_zero = bounds.get("gt", -1) >= 0 or bounds.get("ge", 0) > 0
    return shown is None and value == 0 and value is not False and no_zero


# --- what a field says ----------------------------------------------------------------------------------------------------


def states(plan: Plan, chosen: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {name: {value, by, chip, help, why, error, warning, off}} of a plan; a chosen value that has no effect stays in view and says why."""
    reasons = {r.setting: r for r in plan.reasons}
    out = {}
    for name in run_config.FIELDS:
        if name in OWN:
            continue
        ignored, mine = plan.ignored.get(name), name in chosen
        value = chosen[name] if mine else getattr(plan.settings, name, None)
        reason = reasons.get(name)
        out[name] = _state(name, show(name, value), "you" if mine else reason.by if reason else "default", reason.reason if reason else "")
        if name == "chat_template" and not mine and show(name, value) == CUSTOM:
            out[name]["template"] = value  # of a preset: the editor shows it
        out[name] |= {"off": not (ignored or matters(name, plan.settings)), "warning": text("train-unused", why=ignored) if ignored else ""}
    return out


def _state(name: str, value: Any, by: str, why: str) -> dict[str, Any]:
    chip = {"you": "train-yours", "preset": "train-from-preset"}.get(by, "train-auto")
    said = term("setting", name, "info")
    reason = "" if by in ("you", "default") or why == run_config.FIELDS[name].description else why
    return {
        "value": value,
        "by": by,
        "chip": text(chip),
        "help": said,
        "brief": name in FIRST,
        "why": reason,
        "error": "",
        "warning": "",
        "off": False,
    }


def with_errors(shown: dict[str, dict], chosen: dict[str, Any], errors: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the states of a form that can't be planned: what was shown last, what a person chose, and what is wrong with which field."""
    out = {}
    for name in run_config.FIELDS:
        if name in OWN:
            continue
        value = (
            show(name, chosen[name]) if name in chosen else shown.get(name, {}).get("value", show(name, run_config.FIELDS[name].default))
        )
        last = shown.get(name, {})
        by = "you" if name in chosen else last.get("by", "default") if last.get("by") != "you" else "default"
        out[name] = _state(name, value, by, last.get("why", "")) | {"off": last.get("off", False) and name not in errors}
        out[name] |= {"error": errors.get(name, "")} | {k: last[k] for k in ("template",) if k in last and name not in chosen}
    return out | {name: {"error": errors[name]} for name in OWN if name in errors}


def values(shown: dict[str, dict]) -> dict[str, Any]:
    """Return the values that the fields show."""
    return {name: state.get("value") for name, state in shown.items() if "value" in state}


def field_link(name: str) -> str:
    """Return a link that opens the step of a field and leads into it (HTML)."""
    field = "train-" + name if name in OWN else "setting-" + name
    label = term("setting", name)
    return f'<a href="#{field}" data-field="{field}">{escape(label)}</a>'
