"""The map from the model names that scripts ask for to models that are here: `gpt-4o-mini-2024-07-18` -> `starter`."""

import re

from tuner import models, paths
from tuner.errors import RequestError, TunerError
from tuner.paths import Workspace
from tuner.planning import model_suggestions
from tuner.serving.protocol import Refused

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,199}")


def read(ws: Workspace) -> dict[str, str]:
    """Return {name that is asked for: model}."""
    return paths.read_json(ws.api / "models.json") or {}


def add(ws: Workspace, entries: list[str]) -> dict[str, str]:
    """Add entries "NAME=MODEL" and return the whole map; "NAME=" takes a name out. RequestError for a model that is not one."""
    found = read(ws)
    for entry in entries:
        name, sign, model = (part.strip() for part in entry.partition("="))
        if not sign or not NAME.fullmatch(name):
            raise RequestError(
                f"{entry!r} is no entry of the model map.",
                asked=entry,
                available="NAME=MODEL, such as gpt-4o-mini-2024-07-18=starter",
                remedy="Write it so.",
                field="map",
            )
        if model:
            models.resolve(model, ws)
            found[name] = model
        else:
            found.pop(name, None)
    ws.api.mkdir(parents=True, exist_ok=True)
    paths.write_json(ws.api / "models.json", found)
    return found


def find(ws: Workspace, name: str, *, any_model: bool) -> str:
    """Return the model for a name: what it is mapped to, the starter, or itself where it is a model here and `any_model` may be named, which is so
    for who runs the server: a folder or a run of this computer is nothing that any key reaches. Refused with a proposal for this computer."""
    if mapped := read(ws).get(name):
        return mapped
    if name == "starter":
        return name
    if not any_model:
        there = ", ".join([*read(ws), "starter"])
        raise Refused(
            404,
            f"This key may not train {name[:120]!r}. Available: {there}. Who runs this server can map other names.",
            param="model",
            code="model_not_found",
        )
    try:
        models.resolve(name, ws)
    except TunerError as error:
        best = proposal()
        raise Refused(
            404,
            f"The model {name[:120]!r} is mapped to nothing here. Map it to a model of yours and start the server again: "
            f"tunesmith serve --map {name[:120]}={best}   ({best} suits this computer)",
            param="model",
            code="model_not_found",
        ) from error
    return name


def proposal() -> str:
    """Return the model that suits this computer."""
    return model_suggestions.this_machine().recommended.id
