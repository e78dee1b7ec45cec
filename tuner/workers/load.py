"""Base model + technique → trainable model. Safetensors only, no remote code."""

import os
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuner import hardware, models
from tuner.errors import ModelError

PLAIN_TEMPLATE = (  # for a model that has none: words any base model has seen; a line end, since "Assistant: " and " It" share a space
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ 'Assistant:\\n' }}{% generation %}"
    "{{ message['content'] + eos_token }}{% endgeneration %}{{ '\\n' }}{% else %}"
    "{{ (message['role'] | capitalize) + ': ' + message['content'] + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\\n' }}{% endif %}"
)


def local_folder(base: str) -> Path:
    """Where the weights of a base lie: the folder itself, or the snapshot of a Hub id that was downloaded."""
    if Path(base).is_dir():
        return Path(base)
    folder = models.cached_snapshot(base)
    if folder is None:
        raise ModelError(
            f"The weights of {base} are not on this computer.",
            asked=base,
            available="models that were downloaded",
            remedy="Start the run again with a network: it downloads them first.",
            field="model",
        )
    return folder


def use_cores() -> None:
    """As many threads as cores, or as OMP_NUM_THREADS says."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(named) if named.isdigit() and int(named) else hardware.cores())


def torch_device(device: str) -> torch.device:
    """The launcher shows a worker its one card only, which is then cuda:0."""
    return torch.device("cuda:0" if device.startswith("cuda") else device)


def tokenizer(folder: Path):
    """The model's tokenizer, with a padding token and a chat template whatever it came with."""
    tok = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tok.eos_token is None:
        raise ModelError(
            f"The tokenizer of {folder.name} has no end token.",
            asked=str(folder),
            available="tokenizers with an eos_token",
            remedy='Add "eos_token" to its tokenizer_config.json.',
            field="model",
        )
    if tok.pad_token is None:
        tok.pad_token = tok.eos_token
    if not tok.chat_template:
        tok.chat_template = PLAIN_TEMPLATE
    return tok


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
