"""A tiny model of any kind that transformers has, by shrinking what its config class assumes. Needs torch."""

import itertools
from typing import Any

SMALL = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embed_dim", "embedding_size", "emb_dim", "out_hidden_size"), 32),
    **dict.fromkeys(("text_hidden_size", "attention_hidden_size", "projection_dim", "image_size"), 32),
    **dict.fromkeys(("intermediate_size", "d_ff", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "n_inner", "hidden_dim", "d_inner"), 64),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers", "num_layers", "depth"), 2),
    **dict.fromkeys(("num_decoder_layers", "num_experts_per_tok", "linear_num_key_heads", "linear_num_value_heads"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("vocab_size", "max_position_embeddings", "n_positions", "vocab_size_per_layer_input", "entity_vocab_size"), 128),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim", "hidden_size_per_layer_input", "global_head_dim"), 8),
    "num_key_value_heads": 2,
}
LISTS = ("layer_types", "mlp_layer_types", "no_rope_layers", "block_types", "layers_block_type")
NONE_AT_FIRST = {"head_dim": 8, "num_key_value_heads": 2, "sliding_window": 16}
HYBRID = {
    "attn_layer_period": 2,
    "attn_layer_offset": 1,
    "attn_layer_indices": [1],
    "rotary_dim": 4,
    "layers_block_type": ["mamba", "attention"],
}
TURNED_IN_THREE = ("qwen2_vl", "qwen2_5_vl", "glm4v", "glm46v", "glm_ocr", "paddleocr_vl", "glmga")
TURNED = ("qk_rope_head_dim", "rotary_dim", "mrope_section")  # where a width is bound to another, the widths of heads stay as they are


def shrink(config: Any) -> Any:
    """The config with all sizes small, in its parts as well; a list of layers keeps one of each of two kinds."""
    for name, size in NONE_AT_FIRST.items():
        if value(config, name, "lacks") is None:
            put(config, name, size)
    if value(config, "kv_lora_rank"):
        put(config, "num_key_value_heads", 4)  # heads of multi-head latent attention share nothing
    if (model := value(config, "model_type")) and model.startswith(TURNED_IN_THREE) and "vision" not in model:
        put(config, "rope_parameters", {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]})
    for name, told in HYBRID.items():
        if value(config, name) is not None:
            put(config, name, told)
    bound = any(getattr(config, n, None) for n in TURNED) or "mrope_section" in str(getattr(config, "rope_parameters", ""))
    sizes = SMALL if bound else SMALL | {"head_dim": 8}
    sizes = {n: s for n, s in sizes.items() if n != "num_key_value_heads" or not value(config, "kv_lora_rank")}
    for name, size in sizes.items():
        if type(value(config, name)) is int:
            put(config, name, size)
    for name in LISTS:
        if isinstance(told := value(config, name), (list, tuple)) and len(told) > 2:
            put(config, name, [told[0], next((t for t in told if t != told[0]), told[-1])])
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        told = value(config, name)
        told = told[0] if isinstance(told, list) and told else told
        if type(told) is int and not 0 <= told < 128:
            put(config, name, 1)
    for name in getattr(type(config), "sub_configs", None) or {}:
        if hasattr(inner := value(config, name), "to_dict"):
            shrink(inner)
    return config


def value(config: Any, name: str, default: Any = None) -> Any:
    """A value of a config; `default` for one that differs by layer, which its class refuses to tell."""
    try:
        return getattr(config, name, default)
    except Exception as error:
        if "PerLayer" in type(error).__name__:
            return default
        raise


def put(config: Any, name: str, size: Any) -> None:
    try:
        setattr(config, name, size)
    except (NotImplementedError, AttributeError):
        return  # a second name of another value


def parameters(model: Any, most: int = 200) -> int:
    return sum(p.numel() for p in itertools.islice(model.parameters(), most))
