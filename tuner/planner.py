"""Preset + model + data + device → concrete settings, each with its reason, and what they will take.

A person's own settings stay; then the preset's; what is left open is decided here. When it does not fit, the ladder goes
down by what a rung costs in quality: fewer rows at once (the rows per step stay), gradient checkpointing, a smaller
optimizer. Shorter rows, a smaller addition or a smaller model are offered, not taken.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tuner import additions, chat_templates, counting, hardware, memory, methods, models, objectives, pace, peaks, presets
from tuner.choices import FEW, HEADS, PACKS, TINY, Choices, DataFacts, matters, settle
from tuner.config import RunConfig
from tuner.hardware import Device, human_bytes

ROOM = 0.92  # the share of the free memory that a plan may take: other programs breathe too
CPU_TOKENS = (
    384  # at once on a CPU: more gains nothing, and rows of unlike length cost padding (2.7 times the time on Alpaca, 3 times the memory)
)
ATTENTION = {  # no setting: there is nothing better to choose
    "setting": "attention",
    "value": "sdpa",
    "by": "default",
    "reason": "torch's own takes the fastest kernel that the device has, and keeps packed rows apart; a model without it uses its own.",
}
T5 = ("t5", "mt5", "umt5", "longt5")  # these want larger steps: transformers' documentation of T5 (1e-4 and 3e-4), Lester et al. 2021 (0.3)
T5_RATES = {"full": 1e-4, "last_layers": 1e-4, "prompt": 0.3}


@dataclass
class Plan:
    settings: dict[str, Any]
    reasons: list[dict[str, Any]]
    breakdown: dict[str, int]
    peak_bytes: int
    free_bytes: int
    fits: bool
    device: str
    trainable_parameters: int
    total_parameters: int
    steps: int
    seconds: float
    seconds_low: float = 0.0
    seconds_high: float = 0.0
    energy_wh: float | None = None
    cost: dict[str, Any] | None = None
    pace: dict[str, Any] = field(default_factory=dict)  # what the seconds are made of: `pace.Pace.parts`
    remedies: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fixed: list[dict[str, Any]] = field(default_factory=lambda: [ATTENTION])  # as `reasons`: what nobody can set, and why
    uncorrected_bytes: int = 0  # `peak_bytes` without what runs here taught
    correction: peaks.Correction = field(default_factory=peaks.Correction)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def plan(
    asked: RunConfig,
    model: models.Model,
    data: DataFacts | None,
    *,
    preset: str | None = None,
    device: Device | None = None,
    device_memory: int | None = None,
) -> Plan:
    """What a run would do. Raises all contradictions at once; a plan that does not fit is a plan (`fits` is False)."""
    device = device or hardware.get(asked.device)
    free = device.free if device_memory is None else device_memory
    c = Choices(asked.given(), presets.load(preset) if preset else None)
    facts = model.facts
    data = data or DataFacts(own_kind(asked.objective, facts), 1000, 50, 256, 1024)
    settle(c, model, data, device)
    c.put(
        "device",
        device.id,
        "you" if asked.device else "planner",
        "Your choice." if asked.device else f"The fastest device here: {device.name}.",
    )
    notes = _learning(c, facts, data, model, device)
    _sizes(c, facts, data, device, free)
    steps = _rhythm(c, data)
    est = _estimate(c, facts, device)
    fits = est.peak <= free * ROOM
    trained = counting.trainable(facts, c.values, c["objective"], data.labels)
    if model.adapter and additions.same(model.adapter, c["method"], c["objective"]):
        trained = additions.parameters(model.adapter, c["method"]) or trained
    took = pace.predict(c.values, facts, data, device, steps, trained)
    result = Plan(
        c.values,
        c.reasons(),
        est.terms,
        est.peak,
        free,
        fits,
        device.id,
        trained,
        facts.parameters,
        steps,
        took.seconds,
        took.low,
        took.high,
        took.energy_wh,
        took.cost,
        took.parts(),
        notes=notes,
        uncorrected_bytes=_uncorrected(c, facts, device).peak,
        correction=_correction(c, facts, device),
    )
    if not fits:
        result.remedies = _remedies(c, facts, data, device, free)
    return result


def own_kind(objective: str | None, facts: models.ModelFacts) -> str:
    """The kind of data to plan with when none was named."""
    if objective:
        return objectives.get(objective).kinds[0]
    return {"decoder": "chat", "encoder": "classification", "encoder-decoder": "seq2seq"}[facts.family]


def _learning(c: Choices, facts: models.ModelFacts, data: DataFacts, model: models.Model, device: Device) -> list[str]:
    tiny, method = facts.parameters < TINY, methods.get(c["method"])
    t5 = facts.model_type in T5 and method.name in T5_RATES
    rate = method.toy if tiny else T5_RATES[method.name] if t5 else method.rate
    if c["objective"] in HEADS:
        rate = min(rate, 1e-2)  # the head learns at it as well, and overshoots at those of prompts
    c.decide("learning_rate", rate, f"{rate:g} is usual for {method.title} on a model of this size.")
    if c["objective"] in HEADS and data.rows < FEW and c.by["epochs"][0] in ("preset", "default"):
        c.put("epochs", 3.0 * c["epochs"], "planner", "A head begins from chance: it takes three times the passes of a chat.")
    c.decide("lora_alpha", float(2 * c["lora_rank"]), "Twice the rank.")
    size = 4 if data.rows < 100 else 8 if data.rows < 500 else 16 if data.rows < 10_000 else 32
    if (micro := c.values.get("micro_batch")) and size % micro:
        size = micro * max(1, size // micro)
    c.decide("effective_batch", size, f"{data.rows:,} rows give enough steps this way.")
    notes = []
    low, high = (bound * (10 if tiny or t5 else 1) for bound in method.rates)
    if c.by["warmup"][0] == "default" and method.warmup != c["warmup"]:
        c.put("warmup", method.warmup, "planner", f"{method.title} takes large steps: they begin more gently.")
    if not device.bf16 and c.values.get("precision") == "bf16":
        notes.append(f"{device.name} has no arithmetic in bf16: it is emulated, many times slower than fp32.")
    if not low <= c["learning_rate"] <= high:
        notes.append(f"A learning rate of {c['learning_rate']:g} is far from what works for {method.title}: {low:g} to {high:g}.")
    if not facts.has_template and c["objective"] == "chat":
        c.decide("chat_template", "plain", "Words that any model has seen; it is saved with the result.")
        form = chat_templates.SAMPLES[c["chat_template"]].replace("\n", " ⏎ ")
        notes.append(f"This model has no chat template. It will see talks like this: {form}")
    elif c.values.get("chat_template"):
        notes.append("This model has a chat template of its own, which is used; the one you chose is not.")
    if model.adapter and not additions.same(model.adapter, c["method"], c["objective"]):
        notes.append("What was added to the model before is merged into it first.")
    if idle := [n for n in c.by if c.by[n][0] == "you" and not matters(n, c, method)]:
        notes.append(f"{', '.join(idle)}: without meaning for {method.title} here, and not used.")
    if told := objectives.trade_off(c["objective"], facts, data.kind):
        notes.append(told)
    if data.rows < 50:
        notes.append(f"{data.rows} rows are very few: the model will learn them by heart. 200 and more teach a manner.")
    if data.kind == "preference" and c["objective"] == "chat":
        notes.append("The preferred answers are learnt; the rejected ones are left out.")
    return notes


def _sizes(c: Choices, facts: models.ModelFacts, data: DataFacts, device: Device, free: int) -> None:
    room = facts.context - (c["virtual_tokens"] if c["method"] in methods.SOFT else 0)
    cap = min(room, 1024 if device.kind == "cpu" else 2048)
    need = max(64, math.ceil(data.longest / 64) * 64)
    c.decide(
        "max_length",
        min(cap, need),
        f"The longest row has about {data.longest:,} tokens."
        if need <= cap
        else f"Longer rows are cut: the longest has about {data.longest:,} tokens, and {cap:,} is what this device reads at a fair speed.",
    )
    if not device.bf16:
        c.decide("precision", "fp32", f"This {'processor' if device.kind == 'cpu' else 'card'} has no arithmetic in bf16.")
    elif device.kind == "cpu" and facts.parameters < TINY:
        c.decide("precision", "fp32", "On a processor it is faster than bf16 for a model this small, and takes less memory.")
    elif c["method"] in memory.WHOLE and facts.parameters * 16 < free * 0.6:
        c.decide("precision", "fp32", "There is room, and steps this small get lost in bf16 when every weight is trained.")
    else:
        c.decide("precision", "bf16", "Half the memory of fp32, and as good here.")
    _packing(c, data, device)
    _fit(c, facts, device, free, most=32 if device.kind != "cpu" else max(1, int(CPU_TOKENS / max(1.0, min(data.mean, c["max_length"])))))


def _packing(c: Choices, data: DataFacts, device: Device) -> None:
    """TRL's best-fit packing keeps rows apart by their positions (`packing_strategy="bfd"`); it changes speed and nothing else."""
    if c["objective"] not in PACKS:
        return c.decide("packing", False, "Rows of this kind are judged one by one.")
    if device.kind != "cuda":
        return c.decide("packing", False, "It needs a card: here the head that goes with it costs more than the room that it saves.")
    text = c["objective"] == "text"
    if text or (data.rows >= 2000 and data.mean * 4 < c["max_length"]):
        why = "Plain text is read without gaps: rows stand side by side and don't see each other." if text else ""
        return c.decide("packing", True, why or "Rows are short beside the maximum length, so several share one place.")
    few = data.rows < 2000
    c.decide(
        "packing", False, "So few rows would make too few steps." if few else "The rows fill the maximum length well enough by themselves."
    )


def _fit(c: Choices, facts: models.ModelFacts, device: Device, free: int, most: int) -> None:
    """The ladder, from `most` rows at once: the first rung that fits is taken; the lowest one when none does."""
    effective = c["effective_batch"]
    sizes = [c["micro_batch"]] if "micro_batch" in c.values else [d for d in range(min(effective, most), 0, -1) if effective % d == 0]
    again = [c["gradient_checkpointing"]] if "gradient_checkpointing" in c.values else [False, True]
    optimizers = [c["optimizer"]] + (["adamw_8bit"] if c.open("optimizer") and c["method"] == "full" and device.kind == "cuda" else [])
    for optimizer in optimizers:
        for checkpointing in again:
            for micro in sizes:
                if (
                    _estimate(c, facts, device, micro_batch=micro, gradient_checkpointing=checkpointing, optimizer=optimizer).peak
                    <= free * ROOM
                ):
                    return _take(c, micro, checkpointing, optimizer, device.kind, micro == sizes[0])
    _take(c, sizes[-1], again[-1], optimizers[-1], device.kind, False)


def _take(c: Choices, micro: int, checkpointing: bool, optimizer: str, kind: str, whole: bool) -> None:
    most = "More would only be padded to the longest: this is the fastest here." if kind == "cpu" else "As many as fit beside each other."
    c.decide("micro_batch", micro, most if whole else "Fewer at once, so that it fits; the rows per step stay.")
    c.decide(
        "gradient_checkpointing", checkpointing, "Needed to fit." if checkpointing else "Not needed, and it would cost a third more time."
    )
    if optimizer != c["optimizer"]:
        c.put("optimizer", optimizer, "planner", "Its notes take a quarter of the memory, so that it fits.")


def _estimate(c: Choices, facts: models.ModelFacts, device: Device, **other: Any) -> memory.Estimate:
    """With what runs on this machine taught."""
    found = _uncorrected(c, facts, device, **other)
    return replace(found, terms=peaks.corrected(found.terms, _correction(c, facts, device, **other).factor))


def _correction(c: Choices, facts: models.ModelFacts, device: Device, **other: Any) -> peaks.Correction:
    return peaks.correction(device.name, device.kind, peaks.bucket(other.get("method", c["method"]), facts.parameters))


def _uncorrected(c: Choices, facts: models.ModelFacts, device: Device, **other: Any) -> memory.Estimate:
    names = ("method", "micro_batch", "precision", "gradient_checkpointing", "lora_rank", "lora_targets", "optimizer", "objective")
    names += ("last_layers", "virtual_tokens", "quantization")
    wanted = {n: c.values.get(n) for n in names} | {"length": c["max_length"], "device": device.kind} | other
    counted = {**c.values, "method": wanted["method"]}
    return memory.training(facts, **wanted, trainable=counting.trainable(facts, counted, c["objective"], 2))


def _rhythm(c: Choices, data: DataFacts) -> int:
    per_step = c["effective_batch"]
    rows = data.rows
    if c["packing"]:
        rows = max(1, math.ceil(data.rows * min(data.mean, c["max_length"]) / c["max_length"]))
    steps = max(1, math.ceil(math.ceil(rows / per_step) * c["epochs"]))
    if c.values.get("max_steps"):
        steps = min(steps, c["max_steps"])
    every = max(1, min(200, steps // 6))
    if "save_steps" in c.values and "eval_steps" not in c.values:
        every = c["save_steps"]
    c.decide(
        "eval_steps", every, "About six tests in a run show where it goes." if data.held_out else "There are no held-out rows to test with."
    )
    c.decide("save_steps", c["eval_steps"], "Saved whenever it was tested, so that the best state can be kept.")
    return steps


def _remedies(c: Choices, facts: models.ModelFacts, data: DataFacts, device: Device, free: int) -> list[dict[str, Any]]:
    """What would make it fit, the cheapest in quality first: {"title", "settings", "peak_bytes", "cost", "fits"}."""
    smallest = {"micro_batch": 1, "gradient_checkpointing": True, "precision": "bf16"}
    offers = [("Fewer rows at once, with gradient checkpointing", smallest, "a third more time")]
    if c["method"] == "full":
        offers.append(("LoRA instead of full", {"method": "lora", "optimizer": "adamw", **smallest}, "a smaller change to the model"))
    for length in (1024, 512, 256):
        if length < c["max_length"]:
            offers.append((f"Rows of at most {length} tokens", {"max_length": length, **smallest}, "the ends of long rows are lost"))
    out = []
    for title, change, cost in offers:
        peak = _estimate(c, facts, device, **{("length" if k == "max_length" else k): v for k, v in change.items()}).peak
        out.append({"title": title, "settings": change, "peak_bytes": peak, "cost": cost, "fits": peak <= free * ROOM})
    for entry in reversed(models.catalog_of(facts.family)):
        smaller = models.catalog_facts(entry)
        peak = _estimate(c, smaller, device, **{**smallest, "method": "lora"}).peak
        if smaller.parameters < facts.parameters and peak <= free * ROOM:
            out.append(
                {
                    "title": f"A smaller model: {entry['id']}",
                    "settings": {"model": entry["id"]},
                    "peak_bytes": peak,
                    "cost": "it knows less",
                    "fits": True,
                }
            )
            break
    return sorted(out, key=lambda r: not r["fits"])


def capacity(device: Device) -> str:
    """What this machine can do, in one sentence, for the Start tab."""

    def largest(method: str) -> float:
        best = 0.0
        for entry in models.catalog_of("decoder"):
            facts = models.catalog_facts(entry)
            need = memory.training(
                facts, method=method, micro_batch=1, length=512, precision="bf16", gradient_checkpointing=True, device=device.kind
            ).peak
            slow = device.kind == "cpu" and facts.parameters > 2e9  # fits, but an evening would not be enough
            if need <= device.total * ROOM and not slow:
                best = max(best, facts.parameters / 1e9)
        return best

    lora, full = largest("lora"), largest("full")
    if not lora:
        return f"With {human_bytes(device.total)} this computer can train the starter model."
    change = f", and change all of one of up to {full:.1f} billion" if full else ""
    return f"This computer can teach models of up to {lora:.1f} billion parameters (LoRA){change}."


def next_model(device: Device) -> str:
    """The Hub id to choose after the toy: the largest of the catalog, open to all, that trains at a fair speed here."""
    best = models.catalog_of("decoder")[0]["id"]
    for entry in models.catalog_of("decoder"):
        facts = models.catalog_facts(entry)
        need = memory.training(
            facts, method="lora", micro_batch=1, length=1024, precision="bf16", gradient_checkpointing=True, device=device.kind
        ).peak
        fast_enough = facts.parameters * 4 * 500_000 / (device.tflops * 1e12 * 0.4) < 3600  # half a million tokens within the hour
        if need <= device.total * ROOM and fast_enough and not entry.get("gated"):
            best = entry["id"]
    return best
