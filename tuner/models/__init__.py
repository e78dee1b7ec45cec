"""Base models and fine-tuned models: what they are and what their folders contain, read from small files, never from weights.

In: a reference (starter, a folder, a run, a Hub id), a config.json. Out: `Model` and its `ModelFacts`, tensor shapes, LoRA's targets.
May import `runs`, `devices` and the packages below them. Other packages use the names below: `models.resolve(...)`.
"""

from tuner.models.catalog_file import catalog, catalog_facts, catalog_of
from tuner.models.facts import Model, ModelFacts
from tuner.models.from_config import check_config, facts_from_config
from tuner.models.local import HUB_ID, base_folder, cached_snapshot, folder_facts, is_adapter
from tuner.models.lora_targets import TARGETS, lora_modules, lora_parameters, targets
from tuner.models.model_files import count_parameters, header
from tuner.models.references import describe, listing, resolve

__all__ = [
    "HUB_ID",
    "TARGETS",
    "Model",
    "ModelFacts",
    "base_folder",
    "cached_snapshot",
    "catalog",
    "catalog_facts",
    "catalog_of",
    "check_config",
    "count_parameters",
    "describe",
    "facts_from_config",
    "folder_facts",
    "header",
    "is_adapter",
    "listing",
    "lora_modules",
    "lora_parameters",
    "resolve",
    "targets",
]
