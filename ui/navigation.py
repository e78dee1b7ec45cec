"""The frame: the side bar, an address for each page and object, and the browser's history.

One `gr.Blocks` and a script, not Gradio's routes (8 pages of 40 components each, median of 24 clicks in Chromium): 0.10 s a click instead of
0.40 s, since a route loads the whole front end anew; a route is also one fixed segment, and shares no state with the others. The pages are
tabs whose own bar is hidden. The address follows `Session`: `tunesmith.keep` writes it, `tunesmith.arrive` reads it.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from ui.components.icons import icon
from ui.text import text


class Address(NamedTuple):
    """`path`: the last part of the address; `key` of the query names the page's object, kept as `field` of Session (and as `also`, a single
    one). `listed`: without an object the page lists all of them. Its title is the text `page-NAME`."""

    path: str
    key: str = ""
    field: str = ""
    also: str = ""
    listed: bool = False


PAGES = {  # in the order of the work
    "home": Address(""),
    "data": Address("data", "dataset", "data"),
    "train": Address("train", "dataset", "data"),
    "runs": Address("runs", "run", "runs", also="run", listed=True),
    "chat": Address("chat", "model", "chat"),
    "label": Address("label", "project", "label"),
    "export": Address("export", "run", "run"),
    "settings": Address("settings"),
}
# the hidden buttons that the script presses: open a page; show another object on the open page
OPEN, SHOW = "ts-go-", "ts-show-"


def side_bar() -> None:
    """Build the side bar: links, so that they can be opened in a new browser tab and are read out as such; on a phone a menu that folds.

    Not `gr.Sidebar`: on a phone it opens over the whole page, and is closed by an arrow without a name.
    """
    links = "".join(f'<a href="{p.path or "./"}" data-page="{name}">{icon(name)}{text(f"page-{name}")}</a>' for name, p in PAGES.items())
    menu = f'<details id="menu"><summary><b>Tunesmith</b><span>{text("menu")}</span></summary><nav aria-label="{text("pages")}" id="pages">{links}</nav></details>'
    gr.HTML(menu, elem_id="side-bar", padding=False)


def hidden_buttons(tabs: gr.Tabs) -> dict[str, gr.Button]:
    """Build the buttons that the script presses and return {page: the one that shows another object}. A page opens without the server."""
    shows = {}
    for name in PAGES:
        go = gr.Button(elem_id=OPEN + name, elem_classes="ts-hidden", visible="hidden")
        go.click(None, None, tabs, js=f"() => ({{__type__: 'update', selected: '{name}'}})")
        shows[name] = gr.Button(elem_id=SHOW + name, elem_classes="ts-hidden", visible="hidden")
    return shows


def arriving(inputs: int = 1, told: str = "") -> str:
    """Return the script that puts what the address says into the first input of a handler, a `Session`; the others stay. `told`: a
    function of the page that passes them on."""
    return f"(...values) => {told}([window.tunesmith.arrive(values[0]), ...values.slice(1, {inputs})])"


def lead(name: str) -> str:
    """Return the script that opens a page when the step before it put it into the `Session`: a step of its own, since a page that opens with the
    same answer would be told of the session before it, and write that back."""
    return f"(session) => ({{__type__: 'update', ...(session && session.tab === '{name}' ? {{selected: '{name}'}} : {{}})}})"


KEEP = "(session) => window.tunesmith.keep(session)"
TRAVEL = "(session) => window.tunesmith.travel(session)"


def selected(name: str) -> str:
    """Return the script that notes in a `Session` which page is open now."""
    return f"(session) => window.tunesmith.selected(session, '{name}')"


class PageAddresses:
    """Answer each page's address with the page: /train as /. Gradio knows only its own routes."""

    def __init__(self, app: Callable[..., Awaitable[None]]):
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive, send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"].strip("/") in PATHS:
            scope = scope | {"path": "/", "raw_path": b"/"}
        await self.app(scope, receive, send)


PATHS = {p.path for p in PAGES.values() if p.path}


def drawing(name: str) -> str:
    """Return the script that notes that an answer is on its way which draws parts of a page, and passes a handler's inputs on."""
    return f"(values) => window.tunesmith.drawing('{name}', values)"


def drawn(name: str) -> str:
    """Return the script for the step after that answer."""
    return f"() => window.tunesmith.answered('{name}')"


def wire_drawing(event: Callable, name: str, handler: Callable, inputs: Any, outputs: Any, **how: Any) -> None:
    """Wire an event whose answer draws fields and buttons of a page: until it has come, presses wait and what somebody writes stays (holding.js)."""
    event(handler, inputs, outputs, js=f"(...values) => ({drawing(name)})(values)", **how).then(None, js=drawn(name))


SCRIPT = f"<script>window.tunesmithPages = {json.dumps({name: page._asdict() for name, page in PAGES.items()})};</script>\n" + "".join(
    f"<script>\n{Path(__file__).with_name(name).read_text(encoding='utf-8')}</script>\n" for name in ("holding.js", "navigation.js")
)
