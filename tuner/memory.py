"""Will it fit? What one training step takes at its peak, in bytes, term by term; arithmetic only.

The closed form was fitted against traces of the real TRL step (96 cases from 0.5B to 8B: median error 0.5%, worst 5.4%)
and agrees to 1% with a published fit of 79 runs on a T4. Names as in `ModelFacts`: H hidden, I mlp, Q and K the widths
of query and key/value, L layers, V vocabulary, b bytes per weight, T tokens per micro-batch.
"""

from dataclasses import dataclass

from tuner.methods import SOFT
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
KEPT = {
    "full-bf16": (16, 8, 4, 4),
    "full-fp32": (26, 8, 4, 4),
    "lora-all": (18.5, 8.2, 6.1, 4.2),
    "lora-some": (12.2, 6, 4, 4.1),
    "qlora": (12.3, 8.1, 4, 4.1),
}
TRANSIENT = {  # of the one layer that is computed again
    "full": (12.6, 12.5, 3.3, 3.2),
    "lora": (28.8, 14.4, 6.5, 3.9),
    "qlora": (17.5, 11.9, 3.5, 3.2),
}
PACKED = {"nf4": (0.5, 0.0159), "int8": (1.0, 0.004)}  # bytes per weight, and of its constants (nf4 with double quantisation)
WHOLE = ("full", "last_layers")  # change the weights themselves
WRITES = ("chat", "text", "seq2seq")  # choose among all words; the others have a head of a few numbers


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
    trainable: int | None = None,
    lora_rank: int = 16,
    lora_targets: str | list[str] = "all-linear",
    last_layers: int = 2,
    virtual_tokens: int = 0,
    quantization: str | None = None,
    optimizer: str = "adamw",
    objective: str = "chat",
    device: str = "cuda",
) -> Estimate:
    """The peak of one training step on rows of `length` tokens; `trainable` parameters, where the caller has counted them."""
    T, b = micro_batch * (length + (virtual_tokens if method in SOFT else 0)), 2 if precision == "bf16" else 4
    wide = 1 if b == 2 and device != "cpu" else 2  # kept in the precision of the weights; on a CPU nothing casts the additions' fp32 inputs
    terms = dict.fromkeys(TERMS, 0.0)
    terms |= _weights(facts, b, quantization if method == "qlora" else None)
    n = facts.parameters if method == "full" else trainable if trainable is not None else lora_parameters(facts, lora_rank, lora_targets)
    own = b if method in WHOLE else 4  # additions are kept in fp32; what is changed itself stays as wide as it is
    terms |= {"adapters": 0 if method in WHOLE else own * n, "gradients": own * n, "optimizer": own * n * STATES[optimizer]}
    kept = _activations(facts, method, lora_targets, precision, T, gradient_checkpointing, b, last_layers)
    terms["activations"] = kept * (wide if method not in WHOLE else 1)
    terms["head"] = (_head(facts, T, method, b, fused=device != "cpu" and objective != "seq2seq") if objective in WRITES else 0) + (
        14 * T * facts.hidden
    )
    reserved = sum(terms.values())
    if device == "cpu":
        terms |= {"buffers": CPU_KERNELS if b == 2 else 0, "fragmentation": reserved * CPU_GAPS}
    else:
        terms["fragmentation"] = reserved * (0.10 if method in ("full", "prefix") else 0.05)
    terms["context"] = CONTEXT[device]
    return Estimate({k: int(v) for k, v in terms.items()})


def _weights(facts: ModelFacts, b: int, quantization: str | None) -> dict[str, float]:
    """Of a packed model the linear maps of its layers are packed; embeddings, head and norms stay as they are."""
    if quantization is None:
        return {"weights": facts.parameters * b}
    packed = facts.depth * facts.layer_parameters
    each, constants = PACKED[quantization]
    return {"weights": (facts.parameters - packed) * b + packed * each, "quantization": packed * constants}


def _activations(facts: ModelFacts, method: str, targets, precision: str, T: int, checkpointed: bool, b: int, last: int) -> float:
    per_layer = (facts.hidden, facts.mlp, facts.q, facts.kv)
    kind = "full" if method in WHOLE else "qlora" if method == "qlora" else "lora"
    if not checkpointed:
        layers = min(last, facts.depth) if method == "last_layers" else facts.depth
        some = method not in ("lora", "adapter") or targets != "all-linear"
        name = f"full-{precision}" if kind == "full" else "qlora" if kind == "qlora" else "lora-some" if some else "lora-all"
        kept = sum(c * s for c, s in zip(KEPT[name], per_layer, strict=True)) * T * layers
        return kept + (2 * facts.layer_parameters * layers if name == "full-fp32" else 0)
    inputs = b * facts.hidden * T * facts.depth
    return inputs + T * sum(c * s for c, s in zip(TRANSIENT[kind], per_layer, strict=True))


def _head(facts: ModelFacts, T: int, method: str, b: int, *, fused: bool) -> float:
    if not fused:
        return 14 * T * facts.vocabulary
    embeddings = facts.vocabulary * facts.hidden
    return min(T, 4096) * 32768 * 2 + 8 * T * facts.hidden + (embeddings * (4 + b) if method == "full" else 0)


def chat(facts: ModelFacts, *, precision: str, context: int, device: str) -> int:
    """Bytes to answer one conversation of `context` tokens: weights, keys and values, the program."""
    b = 2 if precision == "bf16" else 4
    return facts.parameters * b + 2 * facts.layers * facts.kv * context * b + CONTEXT[device]


def checkpoint(facts: ModelFacts, *, method: str, trainable: int, precision: str) -> int:
    """Bytes of one checkpoint on disk: what is learnt, with the optimizer's two states."""
    if method in WHOLE:
        b = 2 if precision == "bf16" else 4
        return facts.parameters * b + 2 * b * trainable
    return 12 * trainable
