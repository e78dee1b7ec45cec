"""The self-test of an export: the answers before it against those of what was exported.

Each runtime is a process of its own. llama.cpp decides where it is installed (extra `gguf`); without it transformers reads the file back, which
shows that weights, tokenizer and settings are right, but not that llama.cpp runs them so; the verdict says which it was. A runtime that crashes is
no verdict on the file: the next one tests it, and where none can, the export says that it is not tested.
"""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import ModelError
from tuner.workers.exporting import probes
from tuner.workers.modelling import load

RUNTIMES = {"llama.cpp": "tuner.workers.exporting.probe_llama_cpp", "transformers": "tuner.workers.exporting.probe_transformers"}
INSTALL = "To have it tested in llama.cpp itself: pip install 'tunesmith[gguf]', which compiles for some minutes."


TESTED, UNTESTED = "answers of the GGUF against the merged model", "not tested"  # kinds of check


def gguf(file: Path, model: Path, questions: list[str], chat: bool, kind: str) -> dict[str, Any]:
    """Return the check of a GGUF against the `model` folder it was made from. ModelError when its answers are others."""
    loaded = load.base_model(model, "fp32", "cpu", objective="chat").eval()
    asked = probes.ask(loaded, load.tokenizer(model), probes.prompts(questions), chat)
    del loaded
    notes = []
    for runtime in runtimes():
        found = answered(file, asked, runtime)
        if isinstance(found, str):  # it crashed, or can't read this kind of file
            notes.append(found)
            continue
        verdict = probes.compare(asked, found, runtime, kind)
        if not verdict.passed:
            raise _other(file, verdict)
        notes += [] if runtime == "llama.cpp" or notes else [INSTALL]
        return {"kind": TESTED} | verdict.as_dict() | ({"note": " ".join(notes)} if notes else {})
    return {"kind": UNTESTED, "passed": None, "runtime": None, "reason": " ".join(notes)}


def runtimes() -> list[str]:
    """Return what can test a GGUF here, its own runtime first."""
    return [*(["llama.cpp"] if importlib.util.find_spec("llama_cpp") else []), "transformers"]


def answered(file: Path, asked: list[dict[str, Any]], runtime: str) -> list[dict[str, Any]] | str:
    """Return the answers of a runtime, given in a process of its own; or why it gives none. ModelError when llama.cpp refuses the file."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-probes-") as place:
        request, out = Path(place) / "request.json", Path(place) / "answers.json"
        paths.write_json(Path(place) / "probes.json", asked)
        paths.write_json(request, {"file": str(file), "probes": str(Path(place) / "probes.json"), "out": str(out)})
        done = subprocess.run([sys.executable, "-m", RUNTIMES[runtime], str(request)], capture_output=True, text=True, errors="replace")
        print(done.stderr, file=sys.stderr, flush=True)  # into the log of the export
        if done.returncode == 0 and out.is_file():
            return paths.read_json(out)
        said = (done.stderr.strip().splitlines() or [""])[-1][:300]
        if done.returncode < 0:
            return f"{runtime} crashed on this computer (signal {-done.returncode}), so it could not test the file."
        if runtime != "llama.cpp":
            return f"{runtime} can't read this GGUF: {said}"
        raise ModelError(
            f"llama.cpp can't load the exported file: {said}",
            asked=file.name,
            available="the merged model or the adapter",
            remedy="Export the merged model or the adapter.",
        )


def _other(file: Path, verdict: probes.Verdict) -> ModelError:
    return ModelError(
        f"The GGUF does not answer like the model it was made from ({verdict.runtime}): {verdict.reason}",
        asked=file.name,
        available=f"first choice equal at {verdict.top1_agreement:.1%} of the tokens, divergence {verdict.kl:.4f} nats",
        remedy="Export as f16, or the merged model.",
    )
