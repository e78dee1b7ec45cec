"""A webhook: an address of the person's own that is told when a run ends. Off until somebody sets it.

The supervisor sends, in a thread, so that a slow address delays nothing; each end of a run is told once, and a try that fails is written into
the run's log. The body has "text" and "content", as the chats of teams want them, beside the figures.
"""

import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tuner import paths, runs
from tuner.errors import RequestError, TunerError
from tuner.network import public_addresses
from tuner.paths import Workspace

FILE = "notices.json"
LONGEST = 2000  # characters of an address
TOLD = {"finished": "finished", "stopped": "was stopped", "failed": "failed", "interrupted": "was interrupted"}


@dataclass(frozen=True)
class Webhook:
    """`url`: where to; `private`: whether an address of a private network is allowed."""

    url: str
    private: bool = False

    @property
    def host(self) -> str:
        """What may be shown: the rest of the address is often a secret."""
        return urlsplit(self.url).hostname or ""


def webhook(root: Path) -> Webhook | None:
    """Return the webhook of a workspace (its folder), None without one."""
    kept = paths.read_json(root / FILE, {}) or {}
    return Webhook(kept["url"], bool(kept.get("private"))) if isinstance(kept.get("url"), str) else None


def set_webhook(ws: Workspace, url: str | None, *, private: bool = False) -> Webhook | None:
    """Keep the address in the workspace, or forget it; RequestError for what can't be told anything."""
    if not (url or "").strip():
        (ws.root / FILE).unlink(missing_ok=True)
        return None
    found = Webhook(checked(str(url).strip(), private=private), private)
    ws.prepare()
    paths.write_json(ws.root / FILE, asdict(found))
    (ws.root / FILE).chmod(0o600)  # the address is often a secret
    return found


def checked(url: str, *, private: bool) -> str:
    """Return an address that may be told; RequestError for another. The name is looked up now, and again at each sending."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host, parts, port = None, None, 0
    if not host or parts.scheme not in ("http", "https") or parts.username or len(url) > LONGEST:
        raise RequestError(
            "This is no address that can be told about runs.",
            asked=url[:80],
            available="https://HOST/PATH (or http://), without a user name",
            remedy="Copy the address of the webhook as the other program shows it.",
            field="webhook",
        )
    if not private:
        try:
            public_addresses.resolved(host, port)
        except public_addresses.PrivateAddressError as error:
            raise _private(error) from error
        except OSError as error:
            raise RequestError(
                f"There is no computer called {host}.",
                asked=host,
                available="a name that the network knows",
                remedy="Check how the address is written, and the connection to the internet.",
                field="webhook",
            ) from error
    return url


def _private(error: public_addresses.PrivateAddressError) -> RequestError:
    return RequestError(
        f"{error.host} is in a private network ({error.address}).",
        asked=error.host,
        available="addresses on the public internet; private ones where that is allowed",
        remedy="Allow private networks for it, if this computer is meant to reach it.",
        field="webhook",
    )


def send(hook: Webhook, document: dict[str, Any]) -> None:
    """Tell the address; TunerError with what came back instead."""
    try:
        with public_addresses.client(private=hook.private) as client:
            answer = client.post(hook.url, json=document, headers={"User-Agent": "tunesmith"})
    except public_addresses.PrivateAddressError as error:
        raise _private(error) from error
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise _failed(hook, f"did not answer ({type(error).__name__})") from error
    if not answer.is_success:
        moved = (
            f", which leads to {urlsplit(answer.headers.get('location', '')).hostname or 'another address'}" if answer.is_redirect else ""
        )
        raise _failed(hook, f"answered {answer.status_code}{moved}")


def _failed(hook: Webhook, what: str) -> TunerError:
    return RequestError(
        f"{hook.host} {what}.",
        asked=hook.host,
        available="an address that answers a POST with 200 to 299; redirects are not followed",
        remedy="Check the address with `tunesmith notify test`.",
        field="webhook",
    )


def document_of(run: runs.Run) -> dict[str, Any]:
    """Return what is sent of a run."""
    loss = f", validation loss {run.best:.4f}" if run.best is not None else ""
    trouble = " Trouble was found: see its page." if run.troubled else ""
    said = f"{run.name} {TOLD.get(run.state, run.state)} at step {run.progress.step} of {run.progress.steps}{loss}.{trouble}"
    why = f" {run.status.reason}" if run.state == "failed" and run.status.reason else ""
    shown = (said + why)[:1500]
    return {
        "event": f"run.{run.state}",
        "run": run.id,
        "name": run.name,
        "state": run.state,
        "reason": run.status.reason,
        "step": run.progress.step,
        "steps": run.progress.steps,
        "best": run.best,
        "troubled": run.troubled,
        "text": shown,
        "content": shown,
    }


def ended(folder: Path) -> threading.Thread | None:
    """Tell the webhook of a run's workspace that the run has ended, in a thread of its own; None where nobody is to be told."""
    hook = webhook(folder.parents[1])
    status = paths.read_json(folder / "status.json")
    if hook is None or not status or status.get("state") not in runs.ENDED:
        return None
    thread = threading.Thread(target=_tell, args=(folder, runs.read(folder, status), hook), daemon=True)
    thread.start()
    return thread


def _tell(folder: Path, run: runs.Run, hook: Webhook) -> None:
    try:
        send(hook, document_of(run))
        said = f"{hook.host} was told that the run {TOLD[run.state]}."
    except TunerError as error:
        said = f"The webhook was not told: {error}"
    try:
        with open(folder / "worker.log", "a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {said}\n")
    except OSError as error:  # the run was deleted meanwhile, or the disk is full
        print(f"{said} ({error})", flush=True)
