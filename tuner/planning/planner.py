"""Preset + model + data + device → concrete settings, each with its reason, and what they will take.

A person's own settings stay; then the preset's; what is left open is decided here. When it does not fit, the ladder goes
down (`ladder.py`); what the data decides is in `schedule.py`, what other models and cards would do in `offers.py`.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner import devices, models
from tuner.devices import Device
from tuner.errors import SettingError
from tuner.models import chat_templates
from tuner.planning import data_defaults, dropped_rows, fitting, memory, time_estimate
from tuner.planning.decisions import HEADS, TINY, Choices, DataFacts, matters, settle
from tuner.planning.memory import calibration, parameter_counts
from tuner.runs import run_warnings
from tuner.settings import continuation, losses, methods, objectives, presets
from tuner.settings.run_config import RunConfig

ATTENTION = {  # no setting: there is nothing better to choose
    "setting": "attention",
    "value": "sdpa",
    "by": "default",
    "reason": "torch's own takes the fastest kernel that the device has, and keeps packed rows apart; a model without it uses its own.",
}
HELD = 20  # rows: on fewer a test says little
T5 = ("t5", "mt5", "umt5", "longt5")  # these want larger steps: transformers' documentation of T5 (1e-4 and 3e-4), Lester et al. 2021 (0.3)
# steps of a loss of preferences, as a share of the usual ones: {learns the better answer as well: (large models, toys)}. Large: recipes of
# DPO (Tunstall et al. 2023, arXiv:2310.16944: LoRA 5e-6, full 5e-7) and ORPO (Hong et al. 2024: full 8e-6), and TRL's; toys: measured
PREFERRED = {False: (0.05, 0.5), True: (0.25, 1.0)}  # (bench/preferences.py)
T5_RATES = {"full": 1e-4, "last_layers": 1e-4, "prompt": 0.3}


@dataclass
class Plan:
    settings: dict[str, Any]
    reasons: list[dict[str, Any]]
    breakdown: dict[str, int]
    peak_bytes: int
    free_bytes: int
    total_bytes: int
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
    rows: dict[str, Any] | None = None  # what becomes of the rows, as a run says it in `prepared`; None while they are not counted
    warnings: list[dict[str, Any]] = field(default_factory=list)  # what a person must know before the start: see run_warnings
    ignored: dict[str, str] = field(default_factory=dict)  # settings that a person chose and that have no effect here: {name: why}
    question: list[dict[str, Any]] = field(default_factory=list)  # why it does not start like this: the errors of `training.start`
    fixed: list[dict[str, Any]] = field(default_factory=lambda: [ATTENTION])  # as `reasons`: what nobody can set, and why
    checkpoint_bytes: int = 0  # on disk, of each state that is saved
    uncorrected_bytes: int = 0  # `peak_bytes` without what runs here taught
    correction: calibration.Correction = field(default_factory=calibration.Correction)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def plan(
    asked: RunConfig,
    model: models.Model,
    data: DataFacts | None,
    *,
    preset: str | presets.Preset | None = None,
    device: Device | None = None,
    device_memory: int | None = None,
    remedies: bool = True,
) -> Plan:
    """What a run would do. Raises all contradictions at once; a plan that does not fit is a plan (`fits` is False), with `remedies`
    unless they are not asked for."""
    device = device or devices.get(asked.device)
    free = device.free if device_memory is None else device_memory
    c = Choices(asked.given(), presets.load(preset) if isinstance(preset, str) else preset)
    facts = model.facts
    known, data = data is not None, data or DataFacts(own_kind(asked.objective, facts), 1000, 50, 256, 1024)
    settle(c, model, data, device)
    c.put(
        "device",
        device.id,
        "you" if asked.device else "planner",
        "Your choice." if asked.device else f"The fastest device here: {device.name}.",
    )
    notes = _learning(c, facts, data, model, device) + [note for note in (methods.merge_refusal(facts),) if note]
    data_defaults.length(c, facts, data, device)
    fitting.precision(c, facts, device)
    if c["precision"] == "fp16" and c["adapter_precision"] == "bf16" and c["method"] in ("lora", "qlora"):
        raise SettingError(
            "An adapter in bf16 can't be trained in fp16: the loss scaler unscales gradients of fp32 alone.",
            asked="bf16",
            available=["fp32"],
            remedy="Leave the adapter in fp32.",
            field="adapter_precision",
        )
    data_defaults.packing(c, data, device)
    case, asked_for = fitting.Case(c, facts, data, device, free, fresh=model.adapter is None), c.copy()
    fits = fitting.fit(case)
    steps = data_defaults.rhythm(c, data)
    notes += data_defaults.too_few_steps(c, data, steps) if known else []
    est = case.estimate()
    trained = parameter_counts.trainable(facts, c.values, c["objective"], data.labels)
    if model.adapter and continuation.same(model.adapter, c["method"], c["objective"]):
        trained = continuation.parameters(model.adapter, c["method"]) or trained
    took = time_estimate.predict(c.values, facts, data, device, steps, trained)
    result = Plan(
        c.values,
        c.reasons(),
        est.terms,
        est.peak,
        free,
        device.total if device_memory is None else device_memory,
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
        checkpoint_bytes=memory.checkpoint(facts, method=c["method"], trainable=trained, precision=c["precision"]),
        uncorrected_bytes=case.uncorrected().peak,
        correction=case.correction(),
    )
    if not fits and remedies:
        result.remedies = fitting.remedies(case, asked_for)
    result.ignored = ignored(c, methods.get(c["method"]), facts, data)
    result.warnings = [*_idle(result.ignored), *(_of_rows(result, c, facts, data) if known else [])]
    return result


def _of_rows(result: Plan, c: Choices, facts: models.ModelFacts, data: DataFacts) -> list[dict[str, Any]]:
    """What becomes of the rows, or why that is not known yet."""
    if (prepared := data.prepared(c["max_length"])) is None:
        return [guessed(data)]
    found = dropped_rows.warnings(prepared, c, facts, data.longest)
    no = dropped_rows.refusal(prepared, found, c)
    result.rows, result.question = prepared, no.as_list() if no else []
    return found


def guessed(data: DataFacts) -> dict[str, Any]:
    """The warning of a plan whose lengths are not counted."""
    if data.counts:
        told = f"The lengths are those of {len(data.lengths):,} of {data.rows + data.held_out:,} rows: the others are being counted."
        return run_warnings.make(
            "lengths_guessed", told, "Wait until all rows are counted; a run does so before it starts.", severity="info"
        )
    told = "The lengths are a guess of four characters per token: the model's tokenizer is not on this computer yet."
    return run_warnings.make(
        "lengths_guessed", told, "All rows are counted when it was downloaded, before the first step.", severity="info"
    )


def ignored(c: Choices, method: methods.Method, facts: models.ModelFacts, data: DataFacts) -> dict[str, str]:
    """Settings that a person chose and that have no effect: {name: why}."""
    mine = [n for n in c.by if c.by[n][0] == "you"]
    out = {n: f"{method.title} with the objective {c['objective']} does not use it." for n in mine if not matters(n, c, method)}
    if "chat_template" in mine and (facts.has_template or facts.family != "decoder"):
        own = "The model has a chat template of its own, which is used." if facts.has_template else "Only decoders have one."
        out["chat_template"] = own
    if not data.held_out:
        out |= {n: "There are no validation rows." for n in ("early_stopping", "eval_steps") if n in mine and c[n]}
    if "warmup" in mine and c.by["warmup"][0] != "you":
        out["warmup"] = c.by["warmup"][1]
    return out


def _idle(found: dict[str, str]) -> list[dict[str, Any]]:
    if not found:
        return []
    told = "Not used: " + "; ".join(f"{name} ({why[0].lower() + why[1:].rstrip('.')})" for name, why in found.items()) + "."
    return [run_warnings.make("settings_ignored", told, "Leave them out, or choose a method and objective that use them.")]


def alpha(c: Choices) -> tuple[float, str]:
    """(lora_alpha, why): the update is scaled by alpha / rank, with rsLoRA by alpha / sqrt(rank) (Kalajdzievski 2023, arXiv:2312.03732); either
    way by 2, so that the usual learning rates hold."""
    if c["use_rslora"]:
        return round(
            2 * math.sqrt(c["lora_rank"]), 2
        ), "Twice the square root of the rank: rsLoRA divides by the root, and the update stays as strong."
    return float(2 * c["lora_rank"]), "Twice the rank."


def strength(c: Choices) -> float:
    """How strongly LoRA's update counts beside the usual alpha of twice the rank; 1 for other techniques."""
    if c["method"] not in ("lora", "qlora"):
        return 1.0
    rank = c["lora_rank"]
    return c["lora_alpha"] / (math.sqrt(rank) if c["use_rslora"] else rank) / 2


def own_kind(objective: str | None, facts: models.ModelFacts) -> str:
    """The kind of data to plan with when none was named."""
    if objective:
        return objectives.get(objective).kinds[0]
    return {"decoder": "chat", "encoder": "classification", "encoder-decoder": "seq2seq"}[facts.family]


def _learning(c: Choices, facts: models.ModelFacts, data: DataFacts, model: models.Model, device: Device) -> list[str]:
    tiny, method = facts.parameters < TINY, methods.get(c["method"])
    t5 = facts.model_type in T5 and method.name in T5_RATES
    small = PREFERRED[losses.get(c["preference_loss"]).learns][tiny] if c["objective"] == "preference" else 1.0
    rate = method.toy if tiny else T5_RATES[method.name] if t5 else method.rate
    if c["objective"] in HEADS:
        rate = min(rate, 1e-2)  # the head learns at it as well, and overshoots at those of prompts
    rate = float(f"{rate * small:.2g}")
    what = f"{method.title} with preferences" if small != 1.0 else method.title
    c.decide("learning_rate", rate, f"{rate:g} is usual for {what} on a model of this size.")
    c.decide("lora_alpha", *alpha(c))
    data_defaults.passes(c, facts, data)
    if c["objective"] == "preference":
        data_defaults.reference(c)
    notes = []
    low, high = (bound * small * (10 if tiny or t5 else 1) / strength(c) for bound in method.rates)
    if c.by["warmup"][0] == "default" and method.warmup != c["warmup"]:
        c.put("warmup", method.warmup, "planner", f"{method.title} takes large steps: they begin more gently.")
    if not device.bf16 and c.values.get("precision") == "bf16":
        notes.append(f"{device.name} has no arithmetic in bf16: it is emulated, many times slower than fp32.")
    if not low <= c["learning_rate"] <= high:
        with_ = f" with an alpha of {c['lora_alpha']:g} at rank {c['lora_rank']}" if strength(c) != 1 else ""
        notes.append(
            f"A learning rate of {c['learning_rate']:g} is far from what works for {method.title}{with_}: {low:.2g} to {high:.2g}."
        )
    if not facts.has_template and facts.family == "decoder" and c["objective"] in objectives.TALKS:
        c.decide("chat_template", "plain", "Words that any model has seen; it is saved with the result.")
        form = chat_templates.SAMPLES[c["chat_template"]].replace("\n", " ⏎ ")
        notes.append(f"This model has no chat template. It will see talks like this: {form}")
    if model.adapter and not continuation.same(model.adapter, c["method"], c["objective"]):
        notes.append("What was added to the model before is merged into it first.")
    if told := objectives.trade_off(c["objective"], facts, data.kind):
        notes.append(told)
    if data.rows < 50:
        notes.append(f"{data.rows} rows are very few: the model will learn them by heart. 200 and more teach a manner.")
    if 0 < data.held_out < HELD and data.rows >= 100:
        notes.append(f"{data.held_out} held-out rows are few: what is measured on them will jump. {HELD} and more are steadier.")
    if data.weighted and c["objective"] in objectives.PAIRED:
        notes.append("Rows can't count for more or less when answers are compared: their weights are not used.")
    return notes
