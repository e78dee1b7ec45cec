"""Configurations: a config of any kind and size, the techniques, and the cases that the formula is judged on."""

from typing import Any

import transformers

from bench.trace.step import Case
from tuner import models
from tuner.models import tensor_shapes
from tuner.settings import methods, objectives
from tuner.settings.run_config import Settings

NAMES = {  # what the configs of these kinds call (hidden, mlp, layers, heads); the others say it as Llama does
    "gpt2": ("n_embd", "n_inner", "n_layer", "n_head"),
    "opt": ("hidden_size", "ffn_dim", "num_hidden_layers", "num_attention_heads"),
    "distilbert": ("dim", "hidden_dim", "n_layers", "n_heads"),
    "t5": ("d_model", "d_ff", "num_layers", "num_heads"),
}
LLAMA = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
OWN_HEADS = (
    "llama",
    "mistral",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "mixtral",
    "qwen3_moe",
    "gpt_oss",
)  # have a head_dim of their own
MORE = {  # what the kind needs beside
    "mixtral": {"num_local_experts": 8},
    "qwen3_moe": {"num_experts": 16, "num_experts_per_tok": 4},
    "deberta-v2": {"relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm", "position_biased_input": False}
    | {"share_att_key": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0},
    "modernbert": dict.fromkeys(("pad_token_id", "cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id"), 0),
    "gpt2": {"n_positions": 16384},
    "smollm3": {"pad_token_id": 0},
    "gpt_oss": {"num_local_experts": 8},
}


def config(kind: str, H: int, I: int, L: int, heads: int, kv: int, head_dim: int, V: int, tied: bool, **more: Any) -> dict[str, Any]:  # noqa: E741
    """A config.json of that size, as far as the kind knows the sizes: heads of its own, grouped keys."""
    out = {"model_type": kind, "vocab_size": V, "tie_word_embeddings": tied, "max_position_embeddings": 16384}
    if kind in ("bart", "mbart"):
        out |= {
            f"{half}_{name}": n
            for half in ("encoder", "decoder")
            for name, n in (("ffn_dim", I), ("layers", L), ("attention_heads", heads))
        }
        return out | {"d_model": H} | more
    out |= dict(zip(NAMES.get({"mt5": "t5"}.get(kind, kind), LLAMA), (H, I, L, heads), strict=True))
    if kind in ("t5", "mt5"):
        return (
            out
            | {
                "decoder_start_token_id": 0,
                "d_kv": head_dim,
                "num_decoder_layers": L,
                "feed_forward_proj": "gated-gelu" if kind == "mt5" else "relu",
            }
            | more
        )
    if tensor_shapes.family_of(out) == "decoder" and kind not in ("gpt2", "gpt_neox", "opt"):
        out |= {"num_key_value_heads": kv}
    out |= {"head_dim": head_dim} if kind in OWN_HEADS else {}
    out |= {"word_embed_proj_dim": H} if kind == "opt" else {"embedding_size": H} if kind == "electra" else {}
    out |= {"moe_intermediate_size": I} if kind == "qwen3_moe" else {}
    return out | MORE.get(kind, {}) | more


def grouped(kind: str) -> bool:
    return tensor_shapes.family_of({"model_type": kind}) == "decoder" and kind not in ("gpt2", "gpt_neox", "opt")


KINDS = list(models.TARGETS)


# --- what the formula is judged on -------------------------------------------------------------------------------------------------

WAYS = [  # settings, gradient checkpointing or not
    ({"method": "lora"}, False),
    ({"method": "lora"}, True),
    ({"method": "qlora"}, False),
    ({"method": "qlora"}, True),
    ({"method": "full"}, False),
    ({"method": "full"}, True),
    ({"method": "full", "precision": "fp32"}, False),
    ({"method": "last_layers", "last_layers": 4}, False),
    ({"method": "lora", "lora_targets": ["q", "v"]}, False),
    ({"method": "lora", "lora_rank": 64, "lora_targets": ["q", "k", "v", "o", "up"]}, True),
    ({"method": "adapter"}, False),
    ({"method": "adapter", "adapter_placement": "houlsby"}, True),
    ({"method": "ia3"}, True),
    ({"method": "ln"}, False),
    ({"method": "prompt"}, False),
    ({"method": "p_tuning"}, True),
    ({"method": "prefix"}, False),
    ({"method": "lora", "use_dora": True}, False),
    ({"method": "full", "precision": "fp32"}, True),
    ({"method": "lora", "packing": True}, False),
]
PREFERENCES = [  # DPO: the reference is the adapter switched off, a copy, or was computed beforehand
    ({"method": "lora"}, False),
    ({"method": "full"}, True),
    ({"method": "qlora"}, True),
    ({"method": "full", "precompute_reference": True}, False),
    ({"method": "lora", "lora_targets": ["q", "v"]}, True),
]
SHAPES = ((1, 1024), (4, 2048), (2, 512), (8, 256))
OBJECTIVES = {
    "decoder": ("chat", "chat", "chat", "classification"),
    "encoder": ("classification", "tokens", "qa"),
    "encoder-decoder": ("seq2seq",),
}
MOST = 8.5e9  # parameters: of larger models the trace takes minutes
OTHERS = {  # shapes of published models whose kinds the catalogue lacks (their config.json)
    "gpt2-medium": ("gpt2", 1024, 4096, 24, 16, 16, 64, 50257, True),
    "pythia-1.4b": ("gpt_neox", 2048, 8192, 24, 16, 16, 128, 50304, False),
    "opt-1.3b": ("opt", 2048, 8192, 24, 32, 32, 64, 50272, True),
    "phi-2": ("phi", 2560, 10240, 32, 32, 32, 80, 51200, False),
    "stablelm-2-1_6b": ("stablelm", 2048, 5632, 24, 32, 32, 64, 100352, False),
    "granite-3.1-2b": ("granite", 2048, 8192, 40, 32, 8, 64, 49155, True),
    "Qwen3-30B-A3B": ("qwen3_moe", 2048, 768, 48, 32, 4, 128, 151936, False, 128, 8),
    "Mixtral-8x7B": ("mixtral", 4096, 14336, 32, 32, 8, 128, 32000, False, 8, 2),
}
FEW = (
    (0, "Llama-3.2-1B"),
    (3, "SmolLM2-135M"),
    (4, "SmolLM2-360M"),
    (9, "Qwen3-0.6B"),
    (7, "gpt2-medium"),
    (10, "bert-base"),
    (1, "flan-t5-base"),
    (5, "bart-base"),
)


def catalogue() -> dict[str, models.ModelFacts]:
    """The models of the catalogue whose kind is known, by the end of their name, the smallest first."""
    found = {e["id"].split("/")[-1]: models.catalog_facts(e) for e in models.catalog()}
    for name, (*shape,) in OTHERS.items():
        more = {"num_local_experts": shape[9], "num_experts": shape[9], "num_experts_per_tok": shape[10]} if len(shape) > 9 else {}
        found[name] = models.facts_from_config(config(*shape[:9], **more), name=name)
    return {n: f for n, f in sorted(found.items(), key=lambda nf: nf[1].parameters) if f.parameters <= MOST or n in OTHERS}


def judged(*, every: bool) -> list[tuple[str, Case]]:
    """(name, case): nine, or with `every` each model of the catalogue in six of the ways by turns, so that all pairs come up, and in one
    of those of preferences."""
    known = catalogue()
    if not every:
        few = [_case(next(f for n, f in known.items() if n.startswith(name)), way, i) for i, (way, name) in enumerate(FEW)]
        return [*few, _preference(next(f for n, f in known.items() if n.startswith("SmolLM2-135M")), 0)]
    out = []
    for i, facts in enumerate(known.values()):
        out += [_case(facts, (i * 7 + k * 3) % len(WAYS), i + k) for k in range(6)]
    out += [_preference(facts, i) for i, facts in enumerate(f for f in known.values() if f.family == "decoder")]
    return [case for case in out if case is not None]


def _preference(facts: models.ModelFacts, turn: int):
    settings, again = PREFERENCES[turn % len(PREFERENCES)]
    settings = settings | {"objective": "preference", "gradient_checkpointing": again}
    rows, length = ((1, 1024), (2, 512), (4, 256))[turn % 3]
    if methods.refusal(settings["method"], "chat", facts, Settings.from_json(settings)):
        return None
    return f"{facts.name.split('/')[-1]} preference {_words(settings)} {rows}x{length}", Case(facts.config, settings, rows, length, True)


def _case(facts: models.ModelFacts, way: int, turn: int):
    settings, again = WAYS[way]
    objective = OBJECTIVES[facts.family][turn % len(OBJECTIVES[facts.family])]
    settings = settings | {"objective": objective, "gradient_checkpointing": again}
    if (
        settings.get("packing")
        and objective != "chat"
        or methods.refusal(settings["method"], objective, facts, Settings.from_json(settings))
    ):
        return None
    if (
        type(transformers.AutoConfig.for_model(facts.model_type))
        not in getattr(transformers, objectives.get(objective).auto)._model_mapping
    ):
        return None  # transformers has no such model of this kind
    rows, length = SHAPES[turn % len(SHAPES)]
    limit = facts.context if facts.family == "decoder" else min(512, facts.context)
    limit -= 32 if settings["method"] in methods.PROMPT_METHODS else 0  # the invisible words
    padded = facts.family != "decoder" or bool(settings.get("packing"))
    made = facts.config
    if facts.family == "encoder-decoder":  # the catalogue's names for sizes are not those of these configs
        f, more = facts, {k: v for k, v in made.items() if k == "feed_forward_proj"}
        made = config(f.model_type, f.hidden, f.mlp, f.layers, f.heads, f.kv_heads, f.head_dim, f.vocabulary, f.tied, **more)
    return f"{facts.name.split('/')[-1]} {objective} {_words(settings)} {rows}x{min(length, limit)}", Case(
        made, settings, 1 if settings.get("packing") else rows, min(length, limit), padded
    )


def _words(settings: dict[str, Any]) -> str:
    said = [str(v) if k == "method" else f"{k}={v}" for k, v in settings.items() if k not in ("objective", "gradient_checkpointing")]
    return " ".join(said) + (" checkpointed" if settings["gradient_checkpointing"] else "")
