"""What the page's process keeps of its visitors, and when it lets go of it.

Gradio keeps the state of each session without an end unless its browser held a heartbeat open, and 1.3 MB of it: the configuration of every
component, for links that restore a page, which this page has not. Here a session keeps what its handlers gave it alone, and goes once it
was silent for `session.EXPIRE` with no page open and nothing at work; with it go Gradio's queue leftovers and a guest's folder.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Any

import gradio as gr
from gradio import caching
from gradio.state_holder import SessionState, StateHolder
from starlette.types import ASGIApp, Receive, Scope, Send

from ui import session
from ui.session import AppContext

POLL = 0.04  # seconds between two looks of Gradio's queue for work


class LightState(SessionState):
    """A session without the configuration of each component: it saves a third of a second and a megabyte a visitor."""

    def __init__(self, blocks):
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, dict] = {}  # stays empty: what `components` would restore
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, tuple] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = session.EXPIRE

    def __setitem__(self, key: int, value: Any) -> None:
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, gr.State):
            self._state_ttl[key] = (block.time_to_live, datetime.now())
            self.state_data[key] = value
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """Nothing is kept of it."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing is kept of it."""


class Sessions(StateHolder):
    """The sessions of a page: when each was last heard of, and which have a page open."""

    def __init__(self, blocks, context: AppContext, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self.context, self.clock = context, clock
        self.heard: dict[str, float] = {}
        self.open: Counter[str] = Counter()  # heartbeats by session
        self.set_blocks(blocks)
        self.capacity = session.CAPACITY

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = LightState(self.blocks)
        self.heard[session_id] = self.clock()
        return super().__getitem__(session_id)

    def begin(self, session_id: str) -> None:
        """A page was opened."""
        self.open[session_id] += 1

    def end(self, session_id: str) -> None:
        """A page was closed, or its connection broke: a browser that comes back finds its session for a while."""
        self.open[session_id] -= 1
        if self.open[session_id] <= 0:
            del self.open[session_id]
        self.heard[session_id] = self.clock()

    # --- letting go ---------------------------------------------------------------------------------------------------

    def at_work(self, session_id: str) -> bool:
        queue = self.blocks._queue
        return any(event in queue.event_ids_to_events for event in list(queue.pending_event_ids_session.get(session_id, ())))

    def alive(self) -> set[str]:
        """The sessions that are kept."""
        return {*self.session_data, *self.open}

    def silent(self) -> list[str]:
        """The sessions that are to go; among them what is left of those that the capacity pushed out."""
        queue, since = self.blocks._queue, self.clock() - session.EXPIRE
        known = {*self.session_data, *self.heard, *queue.pending_event_ids_session, *queue.pending_messages_per_session}
        return [s for s in known if self.heard.get(s, since) <= since and s not in self.open and not self.at_work(s)]

    def release(self, session_id: str) -> None:
        """Forget a session, with all that Gradio keeps of it elsewhere."""
        blocks = self.blocks
        self.delete_state(session_id)
        kept = (self.session_data, self.time_last_used, self.heard, blocks.pending_streams, blocks.pending_diff_streams)
        for place in (*kept, blocks._queue.pending_messages_per_session, blocks._queue.pending_event_ids_session):
            place.pop(session_id, None)
        caching.clear_session_caches(session_id)

    def sweep(self) -> list[str]:
        """Let go of the sessions that fell silent; returns them, for `clean`."""
        gone = self.silent()
        for one in gone:
            self.release(one)
        return gone

    def clean(self, gone: list[str]) -> None:
        """What a guest leaves on the disk; it may take a while."""
        for one in gone:
            self.context.expire(one)
        self.context.sweep(self.alive())


class Visits:
    """An ASGI layer that gives the page its `Sessions`, counts open heartbeats and sweeps now and then."""

    def __init__(self, app: ASGIApp, context: AppContext):
        self.app, self.context = app, context
        self.sessions: Sessions | None = None
        self.sweeping: asyncio.Task | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.sessions is None:
            self.take_over(scope["app"])
        path = scope["path"] if scope["type"] == "http" else ""
        if "/heartbeat/" not in path:
            return await self.app(scope, receive, send)
        who = path.rstrip("/").rpartition("/")[2]
        self.sessions.begin(who)
        try:
            return await self.app(scope, receive, send)
        finally:
            self.sessions.end(who)

    def take_over(self, app) -> None:
        """From the first request on, before any session."""
        self.sessions = app.state_holder = Sessions(app.get_blocks(), self.context)
        queue = app.get_blocks()._queue  # looks for work a thousand times a second, which costs an idle page 7 % of a core
        queue.sleep_when_free, queue.progress_update_sleep_when_free = POLL, 0.1
        self.sweeping = asyncio.get_running_loop().create_task(self.sweep())

    async def sweep(self) -> None:
        """As long as the page lives. What goes wrong once is told, and tried again the next time."""
        while True:
            try:
                await asyncio.to_thread(self.sessions.clean, self.sessions.sweep())
            except Exception as error:
                print(f"sessions could not be swept: {type(error).__name__}: {error}", flush=True)
            await asyncio.sleep(session.SWEEP)
