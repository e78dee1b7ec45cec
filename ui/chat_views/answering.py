"""One question on its way: the model and what it is compared with answer at once; each piece is shown as it comes, and the whole is kept.

It works in a thread of its own, so that Stop is heard at once while a model is still being loaded. Gradio's `cancels` waits until the handler
gives a sign of life, and refuses other questions until then.
"""

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tuner import runs
from tuner.paths import Workspace
from tuner.serving import chat_client
from tuner.serving.chat_client import Piece
from ui.chat_views import conversation
from ui.chat_views.conversation import BASE, NONE, Messages

REDRAW = 0.06  # seconds between two redraws of a growing answer
HEARD = 0.05  # seconds until a stop is heard


@dataclass
class Sampling:
    """How answers are generated. `system`: what was typed; empty for the system prompt of the training data."""

    system: str
    temperature: float
    top_p: float
    max_tokens: int
    seed: int | None = None
    anyway: bool = False  # load the model even if a run may then lack memory

    def as_request(self) -> dict[str, Any]:
        found = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        return found if self.seed is None else found | {"seed": self.seed}


@dataclass
class Answering:
    """A question to `who` and, unless `compare` is NONE, to another model. `tuned` and `other` are the two conversations."""

    ws: Workspace
    who: str
    compare: str
    tuned: Messages
    other: Messages
    sampling: Sampling
    cut: bool = False  # an answer ended at its largest length
    silent: bool = False  # a model answered nothing
    left: bool = False  # stopped because the page shows something else now
    _growing: dict[int, Piece] = field(default_factory=dict)  # number of a side whose answer grows → its newest piece
    _over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def over(self) -> bool:
        """Whether it was stopped before its end."""
        return self._over

    def follow(self, question: str) -> Iterator[None]:
        """Put the question to both in the background; yields whenever there is something new to draw, and ends when it is stopped."""
        news: queue.SimpleQueue = queue.SimpleQueue()

        def work() -> None:
            try:
                for _ in self.ask(question):
                    news.put(None)
                news.put(StopIteration())
            except Exception as error:
                news.put(error)

        threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()  # texts in the visitor's language
        while not self._over:
            try:
                found = news.get(timeout=HEARD)
            except queue.Empty:
                continue
            if isinstance(found, StopIteration):
                return
            if found is not None:
                raise found
            yield

    def ask(self, question: str) -> Iterator[None]:
        """Put the question to both; yields whenever there is something new to draw."""
        sides = [self.tuned] + ([self.other] if self.compare != NONE else [])
        for side in sides:
            side.append({"role": "user", "content": question})
        yield
        client, pieces, drawn = chat_client.Client(self.ws), queue.SimpleQueue(), 0.0
        asked = [self._asked(side) for side in sides]
        with self._lock:
            if self._over:  # it was stopped while the model was loaded
                return
            for side in sides:
                side.append({"role": "assistant", "content": ""})
            self._growing = dict(enumerate(Piece() for _ in sides))
        for n, (known, messages) in enumerate(asked):
            threading.Thread(target=self._read, args=(client, known, messages, n, pieces), daemon=True).start()
        while self._growing:
            n, piece = pieces.get()
            if isinstance(piece, BaseException):
                raise piece
            with self._lock:
                if self._over:
                    return
                if piece is None:
                    self.cut = self.cut or self._growing[n].stop_reason == "length"
                    self._end(n, stopped=False)
                else:
                    self._growing[n] = piece
                    sides[n][-1]["content"] += piece.text
            if piece is None:
                yield
            elif time.monotonic() - drawn > REDRAW and not piece.stop_reason:
                drawn = time.monotonic()
                yield

    def _asked(self, side: Messages) -> tuple[dict[str, Any], Messages]:
        """Return what the serving worker needs for one side, and its conversation with the system prompt."""
        known, system = self._spec(side)
        known = chat_client.insisted(known, self.sampling.anyway)
        return known, ([{"role": "system", "content": system}] if system else []) + conversation.clean(side)

    def _read(self, client: chat_client.Client, known: dict[str, Any], messages: Messages, n: int, pieces: queue.SimpleQueue) -> None:
        """Put each piece of answer `n` into the queue, at last None, or the error that ended it."""
        try:
            with contextlib.closing(client.stream(known, messages, **self.sampling.as_request())) as answer:
                for piece in answer:
                    if self._over:
                        return
                    pieces.put((n, piece))
            pieces.put((n, None))
        except Exception as error:
            pieces.put((n, error))

    def _spec(self, side: Messages) -> tuple[dict[str, Any], str]:
        """Return what the serving worker needs, and the system prompt, of one side."""
        if side is self.tuned or self.compare == BASE:
            known = chat_client.serving_spec(self.ws, self.who, base=side is not self.tuned)
            return known, self.sampling.system or trained_with(self.ws, self.who)
        return chat_client.serving_spec(self.ws, self.compare), self.sampling.system or trained_with(self.ws, self.compare)

    def _end(self, n: int, *, stopped: bool) -> None:
        """Put the figures below an answer that grew, and keep the conversation. An empty answer is none: two questions would follow it."""
        side, last = (self.tuned, self.other)[n], self._growing.pop(n)
        if not side[-1]["content"].strip():
            side.pop()
            self.silent = not stopped
        else:
            side.append(conversation.figures(last, stopped))
        self._keep()

    def _keep(self) -> None:
        conversation.keep(self.ws, self.who, self.tuned, compare=self.compare, other=self.other if self.compare != NONE else None)

    def stop(self) -> None:
        """End it where it is; a second time changes nothing."""
        with self._lock:
            if not self._over:
                self._over = True
                for n in list(self._growing):
                    self._end(n, stopped=True)
                self._keep()


def trained_with(ws: Workspace, id: str | None) -> str:
    """The system prompt of the rows that a model was trained on: given to it, and to its base model, unless another one is written."""
    return runs.get(ws, id).system if id and id != "starter" else ""
