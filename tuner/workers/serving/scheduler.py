"""Who is answered when: one thread owns the models; requests to one model are batched, models take turns.

A turn lasts a quarter of a second, and at least four times what changing to the model took, so that changing costs at most a fifth.
"""

import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch

from tuner.errors import WorkError
from tuner.workers.modelling import peft_methods
from tuner.workers.serving.batch import CHUNK, Batch
from tuner.workers.serving.generation import Generation, Row
from tuner.workers.serving.model_cache import Models

TURN, SHARE = 0.25, 4.0  # seconds, and times the change
ROWS = 32  # answers at once
LOADED = 0.5  # seconds: a change that took longer has loaded a model, which isn't counted as waiting for the first token


class Lane:
    """What waits for one model, and what it is generating."""

    def __init__(self, id: str):
        self.id, self.batch = id, Batch()
        self.waiting: deque[Generation | tuple[Callable, Future]] = deque()

    @property
    def work(self) -> bool:
        return bool(self.waiting or self.batch.rows)

    def fail(self, error: BaseException) -> None:
        """End everything that waits or goes on with this error; what comes meanwhile is not touched."""
        waiting = [self.waiting.popleft() for _ in range(len(self.waiting))]
        self.batch.fail(error)
        for item in waiting:
            _refuse(item, error)


class Scheduler:
    """Answers requests in a thread of its own. `submit` and `call` may be used from any thread."""

    def __init__(self, models: Models):
        self.models = models
        self.lanes: OrderedDict[Any, Lane] = OrderedDict()
        self.wake = threading.Condition()
        self.left: WorkError | None = None  # why nothing is answered any more
        threading.Thread(target=self._run, daemon=True, name="scheduler").start()

    @property
    def busy(self) -> bool:
        with self.wake:
            return any(lane.work for lane in self.lanes.values())

    def leave(self, reason: str) -> None:
        """End all answers, those under way and those that wait, with an error that says why; take no more."""
        with self.wake:
            self.left = WorkError(reason, asked="an answer", available="the device, when the run has ended", remedy="Ask again then.")
            self.wake.notify()

    def counts(self) -> dict[str, int]:
        """Return {"running", "waiting"}: answers under way, requests that wait."""
        with self.wake:
            lanes = list(self.lanes.values())
            return {"running": sum(len(n.batch.rows) for n in lanes), "waiting": sum(len(n.waiting) for n in lanes)}

    def submit(self, generation: Generation) -> None:
        """Queue a request; its pieces go to `generation.deliver`."""
        self._queue(generation.model, generation)

    def call(self, id: str, work: Callable[[Any, Any, bool], Any]) -> Any:
        """Return `work(model, tokenizer, whether its adapter is on)`, run between the steps of that model's answers."""
        future: Future = Future()
        self._queue(id, (work, future))
        return future.result()

    def _queue(self, id: str, item: Any) -> None:
        key = self.models.key(id)
        with self.wake:
            if self.left:
                raise self.left
            self.lanes.setdefault(key, Lane(id)).waiting.append(item)
            self.wake.notify()

    def _run(self) -> None:
        while True:
            with self.wake:
                while not any(lane.work for lane in self.lanes.values()):
                    self.lanes.clear()
                    self.wake.wait()
                for key in [k for k, lane in self.lanes.items() if not lane.work]:
                    del self.lanes[key]
                key, lane = next(iter(self.lanes.items()))
                self.lanes.move_to_end(key)
            try:
                self._turn(lane)
            except Exception as error:  # told to those who asked; the thread goes on
                lane.fail(error)

    @torch.inference_mode()
    def _turn(self, lane: Lane) -> None:
        began = time.monotonic()
        model, tokenizer, adapted = self.models.ready(lane.id)
        took = time.monotonic() - began
        if took > LOADED:
            for item in lane.waiting:
                if isinstance(item, Generation):
                    item.begun = max(item.begun, time.monotonic())
        until = time.monotonic() + max(TURN, SHARE * took)
        with contextlib.nullcontext() if adapted else peft_methods.disabled(model):
            lane.batch.attach(model, adapted)
            try:
                while lane.work and (time.monotonic() < until or not self._others(lane)):
                    self._advance(lane, model, tokenizer, adapted)
            finally:
                lane.batch.detach()

    def _others(self, lane: Lane) -> bool:
        with self.wake:
            return any(other.work for other in self.lanes.values() if other is not lane)

    def _advance(self, lane: Lane, model, tokenizer, adapted: bool) -> None:
        """Run what waits for the model itself, then read new prompts, or else generate one token of each answer."""
        if self.left:
            raise self.left
        rows: list[Row] = []
        while lane.waiting:
            item = lane.waiting[0]
            if not isinstance(item, Generation):
                lane.waiting.popleft()
                _run_call(item, model, tokenizer, adapted)
                continue
            if item.cancelled:
                lane.waiting.popleft()
                item.deliver(None)
                continue
            new = self._prepared(lane, item, model, tokenizer)
            if new and not self._room(lane.batch, rows, new):
                break
            if lane.batch.alone and len(new) > 1:  # several answers to one prompt: the next one comes after this
                rows.append(new.pop(0))
                break
            lane.waiting.popleft()
            rows += new
        if rows:
            self._add(lane, rows)
            return
        try:
            lane.batch.step()
        except Exception as error:  # too little memory, most often: what waits is tried without these
            lane.batch.fail(error)

    def _prepared(self, lane: Lane, item: Generation, model, tokenizer) -> list[Row]:
        """Return the rows of a request, [] when it is refused; kept while it waits for room."""
        if item.rows is None:
            try:
                item.rows = item.prepare(model, tokenizer, model.device, lane.batch.virtual)
            except Exception as error:  # the request's own fault: a template that refuses it, a prompt that is too long
                item.deliver(error)
                item.rows = []
        return item.rows

    def _room(self, batch: Batch, joining: list[Row], new: list[Row]) -> bool:
        """Return whether `new` may join now: the first always may."""
        if not batch.rows and not joining:
            return True
        if batch.alone or len(batch.rows) + len(joining) + len(new) > ROWS:
            return False
        wide = max(len(row.prompt) for row in [*joining, *new])
        if joining and wide * (len(joining) + len(new)) > max(CHUNK, 2 * sum(len(row.prompt) for row in [*joining, *new])):
            return False  # mostly padding: the next round reads them
        return batch.bytes_with([*joining, *new]) < self.models.free() / 2

    def _add(self, lane: Lane, rows: list[Row]) -> None:
        try:
            lane.batch.add(rows, between=lane.batch.step)
        except Exception as error:
            lane.batch.tidy()
            groups = [[row for row in rows if row.of is of] for of in dict.fromkeys(row.of for row in rows)]
            if len(groups) == 1:
                for row in rows:
                    row.fail(error)
            for group in groups if len(groups) > 1 else ():  # one of them is to blame, or together they are too large
                self._add(lane, group)


def _run_call(item: tuple[Callable, Future], model, tokenizer, adapted: bool) -> None:
    work, future = item
    try:
        future.set_result(work(model, tokenizer, adapted))
    except Exception as error:
        future.set_exception(error)


def _refuse(item: Any, error: BaseException) -> None:
    if isinstance(item, Generation):
        item.deliver(error)
    else:
        item[1].set_exception(error)
