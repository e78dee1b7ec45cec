"""Which technique should I use? What each would cost on this model, data and device, and one proposed from three answers."""

from dataclasses import dataclass

from tuner import models
from tuner.devices import Device
from tuner.errors import TunerError
from tuner.formatting import human_bytes, human_range
from tuner.planning import planner
from tuner.settings import methods
from tuner.settings.run_config import RunConfig

GOALS = {"manner": "a manner, a form or a task", "knowledge": "new knowledge or a new language"}
SERVED = {"one": "one result", "many": "many variants of one model"}
FEW = 200  # rows: below it little can be learnt safely


@dataclass(frozen=True)
class Offer:
    """One technique for one model, data and device; `why_not` is empty where it can be used."""

    method: str
    trainable: int = 0
    peak_bytes: int = 0
    seconds: float = 0.0
    seconds_low: float = 0.0
    seconds_high: float = 0.0
    fits: bool = False
    why_not: str = ""


def offers(asked: RunConfig, model: models.Model, data: planner.DataFacts | None, *, preset: str | None, device: Device) -> list[Offer]:
    """Each technique with its trainable parameters, memory and time, all else as asked."""
    return [_offer(name, asked, model, data, preset, device) for name in methods.METHODS]


def _offer(name: str, asked: RunConfig, model: models.Model, data, preset: str | None, device: Device) -> Offer:
    kept = {k: v for k, v in asked.given().items() if k in ("objective", "epochs", "max_steps", "max_length", "effective_batch")}
    try:
        plan = planner.plan(RunConfig(**kept, method=name), model, data, preset=preset, device=device, remedies=False)
    except TunerError as error:
        return Offer(name, why_not=error.as_list()[0]["message"])
    return Offer(name, plan.trainable_parameters, plan.peak_bytes, plan.seconds, plan.seconds_low, plan.seconds_high, plan.fits)


def choose(found: list[Offer], *, rows: int, goal: str, served: str) -> tuple[str, str]:
    """(technique, reason). `goal` is one of GOALS, `served` one of SERVED."""
    able = {o.method: o for o in found if o.fits}
    for method, reason in _wishes(rows, goal, served):
        if method in able:
            return method, reason
    if able:
        method = next(iter(able))
        return method, f"{methods.get(method).title} is what fits on this device."
    return "qlora", "Nothing fits as it stands; QLoRA needs the least memory. A smaller model would help more."


def _wishes(rows: int, goal: str, served: str) -> list[tuple[str, str]]:
    """From the best to the last resort."""
    if goal == "knowledge" and rows >= FEW and served == "one":
        return [
            ("full", "New knowledge is learnt best when every weight may change, and it fits."),
            ("lora", "Full tuning does not fit here; LoRA with a large rank comes nearest (raise the rank to 64 or more)."),
            ("qlora", "Only with packed weights does it fit here; raise the rank to 64 or more."),
        ]
    if served == "many" and rows < FEW:
        return [
            ("ia3", f"{rows} rows teach little safely, and this addition is tiny: many can be kept beside one model."),
            ("lora", "Small additions that share one model."),
            ("qlora", "Small additions that share one packed model."),
        ]
    share = (
        "Each result is a small file, and all share one model."
        if served == "many"
        else "It learns a manner or a task nearly as well as full tuning."
    )
    return [
        ("lora", share),
        ("qlora", "LoRA itself does not fit; with packed weights it does."),
        ("ia3", "The smallest that still learns."),
    ]


def as_row(offer: Offer) -> list[str]:
    """For a table: title, what it changes, trained, memory, time, or why not."""
    m = methods.get(offer.method)
    if offer.why_not:
        return [m.title, offer.why_not, "", "", ""]
    fit = "" if offer.fits else " (does not fit)"
    return [
        m.title,
        m.changes,
        f"{offer.trainable:,}",
        human_bytes(offer.peak_bytes) + fit,
        human_range(offer.seconds_low, offer.seconds_high),
    ]
