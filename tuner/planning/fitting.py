"""Make a run fit the device and use it well: fallbacks in order of their cost in quality, and for each the fastest combination that fits.

The effective batch size stays as it is. Settings that nobody fixed are changed: a smaller micro-batch, gradient checkpointing, bf16, an 8-bit
optimizer, 4-bit weights, a shorter maximum length. Changes of settings that a person fixed are offered (`remedies`), and so is a smaller model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tuner import models
from tuner.devices import Device
from tuner.formatting import human_bytes
from tuner.models import mixed_precision
from tuner.planning import contradictions, memory, time_estimate
from tuner.planning.decisions import TINY, Choices, DataFacts
from tuner.planning.memory import calibration, parameter_counts
from tuner.settings import losses, methods
from tuner.settings.run_config import Settings

ROOM = 0.92  # share of the free memory that a plan may use; the rest is for other programs
SHORTER = (4096, 2048, 1024, 512)
MOST_CUT = 0.10  # share of the rows; more are not truncated without consent
CPU_TOKENS = 384  # per micro-batch on a CPU: more gains nothing, and rows of different lengths cost padding (2.7 times the time on Alpaca)
CHEAPER = {  # settings that a person may have fixed: (other value, title, cost), the lowest cost first
    "gradient_checkpointing": (True, "Gradient checkpointing", "about a third more time"),
    "precision": ("bf16", "bf16 instead of fp32", "slightly less exact updates"),
    "optimizer": ("adamw_8bit", "8-bit optimizer", "slightly less exact optimizer state"),
    "adapter_precision": ("bf16", "Adapter in bf16", "very small updates are rounded away"),
}
RANKS = (64, 32, 16, 8)  # LoRA ranks that are offered when a larger one doesn't fit


@dataclass
class Case:
    """One fitting problem: the choices so far (`choices`) for this model, data and device, within `free` bytes."""

    choices: Choices
    facts: models.ModelFacts
    data: DataFacts
    device: Device
    free: int
    new_adapter: bool = True  # False when the run continues from an adapter

    @property
    def budget(self) -> float:
        return self.free * ROOM

    def estimate(self, **other: Any) -> memory.Estimate:
        """Return the memory estimate, corrected by what earlier runs on this machine measured."""
        found = self.uncorrected(**other)
        return replace(found, terms=calibration.corrected(found.terms, self.correction(**other).factor))

    def uncorrected(self, **other: Any) -> memory.Estimate:
        settings = self.choices.settings.replace(**other)
        trainable = self.trainable(settings)
        cards = settings.processes if self.device.kind == "cuda" or settings.sharding else 1
        found = memory.training(
            self.facts, settings, trainable=trainable, device=self.device.kind, cards=cards, continued=not self.new_adapter
        )
        if self.device.kind != "cpu" or settings.processes == 1:
            return found
        return replace(found, terms={name: settings.processes * size for name, size in found.terms.items()})  # all in the same memory

    def correction(self, **other: Any) -> calibration.Correction:
        return calibration.correction(
            self.device.name, self.device.kind, calibration.bucket(other.get("method", self.choices.settings.method), self.facts.parameters)
        )

    def trainable(self, settings: Settings) -> int:
        return parameter_counts.trainable(self.facts, settings, settings.objective, self.data.labels)

    def seconds(self, settings: Settings) -> float:
        return time_estimate.step_seconds(settings, self.facts, self.data, self.device, self.trainable(settings))


def fit(case: Case) -> bool:
    """Decide the open settings so that the run fits and is fast; take all fallbacks when nothing fits. Return whether it fits."""
    taken: dict[str, tuple[Any, str]] = {}
    for changes in fallbacks(case):
        taken |= changes
        if found := _fastest(case, {k: v for k, (v, _) in taken.items()}):
            return _apply(case.choices, taken, *found, fits=True)
    candidates = _candidates(case, {})
    _apply(case.choices, taken, *max(candidates, key=lambda w: (-w[0], w[1])), fits=False)
    return False


def precision(choices: Choices, facts: models.ModelFacts, device: Device) -> None:
    """Decide the precision of the weights from what the device computes in and what is trained."""
    if not device.bf16:
        choices.decide("precision", *_without_bf16(choices.settings.method, facts, device))
    elif device.kind == "cpu" and facts.parameters < TINY:
        choices.decide("precision", "fp32", "On a CPU it is faster than bf16 for a model this small, and takes less memory.")
    elif choices.settings.method in memory.WHOLE:
        choices.decide("precision", "fp32", "It fits, and small updates are rounded away in bf16 when the weights themselves are trained.")
    else:
        choices.decide("precision", "bf16", "Half the memory of fp32, with no loss of quality here.")


def _without_bf16(method: str, facts: models.ModelFacts, device: Device) -> tuple[str, str]:
    """Return (precision, reason) for a device that does not compute in bf16."""
    if device.kind == "cpu":
        return "fp32", "This CPU does not support bf16."
    if refusal := mixed_precision.refusal(facts, device):
        return "fp32", f"This GPU does not support bf16, and fp16 does not work for this model. {refusal}"
    if method in mixed_precision.TRAINS_WEIGHTS:
        return (
            "fp16",
            "This GPU does not support bf16: it computes in fp16 with a loss scaler, and the trained weights stay in fp32.",
        )
    return (
        "fp16",
        "This GPU does not support bf16: the base model is in fp16, the adapter in fp32, and a loss scaler keeps small gradients.",
    )


def fallbacks(case: Case) -> Iterator[dict[str, tuple[Any, str]]]:
    """Yield the fallbacks, {setting: (value, reason)} added to the ones before, the lowest cost in quality first."""
    choices, method = case.choices, case.choices.settings.method
    yield {}
    if choices.open("sharding") and contradictions.unshardable(choices.settings.replace(sharding=True)) is None:
        yield {"sharding": (True, "One device is too small for the whole model: each process holds its part of it.")}
    if choices.open("precision") and choices.settings.precision == "fp32" and case.device.bf16:
        yield {"precision": ("bf16", "Half the memory of fp32, so that it fits.")}
    eight_bit = choices.open("optimizer") and case.device.kind == "cuda" and case.device.quantizes
    if eight_bit:
        yield {"optimizer": ("adamw_8bit", "The optimizer state takes a quarter of the memory, so that it fits.")}
        yield {
            "optimizer": ("paged_adamw_8bit", "The optimizer state moves to the computer's memory when the GPU is full, so that it fits.")
        }
    if choices.open("method") and method == "lora" and _can_quantize(case):
        yield {
            "method": ("qlora", "LoRA on a quantized base model, so that it fits."),
            "quantization": ("nf4", "4-bit (NF4) with double quantization: a quarter of the memory, nearly as exact."),
        }
    if choices.open("adapter_precision") and _allows_bf16_adapter(case, method):
        yield {
            "adapter_precision": (
                "bf16",
                "Half the memory for the adapter and its gradients, so that it fits; tiny updates are rounded away.",
            )
        }
    if choices.open("max_length"):
        for length in (n for n in SHORTER if n < choices.settings.max_length and case.data.truncated_share(n) <= MOST_CUT):
            yield {"max_length": (length, f"Shorter, so that it fits; this truncates {case.data.truncated_share(length):.0%} of the rows.")}


def _allows_bf16_adapter(case: Case, method: str) -> bool:
    """Return whether LoRA's matrices may be in bf16: not with fp16, whose scaler unscales fp32 gradients only."""
    able = case.device.bf16 and case.device.kind == "cuda"
    return able and method in ("lora", "qlora") and case.choices.settings.precision != "fp16"


def _can_quantize(case: Case) -> bool:
    settings = case.choices.settings.replace(method="qlora", quantization="nf4")
    able = case.device.quantizes and case.new_adapter and case.facts.parameters >= TINY
    return able and methods.refusal("qlora", case.choices.settings.objective, case.facts, settings) is None


def _candidates(case: Case, changes: dict[str, Any]) -> list[tuple[int, bool]]:
    """Return the (micro-batch, gradient checkpointing) combinations that are open."""
    choices = case.choices
    settings = choices.settings
    effective, length = settings.effective_batch, changes.get("max_length", settings.max_length)
    tokens, least = (
        (2 if memory.paired(settings) else 1) * max(1.0, min(case.data.mean, length)),
        smallest_micro_batch(settings),
    )
    most = 32 if case.device.kind != "cpu" else max(least, int(CPU_TOKENS / tokens))
    sizes = [d for d in range(min(effective, most), least - 1, -1) if effective % (d * settings.processes) == 0] or [least]
    if not choices.open("micro_batch"):
        sizes = [settings.micro_batch]
    options = [settings.gradient_checkpointing] if choices.by("gradient_checkpointing") else [False, True]
    return [(size, checkpointing) for checkpointing in options for size in sizes]


def smallest_micro_batch(settings: Settings) -> int:
    """Return the smallest micro-batch that the loss allows: some losses compare the rows of a micro-batch."""
    return losses.get(settings.preference_loss).min_micro_batch if settings.objective == "preference" else 1


def next_smaller(settings: Settings) -> int | None:
    """Return half of the micro-batch, or the next smaller size by which the effective batch can be shared; None where there is none."""
    sizes = range(settings.micro_batch // 2, smallest_micro_batch(settings) - 1, -1)
    return next((n for n in sizes if settings.effective_batch % (n * settings.processes) == 0), None)


def _fastest(case: Case, changes: dict[str, Any]) -> tuple[int, bool] | None:
    """Return the (micro-batch, gradient checkpointing) that fits and has the shortest step; None when none fits."""
    best = None
    for micro, checkpointing in _candidates(case, changes):
        other = changes | {"micro_batch": micro, "gradient_checkpointing": checkpointing}
        seconds = case.seconds(case.choices.settings.replace(**other))
        if (best is None or seconds < best[0] * 0.999) and case.estimate(**other).peak <= case.budget:
            best = seconds, (micro, checkpointing)
    return best[1] if best else None


def _apply(choices: Choices, changes: dict[str, tuple[Any, str]], micro: int, checkpointing: bool, *, fits: bool) -> bool:
    for name, (value, reason) in changes.items():
        choices.put(name, value, "planner", reason)
    whole = micro * choices.settings.processes == choices.settings.effective_batch
    reason = "The whole effective batch at once." if whole else "The fastest that fits; the effective batch size stays the same."
    if choices.settings.processes > 1:
        choices.decide("sharding", False, "The whole model fits on each device, and that is faster.")
    choices.decide("micro_batch", micro, reason if fits else "The smallest; even so it does not fit.")
    gain = "Slower by itself, but it makes room for a larger micro-batch." if micro > 1 else "Needed to fit."
    choices.decide(
        "gradient_checkpointing", checkpointing, gain if checkpointing else "Not needed, and it would cost about a third more time."
    )
    return fits


# --- what else would make it fit -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remedy:
    """A change of settings that makes a run need less: what it needs then and saves in bytes, what it costs in words, and whether it fits."""

    title: str
    settings: dict[str, Any]
    peak_bytes: int
    saves_bytes: int
    cost: str
    fits: bool

    def __str__(self) -> str:
        return f"{self.title} ({human_bytes(self.peak_bytes)})"


def remedies(case: Case, asked: Choices) -> list[Remedy]:
    """Return what would make it fit, the lowest cost first.

    `asked` are the choices before the planner fitted them: settings that a person did not fix are fitted again with each remedy.
    """
    peak = case.estimate().peak
    out = []
    for title, cost, change, freed in _offers(case):
        choices = asked.copy()
        choices.reopen(*freed)
        for name, value in change.items():
            choices.put(name, value, "you", "Your choice.")
        if ("method" in change or case.device.kind == "cuda" and not case.device.bf16) and choices.open("precision"):
            choices.reopen("precision")
            precision(choices, case.facts, case.device)
        other = replace(case, choices=choices)
        fits = fit(other)
        settings = change | {name: choices[name] for name in freed if name not in change}
        needed = other.estimate().peak
        if needed < peak and (fits or "lora_rank" not in change):  # a lower rank saves little: it is offered only where that is enough
            out.append(Remedy(title, settings, needed, peak - needed, cost, fits))
    out += _smaller(case, peak)
    return sorted(out, key=lambda r: not r.fits)


def _offers(case: Case) -> Iterator[tuple[str, str, dict[str, Any], tuple[str, ...]]]:
    """Yield (title, cost, settings, names of settings to fit again)."""
    choices, method = case.choices, methods.get(case.choices.settings.method)
    settings = choices.settings
    fixed = {n for n in ("micro_batch", "gradient_checkpointing") if choices.by(n) in ("you", "preset")}
    if "micro_batch" in fixed and settings.micro_batch > 1:
        yield f"Micro-batch {settings.micro_batch} → smaller", "a little more time", {}, ("micro_batch",)
    for name, (value, title, cost) in CHEAPER.items():
        same = choices[name] == value or name == "optimizer" and "8bit" in choices[name]
        if choices.by(name) != "you" or same or not _works(case, name, method):
            continue
        yield title, cost, {name: value}, tuple(fixed - {name})
    if method.name in ("lora", "qlora"):
        for rank in (r for r in RANKS if r < settings.lora_rank):
            change = {"lora_rank": rank} | (
                {"lora_alpha": settings.lora_alpha * rank / settings.lora_rank} if choices.by("lora_alpha") == "you" else {}
            )
            yield f"LoRA rank {settings.lora_rank} → {rank}", "a smaller adapter learns less", change, tuple(fixed)
    if method.name in memory.WHOLE:
        yield f"LoRA instead of {method.title.lower()}", "a smaller change to the model", {"method": "lora"}, ("optimizer", *fixed)
    if method.name not in ("qlora", *methods.PROMPT_METHODS) and _can_quantize(case):
        change = {"method": "qlora", "quantization": "nf4"}
        yield "QLoRA: the base model in 4-bit", "a little slower, a little less exact", change, ("optimizer", *fixed)
    for length in (n for n in SHORTER if n < settings.max_length):
        cut = case.data.truncated_share(length)
        cost = f"truncates {cut:.0%} of the rows" if cut else "truncates none of the rows"
        yield f"Maximum length {settings.max_length} → {length}", cost, {"max_length": length}, ()
        if case.estimate(max_length=length).peak <= case.budget:
            return
    if fixed and settings.max_length > SHORTER[-1]:
        length = next(n for n in SHORTER if n < settings.max_length)
        title = f"Maximum length {settings.max_length} → {length}, and a smaller micro-batch"
        yield (
            title,
            f"truncates {case.data.truncated_share(length):.0%} of the rows, a little more time",
            {"max_length": length},
            tuple(fixed),
        )


def _works(case: Case, name: str, method: methods.Method) -> bool:
    if name == "gradient_checkpointing":
        return method.checkpointing
    if name == "adapter_precision":
        return _allows_bf16_adapter(case, method.name)
    return case.device.bf16 if name == "precision" else case.device.quantizes and case.device.kind == "cuda"


def _smaller(case: Case, peak: int) -> list[Remedy]:
    """Return the largest model of the catalog smaller than this one that fits with the same method; [] when there is none."""
    for entry in sorted(
        models.catalog_of(case.facts.family, bases=case.choices.settings.objective == "text"),
        key=lambda e: -models.catalog_facts(e).parameters,
    ):
        facts = models.catalog_facts(entry)
        if facts.parameters >= case.facts.parameters or methods.refusal(
            case.choices.settings.method, case.choices.settings.objective, facts, case.choices.settings
        ):
            continue
        needed = replace(case, facts=facts).estimate(max_length=min(case.choices.settings.max_length, facts.context)).peak
        if needed <= case.budget:
            return [Remedy(f"A smaller model: {entry['id']}", {"model": entry["id"]}, needed, peak - needed, "it knows less", True)]
    return []
