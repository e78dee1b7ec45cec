"""Validation of an untrusted config.json: each value that is used must have the right type and size, or the model is refused.

Later code multiplies sizes and loops over layers; the limits here make sure that this ends for any file.
"""

from typing import Any

from tuner.errors import ModelError

WIDTH = 1 << 20  # of a layer; the widest published one has 53,248
COUNTS = {  # the limit of each whole number that is used, well above any published model
    **dict.fromkeys(
        (
            "num_hidden_layers",
            "n_layer",
            "num_layers",
            "n_layers",
            "encoder_layers",
            "decoder_layers",
            "num_decoder_layers",
            "num_encoder_layers",
        ),
        4096,
    ),
    **dict.fromkeys(
        (
            "num_attention_heads",
            "n_head",
            "num_heads",
            "n_heads",
            "encoder_attention_heads",
            "num_key_value_heads",
            "num_encoder_attention_heads",
        ),
        4096,
    ),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "dim", "embedding_size", "word_embed_proj_dim"), WIDTH),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "hidden_dim"), 8 * WIDTH),
    **dict.fromkeys(("head_dim", "d_kv", "moe_intermediate_size"), WIDTH),
    **dict.fromkeys(("vocab_size", "type_vocab_size"), 1 << 27),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "sliding_window"), 1 << 31),
    **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim"), 4096),
    **dict.fromkeys(("full_attention_interval", "linear_conv_kernel_dim"), 4096),
    **dict.fromkeys(("num_experts", "num_local_experts", "decoder_sparse_step"), 1 << 16),
    **dict.fromkeys(("relative_attention_num_buckets", "conv_kernel_size", "conv_groups"), 1 << 16),
}
FROM_ONE = ("conv_groups",)  # used as a divisor
SIDE = (("hidden_size", "embed_dim", "d_model"), ("num_hidden_layers", "depth", "encoder_layers", "num_layers"))  # of a vision_config
TEXTS = ("model_type", "feed_forward_proj")
LISTS = {"architectures": str, "layer_types": str, "layers_block_type": str, "mlp_only_layers": int, "pos_att_type": str}
PARAMETERS = 10**15  # limit for a whole model: two petabytes
FOREIGN = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)  # what an unexpected value can raise


def checked(config: Any, name: str) -> dict[str, Any]:
    """Return the config of the language model with checked values; ModelError names the first invalid one."""
    if not isinstance(config, dict):
        raise wrong(name, "config.json", type(config).__name__, "a list of names and values")
    inner = config.get("text_config")
    text = {**config, **inner} if isinstance(inner, dict) else dict(config)
    for key, most in COUNTS.items():
        if (value := text.get(key)) is not None:
            text[key] = _count(value, key, most, name)
    for key in TEXTS:
        if not isinstance(text.get(key, ""), str | None):
            raise wrong(name, key, text[key], "a name")
    for key, kind in LISTS.items():
        _check_list(text.get(key), key, kind, name)
    return text


def towers(config: dict[str, Any]) -> int:
    """Estimate the parameters outside of the language model from the config alone, as transformers with 4 H^2 + 2 H I per layer."""
    total = 0
    for key, inner in config.items():
        if key.endswith("_config") and key not in ("text_config", "quantization_config") and isinstance(inner, dict):
            hidden, layers = (next((v for n in names if type(v := inner.get(n)) is int), 0) for names in SIDE)
            wide = inner.get("intermediate_size") if type(inner.get("intermediate_size")) is int else 4 * hidden
            if 0 < hidden <= WIDTH and 0 < layers <= 4096 and 0 <= wide <= 8 * WIDTH:
                total += layers * (4 * hidden * hidden + 2 * hidden * wide)
    return total


def _count(value: Any, key: str, most: int, name: str) -> int:
    """Return a whole number from 0 to `most`; 64.0 is read as 64, since some programs write it so."""
    whole = int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= most else value
    if type(whole) is not int or not (key in FROM_ONE) <= whole <= most:
        raise wrong(name, key, value, f"a whole number from {int(key in FROM_ONE)} to {most:,}")
    return whole


def _check_list(value: Any, key: str, kind: type, name: str) -> None:
    if value and (not isinstance(value, list) or len(value) > 10_000 or not all(isinstance(v, kind) for v in value)):
        raise wrong(name, key, value, f"a list of {'names' if kind is str else 'numbers'}")


def wrong(name: str, key: str, value: Any, available: str) -> ModelError:
    """Return the error for a config.json with an impossible value of `key`."""
    text = f"{value:.3g}" if type(value) is int and abs(value) < 1 << 1000 else str(value)[:60] if type(value) is not int else "endless"
    text = str(value) if type(value) is int and abs(value) < 10**15 else text
    return ModelError(
        f"The config.json of {name} says that {key} is {text}.",
        asked=text,
        available=available,
        remedy="Copy the model's own config.json again.",
        field="model",
    )
