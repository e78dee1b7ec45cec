"""The size of an export before it is made, from the headers of the weights on disk.

A merged model is saved in the precision in which it was trained: on a CPU fp32, twice the bytes of a base model that is stored in bf16.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from tuner import models, paths, runs
from tuner.errors import TunerError
from tuner.export import quantizers
from tuner.models import model_files, stored_formats
from tuner.settings import methods, objectives
from tuner.settings.run_config import Settings

SHIP_BASE = 64_000_000  # bytes; a base model up to this size is exported with its adapter
NOT_SHIPPED = ("*.md", ".*")  # files of a base model that stay behind
BYTES = {"f16": 2.0, "q8_0": 34 / 32} | {
    name: bits / 8 for name, bits in quantizers.BITS.items()
}  # q8_0 has a scale of 2 bytes for 32 weights
WHOLE_GGUF = ("gguf", "ollama")
CONFIGS, ROW = ("script", "llamafactory", "axolotl"), 1_000  # bytes of a row of data, about
TENSOR = 100  # bytes with which a GGUF describes a tensor, about
WRITTEN = 8_000  # bytes of the card, config.json and tunesmith.json, which are written anew
OUTPUT = ("lm_head.", "cls.", "embed_out.")  # the output layer of a language model, which another head replaces
PARTS = (
    "lora_",
    "ia3_",
    ".vera_",
    ".oft_",
    "adapter_",
    "prompt_",
)  # in the names of an adapter's tensors; the others are layers of the model


def needed(run: runs.Run, kind: str, quantize: str = "q8_0") -> int:
    """Return the bytes of disk that making an export takes: a GGUF is made of a merged model, a quantized one of a GGUF in f16, both removed then."""
    before = [estimate(run, "merged")] if kind in WHOLE_GGUF else []
    before += [estimate(run, kind, "f16")] if before and quantize in quantizers.TYPES else []
    return estimate(run, kind, quantize) + sum(before)


def estimate(run: runs.Run, kind: str, quantize: str = "q8_0") -> int:
    """Return the size of an export of this kind in bytes. `quantize`: the type of a GGUF."""
    trained = run.path / "model"
    if kind in CONFIGS:
        return run.plan.get("data", {}).get("rows", 0) * ROW + WRITTEN + (_beside_script(run) if kind == "script" else 0)
    if kind == "onnx":
        return _merged_parameters(run) * 4 + _vocabulary(run) * 2 + WRITTEN
    if kind == "space":  # what it has, if it is possible at all; see `space.part`
        whole = run.plan["model"]["kind"] != "hub" and not shipped_base(run)
        return estimate(run, "merged" if whole or not methods.is_peft(run.plan["settings"]["method"]) else "adapter") + WRITTEN
    if kind == "adapter-gguf":
        trained = [n for file in sorted(trained.glob("adapter_model*.safetensors")) for _, n in _tensors([file])]
        return 2 * sum(trained) + TENSOR * len(trained) + WRITTEN
    if kind in WHOLE_GGUF:
        return int(_merged_parameters(run) * BYTES[quantize]) + _vocabulary(run) + WRITTEN
    if kind == "adapter":
        base = shipped_base(run)
        return paths.folder_bytes(trained) + WRITTEN + (_shipped_bytes(base) if base else 0)
    if Settings.from_json(run.plan["settings"]).method == "full":
        return paths.folder_bytes(trained) + WRITTEN
    beside = sum(f.stat().st_size for f in trained.rglob("*") if f.is_file() and f.suffix not in (".safetensors", ".py"))
    return _merged_parameters(run) * merged_width(run) + beside + WRITTEN


def shipped_base(run: runs.Run) -> Path | None:
    """Return the base model that is exported with the adapter: a small one in a local folder, which can't be downloaded elsewhere."""
    about = run.plan["model"]
    folder = Path(about["base"])
    return folder if about["kind"] != "hub" and folder.is_dir() and paths.folder_bytes(folder) <= SHIP_BASE else None


def _beside_script(run: runs.Run) -> int:
    """Return the bytes of the tokenizer and of a small base model, which a script has in its folder."""
    base = shipped_base(run)
    tokenizer = run.path / "model" / "tokenizer.json"
    return (_shipped_bytes(base) if base else 0) + (tokenizer.stat().st_size if tokenizer.is_file() else 0)


def _shipped_bytes(base: Path) -> int:
    return sum(f.stat().st_size for f in base.rglob("*") if f.is_file() and not any(f.match(pattern) for pattern in NOT_SHIPPED))


def _vocabulary(run: runs.Run) -> int:
    """Return about how many bytes the vocabulary takes within a GGUF: half of tokenizer.json, which names each token and merge in JSON."""
    file = run.path / "model" / "tokenizer.json"
    return file.stat().st_size // 2 if file.is_file() else 0


def merged_width(run: runs.Run) -> int:
    """Return the bytes of a weight of the merged model: see `workers.exporting.merge`."""
    precision = Settings.from_json(run.plan["settings"]).precision
    if precision == "fp16":  # merged on the CPU in fp32, and saved in the dtype of its base
        return 2 if run.plan["model"]["bytes_per_weight"] == 2 else 4
    return 4 if precision == "fp32" else 2


def _merged_parameters(run: runs.Run) -> int:
    """Return how many numbers the merged model stores: those of its base, with the trained head in the place of its output layer."""
    settings, folder = Settings.from_json(run.plan["settings"]), models.base_folder(run.plan["model"]["base"])
    found = model_files.weights(folder) if folder else []
    config = model_files.document(folder / "config.json") if folder else {}
    if not found or stored_formats.quantization(config):  # not on this computer; or its headers count packed bytes
        return run.plan["total_parameters"]
    tied = models.folder_facts(folder).tied
    headed = objectives.get(settings.objective).task not in ("CAUSAL_LM", "SEQ_2_SEQ_LM")
    base = sum(n for name, n in _tensors(found) if not ((headed or tied) and name.startswith(OUTPUT)))
    return base + _new_layers(run, headed, tied)


def _new_layers(run: runs.Run, headed: bool, tied: bool) -> int:
    """Return the size of layers that the base model does not have: a trained head, or an output layer that no longer shares its weights."""
    method = Settings.from_json(run.plan["settings"]).method
    if not methods.is_peft(method) or not (headed or tied):
        return 0
    try:
        trained = list(_tensors(sorted((run.path / "model").glob("adapter_model*.safetensors"))))
    except TunerError:
        return 0  # damaged, which the export itself reports
    return sum(n for name, n in trained if not any(p in name for p in PARTS) and (headed or "lm_head" in name))


def _tensors(files: list[Path]) -> Iterator[tuple[str, int]]:
    """Yield (name, number of values) of each tensor in safetensors files."""
    for file in files:
        for name, tensor in models.header(file).items():
            yield name, math.prod(tensor["shape"])
