"""What suits this device: the largest models of the catalogue by technique, one recommended, and the same plan on other cards."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tuner import devices, models
from tuner.data.quality.language import NAMES
from tuner.devices import Device
from tuner.errors import TunerError
from tuner.formatting import human_bytes, human_time
from tuner.planning import memory, planner, time_estimate
from tuner.planning.decisions import DataFacts
from tuner.planning.fitting import ROOM
from tuner.settings import methods, objectives
from tuner.settings.run_config import RunConfig

CARDS = (8, 12, 16, 24, 48, 80)  # GB: what is sold
SHOWN = ("qlora", "lora", "full")  # techniques whose largest model is told
USUAL = {"chat": 1024, "text": 2048, "seq2seq": 512}  # tokens of a row, when no data is chosen yet
HOUR = 3600.0  # s: what an evening has room for several times
LEARNT = 500_000  # tokens: a data set as people bring it


@dataclass(frozen=True)
class Suggestion:
    """One model for a device, a task and a language: its id in the catalogue ("starter" when none suits), why, and the bytes of a download
    that is still to come."""

    id: str
    reason: str
    download: int = 0


def settings_for(method: str, objective: str = "chat", *, length: int | None = None) -> dict[str, Any]:
    """The smallest way to train: one row at once, computed twice where the technique allows it."""
    s = {name: field.default for name, field in RunConfig.model_fields.items()}
    s |= {"method": method, "objective": objective, "micro_batch": 1, "effective_batch": 16, "precision": "bf16", "packing": False}
    s |= {"gradient_checkpointing": methods.get(method).checkpointing, "max_length": length or USUAL.get(objective, 256)}
    return s | ({"quantization": "nf4"} if method == "qlora" else {}) | ({"optimizer": "adamw_8bit"} if method == "full" else {})


def fits(facts: models.ModelFacts, method: str, device: Device, objective: str = "chat") -> bool:
    """Whether a model can be trained so at all on this device, if all of it were free."""
    s = settings_for(method, objective)
    s |= {"max_length": min(s["max_length"], facts.context)}
    if device.kind == "cpu" or not device.packs:
        s |= {"optimizer": "adamw"}
    return memory.training(facts, s, device=device.kind).peak <= device.total * ROOM


@lru_cache(maxsize=16)
def largest(device: Device, objective: str = "chat") -> dict[str, str]:
    """{technique: id} of the largest model that fits, for the techniques of `SHOWN` that this device can do."""
    found = {}
    for method in SHOWN:
        if method == "qlora" and not device.packs:
            continue
        for entry in sorted(_entries(objective), key=lambda e: -models.catalog_facts(e).parameters):
            facts = models.catalog_facts(entry)
            if not methods.refusal(method, objective, facts) and not _crawls(facts, device) and fits(facts, method, device, objective):
                found[method] = entry["id"]
                break
    return found


def _entries(objective: str) -> list[dict[str, Any]]:
    natural = {"chat": "decoder", "text": "decoder", "preference": "decoder", "reward": "decoder", "seq2seq": "encoder-decoder"}
    return models.catalog_of(natural.get(objective, "encoder"))


def _crawls(facts: models.ModelFacts, device: Device) -> bool:
    """Whether half a million tokens would take more than a day: it fits, and nobody would wait for it."""
    return _seconds(facts, device) > 24 * HOUR


def _seconds(facts: models.ModelFacts, device: Device, objective: str = "chat") -> float:
    s = settings_for("lora", objective, length=512) | {"effective_batch": 16, "micro_batch": 4, "gradient_checkpointing": False}
    if device.kind == "cpu" and not device.bf16:
        s |= {"precision": "fp32"}
    data = DataFacts(objectives.get(objective).kinds[0], 1000, 0, 256.0, 512)
    return time_estimate.step_seconds(s, facts, data, device, 0) * LEARNT / (16 * 256)


def capacity(device: Device) -> str:
    """What this machine can do, in one sentence, for the Start tab."""
    sizes = {m: _billions(id) for m, id in largest(device).items()}
    best = max(("qlora", "lora"), key=lambda m: sizes.get(m, (0, ""))[0])
    if best not in sizes:
        return f"With {human_bytes(device.total)} this computer can train the starter model."
    bits = " (4-bit)" if best == "qlora" and sizes["qlora"] > sizes.get("lora", (0, "")) else ""
    change = f", and change all of one of up to {sizes['full'][1]}" if "full" in sizes else ""
    return f"This computer can teach models of up to {sizes[best][1]} parameters{bits}{change}."


def _billions(id: str) -> tuple[float, str]:
    n = models.catalog_facts(next(e for e in models.catalog() if e["id"] == id)).parameters
    return n, f"{n / 1e9:.2g} billion" if n >= 1e9 else f"{n / 1e6:.0f} million"


def recommended(device: Device, objective: str = "chat", language: str | None = None, *, there: frozenset[str] = frozenset()) -> Suggestion:
    """The largest model, open to all, that learns half a million tokens within the hour here (the smallest where none does) and speaks `language` (an ISO 639-1 code).

    Of two of about one size the one with the freer licence; what is `there` needs no download.
    """
    able = []
    for entry in _entries(objective):
        facts = models.catalog_facts(entry)
        if entry.get("gated") or language and not speaks(entry, language) or objectives.refusal(objective, facts):
            continue
        if (took := _seconds(facts, device, objective)) <= 24 * HOUR and (way := _way(facts, device, objective)):
            able.append((took <= HOUR, round(_step(facts.parameters)), _free(entry), facts.parameters, entry, way, took))
    if not able:
        return Suggestion("starter", "No model of the catalogue learns within a day on this device; the starter shows how it goes.")
    soon = [a for a in able if a[0]]
    *_, size, entry, way, took = max(soon, key=lambda a: a[:4]) if soon else min(able, key=lambda a: a[3])
    said = f", and speaks {NAMES.get(language, language)}" if language else ""
    best = f"The largest that learns within an evening on {device.name} ({methods.get(way).title}){said}."
    slow = f"The smallest of the list{said}: half a million tokens take it about {human_time(took)} here."
    why = f"{best if soon else slow} Licence: {entry['licence']}."
    return Suggestion(entry["id"], why, 0 if entry["id"] in there else size * 2)


def _way(facts: models.ModelFacts, device: Device, objective: str) -> str | None:
    return next((m for m in ("lora", "qlora") if (m == "lora" or device.packs) and fits(facts, m, device, objective)), None)


def _step(parameters: int) -> float:
    """Sizes that differ by a fifth count as one."""
    return math.log(parameters) / math.log(1.2)


def _free(entry: dict[str, Any]) -> bool:
    return entry["licence"] in ("Apache-2.0", "MIT")


def speaks(entry: dict[str, Any], language: str) -> bool:
    """Whether the catalogue says so; 'more than 100' and the like count as yes."""
    said = [str(s) for s in entry.get("languages", [])]
    return language in said or any(any(ch.isdigit() for ch in s) and ("languages" in s or "more" in s) for s in said)


def elsewhere(
    asked: RunConfig, model: models.Model, data: DataFacts | None, *, preset: Any = None, sizes: tuple[int, ...] = CARDS
) -> list[dict[str, Any]]:
    """The same plan on other common cards: {"gigabytes", "fits", "peak_bytes", "method", "quantization", "micro_batch",
    "gradient_checkpointing", "max_length"} each, or {"gigabytes", "why_not"}."""
    out = []
    for gigabytes in sizes:
        card = devices.imagined(gigabytes * 10**9)
        try:
            plan = planner.plan(asked, model, data, preset=preset, device=card, remedies=False)
        except TunerError as error:
            out.append({"gigabytes": gigabytes, "fits": False, "why_not": error.as_list()[0]["message"]})
            continue
        names = ("method", "quantization", "micro_batch", "gradient_checkpointing", "max_length", "precision", "optimizer")
        chosen = {n: plan.settings.get(n) for n in names}
        out.append({"gigabytes": gigabytes, "fits": plan.fits, "peak_bytes": plan.peak_bytes, **chosen})
    return out
