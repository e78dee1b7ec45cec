"""Multimodal checkpoints whose text part is trained: what the whole of it wants to be told when it reads text alone, and the files beside it.

The whole checkpoint is loaded (`model_kinds.MULTIMODAL`), so that an export still sees and hears; `adapters.text_part` says which part of it is trained.
"""

import inspect
import shutil
from pathlib import Path
from typing import Any

import torch

TYPES = ("token_type_ids", "mm_token_type_ids")  # which tokens are images: none
PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json", "feature_extractor_config.json")


def text_only(model):
    """The model as it is called with text alone: some of these ask in training which tokens are images."""
    wanted = [n for n in TYPES if n in inspect.signature(model.forward).parameters]
    if not wanted or model.config.get_text_config() is model.config:
        return model

    def told(module, args: tuple, kwargs: dict[str, Any]):
        ids = kwargs.get("input_ids") if kwargs.get("input_ids") is not None else kwargs.get("inputs_embeds")
        if ids is None:
            return None
        zeros = torch.zeros(ids.shape[:2], dtype=torch.long, device=ids.device)
        return args, kwargs | {n: zeros for n in wanted if kwargs.get(n) is None}

    model.register_forward_pre_hook(told, with_kwargs=True)
    return model


def copy_processor(base: Path, folder: Path) -> None:
    """The files with which the other parts of a multimodal model are fed, beside what was made of it."""
    for name in PROCESSOR:
        if (base / name).is_file() and not (folder / name).exists():
            shutil.copy(base / name, folder / name)
