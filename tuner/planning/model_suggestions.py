"""Suggest models for a device: the largest of the catalog by method, a recommended one, and the same plan on other GPUs.

Page, terminal and diagnostics all ask `this_machine` or the functions below it. What they answer is the same at any time: it depends on the
device's total memory less a fixed reserve and on figures of data sheets, not on what is free now, on a benchmark or on a busy processor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tuner import devices, languages, models
from tuner.devices import Device, roofline
from tuner.errors import TunerError
from tuner.formatting import human_bytes, human_time
from tuner.models import card_languages
from tuner.planning import memory, planner, time_estimate
from tuner.planning.decisions import DataFacts
from tuner.planning.fitting import ROOM
from tuner.settings import methods, objectives
from tuner.settings.run_config import RunConfig, Settings

CARDS = (8, 12, 16, 24, 48, 80)  # GB: common sizes of GPU memory
SHOWN = ("qlora", "lora", "full")  # methods whose largest model is shown
USUAL = {"chat": 1024, "text": 2048, "seq2seq": 512}  # tokens of a row, when no data is chosen yet
HOUR = 3600.0  # seconds: a reasonable time to wait for a run
TYPICAL_TOKENS = 500_000  # tokens: a typical dataset
RESERVE = {"cuda": 500_000_000, "mps": 1_000_000_000, "cpu": 2_000_000_000}  # bytes that the system, the display and a browser take
CORE_TFLOPS = 0.05  # fp32 of a processor core with AVX2 in large products; a machine's own figure varies with what else it does


@dataclass(frozen=True)
class Suggestion:
    """One model for a device, a task and a language: its id in the catalog ("starter" when none suits), why, and the bytes that are still
    to be downloaded."""

    id: str
    reason: str
    download: int = 0


def settings_for(method: str, objective: str = "chat", *, length: int | None = None) -> Settings:
    """Return the settings that need the least memory: a micro-batch of 1, gradient checkpointing where the method allows it."""
    return Settings(
        method=method,
        objective=objective,
        micro_batch=1,
        effective_batch=16,
        precision="bf16",
        packing=False,
        gradient_checkpointing=methods.get(method).checkpointing,
        max_length=length or USUAL.get(objective, 256),
        quantization="nf4" if method == "qlora" else None,
        optimizer="adamw_8bit" if method == "full" else "adamw",
    )


def fits(facts: models.ModelFacts, method: str, device: Device, objective: str = "chat") -> bool:
    """Return whether a model can be trained with `settings_for` on this device, with nothing but `RESERVE` in use."""
    settings = settings_for(method, objective)
    settings.max_length = min(settings.max_length, facts.context)
    if device.kind == "cpu" or not device.quantizes:
        settings.optimizer = "adamw"
    return memory.training(facts, settings, device=device.kind).peak <= usable(device)


def usable(device: Device) -> float:
    """Return the bytes that a run may use when nothing else runs."""
    return min(device.total * ROOM, device.total - RESERVE[device.kind])


def steady(device: Device) -> Device:
    """Return the device without what changes from minute to minute: free memory, and a throughput measured beside other work."""
    return replace(device, free=device.total, tflops=devices.cores() * CORE_TFLOPS if device.kind == "cpu" else device.tflops)


@dataclass(frozen=True)
class Machine:
    """What this computer can fine-tune: `largest` is {method: id}, `recommended` the model to begin with."""

    device: Device
    largest: dict[str, str]
    recommended: Suggestion

    @property
    def best(self) -> tuple[str, int] | None:
        """The adapter method that reaches the largest model, and that model's parameters; None where only the starter fits."""
        sizes = {m: parameters(self.largest[m]) for m in ("lora", "qlora") if m in self.largest}  # of two equals, LoRA
        return max(sizes.items(), key=lambda item: item[1]) if sizes else None


def this_machine(objective: str = "chat", language: str | None = None, *, there: frozenset[str] = frozenset()) -> Machine:
    """Decide what this computer's fastest device can fine-tune and which model is recommended."""
    device = devices.get(None)
    return Machine(device, largest(device, objective), recommended(device, objective, language, there=there))


def largest(device: Device, objective: str = "chat") -> dict[str, str]:
    """Return {method: id} of the largest model that fits, for the methods of `SHOWN` that this device supports."""
    return dict(_largest(steady(device), objective))


@lru_cache(maxsize=16)
def _largest(device: Device, objective: str) -> dict[str, str]:
    found = {}
    for method in SHOWN:
        if method == "qlora" and not device.quantizes:
            continue
        for entry in sorted(entries(objective), key=lambda e: -models.catalog_facts(e).parameters):
            facts = models.catalog_facts(entry)
            if not methods.refusal(method, objective, facts) and not _takes_days(facts, device) and fits(facts, method, device, objective):
                found[method] = entry["id"]
                break
    return found


def entries(objective: str) -> list[dict[str, Any]]:
    natural = {"chat": "decoder", "text": "decoder", "preference": "decoder", "reward": "decoder", "seq2seq": "encoder-decoder"}
    return models.catalog_of(natural.get(objective, "encoder"), bases=objective == "text")


def _takes_days(facts: models.ModelFacts, device: Device) -> bool:
    """Return whether half a million tokens would take more than a day: such a model fits, but is too slow to suggest."""
    return training_seconds(facts, device) > 24 * HOUR


def training_seconds(facts: models.ModelFacts, device: Device, objective: str = "chat") -> float:
    """Return the seconds that half a million tokens of LoRA training take."""
    settings = settings_for("lora", objective, length=512).replace(micro_batch=4, gradient_checkpointing=False)
    if device.kind == "cpu" and not device.bf16:
        settings.precision = "fp32"
    data = DataFacts(objectives.get(objective).kinds[0], 1000, 0, 256.0, 512)
    ceiling = roofline.from_data_sheet(device)
    return time_estimate.step_seconds(settings, facts, data, device, 0, ceiling) * TYPICAL_TOKENS / (16 * 256)


def capacity(device: Device) -> str:
    """Return in one sentence what this computer can fine-tune."""
    found = Machine(device, largest(device), Suggestion("", ""))
    if found.best is None:
        return f"With {human_bytes(device.total)} this computer can train the starter model."
    method, size = found.best
    bits = " (4-bit)" if method == "qlora" else ""
    full = f", and fully fine-tune one of up to {_billions(parameters(found.largest['full']))}" if "full" in found.largest else ""
    return f"This computer can train models of up to {_billions(size)} parameters{bits}{full}."


def parameters(id: str) -> int:
    """Return the number of parameters of a model of the catalog."""
    return models.catalog_facts(next(e for e in models.catalog() if e["id"] == id)).parameters


def _billions(n: int) -> str:
    return f"{n / 1e9:.2g} billion" if n >= 1e9 else f"{n / 1e6:.0f} million"


def recommended(
    device: Device, objective: str = "chat", language: str | Sequence[str] | None = None, *, there: frozenset[str] = frozenset()
) -> Suggestion:
    """Return the largest ungated model that trains on half a million tokens within an hour here (the smallest where none does) and speaks
    `language` (an ISO 639-1 code, or several).

    Of two models of about the same size, the one with the more permissive licence; models in `there` need no download.
    """
    return _recommended(steady(device), objective, (language,) if isinstance(language, str) else tuple(language or ()), there)


@lru_cache(maxsize=64)  # Home says it at each look
def _recommended(device: Device, objective: str, wanted: tuple[str, ...], there: frozenset[str]) -> Suggestion:
    able = []
    for entry in entries(objective):
        facts = models.catalog_facts(entry)
        if entry.get("gated") or not all(speaks(entry, each) for each in wanted) or objectives.refusal(objective, facts):
            continue
        if (seconds := training_seconds(facts, device, objective)) <= 24 * HOUR and (method := _method(facts, device, objective)):
            able.append(
                (seconds <= HOUR, round(_size_class(facts.parameters)), _permissive(entry), facts.parameters, entry, method, seconds)
            )
    if not able:
        return Suggestion("starter", "No model of the catalog trains within a day on this device; the starter model shows how it works.")
    fast = [a for a in able if a[0]]
    *_, size, entry, method, seconds = max(fast, key=lambda a: a[:4]) if fast else min(able, key=lambda a: a[3])
    speaking = f" that speaks {languages.names(list(wanted))}" if wanted else ""
    best = f"The largest model{speaking} that trains within an hour on {device.name} ({methods.get(method).title})."
    slow = f"The smallest model{speaking} of the catalog: half a million tokens take about {human_time(seconds)} here."
    reason = f"{best if fast else slow} License: {entry['licence']}."
    return Suggestion(entry["id"], reason, 0 if entry["id"] in there else size * 2)


def _method(facts: models.ModelFacts, device: Device, objective: str) -> str | None:
    return next((m for m in ("lora", "qlora") if (m == "lora" or device.quantizes) and fits(facts, m, device, objective)), None)


def _size_class(parameters: int) -> float:
    """Return a size on a logarithmic scale; sizes that differ by a fifth count as equal."""
    return math.log(parameters) / math.log(1.2)


def _permissive(entry: dict[str, Any]) -> bool:
    return entry["licence"] in ("Apache-2.0", "MIT")


def speaks(entry: dict[str, Any], language: str) -> bool:
    """Return whether a catalog entry lists the language; 'more than 100' and the like count as yes."""
    counted = any(
        any(ch.isdigit() for ch in each) and ("languages" in each or "more" in each) for each in map(str, entry.get("languages", []))
    )
    return counted or languages.knows(card_languages.of_entry(entry), language)


def elsewhere(
    asked: RunConfig, model: models.Model, data: DataFacts | None, *, preset: Any = None, sizes: tuple[int, ...] = CARDS
) -> list[dict[str, Any]]:
    """Return the same plan on other common GPUs: {"gigabytes", "fits", "peak_bytes", "method", "quantization", "micro_batch",
    "gradient_checkpointing", "max_length"} each, or {"gigabytes", "why_not"}."""
    out = []
    for gigabytes in sizes:
        card = devices.hypothetical(gigabytes * 10**9)
        try:
            plan = planner.plan(asked, model, data, preset=preset, device=card, remedies=False)
        except TunerError as error:
            out.append({"gigabytes": gigabytes, "fits": False, "why_not": error.as_list()[0]["message"]})
            continue
        names = ("method", "quantization", "micro_batch", "gradient_checkpointing", "max_length", "precision", "optimizer")
        chosen = {n: getattr(plan.settings, n) for n in names}
        out.append({"gigabytes": gigabytes, "fits": plan.fits, "peak_bytes": plan.peak_bytes, **chosen})
    return out
