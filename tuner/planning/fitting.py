"""Making it fit, and filling the device: the rungs in order of what they cost in quality, on each the fastest way that fits.

Rows per step stay as they are. What nobody has fixed is taken: fewer rows at once, computing twice, 16 bits, an 8-bit optimizer, 4-bit
weights, shorter rows. What a person has fixed is offered (`remedies`), and so is a smaller model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tuner import models
from tuner.devices import Device
from tuner.models import mixed_precision
from tuner.planning import memory, time_estimate
from tuner.planning.decisions import TINY, Choices, DataFacts
from tuner.planning.memory import calibration, parameter_counts
from tuner.settings import losses, methods

ROOM = 0.92  # the share of the free memory that a plan may take: other programs breathe too
SHORTER = (4096, 2048, 1024, 512)
MOST_CUT = 0.10  # of the rows: more are not cut without being asked
CPU_TOKENS = 384  # at once on a CPU: more gains nothing, and rows of unlike length cost padding (2.7 times the time on Alpaca)
CHEAPER = {  # what a person may have fixed: (setting, another value, title, price); in order of the price
    "gradient_checkpointing": (True, "Computing twice (gradient checkpointing)", "a third more time"),
    "precision": ("bf16", "16 bits instead of 32", "steps a little less exact"),
    "optimizer": ("adamw_8bit", "The 8-bit optimizer", "its state a little less exact"),
    "adapter_precision": ("bf16", "The adapter in bf16", "very small updates are rounded away"),
}
RANKS = (64, 32, 16, 8)  # of LoRA, that are offered when a larger one does not fit


@dataclass
class Case:
    """What is to be fitted: the choices so far, for this model, data and device, in `free` bytes."""

    c: Choices
    facts: models.ModelFacts
    data: DataFacts
    device: Device
    free: int
    fresh: bool = True  # it does not go on from an addition

    @property
    def budget(self) -> float:
        return self.free * ROOM

    def estimate(self, **other: Any) -> memory.Estimate:
        """With what runs on this machine taught."""
        found = self.uncorrected(**other)
        return replace(found, terms=calibration.corrected(found.terms, self.correction(**other).factor))

    def uncorrected(self, **other: Any) -> memory.Estimate:
        s = self.c.values | other
        return memory.training(self.facts, s, trainable=self.trainable(s), device=self.device.kind, continued=not self.fresh)

    def correction(self, **other: Any) -> calibration.Correction:
        return calibration.correction(
            self.device.name, self.device.kind, calibration.bucket(other.get("method", self.c["method"]), self.facts.parameters)
        )

    def trainable(self, s: dict[str, Any]) -> int:
        return parameter_counts.trainable(self.facts, s, s["objective"], self.data.labels)

    def seconds(self, s: dict[str, Any]) -> float:
        return time_estimate.step_seconds(s, self.facts, self.data, self.device, self.trainable(s))


def fit(case: Case) -> bool:
    """Decides what is open so that it fits and is fast; the lowest rung when nothing fits. True when it fits."""
    before: dict[str, tuple[Any, str]] = {}
    for changes in rungs(case):
        before |= changes
        if found := _fastest(case, {k: v for k, (v, _) in before.items()}):
            return _take(case.c, before, *found, fits=True)
    kinds = _ways(case, {})
    _take(case.c, before, *max(kinds, key=lambda w: (-w[0], w[1])), fits=False)
    return False


def precision(c: Choices, facts: models.ModelFacts, device: Device) -> None:
    """Decides how wide weights are, from what the device computes in and what is trained."""
    if not device.bf16:
        c.decide("precision", *_without_bf16(c["method"], facts, device))
    elif device.kind == "cpu" and facts.parameters < TINY:
        c.decide("precision", "fp32", "On a processor it is faster than bf16 for a model this small, and takes less memory.")
    elif c["method"] in memory.WHOLE:
        c.decide("precision", "fp32", "There is room, and steps this small get lost in bf16 when the weights themselves are trained.")
    else:
        c.decide("precision", "bf16", "Half the memory of fp32, and as good here.")


def _without_bf16(method: str, facts: models.ModelFacts, device: Device) -> tuple[str, str]:
    """(precision, why) on a device that does not compute in bf16."""
    if device.kind == "cpu":
        return "fp32", "This processor has no arithmetic in bf16."
    if no := mixed_precision.refusal(facts, device):
        return "fp32", f"This card has no arithmetic in bf16, and fp16 is not for this model. {no}"
    if method in mixed_precision.WHOLE:
        return (
            "fp16",
            "This card has no bf16: products are computed in fp16 with a loss scaler, and the weights that are trained stay in fp32.",
        )
    return "fp16", "This card has no bf16: the base lies in fp16, what is trained in fp32, and a loss scaler keeps small gradients."


def rungs(case: Case) -> Iterator[dict[str, tuple[Any, str]]]:
    """{setting: (value, reason)} beside what was taken before, the least price first."""
    c, method = case.c, case.c["method"]
    yield {}
    if c.open("precision") and c["precision"] == "fp32" and case.device.bf16:
        yield {"precision": ("bf16", "Half the memory of fp32, so that it fits.")}
    eight = c.open("optimizer") and case.device.kind == "cuda" and case.device.packs
    if eight:
        yield {"optimizer": ("adamw_8bit", "Its state takes a quarter of the memory, so that it fits.")}
        yield {"optimizer": ("paged_adamw_8bit", "Its state moves to the computer's memory when the card is full, so that it fits.")}
    if c.open("method") and method == "lora" and _packs(case):
        yield {
            "method": ("qlora", "LoRA with the model's own weights packed, so that it fits."),
            "quantization": ("nf4", "4 bits with packed constants: a quarter of the memory, nearly as exact."),
        }
    if c.open("adapter_precision") and _narrows(case, method):
        yield {
            "adapter_precision": (
                "bf16",
                "Half the memory for the adapter and its gradients, so that it fits; tiny updates are rounded away.",
            )
        }
    if c.open("max_length"):
        for length in (n for n in SHORTER if n < c["max_length"] and case.data.cut(n) <= MOST_CUT):
            yield {"max_length": (length, f"Shorter, so that it fits; that cuts {case.data.cut(length):.0%} of the rows.")}


def _narrows(case: Case, method: str) -> bool:
    """Whether LoRA's matrices may be in bf16: not beside fp16, whose scaler unscales gradients of fp32 alone."""
    able = case.device.bf16 and case.device.kind == "cuda"
    return able and method in ("lora", "qlora") and case.c["precision"] != "fp16"


def _packs(case: Case) -> bool:
    s = case.c.values | {"method": "qlora", "quantization": "nf4"}
    able = case.device.packs and case.fresh and case.facts.parameters >= TINY
    return able and methods.refusal("qlora", case.c["objective"], case.facts, s) is None


def _ways(case: Case, changes: dict[str, Any]) -> list[tuple[int, bool]]:
    """(rows at once, computing twice) that are open."""
    c = case.c
    effective, length = c["effective_batch"], changes.get("max_length", c["max_length"])
    each, least = (2 if memory.paired(c.values) else 1) * max(1.0, min(case.data.mean, length)), together(c.values)
    most = 32 if case.device.kind != "cpu" else max(least, int(CPU_TOKENS / each))
    sizes = [d for d in range(min(effective, most), least - 1, -1) if effective % d == 0] or [effective]
    if not c.open("micro_batch"):
        sizes = [c["micro_batch"]]
    again = [c["gradient_checkpointing"]] if "gradient_checkpointing" in c.values else [False, True]
    return [(size, twice) for twice in again for size in sizes]


def together(settings: dict[str, Any]) -> int:
    """Rows that must be read at once: some losses compare them."""
    return losses.get(settings["preference_loss"]).together if settings.get("objective") == "preference" else 1


def _fastest(case: Case, changes: dict[str, Any]) -> tuple[int, bool] | None:
    """Of the ways that fit the one with the shortest step."""
    best = None
    for micro, again in _ways(case, changes):
        s = changes | {"micro_batch": micro, "gradient_checkpointing": again}
        took = case.seconds(case.c.values | s)
        if (best is None or took < best[0] * 0.999) and case.estimate(**s).peak <= case.budget:
            best = took, (micro, again)
    return best[1] if best else None


def _take(c: Choices, changes: dict[str, tuple[Any, str]], micro: int, again: bool, *, fits: bool) -> bool:
    for name, (value, reason) in changes.items():
        c.put(name, value, "planner", reason)
    whole = micro == c["effective_batch"]
    at_once = "All rows of a step beside each other." if whole else "The fastest that fits; the rows per step stay."
    c.decide("micro_batch", micro, at_once if fits else "The fewest; it does not fit all the same.")
    twice = "It is slower by itself, but so many more rows fit at once." if micro > 1 else "Needed to fit."
    c.decide("gradient_checkpointing", again, twice if again else "Not needed, and it would cost a third more time.")
    return fits


# --- what else would make it fit -------------------------------------------------------------------------------------------------


def remedies(case: Case, asked: Choices) -> list[dict[str, Any]]:
    """What would make it fit, the smallest price first: {"title", "settings", "peak_bytes", "saves_bytes", "cost", "fits"}.

    `asked` are the choices before the planner fitted them: what a person did not fix is fitted anew beside each remedy.
    """
    peak = case.estimate().peak
    out = []
    for title, cost, change, freed in _offers(case):
        c = asked.copy()
        c.leave(*freed)
        for name, value in change.items():
            c.put(name, value, "you", "Your choice.")
        if ("method" in change or case.device.kind == "cuda" and not case.device.bf16) and c.open("precision"):
            c.leave("precision")
            precision(c, case.facts, case.device)
        other = replace(case, c=c)
        fits = fit(other)
        settings = change | {name: c[name] for name in freed if name not in change}
        need = other.estimate().peak
        if need < peak and (fits or "lora_rank" not in change):  # a lower rank saves little: it is offered where that is enough
            out.append(_remedy(title, settings, need, peak - need, cost, fits))
    out += _smaller(case, peak)
    return sorted(out, key=lambda r: not r["fits"])


def _remedy(title: str, settings: dict[str, Any], peak: int, saves: int, cost: str, fits: bool) -> dict[str, Any]:
    return {"title": title, "settings": settings, "peak_bytes": peak, "saves_bytes": saves, "cost": cost, "fits": fits}


def _offers(case: Case) -> Iterator[tuple[str, str, dict[str, Any], tuple[str, ...]]]:
    """(title, price, settings, names to be fitted anew)"""
    c, method = case.c, methods.get(case.c["method"])
    fixed = {n for n in ("micro_batch", "gradient_checkpointing") if c.by[n][0] in ("you", "preset")}
    if "micro_batch" in fixed and c["micro_batch"] > 1:
        yield f"Rows at once {c['micro_batch']} → fewer", "a little more time", {}, ("micro_batch",)
    for name, (value, title, price) in CHEAPER.items():
        if c.by[name][0] != "you" or c[name] == value or not _works(case, name, method) or name == "optimizer" and "8bit" in c[name]:
            continue
        yield title, price, {name: value}, tuple(fixed - {name})
    if method.name in ("lora", "qlora"):
        for rank in (r for r in RANKS if r < c["lora_rank"]):
            change = {"lora_rank": rank} | (
                {"lora_alpha": c["lora_alpha"] * rank / c["lora_rank"]} if c.by["lora_alpha"][0] == "you" else {}
            )
            yield f"LoRA rank {c['lora_rank']} → {rank}", "a smaller adapter learns less", change, tuple(fixed)
    if method.name in memory.WHOLE:
        yield f"LoRA instead of {method.title.lower()}", "a smaller change to the model", {"method": "lora"}, ("optimizer", *fixed)
    if method.name not in ("qlora", *methods.SOFT) and _packs(case):
        told = {"method": "qlora", "quantization": "nf4"}
        yield "QLoRA: the model's own weights in 4 bits", "a little slower, a little less exact", told, ("optimizer", *fixed)
    for length in (n for n in SHORTER if n < c["max_length"]):
        cut = case.data.cut(length)
        price = f"cuts {cut:.0%} of the rows" if cut else "cuts none of the rows"
        yield f"Length {c['max_length']} → {length}", price, {"max_length": length}, ()
        if case.estimate(max_length=length).peak <= case.budget:
            return
    if fixed and c["max_length"] > SHORTER[-1]:
        length = next(n for n in SHORTER if n < c["max_length"])
        title = f"Length {c['max_length']} → {length}, and fewer rows at once"
        yield title, f"cuts {case.data.cut(length):.0%} of the rows, a little more time", {"max_length": length}, tuple(fixed)


def _works(case: Case, name: str, method: methods.Method) -> bool:
    if name == "gradient_checkpointing":
        return method.checkpointing
    if name == "adapter_precision":
        return _narrows(case, method.name)
    return case.device.bf16 if name == "precision" else case.device.packs and case.device.kind == "cuda"


def _smaller(case: Case, peak: int) -> list[dict[str, Any]]:
    """The largest model of the catalogue below this one that fits with the same technique, as it is planned there."""
    for entry in sorted(models.catalog_of(case.facts.family), key=lambda e: -models.catalog_facts(e).parameters):
        facts = models.catalog_facts(entry)
        if facts.parameters >= case.facts.parameters or methods.refusal(case.c["method"], case.c["objective"], facts, case.c.values):
            continue
        need = replace(case, facts=facts).estimate(max_length=min(case.c["max_length"], facts.context)).peak
        if need <= case.budget:
            return [_remedy(f"A smaller model: {entry['id']}", {"model": entry["id"]}, need, peak - need, "it knows less", True)]
    return []
