"""Every route of the running app with our decision: who may call it, or that nobody may.

Gradio brings more routes than this page needs, and each release brings new ones. A route that stands in no row is closed
(404), and `tests/hostile/test_routes.py` lists the routes of the running app and fails until a new one has its row here.
`docs/security.md` prints the table.
"""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Decision = Literal["open", "login", "closed"]


class Route(NamedTuple):
    """`path` as FastAPI writes it; `open`: without a login, `login`: after one where the page has one, `closed`: never."""

    path: str
    methods: str
    decision: Decision
    why: str


API = "/gradio_api"

ROUTES = (
    # the page itself
    Route("/", "GET HEAD", "open", "The page. Without a login it shows the form for one and nothing else."),
    Route("/login", "POST", "open", "Takes the password; slowed down and locked after wrong ones (ui/attempts.py)."),
    Route("/login/", "POST", "open", "The same."),
    Route("/logout", "GET", "login", "Ends the logins."),
    Route("/config", "GET", "login", "What the page is made of; the browser and gradio_client read it first."),
    Route("/config/", "GET", "login", "The same."),
    Route("/parts/{name}", "GET", "open", "Our own scripts and styles: the charts. A list of files; no other is sent."),
    Route("/assets/{path:path}", "GET", "open", "Gradio's scripts and styles."),
    Route("/static/{path:path}", "GET", "open", "Gradio's icons and fonts."),
    Route("/svelte/{path:path}", "GET", "closed", "Parts for custom components; this page has none."),
    Route("/favicon.ico", "GET", "open", "The icon."),
    Route("/theme.css", "GET", "open", "The theme, also for the login form."),
    Route(f"{API}/theme.css", "GET", "open", "The same."),
    Route("/manifest.json", "GET", "open", "Name and icon for the browser; no service worker (pwa is off)."),
    Route("/robots.txt", "GET", "open", "For search engines."),
    Route("/pwa_icon", "GET", "closed", "An installable app is not offered."),
    Route("/pwa_icon/{size}", "GET", "closed", "The same; it would scale a picture to any size that is asked for."),
    # what the page's controls call
    Route(f"{API}/queue/join", "POST", "login", "Calls a function of the page through the queue."),
    Route(f"{API}/queue/data", "GET", "login", "Streams the answers of one session; its id is known to that browser alone."),
    Route(f"{API}/run/{{api_name}}", "POST", "login", "Calls a function that needs no queue; queued ones are refused (api_open is off)."),
    Route(f"{API}/run/{{api_name}}/", "POST", "login", "The same."),
    Route(f"{API}/api/{{api_name}}", "POST", "login", "The same, under the name that gradio_client uses."),
    Route(f"{API}/api/{{api_name}}/", "POST", "login", "The same."),
    Route(f"{API}/cancel", "POST", "login", "Ends a call of one's own session, by the id of the call."),
    Route(f"{API}/reset", "POST", "login", "Does nothing any more; the browser still calls it."),
    Route(f"{API}/reset/", "POST", "login", "The same."),
    Route(f"{API}/heartbeat/{{session_hash}}", "GET", "login", "Tells that a browser is still there; its end cleans the session."),
    Route(f"{API}/app_id", "GET", "login", "Tells a browser that the app was restarted."),
    Route(f"{API}/app_id/", "GET", "login", "The same."),
    Route(f"{API}/upload", "POST", "login", "Takes files, up to the limit, into a folder of this account alone."),
    Route(f"{API}/upload_progress", "GET", "login", "How far an upload is."),
    Route(
        f"{API}/file={{path_or_url:path}}", "GET HEAD", "login", "Uploads and exports. Addresses (http...) in place of a path are refused."
    ),
    Route(f"{API}/component_server", "POST", "closed", "Functions of components; none of this page's has any."),
    Route(f"{API}/component_server/", "POST", "closed", "The same."),
    Route(f"{API}/info", "GET", "login", "The functions that programs may call; gradio_client reads it."),
    Route(f"{API}/info/", "GET", "login", "The same."),
    Route(f"{API}/startup-events", "GET", "open", "Gradio calls it itself while it starts; later calls do nothing."),
    # doors that nobody needs
    Route(f"{API}/user", "GET", "closed", "Who is logged in; the page has one user and knows them."),
    Route(f"{API}/user/", "GET", "closed", "The same."),
    Route(f"{API}/login_check", "GET", "closed", "For embedding in other apps."),
    Route(f"{API}/login_check/", "GET", "closed", "The same."),
    Route(f"{API}/token", "GET", "closed", "Hands the login cookie, which scripts can't read, to scripts."),
    Route(f"{API}/token/", "GET", "closed", "The same."),
    Route(f"{API}/dev/reload", "GET", "closed", "For Gradio's reload mode."),
    Route(
        f"{API}/runs", "GET", "closed", "Gradio's run history: it keeps every input, passwords too, in the browser (run_history is off)."
    ),
    Route(f"{API}/runs/", "GET", "closed", "The same."),
    Route(f"{API}/run-history/connect", "POST", "closed", "Writes to a Hub bucket that the caller names."),
    Route(f"{API}/run-history/buckets", "GET", "closed", "Lists the buckets of the Hub account of the page's owner."),
    Route(f"{API}/run-history/records", "GET", "closed", "Reads inputs of earlier calls from a bucket."),
    Route(f"{API}/run-history/records/{{endpoint}}/{{record_id}}/assets/{{asset_id}}", "GET", "closed", "The same."),
    Route(f"{API}/deep_link", "GET", "closed", "Writes the values of a session to the disk, for anybody with the link."),
    Route(f"{API}/openapi.json", "GET", "closed", "A second description of the API; `info` is enough."),
    Route("/openapi.json", "GET HEAD", "closed", "FastAPI's own description of all routes."),
    Route(f"{API}/custom_component/{{id}}/{{environment}}/{{type}}/{{file_name}}", "GET", "closed", "This page has no custom components."),
    Route(f"{API}/proxy={{url_path:path}}", "GET HEAD", "closed", "Fetches from Spaces with the owner's token."),
    Route(f"{API}/file/{{path:path}}", "GET", "closed", "The old name of `file=`."),
    Route(f"{API}/stream/{{event_id}}", "POST", "closed", "Streaming inputs (camera, microphone); this page has none."),
    Route(f"{API}/stream/{{event_id}}/close", "POST", "closed", "The same."),
    Route(f"{API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist.m3u8", "GET", "closed", "Streaming sound and video."),
    Route(f"{API}/stream/{{session_hash}}/{{run}}/{{component_id}}/{{segment_id}}.{{ext}}", "GET", "closed", "The same."),
    Route(f"{API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist-file", "GET", "closed", "The same."),
    Route(f"{API}/process_recording", "POST", "closed", "Screen recordings, made with a program of the server."),
    Route(f"{API}/call/v2/{{api_name}}", "POST", "closed", "A second way to call functions; `queue/join` and `run` are enough."),
    Route(f"{API}/call/v2/{{api_name}}/", "POST", "closed", "The same."),
    Route(f"{API}/call/v2/{{api_name}}/{{event_id}}", "GET", "closed", "The same."),
    Route(f"{API}/call/{{api_name}}", "POST", "closed", "The same."),
    Route(f"{API}/call/{{api_name}}/", "POST", "closed", "The same."),
    Route(f"{API}/call/{{api_name}}/{{event_id}}", "GET", "closed", "The same."),
    Route(f"{API}/queue/status", "GET", "closed", "How busy the page is, for anybody."),
    Route("/monitoring", "GET", "closed", "Prints an address that shows every call (enable_monitoring is off)."),
    Route("/monitoring/summary", "GET", "closed", "The same."),
    Route("/monitoring/{key}", "GET", "closed", "The same."),
    Route(f"{API}/vibe-edit", "POST", "closed", "Lets a model rewrite the app's source."),
    Route(f"{API}/vibe-edit/", "POST", "closed", "The same."),
    Route(f"{API}/undo-vibe-edit", "POST", "closed", "The same."),
    Route(f"{API}/undo-vibe-edit/", "POST", "closed", "The same."),
    Route(f"{API}/vibe-code", "GET POST", "closed", "Reads and writes the app's source."),
    Route(f"{API}/vibe-code/", "GET POST", "closed", "The same."),
    Route(f"{API}/vibe-starter-queries", "POST", "closed", "Sends the app's source to a model."),
    Route(f"{API}/vibe-starter-queries/", "POST", "closed", "The same."),
    Route(f"{API}/profiling/traces", "GET", "closed", "Times of every call (there only with GRADIO_PROFILING)."),
    Route(f"{API}/profiling/summary", "GET", "closed", "The same."),
    Route(f"{API}/profiling/clear", "POST", "closed", "The same."),
)
FETCHES = re.compile(rf"{API}/file=\s*[a-z][a-z0-9+.-]*:/", re.IGNORECASE)  # `file=http://...`: the server would fetch it


def decide(method: str, path: str) -> Decision:
    """The decision for one request; what no row knows is closed."""
    if FETCHES.match(path):
        return "closed"
    return next((d for matches, methods, d in _patterns() if method in methods and matches(path)), "closed")


@lru_cache(maxsize=1)
def _patterns() -> list:
    """(does it match, methods, decision) of each row; rows without a placeholder first, as a request for one of these is exact."""
    rows = sorted(ROUTES, key=lambda r: "{" in r.path)
    return [(re.compile(_pattern(r.path)).fullmatch, r.methods.split(), r.decision) for r in rows]


def _pattern(path: str) -> str:
    """A FastAPI path as a regular expression: `{x:path}` takes anything, `{x}` one part."""
    parts = re.split(r"(\{[^}]*\})", path)
    return "".join(".*" if p.endswith(":path}") else "[^/]+" if p.startswith("{") else re.escape(p) for p in parts)


def table() -> str:
    """The rows as Markdown, for docs/security.md."""
    lines = ["| route | methods | decision | why |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(f"| `{r.path}` | {r.methods} | {r.decision} | {r.why} |" for r in ROUTES)])
