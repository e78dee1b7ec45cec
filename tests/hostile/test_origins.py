"""Other web sites and other programs of this computer, in a browser, neither read nor write; the page itself and programs do."""

import http.client
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import free_port, running
from tests.hostile.test_routes import filled
from ui import middleware, routes

FOREIGN = (
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1:1",
    "http://localhost:3000",
    "http://[::1",
    "http://[::1]:1",
    "http://127.0.0.1.evil.example",
    "file://",
    "http://",
    "http://tunesmith@evil.example",
    "a" * 5000,
    "http://\\evil",
    "http://127.0.0.1%00.evil.example",
)
FETCHED = (("cross-site", "cors"), ("same-site", "no-cors"), ("cross-site", "no-cors"), ("same-site", "cors"), ("cross-site", "navigate"))
PASSWORD = "open sesame"


def call(url: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    """(status, headers) of one request, without following or reading a stream."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    with running(tmp_path_factory.mktemp("origins") / "home") as app:
        yield app.url, {}


@pytest.fixture(scope="module")
def behind_a_login(tmp_path_factory):
    """A page in the network, and the cookie of somebody who is logged in: what another site's page would send along."""
    import sys

    port = free_port()
    command = [sys.executable, "-m", "tuner.cli", "app", "--host", "0.0.0.0", "--no-browser", "--port", str(port)]
    with running(tmp_path_factory.mktemp("login") / "home", port=port, command=command, TUNESMITH_PASSWORD=PASSWORD) as app:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        place = urlsplit(app.url)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
        connection.request("POST", "/login", b"username=tunesmith&password=open+sesame", form)
        answer = connection.getresponse()
        cookies = "; ".join(c.partition(";")[0] for c in answer.headers.get_all("set-cookie"))
        yield app.url, {"Cookie": cookies}


OFFERED = [(m, filled(r.path)) for r in routes.ROUTES if r.decision != "closed" for m in r.methods.split()]


@pytest.mark.parametrize("where", ["local", "behind_a_login"])
def test_another_sites_page_reads_and_writes_nothing(where, request):
    url, cookies = request.getfixturevalue(where)
    for method, path in OFFERED:
        for origin in FOREIGN:
            status, headers = call(url, method, path, cookies | {"Origin": origin})
            assert status == 403, (method, path, origin, status)
            assert "access-control-allow-origin" not in headers, (method, path, origin)


@pytest.mark.parametrize("where", ["local", "behind_a_login"])
def test_requests_that_carry_no_origin_are_known_by_where_they_come_from(where, request):
    url, cookies = request.getfixturevalue(where)
    for method, path in OFFERED:
        for site, mode in FETCHED:
            follows = mode == "navigate" and method in ("GET", "HEAD") and (path == "/" or "/file=" in path)
            if follows and path != "/":
                continue  # Gradio refuses this file, with 403 as well
            status, _ = call(url, method, path, cookies | {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})
            assert (status != 403) if follows else (status == 403), (method, path, site, mode, status)


def test_a_preflight_allows_no_other_site(local):
    url, _ = local
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    status, headers = call(url, "OPTIONS", "/gradio_api/queue/join", asks)
    assert status == 403 and "access-control-allow-origin" not in headers


def test_the_page_itself_and_programs_are_served(local, behind_a_login):
    for url, cookies in (local, behind_a_login):
        for headers in ({}, {"Origin": url}, {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Site": "none"}):
            assert call(url, "GET", "/config", cookies | headers)[0] == 200, headers


def test_without_the_login_only_the_form_is_served(behind_a_login):
    url, _ = behind_a_login
    for method, path in OFFERED:
        if routes.decide(method, path) == "login":
            assert call(url, method, path, {})[0] == 401, (method, path)
            assert call(url, method, path, {"Cookie": "access-token-x=y; access-token-unsecure-=; =; ;;"})[0] == 401


def test_every_answer_says_what_may_be_loaded_and_who_may_frame_it(local):
    url, _ = local
    for path in ("/", "/config", "/nope", "/gradio_api/runs"):
        _, headers = call(url, "GET", path, {})
        policy = dict(p.strip().partition(" ")[::2] for p in headers["content-security-policy"].split(";"))
        assert policy["connect-src"] == policy["frame-ancestors"] == policy["default-src"] == "'self'"
        assert "http" not in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"


def test_a_host_with_strange_letters_is_refused(local):
    url, _ = local
    for host in ("evil.example", "127.0.0.1.evil.example", "[::1", "[", "]", "127.0.0.1:80:80@evil", "a" * 3000, "localhost.", ""):
        assert call(url, "GET", "/", {"Host": host})[0] in (200, 400), host
        if "evil" in host:
            assert call(url, "GET", "/", {"Host": host})[0] == 400


@pytest.mark.parametrize("secure", [False, True])
def test_the_flags_of_a_cookie(secure):
    line = middleware.flagged("access-token-1=abc; HttpOnly; Path=/; SameSite=none; Secure", secure=secure)
    parts = line.split("; ")
    assert parts[0] == "access-token-1=abc" and "Path=/" in parts and "HttpOnly" in parts and "SameSite=Lax" in parts
    assert ("Secure" in parts) is secure and "SameSite=none" not in parts
