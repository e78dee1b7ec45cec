"""RunConfig fields → widgets → RunConfig: one loop, so that no field can be forgotten.

An empty widget leaves the setting to the preset and the planner; its info line says what they chose and why.
"""

from collections.abc import Iterable
from typing import Any

import gradio as gr

from tuner.planning import decisions
from tuner.planning.decisions import Decision
from tuner.settings import losses, methods, objectives, run_config

AUTO = ""  # the choice that leaves it open
TITLES = {"method": methods.METHODS, "objective": objectives.OBJECTIVES, "preference_loss": losses.LOSSES}
OWN = ("model", "data")  # chosen by widgets that know what there is


def widget(name: str) -> gr.components.Component:
    """An empty widget for a setting, labelled and explained."""
    field, kind, words = run_config.FIELDS[name], run_config.base_type(name), run_config.choices(name)
    common = {"label": field.title, "info": field.description, "elem_id": f"setting-{name}", "interactive": True}
    if words:
        titled = [(TITLES[name][word].title, word) if name in TITLES else word for word in words]
        return gr.Dropdown([("as planned", AUTO), *titled], value=AUTO, **common)
    if kind is bool:
        return gr.Dropdown([("as planned", AUTO), ("yes", "true"), ("no", "false")], value=AUTO, **common)
    if kind in (int, float):
        return gr.Number(
            value=None, precision=0 if kind is int else None, step=1 if kind is int else 0.0001, placeholder="as planned", **common
        )
    return gr.Textbox(value="", placeholder="as planned", max_lines=1, **common)


def names(*, simple: bool) -> list[str]:
    """The settings in the order of the form's groups."""
    return [
        n
        for g in run_config.GROUPS
        for n in run_config.FIELDS
        if run_config.group_of(n) == g and run_config.is_simple(n) is simple and n not in OWN
    ]


def matters(name: str, settings: run_config.Settings) -> bool:
    """Whether a setting means something for the method and objective that are chosen; the others are not shown."""
    if name == "class_weights":
        return settings.objective in ("classification", "tokens")
    if name == "fold_system":
        return settings.objective in objectives.USES_CHAT_TEMPLATE
    if run_config.group_of(name) == "preference":
        return settings.objective == "preference" and decisions.preferring(name, settings.preference_loss)
    if run_config.group_of(name) != "adapter" or name == "quantization" and settings.method == "lora":
        return True
    return name in methods.get(settings.method).settings


def read(name: str, value: Any) -> Any:
    """A widget's value as a setting: empty is None; 'q, v' is a list."""
    if value is None or value == AUTO:
        return None
    if run_config.base_type(name) is bool and not run_config.choices(name):
        return value in (True, "true")
    if name == "lora_targets" and "," in str(value):
        return [t.strip() for t in str(value).split(",") if t.strip()]
    return value


def values(given: dict[str, Any]) -> dict[str, Any]:
    """All widgets' values as the request for a run, without what was left open."""
    return {n: v for n, raw in given.items() if (v := read(n, raw)) is not None}


def opened(names: Iterable[str], given: Iterable[Any]) -> list[Any]:
    """Widgets' values as a tab is opened: Gradio tells 0 for empty number fields that are only just being mounted."""
    return [None if value == 0 and value is not False and _no_zero(name) else value for name, value in zip(names, given, strict=True)]


def _no_zero(name: str) -> bool:
    bounds = run_config.limits(name)
    return bounds.get("gt", -1) >= 0 or bounds.get("ge", 0) > 0


def show(name: str, value: Any) -> Any:
    """A setting as its widget's value: the way back from a stored run."""
    if value is None:
        return (
            AUTO
            if run_config.choices(name) or run_config.base_type(name) is bool
            else None
            if run_config.base_type(name) in (int, float)
            else ""
        )
    if run_config.base_type(name) is bool and not run_config.choices(name):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, list) else value


def info(name: str, reason: Decision | None, error: str | None, ignored: str | None = None) -> str:
    """What stands under a widget: the error, or why a value of one's own has no effect, else what applies now and who decided it."""
    if error:
        return f"▲ {error}"
    if ignored:
        return f"▲ Not used. {ignored}"
    said = run_config.FIELDS[name].description
    if reason is None:
        return said
    value = ("yes" if reason.value else "no") if isinstance(reason.value, bool) else reason.value
    if reason.by == "you":
        return f"{said} Yours: {value}."
    if reason.by in ("default", "preset"):
        return f"{said} Now {value} ({reason.by})."
    return f"{said} Now {value}: {reason.reason[0].lower() + reason.reason[1:]}"
