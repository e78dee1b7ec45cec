"""The facts of a model from its config.json alone. Models that can't be trained are refused here."""

from dataclasses import replace
from typing import Any

from tuner.errors import ModelError
from tuner.models import config_values, model_types, stored_formats, tensor_shapes
from tuner.models.facts import ModelFacts
from tuner.models.lora_targets import TARGETS


def check_config(config: dict[str, Any], files: set[str], name: str) -> None:
    """Raise ModelError for a model that can't be trained, judging by its config.json and file names."""
    stored_formats.check_purpose(config, files, name)
    stored_formats.check_quantization(config, files, name)


# the names of each size in config.json, the most specific first
NAMES = {
    "hidden": ("hidden_size", "n_embd", "d_model", "dim"),
    "mlp": ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim", "hidden_dim"),
    "layers": ("encoder_layers", "num_hidden_layers", "n_layer", "num_layers", "n_layers", "num_encoder_layers"),
    "heads": ("encoder_attention_heads", "num_attention_heads", "n_head", "num_heads", "n_heads", "num_encoder_attention_heads"),
    "decoder_layers": ("num_decoder_layers", "decoder_layers"),
    "context": ("max_position_embeddings", "n_positions"),
}


def facts_from_config(config: dict[str, Any], *, name: str, **more: Any) -> ModelFacts:
    """Return the facts from a config.json as a dict; ModelError for a model of no supported family."""
    text = config_values.checked(config, name)
    kind, family, outer = text.get("model_type") or "unknown", tensor_shapes.family_of(text), model_types.outer(config)
    family = "decoder" if outer else family
    if family is None:
        raise ModelError(
            f"{name} has the model_type {kind!r}, which can't be trained here.",
            asked=kind,
            available=sorted(TARGETS),
            remedy="Choose a model such as SmolLM2, Qwen or Llama (for chats), BERT (for labels) or T5 (for one text from another).",
            field="model",
        )
    try:
        sizes = _sizes(kind, family, text)
    except KeyError as error:
        raise _missing_size(name, error) from error
    except config_values.FOREIGN as error:
        raise config_values.wrong(name, "one of its sizes", str(error)[:100], "sizes as save_pretrained writes them") from error
    if sizes["head_dim"] < 1:
        raise config_values.wrong(name, "num_attention_heads", sizes["heads"], f"at most hidden_size, {sizes['hidden']:,}")
    packed = stored_formats.bnb_quantization(config)
    facts = ModelFacts(
        name, kind, parameters=0, family=family, multimodal_type=outer, quantized=packed, notes=_notes(kind, family), config=text, **sizes
    )
    still = more.get("frozen_parameters", config_values.towers(config) if outer else 0)
    return replace(facts, **{"parameters": _counted(facts) + still, "frozen_parameters": still, **more})


def _counted(facts: ModelFacts) -> int:
    """Return how many parameters the config describes; ModelError for an impossible number or missing sizes."""
    try:
        counted = tensor_shapes.total(tensor_shapes.parts(facts, "base" if facts.family == "encoder" else "lm"))
    except KeyError as error:
        raise _missing_size(facts.name, error) from error
    except config_values.FOREIGN as error:
        raise config_values.wrong(facts.name, "one of its sizes", str(error)[:100], "sizes as save_pretrained writes them") from error
    if not 0 < counted <= config_values.PARAMETERS:
        raise config_values.wrong(facts.name, "the number of parameters", counted, f"up to {config_values.PARAMETERS:.0e}")
    return counted


def _missing_size(name: str, error: KeyError) -> ModelError:
    return ModelError(
        f"The config.json of {name} does not contain {error.args[0]}.",
        asked=name,
        available="hidden_size, num_hidden_layers, vocab_size ...",
        remedy="Copy the model's own config.json.",
        field="model",
    )


def _notes(kind: str, family: str) -> tuple[str, ...]:
    like = {"decoder": "Llama", "encoder": "BERT", "encoder-decoder": "BART"}[family]
    return () if kind in TARGETS else (f"The model_type {kind} is not known yet: its sizes are estimated as those of a {like} model.",)


def _sizes(kind: str, family: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the sizes of `ModelFacts`; KeyError for one that the config lacks."""
    c = {**tensor_shapes.FALLBACK.get(kind, {}), **config}
    hidden, layers, heads = _first(c, "hidden"), _first(c, "layers", len(c.get("layers_block_type") or ()) or None), _first(c, "heads")
    halves = family == "encoder-decoder"
    return {
        "hidden": hidden,
        "mlp": _first(c, "mlp", 4 * hidden),
        "layers": layers,
        "heads": heads,
        "kv_heads": c.get("num_key_value_heads") or heads,
        "head_dim": c.get("d_kv") or c.get("head_dim") or hidden // heads,
        "vocabulary": _given(c, "vocab_size"),
        "tied": bool(c.get("tie_word_embeddings", kind in tensor_shapes.TIED or family == "encoder")),
        "context": _context(kind, c),
        "gated_mlp": _gated(kind, family, c),
        "decoder_layers": _first(c, "decoder_layers", layers) if halves else 0,
    }


def _first(config: dict[str, Any], size: str, default: int | None = None) -> int:
    value = next((config[n] for n in NAMES[size] if config.get(n)), default)
    if value is None:
        raise KeyError(NAMES[size][0])
    return value


def _given(config: dict[str, Any], key: str) -> int:
    if not config.get(key):
        raise KeyError(key)
    return config[key]


def _context(kind: str, c: dict[str, Any]) -> int:
    """Return the context length. T5 has relative positions and was trained with 512; RoBERTa's position table starts at row 2."""
    if kind in ("t5", "mt5"):
        return c.get("n_positions") or 512
    usual = 512 if tensor_shapes.family_of(c) == "encoder" else 2048
    return _first(c, "context", usual) - (2 if kind in ("roberta", "xlm-roberta") else 0)


def _gated(kind: str, family: str, c: dict[str, Any]) -> bool:
    if kind in ("t5", "mt5"):
        return str(c.get("feed_forward_proj", "relu")).startswith("gated")
    return kind == "modernbert" or family == "decoder" and kind not in ("gpt2", "gpt_neox", "phi", "opt")
