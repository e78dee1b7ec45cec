"""The keys of `tunesmith serve`: the server's own, which may do everything, and named ones with scopes, kept as hashes and revocable at any time.

api/keys/SHA256.json, a file for each key, called by the hash of its secret: two that are made at once lose nothing, and a request finds its key by name.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import NotFoundError, RequestError
from tuner.paths import Workspace
from tuner.serving.protocol import Refused

SCOPES = {
    "read": "list models, files and jobs",
    "train": "upload files, create and cancel jobs",
    "chat": "ask models",
}
OWN = "local"  # the owner of what the server's own key makes
NAME = re.compile(r"[\w .@-]{1,60}")
BURST = 10  # requests at once, whatever the rate


def add(ws: Workspace, name: str, scopes: Iterable[str], *, rate: int | None = None) -> dict[str, Any]:
    """Make a key and return it with its "secret", which is shown this once. `rate`: requests a minute. RequestError for a name that is taken or none,
    and for scopes that are not there."""
    asked = list(dict.fromkeys(scopes))
    if not NAME.fullmatch(name) or any(key["name"].casefold() == name.casefold() for key in listing(ws)):
        raise RequestError(
            f"{name!r} can't name a key.",
            asked=name,
            available="letters, digits and spaces, a name that no other key has",
            remedy="Choose another name.",
            field="name",
        )
    if not asked or set(asked) - set(SCOPES):
        raise RequestError(
            f"A key has one or more of the scopes {', '.join(SCOPES)}.",
            asked=asked,
            available=list(SCOPES),
            remedy="Choose from these.",
            field="scope",
        )
    if rate is not None and rate < 1:
        raise RequestError(
            "A rate is 1 or more requests a minute.", asked=rate, available="1 or more", remedy="Leave it out for no limit.", field="rate"
        )
    secret = "sk-ts-" + secrets.token_urlsafe(32)
    key = {"id": f"key-{secrets.token_hex(6)}", "name": name, "scopes": asked, "rate": rate, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    (ws.api / "keys").mkdir(parents=True, exist_ok=True)
    paths.write_json(_file(ws, _hash(secret)), key)
    return key | {"secret": secret}


def listing(ws: Workspace) -> list[dict[str, Any]]:
    """Return the keys in the order of their making, without what could be guessed from."""
    return [key for _, key in _all(ws)]


def revoke(ws: Workspace, which: str) -> dict[str, Any]:
    """Revoke a key by its name or id: the next request with it is refused. NotFoundError when there is none."""
    known = _all(ws)
    for file, key in known:
        if which in (key["id"], key["name"]):
            file.unlink(missing_ok=True)
            return key
    names = [key["name"] for _, key in known]
    raise NotFoundError(
        f"There is no key {which!r}.", asked=which, available=names or "no key yet", remedy="Choose one of these.", field="key"
    )


def _all(ws: Workspace) -> list[tuple[Path, dict[str, Any]]]:
    found = [(file, key) for file in (ws.api / "keys").glob("*.json") if (key := paths.read_json(file))]
    return sorted(found, key=lambda each: (each[1]["made"], each[1]["id"]))


def _file(ws: Workspace, sha256: str) -> Path:
    return ws.api / "keys" / f"{sha256}.json"


def _hash(secret: str) -> str:
    """Return what is kept of a key. A fast hash suffices: a key has 256 random bits, which nobody guesses."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Access:
    """Who may do what. `own`: the server's own key."""

    def __init__(self, ws: Workspace, own: str):
        self.ws, self.own = ws, own
        self.lock = threading.Lock()
        self.left: dict[str, tuple[float, float]] = {}  # key -> (requests left, when that was)

    def check(self, header: str, scope: str) -> str:
        """Return the owner behind an Authorization header. Refused: 401 for no or another key, 403 without the scope, 429 over its rate."""
        kind, _, given = header.partition(" ")
        if kind.lower() != "bearer" or not given:
            raise Refused(401, "The API key is missing or wrong.", code="invalid_api_key")
        if hmac.compare_digest(given.encode(), self.own.encode()):
            return OWN
        key = paths.read_json(_file(self.ws, _hash(given)))
        if key is None:
            raise Refused(401, "The API key is missing or wrong.", code="invalid_api_key")
        if scope not in key["scopes"]:
            raise Refused(
                403, f"The key {key['name']} may not {SCOPES[scope]}: it has {', '.join(key['scopes'])}.", code="insufficient_scope"
            )
        if key["rate"]:
            self._count(key)
        return key["id"]

    def _count(self, key: dict[str, Any]) -> None:
        """Take a request from what a key has left, which grows by its rate."""
        now, most = time.monotonic(), max(1.0, min(BURST, key["rate"]))
        with self.lock:
            left, then = self.left.get(key["id"], (most, now))
            left = min(most, left + (now - then) * key["rate"] / 60)
            self.left[key["id"]] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            raise Refused(
                429, f"The key {key['name']} may send {key['rate']} requests a minute; try again soon.", code="rate_limit_exceeded"
            )
