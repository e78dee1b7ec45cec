"""The files of a model in a folder: which are there, which are missing, and what their headers say. No weight is read."""

import json
import os
import struct
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import ModelError

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1, "F8_E4M3": 1}


def check_parts(folder: Path, weights: list[Path]) -> None:
    if not weights:
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        raise ModelError(
            f"{folder.name} holds its weights as {pickled[0].name}, a format that can run code."
            if pickled
            else f"{folder.name} holds no weights.",
            asked=str(folder),
            available="*.safetensors files",
            remedy="Save it again with save_pretrained (safe_serialization)."
            if pickled
            else "Copy the weights (*.safetensors) into the folder.",
            field="model",
        )
    if missing := missing_shards(folder):
        raise ModelError(
            f"{folder.name} lacks {len(missing)} of its weights files, {missing[0]} among them.",
            asked=str(folder),
            available="all files that model.safetensors.index.json names",
            remedy="Copy or download the rest.",
            field="model",
        )
    if not any((folder / f).exists() for f in ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "vocab.txt")):
        raise ModelError(
            f"{folder.name} holds no tokenizer.",
            asked=str(folder),
            available="folders with tokenizer.json or tokenizer.model",
            remedy="Save the tokenizer beside the model: tokenizer.save_pretrained(folder).",
            field="model",
        )


def missing_shards(folder: Path) -> list[str]:
    index = paths.read_json(folder / "model.safetensors.index.json", {})
    return sorted({f for f in index.get("weight_map", {}).values() if not (folder / f).exists()})


def has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists() or (folder / "chat_template.json").exists():
        return True
    return bool((paths.read_json(folder / "tokenizer_config.json", {}) or {}).get("chat_template"))


def count_parameters(weights: list[Path]) -> tuple[int, int]:
    """(parameters, bytes per weight) from the headers of safetensors files (8 bytes of length, then JSON)."""
    total, stored = 0, 0
    for path in weights:
        for tensor in header(path).values():
            n = 1
            for side in tensor["shape"]:
                n *= side
            total, stored = total + n, stored + n * BYTES.get(tensor["dtype"], 2)
    return total, max(1, round(stored / max(1, total)))


def header(path: Path) -> dict[str, Any]:
    """{tensor name: {"dtype", "shape", "data_offsets"}} of one safetensors file."""
    try:
        with open(path, "rb") as f:
            (size,) = struct.unpack("<Q", f.read(8))
            if size > min(os.path.getsize(path), 100_000_000):
                raise ValueError("the header is longer than the file")
            tensors = json.loads(f.read(size))
        tensors.pop("__metadata__", None)
        if os.path.getsize(path) < 8 + size + max((t["data_offsets"][1] for t in tensors.values()), default=0):
            raise ValueError("the file ends before its last tensor does")
    except (ValueError, struct.error, AttributeError, KeyError, TypeError) as error:
        raise ModelError(
            f"The weights file {path.name} is damaged.",
            asked=str(error)[:120],
            available="whole safetensors files",
            remedy="Copy or download it again.",
            field="model",
        ) from error
    return tensors
