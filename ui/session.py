"""Who is at the page, and what it may do: one `AppContext` a page process, one small `Session` a browser."""

import hashlib
import hmac
import shutil
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import gradio as gr

from tuner import paths, runs
from tuner.errors import ConflictError, NotAllowedError, NotFoundError
from tuner.jobs import run_queue
from tuner.labels import db
from tuner.paths import Workspace
from tuner.system import folder_index
from ui import attempts, reach
from ui.attempts import Attempts

LOCAL_LIMIT, SPACE_LIMIT = 2_000_000_000, 200_000_000  # bytes of one upload
EXPIRE, SWEEP = 1800, 60  # seconds without an event and an open page after which a session is let go of, and between two looks for such
CAPACITY = 1000  # sessions kept at most ; the one that was silent for longest goes first
GUEST = "guest-"


@dataclass
class AppContext:
    """The rules of this page. In guest mode (a Space without a login) every session is an owner of its own, gone at its end."""

    home: Path
    machine: Path | None = None
    guest: bool = False
    password: str | None = None
    limit_bytes: int = LOCAL_LIMIT
    at: reach.Listening = field(default_factory=reach.Listening)
    token: str | None = field(default=None, repr=False)  # for the Hub, from the environment at the start
    tries: Attempts = field(default_factory=Attempts)  # at the password
    _typed: dict[str, str] = field(default_factory=dict, repr=False)  # tokens that were typed here, by session
    _unlocked: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def workspace(self, request: gr.Request | None) -> Workspace:
        if not self.guest:
            return Workspace(self.home, "me", self.machine, self.hub_token(request))
        return self.guest_workspace(str(getattr(request, "session_hash", None) or "nobody"), self.hub_token(request))

    def guest_workspace(self, session: str, token: str | None = None) -> Workspace:
        """A guest's own folder, which is made by what writes into it first."""
        return Workspace(self.home, GUEST + hashlib.sha256(session.encode()).hexdigest()[:20], self.machine, token)

    def _session(self, request: gr.Request | None) -> str:
        """Whose token it is: everybody's at a page of one's own, a visitor's in a Space."""
        return str(getattr(request, "session_hash", None) or "nobody") if self.guest else "me"

    def hub_token(self, request: gr.Request | None) -> str | None:
        """What was typed here, else what the environment named; visitors of a Space have only what they typed themselves."""
        return self._typed.get(self._session(request)) or (None if self.guest else self.token)

    def keep_hub_token(self, request: gr.Request | None, token: str) -> None:
        """Keep a typed token in the memory of this process, or forget it when it is empty."""
        self.require_own(request)
        with self._lock:
            if token.strip():
                self._typed[self._session(request)] = token.strip()
            else:
                self._typed.pop(self._session(request), None)

    def may_bring_own(self, request: gr.Request | None) -> bool:
        """Whether this session may upload data and name models of its own."""
        return not self.guest or str(getattr(request, "session_hash", "")) in self._unlocked

    def require_own(self, request: gr.Request | None) -> None:
        if not self.may_bring_own(request):
            raise NotAllowedError(
                "This public page works with the samples and the starter model only.",
                asked="own data or another model",
                available="the five samples and the starter",
                remedy="Enter the owner's password in Settings, or run Tunesmith on your computer.",
            )

    def require_model(self, ws: Workspace, model: str, request: gr.Request | None) -> None:
        """The starter and a visitor's own runs are free to use; a path is not made one of these by being one (`/etc`, `..`)."""
        if model != "starter" and not (paths.ID.fullmatch(model) and (ws.runs / model).is_dir()):
            self.require_own(request)

    def unlock(self, request: gr.Request, password: str) -> bool:
        """Whether that was the password, which opens this visit; NotAllowedError when it was tried too often."""
        address = getattr(getattr(request, "client", None), "host", None)
        if wait := self.tries.begin(address):
            raise NotAllowedError(
                "There were too many wrong passwords.",
                asked="another try",
                available=f"in {max(1, round(wait))} s",
                remedy=attempts.told(wait),
                field="password",
            )
        if not self.knows(password):
            return False
        self.tries.succeeded(address)
        with self._lock:
            self._unlocked.add(str(request.session_hash))
        return True

    def knows(self, password: str) -> bool:
        """Compare without telling by the time it takes how much of it is right."""
        return bool(self.password) and hmac.compare_digest(password.encode("utf-8", "replace"), self.password.encode())

    def leave(self, request: gr.Request) -> None:
        """A guest's browser is gone: stop what it runs and delete all that was its own."""
        self.expire(str(request.session_hash))

    def expire(self, session: str) -> None:
        """As `leave`, of a session by its name."""
        with self._lock:
            self._unlocked.discard(session)
            self._typed.pop(session, None)
        if self.guest:
            remove(self.guest_workspace(session))

    def sweep(self, alive: Iterable[str]) -> None:
        """Remove the folders of guests that no living session owns: left by a former page, or kept until a run had ended."""
        if not self.guest or not self.home.is_dir():
            return
        owners = {self.guest_workspace(session).owner for session in alive}
        for folder in self.home.iterdir():
            if folder.name.startswith(GUEST) and folder.name not in owners:
                remove(Workspace(self.home, folder.name, self.machine))


def remove(ws: Workspace) -> None:
    """Delete a guest's folder; one with a run under way is kept until that has been stopped, for a later sweep."""
    live = [run for run in runs.listing(ws) if run.live]
    for run in live:
        try:
            runs.ask_to_stop(ws, run.id)
        except (ConflictError, NotFoundError):
            continue  # it ended, or went, by itself in between
    if live:
        return run_queue.watch_again(ws)  # whoever settles a run may be gone as well
    folder_index.forget(ws)
    db.forget(ws.labels)
    shutil.rmtree(ws.root, ignore_errors=True)
    return None


@dataclass
class Session:
    """Where a browser is: kept in the browser, so that a reload comes back to it. Ids only; the truth is on disk."""

    tab: str = "home"
    data: str | None = None
    runs: str | None = None  # what the Runs page shows: a run, several that are compared (ids with commas), or nothing: all
    run: str | None = None  # the run that was looked at last: Chat and Export begin with it
    chat: str | None = None
    demo: str | None = None  # a demo under way, which lands in the chat
    label: str | None = None  # the label project
    labeller: str | None = None  # who judges at this browser

    @classmethod
    def read(cls, stored) -> "Session":
        """From what a browser kept, which may be of another version or changed by hand."""
        stored = stored if isinstance(stored, dict) else {}
        return cls(**{k: v for k in cls.__dataclass_fields__ if isinstance(v := stored.get(k), str)})

    def with_(self, **change) -> dict:
        return asdict(self) | change
