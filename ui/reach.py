"""Where others open this page: its address in the network, and how to start it so that there is one."""

import os
import socket
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import gradio as gr

from ui.middleware import LOOPBACK, bare

DEFAULT_PORT = 7860
ANY = ("0.0.0.0", "::")  # listen on all addresses of this computer
ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # addresses that the RFCs keep for examples


class Listening(NamedTuple):
    """Where the page listens, and the names it answers to ("*": all, behind a login)."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    names: tuple[str, ...] = LOOPBACK

    @property
    def beyond(self) -> bool:
        """Whether other computers reach it."""
        return not is_loopback(self.host)


def is_loopback(name: str) -> bool:
    return name in LOOPBACK or name in ("::1", "") or name.startswith("127.")


def network_address() -> str | None:
    """Return the address of this computer on its default route. None without a network.

    Connecting a UDP socket sends nothing: it only has the system choose the route, and with it the address.
    """
    for family, far in ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found = probe.getsockname()[0]
        except OSError:
            continue
        if not is_loopback(found):
            return found
    return None


def origin(at: Listening, request: gr.Request, address: Callable[[], str | None] = network_address) -> str | None:
    """Return the origin (http://name:port) under which others reach the page. None when nobody else does.

    A visitor who came by a name of the network has shown that it works; else it is the one that the page was told, or finds out.
    """
    host = str(request.headers.get("host") or "")
    if host and not is_loopback(bare(host)):
        secure = "https" in (urlsplit(request.headers.get("origin") or "").scheme, request.headers.get("x-forwarded-proto", ""))
        return f"{'https' if secure else 'http'}://{host}"
    if not at.beyond:
        return None
    named = [n for n in at.names if n != "*" and not is_loopback(n)]
    name = named[0] if named else address() if at.host in ANY else at.host
    return f"http://{f'[{name}]' if ':' in name and not name.startswith('[') else name}:{at.port}" if name else None


def command(at: Listening, *, windows: bool = os.name == "nt") -> str:
    """Return the command that opens the page to the network."""
    start = "tunesmith app --host 0.0.0.0" + (f" --port {at.port}" if at.port != DEFAULT_PORT else "")
    return f"set TUNESMITH_PASSWORD=choose-a-password\n{start}" if windows else f"TUNESMITH_PASSWORD=choose-a-password {start}"


def root_path() -> str:
    """Return the path below which a proxy has put the page; "" for none."""
    return (os.environ.get("GRADIO_ROOT_PATH") or "").rstrip("/")
