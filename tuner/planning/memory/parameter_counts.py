"""How many parameters each technique trains: arithmetic on `shapes`, equal to what `workers/techniques.build` makes of the libraries.

H hidden, m the size of an adapter, n virtual tokens, L layers, K the width of keys. The head of a task (labels, spans) is new with
each run: it is counted with every technique.
"""

from typing import Any

from tuner.models import ModelFacts, lora_parameters, tensor_shapes
from tuner.models.architectures import BUILDERS, Part

HEADS = {"classification": "classification", "regression": "classification", "reward": "classification", "tokens": "tokens", "qa": "qa"}
KEYS_VALUES = {
    *("k", "v", "key", "value", "k_proj", "v_proj", "key_proj", "value_proj", "k_lin", "v_lin"),
    *("Wqkv", "c_attn", "qkv_proj", "query_key_value"),
}  # as in workers/modelling/layers.py
DOWN = {"down_proj", "c_proj", "dense_4h_to_h", "fc2", "wo", "Wo", "lin2", "dense"}  # the last map of an MLP


def trainable(facts: ModelFacts, settings: dict[str, Any], objective: str = "chat", labels: int = 2) -> int:
    """How many parameters `settings["method"]` trains for `objective`; one number is learnt for a regression, whatever `labels` says."""
    head = HEADS.get(objective, "lm")
    labels = 1 if objective in ("regression", "reward") else labels
    found, method = tensor_shapes.parts(facts, head, labels), settings["method"]
    if method == "full":
        return facts.parameters - facts.still if head == "lm" and facts.path else tensor_shapes.total(found)
    if method == "last_layers":
        return _last_layers(facts, settings, found)
    task = sum(p.parameters for p in found if _beside(facts, p))
    return task + COUNTS[method](facts, settings, found, head)


def _beside(facts: ModelFacts, part: Part) -> bool:
    """Whether a part belongs to the head of a task, not to the model proper (as BERT's pooler does)."""
    prefix = BUILDERS.get(facts.model_type, ("", None, "model"))[2]
    return part.role == "task" and not (prefix and part.name.startswith(prefix + "."))


# --- the last layers -------------------------------------------------------------------------------------------------------------


def _last_layers(facts: ModelFacts, s: dict[str, Any], found: list[Part]) -> int:
    """The last N layers (a decoder's before its encoder's), the norms after them, the head of a task, and what was asked beside."""
    n = min(s.get("last_layers") or 1, facts.depth)
    stacks = set([(stack, i) for stack, depth in _depths(facts) for i in range(depth)][-n:])
    total = sum(p.one * sum((p.stack, i) in stacks for i in p.layers) for p in found if p.layers)
    touched = {stack for stack, _ in stacks}
    total += sum(p.parameters for p in found if _beside(facts, p) or (_final(p) and (_half(p) or facts.family) in touched))
    return total + _words(facts, s, found)


def _depths(facts: ModelFacts) -> list[tuple[str, int]]:
    if facts.family == "encoder-decoder":
        return [("encoder", facts.layers), ("decoder", facts.decoder_layers)]
    return [(facts.family, facts.layers)]


def _final(part: Part) -> bool:
    return part.kind == "norm" and part.role == "norm" and not part.layers


def _half(part: Part) -> str | None:
    """encoder or decoder, for a norm that ends one of two halves."""
    return next((half for half in ("encoder", "decoder") if f".{half}." in f".{part.name}"), None)


def _words(facts: ModelFacts, s: dict[str, Any], found: list[Part]) -> int:
    """The choice of words (asked for, or a matrix of its own) and the input words, where they were asked for; a matrix that is both
    counts once."""
    out = [p for p in found if p.kind == "linear" and p.role == "head"]
    words = next(p for p in found if p.kind == "embedding")
    head = bool(out) and (bool(s.get("train_head")) or not facts.tied)
    total = sum(p.parameters for p in out) if head else 0
    return total + (words.parameters if s.get("train_embeddings") or (head and facts.tied) else 0)


# --- additions -------------------------------------------------------------------------------------------------------------------


def _lora(facts: ModelFacts, s: dict[str, Any], found: list[Part], head: str) -> int:
    return lora_parameters(facts, s.get("lora_rank") or 16, s.get("lora_targets") or "all-linear", dora=bool(s.get("use_dora")), head=head)


def _adapter(facts: ModelFacts, s: dict[str, Any], found: list[Part], head: str) -> int:
    """2 H m + m + H each: one after each MLP, with houlsby one after each attention too (arXiv:1902.00751, arXiv:2005.00247)."""
    H, m = facts.hidden, s.get("adapter_size") or 64
    houlsby = s.get("adapter_placement") == "houlsby"
    places = facts.depth * 2 + facts.decoder_layers if houlsby else facts.depth  # a decoder's layer attends twice: to itself and across
    return places * (2 * H * m + m + H)


def _ia3(facts: ModelFacts, s: dict[str, Any], found: list[Part], head: str) -> int:
    """A factor for each key and value, and for each input of the last map of an MLP (Liu et al. 2022, arXiv:2205.05638)."""
    linears = [p for p in found if p.kind == "linear" and p.layers]
    keys = sum(p.outputs * len(p.layers) for p in linears if p.name.rsplit(".", 1)[-1] in KEYS_VALUES)
    return keys + sum(p.inputs * len(p.layers) for p in linears if p.role == "mlp" and _is_down(p))


def _is_down(part: Part) -> bool:
    return part.name.rsplit(".", 1)[-1] in DOWN and not part.name.endswith("intermediate.dense")


def _norms(facts: ModelFacts, s: dict[str, Any], found: list[Part], head: str) -> int:
    """All norms, those of the embeddings too (Zhao et al. 2023, arXiv:2312.11420)."""
    return sum(p.parameters for p in found if p.kind == "norm" and not _beside(facts, p))


# --- prompts and prefixes --------------------------------------------------------------------------------------------------------


def _prompt(facts: ModelFacts, s: dict[str, Any], found: list[Part], head: str) -> int:
    """n H (Lester et al. 2021, arXiv:2104.08691); before the encoder alone where there are two halves."""
    width = next(p.outputs for p in found if p.kind == "embedding")  # H, but a small ELECTRA or OPT embeds in less
    return (s.get("virtual_tokens") or 20) * width


def _p_tuning(facts: ModelFacts, s: dict[str, Any], found: list[Part], head: str) -> int:
    """The prompt, and PEFT's three maps H -> H with biases that make it (Liu et al. 2021, arXiv:2103.10385)."""
    H = facts.hidden
    return (s.get("virtual_tokens") or 20) * H + 3 * (H * H + H)


def _prefix(facts: ModelFacts, s: dict[str, Any], found: list[Part], head: str) -> int:
    """n 2 L K: keys and values for each layer, of the decoder where there are two halves (Li and Liang 2021, arXiv:2101.00190).

    With projection the table is n K and a network K -> H -> 2 L K makes them.
    """
    H, width, n = facts.hidden, facts.kv, s.get("virtual_tokens") or 20
    out = 2 * width * (facts.decoder_layers or facts.layers)
    return n * width + (width * H + H) + (H * out + out) if s.get("prefix_projection") else n * out


COUNTS = {
    "lora": _lora,
    "qlora": _lora,
    "adapter": _adapter,
    "ia3": _ia3,
    "ln": _norms,
    "prompt": _prompt,
    "p_tuning": _p_tuning,
    "prefix": _prefix,
}
