"""What the layers of a model take while they learn: coefficients fitted on traces, times the sizes at hand.

What is alive at an operation is linear in a few `sizes`; `presets/calibration/layers.json` holds for each kind of model, way of training
and phase of a step the coefficient of each, at the operations where the phase may peak (written by `python -m bench.calibrate`). A kind that is not there counts like `architectures.PLAIN`.
"""

import json
from functools import cache
from typing import Any

from tuner import paths
from tuner.models import ModelFacts
from tuner.models.architectures import PLAIN

TABLE = paths.PRESETS / "calibration" / "layers.json"
TILE = 4096, 32768  # tokens and words that TRL's fused head holds at once (trl/kernels/chunked_logprob.py)
PHASES = {  # what each phase is
    "kept": "by one layer, for its backward",
    "cast": "by one layer, until its forward and that of all others are done: 16-bit copies that autocast made of what learns in 32",
    "left": "by one layer in a test, until it is over",
    "encoder": "kept, by a layer of an encoder that has a decoder behind it",
    "first": "embeddings, positions and masks beside all layers",
    "head": "the loss, forth and back, above what is kept",
    "forth": "the forward of the last layer, above what is kept",
    "back": "the backward of the last layer, above what is kept",
    "end": "the backward of the first layer, above weights, states and all gradients",
    "input": "the backward of the embeddings, above weights, states and all gradients",
    "reading": "a batch of a test within the layers, above weights and states",
    "answer": "its loss and what it answers, above the same",
}
MIXTURES = ("mixtral", "qwen3_moe", "gpt_oss")  # fitted with sizes of their own
NEAR = {
    "qlora": "lora",
    "lora-attention": "lora",
    "dora": "lora",
    "ia3": "lora",
    "ln": "frozen",
    "prefix": "frozen",
    "houlsby": "adapter",
}
LIKE = {
    "mistral": "llama",
    "smollm3": "llama",
    "roberta": "bert",
    "xlm-roberta": "bert",
    "electra": "bert",
    "mbart": "bart",
}  # the same code under another name


Phases = dict[str, list[dict[str, float]]]


def sizes(facts: ModelFacts, rows: int, length: int, *, rank: int = 0, before: int = 0) -> dict[str, int]:
    """Sizes in elements of a batch of `rows` x `length` tokens: T = their product, times the widths; and of the weights.
    `before`: places that only keys and values have (prefix tuning)."""
    T, c = rows * length, facts.config
    chosen = c.get("num_experts_per_tok") or 0
    inner = c.get("moe_intermediate_size") or facts.mlp
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
    return json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}  # before the first fit


def coefficients(facts: ModelFacts, way: str) -> Phases:
    """{phase: [{size: bytes of each}, ...]} of this kind of model trained in this way; the largest of a phase counts.

    A way that was not fitted for the kind is taken from the nearest one that was, or from the plain kind of its family.
    """
    known = table()
    kind = "mt5" if facts.model_type == "t5" and facts.gated_mlp else LIKE.get(facts.model_type, facts.model_type)  # T5 1.1 is built so
    own, plain = known.get(kind, {}), known[PLAIN[facts.family]]
    for found in (own.get(way), own.get(_near(way)), plain.get(way), plain.get(_near(way))):
        if found:
            return found
    raise KeyError(f"{PLAIN[facts.family]} {way}: run python -m bench.calibrate")


def _near(way: str) -> str:
    return " ".join(NEAR.get(word, word) for word in way.split(" "))


def like(way: str, other: str) -> str:
    """The same way with another technique."""
    device, again = way.startswith("cpu "), way.endswith(" again")
    return " ".join([*(way.split(" ")[:2] if device else []), other, *(["again"] if again else [])])


def bytes_of(phase: list[dict[str, float]], at: dict[str, int]) -> float:
    return max((sum(c * at[size] for size, c in one.items()) for one in phase), default=0.0)


def way(settings: dict[str, Any], *, again: bool, device: str = "cuda") -> str:
    """The row of the table for these settings; `again`: with gradient checkpointing. On a processor nothing is cast on the way."""
    method = settings["method"]
    if method in ("full", "last_layers"):
        name = "full" if settings.get("precision") == "bf16" else "full-fp32"
    elif method in ("lora", "qlora"):
        every = settings.get("lora_targets", "all-linear") == "all-linear"
        whole = "qlora" if method == "qlora" else "lora"  # packed layers give back what they were given: float32 behind some norms
        name = "dora" if settings.get("use_dora") else whole if every else "lora-attention"
    elif method == "adapter":
        name = "houlsby" if settings.get("adapter_placement") == "houlsby" else "adapter"
    else:
        name = {"ia3": "ia3", "ln": "ln", "prefix": "prefix"}.get(method, "frozen")
    if device == "cpu":
        name = f"cpu {settings['precision']} {name.removesuffix('-fp32')}"
    return name + (" again" if again else "")
