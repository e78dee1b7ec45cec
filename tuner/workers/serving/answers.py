"""From a request to an answer in OpenAI's shape: whole, or as server-sent events."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tuner.errors import RequestError
from tuner.models import chat_templates
from tuner.serving.protocol import ChatRequest, CompletionRequest, Sampled
from tuner.workers.serving import grammar, logprobs, tool_calls
from tuner.workers.serving.generation import Generation, Piece
from tuner.workers.serving.problems import problem
from tuner.workers.serving.sampling import Chosen, Sampling
from tuner.workers.serving.scheduler import Scheduler
from tuner.workers.tokenization import template_render

COLD = 1e-4  # a temperature below which only the likeliest token is left, and numbers overflow
LOOKS = 0.5  # seconds between two looks at whether the reader of a whole answer is still there


def sampling_of(q: Sampled) -> Sampling:
    """Return how a request wants its tokens chosen."""
    return Sampling(
        0.0 if q.temperature < COLD else q.temperature,
        q.top_p,
        q.top_k,
        q.presence_penalty,
        q.frequency_penalty,
        q.logit_bias,
        q.seed,
        top_logprobs=q.alternatives,
    )


def grammar_of(q: Sampled) -> Callable | None:
    """Return the grammar that a request wants its answer in, None for free text."""
    form = q.response_format
    if form is None or form.type == "text":
        return None
    return grammar.json_schema(form.json_schema.document if form.type == "json_schema" else grammar.ANY_JSON)


def chat_generation(q: ChatRequest, deliver: Callable) -> Generation:
    """Return the generation for a conversation."""
    how = {"tools": q.offered} if q.offered else {}

    def prompt(tokenizer) -> list[int]:
        try:
            ids = template_render.prompt(tokenizer, q.messages, return_dict=True, **how, **q.chat_template_kwargs)["input_ids"]
        except Exception as error:  # the template is a program, and whatever it raises says that it does not take this conversation
            raise RequestError(
                f"The model's chat template does not take this conversation: {' '.join(str(error).split())[:200] or type(error).__name__}",
                asked="messages",
                available="the roles and their order that the template knows",
                remedy="Change the messages.",
                field="messages",
            ) from error
        if begun := chat_templates.open_reasoning_tag(tokenizer.decode(ids[-16:])):
            made.opening = begun + "\n"
        return ids

    made = Generation(q.model, prompt, deliver, sampling_of(q), q.n, q.limit, tuple(q.stop), grammar_of(q))
    return made


def text_generation(q: CompletionRequest, text: str | list[int], deliver: Callable) -> Generation:
    """Return the generation that goes on from a text, or from token ids."""

    def prompt(tokenizer) -> list[int]:
        return text if isinstance(text, list) else tokenizer(text)["input_ids"]

    return Generation(q.model, prompt, deliver, sampling_of(q), q.n, q.limit, tuple(q.stop), grammar_of(q), where="prompt")


@dataclass
class Choice:
    """One answer as far as it has come."""

    text: str = ""
    chosen: list[Chosen] = field(default_factory=list)
    reason: str | None = None


class Answer:
    """The answers to one request: `pieces()` while they arrive, `whole()` at once. The number of a choice counts over all prompts."""

    def __init__(self, scheduler: Scheduler, q: ChatRequest | CompletionRequest, served_as: str):
        self.q, self.chat, self.scheduler = q, isinstance(q, ChatRequest), scheduler
        self.loop, self.queue, self.offsets = asyncio.get_running_loop(), asyncio.Queue(), {}
        self.generations = (
            [chat_generation(q, self._deliver(0))]
            if self.chat
            else [text_generation(q, text, self._deliver(i * q.n)) for i, text in enumerate(q.prompts)]
        )
        kind = ("chat.completion", "chatcmpl") if self.chat else ("text_completion", "cmpl")
        self.head = {"id": f"{kind[1]}-{secrets.token_hex(12)}", "object": kind[0], "created": int(time.time()), "model": served_as}

    async def start(self) -> None:
        """Queue the request. Errors of the request itself, such as a prompt that is too long, are raised by the first piece."""
        for generation in self.generations:
            await asyncio.to_thread(self.scheduler.submit, generation)

    def cancel(self) -> None:
        """Generate no more: nobody reads it."""
        for generation in self.generations:
            generation.cancelled = True

    def usage(self) -> dict[str, int]:
        counts = [g.usage() for g in self.generations]
        return {name: sum(c[name] for c in counts) for name in counts[0]}

    def timings(self) -> dict[str, float | None]:
        return self.generations[0].timings()

    async def pieces(self, gone: Callable | None = None) -> AsyncIterator[Piece]:
        """Yield the pieces of all answers as they come; `gone()` is asked now and then whether the reader has left."""
        going, looked = len(self.generations), time.monotonic()
        while going:
            if gone and time.monotonic() - looked > LOOKS:
                looked = time.monotonic()
                if await gone():
                    self.cancel()
                    gone = None
            try:
                item = await asyncio.wait_for(self.queue.get(), LOOKS if gone else None)
            except TimeoutError:
                continue
            if isinstance(item, BaseException):
                self.cancel()
                raise item
            if item is None:
                going -= 1
            else:
                yield item

    async def whole(self, gone: Callable) -> dict[str, Any]:
        """Return the complete response."""
        choices = [Choice() for _ in range(self.q.n * len(self.generations))]
        async for piece in self.pieces(gone):
            choice = choices[piece.index]
            choice.text += piece.text
            choice.chosen += piece.chosen
            choice.reason = piece.reason or choice.reason
        told = [self._chat_choice(i, c) if self.chat else self._text_choice(i, c) for i, c in enumerate(choices)]
        return self.head | {"choices": told, "usage": self.usage(), "timings": self.timings()}

    async def events(self, first: AsyncIterator[Piece]) -> AsyncIterator[str]:
        """Yield server-sent events; an error is an event too, because the status line is already sent."""
        head = self.head | ({"object": "chat.completion.chunk"} if self.chat else {})
        options = self.q.stream_options
        every = bool(options and options.continuous_usage_stats)
        held = {i: Choice() for i in range(self.q.n)} if self.chat and self.q.offered else {}
        told: set[int] = set()
        try:
            async for piece in first:
                for choice in self._chunks(piece, held, told):
                    yield _event(head | {"choices": [choice]} | ({"usage": self.usage(), "timings": self.timings()} if every else {}))
            if options and options.include_usage and not every:
                yield _event(head | {"choices": [], "usage": self.usage()})
        except Exception as error:
            yield _event({"error": problem(error)})
        finally:
            self.cancel()
        # for the gateway's counters; clients leave at the last line
        yield ": " + json.dumps({"usage": self.usage(), "timings": self.timings()}) + "\n\n"
        yield "data: [DONE]\n\n"

    def _chunks(self, piece: Piece, held: dict[int, Choice], told: set[int]) -> list[dict[str, Any]]:
        """Return what a piece gives to a stream. With tools an answer is held back to its end: only then it is known what is a call."""
        tokenizer = self.generations[0].tokenizer
        if not self.chat:
            scores = logprobs.text_shape(tokenizer, piece.chosen, self.offsets.get(piece.index, 0)) if piece.chosen else None
            self.offsets[piece.index] = self.offsets.get(piece.index, 0) + sum(map(len, scores["tokens"] if scores else ()))
            text = self._echo(piece.index) + piece.text if self.q.echo and piece.index not in told else piece.text
            told.add(piece.index)
            return [{"index": piece.index, "text": text, "finish_reason": piece.reason, "logprobs": scores}]
        out = []
        if piece.index not in told:
            told.add(piece.index)
            out.append({"index": piece.index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
        if piece.index in held:
            choice = held[piece.index]
            choice.text, choice.chosen = choice.text + piece.text, choice.chosen + list(piece.chosen)
            if not piece.reason:
                return out
            choice.reason = piece.reason
            message = self._chat_choice(piece.index, choice)
            delta = {k: v for k, v in message["message"].items() if k != "role" and v}
            for i, call in enumerate(delta.get("tool_calls", ())):
                call["index"] = i
            scores = {"logprobs": message["logprobs"]} if message["logprobs"] else {}
            return [*out, {"index": piece.index, "delta": delta, "finish_reason": message["finish_reason"]} | scores]
        scores = {"content": logprobs.chat_shape(tokenizer, piece.chosen)} if piece.chosen else None
        delta = {"content": piece.text} if piece.text else {}
        return [*out, {"index": piece.index, "delta": delta, "finish_reason": piece.reason} | ({"logprobs": scores} if scores else {})]

    def _chat_choice(self, index: int, choice: Choice) -> dict[str, Any]:
        generation = self.generations[0]
        message, reason = {"role": "assistant", "content": choice.text}, choice.reason
        if self.q.offered:
            content, calls = tool_calls.found(generation, choice.text, self.q.offered)
            if calls:
                message, reason = {"role": "assistant", "content": content or None, "tool_calls": calls}, "tool_calls"
        scores = {"content": logprobs.chat_shape(generation.tokenizer, choice.chosen)} if self.q.logprobs else None
        return {"index": index, "message": message, "finish_reason": reason, "logprobs": scores}

    def _text_choice(self, index: int, choice: Choice) -> dict[str, Any]:
        scores = logprobs.text_shape(self.generations[0].tokenizer, choice.chosen) if self.q.logprobs is not None else None
        text = (self._echo(index) if self.q.echo else "") + choice.text
        return {"index": index, "text": text, "finish_reason": choice.reason, "logprobs": scores}

    def _echo(self, index: int) -> str:
        prompt = self.q.prompts[index // self.q.n]
        return prompt if isinstance(prompt, str) else self.generations[0].tokenizer.decode(prompt)

    def _deliver(self, offset: int) -> Callable:
        def deliver(item: Piece | BaseException | None) -> None:
            if isinstance(item, Piece) and offset:
                item = Piece(item.index + offset, item.text, item.chosen, item.reason)
            with contextlib.suppress(RuntimeError):  # the server is shutting down
                self.loop.call_soon_threadsafe(self.queue.put_nowait, item)

        return deliver


def _event(document: dict[str, Any]) -> str:
    return "data: " + json.dumps(document) + "\n\n"  # ASCII: clients split lines at more characters than line feeds
