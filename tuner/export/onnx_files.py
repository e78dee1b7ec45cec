"""ONNX of models that label or score: which runs, and whether what makes it is installed (extra `onnx`). No torch."""

import importlib.util

from tuner.errors import RequestError

OBJECTIVES = ("classification", "regression", "tokens", "qa")
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INSTALL = "pip install 'tunesmith[onnx]'"
KIND = "outputs in ONNX Runtime against the tuned model"
FILE = "model.onnx"


def missing() -> list[str]:
    """Return the packages that are not installed."""
    return [name for name in PACKAGES if not importlib.util.find_spec(name)]


def require() -> None:
    """Raise RequestError where ONNX can't be made on this computer."""
    if found := missing():
        raise RequestError(
            f"ONNX needs {', '.join(found)}, which {'is' if len(found) == 1 else 'are'} not installed.",
            asked="onnx",
            available="merged, which needs nothing more",
            remedy=f"Install it: {INSTALL}",
            field="to",
        )
