"""The files of a model in a folder: which are there, which are missing, and what their headers say. No weight is read."""

import json
import math
import os
import struct
from pathlib import Path
from typing import Any

import orjson

from tuner.errors import ModelError, TunerError
from tuner.untrusted import DEPTH, regular, shown, too_deep

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "U8": 1, "I8": 1, "BOOL": 1}
BYTES |= {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8}
DOCUMENT = 64 << 20  # bytes of one JSON file; the index of a model of 200,000 tensors has 20 MB
HEADER, HEADERS = 32 << 20, 64 << 20  # bytes of the header of one weights file, and of all in a folder: some 500,000 tensors
SIDES = 16  # dimensions of a tensor
LABELS = 100_000  # names of labels


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
    """Names of weights files that the index lists and the folder lacks. ModelError for an index that is none."""
    listed = document(folder / "model.safetensors.index.json").get("weight_map") or {}
    if not isinstance(listed, dict) or not all(isinstance(f, str) and f == Path(f).name and len(f) < 256 for f in listed.values()):
        raise _wrong(folder / "model.safetensors.index.json", 'its "weight_map" is no list of files in the same folder')
    return sorted({f for f in listed.values() if "\0" in f or not (folder / f).exists()})


def has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists() or (folder / "chat_template.json").exists():
        return True
    return bool(document(folder / "tokenizer_config.json").get("chat_template"))


def count_parameters(weights: list[Path]) -> tuple[int, int]:
    """(parameters, bytes per weight) from the headers of safetensors files (8 bytes of length, then JSON)."""
    total, stored, read = 0, 0, 0
    for path in weights:
        tensors, size = _header(path)
        read += size
        if read > HEADERS:
            raise _wrong(path, f"the headers of this folder are larger than {HEADERS >> 20} MB together")
        for tensor in tensors.values():
            n = math.prod(tensor["shape"])
            total, stored = total + n, stored + n * BYTES.get(tensor["dtype"], 2)
    return total, max(1, round(stored / max(1, total)))


def header(path: Path) -> dict[str, Any]:
    """{tensor name: {"dtype", "shape", "data_offsets"}} of one safetensors file; ModelError where it does not agree with the file."""
    return _header(path)[0]


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """(tensors, bytes of the header)."""
    total = _regular(path)
    try:
        with open(path, "rb") as f:
            (size,) = struct.unpack("<Q", f.read(8))
            if size > min(total - 8, HEADER):
                raise ValueError(f"its header is said to have {size:,} bytes, of {total:,} in the file and {HEADER:,} at most")
            tensors = orjson.loads(f.read(size))
        if not isinstance(tensors, dict):
            raise ValueError("its header is no list of tensors")
        tensors.pop("__metadata__", None)
        for name, tensor in tensors.items():
            _check_tensor(name, tensor, total - 8 - size)
        if (room := total - 8 - size) < (said := sum(t["data_offsets"][1] - t["data_offsets"][0] for t in tensors.values())):
            raise ValueError(f"its tensors take {said:,} bytes and the file holds {room:,}")
    except FOREIGN as error:
        raise _wrong(path, str(error)[:200], damaged=True) from error
    return tensors, size


def _check_tensor(name: str, tensor: Any, room: int) -> None:
    """ValueError for a tensor whose shape is none, or is not that of the bytes it is said to have."""
    shape, (begin, end) = tensor["shape"], tensor["data_offsets"]
    if not isinstance(shape, list) or len(shape) > SIDES or not all(_whole(n) for n in (*shape, begin, end)):
        raise ValueError(f"{name[:80]} has no shape of whole numbers")
    if not begin <= end <= room:
        raise ValueError(f"{name[:80]} ends at byte {end:,}, and the file holds {room:,}")
    size, dtype = BYTES.get(tensor["dtype"]), tensor["dtype"]
    if not isinstance(dtype, str) or size and math.prod(shape) * size != end - begin or not size and math.prod(shape) > 8 * (end - begin):
        raise ValueError(f"{name[:80]} of the shape {shape} does not fill the {end - begin:,} bytes that it is said to have")


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


# --- the border: a stranger's JSON ---------------------------------------------------------------------------------------------------

FOREIGN = (  # all that a parser, or a document of a strange form, can throw
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error),
    *(RecursionError, MemoryError, OSError),
)


def document(path: Path, most: int = DOCUMENT) -> dict[str, Any]:
    """The object in a JSON file of a model's folder; {} where there is no such file.

    ModelError, with the file's name and what is wrong with it, for a file that is no file (a pipe), has more than `most` bytes, is no JSON,
    is no object or is nested too deeply.
    """
    if not os.path.lexists(path):
        return {}
    if (size := _regular(path)) > most:
        raise _wrong(path, f"it has {size / 1e6:,.0f} MB, of {most / 1e6:,.0f} MB at most")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FOREIGN as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200] or type(error).__name__
        raise _wrong(path, why) from error
    if not isinstance(found, dict):
        raise _wrong(path, "it is not a list of names and values")
    if too_deep(found):
        raise _wrong(path, f"it is nested more than {DEPTH} deep")
    return found


def head(folder: Path) -> dict[str, Any]:
    """What labels.json says of the head that was trained ("names", "problem"); {} without one, ModelError for names that are none."""
    about = document(folder / "labels.json")
    names = about.get("names")
    if names is not None and not (isinstance(names, list) and len(names) <= LABELS and all(isinstance(n, str) for n in names)):
        raise _wrong(folder / "labels.json", f'its "names" are no list of up to {LABELS:,} texts')
    return about


def _regular(path: Path) -> int:
    """The size of a file that can be read to an end; ModelError for a folder, a pipe, a device, or what may not be read."""
    try:
        return regular(path, available="a regular file").st_size
    except TunerError as error:
        raise _wrong(path, error.message) from error


def _wrong(path: Path, why: str, damaged: bool = False) -> ModelError:
    name, folder = shown(path.name)[:100], shown(path.parent.name)[:100]
    return ModelError(
        f"The weights file {name} is damaged: {why}." if damaged else f"The {name} in {folder} can't be read: {why}".rstrip(".") + ".",
        asked=why[:120],
        available="whole safetensors files" if damaged else "JSON as save_pretrained writes it",
        remedy="Copy or download it again." if damaged else "Copy the model again, or save it anew with save_pretrained.",
        field="model",
    )
