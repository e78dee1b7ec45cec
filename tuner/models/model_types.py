"""The model types (`model_type`) of the installed transformers, and which of them can be trained here.

transformers' own lists are read as text, because importing them imports torch. A test checks all of them.
"""

import ast
import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tuner import paths

LISTS = {  # family: transformers' list of the model types with such a class
    "decoder": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "encoder-decoder": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "encoder": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "multimodal": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "sound": "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES",
}
MULTIMODAL = "AutoModelForMultimodalLM"  # the class for the last two


@cache
def decisions() -> dict[str, str | None]:
    """Return {model_type: the reason why it is refused, or None when it is supported} from presets/kinds.yaml."""
    read = yaml.safe_load((paths.PRESETS / "kinds.yaml").read_text(encoding="utf-8"))
    refused = {kind: entry["because"] for entry in read["refused"] for kind in entry["kinds"]}
    return dict.fromkeys((kind for kinds in read["works"].values() for kind in kinds), None) | refused


def family(kind: str) -> str | None:
    """Return decoder, encoder or encoder-decoder, by the class that transformers has for this type; None without one that reads text."""
    return next((f for f in ("encoder-decoder", "encoder", "decoder") if kind in installed().get(f, ())), None)


@cache
def installed() -> dict[str, dict[str, str]]:
    """Return {family: {model_type: class}}, and under "all" every type with a configuration; {} when transformers is not installed."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        return {}
    auto = Path(spec.origin).parent / "models" / "auto"
    found = _assigned(auto / "modeling_auto.py", LISTS.values())
    every = _assigned(auto / "auto_mappings.py", ["CONFIG_MAPPING_NAMES"])
    return {family: found.get(name, {}) for family, name in LISTS.items()} | {"all": every.get("CONFIG_MAPPING_NAMES", {})}


def _assigned(file: Path, names) -> dict[str, dict[str, str]]:
    """Return {name: {key: value}} for assigned lists of pairs in a module's source, without running it; only constant values."""
    if not file.is_file():
        return {}
    wanted, out = set(names), {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name) and target.id in wanted:
                out[target.id] = dict(_pairs(node.value))
    return out


def _pairs(node: ast.AST):
    for inner in ast.walk(node):
        if isinstance(inner, ast.Tuple) and len(inner.elts) == 2 and all(isinstance(e, ast.Constant) for e in inner.elts):
            yield inner.elts[0].value, inner.elts[1].value
        if isinstance(inner, ast.Dict):
            yield from ((k.value, v.value) for k, v in zip(inner.keys, inner.values, strict=True) if _plain(k) and _plain(v))


def _plain(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant)


def is_multimodal(kind: object) -> bool:
    """Return whether models of this type read images or audio besides text."""
    lists = installed()
    return kind in lists.get("multimodal", ()) or kind in lists.get("sound", ())


def outer(config: dict[str, Any]) -> str:
    """Return the model_type of a multimodal model from its complete config.json; "" for a plain language model."""
    kind = config.get("model_type")
    return kind if isinstance(kind, str) and is_multimodal(kind) and not config.get("is_encoder_decoder") else ""


def known(kind: str) -> bool:
    """Return whether the installed transformers has this model_type; True when transformers is not installed."""
    every = installed().get("all")
    return not every or kind in every or any(kind in kinds for family, kinds in installed().items() if family != "all")


@cache
def version() -> str:
    return importlib.metadata.version("transformers") if importlib.util.find_spec("transformers") else "(not installed)"
