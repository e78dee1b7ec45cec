"""Base model + technique → trainable model. Safetensors only, no remote code."""

import os
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from tuner import hardware, models
from tuner.errors import ModelError
from tuner.workers.tokens import PLAIN_TEMPLATE, local_folder, tokenizer

__all__ = ["PLAIN_TEMPLATE", "base_model", "local_folder", "tokenizer", "torch_device", "use_cores", "with_adapter"]


def use_cores() -> None:
    """As many threads as cores, or as OMP_NUM_THREADS says."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(named) if named.isdigit() and int(named) else hardware.cores())


def torch_device(device: str) -> torch.device:
    """The launcher shows a worker its one card only, which is then cuda:0."""
    return torch.device("cuda:0" if device.startswith("cuda") else device)


def base_model(folder: Path, precision: str, device: str):
    """The base in the precision asked for, on its device."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, attn_implementation="sdpa"
    )
    return model.to(torch_device(device))


def with_adapter(model, settings: dict[str, Any], facts: models.ModelFacts, start: Path | None):
    """The base with a LoRA on it: a fresh one, or that of the run to go on from."""
    if start is not None:
        return PeftModel.from_pretrained(model, start, is_trainable=True)
    targets = models.lora_modules(facts, settings["lora_targets"])
    try:
        return get_peft_model(
            model,
            LoraConfig(
                task_type="CAUSAL_LM",
                r=settings["lora_rank"],
                lora_alpha=settings["lora_alpha"],
                lora_dropout=settings["lora_dropout"],
                target_modules=targets,
                use_dora=settings["use_dora"],
                use_rslora=settings["use_rslora"],
            ),
        )
    except ValueError as error:
        if "arget modules" not in str(error):
            raise
        raise ModelError(
            f"{facts.name} has no layers called {targets}.",
            asked=targets,
            available="all-linear",
            remedy="Choose all-linear.",
            field="lora_targets",
        ) from error
