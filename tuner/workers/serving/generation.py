"""One request for an answer, or for several to one prompt: what it asks, what was generated so far, and where the pieces go."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tuner.errors import RequestError
from tuner.workers.modelling.generation import end_tokens
from tuner.workers.serving.sampling import Chooser, Chosen, Sampling
from tuner.workers.serving.text_stream import TextStream


@dataclass(frozen=True)
class Piece:
    """A part of answer number `index`. The last part has `reason`: "stop" (it ended by itself, or at a stop string), "length" or "cancelled".

    `chosen`: the tokens of this part, when log-probabilities were asked for.
    """

    index: int
    text: str = ""
    chosen: tuple[Chosen, ...] = ()
    reason: str | None = None


class ContextLengthExceededError(RequestError):
    """A prompt is longer than the model's context; OpenAI's clients know its code."""


@dataclass
class Generation:
    """One request. `prompt(tokenizer)` gives the tokens; `deliver` takes each `Piece`, at last None, or the exception that ended it.

    `limit`: tokens of one answer, or None for what the context has room for, at most `ROOM`.
    """

    model: str
    prompt: Callable
    deliver: Callable[[Piece | BaseException | None], None]
    sampling: Sampling = field(default_factory=Sampling)
    n: int = 1
    limit: int | None = None
    stop: tuple[str, ...] = ()
    grammar: Callable | None = None
    where: str = "messages"  # the prompt's field in the request
    prompt_tokens: int = 0
    completion_tokens: int = 0
    open: int = 0  # answers that go on
    cancelled: bool = False
    opening: str = ""  # the tag of reasoning with which the prompt ends: it belongs to the answer
    begun: float = field(default_factory=time.monotonic)
    first: float | None = None
    last: float | None = None
    tokenizer: Any = None
    family: str = ""  # transformers' model_type
    prompt_end: str = ""
    rows: list["Row"] | None = None  # made when it is its turn, kept while it waits for room; [] when it was refused

    ROOM: ClassVar[int] = 4096

    def prepare(self, model, tokenizer, device, virtual: int) -> list["Row"]:
        """Return a row for each answer. RequestError when the prompt is longer than the model's context; `virtual`: positions taken by a trained prompt."""
        ids = list(self.prompt(tokenizer))
        self.prompt_tokens, self.tokenizer, self.family = len(ids), tokenizer, model.config.model_type
        self.prompt_end = tokenizer.decode(ids[-64:])
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 4096
        room = context - len(ids) - virtual
        if room < 1 or not ids:
            what = "conversation" if self.where == "messages" else "prompt"
            if not ids:
                raise RequestError(f"The {what} is empty.", asked="", available="any text", remedy="Enter a text.", field=self.where)
            raise ContextLengthExceededError(
                f"The {what} has {len(ids)} tokens, more than the context of this model.",
                asked=len(ids),
                available=f"up to {context - virtual - 1} tokens",
                remedy="Start a new chat, or shorten the message." if self.where == "messages" else "Shorten it.",
                field=self.where,
            )
        sampling, size = self.sampling, model.get_input_embeddings().weight.shape[0]
        if (wrong := next((i for i in (*ids, *sampling.logit_bias) if not 0 <= i < size), None)) is not None:
            raise RequestError(
                f"There is no token {wrong}.",
                asked=wrong,
                available=f"0 to {size - 1}",
                remedy="Use the model's own tokenizer.",
                field=self.where if wrong in ids else "logit_bias",
            )
        if self.grammar:
            sampling = replace(sampling, grammar=self.grammar(tokenizer, model.config.get_text_config().vocab_size))
        ends, limit = set(end_tokens(model, tokenizer)), min(room, self.limit or self.ROOM)
        self.open = self.n
        return [Row(self, i, ids, Chooser(sampling, device, i), TextStream(tokenizer, self.stop), ends, limit) for i in range(self.n)]

    def usage(self) -> dict[str, int]:
        """Return OpenAI's counts of tokens so far."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    def timings(self) -> dict[str, float | None]:
        """Return the seconds to the first token, without loading the model, and the tokens per second from there; None before they are known."""
        if self.first is None:
            return {"first_token_seconds": None, "tokens_per_second": None}
        going = self.last - self.first
        speed = (self.completion_tokens - self.n) / going if self.completion_tokens > self.n and going > 0 else None
        return {"first_token_seconds": self.first - self.begun, "tokens_per_second": speed}


@dataclass(eq=False)
class Row:
    """One answer that is being generated."""

    of: Generation
    index: int
    prompt: list[int]
    chooser: Chooser
    text: TextStream
    ends: set[int]
    limit: int
    length: int = 0  # tokens in the cache
    count: int = 0
    newest: int = 0
    over: bool = False

    def __post_init__(self):
        self.ids = list(self.prompt)

    def take(self, chosen: Chosen) -> None:
        """Add a token: deliver the text that it completes, and the reason when it is the last one."""
        now, of = time.monotonic(), self.of
        of.first, of.last = of.first or now, now
        self.newest, self.count = chosen.token, self.count + 1
        self.ids.append(chosen.token)
        of.completion_tokens += 1
        ended = chosen.token in self.ends
        text = "" if ended else self.text.push(chosen.token)
        if of.opening and self.count == 1:
            text = of.opening + text
        reason = "stop" if ended or self.text.stopped else "length" if self.count >= self.limit else None
        if reason:
            text += self.text.end()
        told = (chosen,) if of.sampling.top_logprobs is not None and not ended else ()
        if text or told or reason:
            of.deliver(Piece(self.index, text, told, reason))
        if reason:
            self.close()

    def cancel(self) -> None:
        """End the answer because nobody reads it."""
        self.of.deliver(Piece(self.index, reason="cancelled"))
        self.close()

    def fail(self, error: BaseException) -> None:
        """End the request with an error, once."""
        if not self.over and not self.of.cancelled:
            self.of.deliver(error)
        self.over = self.of.cancelled = True

    def close(self) -> None:
        self.over = True
        self.of.open -= 1
        if not self.of.open:
            self.of.deliver(None)
