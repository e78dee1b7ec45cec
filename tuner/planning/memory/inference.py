"""What is taken beside training: talking, serving many, writing tests, merging, files on disk. In bytes."""

from tuner.models import ModelFacts, mixed_precision
from tuner.planning.memory import static

CONTEXT = {"cuda": 500_000_000, "mps": 500_000_000, "cpu": 700_000_000}  # the driver's part; on a CPU Python with torch loaded
GGUF = {"f16": 2.0, "q8_0": 8.5 / 8, "q4_k_m": 4.85 / 8}  # bytes per weight (llama.cpp, tools/quantize/README.md)


def cache(facts: ModelFacts, tokens: int, b: int) -> int:
    """Keys and values of one conversation. A model that reads by a window keeps no more than the window in those of its layers that do."""
    window = facts.config.get("sliding_window") or 0
    every = facts.decoder_layers or facts.layers
    kinds = facts.config.get("layer_types") or []
    if not window or facts.config.get("use_sliding_window") is False:
        near = 0
    elif kinds:
        near = sum(k == "sliding_attention" for k in kinds)
    else:
        near = {"gemma2": every // 2, "gemma3_text": every - every // 6, "gpt_oss": every // 2}.get(facts.model_type, every)
    return 2 * facts.kv * b * ((every - near) * tokens + near * min(tokens, window or tokens))


def chat(facts: ModelFacts, *, precision: str, context: int, device: str, quantization: str | None = None) -> int:
    """To answer one conversation of `context` tokens: weights, keys and values, the program."""
    return serving(facts, streams=1, precision=precision, context=context, device=device, quantization=quantization)


def serving(
    facts: ModelFacts,
    *,
    streams: int,
    context: int,
    device: str,
    precision: str = "bf16",
    quantization: str | None = None,
    additions: int = 0,
) -> int:
    """To answer `streams` conversations at once; `additions` parameters of adapters lie beside the model."""
    b = mixed_precision.width(precision)
    weights = sum(static.weights(facts, b, quantization).values())
    words = 4 * streams * facts.vocabulary * 4  # the scores of the next word, and copies that sampling makes of them
    return int(weights + 4 * additions + streams * cache(facts, context, b) + words + CONTEXT[device])


def generation(facts: ModelFacts, *, rows: int, length: int, b: int) -> int:
    """To write `rows` answers of `length` tokens inside a test: keys and values, of the source too where there are two halves."""
    both = 2 if facts.decoder_layers else 1
    return rows * (both * cache(facts, length, b) + b * length * facts.hidden + 16 * facts.vocabulary)


def merging(facts: ModelFacts, *, precision: str = "bf16") -> tuple[int, int]:
    """(memory, disk) to add what was learnt into a copy of the base: the weights, and the change of the largest map in float32."""
    b = 2 if precision == "bf16" else 4  # fp16 is merged in fp32: this is the processor's work
    return facts.parameters * b + 3 * 4 * facts.hidden * max(facts.mlp, facts.q) + CONTEXT["cpu"], facts.parameters * b


def gguf(facts: ModelFacts, kind: str = "q8_0") -> tuple[int, int]:
    """(memory, disk) to write a file for llama.cpp: tensors are read one at a time; a merged copy lies on disk beside the file.

    KeyError for a kind that is not in `GGUF`.
    """
    largest = max(facts.vocabulary * facts.hidden, facts.hidden * facts.mlp)
    return CONTEXT["cpu"] + 3 * 4 * largest, int(facts.parameters * (2 + GGUF[kind]))


def checkpoint(facts: ModelFacts, *, method: str, trainable: int, precision: str) -> int:
    """One checkpoint on disk: what is learnt, with the optimizer's two states."""
    if method in static.WHOLE:
        b = mixed_precision.width(precision, method)
        return facts.parameters * b + 2 * b * trainable
    return 12 * trainable
