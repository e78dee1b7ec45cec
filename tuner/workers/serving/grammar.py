"""Answers that must be JSON of a schema: llguidance (extra `json`) says at each token which ones may follow."""

import json
from collections.abc import Callable
from typing import Any

import torch

from tuner.errors import RequestError

COMPACT = {
    "coerce_one_of": True,  # alternatives that a model is to tell apart are tried like any-of
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}  # a model without practice fills pages with free whitespace
ANY_JSON = {"type": "object"}  # what `json_object` asks for


class Grammar:
    """Where one answer stands in its grammar; see `Sampling.grammar`."""

    def __init__(self, matcher, size: int):
        self.matcher, self.mask_bits = matcher, torch.full((1, (size + 31) // 32), -1, dtype=torch.int32)

    def mask(self, logits: torch.Tensor) -> None:
        """Set the logits of tokens that may not follow to minus infinity."""
        self.matcher.unsafe_compute_mask_ptr(self.mask_bits.data_ptr(), self.mask_bits.numel() * 4)
        bits = self.mask_bits[0, :, None] >> torch.arange(32, dtype=torch.int32)
        allowed = (bits & 1).flatten()[: logits.shape[0]].bool().to(logits.device)
        logits[: len(allowed)].masked_fill_(~allowed, float("-inf"))
        logits[len(allowed) :] = float("-inf")

    def accept(self, token: int) -> None:
        """Go on by a token. RequestError when the grammar can't follow it."""
        if not self.matcher.consume_token(token) and self.matcher.is_error():
            raise RequestError(
                f"This JSON schema can't be followed to its end: {self.matcher.get_error().splitlines()[0][:200]}",
                asked="response_format",
                available="schemas that llguidance can follow",
                remedy="Simplify the schema.",
                field="response_format",
            )


def json_schema(schema: dict[str, Any]) -> Callable:
    """Return a function (tokenizer, vocabulary size) that returns a maker of grammars for this schema. RequestError for a schema that can't be
    followed, and without llguidance."""
    try:
        import llguidance
    except ImportError as error:
        raise RequestError(
            "Answers in a JSON schema need the extra `json`, which is not installed.",
            asked="response_format",
            available='{"type": "text"}',
            remedy='Install it: `pip install "tunesmith[json]"`.',
            field="response_format",
        ) from error
    try:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=COMPACT)
        problem = llguidance.LLMatcher.validate_grammar(grammar)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise RequestError(
            f"This JSON schema can't be followed: {' '.join(problem.split())[:300]}",
            asked=json.dumps(schema)[:200],
            available="JSON schema draft 2020-12, as far as llguidance knows it",
            remedy="Change the schema.",
            field="response_format",
        )

    def ready(tokenizer, size: int) -> Callable[[], Grammar]:
        from llguidance.hf import from_tokenizer

        known = getattr(tokenizer, "_for_grammars", None)
        if known is None or known.vocab_size != size:  # a second for a large vocabulary
            known = tokenizer._for_grammars = from_tokenizer(tokenizer, n_vocab=size)
        return lambda: Grammar(llguidance.LLMatcher(known, grammar), size)

    return ready
