"""Plan a run: preset + model + data + device → concrete settings, each with its reason, and the memory and time they take.

A person's own settings are kept, then the preset's; what is left open is decided here. When it does not fit, `fitting.py` tries its fallbacks;
settings that follow from the data are in `data_defaults.py`, suggestions of other models and GPUs in `model_suggestions.py`.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner import devices, models
from tuner.devices import Device
from tuner.errors import SettingError
from tuner.formatting import human_bytes
from tuner.planning import contradictions, data_defaults, dropped_rows, fitting, memory, templates, time_estimate
from tuner.planning.decisions import HEADS, TINY, Choices, DataFacts, Decision, matters, settle
from tuner.planning.memory import calibration
from tuner.runs import run_warnings
from tuner.settings import continuation, losses, methods, objectives, presets
from tuner.settings.run_config import RunConfig, Settings

ATTENTION = Decision(  # not a setting: there is no better choice
    "attention",
    "sdpa",
    "PyTorch's SDPA uses the fastest kernel of the device and keeps packed rows apart; a model without it uses its own attention.",
    by="default",
)
HELD = 20  # validation rows: with fewer an evaluation is unreliable
# these need a higher learning rate: transformers' documentation of T5 (1e-4 and 3e-4), Lester et al. 2021 (0.3)
T5 = ("t5", "mt5", "umt5", "longt5")
# learning rate of a preference loss, as a share of the usual one: {whether the chosen answer is trained too: (large models, toys)}. Large:
# recipes of DPO (Tunstall et al. 2023, arXiv:2310.16944: LoRA 5e-6, full 5e-7) and ORPO (Hong et al. 2024: full 8e-6), and TRL's; toys: measured
PREFERRED = {False: (0.05, 0.5), True: (0.25, 1.0)}  # (bench/preferences.py)
T5_RATES = {"full": 1e-4, "last_layers": 1e-4, "prompt": 0.3}


@dataclass(kw_only=True)
class Plan:
    """A planned run: its settings with their reasons, memory in bytes, and time in seconds. `as_dict` is written to plan.json."""

    settings: Settings  # each decided
    reasons: list[Decision]
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
    pace: dict[str, Any] = field(default_factory=dict)  # the parts of `seconds`: `time_estimate.TimeEstimate.parts`
    remedies: list[fitting.Remedy] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: dict[str, Any] | None = None  # what happens to the rows, as a run reports it in `prepared`; None while they are not counted
    warnings: list[dict[str, Any]] = field(default_factory=list)  # what a person must know before the start: see run_warnings
    ignored: dict[str, str] = field(default_factory=dict)  # settings that a person chose and that have no effect here: {name: why}
    question: list[dict[str, Any]] = field(default_factory=list)  # why it doesn't start as it is: the errors of `training.start`
    fixed: list[Decision] = field(default_factory=lambda: [ATTENTION])  # like `reasons`: values that can't be set, and why
    checkpoint_bytes: int = 0  # on disk, of each checkpoint
    uncorrected_bytes: int = 0  # `peak_bytes` without the correction from earlier runs on this machine
    correction: calibration.Correction = field(default_factory=calibration.Correction)
    devices: list[str] = field(default_factory=list)  # of a run in several processes
    rates: tuple[float, float] = (0.0, 1e3)  # learning rates that work for the method on a model of this size

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"settings": self.settings.as_json()}


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
    """Return the plan of a run. All contradictions are raised at once. A plan that does not fit is returned too (`fits` is False), with
    `remedies` if they are asked for."""
    device = device or devices.get(asked.device)
    free = device.free if device_memory is None else device_memory
    choices = Choices(asked.given(), presets.load(preset) if isinstance(preset, str) else preset)
    facts = model.facts
    has_data, data = data is not None, data or DataFacts(own_kind(asked.objective, facts), 1000, 50, 256, 1024)
    if len(cards := devices.named(asked.device)) > 1:
        _one_for_each(choices, cards)
    settle(choices, model, data, device)
    if device_memory is None:
        free = min([free, *(d.free for d in devices.together(device, choices.settings.processes, asked.device) if d.id != device.id)])
    choices.put(
        "device",
        ",".join(cards) if len(cards) > 1 else device.id,
        "you" if asked.device else "planner",
        "Your choice." if asked.device else f"The fastest device here: {device.name}.",
    )
    notes = _optimization(choices, facts, data, model, device) + [note for note in (methods.merge_refusal(facts),) if note]
    data_defaults.length(choices, facts, data, device)
    fitting.precision(choices, facts, device)
    _check_adapter_precision(choices.settings)
    if choices.settings.sharding and (why := contradictions.unshardable(choices.settings)):
        raise why  # of a precision that was decided here
    data_defaults.packing(choices, data, device)
    case, asked_for = fitting.Case(choices, facts, data, device, free, new_adapter=model.adapter is None), choices.copy()
    fits = fitting.fit(case)
    steps = data_defaults.intervals(choices, data)
    result = _planned(case, model, steps, fits, device.total if device_memory is None else device_memory)
    result.devices = [d.id for d in devices.together(device, result.settings.processes, asked.device)]
    result.notes = (
        notes
        + _both_ways(case)
        + _filled_up(result.settings, data, has_data)
        + (data_defaults.too_few_steps(choices, data, steps) if has_data else [])
    )
    if not fits and remedies:
        result.remedies = fitting.remedies(case, asked_for)
    result.rates = usual_rates(choices, facts)
    result.ignored = ignored(choices, methods.get(choices.settings.method), facts, data)
    result.warnings = [
        *_ignored_settings(result.ignored),
        *_learning_rate(choices, usual_rate(choices, facts), result.rates),
        *templates.warnings(choices, model),
        *(_of_rows(result, choices, facts, data) if has_data else []),
    ]
    return result


def _one_for_each(choices: Choices, cards: list[str]) -> None:
    """Decide the number of processes from the cards that a person named; SettingError when another number was asked for."""
    if choices.by("processes") == "you" and choices.settings.processes != len(cards):
        raise SettingError(
            f"{len(cards)} cards were chosen, and {choices.settings.processes} processes.",
            asked=choices.settings.processes,
            available=len(cards),
            remedy="Leave the number of processes out, or name as many cards.",
            field="processes",
        )
    choices.put("processes", len(cards), "planner", "One for each of the cards that you chose.")


def _both_ways(case: fitting.Case) -> list[str]:
    """Return the note that says what several processes need with the model whole in each, and in parts."""
    settings = case.choices.settings
    if settings.processes == 1 or contradictions.unshardable(settings.replace(sharding=True)):
        return []
    whole, parts = (human_bytes(case.estimate(sharding=sharding).peak) for sharding in (False, True))
    where = "of each card" if case.device.kind == "cuda" else "in all"
    return [f"Memory {where}: {whole} with the whole model in each process, {parts} with sharding (FSDP)."]


def _filled_up(settings: Settings, data: DataFacts, has_data: bool) -> list[str]:
    """Return the note that several processes need whole batches, where the rows do not come out even."""
    together = settings.micro_batch * settings.processes
    over = data.usable(settings.max_length) % together
    if settings.processes == 1 or not has_data or settings.packing or not over:
        return []
    return [
        f"{settings.processes} processes need whole batches: the last step of an epoch is filled up with {together - over} rows from its beginning."
    ]


def usual_rate(choices: Choices, facts: models.ModelFacts) -> float:
    """Return the usual learning rate of the method for the objective on a model of this size."""
    settings, method = choices.settings, methods.get(choices.settings.method)
    rate = method.tiny_rate if facts.parameters < TINY else T5_RATES[method.name] if _of_t5(method, facts) else method.rate
    if settings.objective in HEADS:
        rate = min(rate, 1e-2)  # the head is trained at the same rate, and diverges at the rates of prompt tuning
    return float(f"{rate * _scale(settings, facts):.2g}")


def usual_rates(choices: Choices, facts: models.ModelFacts) -> tuple[float, float]:
    """Return the lowest and the highest learning rate that work."""
    method = methods.get(choices.settings.method)
    larger = 10 if facts.parameters < TINY or _of_t5(method, facts) else 1
    low, high = (bound * _scale(choices.settings, facts) * larger / strength(choices) for bound in method.rates)
    return low, high


def _of_t5(method: methods.Method, facts: models.ModelFacts) -> bool:
    return facts.model_type in T5 and method.name in T5_RATES


def _scale(settings: Settings, facts: models.ModelFacts) -> float:
    """Return the learning rate of a preference loss as a share of the usual one; 1 for other objectives."""
    if settings.objective != "preference":
        return 1.0
    return PREFERRED[losses.get(settings.preference_loss).with_sft][facts.parameters < TINY]


def _learning_rate(choices: Choices, usual: float, rates: tuple[float, float]) -> list[dict[str, Any]]:
    """Return the warning of a learning rate that is far from what works, with the usual one as a fix."""
    settings, (low, high) = choices.settings, rates
    if low <= settings.learning_rate <= high:
        return []
    scaling = f" with an alpha of {settings.lora_alpha:g} at rank {settings.lora_rank}" if strength(choices) != 1 else ""
    message = (
        f"A learning rate of {settings.learning_rate:g} is far from what works for {methods.get(settings.method).title}{scaling}: "
        f"{low:.2g} to {high:.2g}."
    )
    usual = float(f"{usual / strength(choices):.2g}")
    fix = {"title": f"Learning rate {usual:g}", "settings": {"learning_rate": usual}}
    return [run_warnings.make("learning_rate_unusual", message, f"{usual:g} is usual.", fixes=[fix])]


def _check_adapter_precision(settings: Settings) -> None:
    if settings.precision == "fp16" and settings.adapter_precision == "bf16" and settings.method in ("lora", "qlora"):
        raise SettingError(
            "An adapter in bf16 can't be trained in fp16: the loss scaler unscales fp32 gradients only.",
            asked="bf16",
            available=["fp32"],
            remedy="Leave the adapter in fp32.",
            field="adapter_precision",
        )


def _planned(case: fitting.Case, model: models.Model, steps: int, fits: bool, total: int) -> Plan:
    """Return the plan of a case in which everything is decided, with its memory, time and parameters."""
    settings, facts, device = case.choices.settings, case.facts, case.device
    trained = case.trainable(settings)
    if model.adapter and continuation.trains_further(model.adapter, settings.method, settings.objective):
        trained = continuation.parameters(model.adapter, settings.method) or trained
    time = time_estimate.predict(settings, facts, case.data, device, steps, trained)
    estimate = case.estimate()
    return Plan(
        settings=settings,
        reasons=case.choices.reasons(),
        breakdown=estimate.terms,
        peak_bytes=estimate.peak,
        free_bytes=case.free,
        total_bytes=total,
        fits=fits,
        device=device.id,
        trainable_parameters=trained,
        total_parameters=facts.parameters,
        steps=steps,
        seconds=time.seconds,
        seconds_low=time.low,
        seconds_high=time.high,
        energy_wh=time.energy_wh,
        cost=time.cost,
        pace=time.parts(),
        checkpoint_bytes=memory.checkpoint(facts, method=settings.method, trainable=trained, precision=settings.precision),
        uncorrected_bytes=case.uncorrected().peak,
        correction=case.correction(),
    )


def _of_rows(result: Plan, choices: Choices, facts: models.ModelFacts, data: DataFacts) -> list[dict[str, Any]]:
    """Return the warnings about rows, or one that says why they are not known yet; sets `rows` and `question` of the plan."""
    if (prepared := data.prepared(choices.settings.max_length)) is None:
        return [guessed(data)]
    found = dropped_rows.warnings(prepared, choices, facts, data.longest)
    refusal = dropped_rows.refusal(prepared, found, choices)
    result.rows, result.question = prepared, refusal.as_list() if refusal else []
    return found


def guessed(data: DataFacts) -> dict[str, Any]:
    """Return the warning of a plan whose lengths are not counted yet."""
    if data.counts:
        message = f"The lengths come from {len(data.lengths):,} of {data.rows + data.held_out:,} rows: the others are being counted."
        return run_warnings.make(
            "lengths_guessed", message, "Wait until all rows are counted; a run does so before it starts.", severity="info"
        )
    if data.counting:
        message = "The lengths are estimated at four characters per token: the rows are being counted."
        return run_warnings.make(
            "lengths_guessed", message, "Wait until all rows are counted; a run does so before it starts.", severity="info"
        )
    message = "The lengths are estimated at four characters per token: the model's tokenizer is not on this computer yet."
    return run_warnings.make("lengths_guessed", message, "All rows are counted after the download, before the first step.", severity="info")


def ignored(choices: Choices, method: methods.Method, facts: models.ModelFacts, data: DataFacts) -> dict[str, str]:
    """Return the settings that a person chose and that have no effect: {name: why}."""
    own = [n for n in choices.decisions if choices.by(n) == "you"]
    out = {
        n: f"{method.title} with the objective {choices.settings.objective} does not use it."
        for n in own
        if not matters(n, choices.settings)
    }
    if "chat_template" in own and (why := templates.ignored(choices.settings.chat_template, facts)):
        out["chat_template"] = why
    if not data.held_out:
        out |= {n: "There are no validation rows." for n in ("early_stopping", "eval_steps") if n in own and choices[n]}
    if "warmup" in own and choices.by("warmup") != "you":
        out["warmup"] = choices.why("warmup")
    return out


def _ignored_settings(found: dict[str, str]) -> list[dict[str, Any]]:
    if not found:
        return []
    message = "Not used: " + "; ".join(f"{name} ({why[0].lower() + why[1:].rstrip('.')})" for name, why in found.items()) + "."
    return [run_warnings.make("settings_ignored", message, "Leave them out, or choose a method and objective that use them.")]


def alpha(choices: Choices) -> tuple[float, str]:
    """Return (lora_alpha, reason). The update is scaled by alpha / rank, with rsLoRA by alpha / sqrt(rank) (Kalajdzievski 2023,
    arXiv:2312.03732); both give 2, so that the usual learning rates apply."""
    settings = choices.settings
    if settings.use_rslora:
        return round(
            2 * math.sqrt(settings.lora_rank), 2
        ), "Twice the square root of the rank: rsLoRA divides by the square root, so the scale of the update stays the same."
    return float(2 * settings.lora_rank), "Twice the rank."


def strength(choices: Choices) -> float:
    """Return the scale of LoRA's update relative to the usual alpha of twice the rank; 1 for other methods."""
    settings = choices.settings
    if settings.method not in ("lora", "qlora"):
        return 1.0
    rank = settings.lora_rank
    return settings.lora_alpha / (math.sqrt(rank) if settings.use_rslora else rank) / 2


def own_kind(objective: str | None, facts: models.ModelFacts) -> str:
    """Return the kind of data to plan with when no data is given."""
    if objective:
        return objectives.get(objective).kinds[0]
    return {"decoder": "chat", "encoder": "classification", "encoder-decoder": "seq2seq"}[facts.family]


def _optimization(choices: Choices, facts: models.ModelFacts, data: DataFacts, model: models.Model, device: Device) -> list[str]:
    settings, method = choices.settings, methods.get(choices.settings.method)
    rate = usual_rate(choices, facts)
    name = f"{method.title} with preferences" if settings.objective == "preference" else method.title
    choices.decide("learning_rate", rate, f"{rate:g} is usual for {name} on a model of this size.")
    choices.decide("lora_alpha", *alpha(choices))
    data_defaults.epochs(choices, facts, data)
    if settings.objective == "preference":
        data_defaults.reference(choices)
    notes = []
    if choices.by("warmup") == "default" and method.warmup != settings.warmup:
        choices.put(
            "warmup", method.warmup, "planner", f"{method.title} uses a high learning rate: a longer warm-up keeps the start stable."
        )
    if not device.bf16 and settings.precision == "bf16":
        notes.append(f"{device.name} does not support bf16: it is emulated, many times slower than fp32.")
    notes += templates.decide(choices, facts)
    if model.adapter and not continuation.trains_further(model.adapter, settings.method, settings.objective):
        notes.append("The adapter of the earlier run is merged into the base model first.")
    if message := objectives.trade_off(settings.objective, facts, data.kind):
        notes.append(message)
    if choices.by("epochs") == "you" and not settings.max_steps and settings.epochs >= 20 and facts.parameters >= TINY:
        notes.append(
            f"{settings.epochs:g} epochs read every row {settings.epochs:g} times: the model memorizes the rows. 1 to 5 are usual; early stopping "
            "ends a run when the validation loss no longer improves."
        )
    if data.rows < 50:
        notes.append(f"{data.rows} rows are very few: the model will memorize them. Use 200 or more to train a style.")
    if 0 < data.held_out < HELD and data.rows >= 100:
        notes.append(f"{data.held_out} validation rows are few: metrics on them will fluctuate. {HELD} or more are more stable.")
    if data.weighted and settings.objective in objectives.PAIRED:
        notes.append("Row weights have no effect when answers are compared: they are not used.")
    return notes
