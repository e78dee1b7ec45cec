"""Memory and disk outside training, in bytes: chat, serving, generation during an evaluation, merging, files on disk."""

from tuner.models import ModelFacts, mixed_precision
from tuner.planning.memory import static

CONTEXT = {"cuda": 500_000_000, "mps": 500_000_000, "cpu": 700_000_000}  # the CUDA context (or Metal's); on a CPU Python with torch loaded
GGUF = {"f16": 2.0, "q8_0": 8.5 / 8, "q4_k_m": 4.89 / 8}  # bytes per weight (llama.cpp, tools/quantize/README.md)


def cache(facts: ModelFacts, tokens: int, b: int) -> int:
    """Return the KV cache of one conversation. Layers with a sliding window keep no more than the window."""
    window = facts.config.get("sliding_window") or 0
    layers = facts.decoder_layers or facts.layers
    kinds = facts.config.get("layer_types") or []
    if not window or facts.config.get("use_sliding_window") is False:
        windowed = 0
    elif kinds:
        windowed = sum(k == "sliding_attention" for k in kinds)
    else:
        windowed = {"gemma2": layers // 2, "gemma3_text": layers - layers // 6, "gpt_oss": layers // 2}.get(facts.model_type, layers)
    return 2 * facts.kv * b * ((layers - windowed) * tokens + windowed * min(tokens, window or tokens))


def chat(facts: ModelFacts, *, precision: str, context: int, device: str, quantization: str | None = None) -> int:
    """Return the memory to answer one conversation of `context` tokens: weights, KV cache, process overhead."""
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
    """Return the memory to answer `streams` conversations at once; `additions` is the number of adapter parameters beside the model."""
    b = mixed_precision.width(precision)
    weights = sum(static.weights(facts, b, quantization).values())
    logits = 4 * streams * facts.vocabulary * 4  # of the next token, and the copies that sampling makes of them
    return int(weights + 4 * additions + streams * cache(facts, context, b) + logits + CONTEXT[device])


def generation(facts: ModelFacts, *, rows: int, length: int, b: int) -> int:
    """Return the memory to generate `rows` answers of `length` tokens during an evaluation: the KV cache, of an encoder-decoder also the source's."""
    caches = 2 if facts.decoder_layers else 1
    return rows * (caches * cache(facts, length, b) + b * length * facts.hidden + 16 * facts.vocabulary)


def merging(facts: ModelFacts, *, precision: str = "bf16") -> tuple[int, int]:
    """Return (memory, disk) to merge an adapter into a copy of the base model: the weights, and the update of the largest matrix in float32."""
    b = 2 if precision == "bf16" else 4  # fp16 is merged in fp32, because merging runs on the CPU
    return facts.parameters * b + 3 * 4 * facts.hidden * max(facts.mlp, facts.q) + CONTEXT["cpu"], facts.parameters * b


def gguf(facts: ModelFacts, kind: str = "q8_0") -> tuple[int, int]:
    """Return (memory, disk) to write a file for llama.cpp: tensors are read one at a time; a merged copy is on disk beside the file.

    KeyError for a kind that is not in `GGUF`.
    """
    largest = max(facts.vocabulary * facts.hidden, facts.hidden * facts.mlp)
    return CONTEXT["cpu"] + 3 * 4 * largest, int(facts.parameters * (2 + GGUF[kind]))


def checkpoint(facts: ModelFacts, *, method: str, trainable: int, precision: str) -> int:
    """Return the size of one checkpoint on disk: the trained parameters and the optimizer's two states."""
    if method in static.WHOLE:
        b = mixed_precision.width(precision, method)
        return facts.parameters * b + 2 * b * trainable
    return 12 * trainable
