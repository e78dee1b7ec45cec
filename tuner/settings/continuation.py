"""Continuing from a trained model: which method made it, how large it is, and which runs can continue from it. Reads files, no torch.

A run with the same method trains the existing adapter further, so its size is fixed. A run with another method first merges the adapter
into the base model; what can't be merged (prompts, bottleneck adapters) can only be continued with the same method.
"""

from pathlib import Path
from typing import Any

from tuner.errors import ModelError
from tuner.models import model_files
from tuner.settings import methods, objectives

ABOUT = "layers.json"  # beside the trained layers: which ones they are
EXTRA = "prompt_network.safetensors"  # the network that produces the prompts (P-tuning, prefix projection); PEFT saves only its output
KINDS = {m.name: m.saved for m in methods.METHODS.values()}
MERGE = tuple(dict.fromkeys(m.saved for m in methods.METHODS.values() if m.merges))
METHOD_OF = {kind: method for method, kind in reversed(KINDS.items())}
LARGEST = 1 << 20  # largest rank, size or number of layers
# setting: (its key in adapter_config.json, the value when the key is missing)
PINNED = {
    "lora_rank": ("r", None),
    "lora_alpha": ("lora_alpha", None),
    "use_dora": ("use_dora", False),
    "use_rslora": ("use_rslora", False),
    "virtual_tokens": ("num_virtual_tokens", None),
    "prefix_projection": ("prefix_projection", False),
    "adapter_size": ("size", None),
    "adapter_placement": ("placement", None),
    "last_layers": ("last_layers", None),
}


def kind(folder: Path) -> str | None:
    """Return what a folder holds: peft:LORA (and so on), bottleneck, layers or whole; None when it holds nothing trained."""
    if (folder / ABOUT).exists():
        return "layers"
    if found := _config(folder).get("peft_type"):
        return "bottleneck" if found == "BOTTLENECK" else f"peft:{found}"
    return "whole" if (folder / "config.json").exists() else None


def _config(folder: Path) -> dict[str, Any]:
    return model_files.document(folder / "adapter_config.json")


def _task(folder: Path) -> str | None:
    return _config(folder).get("task_type") or model_files.document(folder / ABOUT).get("task")


def objective_of(folder: Path) -> str | None:
    """Return an objective with the task that the adapter was trained for; it decides the head with which the model is loaded."""
    return next((o.name for o in objectives.OBJECTIVES.values() if o.task == _task(folder)), None)


def trains_further(folder: Path, method: str, objective: str) -> bool:
    """Return whether a run with this method and objective trains the existing adapter itself further."""
    return kind(folder) == KINDS[method] and _task(folder) in (objectives.get(objective).task, None)


def pinned(folder: Path, method: str) -> dict[str, Any]:
    """Return the settings of `method` that are fixed by the adapter that is trained further; `ModelError` for impossible values."""
    about = model_files.document(folder / ABOUT) if method == "last_layers" else _config(folder)
    own_settings = methods.get(method).settings
    found = {name: about.get(key, default) for name, (key, default) in PINNED.items() if name in own_settings}
    if invalid := next((name for name, value in found.items() if isinstance(value, (dict, list)) or _out_of_range(value)), None):
        file = ABOUT if method == "last_layers" else "adapter_config.json"
        raise ModelError(
            f"The {file} in {folder.name} says that {PINNED[invalid][0]} is {str(found[invalid])[:60]}.",
            asked=str(found[invalid])[:60],
            available="a number as PEFT writes it",
            remedy="Save the adapter again, or start from its base model.",
            field="model",
        )
    found |= {"lora_init": "default"} if "lora_init" in own_settings else {}  # it starts from the trained weights
    return {name: value for name, value in found.items() if value is not None}


def _out_of_range(value: Any) -> bool:
    return isinstance(value, (int, float)) and not 0 <= value <= LARGEST


def parameters(folder: Path, method: str) -> int | None:
    """Return the number of parameters of the adapter, which are those trained further; None where its files are missing."""
    names = [EXTRA] if (folder / EXTRA).exists() else ["changed.safetensors" if method == "last_layers" else "adapter_model.safetensors"]
    files = [folder / name for name in names]
    return model_files.count_parameters(files)[0] if all(f.exists() for f in files) else None


def refusal(folder: Path, method: str, objective: str) -> tuple[str, list[str]] | None:
    """Return why a run with this method can't continue from the adapter, and the methods that can; None when it can."""
    found, can = kind(folder), [m for m in KINDS if trains_further(folder, m, objective)]
    if found not in KINDS.values():
        return f"{folder.name} holds an adapter of a type that is not supported ({found or 'none'}): start from its base model.", []
    if trains_further(folder, method, objective):
        if method == "p_tuning" and not (folder / EXTRA).exists():
            return f"{folder.name} lacks {EXTRA}, which P-tuning needs to continue: start from its base model.", []
        return None
    if found in MERGE:
        return None
    if can:
        return (
            f"What was trained with {METHOD_OF[found]} can't be merged into the model, so only the same method can continue: choose {can[0]}.",
            can,
        )
    return f"What was trained with {METHOD_OF[found]} for another objective can't be continued here: start from the base model.", []
