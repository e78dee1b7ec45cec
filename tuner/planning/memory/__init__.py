"""Peak memory of training, evaluation, chat and export, in bytes and term by term; arithmetic only.

A training step peaks at one of a few moments (`training_step.moments`): the loss, the backward pass of the last layer, of the first layer, of
the embeddings, the optimizer step. The memory of a layer comes from traces of the real trainers (`activations.py`, `bench/calibrate.py`);
`bench/memory.py` compares the result with traces of whole models and, on a GPU, with what CUDA measured.

    static.py           weights, adapters, optimizer state    activations.py         a layer's share, by kind of model and method
    training_step.py    the moments of a step                 inference.py           chat, serving, merging, files on disk
    calibration.py      corrections from measured runs        parameter_counts.py    trainable parameters
"""

from dataclasses import dataclass, field

from tuner.models import ModelFacts
from tuner.planning.memory import parameter_counts, static, training_step
from tuner.planning.memory.inference import CONTEXT, chat, checkpoint, generation, gguf, merging, serving
from tuner.planning.memory.static import QUANTIZED, WHOLE, paired, uses_reference
from tuner.planning.memory.training_step import Batch
from tuner.settings import losses
from tuner.settings.run_config import Settings

__all__ = [
    "CONTEXT",
    "QUANTIZED",
    "TERMS",
    "WHOLE",
    "LABELS",
    "Batch",
    "Estimate",
    "chat",
    "checkpoint",
    "generation",
    "gguf",
    "merging",
    "paired",
    "uses_reference",
    "serving",
    "training",
]

LABELS = {  # the terms, and the labels that a person reads
    "weights": "model weights",
    "quantization": "quantization",
    "adapters": "adapter",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "activations": "activations",
    "head": "logits and loss",
    "reference": "reference model",
    "buffers": "buffers",
    "context": "process overhead",
    "fragmentation": "fragmentation",
}
TERMS = tuple(LABELS)
CPU_KERNELS = 300_000_000  # oneDNN compiles and keeps bf16 kernels for every row length
FRAGMENTATION = {
    "cpu": 0.5
}  # fragmentation of glibc's heap with a different length per row (measured: 4 and 79 million parameters, 60 steps)


@dataclass(frozen=True)
class Estimate:
    """`terms` in bytes add up to `peak`, which is reached at `moment` (see `training_step.moments`); `moments` holds the peak of each moment."""

    terms: dict[str, int]
    moment: str = ""
    moments: dict[str, int] = field(default_factory=dict)

    @property
    def peak(self) -> int:
        return sum(self.terms.values())


def training(
    facts: ModelFacts,
    settings: Settings,
    *,
    trainable: int | None = None,
    device: str = "cuda",
    labels: int = 2,
    cards: int = 1,
    fused: bool = True,
    masked: bool | None = None,
    continued: bool = False,
) -> Estimate:
    """Return the peak memory of a run on one of `cards` GPUs (each reads `micro_batch` rows), with rows of `max_length` tokens.

    `settings` are those of `RunConfig` as a plan holds them; `trainable`: number of parameters, if the caller has counted them. Several GPUs hold
    copies (DDP), or with sharding (FSDP) each a share of the weights, and of what is trained of a whole model; an adapter is whole on each.
    `continued`: the run continues from an adapter.
    `fused` and `masked`: how other trainers differ, to compare with their measurements (a loss that computes all logits at once; a mask for
    rows of different lengths).
    """
    if trainable is None:
        trainable = parameter_counts.trainable(facts, settings, settings.objective or "chat", labels)
    share = cards if settings.sharding else 1
    trained_share = share if settings.method in WHOLE else 1  # an adapter is added after the model was dealt out
    held = _held(facts, settings, trainable, device)
    if continued and uses_reference(settings) and settings.method not in WHOLE:  # a frozen copy of the adapter as it was
        held["reference"] += static.trainable_width(settings) * trainable
    held = {k: v / (share if k in ("weights", "quantization") else trained_share) for k, v in held.items()}
    preferred = settings.objective == "preference"  # rows of different lengths, with a mask (trl/trainer/dpo_trainer.py)
    rows = settings.micro_batch * (2 if paired(settings) else 1)
    loss = losses.get(settings.preference_loss or "sigmoid") if preferred else None
    fused = fused and (loss is None or loss.trainer not in ("cpo", "orpo"))  # these compute all logits at once
    masked = bool(settings.packing) or facts.family != "decoder" or preferred if masked is None else masked
    batch = Batch(rows, settings.max_length, masked, fused)
    gathered = (settings.effective_batch or settings.micro_batch) > settings.micro_batch * cards
    found = training_step.moments(facts, settings, batch, trainable=trainable, device=device, gathered=gathered)
    found["test"] = training_step.evaluation(facts, settings, batch, device=device)
    if settings.objective == "seq2seq":
        found["writing"] = {"buffers": generation(facts, rows=rows, length=settings.max_length, b=static.width(settings))}
    between = _between(facts, settings, trainable, cards)
    totals = {moment: sum(v / trained_share if k == "gradients" else v for k, v in terms.items()) for moment, terms in found.items()}
    worst = max(totals, key=totals.get)
    terms = dict.fromkeys(TERMS, 0.0) | held
    for k, v in found[worst].items():
        terms[k] += v / trained_share if k == "gradients" else v
    terms["buffers"] += between
    return _whole(terms, device, settings, worst, {m: int(t + between + sum(held.values())) for m, t in totals.items()})


def _held(facts: ModelFacts, settings: Settings, trainable: int, device: str) -> dict[str, float]:
    """Return the terms that are held between two steps."""
    out = static.weights(facts, static.width(settings), settings.quantization, settings.objective or "chat")
    out["adapters"] = 0 if settings.method in WHOLE else static.trainable_width(settings) * trainable
    out["optimizer"] = 0 if settings.optimizer in static.PAGED and device == "cuda" else static.states(trainable, settings, facts)
    out["reference"] = _reference(settings, trainable, out["weights"])
    if settings.method == "last_layers" and device == "cpu":  # the base's layers, kept so that the base model can be run too
        out["buffers"] = static.width(settings) * trainable
    return out


def _reference(settings: Settings, trainable: int, weights: float) -> float:
    """Return the memory of the reference model of a preference run (`workers/training/reference_model.py`): for full fine-tuning a second copy
    unless it is precomputed; for a new adapter nothing. A run that continues from an adapter keeps a copy of that adapter."""
    if not uses_reference(settings):
        return 0.0
    return weights if settings.method == "full" else static.width(settings) * trainable if settings.method == "last_layers" else 0.0


def _between(facts: ModelFacts, settings: Settings, trainable: int, cards: int) -> float:
    """Return the buffers for communication between GPUs: with DDP copies of the gradients, with FSDP two gathered layers."""
    if cards == 1:
        return 0
    if settings.sharding:
        return 2 * static.width(settings) * facts.layer_parameters + static.width(settings) * facts.vocabulary * facts.hidden
    return static.trainable_width(settings) * trainable  # buckets beside the gradients (torch.nn.parallel.DistributedDataParallel)


def _whole(terms: dict[str, float], device: str, settings: Settings, moment: str, moments: dict[str, int]) -> Estimate:
    """Return the estimate with fragmentation and the CUDA context (or process overhead) added."""
    reserved = sum(terms.values())
    share = 0.10 if settings.method in ("full", "prefix") else 0.05
    terms["fragmentation"] = reserved * FRAGMENTATION.get(device, share)
    if device == "cpu" and settings.precision == "bf16":
        terms["buffers"] += CPU_KERNELS
    terms["context"] = CONTEXT[device]
    return Estimate({k: int(v) for k, v in terms.items()}, moment, moments)
