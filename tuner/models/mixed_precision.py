"""fp16 for cards without bf16 (before NVIDIA's Ampere: T4, V100, GTX): what it means, and for which models it breaks.

`precision: fp16` is mixed precision (Micikevicius et al. 2018, arXiv:1710.03740): matrix products in fp16, trained weights in fp32, and a
loss scaler that keeps small gradients from vanishing. A frozen base model is loaded in fp16; trained weights stay in fp32.
"""

from tuner.devices import Device
from tuner.models.facts import ModelFacts

TORCH = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}  # its names of them
HALF = ("bf16", "fp16")  # two bytes a weight
TRAINS_WEIGHTS = ("full", "last_layers")  # methods that train the weights themselves
OVERFLOW = "their activations exceed 65,504, the largest number in fp16, and the loss becomes NaN"
T5 = ("t5", "mt5", "umt5", "longt5", "switch_transformers")
FINE = ("gemma",)  # only the first Gemma; later ones, and models built on them, overflow or were never tested in fp16


def breaks(facts: ModelFacts) -> str | None:
    """Return why this type of model can't be computed in fp16; None when it can."""
    for kind in filter(None, (facts.model_type, facts.multimodal_type)):
        if kind in T5 or kind.startswith(("t5gemma", "t5_gemma")):
            return f"T5 models were trained in bf16: {OVERFLOW}."
        if "gemma" in kind and kind not in FINE:
            return f"Gemma 2 and later were trained in bf16: {OVERFLOW}."
    return None


def refusal(facts: ModelFacts, device: Device) -> str | None:
    """Return why fp16 is impossible for this model on this device; None when it is possible."""
    if device.kind != "cuda":
        return f"fp16 training needs an NVIDIA or AMD card: there is no gradient scaler for {device.name}."
    return breaks(facts)


def stored(precision: str, method: str) -> str:
    """Return the precision in which weights are loaded: trained ones stay in fp32, because the gradient scaler unscales no others."""
    return "fp32" if precision == "fp16" and method in TRAINS_WEIGHTS else precision


def served(precision: str, method: str, generates: bool, device: Device) -> str:
    """Return the precision in which a run's model is served on a device. `generates`: it writes text.

    Fully trained weights of a model that writes text are rounded to bf16 where that is fast, which halves their memory and the time of each token. Those
    of task heads stay whole: a score next to a threshold would become another label.
    """
    trains_weights = method in TRAINS_WEIGHTS
    if precision == "fp16" and not trains_weights and not device.bf16:
        return "fp16" if device.kind == "cuda" else "fp32"
    rounded = (method == "full" and generates) or (precision == "fp16" and not trains_weights)
    return "bf16" if precision == "bf16" or (device.bf16 and rounded) else "fp32"


def width(precision: str, method: str = "lora") -> int:
    """Return the bytes of one unquantized weight."""
    return 2 if stored(precision, method) in HALF else 4
