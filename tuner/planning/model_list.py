"""The models of the catalog for a device and an objective: size, what fits, how long it takes, licence, download."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tuner import models
from tuner.devices import Device
from tuner.planning import memory, model_suggestions
from tuner.planning.fitting import ROOM
from tuner.settings import objectives

TIGHT = 0.85  # share of the memory from which on a model is tight
METHODS = ("lora", "qlora")  # in this order: the first that fits is named


@dataclass(frozen=True)
class Offer:
    """A model. `fits`: "fits", "tight" or "no", with `method`, all memory of the device free. `seconds`: half a million tokens of training.
    `download` in bytes; 0: it is on this computer."""

    id: str
    parameters: int
    licence: str
    gated: bool
    fits: str
    method: str | None
    seconds: float
    download: int
    languages: tuple[str, ...] = ()


def offers(device: Device, objective: str = "chat", *, there: frozenset[str] = frozenset()) -> list[Offer]:
    """Return the models of the catalog that can be trained for an objective, those on this computer (`there`) first, then the smallest first."""
    found = [replace(o, download=0) if o.id in there else o for o in _offers(model_suggestions.steady(device), objective)]
    return sorted(found, key=lambda o: (o.download > 0, o.parameters))


@lru_cache(maxsize=16)
def _offers(device: Device, objective: str) -> tuple[Offer, ...]:
    entries = [(e, models.catalog_facts(e)) for e in model_suggestions.entries(objective)]
    return tuple(_offer(e, facts, device, objective) for e, facts in entries if not objectives.refusal(objective, facts))


def _offer(entry: dict[str, Any], facts: models.ModelFacts, device: Device, objective: str) -> Offer:
    usable = [m for m in METHODS if m == "lora" or device.quantizes]
    shares = {m: _peak(facts, m, device, objective) / max(1, device.total) for m in usable}
    method = next((m for m in usable if shares[m] <= ROOM), None)
    fits = "no" if method is None else "tight" if shares[method] > TIGHT else "fits"
    seconds = model_suggestions.training_seconds(facts, device, objective)
    spoken = tuple(map(str, entry.get("languages", [])))
    return Offer(
        entry["id"], facts.parameters, entry["licence"], bool(entry.get("gated")), fits, method, seconds, facts.parameters * 2, spoken
    )


def _peak(facts: models.ModelFacts, method: str, device: Device, objective: str) -> int:
    """Return the bytes that the settings with the least memory need."""
    settings = model_suggestions.settings_for(method, objective)
    settings.max_length = min(settings.max_length, facts.context)
    return memory.training(facts, settings, device=device.kind).peak
