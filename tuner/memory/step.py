"""The peak of one training step: what lies there, and the largest of the moments of a step."""

from dataclasses import dataclass
from typing import Any

from tuner import counting, methods, shapes
from tuner.memory import layers, still
from tuner.models import ModelFacts


@dataclass(frozen=True)
class Batch:
    """`rows` of `length` tokens at once. `masked`: attention is given a mask (rows of unlike length of encoders, packed rows). `fused`:
    the head never writes out the scores of all words."""

    rows: int
    length: int
    masked: bool = False
    fused: bool = True


def moments(
    facts: ModelFacts, s: dict[str, Any], batch: Batch, *, trainable: int, device: str = "cuda", gathered: bool = False
) -> dict[str, dict[str, float]]:
    """{moment: {term: bytes}} above weights and states, of a step with settings `s`.

    `gathered`: gradients of earlier micro-batches lie there from the start.
    """
    at, found, kept, first = _layers(facts, s, batch, trainable, device)
    gradients = still.learnt_width(s) * trainable
    apart = s.get("quantization") and not layers.way(s, again=False, device=device).endswith("qlora")
    unpacked = 2 * at["largest"] if apart else 0  # one map at a time is unpacked for its product; the table's QLoRA has it in it
    before = gradients if gathered else 0
    words = _words(facts, s)
    twice = words and facts.tied and not counting.HEADS.get(s.get("objective") or "chat")  # the matrix gets a gradient at either end
    out = {
        "forth": {"activations": first + kept + _of(found["forth"], at, False), "gradients": before, "buffers": unpacked},
        "head": {"activations": first + kept, "head": head(facts, s, batch, found, at), "gradients": before},
        "back": {"activations": first + kept + _of(found["back"], at, words), "gradients": before, "buffers": unpacked},
        "end": {"activations": _of(found["end"], at, twice), "gradients": max(before, gradients), "buffers": unpacked},
        "step": {"gradients": gradients},
    }
    if words:
        out["input"] = {"activations": _of(found.get("input", {"words": 2 * still.width(s)}), at, twice), "gradients": gradients}
    return out


def testing(facts: ModelFacts, s: dict[str, Any], batch: Batch, *, device: str = "cuda") -> dict[str, float]:
    """{term: bytes} of one batch of a test: nothing is kept, one layer works at a time."""
    at, found, _, _ = _layers(facts, s | {"gradient_checkpointing": False}, batch, 0, device)
    reading, answer = layers.bytes_of(found["reading"], at), _said(facts, s, found["answer"], at)
    return {"activations": min(reading, max(0, answer)), "head": max(0, answer - reading)} if answer > reading else {"activations": reading}


def _words(facts: ModelFacts, s: dict[str, Any]) -> bool:
    """Whether the embeddings learn."""
    return s["method"] == "full" or bool(s.get("train_embeddings")) or bool(s.get("train_head") and facts.tied)


def _of(coefficients: dict[str, float], at: dict[str, int], words: Any) -> float:
    return max(0.0, layers.bytes_of(coefficients, at if words else {**at, "words": 0}))


def _layers(facts: ModelFacts, s: dict[str, Any], batch: Batch, trainable: int, device: str):
    """(sizes, coefficients, bytes kept by all layers, bytes kept beside them)"""
    again, method, n = bool(s.get("gradient_checkpointing")), s["method"], s.get("virtual_tokens") or 0
    length = batch.length + (n if method in ("prompt", "p_tuning") else 0)
    rank = {"adapter": s.get("adapter_size") or 0}.get(method, s.get("lora_rank") or 0)
    added = 0 if method in still.WHOLE or method in methods.SOFT else trainable // max(1, facts.depth)
    at = layers.sizes(facts, batch.rows, length, rank=rank, added=added, before=n if method == "prefix" else 0)
    found = layers.coefficients(facts, layers.way(s, again=again, device=device))
    if at["chosen I"] and "chosen I" not in found["kept"]:  # a way that was not fitted for this mixture: as one wide MLP
        at |= {"I": at["chosen I"]}
    one = layers.bytes_of(found["kept"], at) + _more(facts, s, batch, at, found, again)
    first = layers.bytes_of(found["first"], at)
    last, many = (facts.decoder_layers or facts.layers), facts.depth
    if method == "last_layers" and not again:  # a decoder's before its encoder's
        many, first = min(s["last_layers"], facts.depth), max(first, 0)
    before = layers.bytes_of(found.get("encoder", {}), at) * max(0, many - last)
    return at, found, one * min(many, last) + before, first


def _more(facts: ModelFacts, s: dict[str, Any], batch: Batch, at: dict[str, int], found: dict, again: bool) -> float:
    """What one layer keeps beside the table's: masks, weights cast from float32, other targets than the table's, dropout."""
    extra = 0.0
    windowed = 0 < (facts.config.get("sliding_window") or 0) <= batch.length and facts.config.get("use_sliding_window", True)
    if (batch.masked or windowed) and facts.family == "decoder" and not again:
        rows = batch.rows if batch.masked else 1
        extra += 2 * rows * batch.length**2 + 4 * (at["Q"] - at["K"])  # a mask for each layer, and grouped keys and values written out
    if s["precision"] == "fp32" and s["method"] not in still.WHOLE and not again:
        extra += 2 * at["weights"]
    if s["method"] in ("lora", "qlora"):
        extra += _targets(facts, s, at, found) * (not again)
    return extra


def _targets(facts: ModelFacts, s: dict[str, Any], at: dict[str, int], found: dict) -> float:
    """LoRA on some maps only keeps for each a copy of its input in 16 bits, and what lies between its two matrices."""
    T, named = at["tokens"], s.get("lora_targets") or "all-linear"
    inputs = 0
    if s.get("lora_dropout"):
        every = targets(facts, named)
        inputs += 3 * T * sum(p.inputs for p in every)  # the thinned input, and which of it was left out
    if named == "all-linear":
        return inputs
    chosen, attention = targets(facts, named), targets(facts, list("qkvo"))
    each = [sum(2 * T * (p.inputs + (s.get("lora_rank") or 16)) for p in some) for some in (chosen, attention)]
    return inputs + each[0] - each[1]


def targets(facts: ModelFacts, wanted: Any) -> list:
    """The maps of one (decoder) layer that LoRA adapts."""
    from tuner import models

    every = [p for p in shapes.parts(facts) if p.kind == "linear" and p.layers and p.stack != ("encoder" if facts.decoder_layers else "")]
    if wanted == "all-linear":
        return every
    known = list(models.TARGETS.get(facts.model_type, {}).values())
    return [p for p, _ in shapes.matching(every, models.lora_modules(facts, wanted), known)]


CLASSIC = 14  # bytes for each token and word: scores in 16 and 32 bits, their exponentials and gradients


def head(facts: ModelFacts, s: dict[str, Any], batch: Batch, found: dict, at: dict[str, int]) -> float:
    """The loss, forth and back."""
    if not batch.fused:
        return CLASSIC * (at["V"] + at["H"])
    learns = _words(facts, s) or s["method"] == "last_layers" and not facts.tied  # a head of its own goes with the last layers
    return _said(facts, s, found["head"], at if learns else {**at, "words": 0})


def _said(facts: ModelFacts, s: dict[str, Any], coefficients: dict[str, float], at: dict[str, int]) -> float:
    """A decoder that judges texts instead of writing has no choice of words to make."""
    if counting.HEADS.get(s.get("objective") or "chat") and facts.family != "encoder":
        coefficients = {k: v for k, v in coefficients.items() if k in ("H", "tokens", "mask", "bias", "dim")}
    return layers.bytes_of(coefficients, at)
