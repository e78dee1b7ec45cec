"""Peak memory of one training step: the terms at each moment of a step, in bytes."""

from dataclasses import dataclass
from typing import Any

from tuner.models import ModelFacts, tensor_shapes
from tuner.planning.memory import activations, parameter_counts, static
from tuner.settings.run_config import Settings


@dataclass(frozen=True)
class Batch:
    """A micro-batch of `rows` rows of `length` tokens. `masked`: attention gets a mask (encoder rows of different lengths, packed rows).
    `fused`: the loss never computes all logits at once."""

    rows: int
    length: int
    masked: bool = False
    fused: bool = True


def moments(
    facts: ModelFacts, settings: Settings, batch: Batch, *, trainable: int, device: str = "cuda", gathered: bool = False
) -> dict[str, dict[str, float]]:
    """Return {moment: {term: bytes}} of a step with settings `s`, in addition to weights and optimizer state.

    `gathered`: gradients of earlier micro-batches are held from the start.
    """
    sizes, decoder_sizes, coefficients, kept, first = _layers(facts, settings, batch, device)
    gradients = static.trainable_width(settings) * trainable
    separate = settings.quantization and not activations.way(settings, again=False, device=device).endswith("qlora")
    # one matrix at a time is dequantized for its product; the table's QLoRA includes it
    dequantized = 2 * max(sizes["HI"], sizes["HQ"]) if separate else 0
    before = gradients if gathered else 0
    trained_layers = settings.last_layers if settings.method == "last_layers" else facts.depth
    bf16_adapter = static.trainable_width(settings) == 2 and settings.method not in static.WHOLE  # an adapter in bf16 needs no cast
    casts = settings.gradient_checkpointing and not bf16_adapter  # without checkpointing the casts are part of kept
    cast = trained_layers * activations.bytes_of(coefficients["cast"], sizes) if casts else 0
    embeddings = _trains_embeddings(facts, settings)
    # tied weights get a gradient from the input and from the output
    twice = embeddings and facts.tied and not parameter_counts.HEADS.get(settings.objective or "chat")
    # the models in the table have tied embeddings
    later = static.width(settings) * sizes["words"] if embeddings and facts.family == "decoder" and not twice else 0
    out = {
        "forth": {
            "activations": first + kept + cast + _of(coefficients["forth"], decoder_sizes, False),
            "gradients": before,
            "buffers": dequantized,
        },
        "head": {"activations": first + kept, "head": head(facts, settings, batch, coefficients, decoder_sizes), "gradients": before},
        "back": {
            "activations": first + kept + _of(coefficients["back"], decoder_sizes, embeddings),
            "gradients": before,
            "buffers": dequantized,
        },
        "end": {
            "activations": _of(coefficients["end"], sizes, embeddings) - later,
            "gradients": max(before, gradients),
            "buffers": dequantized,
        },
        "step": {"gradients": gradients}
        | ({"optimizer": static.states(trainable, settings, facts)} if settings.optimizer in static.PAGED else {}),
    }
    if static.uses_reference(settings):  # the reference model runs before the backward pass
        terms = evaluation(facts, settings, batch, device=device)
        waiting = first + kept + KEPT_BY_HEAD * sizes["H"]
        out["reference"] = terms | {"activations": terms["activations"] + waiting, "gradients": before}
    if embeddings:
        out["input"] = {
            "activations": _of(coefficients.get("input", [{"words": 2 * static.width(settings)}]), sizes, twice),
            "gradients": gradients,
        }
    return out


def evaluation(facts: ModelFacts, settings: Settings, batch: Batch, *, device: str = "cuda") -> dict[str, float]:
    """Return {term: bytes} of one evaluation batch: nothing is kept for a backward pass, one layer runs at a time."""
    sizes, decoder_sizes, coefficients, _, _ = _layers(facts, settings, batch, device)
    left = facts.depth * activations.bytes_of(coefficients["left"], sizes)
    reading, answer = (
        left + activations.bytes_of(coefficients["reading"], sizes),
        left + _head_bytes(facts, settings, coefficients["answer"], decoder_sizes),
    )
    return {"activations": min(reading, max(0, answer)), "head": max(0, answer - reading)} if answer > reading else {"activations": reading}


def _trains_embeddings(facts: ModelFacts, settings: Settings) -> bool:
    """Return whether the embeddings are trained."""
    return settings.method == "full" or settings.train_embeddings or bool(settings.train_head and facts.tied)


def _of(phase: list[dict[str, float]], sizes: dict[str, int], words: Any) -> float:
    return activations.bytes_of(phase, sizes if words else {**sizes, "words": 0})


def _layers(facts: ModelFacts, settings: Settings, batch: Batch, device: str):
    """Return (sizes, sizes of a decoder that follows an encoder, coefficients, bytes kept by all layers, bytes kept outside them)."""
    again, method, n = bool(settings.gradient_checkpointing), settings.method, settings.virtual_tokens
    rank = {"adapter": settings.adapter_size}.get(method, settings.lora_rank)
    more = {"rank": rank, "before": n if method == "prefix" else 0}
    decoder_sizes = activations.sizes(facts, batch.rows, batch.length, **more)
    sizes = activations.sizes(facts, batch.rows, batch.length + n, **more) if method in ("prompt", "p_tuning") else decoder_sizes
    if not facts.decoder_layers:
        decoder_sizes = sizes  # in an encoder-decoder only the encoder reads virtual tokens
    way = activations.way(settings, again=again, device=device)
    coefficients = activations.coefficients(facts, way)
    # a mixture that was not fitted: its experts count as one wide MLP
    if decoder_sizes["chosen I"] and "chosen I" not in coefficients["kept"][0]:
        decoder_sizes, sizes = (a | {"I": a["chosen I"]} for a in (decoder_sizes, sizes))
    first = coefficients["first"]
    last, many = (facts.decoder_layers or facts.layers), facts.depth
    if method == "last_layers" and not again:  # the decoder's layers before the encoder's; nothing outside the layers is trained
        many, first = min(settings.last_layers, facts.depth), activations.coefficients(facts, activations.like(way, "lora"))["first"]
    one = activations.bytes_of(coefficients["kept"], decoder_sizes) + _more(facts, settings, batch, decoder_sizes, coefficients, again)
    before = activations.bytes_of(coefficients.get("encoder", []), sizes) * max(0, many - last)
    if before and not again:
        before += max(0, many - last) * _targets(facts, settings, sizes, "encoder")
    return sizes, decoder_sizes, coefficients, one * min(many, last) + before, activations.bytes_of(first, sizes)


def _more(facts: ModelFacts, settings: Settings, batch: Batch, sizes: dict[str, int], coefficients: dict, again: bool) -> float:
    """Return the bytes that one layer keeps in addition to the table: masks, weights cast from float32, other LoRA targets, dropout."""
    extra = 0.0
    windowed = 0 < (facts.config.get("sliding_window") or 0) <= batch.length and facts.config.get("use_sliding_window", True)
    if (batch.masked or windowed) and facts.family == "decoder" and not again:
        rows = batch.rows if batch.masked else 1
        # keys and values repeated for grouped-query attention; a view for a single head
        grouped = 4 * (sizes["Q"] - sizes["K"]) if facts.kv_heads > 1 else 0
        extra += 2 * rows * batch.length**2 + grouped  # and a mask per layer
    if settings.precision == "fp32" and settings.method not in static.WHOLE and not again:
        extra += 2 * facts.layer_parameters
    # with prefixes the table includes repeated keys and values
    if coefficients["kept"][0].get("before Q") and facts.kv_heads in (1, facts.heads):
        extra -= 4 * (sizes["Q"] + sizes["before Q"])
    if settings.method in ("lora", "qlora"):
        extra += _targets(facts, settings, sizes) * (not again)
    return extra


def _targets(facts: ModelFacts, settings: Settings, sizes: dict[str, int], stack: str = "decoder") -> float:
    """Return the bytes that LoRA keeps when it adapts some linear layers only: for each a 16-bit copy of its input, and the low-rank activation."""
    if settings.method not in ("lora", "qlora"):
        return 0.0
    T, named = sizes["tokens"], settings.lora_targets
    inputs = 0
    if settings.lora_dropout:
        every = targets(facts, named, stack)
        inputs += 3 * T * sum(p.inputs for p in every)  # the input after dropout, and the dropout mask
    if named == "all-linear":
        return inputs
    chosen, attention = targets(facts, named, stack), targets(facts, list("qkvo"), stack)
    each = [sum(2 * T * (p.inputs + settings.lora_rank) for p in some) for some in (chosen, attention)]
    return inputs + each[0] - each[1]


def targets(facts: ModelFacts, wanted: Any, stack: str = "decoder") -> list:
    """Return the linear layers of one layer (of that stack, in an encoder-decoder) that LoRA adapts."""
    from tuner import models

    every = [p for p in tensor_shapes.parts(facts) if p.kind == "linear" and p.layers and (p.stack == stack or not facts.decoder_layers)]
    if wanted == "all-linear":
        return every
    known = list(models.TARGETS.get(facts.model_type, {}).values())
    return [p for p, _ in tensor_shapes.matching(every, models.lora_modules(facts, wanted), known)]


KEPT_BY_HEAD = 8  # bytes per token and hidden unit that the last norm and the fused head keep for their backward pass
CLASSIC = 14  # bytes per logit: in 16 and 32 bits, their exponentials and gradients


def head(facts: ModelFacts, settings: Settings, batch: Batch, coefficients: dict, sizes: dict[str, int]) -> float:
    """Return the bytes of logits and loss, forward and backward."""
    if not batch.fused:
        return CLASSIC * (sizes["V"] + sizes["H"])
    # an untied LM head is trained with the last layers
    trained = _trains_embeddings(facts, settings) or settings.method == "last_layers" and not facts.tied
    return _head_bytes(facts, settings, coefficients["head"], sizes if trained else {**sizes, "words": 0})


def _head_bytes(facts: ModelFacts, settings: Settings, phase: list[dict[str, float]], sizes: dict[str, int]) -> float:
    """Return the bytes of a phase of the head; a decoder with a classification head computes no logits over the vocabulary."""
    if parameter_counts.HEADS.get(settings.objective or "chat") and facts.family != "encoder":
        sizes = {**sizes, "V": 0, "words": 0, "tile": 0, "chunk": 0}
    return activations.bytes_of(phase, sizes)
