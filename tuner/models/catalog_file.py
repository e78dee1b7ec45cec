"""presets/catalog.yaml: the models that the form suggests, with their sizes, so that a plan needs no download."""

from dataclasses import replace
from functools import cache
from typing import Any

import yaml

from tuner import paths
from tuner.models import card_languages
from tuner.models.facts import ModelFacts
from tuner.models.from_config import facts_from_config

FLAT = {
    "model_type": "model_type",
    "hidden": "hidden_size",
    "mlp": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "vocabulary": "vocab_size",
    "tied": "tie_word_embeddings",
    "context": "max_position_embeddings",
}  # the catalog's key -> the key of config.json; `config` in the catalog holds other values


@cache
def catalog() -> list[dict[str, Any]]:
    return yaml.safe_load((paths.PRESETS / "catalog.yaml").read_text(encoding="utf-8"))


def catalog_facts(entry: dict[str, Any]) -> ModelFacts:
    """Return the facts of an entry of the catalog."""
    return _every()[entry["id"]]


@cache
def _every() -> dict[str, ModelFacts]:
    """Return the facts of all entries, once: each plan of the form looks at them."""
    return {entry["id"]: _facts(entry) for entry in catalog()}


def _facts(entry: dict[str, Any]) -> ModelFacts:
    config = {theirs: entry[ours] for ours, theirs in FLAT.items() if ours in entry}
    more = {"licence": entry["licence"], "gated": entry.get("gated", False), "context": entry["context"]}
    more["languages"] = card_languages.of_entry(entry)
    facts = facts_from_config({**config, **entry.get("config", {})}, name=entry["id"], **more)
    still = entry.get("still", 0)
    return replace(facts, multimodal_type=entry.get("outer", ""), frozen_parameters=still, parameters=facts.parameters + still)


def catalog_of(family: str, *, bases: bool = True) -> list[dict[str, Any]]:
    """Return the entries of one family, the smallest first; with `bases` those as well that only continue texts."""
    return [e for e in catalog() if e.get("family", "decoder") == family and (bases or not e.get("base"))]
