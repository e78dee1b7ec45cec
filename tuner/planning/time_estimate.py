"""Estimate the time of a run: seconds of a step, an evaluation and a save, from FLOPs, memory traffic and the device's peak throughput (roofline).

A step is its matrix products (FLOPs over peak throughput, or weights over bandwidth, whichever takes longer), the memory traffic of the
operations between them, and the fixed overhead of its many small operations. Measured times of runs on this machine correct it: speed.json
keeps the factors by device, method, precision, objective and size of model, and their spread sets the width of the range. No torch. Names as
in `ModelFacts`.
"""

import math
import os
import re
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Any

from tuner import paths
from tuner.devices import Device, roofline
from tuner.devices.roofline import Roofline
from tuner.errors import SettingError
from tuner.models import ModelFacts, mixed_precision
from tuner.planning import memory
from tuner.planning.decisions import PACKABLE, DataFacts
from tuner.runs import samples_file
from tuner.settings import objectives
from tuner.settings.methods import PROMPT_METHODS
from tuner.settings.run_config import Settings

SAMPLE = 400  # rows whose longest is known when lengths are a guess
IMPORTS = 7.0  # seconds to import torch, transformers and TRL
DISK = 1e9  # bytes/s at which weights are read
WRITTEN = 500e6  # bytes/s at which a checkpoint is written and verified
SAVE = 0.05  # seconds of a checkpoint, however small
PREPARED = 5000  # rows/s that are tokenized
TRAINER = {"cpu": 0.008, "cuda": 0.015, "mps": 0.02}  # seconds of a step outside the layers: the batch, the optimizer's calls, the log
MODULES = 2.0  # operations of transformers' layer relative to the bare layer of the benchmark
ADDED = {"lora": 1.2, "qlora": 1.5, "adapter": 0.4, "ia3": 0.3}  # operations that an adapter adds to a layer, as a share of the layer's own
HALF_BUSY = {"cpu": (32, 96), "cuda": (512, 512), "mps": (256, 512)}  # tokens, width at which products reach half of the peak throughput
# share of the tokens for which logits over the vocabulary are computed: all for an objective that is not here, none with a head of its own
SCORED = {"chat": 0.5}
MOVED = (30, 12)  # numbers read and written between the products, forward and backward, in units of (H, I) per token and layer
CHOSEN = 30  # bytes moved per logit, forward and backward
UPDATED = {
    "adamw": 40,
    "adamw_8bit": 24,
    "paged_adamw_8bit": 24,
    "adafactor": 24,
}  # bytes moved per trainable parameter and step
SHARE = {"cpu": 1.0, "cuda": 0.75, "mps": 1.0}  # share of the power limit that training draws
PAPER, BENCHMARKED = (0.6, 1.8), (0.7, 1.45)  # low and high relative to the middle until a run was measured: without and with a benchmark
KEPT = 20  # factors per bucket
STARTED = "start"  # the bucket of the time before the first step


@dataclass(frozen=True)
class TimeEstimate:
    """The time of a run: seconds of the whole run (middle, `low`, `high`), of one `step`, one `evaluation` on all validation rows,
    one `save` and the `start` until the first step; `evaluations` and `saves` are counts. `energy_wh` is None where the device's power is unknown;
    `cost` is {"low", "high", "currency"} where an hourly price is set. `key` and `factor`: the bucket of measured runs, and the correction
    of the step that the figures already contain (`started`: the correction of the start)."""

    seconds: float
    low: float
    high: float
    tokens_per_second: float
    energy_wh: float | None
    cost: dict[str, Any] | None
    start: float
    step: float
    evaluation: float
    save: float
    evaluations: int
    saves: int
    key: str
    factor: float
    started: float

    def parts(self) -> dict[str, Any]:
        """Return what plan.json keeps, for the run's remaining time and for later corrections."""
        counts = {"test": self.evaluation, "tests": self.evaluations}  # the keys of plan.json
        return counts | {n: getattr(self, n) for n in ("start", "step", "save", "saves", "tokens_per_second", "key", "factor", "started")}


def predict(settings: Settings, facts: ModelFacts, data: DataFacts, device: Device, steps: int, trained: int) -> TimeEstimate:
    """Return the time estimate of a run with settings `s` that trains `trained` parameters in `steps` steps."""
    ceiling = roofline.of(device)
    key = f"{device.name}|{'probe' if ceiling.measured else 'paper'}|"
    bucket = f"{key}{settings.method}-{settings.precision}-{settings.objective}-1e{round(math.log10(max(1, facts.parameters)))}"
    factor, low, high = correction(bucket, key, BENCHMARKED if ceiling.measured else PAPER)
    started, soon, late = correction(f"{device.name}|{STARTED}", None, PAPER)
    work = _Work(settings, facts, data, device, ceiling, trained)
    step, evaluation = (factor * t for t in (work.step(), work.evaluation(data.held_out) + work.samples(data)))
    start = started * (IMPORTS + facts.parameters * facts.bytes_per_weight / DISK + (data.rows + data.held_out) / PREPARED)
    save = SAVE + memory.checkpoint(facts, method=settings.method, trainable=trained, precision=settings.precision) / WRITTEN
    evaluations = steps // settings.eval_steps + 1 if data.held_out else 0  # and the base model once
    saves = math.ceil(steps / settings.save_steps) + 1  # and the final model
    training = steps * step + evaluations * evaluation
    total = start + training + saves * save
    least, most = (total + training * (w - 1) + start * (v - 1) for w, v in ((low, soon), (high, late)))
    return TimeEstimate(
        seconds=total,
        low=least,
        high=most,
        tokens_per_second=work.real / step,
        energy_wh=energy(device, total),
        cost=cost(least, most),
        start=start,
        step=step,
        evaluation=evaluation,
        save=save,
        evaluations=evaluations,
        saves=saves,
        key=bucket,
        factor=factor,
        started=started,
    )


def step_seconds(
    settings: Settings, facts: ModelFacts, data: DataFacts, device: Device, trained: int, ceiling: Roofline | None = None
) -> float:
    """Return the seconds of one optimizer step, without corrections: to compare settings. `ceiling`: instead of the device's own."""
    return _Work(settings, facts, data, device, ceiling or roofline.of(device), trained).step()


class _Work:
    """The computation of one run: FLOPs and bytes of a micro-batch, converted to seconds by the device's peak throughput."""

    def __init__(self, settings: Settings, facts: ModelFacts, data: DataFacts, device: Device, ceiling: Roofline, trained: int):
        self.settings, self.facts, self.kind, self.ceiling, self.trained = settings, facts, device.kind, ceiling, trained
        self.whole, self.micro = settings.method in memory.WHOLE, settings.micro_batch
        mean = max(1.0, min(data.mean, settings.max_length))
        self.length = settings.max_length if settings.packing else padded(data, settings)
        # tokens of a step, without padding
        self.real = settings.effective_batch * (settings.max_length if settings.packing else mean) * (2 if memory.paired(settings) else 1)
        self.layer = _active(facts)
        self.cards = settings.processes if device.kind == "cuda" else 1  # on a CPU they share its cores
        self.sides = 2 if memory.paired(settings) else 1  # answers per row
        self.asked = memory.uses_reference(settings)  # whether the reference model runs beside the model
        self.scored = SCORED.get(settings.objective, 0.0 if settings.objective in objectives.HEADS else 1.0)
        self.wide = mixed_precision.width(settings.precision, settings.method)
        self.fp16 = settings.precision == "fp16"
        self.bf16 = settings.precision == "bf16" or (device.kind == "cuda" and device.bf16)  # GPUs compute in bf16 even with fp32 weights

    def step(self) -> float:
        """Return the seconds of one optimizer step."""
        batches = self.settings.effective_batch // (self.micro * self.cards)
        update = self.trained * UPDATED[self.settings.optimizer] / self.ceiling.bandwidth
        reference = self.batch(self.micro, learning=False) if self.asked else 0.0
        return batches * (self.batch(self.micro, learning=True) + reference) + update + TRAINER[self.kind]

    def evaluation(self, rows: int) -> float:
        """Return the seconds of one evaluation on `rows` validation rows; 0 without any."""
        whole, rest = divmod(math.ceil(rows / self.cards), self.micro)
        once = whole * self.batch(self.micro, learning=False) + (self.batch(rest, learning=False) if rest else 0.0)
        return once * (2 if self.asked else 1)

    def samples(self, data: DataFacts) -> float:
        """Return the seconds in which the sample prompts of one evaluation are answered, token by token; an answer is taken to be half a row."""
        asked = min(self.settings.sample_prompts, data.held_out)
        if not asked or self.settings.objective not in objectives.GENERATIVE:
            return 0.0
        compute = asked * 2 * self.facts.depth * self.layer / self.rate(asked)
        token = max(compute, self.weights(False) / self.ceiling.bandwidth) + self.launches(False)
        return min(samples_file.SECONDS, min(samples_file.TOKENS, data.mean / 2) * token)

    def batch(self, rows: int, *, learning: bool) -> float:
        """Return the seconds of `rows` rows: the forward pass and, when `learning`, the backward pass."""
        tokens = rows * self.length * self.sides
        compute = self.flops(tokens, learning) / self.rate(tokens)
        reading = self.weights(learning) / self.ceiling.bandwidth
        between = self.between(tokens, learning) / self.ceiling.bandwidth
        return max(compute, reading) + between + self.launches(learning)

    def flops(self, tokens: float, learning: bool) -> float:
        """Return FLOPs: 2N per token for the forward pass, and 4 L q n/2 for attention (n: the length; 4 L q n without a causal mask)."""
        f, n = self.facts, self.length
        layers = 2 * f.depth * self.layer * tokens + 4 * f.depth * f.q * n * tokens * (0.5 if f.family == "decoder" else 1.0)
        head = 2 * f.vocabulary * f.hidden * tokens * self.scored
        if not learning:
            return layers + head
        added = 0 if self.whole or self.settings.method in PROMPT_METHODS else 6 * self.trained * tokens
        return layers * (1 + self.back() + self.again()) + head * (3 if self.settings.method == "full" else 2) + added

    def back(self) -> float:
        """Return the backward pass in units of a forward pass: gradients of activations, and of weights where they are trained."""
        if self.settings.method == "last_layers":
            return 2 * min(1.0, self.settings.last_layers / self.facts.depth)
        return 2.0 if self.whole else 1.0

    def again(self) -> float:
        """Return the recomputation by gradient checkpointing in units of a forward pass."""
        return 1.0 if self.settings.gradient_checkpointing else 0.0

    def rate(self, tokens: float) -> float:
        """Return the FLOP/s that products of this size reach: small ones don't use the whole device."""
        ceiling = self.ceiling.bf16 if self.bf16 else self.ceiling.fp32
        if self.fp16:  # as fast as bf16 where there is bf16, else the fp16 figure of the GPU's data sheet
            ceiling = max(self.ceiling.bf16, roofline.NARROW * self.ceiling.fp32)
        # the higher the peak, the larger the products must be to reach it
        higher = max(1.0, ceiling / self.ceiling.fp32) if self.kind == "cpu" else 1.0
        few, narrow = (higher * half for half in HALF_BUSY[self.kind])
        return ceiling * tokens / (tokens + few) * self.facts.hidden / (self.facts.hidden + narrow)

    def weights(self, learning: bool) -> float:
        """Return the bytes of weights read; quantized ones are dequantized to 16 bits and read again each time."""
        f, passes = self.facts, 1 + (self.back() + self.again() if learning else 0)
        layers, head = f.depth * f.layer_parameters, f.vocabulary * f.hidden * (1 if self.scored else 0)
        packed = self.settings.quantization if self.settings.method == "qlora" else None
        each = memory.QUANTIZED[packed][0] + 2 * 2 if packed else self.wide
        return passes * (layers * each + head * self.wide)

    def between(self, tokens: float, learning: bool) -> float:
        """Return the bytes moved by norms, sums, casts and logits."""
        f, wide = self.facts, self.wide
        layers = f.depth * (MOVED[0] * f.hidden + MOVED[1] * f.mlp) * wide * tokens
        share = 1 + self.again() / 3 if learning else 1 / 3
        return layers * share + CHOSEN * f.vocabulary * self.scored * tokens * (1 if learning else 0.5)

    def launches(self, learning: bool) -> float:
        """Return the seconds of launching operations that are too small for FLOPs or bytes to matter."""
        one = self.facts.depth * self.ceiling.layer * MODULES * (1 + ADDED.get(self.settings.method, 0.0))
        return one * (1 + self.again() / 3 if learning else 1 / 3)


def _active(facts: ModelFacts) -> float:
    """Return the active parameters of one layer per token: of a mixture of experts, those of the experts it is routed to."""
    if not (asked := facts.config.get("num_experts_per_tok")):
        return facts.layer_parameters
    inner = facts.config.get("moe_intermediate_size") or facts.mlp
    return 2 * facts.hidden * (facts.q + facts.kv) + 3 * facts.hidden * inner * asked


def padded(data: DataFacts, settings: Settings) -> float:
    """Return the tokens of a row with padding: the longest of `micro_batch` rows sets the width (Blom's estimate for normal lengths)."""
    mean, most = max(1.0, min(data.mean, settings.max_length)), max(1.0, min(data.longest, settings.max_length))
    virtual = settings.virtual_tokens or 0 if settings.method in PROMPT_METHODS else 0
    if settings.objective not in PACKABLE:  # batches of rows of similar length (workers/training/trainer.py)
        return mean * 1.05 + virtual

    def above(n: int) -> float:  # the expected largest of n draws, in standard deviations
        return NormalDist().inv_cdf((n - 0.375) / (n + 0.25)) if n > 1 else 0.0

    deviation = max(0.0, most - mean) / max(0.5, above(min(len(data.lengths) or SAMPLE, data.rows)))
    return min(most, mean + deviation * above(settings.micro_batch)) + virtual


# --- corrections from measured runs ------------------------------------------------------------------------------------------------------


def correction(bucket: str, others: str | None, unknown: tuple[float, float]) -> tuple[float, float, float]:
    """Return (factor, low, high): measured over predicted seconds of this bucket's runs, else of all runs on the device (keys that start with
    `others`), else 1; low and high, relative to the middle, are `unknown` until a run was measured."""
    known = _factors()
    if own := known.get(bucket):
        logs = [math.log(f) for f in own]
        wide = 0.06 + 0.2 / len(logs) + 3 * _spread(logs)
        return _within(median(logs), wide, unknown)
    near = [median(math.log(f) for f in v) for k, v in known.items() if others and k.startswith(others)]
    return _within(median(near), 0.3 + 2 * _spread(near), unknown) if near else (1.0, *unknown)


def _within(middle: float, wide: float, unknown: tuple[float, float]) -> tuple[float, float, float]:
    """Return (factor, low, high) from logarithms; the range is never wider than `unknown`."""
    return math.exp(middle), max(unknown[0], math.exp(-wide)), min(unknown[1], math.exp(wide))


def _spread(logs: list[float]) -> float:
    """Return the median absolute deviation: one odd run (a busy machine) changes it little."""
    return median(abs(v - median(logs)) for v in logs)


def learn(bucket: str, factor: float) -> None:
    """Store the ratio of measured to predicted seconds (the prediction without a factor) of a run on this machine."""
    known = _factors()
    known[bucket] = [*known.get(bucket, []), round(min(50.0, max(0.02, factor)), 4)][-KEPT:]
    paths.write_json(paths.machine_folder() / "speed.json", {"factors": known})


def _factors() -> dict[str, list[float]]:
    """Return the factors by bucket. An old file holds {device: factor} for another formula and counts as empty."""
    return (paths.read_json(paths.machine_folder() / "speed.json") or {}).get("factors") or {}


# --- energy and cost -----------------------------------------------------------------------------------------------


def energy(device: Device, seconds: float) -> float | None:
    """Return watt-hours at the power that training draws; None where it is unknown."""
    return device.watts * SHARE[device.kind] * seconds / 3600 or None


def cost(low: float, high: float) -> dict[str, Any] | None:
    """Return {"low", "high", "currency"} of `low` to `high` seconds at TUNESMITH_HOURLY_COST ('1.80 USD'); None when it is not set."""
    text = os.environ.get("TUNESMITH_HOURLY_COST", "").strip()
    if not text:
        return None
    if not (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z€$£¥]{1,8})", text)):
        raise SettingError(
            f"{text!r} is not a price per hour.",
            asked=text,
            available="a number and a currency, as in 1.80 USD",
            remedy="Set TUNESMITH_HOURLY_COST like this, or leave it out.",
            field="TUNESMITH_HOURLY_COST",
        )
    hourly = float(match[1])
    return {"low": hourly * low / 3600, "high": hourly * high / 3600, "currency": match[2]}
