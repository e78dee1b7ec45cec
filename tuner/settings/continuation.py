"""What was learnt before, told from its files alone: which technique, how large, and what can go on from it. No torch.

A run that goes on with the same technique trains that addition further, so its size is settled. One with another technique gets a base
of its own, into which the addition is merged first; what can't be merged (prompts, bottleneck adapters) goes on as it is or not at all.
"""

from pathlib import Path
from typing import Any

from tuner.errors import ModelError
from tuner.models import model_files
from tuner.settings import methods, objectives

ABOUT = "layers.json"  # beside changed layers: what they are
EXTRA = "prompt_network.safetensors"  # the network that makes the prompts (P-tuning, prefix projection): PEFT saves what it made only
KINDS = {
    "lora": "peft:LORA",
    "qlora": "peft:LORA",
    "ia3": "peft:IA3",
    "ln": "peft:LN_TUNING",
    "prompt": "peft:PROMPT_TUNING",
    "p_tuning": "peft:P_TUNING",
    "prefix": "peft:PREFIX_TUNING",
    "adapter": "bottleneck",
    "last_layers": "layers",
    "full": "whole",
}
MERGE = ("peft:LORA", "peft:IA3", "peft:LN_TUNING", "layers", "whole")
WORDS = {kind: method for method, kind in reversed(KINDS.items())}
MOST = 1 << 20  # of a rank, a size or a number of layers
# a setting, where adapter_config.json has it, and what it is there when it is not said
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
    """What a folder holds: peft:LORA (and the like), bottleneck, layers, whole; None when nothing that was learnt."""
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
    """An objective of the kind that the addition was learnt for: it says with which head its model is loaded."""
    return next((o.name for o in objectives.OBJECTIVES.values() if o.task == _task(folder)), None)


def same(folder: Path, method: str, objective: str) -> bool:
    """Whether a run of this technique trains the addition itself further."""
    return kind(folder) == KINDS[method] and _task(folder) in (objectives.get(objective).task, None)


def pinned(folder: Path, method: str) -> dict[str, Any]:
    """The settings of `method` that are settled by the addition that is trained further."""
    about = model_files.document(folder / ABOUT) if method == "last_layers" else _config(folder)
    mine = methods.get(method).settings
    found = {name: about.get(key, default) for name, (key, default) in PINNED.items() if name in mine}
    if strange := next((name for name, value in found.items() if isinstance(value, (dict, list)) or _absurd(value)), None):
        file = ABOUT if method == "last_layers" else "adapter_config.json"
        raise ModelError(
            f"The {file} in {folder.name} says that {PINNED[strange][0]} is {str(found[strange])[:60]}.",
            asked=str(found[strange])[:60],
            available="a number as PEFT writes it",
            remedy="Save the adapter again, or start from its base model.",
            field="model",
        )
    found |= {"lora_init": "default"} if "lora_init" in mine else {}  # the start is what was learnt
    return {name: value for name, value in found.items() if value is not None}


def _absurd(value: Any) -> bool:
    return isinstance(value, (int, float)) and not 0 <= value <= MOST


def parameters(folder: Path, method: str) -> int | None:
    """How many numbers the addition holds, and so how many are trained further; None where its files don't tell."""
    names = [EXTRA] if (folder / EXTRA).exists() else ["changed.safetensors" if method == "last_layers" else "adapter_model.safetensors"]
    files = [folder / name for name in names]
    return model_files.count_parameters(files)[0] if all(f.exists() for f in files) else None


def refusal(folder: Path, method: str, objective: str) -> tuple[str, list[str]] | None:
    """Why a run of this technique can't go on from the addition, and the techniques that can; None when it can."""
    found, can = kind(folder), [m for m in KINDS if same(folder, m, objective)]
    if found not in KINDS.values():
        return f"{folder.name} holds an addition of a kind that is not offered here ({found or 'none'}): start from its base model.", []
    if same(folder, method, objective):
        if method == "p_tuning" and not (folder / EXTRA).exists():
            return f"{folder.name} lacks {EXTRA}, without which P-tuning can't go on: start from its base model.", []
        return None
    if found in MERGE:
        return None
    if can:
        return (
            f"What was learnt by {WORDS[found]} can't be merged into the model, so only the same technique goes on: choose {can[0]}.",
            can,
        )
    return f"What was learnt by {WORDS[found]} for something else can't go on here: start from the base model.", []
