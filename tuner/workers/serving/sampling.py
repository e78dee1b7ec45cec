"""How the next token of one answer is chosen: temperature, top-p, top-k, penalties, bias, a grammar; and the log-probabilities that go with it.

One `Chooser` per answer keeps its own random generator and counts, so what else runs in the batch does not change an answer's chances.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

LIKELY = 4096  # tokens that are sorted for top-p at first: nearly always enough, and sorting a whole vocabulary of 150,000 takes 10 ms on a processor


@dataclass(frozen=True)
class Sampling:
    """What one request asks of the choice. `temperature` 0 is greedy; `top_logprobs` None: no log-probabilities, else how many alternatives.

    `grammar` makes an object with `mask(logits)` and `accept(token)` (see grammar.py), or None.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    seed: int | None = None
    top_logprobs: int | None = None
    grammar: Callable[[], Any] | None = None

    @property
    def plain(self) -> bool:
        """Return whether the most likely token is the answer, with nothing else to compute."""
        return self.temperature == 0 and self.top_logprobs is None and not self.changes

    @property
    def changes(self) -> bool:
        """Return whether the logits are changed before the choice."""
        return bool(self.presence_penalty or self.frequency_penalty or self.logit_bias or self.grammar)


@dataclass(frozen=True)
class Chosen:
    """A token; with log-probabilities asked for, its own and those of the likeliest ones, before penalties and temperature."""

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Chooser:
    """The choices of one answer; `index` tells apart the answers to one request (`n`), which share its seed."""

    def __init__(self, sampling: Sampling, device: torch.device, index: int = 0):
        self.sampling, self.counts = sampling, {}
        self.generator = None
        if sampling.seed is not None:
            self.generator = torch.Generator(device).manual_seed(sampling.seed + index)
        self.grammar = sampling.grammar() if sampling.grammar else None

    @torch.inference_mode()
    def choose(self, logits: torch.Tensor) -> Chosen:
        """Return the next token for `logits` (vocabulary,)."""
        s = self.sampling
        logits = logits.float()
        spoken = torch.log_softmax(logits, -1) if s.top_logprobs is not None else None
        if s.changes:
            logits = self._changed(logits.clone())
        token = int(logits.argmax()) if s.temperature == 0 else self._sampled(logits)
        self.accept(token)
        if spoken is None:
            return Chosen(token)
        best = spoken.topk(min(s.top_logprobs, spoken.shape[0])) if s.top_logprobs else None
        top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)) if best else ()
        return Chosen(token, float(spoken[token]), top)

    def accept(self, token: int) -> None:
        """Count a chosen token."""
        if self.sampling.presence_penalty or self.sampling.frequency_penalty:
            self.counts[token] = self.counts.get(token, 0) + 1
        if self.grammar:
            self.grammar.accept(token)

    def _changed(self, logits: torch.Tensor) -> torch.Tensor:
        s = self.sampling
        if self.counts:
            seen = torch.tensor(list(self.counts), device=logits.device)
            times = torch.tensor(list(self.counts.values()), dtype=logits.dtype, device=logits.device)
            logits[seen] -= s.presence_penalty + s.frequency_penalty * times
        for token, bias in s.logit_bias.items():
            logits[token] += bias
        if self.grammar:
            self.grammar.mask(logits)
        return logits

    def _sampled(self, logits: torch.Tensor) -> int:
        s = self.sampling
        logits = logits / s.temperature
        if s.top_k:
            values, places = logits.topk(min(s.top_k, logits.shape[0]))
            return int(places[self._within(values.softmax(-1), s.top_p)])
        if s.top_p >= 1:
            return self._drawn(logits.softmax(-1))
        shares = logits.softmax(-1)
        values, places = shares.topk(min(LIKELY, shares.shape[0]))
        if float(values.sum()) < s.top_p:
            values, places = shares.sort(descending=True)
        return int(places[self._within(values, s.top_p)])

    def _within(self, shares: torch.Tensor, top_p: float) -> int:
        """Return the index drawn among the first of `shares` (in falling order) that together reach `top_p`."""
        kept = shares.cumsum(-1) - shares < top_p
        kept[0] = True  # also where top_p is smaller than the smallest float
        return self._drawn(shares * kept)

    def _drawn(self, shares: torch.Tensor) -> int:
        return int(torch.multinomial(shares, 1, generator=self.generator))
