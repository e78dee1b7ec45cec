"""Activations: the memory of a model's layers during training, as coefficients fitted on traces times the sizes of a batch.

Memory at an operation is linear in a few `sizes`. `presets/calibration/layers.json` holds the coefficients for each kind of model, variant of
training (`way`) and phase of a step, at the operations where the phase may peak (written by `python -m bench.calibrate`). A kind of model that
is not in it counts like `architectures.PLAIN`.
"""

import json
from functools import cache

from tuner import paths
from tuner.models import ModelFacts
from tuner.models.architectures import PLAIN
from tuner.settings.run_config import Settings

TABLE = paths.PRESETS / "calibration" / "layers.json"
TILE = 4096, 32768  # tokens and vocabulary entries that TRL's fused head holds at once (trl/kernels/chunked_logprob.py)
PHASES = {  # what each phase measures
    "kept": "kept by one layer for its backward pass",
    "cast": "held by one layer until the whole forward pass is done: 16-bit copies that autocast makes of trainable fp32 parameters",
    "left": "held by one layer during an evaluation batch, until it ends",
    "encoder": "kept by a layer of an encoder that feeds a decoder",
    "first": "embeddings, positions and masks, outside the layers",
    "head": "the loss, forward and backward, in addition to kept",
    "forth": "the forward pass of the last layer, in addition to kept",
    "back": "the backward pass of the last layer, in addition to kept",
    "end": "the backward pass of the first layer, in addition to weights, optimizer state and all gradients",
    "input": "the backward pass of the embeddings, in addition to weights, optimizer state and all gradients",
    "reading": "an evaluation batch inside the layers, in addition to weights and optimizer state",
    "answer": "the loss and the output of an evaluation batch, in addition to weights and optimizer state",
}
MIXTURES = ("mixtral", "qwen3_moe", "gpt_oss")  # mixtures of experts that are fitted with sizes of their own
NEAR = {
    "qlora": "lora",
    "lora-attention": "lora",
    "dora": "lora",
    "ia3": "lora",
    "ln": "frozen",
    "prefix": "frozen",
    "houlsby": "adapter",
}
OTHERS = {
    "ia3": "ia3",
    "ln": "ln",
    "prefix": "prefix",
    "prompt": "frozen",
    "p_tuning": "frozen",
}  # method -> its key, where no setting counts
LIKE = {
    "mistral": "llama",
    "smollm3": "llama",
    "roberta": "bert",
    "xlm-roberta": "bert",
    "electra": "bert",
    "mbart": "bart",
}  # families that share the same code


Phases = dict[str, list[dict[str, float]]]


def sizes(facts: ModelFacts, rows: int, length: int, *, rank: int = 0, before: int = 0) -> dict[str, int]:
    """Return sizes in elements: of a batch of `rows` x `length` tokens (T = their product, times each width), and of the weights.
    `before`: positions that only keys and values have (prefix tuning)."""
    T, config = rows * length, facts.config
    chosen = config.get("num_experts_per_tok") or 0
    inner = config.get("moe_intermediate_size") or facts.mlp
    apart = chosen and facts.model_type in MIXTURES  # other mixtures count as one wide MLP
    return {
        "tokens": T,
        "H": T * facts.hidden,
        "I": 0 if apart else T * (chosen * inner if chosen else facts.mlp),
        "Q": T * facts.q,
        "K": T * facts.kv,
        "dim": T * facts.head_dim,
        "place": length * facts.head_dim,
        "heads": T * facts.heads,
        "mask": T * (length + before),
        "scores": T * (length + before) * facts.heads,
        "bias": length * (length + before) * facts.heads,
        "V": T * facts.vocabulary,
        "words": facts.vocabulary * facts.hidden,
        "tile": min(T, TILE[0]) * TILE[1],
        "chunk": min(facts.vocabulary, TILE[1]) * facts.hidden,
        "one": length * (length + before),
        "row": length,
        "row H": length * facts.hidden,
        "rows H": rows * facts.hidden,
        "positions": facts.context * facts.hidden,
        "HI": facts.hidden * facts.mlp,
        "HQ": facts.hidden * facts.q,
        "HK": facts.hidden * facts.kv,
        "II": facts.mlp**2,
        "QQ": facts.q**2,
        "HH": facts.hidden**2,
        "rank": T * rank,
        "rank H": rank * facts.hidden,
        "rank I": rank * facts.mlp,
        "rank Q": rank * facts.q,
        "rank K": rank * facts.kv,
        "kvs": T * facts.kv_heads,
        "before all": rows * before * facts.kv * facts.depth,
        "before K": rows * before * facts.kv,
        "before Q": rows * before * facts.q,
        "tile H": min(T, TILE[0]) * facts.hidden,
        "chosen": T * chosen if apart else 0,
        "chosen H": T * chosen * facts.hidden if apart else 0,
        "chosen I": T * chosen * inner if apart else 0,
        "experts": T * experts(facts) if apart else 0,
        "experts HI": experts(facts) * facts.hidden * inner if apart else 0,
    }


def experts(facts: ModelFacts) -> int:
    return facts.config.get("num_local_experts") or facts.config.get("num_experts") or 0


@cache
def table() -> dict[str, dict[str, Phases]]:
    return json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}  # empty before the first fit


def coefficients(facts: ModelFacts, way: str) -> Phases:
    """Return {phase: [{size: bytes per element}, ...]} for this kind of model and variant of training; the largest of a phase counts.

    A variant that was not fitted for the kind is taken from the nearest one that was, or from the plain kind of its family. KeyError when
    nothing was fitted.
    """
    known = table()
    # T5 1.1 has the same layers
    kind = "mt5" if facts.model_type == "t5" and facts.gated_mlp else LIKE.get(facts.model_type, facts.model_type)
    own, plain = known.get(kind, {}), known[PLAIN[facts.family]]
    for found in (own.get(way), own.get(_near(way)), plain.get(way), plain.get(_near(way))):
        if found:
            return found
    raise KeyError(f"{PLAIN[facts.family]} {way}: run python -m bench.calibrate")


def _near(way: str) -> str:
    return " ".join(NEAR.get(word, word) for word in way.split(" "))


def like(way: str, other: str) -> str:
    """Return the same variant of training with another method."""
    cpu, again = way.startswith("cpu "), way.endswith(" again")
    return " ".join([*(way.split(" ")[:2] if cpu else []), other, *(["again"] if again else [])])


def bytes_of(phase: list[dict[str, float]], at: dict[str, int]) -> float:
    return max((sum(coefficient * at[size] for size, coefficient in one.items()) for one in phase), default=0.0)


def way(settings: Settings, *, again: bool, device: str = "cuda") -> str:
    """Return the key in the table for these settings; `again`: with gradient checkpointing. On a CPU there is no autocast."""
    method = settings.method
    if method in ("full", "last_layers"):
        name = "full" if settings.precision == "bf16" else "full-fp32"
    elif method in ("lora", "qlora"):
        every = settings.lora_targets == "all-linear"
        whole = "qlora" if method == "qlora" else "lora"  # quantized layers return the dtype of their input: float32 after some norms
        name = "dora" if settings.use_dora else whole if every else "lora-attention"
    elif method == "adapter":
        name = "houlsby" if settings.adapter_placement == "houlsby" else "adapter"
    else:
        name = OTHERS[method]
    if device == "cpu":
        name = f"cpu {settings.precision} {name.removesuffix('-fp32')}"
    return name + (" again" if again else "")
