"""Addresses that a person typed lead to no private network: by name, by number, by a name that answers otherwise the second time."""

import http.server
import socket
import threading

import httpcore
import pytest

from tuner.network import public_addresses
from tuner.network.public_addresses import PrivateAddressError, is_public

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.9",
    "192.168.1.1",
    "169.254.169.254",  # where clouds answer with credentials
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "140.82.112.3", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.fixture
def server():
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.path, self.headers["Host"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "http://127.0.0.1:1/inside")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd.server_port, seen
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"])
def test_this_computer_is_not_reached_however_it_is_written(server, host):
    port, seen = server
    with pytest.raises(PrivateAddressError), public_addresses.client() as client:
        client.post(f"http://{host}:{port}/hook", json={})
    assert seen == []


def test_a_name_that_answers_otherwise_the_second_time_reaches_nothing_else(server, monkeypatch):
    port, seen = server
    answers, real = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"]), socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, p, *a, **k: (
            [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), p))] if host == "rebind.example" else real(host, p, *a, **k)
        ),
    )
    went = []
    monkeypatch.setattr(
        httpcore.SyncBackend,
        "connect_tcp",
        lambda self, host, port, timeout=None, **_: went.append(host) or (_ for _ in ()).throw(httpcore.ConnectError("no way out")),
    )
    with pytest.raises(Exception, match="no way out"), public_addresses.client() as client:
        client.post(f"http://rebind.example:{port}/hook", json={})
    assert went == ["93.184.216.34"] and seen == [], "what was checked is what is connected to"
    with pytest.raises(PrivateAddressError), public_addresses.client() as client:
        client.post(f"http://rebind.example:{port}/hook", json={})


def test_a_private_address_that_was_allowed_is_reached_and_redirects_lead_nowhere(server, monkeypatch):
    port, seen = server
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with public_addresses.client(private=True) as client:
        assert client.post(f"http://127.0.0.1:{port}/hook", json={"a": 1}).status_code == 200
        assert client.post(f"http://127.0.0.1:{port}/moved", json={}).status_code == 302
    assert [path for path, _, _ in seen] == ["/hook", "/moved"]
