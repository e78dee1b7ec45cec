"""The self-test of an export: the answers before it against those of what was exported, in the runtimes that are here.

Each runtime is a process of its own. llama.cpp decides where it is installed (extra `gguf`); without it transformers reads the file back, which
shows that weights, tokenizer and settings are right, but not that llama.cpp runs them so; the verdict says which it was.
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
INSTALL = "pip install 'tunesmith[gguf]' (compiles for some minutes)"


def gguf(file: Path, model: Path, questions: list[str], objective: str, kind: str) -> dict[str, Any]:
    """Return the check of a GGUF against the `model` folder it was made from. ModelError when its answers are others."""
    if objective not in ("chat", "preference", "rated", "text"):
        return {"kind": "tensors of the file against the merged model", "passed": True}
    chat = objective != "text"
    loaded = load.base_model(model, "fp32", "cpu", objective="chat").eval()
    asked = probes.ask(loaded, load.tokenizer(model), probes.prompts(questions), chat)
    del loaded
    verdicts = [verdict for runtime in here() if (verdict := answered(file, asked, runtime, kind)) is not None]
    for verdict in verdicts:
        if not verdict.passed:
            raise ModelError(
                f"The GGUF does not answer like the model it was made from ({verdict.runtime}): {verdict.reason}",
                asked=file.name,
                available=f"first choice equal at {verdict.top1_agreement:.1%} of the tokens, divergence {verdict.kl:.4f} nats",
                remedy="Export as f16, or the merged model.",
            )
    return {"kind": "answers of the GGUF against the merged model"} | verdicts[0].as_dict()


def here() -> list[str]:
    """Return the runtimes on this computer, the target's own first."""
    return ["llama.cpp"] if importlib.util.find_spec("llama_cpp") else ["transformers"]


def answered(file: Path, asked: list[dict[str, Any]], runtime: str, kind: str) -> probes.Verdict:
    """Have a runtime answer the probes in its own process, and judge it. ModelError when it can't load the file."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-probes-") as place:
        request, out = Path(place) / "request.json", Path(place) / "answers.json"
        paths.write_json(Path(place) / "probes.json", asked)
        paths.write_json(request, {"file": str(file), "probes": str(Path(place) / "probes.json"), "out": str(out)})
        done = subprocess.run([sys.executable, "-m", RUNTIMES[runtime], str(request)], capture_output=True, text=True, errors="replace")
        print(done.stderr, file=sys.stderr, flush=True)  # into the log of the export
        if done.returncode or not out.is_file():
            said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]
            raise ModelError(
                f"{runtime} can't load the exported file: {said}",
                asked=file.name,
                available="the merged model or the adapter",
                remedy="Export the merged model or the adapter.",
            )
        return probes.compare(asked, paths.read_json(out), runtime, kind)
