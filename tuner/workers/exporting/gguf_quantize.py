"""Quantize a GGUF by llama.cpp: `python -m tuner.workers.exporting.gguf_quantize SOURCE OUT TYPE` by its Python package, in a process of its own,
for compiled code may crash; or by its program `llama-quantize` (`tuner/export/quantizers.py`).
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from gguf import GGUFReader
from gguf.constants import LlamaFileType

from tuner.errors import WorkError
from tuner.export import quantizers

MODULE = "tuner.workers.exporting.gguf_quantize"


def quantize(source: Path, out: Path, type: str) -> None:
    """Write `source`, a 16-bit GGUF, as `type` (of `quantizers.TYPES`) to `out`. WorkError with what the quantizer said, or when it made another type."""
    how = quantizers.found()
    command = [sys.executable, "-m", MODULE] if how == quantizers.PACKAGE else [str(how)]
    done = subprocess.run(
        [*command, str(source), str(out), type], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    print(done.stdout, done.stderr, file=sys.stderr, flush=True)  # into the log of the export
    if done.returncode < 0:
        raise _failed(type, f"it crashed (signal {-done.returncode})")
    if done.returncode or not out.is_file():
        raise _failed(type, (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["nothing"])[-1][:300])
    if (made := type_of(out)) != type:
        raise _failed(type, f"it made {made or 'a file without a type'}")


def type_of(file: Path) -> str:
    """Return the type of a GGUF's weights as it is written here (q4_k_m, f16, all_f32); empty where the file does not say."""
    field = GGUFReader(file).fields.get("general.file_type")
    return LlamaFileType(int(field.contents())).name.lower().removeprefix("mostly_") if field else ""


def _failed(type: str, said: str) -> WorkError:
    return WorkError(
        f"llama.cpp's quantizer could not make {type}: {said}",
        asked=type,
        available="q8_0 and f16, which the converter makes itself",
        remedy="Export as q8_0.",
        field="quantize",
    )


def by_package(source: str, out: str, type: str) -> int:
    """Quantize by the Python package. Returns the exit code: that of llama.cpp."""
    import llama_cpp

    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype = LlamaFileType[f"MOSTLY_{type.upper()}"].value
    how.nthread = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(out), ctypes.byref(how))


if __name__ == "__main__":
    sys.exit(by_package(*sys.argv[1:]))
