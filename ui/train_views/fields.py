"""The document that goes to train.js and comes back: what each field shows, and which question it answers."""

import json
from typing import Any

from ui.text import text
from ui.train_views import acts


def _document(fields: str | None) -> dict[str, Any]:
    """Return the document of the form, which a browser may have changed."""
    try:
        found = json.loads(fields or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def states_of(fields: str | None) -> dict[str, dict]:
    """Return what the fields showed last, as `fields_json` wrote it."""
    found = _document(fields).get("fields")
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def fields_json(states: dict[str, Any], fields: str | None, entered: bool) -> str:
    """Return the document that train.js puts into the form, as the answer to its document `fields`."""
    words = {"reset": text("train-reset"), "why": text("train-why"), "act": acts.ACT}
    answered = _document(fields).get("asked", 0)
    return json.dumps({"fields": states, "entered": entered, "answered": answered, "words": words}, ensure_ascii=False)
