"""fp16 where a card has no bf16 (before NVIDIA's Ampere: T4, V100, GTX): what it means, and for which models it breaks.

`precision: fp16` is mixed precision (Micikevicius et al. 2018, arXiv:1710.03740): products in fp16, what is trained in fp32, and a scaler
that keeps small gradients from vanishing. A frozen base lies in fp16; weights that are trained themselves stay in fp32.
"""

from tuner.hardware import Device
from tuner.models import ModelFacts

NARROW = ("bf16", "fp16")  # two bytes a weight
WHOLE = ("full", "last_layers")  # methods that train the weights themselves
OVERFLOW = "their activations grow beyond 65,504, the largest number of fp16, and the loss is no number any more"
BREAKS = {  # kinds of models, by how their `model_type` begins -> why fp16 is not for them
    "t5": "T5 models were trained in bf16: " + OVERFLOW,
    "mt5": "T5 models were trained in bf16: " + OVERFLOW,
    "umt5": "T5 models were trained in bf16: " + OVERFLOW,
    "longt5": "T5 models were trained in bf16: " + OVERFLOW,
    "switch_transformers": "T5 models were trained in bf16: " + OVERFLOW,
    "gemma2": "Gemma 2 was trained in bf16: " + OVERFLOW,
    "gemma3": "Gemma 3 was trained in bf16: " + OVERFLOW,
    "gemma4": "Gemma 4 was trained in bf16: " + OVERFLOW,
    "t5gemma": "T5Gemma was trained in bf16: " + OVERFLOW,
}
LONGEST_FIRST = sorted(BREAKS, key=len, reverse=True)


def breaks(facts: ModelFacts) -> str | None:
    """Return why this kind of model can't be computed in fp16; None when it can."""
    for kind in (facts.model_type, facts.outer):
        for name in LONGEST_FIRST:
            if kind == name or kind.startswith((f"{name}_", f"{name}n")):
                return BREAKS[name] + "."
    return None


def refusal(facts: ModelFacts, device: Device) -> str | None:
    """Return why fp16 is impossible for this model on this device; None when it is possible."""
    if device.kind != "cuda":
        return f"fp16 is trained on NVIDIA's and AMD's cards alone: {device.name} has no scaler for its gradients."
    return breaks(facts)


def stored(precision: str, method: str) -> str:
    """Return the precision in which weights are loaded: those that are trained themselves stay in fp32, for a scaler unscales no others."""
    return "fp32" if precision == "fp16" and method in WHOLE else precision


def width(precision: str, method: str = "lora") -> int:
    """Return the bytes of a weight that is not quantized."""
    return 2 if stored(precision, method) in NARROW else 4
