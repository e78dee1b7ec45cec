"""The given settings and their origin: a person's settings are kept, then the preset's; all contradictions are raised at once.

The combination itself (this method, for this objective, on this model and device, continuing from that run) is checked and settled here;
`planner` decides what is left open.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuner import models
from tuner.devices import Device
from tuner.errors import SettingError, TunerError, raise_all
from tuner.planning import contradictions, token_counts
from tuner.settings import continuation, losses, methods, objectives, presets, run_config

PACKABLE = ("chat", "text")
HEADS, FEW = objectives.HEADS, 5000  # rows
TINY = 50_000_000  # parameters: a smaller model is a toy, which trains at ten times the usual learning rate


@dataclass(frozen=True)
class DataFacts:
    """Facts about a dataset: number of training `rows` and of validation rows (`held_out`); `mean` and `longest` length in tokens of the chosen
    model; number of distinct `labels`; `weighted` when some rows count more than others; `lengths` of the rows (of some of them, or guessed)
    in tokens, ascending.

    `counts` come from all rows, with the model's own tokenizer and chat template, or from a sample; without them lengths are a guess."""

    kind: str
    rows: int
    held_out: int
    mean: float
    longest: int
    labels: int = 2
    weighted: bool = False
    lengths: Sequence[int] = field(default=(), compare=False)
    counts: token_counts.Counts | None = field(default=None, compare=False)
    counting: bool = field(default=False, compare=False)  # the rows are being counted, and no sample of them is there yet

    @property
    def exact(self) -> bool:
        """Whether all rows were counted."""
        return self.counts is not None and not self.counts.sample

    def prepared(self, length: int) -> dict[str, Any] | None:
        """Return what a run with this maximum length reports about its rows; None while that is not known."""
        return self.counts.prepared(length) if self.exact else None

    def usable(self, length: int) -> int:
        """Return how many training rows, as the trainer counts them, have a trained token within this maximum length."""
        return self.prepared(length)["rows"] if self.exact else self.rows

    def truncated_share(self, length: int) -> float:
        """Return the share of the rows longer than `length` tokens; without a sample, as if lengths decreased evenly from mean to longest."""
        if len(self.lengths):
            return 1 - bisect_right(self.lengths, length) / len(self.lengths)
        return min(1.0, max(0.0, (self.longest - length) / max(1.0, 2 * (self.longest - self.mean))))

    def whole(self, share: float) -> int:
        """Return the length that leaves this share of the rows untruncated."""
        if not len(self.lengths):
            return self.longest
        return int(self.lengths[min(len(self.lengths) - 1, math.ceil(share * len(self.lengths)) - 1)])


@dataclass(frozen=True)
class Decision:
    """The value of a setting, who decided it ("you", "preset", "default" or "planner") and why."""

    setting: str
    value: Any
    reason: str
    by: str


class Choices:
    """The decisions about a run's settings while it is planned: `settings` as they are so far, `decisions` with who made each and why.
    `choices[name]` is the value of a setting whose name comes from a list; None while it is open."""

    def __init__(self, given: dict[str, Any], preset: presets.Preset | None):
        self.settings = run_config.Settings.model_construct()
        self.decisions: dict[str, Decision] = {}
        for name, f in run_config.FIELDS.items():
            if name in ("model", "data"):
                continue
            if given.get(name) is not None:
                self.put(name, given[name], "you", "Your choice.")
            elif preset and preset.settings.get(name) is not None:
                self.put(name, preset.settings[name], "preset", f"From the preset {preset.title!r}.")
            elif f.default is not None:
                self.put(name, f.default, "default", f.description)

    def copy(self) -> "Choices":
        out = object.__new__(Choices)
        out.settings, out.decisions = self.settings.replace(), dict(self.decisions)
        return out

    def reopen(self, *names: str) -> None:
        """Reopen these settings, as if nobody had chosen them."""
        for name in names:
            self.decisions.pop(name, None)
            setattr(self.settings, name, None)
            if (f := run_config.FIELDS[name]).default is not None:
                self.put(name, f.default, "default", f.description)

    def put(self, name: str, value: Any, by: str, reason: str) -> None:
        setattr(self.settings, name, value)
        self.decisions[name] = Decision(name, value, reason, by)

    def decide(self, name: str, value: Any, reason: str) -> None:
        """Set the planner's choice, unless somebody chose before."""
        if name not in self.decisions:
            self.put(name, value, "planner", reason)

    def open(self, name: str) -> bool:
        """Return whether nobody but the program has decided this setting."""
        return self.by(name) in ("", "planner", "default")

    def by(self, name: str) -> str:
        """Return who decided a setting; "" when it is not decided."""
        return self.decisions[name].by if name in self.decisions else ""

    def why(self, name: str) -> str:
        return self.decisions[name].reason

    def __getitem__(self, name: str) -> Any:
        return getattr(self.settings, name)

    def reasons(self) -> list[Decision]:
        """Return the decisions in the order of the settings, each value as tables show it."""
        made = [self.decisions[name] for name in run_config.FIELDS if name in self.decisions]
        return [replace(d, value=run_config.shown(d.setting, d.value)) for d in made]


def settle(choices: Choices, model: models.Model, data: DataFacts, device: Device) -> None:
    """Decide objective and method, and raise all contradictions at once."""
    problems: list[TunerError] = []
    facts = model.facts
    _objective(choices, facts, data, problems)
    _new_language(choices, facts, data)
    _method(choices, facts, data, problems)
    if choices.settings.objective == "preference":
        _preference(choices, facts, data, problems)
    if model.adapter:
        _start(choices, model, problems)
    raise_all([*problems, *contradictions.found(choices.settings, facts, device)])


def _objective(choices: Choices, facts: models.ModelFacts, data: DataFacts, problems: list) -> None:
    settings = choices.settings
    chosen = objectives.default_for(data.kind, facts.family)
    choices.decide("objective", chosen, f"{objectives.get(chosen).sentence} This is what this data and this model are made for.")
    if data.kind not in objectives.get(settings.objective).kinds:
        fit = [o.name for o in objectives.OBJECTIVES.values() if data.kind in o.kinds and facts.family in o.families] or ["none"]
        problems.append(
            SettingError(
                f"The objective {settings.objective} can't be trained on data of the kind {data.kind}.",
                asked=settings.objective,
                available=fit,
                remedy=f"Choose {' or '.join(fit)}, or change the format of the data.",
                field="objective",
            )
        )


def _new_language(choices: Choices, facts: models.ModelFacts, data: DataFacts) -> None:
    """Choose full fine-tuning for pairs of texts on a toy model: it writes neither language yet, so an adapter and a few epochs aren't enough."""
    if facts.parameters >= TINY or facts.quantized or data.kind != "seq2seq" or not choices.open("method"):
        return
    choices.put("method", "full", "planner", "A model this small can't write the target text yet: all of its weights have to be trained.")
    choices.decide("learning_rate", 1e-3, "Twice the usual value for a model this small: it has a whole language to learn.")
    if choices.by("epochs") in ("preset", "default") and data.rows < FEW:
        choices.put(
            "epochs",
            5.0 * choices.settings.epochs,
            "planner",
            "Learning to write a new kind of text takes five times the epochs of learning a style.",
        )


def _method(choices: Choices, facts: models.ModelFacts, data: DataFacts, problems: list) -> None:
    """Check this method for this objective on this model, and settle quantization, gradient checkpointing and packing."""
    settings = choices.settings
    if facts.quantized and settings.method in ("lora", "qlora") and not settings.quantization:
        choices.put("quantization", facts.quantized, "planner", "The model is stored quantized.")
    if settings.method == "lora" and settings.quantization:
        choices.put("method", "qlora", choices.by("method"), "LoRA on quantized weights is QLoRA.")
    if settings.method == "qlora":
        choices.decide("quantization", "nf4", "4-bit (NF4) with double quantization: a quarter of the memory, nearly as exact.")
    method = methods.get(settings.method)
    if settings.quantization and method.name != "qlora":
        problems.append(
            SettingError(
                f"{method.title} does not work on quantized weights here.",
                asked=settings.quantization,
                available=["qlora"],
                remedy="Choose the method qlora, or leave quantization off.",
                field="quantization",
            )
        )
    if no := methods.refusal(method.name, settings.objective, facts, settings):
        others = [m for m in methods.METHODS if not methods.refusal(m, settings.objective, facts, settings)]
        field, at_fault = "method", methods.setting_refusal(method.name, facts, settings)
        if objectives.refusal(settings.objective, facts):
            field, others = "objective", [o for o in objectives.OBJECTIVES if not objectives.refusal(o, facts)]
        elif at_fault:
            field, others = at_fault[:2]
        problems.append(SettingError(no, asked=choices[field], available=others or ["none"], remedy="Choose another one.", field=field))
    for name, works, why in (
        ("gradient_checkpointing", method.checkpointing, f"{method.title} does not work with gradient checkpointing."),
        (
            "packing",
            method.packing and settings.objective in PACKABLE and not data.weighted,
            "Packed rows can't have weights of their own."
            if data.weighted
            else f"Packed rows would attend to each other ({method.title}, {settings.objective}).",
        ),
    ):
        if not works and choices[name]:
            problems.append(SettingError(why, asked=True, available=[False], remedy="Leave it off.", field=name))
        elif not works:
            choices.decide(name, False, why)


def _preference(choices: Choices, facts: models.ModelFacts, data: DataFacts, problems: list) -> None:
    """Settle the preference loss and the settings that depend on it."""
    settings = choices.settings
    kind = data.kind if data.kind == "rated" else "preference"
    choices.decide("preference_loss", *losses.default_for(kind, facts.parameters < TINY))
    loss = losses.get(settings.preference_loss)
    if no := losses.refusal(loss.name, kind, settings.method):
        why, can = no
        remedy = "Choose another loss, or data with pairs." if kind == "rated" else "Choose another loss, or LoRA."
        problems.append(SettingError(why, asked=loss.name, available=can, remedy=remedy, field="preference_loss"))
    choices.decide("beta", loss.beta, f"{loss.beta:g} is usual for {loss.title}.")
    if loss.smoothing is not None:
        choices.decide("label_smoothing", loss.smoothing, f"{loss.smoothing:g} is usual for {loss.title}.")
    if loss.name == "exo_pair" and not settings.label_smoothing:
        message = f"{loss.title} takes the logarithm of the label smoothing, which can't be 0."
        problems.append(SettingError(message, asked=0, available="0.001 to 0.49", remedy="Choose 0.001.", field="label_smoothing"))
    for name in ("micro_batch", "effective_batch"):
        if (rows := choices[name]) and rows < loss.min_micro_batch:
            message = f"{loss.title} compares the rows of a micro-batch, so a single row trains nothing."
            least = f"{loss.min_micro_batch} and more"
            problems.append(
                SettingError(message, asked=rows, available=least, remedy=f"Choose {loss.min_micro_batch} or more.", field=name)
            )


def _start(choices: Choices, model: models.Model, problems: list) -> None:
    """Apply what the adapter that the run continues from fixes, and report what it rules out."""
    settings = choices.settings
    method, objective = settings.method, settings.objective
    if no := continuation.refusal(model.adapter, method, objective):
        why, can = no
        problems.append(
            SettingError(why, asked=method, available=can or ["its base model"], remedy="Choose that.", field="method" if can else "model")
        )
        return
    if not continuation.trains_further(model.adapter, method, objective):
        if no := methods.merge_refusal(model.facts):  # a run with another method starts by merging the adapter
            can = [m for m in methods.METHODS if continuation.trains_further(model.adapter, m, objective)]
            problems.append(SettingError(no, asked=method, available=can or ["its base model"], remedy="Choose that.", field="method"))
        return
    for name, value in continuation.pinned(model.adapter, method).items():
        if choices.by(name) == "you" and choices[name] != value:
            message = f"The run continues from an adapter trained with {value}, and that can't be changed."
            remedy = "Leave it out, or start from the base model."
            problems.append(SettingError(message, asked=choices[name], available=[value], remedy=remedy, field=name))
        elif choices[name] != value:
            choices.put(name, value, "planner", "As in the adapter that the run continues from.")


def matters(name: str, settings: run_config.Settings) -> bool:
    """Return whether a setting has an effect with the method and the objective of `settings`."""
    if name == "class_weights":
        return settings.objective in ("classification", "tokens")
    if name in ("chat_template", "fold_system"):
        return settings.objective in objectives.USES_CHAT_TEMPLATE
    if run_config.group_of(name) == "preference":
        return settings.objective == "preference" and preferring(name, settings.preference_loss)
    if name == "lora_dropout" and settings.objective in objectives.PAIRED:
        return False  # TRL disables dropout, so that both sides of a comparison come from the same model
    return name in methods.get(settings.method).settings or not any(name in m.settings for m in methods.METHODS.values())


def preferring(name: str, loss: str | None) -> bool:
    """Return whether a setting of the preference group has an effect with a loss."""
    chosen = losses.get(loss) if loss else None
    if chosen is None or name in ("preference_loss", "beta"):
        return True
    return chosen.smoothing is not None if name == "label_smoothing" else chosen.reference
