"""Multimodal checkpoints whose language model is trained: the inputs they need for text only, and their processor files.

The whole checkpoint is loaded (`model_types.MULTIMODAL`), so that an export still handles images and audio; `bottleneck_adapter.text_part` says
which part of it is trained.
"""

import inspect
import shutil
from pathlib import Path
from typing import Any

import torch

TYPES = ("token_type_ids", "mm_token_type_ids")  # mark image tokens: none here
PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json", "feature_extractor_config.json")


def text_only(model):
    """Prepare the model for text only: in training some multimodal models require an input that marks image tokens."""
    wanted = [n for n in TYPES if n in inspect.signature(model.forward).parameters]
    if not wanted or model.config.get_text_config() is model.config:
        return model

    def add_types(module, args: tuple, kwargs: dict[str, Any]):
        ids = kwargs.get("input_ids") if kwargs.get("input_ids") is not None else kwargs.get("inputs_embeds")
        if ids is None:
            return None
        zeros = torch.zeros(ids.shape[:2], dtype=torch.long, device=ids.device)
        return args, kwargs | {n: zeros for n in wanted if kwargs.get(n) is None}

    model.register_forward_pre_hook(add_types, with_kwargs=True)
    return model


def copy_processor(base: Path, folder: Path) -> None:
    """Copy the processor files of a multimodal model next to the trained model."""
    for name in PROCESSOR:
        if (base / name).is_file() and not (folder / name).exists():
            shutil.copy(base / name, folder / name)
