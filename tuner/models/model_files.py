"""The files of a model folder: which exist, which are missing, and what their headers say. Weights are not read."""

import json
import math
import os
import re
import struct
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from tuner.errors import ModelError, TunerError
from tuner.models import stored_formats
from tuner.system.untrusted import DEPTH, regular, shown, too_deep

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "U8": 1, "I8": 1, "BOOL": 1}
BYTES |= {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8}
DOCUMENT = 64 << 20  # bytes of one JSON file; the index of a model with 200,000 tensors has 20 MB
HEADER, HEADERS = 32 << 20, 64 << 20  # bytes of one weights file's header, and of all headers in a folder: about 500,000 tensors
SIDES = 16  # dimensions of a tensor
ENTRIES = 10_000  # files per folder that are listed
LABELS = 100_000  # label names


def names(folder: Path) -> set[str]:
    """Return the files of a model folder as a Hub repository lists them, down to one level of subfolders."""
    out: set[str] = set()
    for entry in islice(os.scandir(folder), ENTRIES):
        if entry.is_dir(follow_symlinks=False):
            out |= {f"{entry.name}/{e.name}" for e in islice(os.scandir(entry.path), ENTRIES)} if os.access(entry.path, os.R_OK) else set()
        out.add(entry.name)
    return out


def weights(folder: Path) -> list[Path]:
    """Return the safetensors files of the model in a folder; see `stored_formats.weights`."""
    return [folder / n for n in stored_formats.weights(p.name for p in folder.glob("*.safetensors"))]


def check_parts(folder: Path, found: list[Path], files: set[str]) -> None:
    """Raise ModelError for weights that are missing, incomplete or under names that transformers does not look for."""
    if not found:
        raise ModelError(
            f"{folder.name} has no weights.",
            asked=str(folder),
            available="*.safetensors files",
            remedy="Copy the weights (*.safetensors) into the folder.",
            field="model",
        )
    if missing := missing_shards(folder):
        raise ModelError(
            f"{folder.name} lacks {len(missing)} of its weights files, including {missing[0]}.",
            asked=str(folder),
            available="all files that model.safetensors.index.json names",
            remedy="Copy or download the missing files.",
            field="model",
        )
    stored_formats.check_names(files, folder.name, str(folder))
    _check_index(folder, found)


def _check_index(folder: Path, found: list[Path]) -> None:
    """Check that each tensor of the index is in its file; transformers would initialize a missing one at random."""
    listed = document(folder / "model.safetensors.index.json").get("weight_map") or {}
    if (folder / "model.safetensors").exists():
        return  # it is loaded instead of the shards
    there = {path.name: header(path) for path in found}
    if gone := next((t for t, file in listed.items() if t not in there.get(file, ())), None):
        raise wrong_file(folder / listed[gone], f"it does not contain {gone[:100]}, although the index says so", damaged=True)


def missing_shards(folder: Path) -> list[str]:
    """Return the weights files that the index lists and the folder lacks; ModelError for an invalid index."""
    listed = document(folder / "model.safetensors.index.json").get("weight_map") or {}
    if not isinstance(listed, dict) or not all(isinstance(f, str) and f == Path(f).name and len(f) < 256 for f in listed.values()):
        raise wrong_file(folder / "model.safetensors.index.json", 'its "weight_map" is not a list of files in the same folder')
    return sorted({f for f in listed.values() if "\0" in f or not (folder / f).exists()})


def has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists() or (folder / "chat_template.json").exists():
        return True
    return bool(document(folder / "tokenizer_config.json").get("chat_template"))


def count_parameters(weights: list[Path]) -> tuple[int, int]:
    """Return (parameters, bytes per weight) from the headers of safetensors files (8 bytes of length, then JSON)."""
    total, stored, read = 0, 0, 0
    for path in weights:
        tensors, size = _header(path)
        read += size
        if read > HEADERS:
            raise wrong_file(path, f"the headers in this folder are larger than {HEADERS >> 20} MB in total")
        for tensor in tensors.values():
            n = math.prod(tensor["shape"])
            total, stored = total + n, stored + n * BYTES.get(tensor["dtype"], 2)
    return total, max(1, round(stored / max(1, total)))


BESIDE = re.compile(  # tensors of vision, audio and drafting parts (mtp: transformers does not load these)
    r"(^|\.)(\w*(vision|visual|image|video|audio|speech|sound)\w*|multi_modal_projector|mm_projector|connector|aligner|projector|merger|qformer|perceiver|mtp)\."
)


def count_frozen(weights: list[Path]) -> int:
    """Return the parameters of a multimodal model outside of its language model, from the tensor names in the headers."""
    return sum(math.prod(t["shape"]) for path in weights for name, t in header(path).items() if BESIDE.search(name))


def header(path: Path) -> dict[str, Any]:
    """Return {tensor name: {"dtype", "shape", "data_offsets"}} of a safetensors file; ModelError where it does not match the file."""
    return _header(path)[0]


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return (tensors, bytes of the header)."""
    if not (total := regular_size(path)):
        raise wrong_file(path, "it is empty", damaged=True)
    try:
        with open(path, "rb") as f:
            (size,) = struct.unpack("<Q", f.read(8))
            if size > min(total - 8, HEADER):
                raise ValueError(f"its header claims {size:,} bytes, but the file has {total:,} and the limit is {HEADER:,}")
            tensors = orjson.loads(f.read(size))
        if not isinstance(tensors, dict):
            raise ValueError("its header is not a list of tensors")
        tensors.pop("__metadata__", None)
        for name, tensor in tensors.items():
            _check_tensor(name, tensor, total - 8 - size)
        if (room := total - 8 - size) < (claimed := sum(t["data_offsets"][1] - t["data_offsets"][0] for t in tensors.values())):
            raise ValueError(f"its tensors take {claimed:,} bytes, but the file holds {room:,}")
    except FOREIGN as error:
        raise wrong_file(path, str(error)[:200], damaged=True) from error
    return tensors, size


def _check_tensor(name: str, tensor: Any, room: int) -> None:
    """Raise ValueError for a tensor with an invalid shape, or one that does not match its bytes."""
    shape, (begin, end) = tensor["shape"], tensor["data_offsets"]
    if not isinstance(shape, list) or len(shape) > SIDES or not all(_whole(n) for n in (*shape, begin, end)):
        raise ValueError(f"the shape of {name[:80]} is not a list of whole numbers")
    if not begin <= end <= room:
        raise ValueError(f"{name[:80]} ends at byte {end:,}, but the file holds {room:,}")
    size, dtype = BYTES.get(tensor["dtype"]), tensor["dtype"]
    if not isinstance(dtype, str) or size and math.prod(shape) * size != end - begin or not size and math.prod(shape) > 8 * (end - begin):
        raise ValueError(f"{name[:80]} with the shape {shape} does not match its {end - begin:,} bytes")


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


# --- untrusted JSON ------------------------------------------------------------------------------------------------------------------

FOREIGN = (  # everything that a parser, or a document of an unexpected structure, can raise
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error),
    *(RecursionError, MemoryError, OSError),
)


def document(path: Path, most: int = DOCUMENT) -> dict[str, Any]:
    """Return the object in a JSON file of a model folder; {} without such a file.

    Raises ModelError, with the file's name and the problem, when it is not a regular file (a pipe), has more than `most` bytes, is not
    JSON, is not an object or is nested too deeply.
    """
    if not os.path.lexists(path):
        return {}
    if (size := regular_size(path)) > most:
        raise wrong_file(path, f"it has {size / 1e6:,.0f} MB; the limit is {most / 1e6:,.0f} MB")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FOREIGN as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200] or type(error).__name__
        raise wrong_file(path, why) from error
    if not isinstance(found, dict):
        raise wrong_file(path, "it is not a list of names and values")
    if too_deep(found):
        raise wrong_file(path, f"it is nested more than {DEPTH} levels deep")
    return found


def head(folder: Path) -> dict[str, Any]:
    """Return labels.json, which describes the trained head ("names", "problem"); {} without one, ModelError for invalid names."""
    about = document(folder / "labels.json")
    names = about.get("names")
    if names is not None and not (isinstance(names, list) and len(names) <= LABELS and all(isinstance(n, str) for n in names)):
        raise wrong_file(folder / "labels.json", f'its "names" are not a list of up to {LABELS:,} texts')
    return about


def regular_size(path: Path) -> int:
    """Return the size of a regular file; ModelError for a folder, a pipe, a device or an unreadable file."""
    try:
        return regular(path, available="a regular file").st_size
    except TunerError as error:
        raise wrong_file(path, error.message) from error


def wrong_file(path: Path, why: str, damaged: bool = False) -> ModelError:
    """Return the error for a model file that is damaged (weights) or can't be read (other files)."""
    name, folder = shown(path.name)[:100], shown(path.parent.name)[:100]
    return ModelError(
        f"The weights file {name} is damaged: {why}." if damaged else f"The {name} in {folder} can't be read: {why}".rstrip(".") + ".",
        asked=why[:120],
        available="complete safetensors files" if damaged else "files as save_pretrained writes them",
        remedy="Copy or download it again." if damaged else "Copy it again, or save the model again with save_pretrained.",
        field="model",
    )
