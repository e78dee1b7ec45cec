"""The peak of one training step: what lies there, and the largest of the moments of a step."""

from dataclasses import dataclass
from typing import Any

from tuner.models import ModelFacts, tensor_shapes
from tuner.planning.memory import activations, parameter_counts, static


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
    at, said, found, kept, first = _layers(facts, s, batch, device)
    gradients = static.learnt_width(s) * trainable
    apart = s.get("quantization") and not activations.way(s, again=False, device=device).endswith("qlora")
    unpacked = 2 * max(at["HI"], at["HQ"]) if apart else 0  # one map at a time is unpacked for its product; the table's QLoRA has it in it
    before = gradients if gathered else 0
    learning = s["last_layers"] if s["method"] == "last_layers" else facts.depth
    narrow = static.learnt_width(s) == 2 and s["method"] not in static.WHOLE  # what is in bf16 already is not cast to it
    cast = learning * activations.bytes_of(found["cast"], at) if s.get("gradient_checkpointing") and not narrow else 0  # else it is kept
    words = _words(facts, s)
    twice = (
        words and facts.tied and not parameter_counts.HEADS.get(s.get("objective") or "chat")
    )  # the matrix gets a gradient at either end
    later = static.width(s) * at["words"] if words and facts.family == "decoder" and not twice else 0  # the table's words are tied
    out = {
        "forth": {"activations": first + kept + cast + _of(found["forth"], said, False), "gradients": before, "buffers": unpacked},
        "head": {"activations": first + kept, "head": head(facts, s, batch, found, said), "gradients": before},
        "back": {"activations": first + kept + _of(found["back"], said, words), "gradients": before, "buffers": unpacked},
        "end": {"activations": _of(found["end"], at, words) - later, "gradients": max(before, gradients), "buffers": unpacked},
        "step": {"gradients": gradients}
        | ({"optimizer": static.states(trainable, s, facts)} if s.get("optimizer") in static.PAGED else {}),
    }
    if static.refers(s):  # its reference reads while the backward waits
        terms = testing(facts, s, batch, device=device)
        waiting = first + kept + KEPT_BY_HEAD * at["H"]
        out["reference"] = terms | {"activations": terms["activations"] + waiting, "gradients": before}
    if words:
        out["input"] = {"activations": _of(found.get("input", [{"words": 2 * static.width(s)}]), at, twice), "gradients": gradients}
    return out


def testing(facts: ModelFacts, s: dict[str, Any], batch: Batch, *, device: str = "cuda") -> dict[str, float]:
    """{term: bytes} of one batch of a test: nothing is kept, one layer works at a time."""
    at, said, found, _, _ = _layers(facts, s, batch, device)
    left = facts.depth * activations.bytes_of(found["left"], at)
    reading, answer = left + activations.bytes_of(found["reading"], at), left + _said(facts, s, found["answer"], said)
    return {"activations": min(reading, max(0, answer)), "head": max(0, answer - reading)} if answer > reading else {"activations": reading}


def _words(facts: ModelFacts, s: dict[str, Any]) -> bool:
    """Whether the embeddings learn."""
    return s["method"] == "full" or bool(s.get("train_embeddings")) or bool(s.get("train_head") and facts.tied)


def _of(phase: list[dict[str, float]], at: dict[str, int], words: Any) -> float:
    return activations.bytes_of(phase, at if words else {**at, "words": 0})


def _layers(facts: ModelFacts, s: dict[str, Any], batch: Batch, device: str):
    """(sizes, those of a decoder behind an encoder, coefficients, bytes kept by all layers, bytes kept beside them)"""
    again, method, n = bool(s.get("gradient_checkpointing")), s["method"], s.get("virtual_tokens") or 0
    rank = {"adapter": s.get("adapter_size") or 0}.get(method, s.get("lora_rank") or 0)
    more = {"rank": rank, "before": n if method == "prefix" else 0}
    said = activations.sizes(facts, batch.rows, batch.length, **more)
    at = activations.sizes(facts, batch.rows, batch.length + n, **more) if method in ("prompt", "p_tuning") else said
    if not facts.decoder_layers:
        said = at  # invisible words are read by the encoder alone where there is one
    way = activations.way(s, again=again, device=device)
    found = activations.coefficients(facts, way)
    if said["chosen I"] and "chosen I" not in found["kept"][0]:  # of a kind that was not fitted: its experts count as one wide MLP
        said, at = (a | {"I": a["chosen I"]} for a in (said, at))
    first = found["first"]
    last, many = (facts.decoder_layers or facts.layers), facts.depth
    if method == "last_layers" and not again:  # a decoder's before its encoder's; what is beside them learns nothing
        many, first = min(s["last_layers"], facts.depth), activations.coefficients(facts, activations.like(way, "lora"))["first"]
    one = activations.bytes_of(found["kept"], said) + _more(facts, s, batch, said, found, again)
    before = activations.bytes_of(found.get("encoder", []), at) * max(0, many - last)
    if before and not again:
        before += max(0, many - last) * _targets(facts, s, at, "encoder")
    return at, said, found, one * min(many, last) + before, activations.bytes_of(first, at)


def _more(facts: ModelFacts, s: dict[str, Any], batch: Batch, at: dict[str, int], found: dict, again: bool) -> float:
    """What one layer keeps beside the table's: masks, weights cast from float32, other targets than the table's, dropout."""
    extra = 0.0
    windowed = 0 < (facts.config.get("sliding_window") or 0) <= batch.length and facts.config.get("use_sliding_window", True)
    if (batch.masked or windowed) and facts.family == "decoder" and not again:
        rows = batch.rows if batch.masked else 1
        grouped = 4 * (at["Q"] - at["K"]) if facts.kv_heads > 1 else 0  # keys and values written out, which for a single one is a view
        extra += 2 * rows * batch.length**2 + grouped  # and a mask for each layer
    if s["precision"] == "fp32" and s["method"] not in static.WHOLE and not again:
        extra += 2 * facts.layer_parameters
    if found["kept"][0].get("before Q") and facts.kv_heads in (1, facts.heads):  # behind prefixes the table's are written out
        extra -= 4 * (at["Q"] + at["before Q"])
    if s["method"] in ("lora", "qlora"):
        extra += _targets(facts, s, at) * (not again)
    return extra


def _targets(facts: ModelFacts, s: dict[str, Any], at: dict[str, int], stack: str = "decoder") -> float:
    """LoRA on some maps only keeps for each a copy of its input in 16 bits, and what lies between its two matrices."""
    if s["method"] not in ("lora", "qlora"):
        return 0.0
    T, named = at["tokens"], s.get("lora_targets") or "all-linear"
    inputs = 0
    if s.get("lora_dropout"):
        every = targets(facts, named, stack)
        inputs += 3 * T * sum(p.inputs for p in every)  # the thinned input, and which of it was left out
    if named == "all-linear":
        return inputs
    chosen, attention = targets(facts, named, stack), targets(facts, list("qkvo"), stack)
    each = [sum(2 * T * (p.inputs + (s.get("lora_rank") or 16)) for p in some) for some in (chosen, attention)]
    return inputs + each[0] - each[1]


def targets(facts: ModelFacts, wanted: Any, stack: str = "decoder") -> list:
    """The maps of one layer (of that half, where there are two) that LoRA adapts."""
    from tuner import models

    every = [p for p in tensor_shapes.parts(facts) if p.kind == "linear" and p.layers and (p.stack == stack or not facts.decoder_layers)]
    if wanted == "all-linear":
        return every
    known = list(models.TARGETS.get(facts.model_type, {}).values())
    return [p for p, _ in tensor_shapes.matching(every, models.lora_modules(facts, wanted), known)]


KEPT_BY_HEAD = 8  # bytes for each token and width: what the last norm and the fused head hold for their backward
CLASSIC = 14  # bytes for each token and word: scores in 16 and 32 bits, their exponentials and gradients


def head(facts: ModelFacts, s: dict[str, Any], batch: Batch, found: dict, at: dict[str, int]) -> float:
    """The loss, forth and back."""
    if not batch.fused:
        return CLASSIC * (at["V"] + at["H"])
    learns = _words(facts, s) or s["method"] == "last_layers" and not facts.tied  # a head of its own goes with the last layers
    return _said(facts, s, found["head"], at if learns else {**at, "words": 0})


def _said(facts: ModelFacts, s: dict[str, Any], phase: list[dict[str, float]], at: dict[str, int]) -> float:
    """A decoder that judges texts instead of writing has no choice of words to make."""
    if parameter_counts.HEADS.get(s.get("objective") or "chat") and facts.family != "encoder":
        at = {**at, "V": 0, "words": 0, "tile": 0, "chunk": 0}
    return activations.bytes_of(phase, at)
