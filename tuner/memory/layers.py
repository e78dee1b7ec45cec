"""What the layers of a model take while they learn: coefficients fitted on traces, times the sizes at hand.

Memory is linear in a few `sizes`; `presets/calibration/layers.json` holds for each kind of model, way of training and phase of a step
the coefficient of each (written by `python -m bench.calibrate`). A kind that is not there counts like `architectures.PLAIN`.
"""

import json
from functools import cache
from typing import Any

from tuner import paths
from tuner.architectures import PLAIN
from tuner.models import ModelFacts

TABLE = paths.PRESETS / "calibration" / "layers.json"
TILE = 4096, 32768  # tokens and words that TRL's fused head holds at once (trl/kernels/chunked_logprob.py)
EACH = ("H", "I", "Q", "K", "heads", "tokens", "mask", "scores", "bias", "weights", "added", "rank", "chosen H", "chosen I", "experts")
BRIEF = ("H", "I", "Q", "K", "mask", "scores", "bias", "weights", "largest", "square", "added", "rank", "chosen H", "chosen I", "words")
PHASES = {  # what each phase is, and the sizes that matter for it
    "kept": EACH,  # by one layer, for its backward
    "encoder": EACH,  # the same of a layer of an encoder that has a decoder behind it
    "first": ("H", "I", "Q", "K", "dim", "place", "mask", "bias"),  # embeddings, positions and masks beside all layers
    "head": ("H", "tokens", "V", "words", "tile", "chunk"),  # the loss, forth and back, above what is kept
    "forth": BRIEF,  # the forward of the last layer, above what is kept
    "back": BRIEF,  # the backward of the last layer, above what is kept
    "end": BRIEF,  # the backward of the first layer, above weights, states and all gradients but those of the input words
    "input": ("H", "tokens", "words"),  # the backward of the embeddings, above weights, states and all gradients
    "reading": (*BRIEF, "dim"),  # a batch of a test within the layers, above weights and states
    "answer": ("H", "tokens", "V", "tile", "chunk", "mask", "bias", "dim"),  # its loss and what it answers, above the same
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


def sizes(facts: ModelFacts, rows: int, length: int, *, rank: int = 0, added: int = 0, before: int = 0) -> dict[str, int]:
    """Sizes in elements of a batch of `rows` x `length` tokens: T = their product, times the widths. `added` parameters in one layer;
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
        "weights": facts.layer_parameters,
        "largest": facts.hidden * max(facts.mlp, facts.q),
        "square": max(facts.hidden, facts.mlp, facts.q) ** 2,
        "added": added,
        "rank": T * rank,
        "chosen H": T * chosen * facts.hidden if apart else 0,
        "chosen I": T * chosen * inner if apart else 0,
        "experts": T * experts(facts) if apart else 0,
    }


def experts(facts: ModelFacts) -> int:
    return facts.config.get("num_local_experts") or facts.config.get("num_experts") or 0


@cache
def table() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    return json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}  # before the first fit


def coefficients(facts: ModelFacts, way: str) -> dict[str, dict[str, float]]:
    """{phase: {size: bytes of each}} of this kind of model trained in this way.

    A way that was not fitted for the kind is the nearest one that was, and what the two differ by in the plain kind of its family.
    """
    known, near = table(), _near(way)
    kind = "mt5" if facts.model_type == "t5" and facts.gated_mlp else LIKE.get(facts.model_type, facts.model_type)  # T5 1.1 is built so
    own, plain = known.get(kind, {}), known[PLAIN[facts.family]]
    if way in own:
        return own[way]
    if near in own and near in plain and way in plain:
        return _moved(own[near], plain[near], plain[way])
    if found := plain.get(way) or plain.get(near):
        return found
    raise KeyError(f"{PLAIN[facts.family]} {way}: run python -m bench.calibrate")


def _moved(own: dict[str, dict], before: dict[str, dict], after: dict[str, dict]) -> dict[str, dict[str, float]]:
    """`own` and what lies between `before` and `after`, phase by phase and size by size."""
    out = {}
    for phase in own.keys() | after.keys():
        parts = [(own.get(phase, {}), 1), (after.get(phase, {}), 1), (before.get(phase, {}), -1)]
        names = {n for part, _ in parts for n in part}
        out[phase] = {n: sum(sign * part.get(n, 0.0) for part, sign in parts) for n in names}
    return out


def _near(way: str) -> str:
    return " ".join(NEAR.get(word, word) for word in way.split(" "))


def bytes_of(coefficient: dict[str, float], at: dict[str, int]) -> float:
    return sum(c * at[size] for size, c in coefficient.items())


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
