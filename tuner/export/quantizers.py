"""Types of a GGUF with fewer than 8 bits, which llama.cpp's own quantizer makes of a 16-bit one: what they are, and whether it is here. No torch.

The quantizer is a compiled program, and no part of the converter: that of the Python package `llama-cpp-python` (extra `gguf`), or
`llama-quantize` of an installed llama.cpp.
"""

import importlib.util
import shutil

from tuner.errors import RequestError

PACKAGE, PROGRAM = "llama_cpp", "llama-quantize"
TYPES = {  # name -> (what it is, bits per weight as measured by llama.cpp: tools/quantize/README.md)
    "q6_k": ("6-bit: close to q8_0, a fifth smaller.", 6.56),
    "q5_k_m": ("5-bit: a third smaller than q8_0.", 5.69),
    "q4_k_m": ("4-bit: half the size of q8_0; for a model that must fit into little memory.", 4.89),
}
BITS = {name: bits for name, (_, bits) in TYPES.items()}
COMMANDS = {"package": "pip install 'tunesmith[gguf]'", "brew": "brew install llama.cpp", "winget": "winget install llama.cpp"}


def found() -> str | None:
    """Return the quantizer of this computer: PACKAGE, the path of the program, or None."""
    return PACKAGE if importlib.util.find_spec(PACKAGE) else shutil.which(PROGRAM)


def require(quantize: str) -> None:
    """Raise RequestError for a type that needs the quantizer where there is none."""
    if quantize in TYPES and found() is None:
        raise RequestError(
            f"{quantize} is made by llama.cpp's own quantizer, which is not installed.",
            asked=quantize,
            available="q8_0 and f16, which need no other program",
            remedy="Install it: {package} (compiles for some minutes), or llama.cpp ({brew}, {winget}).".format(**COMMANDS),
            field="quantize",
        )
