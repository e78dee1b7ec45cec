"""Memory that is held between two steps, in bytes: weights, quantization constants, adapters, gradients, optimizer state."""

from tuner.models import ModelFacts, mixed_precision, tensor_shapes
from tuner.planning.memory import parameter_counts
from tuner.settings import losses
from tuner.settings.run_config import Settings

WHOLE = mixed_precision.TRAINS_WEIGHTS  # methods that train the weights themselves
QUANTIZED = {  # bytes per quantized weight, and of its constants: nf4 in blocks of 64 whose constants are quantized in blocks of 256
    "nf4": (0.5, 1 / 64 + 4 / (64 * 256)),  # Dettmers et al. 2023, arXiv:2305.14314, section 3
    "int8": (1.0, 0.001),  # a float32 per row
}
LEFT_WHOLE = {"t5": ".wo", "mt5": ".wo"}  # transformers never quantizes these (_keep_in_fp32_modules)
EIGHT_BITS = ("adamw_8bit", "paged_adamw_8bit")
PAGED = ("paged_adamw_8bit",)  # moved to the computer's memory between two steps when the GPU is full (CUDA's unified memory)
ADAMW_8BIT = 2.03  # bytes for both states of a weight: a byte each, and a float32 per 256


def width(settings: Settings) -> int:
    """Return the bytes of a weight that is not quantized."""
    return mixed_precision.width(settings.precision, settings.method)


def trainable_width(settings: Settings) -> int:
    """Return the bytes of a trained parameter: adapters are in float32 unless bf16 is asked for, weights keep their precision."""
    if settings.method in WHOLE:
        return width(settings)
    return 2 if settings.method in ("lora", "qlora") and settings.adapter_precision == "bf16" else 4


def weights(facts: ModelFacts, b: int, quantization: str | None = None, objective: str = "chat") -> dict[str, float]:
    """Return the bytes of the model with the output head of the objective. Only the linear layers inside the layers are quantized; embeddings,
    head, norms and experts that are bare tensors are not."""
    head = parameter_counts.HEADS.get(objective, "lm")
    parts = tensor_shapes.parts(facts, head)
    total = facts.parameters if head == "lm" and facts.family != "encoder" else tensor_shapes.total(parts)
    if quantization is None:
        return {"weights": total * b}
    skipped = LEFT_WHOLE.get(facts.model_type, "?")
    linears = (p for p in parts if p.kind == "linear" and p.layers and not p.tied and not p.name.endswith(skipped))
    packed = sum(p.inputs * p.outputs * len(p.layers) for p in linears)
    each, constants = QUANTIZED[quantization]
    return {"weights": (total - packed) * b + packed * each, "quantization": packed * constants}


def states(trainable: int, settings: Settings, facts: ModelFacts) -> float:
    """Return the bytes of the optimizer state of `trainable` parameters."""
    optimizer, own = settings.optimizer, trainable_width(settings)
    if optimizer in EIGHT_BITS:
        return trainable * ADAMW_8BIT
    if optimizer == "adafactor":  # sums over rows and columns instead of a number per parameter (Shazeer and Stern 2018, arXiv:1804.04235)
        return trainable / facts.hidden * 2 * 4
    return 2 * own * trainable


def paired(settings: Settings) -> bool:
    """Return whether a row is two answers that are read side by side."""
    loss = losses.get(settings.preference_loss or "sigmoid")
    return settings.objective == "reward" or settings.objective == "preference" and not loss.unpaired


def uses_reference(settings: Settings) -> bool:
    """Return whether the reference model runs at every step."""
    loss = losses.get(settings.preference_loss or "sigmoid")
    return settings.objective == "preference" and loss.reference and not settings.precompute_reference
