"""Connections to addresses that a person typed, kept away from private networks unless that was allowed.

What a name resolves to is checked, and that very address is connected to: a name that answers otherwise a moment later (DNS rebinding) reaches
nothing else. Redirects are not followed. A proxy from the environment is not used, since it would resolve the name itself.
"""

import ipaddress
import socket
from typing import Any

import httpcore
import httpx

NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in the last 32 bits


class PrivateAddressError(OSError):
    """A host that resolves to an address that is not on the public internet. `host`, `address`."""

    def __init__(self, host: str, address: str):
        self.host, self.address = host, address
        super().__init__(f"{host} is {address}, which is not on the public internet")


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet; not for loopback, private, link-local, shared, multicast and reserved ones."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host; PrivateAddressError when one of them is not public, OSError when there is none."""
    found = list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    if private := next((a for a in found if not is_public(a)), None):
        raise PrivateAddressError(host, private)
    return found


class _Checked(httpcore.NetworkBackend):
    """Connects to an address that was checked; TLS still asks for the host's own name."""

    def __init__(self):
        self.inner = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> httpcore.NetworkStream:
        problem: Exception | None = None
        for address in resolved(host, port):
            try:
                return self.inner.connect_tcp(address, port, timeout, **more)
            except httpcore.ConnectError as error:
                problem = error
        raise problem or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("no sockets of this computer")

    def sleep(self, seconds: float) -> None:
        self.inner.sleep(seconds)


class _Transport(httpx.HTTPTransport):
    """httpx's own transport, whose pool connects through `_Checked`; httpx has no option for it."""

    def __init__(self):
        super().__init__(trust_env=False)
        self._pool._network_backend = _Checked()


def client(*, private: bool = False, seconds: float = 10.0) -> httpx.Client:
    """Return a client for addresses that a person typed; `private`: those of private networks as well. PrivateAddressError for others."""
    transport = httpx.HTTPTransport(trust_env=False) if private else _Transport()
    return httpx.Client(transport=transport, timeout=seconds, follow_redirects=False, trust_env=False)
