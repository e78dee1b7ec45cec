"""What was asked and by whom: a person's settings stay, then the preset's; what contradicts itself is told, all at once.

The cell itself (this technique, for this objective, on this model, on this device, going on from that) is settled here; `planner` decides
what is left open.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner import models
from tuner.devices import Device
from tuner.errors import SettingError, TunerError, raise_all
from tuner.models import mixed_precision
from tuner.planning import token_counts
from tuner.settings import continuation, losses, methods, objectives, presets, run_config

PACKS = ("chat", "text")
HEADS, FEW = ("classification", "regression", "tokens", "qa", "reward"), 5000  # objectives that put a head on the model; rows
TINY = 50_000_000  # parameters: a toy, which learns at ten times the usual rate


@dataclass(frozen=True)
class DataFacts:
    """`rows` to train on, `held_out` to validate with; `mean` and `longest` in tokens of the chosen model; `labels` that differ;
    `weighted` when some rows count for more than others; `lengths` of the rows (of some of them, or guessed) in tokens, ascending.

    `counts` are those of all rows, with the model's own tokenizer and chat template, or of a sample; without them lengths are a guess."""

    kind: str
    rows: int
    held_out: int
    mean: float
    longest: int
    labels: int = 2
    weighted: bool = False
    lengths: Sequence[int] = field(default=(), compare=False)
    counts: token_counts.Counts | None = field(default=None, compare=False)

    @property
    def exact(self) -> bool:
        """Whether all rows were counted."""
        return self.counts is not None and not self.counts.sample

    def prepared(self, length: int) -> dict[str, Any] | None:
        """What a run with this maximum length will say of its rows; None while that is not known."""
        return self.counts.prepared(length) if self.exact else None

    def usable(self, length: int) -> int:
        """Training rows, as the trainer counts them, of which something is trained with this maximum length."""
        return self.prepared(length)["rows"] if self.exact else self.rows

    def cut(self, length: int) -> float:
        """The share of the rows that are longer than `length` tokens; without a sample as if lengths fell evenly from mean to longest."""
        if len(self.lengths):
            return 1 - bisect_right(self.lengths, length) / len(self.lengths)
        return min(1.0, max(0.0, (self.longest - length) / max(1.0, 2 * (self.longest - self.mean))))

    def whole(self, share: float) -> int:
        """The length within which that share of the rows are whole."""
        if not len(self.lengths):
            return self.longest
        return int(self.lengths[min(len(self.lengths) - 1, math.ceil(share * len(self.lengths)) - 1)])


class Choices:
    """Collects each setting with who chose it and why."""

    def __init__(self, mine: dict[str, Any], preset: presets.Preset | None):
        self.values: dict[str, Any] = {}
        self.by: dict[str, tuple[str, str]] = {}
        for name, f in run_config.FIELDS.items():
            if name in ("model", "data"):
                continue
            if mine.get(name) is not None:
                self.put(name, mine[name], "you", "Your choice.")
            elif preset and preset.settings.get(name) is not None:
                self.put(name, preset.settings[name], "preset", f"From the preset {preset.title!r}.")
            elif f.default is not None:
                self.put(name, f.default, "default", f.description)

    def copy(self) -> "Choices":
        out = object.__new__(Choices)
        out.values, out.by = dict(self.values), dict(self.by)
        return out

    def leave(self, *names: str) -> None:
        """Open again, as if nobody had chosen."""
        for name in names:
            self.values.pop(name, None)
            self.by.pop(name, None)
            if (f := run_config.FIELDS[name]).default is not None:
                self.put(name, f.default, "default", f.description)

    def put(self, name: str, value: Any, by: str, reason: str) -> None:
        self.values[name], self.by[name] = value, (by, reason)

    def decide(self, name: str, value: Any, reason: str) -> None:
        """The planner's choice, unless somebody chose before."""
        if name not in self.values:
            self.put(name, value, "planner", reason)

    def open(self, name: str) -> bool:
        return name not in self.values or self.by[name][0] in ("planner", "default")

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def reasons(self) -> list[dict[str, Any]]:
        return [
            {"setting": n, "value": self.values[n], "reason": self.by[n][1], "by": self.by[n][0]}
            for n in run_config.FIELDS
            if n in self.values
        ]


def settle(c: Choices, model: models.Model, data: DataFacts, device: Device) -> None:
    """Decides objective and method, and raises every contradiction there is."""
    problems: list[TunerError] = []
    facts = model.facts
    _objective(c, facts, data, problems)
    _new_language(c, facts, data)
    _method(c, facts, data, problems)
    if c["objective"] == "preference":
        _preference(c, facts, data, problems)
    if model.adapter:
        _start(c, model, problems)
    _contradictions(c, facts, problems)
    _device(c, facts, device, problems)
    raise_all(problems)


def _objective(c: Choices, facts: models.ModelFacts, data: DataFacts, problems: list) -> None:
    chosen = objectives.natural(data.kind, facts.family)
    c.decide("objective", chosen, f"{objectives.get(chosen).sentence} That is what this data and this model are for.")
    if data.kind not in objectives.get(c["objective"]).kinds:
        fit = [o.name for o in objectives.OBJECTIVES.values() if data.kind in o.kinds and facts.family in o.families] or ["none"]
        problems.append(
            SettingError(
                f"{c['objective']} can't be learnt from data of the kind {data.kind}.",
                asked=c["objective"],
                available=fit,
                remedy=f"Choose {' or '.join(fit)}, or change how the data is read.",
                field="objective",
            )
        )


def _new_language(c: Choices, facts: models.ModelFacts, data: DataFacts) -> None:
    """Pairs of texts on a toy: it writes neither language yet, so a small addition and a few passes teach it nothing."""
    if facts.parameters >= TINY or facts.packed or data.kind != "seq2seq" or not c.open("method"):
        return
    c.put("method", "full", "planner", "A model this small can't write the other text yet: it learns to when all of it may change.")
    c.decide("learning_rate", 1e-3, "Twice the usual for a toy: it has a language to learn.")
    if c.by["epochs"][0] in ("preset", "default") and data.rows < FEW:
        c.put("epochs", 5.0 * c["epochs"], "planner", "Writing something new takes five times the passes of a manner.")


def _method(c: Choices, facts: models.ModelFacts, data: DataFacts, problems: list) -> None:
    """The cell itself: this technique, for this objective, on this model."""
    if facts.packed and c["method"] in ("lora", "qlora") and not c.values.get("quantization"):
        c.put("quantization", facts.packed, "planner", "The model is stored so.")
    if c["method"] == "lora" and c.values.get("quantization"):
        c.put("method", "qlora", c.by["method"][0], "LoRA on packed weights is QLoRA.")
    if c["method"] == "qlora":
        c.decide("quantization", "nf4", "4 bits with packed constants: a quarter of the memory, nearly as exact.")
    method = methods.get(c["method"])
    if c.values.get("quantization") and method.name != "qlora":
        problems.append(
            SettingError(
                f"{method.title} does not work on packed weights here.",
                asked=c["quantization"],
                available=["qlora"],
                remedy="Choose the method qlora, or leave the weights as they are.",
                field="quantization",
            )
        )
    if no := methods.refusal(method.name, c["objective"], facts, c.values):
        others = [m for m in methods.METHODS if not methods.refusal(m, c["objective"], facts, c.values)]
        field, at_fault = "method", methods.setting_refusal(method.name, facts, c.values)
        if objectives.refusal(c["objective"], facts):
            field, others = "objective", [o for o in objectives.OBJECTIVES if not objectives.refusal(o, facts)]
        elif at_fault:
            field, others = at_fault[:2]
        problems.append(SettingError(no, asked=c[field], available=others or ["none"], remedy="Choose another one.", field=field))
    for name, works, why in (
        ("gradient_checkpointing", method.checkpointing, f"{method.title} breaks when layers are computed twice."),
        (
            "packing",
            method.packing and c["objective"] in PACKS and not data.weighted,
            "Rows put side by side could not count for more or less each."
            if data.weighted
            else f"Rows put side by side would see each other ({method.title}, {c['objective']}).",
        ),
    ):
        if not works and c.values.get(name):
            problems.append(SettingError(why, asked=True, available=[False], remedy="Leave it off.", field=name))
        elif not works:
            c.decide(name, False, why)


def _preference(c: Choices, facts: models.ModelFacts, data: DataFacts, problems: list) -> None:
    """The loss, and what it alone asks for."""
    kind = data.kind if data.kind == "rated" else "preference"
    c.decide("preference_loss", *losses.natural(kind, facts.parameters < TINY))
    loss = losses.get(c["preference_loss"])
    if no := losses.refusal(loss.name, kind, c["method"]):
        why, can = no
        remedy = "Choose another loss, or data with pairs." if kind == "rated" else "Choose another loss, or LoRA."
        problems.append(SettingError(why, asked=loss.name, available=can, remedy=remedy, field="preference_loss"))
    c.decide("beta", loss.beta, f"{loss.beta:g} is usual for {loss.title}.")
    if loss.smoothing is not None:
        c.decide("label_smoothing", loss.smoothing, f"{loss.smoothing:g} is usual for {loss.title}.")
    if loss.name == "exo_pair" and not c["label_smoothing"]:
        told = f"{loss.title} takes the logarithm of the share of wrong judgements, which can't be 0."
        problems.append(SettingError(told, asked=0, available="0.001 to 0.49", remedy="Choose 0.001.", field="label_smoothing"))
    for name in ("micro_batch", "effective_batch"):
        if (rows := c.values.get(name)) and rows < loss.together:
            told = f"{loss.title} compares the rows that are read at once, so one alone teaches nothing."
            least = f"{loss.together} and more"
            problems.append(SettingError(told, asked=rows, available=least, remedy=f"Choose {loss.together} or more.", field=name))


def _start(c: Choices, model: models.Model, problems: list) -> None:
    """What the addition that the run goes on from settles, or rules out."""
    method, objective = c["method"], c["objective"]
    if no := continuation.refusal(model.adapter, method, objective):
        why, can = no
        problems.append(
            SettingError(why, asked=method, available=can or ["its base model"], remedy="Choose that.", field="method" if can else "model")
        )
        return
    if not continuation.same(model.adapter, method, objective):
        if no := methods.merge_refusal(model.facts):  # a run of another technique begins with a merge
            can = [m for m in methods.METHODS if continuation.same(model.adapter, m, objective)]
            problems.append(SettingError(no, asked=method, available=can or ["its base model"], remedy="Choose that.", field="method"))
        return
    for name, value in continuation.pinned(model.adapter, method).items():
        if c.by.get(name, ("",))[0] == "you" and c[name] != value:
            told = f"It goes on from an addition made with {value}, and that can't be changed."
            remedy = "Leave it out, or start from the base model."
            problems.append(SettingError(told, asked=c[name], available=[value], remedy=remedy, field=name))
        elif c.values.get(name) != value:
            c.put(name, value, "planner", "As it was made before: the run goes on with it.")


def _contradictions(c: Choices, facts: models.ModelFacts, problems: list) -> None:
    room = facts.context - (c["virtual_tokens"] if c["method"] in methods.SOFT else 0)
    if room < 64:
        problems.append(
            SettingError(
                f"{facts.name} reads {facts.context} tokens, and {c['virtual_tokens']} invisible ones leave no room for the text.",
                asked=c["virtual_tokens"],
                available=f"1 to {facts.context - 64}",
                remedy="Choose fewer.",
                field="virtual_tokens",
            )
        )
    elif (c.values.get("max_length") or 0) > room:
        problems.append(
            SettingError(
                f"{facts.name} reads at most {facts.context} tokens" + (", the invisible ones too." if room < facts.context else "."),
                asked=c["max_length"],
                available=f"16 to {room}",
                remedy=f"Choose a maximum length up to {room}.",
                field="max_length",
            )
        )
    micro, effective = c.values.get("micro_batch"), c.values.get("effective_batch")
    if micro and effective and (micro > effective or effective % micro):
        fit = [d for d in range(1, effective + 1) if effective % d == 0]
        problems.append(
            SettingError(
                f"{effective} rows per step can't be read {micro} at a time.",
                asked=micro,
                available=fit,
                remedy="Choose a micro-batch that divides the rows per step.",
                field="micro_batch",
            )
        )
    save, test = c.values.get("save_steps"), c.values.get("eval_steps")
    if save and test and save % test:
        problems.append(
            SettingError(
                f"Saving every {save} steps does not fall on a test every {test} steps, so the best state can't be kept.",
                asked=save,
                available=f"{test}, {2 * test}, {3 * test} ...",
                remedy=f"Choose a multiple of {test}.",
                field="save_steps",
            )
        )
    if (
        c["method"] in ("lora", "qlora")
        and c["lora_targets"] != "all-linear"
        and (unknown := _unknown_targets(c["lora_targets"], facts)) is not None
    ):
        known = list(models.targets(facts))
        problems.append(
            SettingError(
                "LoRA does not adapt the choice of words or the input words: choose the last layers (with the head), or all-linear."
                if {"lm_head", "embed_tokens", "wte", "shared"} & set(unknown)
                else f"{facts.name} has no {' or '.join(unknown)} to adapt."
                if unknown
                else "No layers to adapt were named.",
                asked=unknown,
                available=["all-linear", *known],
                remedy="Choose among these, or full module names.",
                field="lora_targets",
            )
        )


def _device(c: Choices, facts: models.ModelFacts, device: Device, problems: list) -> None:
    """What this device can't do at all."""
    if c.values.get("precision") == "fp16" and (no := mixed_precision.refusal(facts, device)):
        can = ["bf16", "fp32"] if device.bf16 else ["fp32"]
        problems.append(SettingError(no, asked="fp16", available=can, remedy=f"Choose {can[0]}.", field="precision"))
    if device.packs:
        return
    why = f"{device.name} has no packed weights and no 8-bit optimizers (bitsandbytes)."
    if facts.packed:
        told = f"{facts.name} is stored {methods.STORED[facts.packed]}, and {device.name} can't read such weights."
        remedy = "Choose the 16-bit model it was made from, or a computer with an NVIDIA card."
        problems.append(SettingError(told, asked=facts.packed, available="16-bit weights", remedy=remedy, field="model"))
    elif c["method"] == "qlora":
        others = [m for m in methods.METHODS if m != "qlora"]
        problems.append(SettingError(why, asked="qlora", available=others, remedy="Choose LoRA.", field="method"))
    if "8bit" in c["optimizer"]:
        available = ["adamw", "adafactor"]
        problems.append(SettingError(why, asked=c["optimizer"], available=available, remedy="Choose adamw.", field="optimizer"))


def _unknown_targets(targets: str | list[str], facts: models.ModelFacts) -> list[str] | None:
    """What the model does not have; [] when nothing was named at all, None when all is well."""
    named = [t for t in map(str.strip, targets if isinstance(targets, list) else targets.split(",")) if t]
    known = models.targets(facts)
    if not known or not named:
        return None if named else []
    tails = {v.split(".")[-1] for v in known.values()} | set(known.values())
    return [t for t in named if t not in known and t.split(".")[-1] not in tails] or None


def matters(name: str, c: Choices, method: methods.Method) -> bool:
    """Whether a setting that somebody chose has an effect on this technique and objective."""
    if name == "class_weights":
        return c["objective"] in ("classification", "tokens")
    if name == "fold_system":
        return c["objective"] in objectives.TALKS
    if run_config.group_of(name) == "preference":
        return c["objective"] == "preference" and preferring(name, c["preference_loss"])
    if name == "lora_dropout" and c["objective"] in objectives.PAIRED:
        return False  # TRL switches dropout off, so that both sides of a comparison are the same model's
    return name in method.settings or not any(name in m.settings for m in methods.METHODS.values())


def preferring(name: str, loss: str | None) -> bool:
    """Whether a setting of the group of preferences means something for a loss."""
    chosen = losses.get(loss) if loss else None
    if chosen is None or name in ("preference_loss", "beta"):
        return True
    return chosen.smoothing is not None if name == "label_smoothing" else chosen.reference
