"""Answer probes with an export in transformers: `python -m tuner.workers.exporting.probe_transformers REQUEST.json`.

REQUEST: {"file": a GGUF, whose weights are turned back, or the folder of a model or adapter; "probes": file, "out": file, "dtype"}. A process of its
own: it loads what a stranger would load.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuner import paths
from tuner.models import model_files
from tuner.workers.exporting import asking
from tuner.workers.modelling import load


def opened(place: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return (model, tokenizer) of a GGUF, or of the folder of a model or an adapter."""
    if place.is_file():
        model = AutoModelForCausalLM.from_pretrained(place.parent, gguf_file=place.name, dtype=dtype)
        return model, AutoTokenizer.from_pretrained(place.parent, gguf_file=place.name)
    tokenizer = AutoTokenizer.from_pretrained(place)
    if not (place / "adapter_config.json").is_file():
        return AutoModelForCausalLM.from_pretrained(place, dtype=dtype, use_safetensors=True), tokenizer
    named = model_files.document(place / "adapter_config.json")["base_model_name_or_path"]
    base = place / named if (place / named).is_dir() else named
    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=dtype, use_safetensors=True), str(place)), tokenizer


def main(request: dict[str, Any]) -> None:
    load.use_cores()
    model, tokenizer = opened(Path(request["file"]), getattr(torch, request["dtype"]))
    paths.write_json(Path(request["out"]), asking.answer(model.eval(), tokenizer, paths.read_json(Path(request["probes"]))))


if __name__ == "__main__":
    main(paths.read_json(Path(sys.argv[1])))
