"""Open the page: who may reach it, at which port, by which rules."""

import os
import sys
import tempfile
import threading
from pathlib import Path

from starlette.middleware import Middleware

from tuner import devices, paths
from tuner.errors import RequestError
from tuner.formatting import parse_bytes
from tuner.jobs import benchmarks, run_queue
from tuner.network import hub_token
from tuner.paths import Workspace
from tuner.system import ports
from ui import early, gradio_options, layout, live, middleware, navigation, reach, text, uploads
from ui.components import charts, theme
from ui.label_views import keyboard
from ui.middleware import LOOPBACK
from ui.pages import train
from ui.session import CAPACITY, LOCAL_LIMIT, SPACE_LIMIT, AppContext
from ui.visits import Visits

SETTLED = 3.0  # seconds after which the page has been opened, and other work no longer delays it


def in_space() -> bool:
    return bool(os.environ.get("SPACE_ID") or os.environ.get("SPACE_HOST"))


def context_of(ws: Workspace) -> AppContext:
    """The rules of the page, from where it runs: on somebody's computer, or as a Space."""
    space = in_space()
    wanted = os.environ.get("TUNESMITH_UPLOAD_LIMIT")
    limit = parse_bytes(wanted, field="TUNESMITH_UPLOAD_LIMIT") if wanted else (SPACE_LIMIT if space else LOCAL_LIMIT)
    home = ws.home
    if space and not home.is_relative_to(tempfile.gettempdir()):  # guests leave nothing behind, so nothing of theirs goes to a kept disk
        home = Path(tempfile.mkdtemp(prefix="tunesmith-guests-"))
    return AppContext(home=home, machine=ws.machine, guest=space, password=os.environ.get("TUNESMITH_PASSWORD"), limit_bytes=limit)


def hosts_of(host: str, allowed: list[str]) -> tuple[str, ...]:
    """The names this page answers to."""
    named = [h for h in (os.environ.get("SPACE_HOST", "").split(","), *[[a] for a in allowed]) for h in h if h]
    return (*LOOPBACK, *([host] if host not in ("0.0.0.0", "::") else []), *named)


def launch(
    ws: Workspace,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    allow_hosts: list[str] | None = None,
    browser: bool = True,
    block: bool = True,
):
    """Open the page. Anywhere but on loopback (and in a Space) it demands a login: TUNESMITH_PASSWORD."""
    context = context_of(ws)
    local = host in LOOPBACK or host == "::1"
    if not local and not context.guest and not context.password:
        raise RequestError(
            f"On {host} everybody in the network could use this page.",
            asked=host,
            available="127.0.0.1, or a login",
            remedy="Set TUNESMITH_PASSWORD (the user is tunesmith), or leave --host out.",
            field="host",
        )
    text.default()  # an unknown TUNESMITH_LANGUAGE is refused before the page opens
    paths.keep_private()
    if why := ws.unwritable():
        print(f"{why} {paths.READ_ONLY_NOTICE}", file=sys.stderr, flush=True)
    hosts = hosts_of(host, allow_hosts or [])
    if not local and not context.guest and not allow_hosts:
        hosts = ("*",)  # a machine in a network has more names than it knows; the login stands before all of them
    port = ports.free_port(host, port, reach.DEFAULT_PORT)
    context.at = reach.Listening(host, port, hosts)
    context.token = hub_token.seal(guests=context.guest)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.own_folder(context.home))
    gradio_options.close_fetching()
    text.fill_placeholders()
    early.prepend()
    run_queue.watch_again(ws)
    later = threading.Timer(SETTLED, lambda: benchmarks.ask(ws, devices.listing()[0]))
    later.daemon = True
    later.start()
    page = layout.build(context)
    print(
        f"Tunesmith is at http://{'127.0.0.1' if local else host}:{port} (Ctrl-C ends the page; runs go on).", file=sys.stderr, flush=True
    )
    login = bool(context.password) and not context.guest and not local
    page.launch(
        **gradio_options.decided(
            gradio_options.LAUNCH,
            server_name=host,
            server_port=port,
            inbrowser=browser and local and sys.stdout.isatty(),
            show_error=not context.guest,
            max_file_size=context.limit_bytes,
            allowed_paths=[] if context.guest else [str(ws.exports)],
            blocked_paths=[str(p) for p in (ws.runs, ws.datasets, ws.labels, ws.chats, ws.jobs, ws.presets, ws.machine_folder())],
            root_path=os.environ.get("GRADIO_ROOT_PATH"),
            auth=(lambda user, password: user == "tunesmith" and context.knows(password)) if login else None,
            state_session_capacity=CAPACITY,
            theme=theme.theme(),
            css=theme.CSS,
            head=theme.HEAD + navigation.SCRIPT + live.SCRIPT + charts.SCRIPT + train.script() + keyboard.SCRIPT,
            _app=middleware.GuardedApp(guards(context, hosts, login)),
            prevent_thread_lock=not block,
        )
    )
    return page


def guards(context: AppContext, hosts: tuple[str, ...], login: bool) -> list[Middleware]:
    """The layers between the network and Gradio, the outermost first."""
    framing = (
        middleware.FRAMES_OF_A_SPACE
        if context.guest
        else [f"{scheme}://{h}" for h in hosts if h not in ("*", *LOOPBACK) for scheme in ("http", "https")]
    )
    return [
        Middleware(navigation.PageAddresses),
        Middleware(text.PageLanguage),
        Middleware(middleware.ReplyGuard, frames=framing),
        Middleware(middleware.HostGuard, hosts=hosts),
        Middleware(middleware.OriginGuard, hosts=hosts),
        Middleware(middleware.LoginGuard, tries=context.tries),
        Middleware(middleware.RouteGuard, login=login),
        Middleware(Visits, context=context),
    ]
