"""The address that others open: the one of the network, found without sending anything, or how to get one."""

import socket
from types import SimpleNamespace

import pytest

from ui import reach
from ui.reach import Listening


def came(host: str, **headers: str) -> SimpleNamespace:
    return SimpleNamespace(headers={"host": host} | headers)


NEAR = lambda: "192.168.1.20"  # noqa: E731 (the address on the default route)


@pytest.mark.parametrize(
    ("at", "request_", "origin"),
    [
        (Listening(), came("127.0.0.1:7860"), None),
        (Listening(), came("localhost:7860"), None),
        (Listening("0.0.0.0", 7861, ("*",)), came("127.0.0.1:7861"), "http://192.168.1.20:7861"),
        (Listening("::", 7861, ("*",)), came("[::1]:7861"), "http://192.168.1.20:7861"),
        (Listening("10.0.0.5", 7860, ("10.0.0.5",)), came("127.0.0.1:7860"), "http://10.0.0.5:7860"),
        (Listening("fd00::5", 7860, ("*",)), came("localhost:7860"), "http://[fd00::5]:7860"),
        (Listening("0.0.0.0", 7860, ("127.0.0.1", "lab.example")), came("127.0.0.1:7860"), "http://lab.example:7860"),
        (Listening("0.0.0.0", 7860, ("*",)), came("my-pc.local:7860"), "http://my-pc.local:7860"),
        (Listening(), came("tune.example", origin="https://tune.example"), "https://tune.example"),
        (Listening(), came("tune.example", **{"x-forwarded-proto": "https"}), "https://tune.example"),
    ],
)
def test_the_link_is_one_that_others_can_open(at, request_, origin):
    assert reach.origin(at, request_, NEAR) == origin


def test_without_a_network_there_is_no_link():
    assert reach.origin(Listening("0.0.0.0", 7860, ("*",)), came("127.0.0.1:7860"), lambda: None) is None


class Probe(socket.socket):
    """A UDP socket that may connect and be asked for its name, and do nothing else."""

    near: str | Exception = "192.168.1.20"

    def connect(self, to):
        assert self.type == socket.SOCK_DGRAM
        if isinstance(self.near, Exception):
            raise self.near

    def getsockname(self):
        return (self.near, 0)

    def _never(self, *_):
        raise AssertionError("it sends something")

    send = sendto = sendall = _never


@pytest.mark.parametrize(("near", "found"), [("192.168.1.20", "192.168.1.20"), ("127.0.0.1", None), (OSError("no route"), None)])
def test_the_address_is_that_of_the_default_route_and_nothing_is_sent(monkeypatch, near, found):
    monkeypatch.setattr(Probe, "near", near)
    monkeypatch.setattr(reach.socket, "socket", Probe)
    assert reach.network_address() == found


def test_the_command_is_the_one_that_works_here():
    assert reach.command(Listening(), windows=False) == "TUNESMITH_PASSWORD=choose-a-password tunesmith app --host 0.0.0.0"
    assert reach.command(Listening(port=7999), windows=True).splitlines() == [
        "set TUNESMITH_PASSWORD=choose-a-password",
        "tunesmith app --host 0.0.0.0 --port 7999",
    ]
