"""Which kinds of models (`model_type`) the installed transformers has, and which of them are trained here: the rule, and the exceptions.

transformers' own lists are read as text, for importing them brings torch along. A test walks through all of them.
"""

import ast
import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tuner import paths

LISTS = {  # family: transformers' list of the kinds that have such a class
    "decoder": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "encoder-decoder": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "encoder": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "multimodal": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "sound": "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES",
}
MULTIMODAL = "AutoModelForMultimodalLM"  # transformers' class for both of the last


@cache
def decisions() -> dict[str, str | None]:
    """{kind: why it is refused, or None where it is trained here}, of presets/kinds.yaml."""
    read = yaml.safe_load((paths.PRESETS / "kinds.yaml").read_text(encoding="utf-8"))
    refused = {kind: told["because"] for told in read["refused"] for kind in told["kinds"]}
    return dict.fromkeys((kind for kinds in read["works"].values() for kind in kinds), None) | refused


def family(kind: str) -> str | None:
    """decoder, encoder or encoder-decoder, by the class that transformers has for this kind; None where it has none that reads text."""
    return next((f for f in ("encoder-decoder", "encoder", "decoder") if kind in installed().get(f, ())), None)


@cache
def installed() -> dict[str, dict[str, str]]:
    """{family: {kind: class}}, and under "all" every kind that transformers has a configuration for; {} where transformers is not installed."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        return {}
    auto = Path(spec.origin).parent / "models" / "auto"
    found = _assigned(auto / "modeling_auto.py", LISTS.values())
    every = _assigned(auto / "auto_mappings.py", ["CONFIG_MAPPING_NAMES"])
    return {family: found.get(name, {}) for family, name in LISTS.items()} | {"all": every.get("CONFIG_MAPPING_NAMES", {})}


def _assigned(file: Path, names) -> dict[str, dict[str, str]]:
    """{name: {key: value}} of lists of pairs in a module's text, without running it; values that are no plain text are left out."""
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
    """Whether models of this kind see or hear beside a language model that writes."""
    lists = installed()
    return kind in lists.get("multimodal", ()) or kind in lists.get("sound", ())


def outer(config: dict[str, Any]) -> str:
    """The kind of a multimodal model, by the whole of its config.json; "" for a plain one."""
    kind = config.get("model_type")
    return kind if isinstance(kind, str) and is_multimodal(kind) and not config.get("is_encoder_decoder") else ""


def known(kind: str) -> bool:
    """Whether the installed transformers has this kind; True where there is none to ask."""
    every = installed().get("all")
    return not every or kind in every or any(kind in kinds for family, kinds in installed().items() if family != "all")


@cache
def version() -> str:
    return importlib.metadata.version("transformers") if importlib.util.find_spec("transformers") else "(not installed)"
