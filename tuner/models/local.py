"""Models on this computer: folders with weights, adapters, and the Hub's cache."""

import os
import re
from pathlib import Path
from typing import Any

from tuner.errors import ModelError, NotFoundError
from tuner.models import card_languages, model_files, model_types, stored_formats, tokenizer_files
from tuner.models.facts import ModelFacts
from tuner.models.from_config import check_config, facts_from_config
from tuner.models.model_files import check_parts, count_parameters, document, has_template, missing_shards

HUB_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def base_folder(base: str) -> Path | None:
    """Return the folder with the weights of a base model: the folder itself or the snapshot of a Hub id; None when there is none here."""
    return Path(base) if Path(base).is_dir() else cached_snapshot(base)


def cached_snapshot(id: str) -> Path | None:
    """Return the folder of a model that this or another program has downloaded; None when it is missing or incomplete."""
    from huggingface_hub import try_to_load_from_cache

    if not HUB_ID.fullmatch(id):
        return None
    config = try_to_load_from_cache(id, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if model_files.weights(folder) and not missing_shards(folder) else None


def is_adapter(folder: Path) -> bool:
    """Return whether a folder contains only an adapter: some programs save a config.json beside it, but no weights of the model."""
    if not (folder / "adapter_config.json").is_file():
        return False
    return not (folder / "config.json").exists() or bool(list(folder.glob("adapter_model.*"))) and not model_files.weights(folder)


def folder_facts(folder: Path, *, need_weights: bool = False, name: str | None = None) -> ModelFacts:
    """Return the facts of a model in a folder; NotFoundError or ModelError says which part is missing."""
    if not folder.is_dir():
        raise NotFoundError(
            f"There is no folder {folder}.",
            asked=str(folder),
            available="a folder on this computer that contains a model",
            remedy="Check the path; the folder must contain config.json.",
            field="model",
        )
    files = model_files.names(folder)
    if is_adapter(folder):
        raise ModelError(
            f"{folder.name} contains an adapter, not a complete model.",
            asked=str(folder),
            available="folders with config.json and weights",
            remedy="Choose the base model it was made from, or a run of this workspace.",
            field="model",
        )
    stored_formats.check_files(files, folder.name, str(folder), document(folder / "config.json"))
    if not os.path.lexists(folder / "config.json"):
        raise ModelError(
            f"{folder.name} has no config.json, so it is not a model.",
            asked=str(folder),
            available="folders saved with save_pretrained",
            remedy="Choose the folder that contains config.json, the tokenizer and *.safetensors.",
            field="model",
        )
    config, found = document(folder / "config.json"), model_files.weights(folder)
    check_config(config, files, name or folder.name)
    if need_weights or found:
        check_parts(folder, found, files)
    more: dict[str, Any] = {"path": str(folder) if found else None, "has_template": has_template(folder)}
    more["languages"] = card_languages.of_card(folder)
    if found and not stored_formats.quantization(config):
        more["parameters"], more["bytes_per_weight"] = count_parameters(found)  # for quantized weights the headers count bytes
        more |= {"frozen_parameters": model_files.count_frozen(found)} if model_types.outer(config) else {}
    facts = facts_from_config(config, name=name or folder.name, **more)
    if need_weights or any((folder / f).exists() for f in tokenizer_files.FILES):
        tokenizer_files.check(folder, facts.config, found, name or folder.name)
    return facts
