"""Verify an export that was made anywhere, against the model it was made from: the self-test alone."""

from pathlib import Path
from typing import Any

from tuner.errors import ModelError
from tuner.models import model_files
from tuner.workers.exporting import probes, self_test
from tuner.workers.exporting.gguf import Tell
from tuner.workers.exporting.gguf_quantize import type_of
from tuner.workers.modelling import load

KIND = "answers of the export against the model it was made from"
TYPES = {"all_f32": "f16", "f16": "f16", "bf16": "bf16", "q8_0": "q8_0"}  # of a GGUF -> its limits
DTYPES = {"float32": "fp32", "float16": "f16", "bfloat16": "bf16"}


def verify(folder: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Return the check. `request`: "base", "adapter" (or None) and "export": folders, or a GGUF; it is not passed where the answers are others."""
    base, export = load.local_folder(request["base"]), Path(request["export"])
    adapter = Path(request["adapter"]) if request.get("adapter") else None
    if reason := self_test.too_large(base):
        raise ModelError(
            f"{base.name} can't be loaded: {reason}",
            asked=str(base),
            available="a smaller model",
            remedy="Use a computer with more memory.",
        )
    tell("Asking the model it was made from.")
    tokenizer = load.tokenizer(adapter or base)
    asked = self_test.asked_of(base, adapter, "fp32", request.get("questions") or [], bool(tokenizer.chat_template))
    tell("Asking the export.")
    if export.is_file():
        limit, found = TYPES.get(type_of(export), "small"), None
        tested = self_test.of_gguf(export, asked, limit)
        if isinstance(tested, str):
            return self_test.untested(tested)
        verdict, note = tested
        return {"kind": KIND, "limit": limit} | verdict.as_dict() | ({"note": note} if note else {})
    limit = _limit(export, base)
    found = self_test.answered(export, asked, "transformers")
    if isinstance(found, str):
        return self_test.untested(found)
    return {"kind": KIND, "limit": limit} | probes.compare(asked, found, "transformers", limit).as_dict()


def _limit(export: Path, base: Path) -> str:
    """Return the limits of a folder: an adapter is exact, a merged model is rounded to the dtype it is stored in."""
    if (export / "adapter_config.json").is_file():
        return "fp32"
    stored = {t["dtype"] for file in model_files.weights(export) for t in model_files.header(file).values()}
    return "bf16" if "BF16" in stored else "f16" if "F16" in stored else "fp32"
