"""What changes by itself: the strip, the last runs, the run in view. The script of the page (live.js) asks for it and draws it.

Not `gr.Timer`: for each tick and each output Gradio's front end looks through its whole tree of components, several times. On an idle page
that took 0.2 s of the browser's main thread each second, with a run under way 0.4 to 0.9 s; this takes 0.03 s at a look a second, with a run
under way 0.05 to 0.08 s (`python -m bench.live`). Gradio hears only of what changes its own components: that a run came, went or changed its state.
"""

import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from tuner.paths import Workspace
from tuner.runs import index
from ui.session import AppContext, Session

Parts = dict[str, str]  # HTML by the name of the slot
MEMORY = 15  # seconds between two looks at the memory in the strip, while nothing else happens


def slot(part: str, hidden: bool = False) -> str:
    """Return where the script draws a part (HTML)."""
    return f'<div class="ts-live" data-part="{part}"{" hidden" if hidden else ""}></div>'


def visit(session: str) -> str:
    """Return what the script says of itself when it asks (HTML): in a Space each visit has a workspace of its own."""
    return f'<span id="ts-visit" data-session="{escape(session)}"></span>'


def page_state(
    context: AppContext,
    glance: Callable[[Workspace], tuple[str, bool]],
    parts: Callable[[Workspace, Session], Parts],
    ended: Callable[[Workspace], list[dict]],
):
    """Return the function that the script calls. `glance` gives the shape of all runs (another one when Gradio is to be told) and whether one is
    under way; `parts` makes what the open page shows; `ended` says of what a browser may be told."""

    def page_state(kept: dict, known: str, request: gr.Request) -> dict[str, Any]:
        """Tell what is new for a browser whose session is `kept`, and which has drawn what was there at `known`."""
        ws, session = context.workspace(request), Session.read(kept)
        now = f"{index.of(ws).glance()}/{int(time.time() // MEMORY)}/{session.tab}/{session.runs}"
        shape, live = glance(ws)
        new = {} if now == known else {"shape": shape, "parts": parts(ws, session), "ended": ended(ws)}
        return {"known": now, "live": live} | new

    return page_state


SCRIPT = f"<script>\n{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}</script>\n"
