"""An exact description of a model's tensors from its config.json alone: `parts(facts)` and functions on the result.

The parameter counts equal those of transformers 5 (tests build each class on torch's meta device). `head` names the class:

    base            AutoModel, as in published encoder counts           classification  AutoModelForSequenceClassification
    lm              ...ForCausalLM, ForMaskedLM, ForSeq2SeqLM          tokens, qa      ...ForTokenClassification, ForQuestionAnswering
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tuner.models import model_types
from tuner.models.architectures import BUILDERS, PLAIN, Part, linear, norm, opt_width

HEADS = ("base", "lm", "classification", "tokens", "qa")
TIED = ("gpt2", "gemma", "gemma2", "gemma3_text", "opt", "smollm3", "t5", "mt5", "bart", "mbart")  # unless the config says otherwise
FALLBACK = {
    "gemma": {"head_dim": 256},
    "gemma2": {"head_dim": 256, "num_key_value_heads": 4},
    "gemma3_text": {"head_dim": 256, "num_key_value_heads": 4},
    "qwen3": {"head_dim": 128},
    "qwen3_5_text": {
        **{"head_dim": 256, "num_key_value_heads": 4, "linear_num_key_heads": 16, "linear_num_value_heads": 32},
        **{"linear_key_head_dim": 128, "linear_value_head_dim": 128},
    },
    "gpt_oss": {"head_dim": 64, "num_key_value_heads": 8, "attention_bias": True, "num_local_experts": 128},
    "mistral": {"num_key_value_heads": 8},
    "mixtral": {"num_key_value_heads": 8, "num_local_experts": 8},
    "qwen3_moe": {"num_key_value_heads": 4, "num_local_experts": 128, "moe_intermediate_size": 768},
    "electra": {"embedding_size": 128},
    "mt5": {"feed_forward_proj": "gated-gelu"},
}  # defaults of transformers' config classes that change a shape


def family_of(config: dict[str, Any]) -> str | None:
    """Return decoder, encoder or encoder-decoder, by the model_type, its class or transformers' own lists; None when unknown."""
    if (kind := config.get("model_type")) in BUILDERS:
        return BUILDERS[kind][0]
    classes = config.get("architectures") or []
    usual = model_types.family(kind) if isinstance(kind, str) else None
    if config.get("is_encoder_decoder"):
        return "encoder-decoder" if usual == "encoder-decoder" or any("ConditionalGeneration" in a for a in classes) else None
    if any("CausalLM" in a or "LMHead" in a for a in classes):
        return "decoder"
    return "encoder" if any("MaskedLM" in a for a in classes) else usual


def parts(facts: Any, head: str = "lm", labels: int = 2) -> list[Part]:
    """Return every module with parameters of the model with this `head` (see the module docstring) and `labels` labels."""
    family, build, prefix = BUILDERS.get(facts.model_type) or BUILDERS[PLAIN[facts.family]]
    kind = facts.model_type if facts.model_type in BUILDERS else PLAIN[facts.family]
    config = {**FALLBACK.get(kind, {}), **facts.config}
    if head == "classification" and kind in ("t5", "mt5"):
        prefix = "transformer"
    inner = build(kind, facts, config) + _pooler(kind, facts, head)
    if head == "base" or not prefix:
        return inner + ([] if head == "base" else _head(kind, facts, config, head, labels))
    return [replace(p, name=f"{prefix}.{p.name}") for p in inner] + _head(kind, facts, config, head, labels)


def total(found: Iterable[Part]) -> int:
    return sum(p.parameters for p in found)


def matching(found: Iterable[Part], wanted: Iterable[str], known: Iterable[str] = ()) -> list[tuple[Part, int]]:
    """Return (part, number of layers) for parts whose names end in one of `wanted`; the longest matching end counts.

    BERT's MLP ends in output.dense, and so does attention.output.dense: `known` distinguishes them, as `workers/layers.named` does.
    """
    asked, out = set(wanted), []
    ends = asked | set(known)
    for part in found:
        n = sum(next((t in asked for t in _tails(name) if t in ends), False) for name in part.names())
        out += [(part, n)] if n else []
    return out


def _tails(name: str) -> Iterable[str]:
    words = name.split(".")
    return (".".join(words[i:]) for i in range(len(words)))


# --- heads -----------------------------------------------------------------------------------------------------------------


def _pooler(kind: str, f: Any, head: str) -> list[Part]:
    pooled = head == "base" and kind in ("bert", "roberta", "xlm-roberta") or head == "classification" and kind == "bert"
    return [linear("pooler.dense", "task", f.hidden, f.hidden, True)] if pooled else []


def _head(kind: str, f: Any, c: dict, head: str, labels: int) -> list[Part]:
    if head == "lm":
        return _lm_head(kind, f, c)
    if head == "qa":
        if kind == "modernbert":
            return _encoder_head(kind, f, c, head, 2)
        return [linear("qa_outputs", "task", f.hidden, 2, True)]
    if f.family == "decoder":
        name = "classifier" if head == "tokens" and kind in ("gpt2", "gpt_neox") else "score"
        width = opt_width(f, c) if kind == "opt" else f.hidden
        return [linear(name, "task", width, labels, head == "tokens")]
    if f.family == "encoder-decoder":
        return _dense_head("classification_head", f.hidden, labels)
    return _encoder_head(kind, f, c, head, labels)


def _encoder_head(kind: str, f: Any, c: dict, head: str, labels: int) -> list[Part]:
    H, last = f.hidden, linear("classifier", "task", f.hidden, labels, True)
    if kind == "modernbert":
        return [*_prediction(f, c), last]
    if head == "tokens" or kind == "bert":
        return [last]
    first = {"distilbert": "pre_classifier", "deberta-v2": "pooler.dense"}.get(kind)
    return [linear(first, "task", H, H, True), last] if first else _dense_head("classifier", H, labels)


def _dense_head(name: str, hidden: int, labels: int) -> list[Part]:
    return [linear(f"{name}.dense", "task", hidden, hidden, True), linear(f"{name}.out_proj", "task", hidden, labels, True)]


def _prediction(f: Any, c: dict) -> list[Part]:
    dense = linear("head.dense", "task", f.hidden, f.hidden, c.get("classifier_bias", False))
    return [dense, norm("head.norm", f.hidden, c.get("norm_bias", False), "task")]


WORDS = {
    "bert": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder"),
    "deberta-v2": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder"),
    "roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder"),
    "xlm-roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder"),
    "electra": ("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head"),
    "distilbert": ("vocab_transform", "vocab_layer_norm", "vocab_projector"),
}


def _lm_head(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the LM head: a matrix, tied to the embeddings or not; encoders have a dense layer and a norm before it."""
    V, H = f.vocabulary, f.hidden
    if kind == "modernbert":
        before = [replace(p, role="head") for p in _prediction(f, c)]
        return [*before, linear("decoder", "head", H, V, c.get("decoder_bias", True), f.tied)]
    if kind not in WORDS:
        width = opt_width(f, c) if kind == "opt" else H
        return [linear("lm_head", "head", width, V, kind == "phi", f.tied)]
    dense, between, out = WORDS[kind]
    width = c.get("embedding_size") or H if kind in ("electra", "deberta-v2") else H
    return [linear(dense, "head", H, width, True), norm(between, width, True, "head"), linear(out, "head", width, V, True, f.tied)]
