"""Load the base model of a run, in the class of its objective, quantized or not. Safetensors only, no remote code."""

import os
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import BitsAndBytesConfig

from tuner import devices
from tuner.errors import ModelError
from tuner.models import model_files, stored_formats
from tuner.settings import objectives
from tuner.workers.modelling import layers, multimodal, sharding
from tuner.workers.tokenization.tokenizer_loader import PLAIN_TEMPLATE, local_folder, tokenizer

__all__ = ["PLAIN_TEMPLATE", "base_model", "head_of", "hold_share", "local_folder", "tokenizer", "torch_device", "use_cores"]

WIDTHS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def use_cores() -> None:
    """Set torch's threads to the number of cores, or to OMP_NUM_THREADS."""
    torch.set_num_threads(devices.threads())


def torch_device(device: str) -> torch.device:
    """Return the torch device. Only the cards of its job are visible to a worker: one, or in a run of several processes the one of its number."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if device.startswith("cuda") else torch.device(device)


def hold_share(device: str, free: int | None) -> None:
    """Limit GPU memory to `free` bytes on Windows: its driver would spill into the computer's memory and become very slow."""
    if free and sys.platform == "win32" and device.startswith("cuda") and torch.cuda.is_available():
        total = torch.cuda.get_device_properties(torch_device(device)).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, free / total), torch_device(device))


def base_model(
    folder: Path,
    precision: str,
    device: str,
    *,
    objective: str = "chat",
    labels: int | None = None,
    names: list[str] | None = None,
    problem: str | None = None,
    quantization: str | None = None,
    in_parts: bool = False,
):
    """Return the base model in the given precision, on its device, with the output head of the objective.

    `labels` (how many) or their `names` create a new head where the folder has none of that size; `problem` is transformers'
    `problem_type`; `quantization` quantizes the weights of the layers to 4-bit (nf4) or 8-bit (int8). The attention is torch's SDPA,
    which transformers chooses where the class supports it. `in_parts`: each process holds its part (`sharding`). ModelError when transformers has no class for the objective.
    """
    auto = getattr(transformers, objectives.auto_class(folder, objective))
    more = head(folder, labels or (len(names) if names else None), names, problem)
    stored = stored_formats.bnb_quantization(model_files.document(folder / "config.json"))
    if stored:  # by bitsandbytes, as its config says: it stays quantized
        quantization = stored
        more["device_map"] = {"": torch_device(device)}
    elif stored_formats.quantization(model_files.document(folder / "config.json")) in stored_formats.DEQUANTIZED:
        more["quantization_config"] = transformers.Mxfp4Config(dequantize=True)  # gpt-oss: its own 4-bit format can't be trained
    elif quantization:
        more |= {
            "quantization_config": quantization_config(quantization, precision, skip_modules(auto, folder)),
            "device_map": {"": torch_device(device)},
        }
    drawn = torch.get_rng_state()
    if in_parts:
        more |= sharding.arguments(auto, folder)
    try:
        model, loading_info = auto.from_pretrained(
            folder, dtype=WIDTHS[precision], use_safetensors=True, trust_remote_code=False, output_loading_info=True, **more
        )
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        raise ModelError(
            f"{folder.name} can't be trained for {objective}: transformers has no such class for this model type.",
            asked=objective,
            available=", ".join(o.name for o in objectives.OBJECTIVES.values() if o.auto != auto.__name__),
            remedy="Choose another objective, or another model.",
            field="objective",
        ) from error
    multimodal.text_only(model)
    model.fresh_modules = sorted({key.rpartition(".")[0] for key in loading_info["missing_keys"]})
    if objectives.get(objective).task == "SEQ_CLS":
        pad(model, folder)
    stored = model_files.document(folder / "config.json")
    stored = stored.get("dtype") or stored.get("torch_dtype")
    # a fully fine-tuned model is saved in the dtype it was loaded from
    model.stored_dtype = torch.bfloat16 if stored in ("bfloat16", "float16") else None
    if in_parts:
        sharding.initialize(model, drawn)
        model._tp_size = None  # 1 makes PEFT gather the whole base model whenever an adapter is saved
        return model
    return unpacked_on_cpu(model) if quantization else model.to(torch_device(device))


def head(folder: Path, labels: int | None, names: list[str] | None, problem: str | None) -> dict[str, Any]:
    """Return the config values of an output head; a head of another size in the folder is replaced by a new one."""
    more: dict[str, Any] = {"problem_type": problem} if problem else {}
    if labels is None:
        return more
    names = names or [f"LABEL_{i}" for i in range(labels)]
    stored = model_files.document(folder / "config.json").get("id2label")
    other = isinstance(stored, dict) and len(stored) != labels
    more |= {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}, "num_labels": labels}
    return more | ({"ignore_mismatched_sizes": True} if other else {})


def head_of(folder: Path | None) -> dict[str, Any]:
    """Return `names` and `problem` of the trained head in a run's model folder, for `base_model`; empty when it has none."""
    about = model_files.head(folder) if folder else {}
    return {k: about[k] for k in ("names", "problem") if about.get(k)}


def quantization_config(quantization: str, precision: str, whole: list[str] | None) -> BitsAndBytesConfig:
    """Return the config for nf4 with double quantization (Dettmers et al. 2023, arXiv:2305.14314), or LLM.int8 (Dettmers et al. 2022,
    arXiv:2208.07339)."""
    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=whole)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=WIDTHS[precision],
        llm_int8_skip_modules=whole,
    )


def skip_modules(auto, folder: Path) -> list[str] | None:
    """Return the names of modules that are not quantized because they are trained: the task head. None leaves it to transformers (`lm_head`)."""
    with torch.device("meta"):
        empty = auto.from_config(transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False))
    found = layers.heads(empty)
    return found + [n for n, _ in empty.named_modules() if n.endswith("pooler") and n not in found] if found else None


def unpacked_on_cpu(model):
    """Prevent bitsandbytes from repacking 4-bit weights for the CPU at the first evaluation: it rounds their constants, which changes the model."""
    for module in model.modules():
        if type(module).__name__ == "Linear4bit" and module.weight.device.type == "cpu":
            module.support_avx512bf16_for_cpu = False
    return model


def pad(model, folder: Path) -> None:
    """Set the padding token of the config: decoders classify a text by its last token that is not padding."""
    if hasattr(model, "score") and (folder / "tokenizer_config.json").exists():  # only decoders have a head of this name
        model.config.pad_token_id = tokenizer(folder).pad_token_id
