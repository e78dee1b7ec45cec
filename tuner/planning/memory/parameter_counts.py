"""The number of parameters that each method trains, from `tensor_shapes`: equal to what `workers/modelling/peft_methods.build` makes trainable.

H hidden size, m bottleneck size of an adapter, n virtual tokens, L layers, K width of the keys. The output head of a task (labels, spans) is
new in each run: it is counted with every method.
"""

from tuner.models import ModelFacts, lora_parameters, tensor_shapes
from tuner.models.architectures import BUILDERS, Part
from tuner.settings import objectives
from tuner.settings.run_config import Settings

HEADS = objectives.HEADS
KEYS_VALUES = {
    *("k", "v", "key", "value", "k_proj", "v_proj", "key_proj", "value_proj", "k_lin", "v_lin"),
    *("Wqkv", "c_attn", "qkv_proj", "query_key_value"),
}  # as in workers/modelling/layers.py
DOWN = {"down_proj", "c_proj", "dense_4h_to_h", "fc2", "wo", "Wo", "lin2", "dense"}  # the last linear layer of an MLP


def trainable(facts: ModelFacts, settings: Settings, objective: str = "chat", labels: int = 2) -> int:
    """Return how many parameters `settings.method` trains for `objective`; a regression has one output, whatever `labels` says."""
    head = HEADS.get(objective, "lm")
    labels = 1 if objective in ("regression", "reward") else labels
    found, method = tensor_shapes.parts(facts, head, labels), settings.method
    if method == "full":
        return facts.parameters - facts.frozen_parameters if head == "lm" and facts.path else tensor_shapes.total(found)
    if method == "last_layers":
        return _last_layers(facts, settings, found)
    task = sum(p.parameters for p in found if _beside(facts, p))
    return task + COUNTS[method](facts, settings, found, head)


def _beside(facts: ModelFacts, part: Part) -> bool:
    """Return whether a part belongs to the output head of a task and not to the model itself (as BERT's pooler does)."""
    prefix = BUILDERS.get(facts.model_type, ("", None, "model"))[2]
    return part.role == "task" and not (prefix and part.name.startswith(prefix + "."))


# --- the last layers -------------------------------------------------------------------------------------------------------------


def _last_layers(facts: ModelFacts, settings: Settings, found: list[Part]) -> int:
    """Return the parameters of the last N layers (a decoder's before its encoder's), the norms after them, the head of a task, and the LM head and
    embeddings where they are trained."""
    n = min(settings.last_layers, facts.depth)
    stacks = set([(stack, i) for stack, depth in _depths(facts) for i in range(depth)][-n:])
    total = sum(p.one * sum((p.stack, i) in stacks for i in p.layers) for p in found if p.layers)
    touched = {stack for stack, _ in stacks}
    total += sum(p.parameters for p in found if _beside(facts, p) or (_final(p) and (_half(p) or facts.family) in touched))
    return total + _head_and_embeddings(facts, settings, found)


def _depths(facts: ModelFacts) -> list[tuple[str, int]]:
    if facts.family == "encoder-decoder":
        return [("encoder", facts.layers), ("decoder", facts.decoder_layers)]
    return [(facts.family, facts.layers)]


def _final(part: Part) -> bool:
    return part.kind == "norm" and part.role == "norm" and not part.layers


def _half(part: Part) -> str | None:
    """Return encoder or decoder for the final norm of either stack."""
    return next((half for half in ("encoder", "decoder") if f".{half}." in f".{part.name}"), None)


def _head_and_embeddings(facts: ModelFacts, settings: Settings, found: list[Part]) -> int:
    """Return the parameters of the LM head (if `train_head` is set, or it is not tied) and of the embeddings (if `train_embeddings` is set);
    tied ones count once."""
    heads = [p for p in found if p.kind == "linear" and p.role == "head"]
    embeddings = next(p for p in found if p.kind == "embedding")
    head = bool(heads) and (settings.train_head or not facts.tied)
    total = sum(p.parameters for p in heads) if head else 0
    return total + (embeddings.parameters if settings.train_embeddings or (head and facts.tied) else 0)


# --- adapters --------------------------------------------------------------------------------------------------------------------


def _lora(facts: ModelFacts, settings: Settings, found: list[Part], head: str) -> int:
    return lora_parameters(facts, settings.lora_rank, settings.lora_targets, dora=settings.use_dora, head=head)


def _adapter(facts: ModelFacts, settings: Settings, found: list[Part], head: str) -> int:
    """Return 2 H m + m + H per adapter: one after each MLP, with houlsby one after each attention too (arXiv:1902.00751, arXiv:2005.00247)."""
    H, m = facts.hidden, settings.adapter_size
    houlsby = settings.adapter_placement == "houlsby"
    # a decoder layer behind an encoder has self-attention and cross-attention
    places = facts.depth * 2 + facts.decoder_layers if houlsby else facts.depth
    return places * (2 * H * m + m + H)


def _ia3(facts: ModelFacts, settings: Settings, found: list[Part], head: str) -> int:
    """Return a factor for each key and value, and for each input of the last linear layer of an MLP (Liu et al. 2022, arXiv:2205.05638)."""
    linears = [p for p in found if p.kind == "linear" and p.layers]
    keys = sum(p.outputs * len(p.layers) for p in linears if p.name.rsplit(".", 1)[-1] in KEYS_VALUES)
    return keys + sum(p.inputs * len(p.layers) for p in linears if p.role == "mlp" and _is_down(p))


def _is_down(part: Part) -> bool:
    return part.name.rsplit(".", 1)[-1] in DOWN and not part.name.endswith("intermediate.dense")


def _norms(facts: ModelFacts, settings: Settings, found: list[Part], head: str) -> int:
    """Return the parameters of all norms, including those of the embeddings (Zhao et al. 2023, arXiv:2312.11420)."""
    return sum(p.parameters for p in found if p.kind == "norm" and not _beside(facts, p))


# --- prompts and prefixes --------------------------------------------------------------------------------------------------------


def _prompt(facts: ModelFacts, settings: Settings, found: list[Part], head: str) -> int:
    """Return n H (Lester et al. 2021, arXiv:2104.08691); of an encoder-decoder the encoder's only."""
    width = next(p.outputs for p in found if p.kind == "embedding")  # H, but a small ELECTRA or OPT embeds in less
    return settings.virtual_tokens * width


def _p_tuning(facts: ModelFacts, settings: Settings, found: list[Part], head: str) -> int:
    """Return the prompt, and PEFT's three linear layers H -> H with biases that compute it (Liu et al. 2021, arXiv:2103.10385)."""
    H = facts.hidden
    return settings.virtual_tokens * H + 3 * (H * H + H)


def _prefix(facts: ModelFacts, settings: Settings, found: list[Part], head: str) -> int:
    """Return n 2 L K: keys and values for each layer, of an encoder-decoder the decoder's (Li and Liang 2021, arXiv:2101.00190).

    With projection the table is n K, and a network K -> H -> 2 L K computes them.
    """
    H, width, n = facts.hidden, facts.kv, settings.virtual_tokens
    out = 2 * width * (facts.decoder_layers or facts.layers)
    return n * width + (width * H + H) + (H * out + out) if settings.prefix_projection else n * out


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
