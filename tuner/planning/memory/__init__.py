"""Will it fit? What training, testing, talking and exporting take at their peak, in bytes, term by term; arithmetic only.

A training step peaks at one of a few moments (`step.moments`): the loss, the backward of the last layer, that of the first, that of the
embeddings, the optimizer's step. What a layer takes comes from traces of the real trainers (`layers.py`, `bench/calibrate.py`); the
judge is `bench/memory.py`, which compares with traces of whole models and, on a card, with what CUDA measured.

    still.py     weights, additions, states          layers.py    a layer's share, by kind of model and technique
    step.py      the moments of a step               beside.py    talking, serving, merging, files on disk
"""

from dataclasses import dataclass, field
from typing import Any

from tuner.models import ModelFacts
from tuner.planning.memory import parameter_counts, static, training_step
from tuner.planning.memory.inference import CONTEXT, chat, checkpoint, generation, gguf, merging, serving
from tuner.planning.memory.static import PACKED, WHOLE, paired, refers
from tuner.planning.memory.training_step import Batch
from tuner.settings import losses

__all__ = [
    "CONTEXT",
    "PACKED",
    "TERMS",
    "WHOLE",
    "WORDS",
    "Batch",
    "Estimate",
    "chat",
    "checkpoint",
    "generation",
    "gguf",
    "merging",
    "paired",
    "refers",
    "serving",
    "training",
]

WORDS = {  # the terms, and what a person reads
    "weights": "the model",
    "quantization": "packing constants",
    "adapters": "the addition",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "activations": "working memory",
    "head": "the choice of words",
    "reference": "the reference model",
    "buffers": "buffers",
    "context": "the program itself",
    "fragmentation": "gaps",
}
TERMS = tuple(WORDS)
CPU_KERNELS = 300_000_000  # oneDNN compiles and keeps bf16 kernels for every length of row
GAPS = {"cpu": 0.5}  # glibc's heap under lengths that change with every row (measured: 4 and 79 million parameters, 60 steps)


@dataclass(frozen=True)
class Estimate:
    """`terms` in bytes add up to `peak`, which is reached at `moment` (see `step.moments`); `moments` are the peaks of all of them."""

    terms: dict[str, int]
    moment: str = ""
    moments: dict[str, int] = field(default_factory=dict)

    @property
    def peak(self) -> int:
        return sum(self.terms.values())


def training(
    facts: ModelFacts,
    settings: dict[str, Any],
    *,
    trainable: int | None = None,
    device: str = "cuda",
    labels: int = 2,
    cards: int = 1,
    sharded: bool = False,
    fused: bool = True,
    masked: bool | None = None,
    continued: bool = False,
) -> Estimate:
    """The peak of a run on one of `cards` (each reads `micro_batch` rows), on rows of `max_length` tokens.

    `settings` are those of `RunConfig` as a plan holds them; `trainable` parameters, where the caller has counted them. Several cards
    hold copies (DDP), or a share each of weights, gradients and states (`sharded`: FSDP). `continued`: it goes on from an addition. `fused` and
    `masked`: how other trainers differ, to compare with what they measured (a head that writes out all logits; a mask for rows of unlike
    length).
    """
    s = settings
    if trainable is None:
        trainable = parameter_counts.trainable(facts, s, s.get("objective") or "chat", labels)
    share = cards if sharded else 1
    lies = _lies(facts, s, trainable, device)
    if continued and refers(s) and s["method"] not in WHOLE:  # the addition as it was, beside what it becomes
        lies["reference"] += static.learnt_width(s) * trainable
    lies = {k: v / share for k, v in lies.items()}
    preferred = s.get("objective") == "preference"  # rows of unlike length side by side, behind a mask (trl/trainer/dpo_trainer.py)
    rows = s["micro_batch"] * (2 if paired(s) else 1)
    loss = losses.get(s.get("preference_loss") or "sigmoid") if preferred else None
    fused = fused and (loss is None or loss.trainer not in ("cpo", "orpo"))  # these write out the scores of all words
    masked = bool(s.get("packing")) or facts.family != "decoder" or preferred if masked is None else masked
    batch = Batch(rows, s["max_length"], masked, fused)
    gathered = (s.get("effective_batch") or s["micro_batch"]) > s["micro_batch"] * cards
    found = training_step.moments(facts, s, batch, trainable=trainable, device=device, gathered=gathered)
    found["test"] = training_step.testing(facts, s, batch, device=device)
    if s.get("objective") == "seq2seq":
        found["writing"] = {"buffers": generation(facts, rows=rows, length=s["max_length"], b=static.width(s))}
    between = _between(facts, s, trainable, cards, sharded)
    totals = {moment: sum(v / share if k == "gradients" else v for k, v in terms.items()) for moment, terms in found.items()}
    worst = max(totals, key=totals.get)
    terms = dict.fromkeys(TERMS, 0.0) | lies
    for k, v in found[worst].items():
        terms[k] += v / share if k == "gradients" else v
    terms["buffers"] += between
    return _whole(terms, device, s, worst, {m: int(t + between + sum(lies.values())) for m, t in totals.items()})


def _lies(facts: ModelFacts, s: dict[str, Any], trainable: int, device: str) -> dict[str, float]:
    """What lies there between two steps."""
    out = static.weights(facts, static.width(s), s.get("quantization"), s.get("objective") or "chat")
    out["adapters"] = 0 if s["method"] in WHOLE else static.learnt_width(s) * trainable
    out["optimizer"] = 0 if s.get("optimizer") in static.PAGED and device == "cuda" else static.states(trainable, s, facts)
    out["reference"] = _reference(s, trainable, out["weights"])
    if s["method"] == "last_layers" and device == "cpu":  # what was swapped out, so that the base can be asked beside it
        out["buffers"] = static.width(s) * trainable
    return out


def _reference(s: dict[str, Any], trainable: int, weights: float) -> float:
    """What the reference of a preference run keeps beside the model (`workers/training/reference_model.py`): of a full run a second copy unless it was
    asked beforehand; of an addition nothing when it begins fresh. One that goes on from before keeps a copy as small as itself."""
    if not refers(s):
        return 0.0
    return weights if s["method"] == "full" else static.width(s) * trainable if s["method"] == "last_layers" else 0.0


def _between(facts: ModelFacts, s: dict[str, Any], trainable: int, cards: int, sharded: bool) -> float:
    """Buffers for the traffic between cards: DDP's copies of gradients; of FSDP two layers gathered at once."""
    if cards == 1:
        return 0
    if sharded:
        return 2 * static.width(s) * facts.layer_parameters + static.width(s) * facts.vocabulary * facts.hidden
    return static.learnt_width(s) * trainable  # buckets beside the gradients (torch.nn.parallel.DistributedDataParallel)


def _whole(terms: dict[str, float], device: str, s: dict[str, Any], moment: str, moments: dict[str, int]) -> Estimate:
    """With the gaps between blocks of memory and the program itself."""
    reserved = sum(terms.values())
    uneven = 0.10 if s["method"] in ("full", "prefix") else 0.05
    terms["fragmentation"] = reserved * GAPS.get(device, uneven)
    if device == "cpu" and s["precision"] == "bf16":
        terms["buffers"] += CPU_KERNELS
    terms["context"] = CONTEXT[device]
    return Estimate({k: int(v) for k, v in terms.items()}, moment, moments)
