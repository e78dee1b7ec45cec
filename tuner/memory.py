"""Will it fit? What one training step takes at its peak, in bytes, term by term; arithmetic only.

The closed form was fitted against traces of the real TRL step (96 cases from 0.5B to 8B: median error 0.5%, worst 5.4%)
and agrees to 1% with a published fit of 79 runs on a T4. Names as in `ModelFacts`: H hidden, I mlp, Q and K the widths
of query and key/value, L layers, V vocabulary, b bytes per weight, T tokens per micro-batch.
"""

from dataclasses import dataclass

from tuner.models import ModelFacts, lora_parameters

TERMS = (
    "weights",
    "quantization",
    "adapters",
    "gradients",
    "optimizer",
    "activations",
    "head",
    "reference",
    "buffers",
    "context",
    "fragmentation",
)
WORDS = {
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
CONTEXT = {"cuda": 500_000_000, "mps": 500_000_000, "cpu": 700_000_000}  # the driver's part; on a CPU Python with torch loaded
CPU_KERNELS = 300_000_000  # oneDNN compiles and keeps bf16 kernels for every length of row
CPU_GAPS = 0.5  # glibc's heap under lengths that change with every row (measured: 4 and 79 million parameters, 60 steps)
STATES = {"adamw": 2.0, "adamw_8bit": 2.03 / 4, "adafactor": 0.02}  # optimizer states per weight, in units of a weight

# kept per token and layer, as coefficients of (H, I, Q, K)
KEPT = {"full-bf16": (16, 8, 4, 4), "full-fp32": (26, 8, 4, 4), "lora-all": (18.5, 8.2, 6.1, 4.2), "lora-some": (12.2, 6, 4, 4.1)}
TRANSIENT = {"full": (12.6, 12.5, 3.3, 3.2), "lora": (28.8, 14.4, 6.5, 3.9)}  # of the one layer that is computed again


@dataclass(frozen=True)
class Estimate:
    """`terms` in bytes add up to `peak`."""

    terms: dict[str, int]

    @property
    def peak(self) -> int:
        return sum(self.terms.values())


def training(
    facts: ModelFacts,
    *,
    method: str,
    micro_batch: int,
    length: int,
    precision: str,
    gradient_checkpointing: bool,
    lora_rank: int = 16,
    lora_targets: str | list[str] = "all-linear",
    optimizer: str = "adamw",
    device: str = "cuda",
) -> Estimate:
    """The peak of one training step on rows of `length` tokens."""
    T, b = micro_batch * length, 2 if precision == "bf16" else 4
    wide = 1 if b == 2 and device != "cpu" else 2  # kept in the precision of the weights; on a CPU nothing casts the additions' fp32 inputs
    terms = dict.fromkeys(TERMS, 0.0)
    terms["weights"] = facts.parameters * b
    if method == "full":
        terms["gradients"] = facts.parameters * b
        terms["optimizer"] = facts.parameters * b * STATES[optimizer]
    else:
        n = lora_parameters(facts, lora_rank, lora_targets)
        terms |= {"adapters": 4 * n, "gradients": 4 * n, "optimizer": 4 * n * STATES[optimizer]}
    terms["activations"] = _activations(facts, method, lora_targets, precision, T, gradient_checkpointing, b) * (
        wide if method != "full" else 1
    )
    terms["head"] = _head(facts, T, method, b, fused=device != "cpu") + 14 * T * facts.hidden
    reserved = sum(terms.values())
    if device == "cpu":
        terms |= {"buffers": CPU_KERNELS if b == 2 else 0, "fragmentation": reserved * CPU_GAPS}
    else:
        terms["fragmentation"] = reserved * (0.10 if method == "full" else 0.05)
    terms["context"] = CONTEXT[device]
    return Estimate({k: int(v) for k, v in terms.items()})


def _activations(facts: ModelFacts, method: str, targets, precision: str, T: int, checkpointed: bool, b: int) -> float:
    per_layer = (facts.hidden, facts.mlp, facts.q, facts.kv)
    if not checkpointed:
        kind = f"full-{precision}" if method == "full" else "lora-all" if targets == "all-linear" else "lora-some"
        kept = sum(c * s for c, s in zip(KEPT[kind], per_layer, strict=True)) * T * facts.layers
        return kept + (2 * facts.layer_parameters * facts.layers if kind == "full-fp32" else 0)
    inputs = b * facts.hidden * T * facts.layers
    return inputs + T * sum(c * s for c, s in zip(TRANSIENT[method], per_layer, strict=True))


def _head(facts: ModelFacts, T: int, method: str, b: int, *, fused: bool) -> float:
    if not fused:
        return 14 * T * facts.vocabulary
    embeddings = facts.vocabulary * facts.hidden
    return min(T, 4096) * 32768 * 2 + 8 * T * facts.hidden + (embeddings * (4 + b) if method == "full" else 0)


def chat(facts: ModelFacts, *, precision: str, context: int, device: str) -> int:
    """Bytes to answer one conversation of `context` tokens: weights, keys and values, the program."""
    b = 2 if precision == "bf16" else 4
    return facts.parameters * b + 2 * facts.layers * facts.kv * context * b + CONTEXT[device]


def checkpoint(facts: ModelFacts, *, method: str, lora_rank: int, lora_targets: str | list[str], precision: str) -> int:
    """Bytes of one checkpoint on disk: what is learnt, with the optimizer's two states."""
    if method == "full":
        return int(facts.parameters * (2 if precision == "bf16" else 4) * 3)
    return 12 * lora_parameters(facts, lora_rank, lora_targets)
