"""The self-test of an export: the answers before it against those of what was exported.

Each runtime is a process of its own. llama.cpp decides on a GGUF where it is installed (extra `gguf`); without it transformers reads the file back,
which shows that weights, tokenizer and settings are right, but not that llama.cpp runs them so; the verdict says which it was. A runtime that crashes
is no verdict on the file: the next one tests it, and where none can, the export says that it is not tested.
"""

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import psutil

from tuner import paths
from tuner.errors import ModelError
from tuner.formatting import human_bytes
from tuner.models import mixed_precision, model_files
from tuner.workers.exporting import asking, fresh_process, probes
from tuner.workers.modelling import load, peft_methods

RUNTIMES = {"llama.cpp": "tuner.workers.exporting.probe_llama_cpp", "transformers": "tuner.workers.exporting.probe_transformers"}
INSTALL = "To have it tested in llama.cpp itself: pip install 'tunesmith[gguf]', which compiles for some minutes."
TESTED, UNTESTED = "answers of the GGUF against the tuned model", "not tested"  # kinds of check
MERGED = "answers of the merged model against the tuned model"


Asked = list[dict[str, Any]] | str  # the probes with the answers of the model before its export, or why it can't be asked


def gguf(file: Path, asked: Asked, limit: str) -> dict[str, Any]:
    """Return the check of a GGUF against the answers of the model it was made from. ModelError when its answers are others."""
    found = asked if isinstance(asked, str) else of_gguf(file, asked, limit)
    if isinstance(found, str):
        return untested(found)
    verdict, note = found
    if not verdict.passed:
        raise _other("GGUF", file.name, verdict, "Export as f16, or the merged model.")
    return {"kind": TESTED} | verdict.as_dict() | ({"note": note} if note else {})


def rounded(file: Path, asked: Asked, before: dict[str, Any]) -> dict[str, Any]:
    """Return the check of a GGUF with fewer than 8 bits, made of one that has passed (its check: `before`).

    What differs now is what rounding costs. Answers that differ visibly are no fault of the file: it is not refused, the check says `passed`
    false. ModelError only where the prompts are split into other tokens.
    """
    found = asked if isinstance(asked, str) else of_gguf(file, asked, "small")
    if isinstance(found, str):
        return untested(found)
    verdict, note = found
    if verdict.prompt_ids_equal < 1:
        raise _other("GGUF", file.name, verdict, "Export as q8_0.")
    same = {name: before.get(name) for name in ("top1_agreement", "kl")}
    return {"kind": TESTED} | verdict.as_dict() | {"before_rounding": same} | ({"note": note} if note else {})


def merged(folder: Path, base: Path, run: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Return the check of a merged model in `folder` against its base model with the adapter in `run`. ModelError when its answers are others."""
    precision, found = "fp32" if request["precision"] == "fp16" else request["precision"], too_large(folder)
    if not found:
        asked = asked_of(base, run, precision, request.get("questions") or [], request.get("objective", "chat") != "text")
        found = answered(folder, asked, "transformers", mixed_precision.TORCH[precision])
    if isinstance(found, str):
        return untested(found)
    verdict = probes.compare(asked, found, "transformers", "f16" if request["precision"] == "fp16" else precision)
    if not verdict.passed:
        raise _other("merged model", folder.name, verdict, "Export the adapter instead; it is exact.")
    return {"kind": MERGED} | verdict.as_dict()


def untested(reason: str) -> dict[str, Any]:
    """Return the check of an export that nothing here can test."""
    return {"kind": UNTESTED, "passed": None, "runtime": None, "reason": reason}


def asked_of(base: Path, adapter: Path | None, precision: str, questions: list[str], chat: bool) -> list[dict[str, Any]]:
    """Return the probes: the answers of a model, or of a base model with an adapter or trained layers."""
    load.use_cores()
    whole = adapter is not None and peft_methods.kind(adapter) == "whole"
    model = load.base_model(adapter if whole else base, precision, "cpu", objective="chat")
    if adapter is not None and not whole:
        model = peft_methods.load_saved(model, adapter)
    return asking.ask(model.eval(), load.tokenizer(adapter or base), probes.prompts(questions), chat)


def of_gguf(file: Path, asked: list[dict[str, Any]], limit: str) -> tuple[probes.Verdict, str] | str:
    """Return (verdict, note) of the first runtime that can test a GGUF, or why none can."""
    notes: list[str] = []
    for runtime in runtimes():
        found = answered(file, asked, runtime)
        if isinstance(found, str):  # it crashed, or can't read this kind of file
            notes.append(found)
            continue
        notes += [] if runtime == "llama.cpp" or notes else [INSTALL]
        return probes.compare(asked, found, runtime, limit), " ".join(notes)
    return " ".join(notes)


def runtimes() -> list[str]:
    """Return what can test a GGUF here, its own runtime first."""
    return [*(["llama.cpp"] if importlib.util.find_spec("llama_cpp") else []), "transformers"]


def too_large(folder: Path) -> str | None:
    """Return why a model can't be loaded for a test on this computer; None when its memory holds it."""
    weights = sum(f.stat().st_size for f in model_files.weights(folder))
    free = psutil.virtual_memory().available
    if weights * 1.2 <= free:
        return None
    return f"its weights take {human_bytes(weights)}, and this computer has {human_bytes(free)} of memory free."


def answered(place: Path, asked: list[dict[str, Any]], runtime: str, dtype: str = "float32") -> list[dict[str, Any]] | str:
    """Return the answers of a runtime, given in a process of its own; or why it gives none. ModelError when llama.cpp refuses the file."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-probes-") as scratch:
        request, out = Path(scratch) / "request.json", Path(scratch) / "answers.json"
        paths.write_json(Path(scratch) / "probes.json", asked)
        paths.write_json(request, {"file": str(place), "probes": str(Path(scratch) / "probes.json"), "out": str(out), "dtype": dtype})
        code, said = fresh_process.run(RUNTIMES[runtime], str(request))
        if code == 0 and out.is_file():
            return paths.read_json(out)
        if code < 0:
            return f"{runtime} crashed on this computer (signal {-code}), so it could not test the file."
        if runtime != "llama.cpp":
            return f"{runtime} can't read this {'GGUF' if place.is_file() else 'model'}: {said}"
        raise ModelError(
            f"llama.cpp can't load the exported file: {said}",
            asked=place.name,
            available="the merged model or the adapter",
            remedy="Export the merged model or the adapter.",
        )


def _other(what: str, name: str, verdict: probes.Verdict, remedy: str) -> ModelError:
    return ModelError(
        f"The {what} does not answer like the model it was made from ({verdict.runtime}): {verdict.reason}",
        asked=name,
        available=f"first choice equal at {verdict.top1_agreement:.1%} of the tokens, divergence {verdict.kl:.4f} nats",
        remedy=remedy,
    )
