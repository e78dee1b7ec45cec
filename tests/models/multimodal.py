"""Tiny multimodal checkpoints with random weights: config, weights, the starter's tokenizer and a processor's file. Needs torch."""

import json
import shutil
from pathlib import Path

from tuner import paths

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
TEXT |= {"vocab_size": 4096, "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SEES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
QWEN = {"depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32, "patch_size": 14}
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
IMAGE = {"image_token_index": 7, "image_token_id": 7, "video_token_id": 8}
LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16}
TURNS = {"layer_types": ["linear_attention", "full_attention"]}
SLIDES = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 16}
KINDS = {
    "gemma3": {"text_config": TEXT | SLIDES, "vision_config": SEES, "mm_tokens_per_image": 4},
    "gemma4": {
        "text_config": TEXT | SLIDES | {"global_head_dim": 8, "hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0},
        "vision_config": SEES | {"num_key_value_heads": 2, "head_dim": 8},
        "audio_config": None,
    },
    "qwen3_5": {"text_config": TEXT | LINEAR | TURNS | {"rope_parameters": ROPE | {"partial_rotary_factor": 1.0}}, "vision_config": QWEN},
    "qwen3_5_moe": {
        "text_config": TEXT | LINEAR | TURNS | EXPERTS | {"rope_parameters": ROPE | {"partial_rotary_factor": 1.0}},
        "vision_config": QWEN,
    },
    "qwen2_5_vl": {"text_config": TEXT | {"rope_parameters": ROPE}, "vision_config": QWEN | {"fullatt_block_indexes": [1]}},
    "qwen3_vl": {"text_config": TEXT | {"rope_parameters": ROPE}, "vision_config": QWEN | {"deepstack_visual_indexes": [0]}},
    "mistral3": {"text_config": TEXT | {"model_type": "mistral"}, "vision_config": SEES | {"model_type": "pixtral", "head_dim": 8}},
    "llama4": {
        "text_config": TEXT
        | {"intermediate_size_mlp": 64, "num_local_experts": 2, "moe_layers": [1], "layer_types": None, "no_rope_layers": [1, 0]},
        "vision_config": SEES | {"vision_output_dim": 16, "projector_input_dim": 16, "projector_output_dim": 16},
    },
    "llava": {
        "text_config": TEXT | {"model_type": "llama"},
        "vision_config": SEES | {"model_type": "clip_vision_model", "projection_dim": 16},
    },
    "smolvlm": {"text_config": TEXT | {"model_type": "llama"}, "vision_config": SEES},
    "internvl": {"text_config": TEXT | {"model_type": "qwen2"}, "vision_config": SEES | {"image_size": [28, 28], "patch_size": [14, 14]}},
}


def built(kind: str):
    """The model, of the class that holds all of it."""
    import torch
    from transformers import AutoConfig, AutoModelForMultimodalLM

    torch.manual_seed(0)
    return AutoModelForMultimodalLM.from_config(AutoConfig.for_model(kind, **IMAGE, **json.loads(json.dumps(KINDS[kind])))).eval()


def folder(place: Path, kind: str) -> Path:
    """`built` on disk, as a person downloads it."""
    built(kind).save_pretrained(place)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(paths.STARTER / name, place)
    paths.write_json(place / "preprocessor_config.json", {"image_processor_type": "Tiny", "size": {"height": 28, "width": 28}})
    return place
