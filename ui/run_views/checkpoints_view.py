"""The tab Checkpoints of a run: what was measured at each, and each as a run of its own, with which everything can be done."""

from typing import Any

import gradio as gr

from tuner import runs
from tuner.evaluation import checkpoint_copies
from tuner.paths import Workspace
from ui import live
from ui.components import html, units
from ui.components.actions import Actions, value
from ui.session import AppContext
from ui.text import text

ACT = "run-checkpoints"
QUICK = {"queue": False}


class CheckpointsView:
    """`shown` are the fields that belong to a run; `id` holds its id."""

    def __init__(self, context: AppContext, id: gr.Textbox):
        self.context = context
        self.said = gr.HTML(elem_id="checkpoints-said", padding=False)
        gr.HTML(live.slot("run-checkpoints"), elem_id="checkpoints", padding=False)
        self.pressed = Actions(ACT)
        self.pressed.wire(self.on_press, [id], self.said, **QUICK)
        self.shown = [self.said]

    def values(self) -> dict:
        """Return values for `shown`."""
        return {self.said: ""}

    def on_press(self, pressed, id, request: gr.Request):
        """Make a run of the checkpoint whose step was pressed, and show where it leads."""
        ws, step = self.context.workspace(request), value(pressed)
        if not step.isdecimal():
            return gr.skip()
        try:
            made = checkpoint_copies.make(ws, id or "", int(step))
        except Exception as error:
            return html.trouble(error)
        return html.good(text("checkpoints-made", name=made.name))


def drawn(ws: Workspace, run: runs.Run) -> str:
    """Return the checkpoints (HTML), the newest first."""
    found = checkpoint_copies.listing(run)
    if not found:
        return html.empty(text("checkpoints-none"))
    names = [name for name in found[-1] if name not in ("step", "bytes", "best", "eval_loss")]
    heads = [text("checkpoints-step"), text("runs-head-loss"), *(name.replace("_", " ") for name in names), text("checkpoints-size"), ""]
    head = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
    copies = checkpoint_copies.copies(ws, run.id)
    rows = "".join(_row(run, c, names, copies.get(c["step"])) for c in reversed(found))
    about = f'<p class="ts-quiet">{html.escape(text("checkpoints-about", kept=run.plan["settings"].get("keep_checkpoints") or 2))}</p>'
    return f'{about}<table class="ts-table"><tr>{head}</tr>{rows}</table>'


def _row(run: runs.Run, found: dict[str, Any], names: list[str], copy: str | None) -> str:
    best = f" {html.state('good', text('samples-best'))}" if found["best"] else ""
    numbers = [units.decimal(found[n]) if found.get(n) is not None else "" for n in ("eval_loss", *names)]
    cells = "".join(f"<td>{html.escape(n)}</td>" for n in [*numbers, units.size(found["bytes"])])
    acts = _links(copy, run.id) if copy else html.button(ACT, str(found["step"]), text("checkpoints-make"))
    return f'<tr><td>{units.count(found["step"])}{best}</td>{cells}<td><div class="ts-links">{acts}</div></td></tr>'


def _links(copy: str, origin: str) -> str:
    """Return where the run that was made of a checkpoint leads."""
    to = [
        html.link("runs", text("checkpoints-open"), query=f"run={copy}"),
        html.link("chat", text("runs-chat"), query=f"model={copy}"),
        html.link("runs", text("checkpoints-compare"), query=f"run={origin},{copy}"),
        html.link("export", text("runs-export"), query=f"run={copy}"),
    ]
    return "".join(to)
