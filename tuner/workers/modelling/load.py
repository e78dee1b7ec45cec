"""The base model of a run, in the class of what it learns, packed or not. Safetensors only, no remote code."""

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
from tuner.workers.modelling import layers, multimodal
from tuner.workers.tokenization.tokenizer_loader import PLAIN_TEMPLATE, local_folder, tokenizer

__all__ = ["PLAIN_TEMPLATE", "base_model", "head_of", "hold_share", "local_folder", "tokenizer", "torch_device", "use_cores"]

WIDTHS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def use_cores() -> None:
    """As many threads as cores, or as OMP_NUM_THREADS says."""
    torch.set_num_threads(devices.threads())


def torch_device(device: str) -> torch.device:
    """The launcher shows a worker its one card only, which is then cuda:0."""
    return torch.device("cuda:0" if device.startswith("cuda") else device)


def hold_share(device: str, free: int | None) -> None:
    """On Windows more than `free` bytes of a card is an error: its driver would go on in the computer's memory, and crawl."""
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
):
    """The base in the precision asked for, on its device, with the head of the objective.

    `labels` (how many) or `names` of them make a fresh head where the folder has none of that size; `problem` is transformers'
    `problem_type`; `quantization` packs the weights of the layers into 4 bits (nf4) or 8 (int8). The attention is torch's own
    (sdpa), which transformers chooses where the class has it.
    """
    auto = getattr(transformers, objectives.auto_class(folder, objective))
    more = head(folder, labels or (len(names) if names else None), names, problem)
    stored = stored_formats.packed(model_files.document(folder / "config.json"))
    if stored:  # by bitsandbytes, which says in the config how: it stays so
        quantization = stored
        more["device_map"] = {"": torch_device(device)}
    elif stored_formats.quantization(model_files.document(folder / "config.json")) in stored_formats.UNPACKED:
        more["quantization_config"] = transformers.Mxfp4Config(dequantize=True)  # gpt-oss; beside its own 4 bits nothing learns
    elif quantization:
        more |= {"quantization_config": packed(quantization, precision, left_whole(auto, folder)), "device_map": {"": torch_device(device)}}
    try:
        model, told = auto.from_pretrained(
            folder, dtype=WIDTHS[precision], use_safetensors=True, trust_remote_code=False, output_loading_info=True, **more
        )
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        raise ModelError(
            f"{folder.name} can't learn {objective}: transformers has no such class for its kind.",
            asked=objective,
            available=", ".join(o.name for o in objectives.OBJECTIVES.values() if o.auto != auto.__name__),
            remedy="Choose another objective, or another model.",
            field="objective",
        ) from error
    multimodal.text_only(model)
    model.fresh_modules = sorted({key.rpartition(".")[0] for key in told["missing_keys"]})
    if objectives.get(objective).task == "SEQ_CLS":
        pad(model, folder)
    stored = model_files.document(folder / "config.json")
    stored = stored.get("dtype") or stored.get("torch_dtype")
    model.stored_dtype = torch.bfloat16 if stored in ("bfloat16", "float16") else None  # a whole model is saved as wide as it came
    return unpacked_on_cpu(model) if quantization else model.to(torch_device(device))


def head(folder: Path, labels: int | None, names: list[str] | None, problem: str | None) -> dict[str, Any]:
    """What a config says of a head; a head of another size in the folder makes room for a fresh one."""
    more: dict[str, Any] = {"problem_type": problem} if problem else {}
    if labels is None:
        return more
    names = names or [f"LABEL_{i}" for i in range(labels)]
    stored = model_files.document(folder / "config.json").get("id2label")
    other = isinstance(stored, dict) and len(stored) != labels
    more |= {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}, "num_labels": labels}
    return more | ({"ignore_mismatched_sizes": True} if other else {})


def head_of(folder: Path | None) -> dict[str, Any]:
    """`names` and `problem` of the head that was trained in a run's model folder, for `base_model`; empty when it has none."""
    about = model_files.head(folder) if folder else {}
    return {k: about[k] for k in ("names", "problem") if about.get(k)}


def packed(quantization: str, precision: str, whole: list[str] | None) -> BitsAndBytesConfig:
    """nf4 with double quantisation (Dettmers et al. 2023, arXiv:2305.14314), or LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339)."""
    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=whole)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=WIDTHS[precision],
        llm_int8_skip_modules=whole,
    )


def left_whole(auto, folder: Path) -> list[str] | None:
    """Names of what is never packed because it is learnt whole: the head of a task. None leaves it to transformers (`lm_head`)."""
    with torch.device("meta"):
        empty = auto.from_config(transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False))
    found = layers.heads(empty)
    return found + [n for n, _ in empty.named_modules() if n.endswith("pooler") and n not in found] if found else None


def unpacked_on_cpu(model):
    """bitsandbytes repacks 4-bit weights for the CPU on the first test, rounding their constants: a test would be of another model."""
    for module in model.modules():
        if type(module).__name__ == "Linear4bit" and module.weight.device.type == "cpu":
            module.support_avx512bf16_for_cpu = False
    return model


def pad(model, folder: Path) -> None:
    """Decoders judge a text by its last token that is not padding, so their config must know what padding is."""
    if hasattr(model, "score") and (folder / "tokenizer_config.json").exists():  # only decoders call their head so
        model.config.pad_token_id = tokenizer(folder).pad_token_id
