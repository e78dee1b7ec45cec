"""Suggest a method: what each one costs on this model, data and device, and a proposal from three answers."""

from dataclasses import dataclass

from tuner import models
from tuner.devices import Device
from tuner.errors import TunerError
from tuner.formatting import human_bytes, human_range
from tuner.planning import planner
from tuner.settings import methods
from tuner.settings.run_config import RunConfig

GOALS = {"manner": "a style, a format or a task", "knowledge": "new knowledge or a new language"}
SERVED = {"one": "one result", "many": "many variants of one model"}
FEW = 200  # rows: with fewer, little can be trained safely


@dataclass(frozen=True)
class Offer:
    """One method for one model, data and device; `why_not` is empty where it can be used."""

    method: str
    trainable: int = 0
    peak_bytes: int = 0
    seconds: float = 0.0
    seconds_low: float = 0.0
    seconds_high: float = 0.0
    fits: bool = False
    why_not: str = ""


def offers(asked: RunConfig, model: models.Model, data: planner.DataFacts | None, *, preset: str | None, device: Device) -> list[Offer]:
    """Return each method with its trainable parameters, memory and time, all other settings as asked."""
    return [_offer(name, asked, model, data, preset, device) for name in methods.METHODS]


def _offer(name: str, asked: RunConfig, model: models.Model, data, preset: str | None, device: Device) -> Offer:
    kept = {k: v for k, v in asked.given().items() if k in ("objective", "epochs", "max_steps", "max_length", "effective_batch")}
    try:
        plan = planner.plan(RunConfig(**kept, method=name), model, data, preset=preset, device=device, remedies=False)
    except TunerError as error:
        return Offer(name, why_not=error.as_list()[0]["message"])
    return Offer(name, plan.trainable_parameters, plan.peak_bytes, plan.seconds, plan.seconds_low, plan.seconds_high, plan.fits)


def choose(found: list[Offer], *, rows: int, goal: str, served: str) -> tuple[str, str]:
    """Return (method, reason). `goal` is one of GOALS, `served` one of SERVED."""
    usable = {o.method: o for o in found if o.fits}
    for method, reason in _preferences(rows, goal, served):
        if method in usable:
            return method, reason
    if usable:
        method = next(iter(usable))
        return method, f"{methods.get(method).title} fits on this device."
    return "qlora", "No method fits; QLoRA needs the least memory. A smaller model would help more."


def _preferences(rows: int, goal: str, served: str) -> list[tuple[str, str]]:
    """Return (method, reason) from the best to the last resort."""
    if goal == "knowledge" and rows >= FEW and served == "one":
        return [
            ("full", "New knowledge is learned best when every weight is trained, and it fits."),
            ("lora", "Full fine-tuning does not fit here; LoRA with a high rank comes closest (raise the rank to 64 or more)."),
            ("qlora", "Only quantized weights fit here; raise the rank to 64 or more."),
        ]
    if served == "many" and rows < FEW:
        return [
            ("ia3", f"{rows} rows are few, and this adapter is tiny: many of them can share one base model."),
            ("lora", "Small adapters that share one base model."),
            ("qlora", "Small adapters that share one quantized base model."),
        ]
    share = (
        "Each adapter is a small file, and all share one base model."
        if served == "many"
        else "It learns a style or a task nearly as well as full fine-tuning."
    )
    return [
        ("lora", share),
        ("qlora", "LoRA does not fit; with quantized weights it does."),
        ("ia3", "The smallest adapter that still learns."),
    ]


def as_row(offer: Offer) -> list[str]:
    """Return a table row: title, what it changes, trainable parameters, memory, time; or title and why it can't be used."""
    method = methods.get(offer.method)
    if offer.why_not:
        return [method.title, offer.why_not, "", "", ""]
    fit = "" if offer.fits else " (doesn't fit)"
    return [
        method.title,
        method.changes,
        f"{offer.trainable:,}",
        human_bytes(offer.peak_bytes) + fit,
        human_range(offer.seconds_low, offer.seconds_high),
    ]
