"""Buttons in drawn HTML that change the form: they carry what they set, so that nothing is kept on the server between two presses."""

import json
import time
from dataclasses import replace
from html import escape
from typing import Any

from tuner.errors import NotFoundError
from tuner.paths import Workspace
from tuner.settings import presets, run_config
from ui.train_views.draft import Draft

ACT = "train"


def set_button(settings: dict[str, Any], word: str, more: str = "") -> str:
    """Return a button that chooses these settings (HTML); `more` stands behind its word."""
    after = f' <span class="ts-quiet">({escape(more)})</span>' if more else ""
    return f'<button type="button" class="ts-button ts-offer" {_value({"set": settings})}>{escape(word)}{after}</button>'


def model_button(id: str, word: str, *, chosen: bool) -> str:
    """Return the button of a model in the list (HTML)."""
    return f'<button type="button" class="ts-link" aria-pressed="{str(chosen).lower()}" {_value({"set": {"model": id}})}>{escape(word)}</button>'


def _value(act: dict[str, Any]) -> str:
    return f'data-act="{ACT}" data-value="{escape(json.dumps(act))}"'


def draft_act(draft: Draft) -> str:
    """Return what makes a draft that the server made the form's: a value for the hidden field of acts. Each is another value, so that the
    same draft can be taken twice."""
    return json.dumps({"draft": draft.as_json(), "made": time.time_ns()})


def reset(what: str) -> str:
    """Return the act that makes a setting Auto again, those of the preset ("preset"), or all ("all")."""
    return json.dumps({"reset": what})


def apply(draft: Draft, act: str, ws: Workspace) -> Draft:
    """Return the draft after a press; what no button of ours wrote changes nothing."""
    try:
        act = json.loads(act or "{}")
    except (ValueError, TypeError):
        return draft
    if not isinstance(act, dict):
        return draft
    if isinstance(act.get("draft"), dict):
        return Draft.read(act["draft"])
    if isinstance(act.get("set"), dict):
        return draft.with_settings({k: v for k, v in act["set"].items() if k in run_config.FIELDS})
    if isinstance(act.get("reset"), str):
        return draft.reset(act["reset"], _preset(draft, ws))
    return replace(draft)


def _preset(draft: Draft, ws: Workspace) -> presets.Preset | None:
    try:
        return presets.load(draft.preset, ws) if draft.preset else None
    except NotFoundError:
        return None  # it was deleted meanwhile, so it sets nothing
