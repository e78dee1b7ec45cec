"""Every option of Gradio that decides what the page does, with our decision and its reason; `docs/security.md` prints it.

Gradio's defaults change with its releases, so none is left to itself: `tests/hostile/test_routes.py` compares these tables with
the signatures of the installed version. The range in pyproject.toml admits one minor version: raising it means redoing them.
"""

import os
from typing import Any, NamedTuple

GIVEN = object()  # the value comes from app.py, by how the page is started


class Option(NamedTuple):
    value: Any
    why: str


BLOCKS = {
    "analytics_enabled": Option(False, "No telemetry, no look for a newer version."),
    "mode": Option("blocks", "A name for telemetry, which is off."),
    "title": Option("Tunesmith", "The title of the browser's tab."),
    "fill_height": Option(False, "The page is as long as it is."),
    "fill_width": Option(False, "Content has a largest width."),
    "delete_cache": Option(GIVEN, "Copies of uploads and downloads go after a day, in a Space after a quarter of an hour."),
}
QUEUE = {
    "status_update_rate": Option("auto", "Waiting calls hear of their place when another one ended."),
    "api_open": Option(False, "Queued functions can't be called past the queue."),
    "max_size": Option(1000, "More waiting calls are refused: a flood doesn't fill the memory."),
    "default_concurrency_limit": Option(8, "Calls of one function at a time, over all visitors."),
}
LAUNCH = {
    "inline": Option(False, "Not inside a notebook's cell."),
    "inbrowser": Option(GIVEN, "Opens a browser from a terminal on this computer only."),
    "share": Option(False, "No tunnel to a public address."),
    "debug": Option(False, "For notebooks."),
    "max_threads": Option(40, "Handlers are short; long work runs in processes of its own."),
    "auth": Option(GIVEN, "One user and TUNESMITH_PASSWORD, wherever the page listens beyond this computer."),
    "auth_message": Option("The user is tunesmith; the password is what TUNESMITH_PASSWORD was set to.", "Shown above the form."),
    "prevent_thread_lock": Option(GIVEN, "Tests go on while the page runs."),
    "show_error": Option(GIVEN, "Visitors of a Space see no details of errors."),
    "server_name": Option(GIVEN, "127.0.0.1 unless --host says otherwise."),
    "server_port": Option(GIVEN, "--port, or the first free one from 7860."),
    "height": Option(500, "For notebooks."),
    "width": Option("100%", "For notebooks."),
    "favicon_path": Option(None, "Gradio's icon."),
    "ssl_keyfile": Option(None, "TLS is a proxy's work."),
    "ssl_certfile": Option(None, "TLS is a proxy's work."),
    "ssl_keyfile_password": Option(None, "TLS is a proxy's work."),
    "ssl_verify": Option(True, "Certificates are checked."),
    "quiet": Option(True, "The page says in its own words where it is."),
    "footer_links": Option([], "No links to Gradio's API page, settings and run history."),
    "run_history": Option(False, "It keeps every input in the browser, passwords and keys too; off, it deletes what it kept before."),
    "allowed_paths": Option(GIVEN, "Exports alone are served, in a Space nothing."),
    "blocked_paths": Option(GIVEN, "Runs, data, labels and the queue, whatever else would allow them."),
    "root_path": Option(GIVEN, "GRADIO_ROOT_PATH, for proxies that put the page below a path."),
    "app_kwargs": Option(None, "The app is made by ui/middleware.py."),
    "state_session_capacity": Option(GIVEN, "Sessions that are remembered; the oldest goes first."),
    "share_server_address": Option(None, "No tunnel."),
    "share_server_protocol": Option(None, "No tunnel."),
    "share_server_tls_certificate": Option(None, "No tunnel."),
    "auth_dependency": Option(None, "Logins are Gradio's own; the guard checks them on every route."),
    "max_file_size": Option(GIVEN, "TUNESMITH_UPLOAD_LIMIT: 2 GB, in a Space 200 MB."),
    "enable_monitoring": Option(False, "No page that shows everybody's calls."),
    "strict_cors": Option(True, "Gradio's own check of origins stays on, behind ours."),
    "node_server_name": Option(None, "No Node server."),
    "node_port": Option(None, "No Node server."),
    "ssr_mode": Option(False, "No Node server."),
    "pwa": Option(False, "No installable app, in a Space neither."),
    "mcp_server": Option(False, "Models don't call the page's functions."),
    "num_workers": Option(0, "No second server for files, which would have no guards."),
    "_app": Option(GIVEN, "Gradio's app inside the guards of ui/middleware.py, without an OpenAPI description."),
    "_frontend": Option(True, "The page is served."),
    "i18n": Option(None, "ui/text.py: it has parameters, and a person chooses the language."),
    "theme": Option(GIVEN, "ui/components/theme.py; nothing is fetched."),
    "css": Option(GIVEN, "ui/components/theme.py."),
    "css_paths": Option(None, "No other files."),
    "js": Option(None, "No script at the start."),
    "head": Option(GIVEN, "Styles by the width of the window, the addresses of the pages, the keys of the Label page."),
    "head_paths": Option(None, "No other files."),
}
MOUNT = "`mount_gradio_app` is not used: the page is the whole app, so its guards stand before every route."

# Environment variables of Gradio that stay as they are found; all others are dropped before Gradio is imported, so that
# nothing in a shell's profile opens a door (GRADIO_SHARE, GRADIO_ALLOWED_PATHS, GRADIO_MCP_SERVER, GRADIO_VIBE_MODE ...).
KEPT = ("GRADIO_ROOT_PATH", "GRADIO_SERVER_PORT")
SET = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


def settle_environment() -> list[str]:
    """Drop what the environment would decide for Gradio; returns the names. Must run before `import gradio`."""
    dropped = [name for name in os.environ if name.startswith("GRADIO_") and name not in (*KEPT, *SET, "GRADIO_TEMP_DIR")]
    for name in dropped:
        del os.environ[name]
    os.environ.update(SET)
    return dropped


def decided(options: dict[str, Option], **given: Any) -> dict[str, Any]:
    """All options of a call: the constants of a table, and `given` for those that it leaves to app.py."""
    wanted = {name for name, option in options.items() if option.value is GIVEN}
    if wanted != set(given):
        raise TypeError(f"given {sorted(given)}, but the table leaves open {sorted(wanted)}")
    return {name: given.get(name, option.value) for name, option in options.items()}


def close_fetching() -> None:
    """Refuse addresses in place of files: Gradio would have the server fetch whatever URL a caller puts into a file's field."""
    from gradio import processing_utils

    async def refused(url: str):
        raise ValueError(f"This page fetches nothing: {url[:200]!r}. Download the file and drop it here.")

    processing_utils.async_ssrf_protected_get = refused


def tables() -> str:
    """The options as Markdown, for docs/security.md."""

    def table(title: str, options: dict[str, Option]) -> str:
        rows = [f"| `{n}` | {'set at the start' if o.value is GIVEN else f'`{o.value!r}`'} | {o.why} |" for n, o in options.items()]
        return "\n".join([f"### `{title}`", "", "| option | value | why |", "| --- | --- | --- |", *rows])

    every = table("gr.Blocks", BLOCKS), table("Blocks.queue", QUEUE), table("Blocks.launch", LAUNCH)
    return "\n\n".join([*every, f"### Mounting\n\n{MOUNT}"])
