"""The document that goes to train.js and comes back: what each field shows, and which question it answers."""

import json
import time
from typing import Any

from ui.text import text


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


def pressed(fields: str | None) -> list[str]:
    """Return what was pressed since the last question, see acts.py."""
    found = _document(fields).get("acts")
    return [a for a in found if isinstance(a, str)] if isinstance(found, list) else []


def fields_json(states: dict[str, dict], fields: str | None, held: dict[str, Any]) -> str:
    """Return the document that train.js puts into the form, as the answer to its document `fields`.

    `held`: the choices that came from the fields themselves. A person may write on in these, so they are left alone. Each document differs
    from the last one, as only a change is told to the script.
    """
    words = {"reset": text("train-reset"), "why": text("train-why")}
    told = {name: state | {"held": name in held} for name, state in states.items()}
    document = {"fields": told, "answered": _document(fields).get("asked"), "words": words, "made": time.time_ns()}
    return json.dumps(document, ensure_ascii=False)
