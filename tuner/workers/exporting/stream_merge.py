"""Merge a LoRA into its base model shard by shard: no more than one file of the base is in memory at a time.

PEFT merges whole models only. Here W + s B A (Hu et al. 2021, arXiv:2106.09685) is computed in fp32 and rounded once to the dtype it is saved in. What
is not plain LoRA on weights that the files name as the model does is left to PEFT (`merge.py`); the self-test is the same for both.
"""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from tuner.models import model_files
from tuner.workers.modelling import load

BEFORE = "base_model.model."  # of a module's name in the files of PEFT
LORA = (".lora_A.weight", ".lora_B.weight")
INDEX = "model.safetensors.index.json"
OTHERS = ("use_dora", "use_qalora", "modules_to_save", "trainable_token_indices", "rank_pattern", "alpha_pattern", "lora_bias", "layer_replication",
          "target_parameters", "megatron_config", "alora_invocation_tokens", "arrow_config")  # fmt: skip


def deltas(base: Path, adapter: Path) -> dict[str, tuple[str, str]] | None:
    """Return {tensor of the base: (lora_A, lora_B) of the adapter}; None where the adapter is more than plain LoRA, or names other weights."""
    config = model_files.document(adapter / "adapter_config.json")
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or any(config.get(name) for name in OTHERS):
        return None
    if "vision_config" in model_files.document(base / "config.json"):  # its files name the text model in another way
        return None
    there = {name for file in model_files.weights(base) for name in model_files.header(file)}
    out = {}
    for name in model_files.header(adapter / "adapter_model.safetensors"):
        module = name.removeprefix(BEFORE)
        if not module.endswith(LORA):
            return None
        module = module.removesuffix(LORA[0]).removesuffix(LORA[1])
        wanted = next((n for n in (f"{module}.weight", f"{module.partition('.')[2]}.weight") if n in there), None)
        if wanted is None:
            return None
        out[wanted] = (f"{BEFORE}{module}{LORA[0]}", f"{BEFORE}{module}{LORA[1]}")
    return out or None


def write(folder: Path, base: Path, adapter: Path, dtype: torch.dtype, tell: Callable[[str], None] = print) -> None:
    """Write the merged weights, config.json and generation_config.json into `folder`; the files are named as those of the base."""
    pairs, files = deltas(base, adapter) or {}, model_files.weights(base)
    lora, config = load_file(adapter / "adapter_model.safetensors"), PeftConfig.from_pretrained(str(adapter))
    scale = config.lora_alpha / (math.sqrt(config.r) if config.use_rslora else config.r)
    folder.mkdir(parents=True, exist_ok=True)
    listed: dict[str, str] = {}
    for n, file in enumerate(files, 1):
        tell(f"Merging file {n} of {len(files)} ({file.name}).")
        shard = {}
        with safe_open(file, framework="pt") as found:
            for name in found.keys():
                weight = found.get_tensor(name)
                if name in pairs:
                    a, b = (lora[half].float() for half in pairs[name])
                    delta = scale * (b @ a)
                    weight = weight.float() + (delta.T if config.fan_in_fan_out else delta)
                shard[name] = weight.to(dtype) if weight.is_floating_point() else weight
        save_file(shard, folder / file.name, metadata={"format": "pt"})
        listed |= dict.fromkeys(shard, file.name)
    if len(files) > 1:
        total = sum(f.stat().st_size for f in folder.glob("*.safetensors"))
        (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": listed}, indent=1), encoding="utf-8")
    about: Any = AutoConfig.from_pretrained(base, trust_remote_code=False)
    about.dtype = dtype
    about.save_pretrained(folder)
    if (generation := base / "generation_config.json").is_file():
        shutil.copy(generation, folder)


def width(precision: str, base: Path) -> torch.dtype:
    """Return the dtype in which a merged model is saved: that of the training; after fp16 that of the base, since a CPU merges in fp32."""
    if precision != "fp16":
        return load.WIDTHS[precision]
    stored = model_files.document(base / "config.json")
    return torch.float16 if (stored.get("dtype") or stored.get("torch_dtype")) in ("bfloat16", "float16") else torch.float32
