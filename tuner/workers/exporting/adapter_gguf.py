"""A LoRA adapter as GGUF, by llama.cpp's own converter (`convert_lora_to_gguf.py`): for `llama-server -m BASE.gguf --lora ADAPTER.gguf`.

The update of each layer is read back and its size compared with the run's: a wrong scale or half an adapter would change the answers in silence. It is not
asked in llama.cpp, which would need the base model as GGUF beside it.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from safetensors.torch import load_file

from tuner.errors import ModelError
from tuner.export import converter
from tuner.models import model_files
from tuner.workers.exporting import gguf
from tuner.workers.modelling import load

KIND = "weights of the adapter read back from the GGUF"
MOST = 1e-3  # relative difference of a layer's update, of numbers with 16 bits


def export(folder: Path, request: dict[str, Any], tell: gguf.Tell) -> dict[str, Any]:
    """Write `<name>-lora.gguf` into `folder` and return the check."""
    tools = converter.fetch(Path(request["tools"]), tell)
    base, adapter = load.local_folder(request["base"]), Path(request["run"]) / "model"
    gguf.refuse_unknown(model_files.document(base / "config.json"), converter.architectures(tools))
    whole = folder / "model"
    shutil.copytree(adapter, whole)
    try:
        _plain_scale(whole)
        file = folder / f"{request['name']}-lora.gguf"
        tell("Converting the adapter to GGUF.")
        gguf.convert(tools, whole, file, request | {"quantize": "f16", "adapter_of": str(base)})
        tell("Comparing its weights with those of the run.")
        return {"file": file.name, "kind": KIND, "passed": True} | compared(file, adapter)
    finally:
        shutil.rmtree(whole, ignore_errors=True)


def _plain_scale(adapter: Path) -> None:
    """Write the scale of rank-stabilized LoRA as the plain one that llama.cpp computes (alpha / r)."""
    config = model_files.document(adapter / "adapter_config.json")
    if config.get("use_rslora"):
        config |= {"use_rslora": False, "lora_alpha": config["lora_alpha"] * math.sqrt(config["r"])}
        (adapter / "adapter_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def compared(file: Path, adapter: Path) -> dict[str, Any]:
    """Return how far the updates of the layers in a GGUF are from those of the run. ModelError when they are others."""
    found, config = GGUFReader(file), model_files.document(adapter / "adapter_config.json")
    scale = config["lora_alpha"] / (math.sqrt(config["r"]) if config.get("use_rslora") else config["r"])
    alpha = float(found.fields["adapter.lora.alpha"].contents())
    there = {t.name: t.data.astype(np.float32) for t in found.tensors}
    kept = {name: t.float().numpy() for name, t in load_file(adapter / "adapter_model.safetensors").items()}
    ours = sorted(_norm(kept[n.replace("lora_A", "lora_B")], t) * scale for n, t in kept.items() if ".lora_A." in n)
    pairs = [(there[n.removesuffix("a") + "b"], t) for n, t in there.items() if n.endswith(".lora_a")]
    theirs = sorted(_norm(b, a) * alpha / a.shape[0] for b, a in pairs)
    far = max((abs(x - y) / max(x, 1e-12) for x, y in zip(ours, theirs, strict=False) if x > 1e-9), default=0.0)
    if len(ours) != len(theirs) or not far <= MOST:
        raise ModelError(
            "The adapter in the GGUF is not the one that was trained.",
            asked=f"{len(ours)} layers, a relative difference up to {MOST}",
            available=f"{len(theirs)} layers, {far:.4f}",
            remedy="Export the adapter, or the whole model as gguf.",
        )
    return {
        "tensors": len(there),
        "layers": len(theirs),
        "difference": float(far),
        "types": sorted({t.tensor_type.name for t in found.tensors}),
    }


def _norm(b: np.ndarray, a: np.ndarray) -> float:
    """Return the Frobenius norm of B A, by the small matrices: the product of a large layer is not needed. Llama's converter reorders rows of Q and K,
    which leaves it."""
    return float(np.sqrt(max(0.0, np.sum((b.T @ b) * (a @ a.T)))))
