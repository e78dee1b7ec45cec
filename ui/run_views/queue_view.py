"""The queue above the table of runs: what works on each device, what waits for it in which order, and how to change that."""

from typing import Any

import gradio as gr

from tuner.jobs import run_queue
from tuner.paths import Workspace
from ui.components import html, units
from ui.components.actions import Actions, value
from ui.session import AppContext
from ui.text import text

ACT = "runs-queue"
SHOWN = 20  # waiting runs; the others are counted


class QueueView:
    def __init__(self, context: AppContext):
        self.context = context
        self.queue = gr.HTML(elem_id="runs-queue", padding=False)
        self.pressed = Actions(ACT)
        self.pressed.wire(self.on_press, [], [self.queue], queue=False)

    def on_press(self, pressed, request: gr.Request):
        """Carry out what a button says: "next:RUN", "up:RUN", "down:RUN", "hold:RUN", "release:RUN", "cancel:RUN"."""
        ws = self.context.workspace(request)
        verb, _, id = value(pressed).partition(":")
        notice = ""
        try:
            if verb in run_queue.PLACES:
                run_queue.move(ws, id, verb)
            elif verb in ("hold", "release"):
                run_queue.hold(ws, id, verb == "hold")
            elif verb == "cancel":
                run_queue.cancel(ws, id)
        except Exception as error:
            notice = html.trouble(error)
        return notice + drawn(ws)


def drawn(ws: Workspace) -> str:
    """Return the queue (HTML); nothing where nothing works or waits."""
    devices = [device for device in run_queue.listing(ws) if device["jobs"]]
    return "".join(map(_device, devices))


def _device(device: dict[str, Any]) -> str:
    held, total = units.size(device["leased_bytes"]), units.size(device["total_bytes"] or 0)
    head = text("runs-queue-device", device=device["id"], held=held, total=total)
    waiting = [job for job in device["jobs"] if job["state"] == "waiting"]
    working = [job for job in device["jobs"] if job["state"] == "running"]
    rows = "".join(_row(job, 0, 0) for job in working)
    rows += "".join(_row(job, n, len(waiting)) for n, job in enumerate(waiting[:SHOWN], 1))
    more = len(waiting) - SHOWN
    rest = f'<p class="ts-quiet">{html.escape(text("runs-queue-more", n=more))}</p>' if more > 0 else ""
    return (
        f'<section class="ts-card ts-queue" aria-label="{html.escape(text("runs-queue"))}"><h3>{html.escape(text("runs-queue"))}</h3>'
        f'<p class="ts-quiet" translate="no">{html.escape(head)}</p><ul>{rows}</ul>{rest}</section>'
    )


def _row(job: dict[str, Any], place: int, of: int) -> str:
    """Draw a job; `place` among those that wait, 0 for one that works."""
    state = "held" if job["held"] else job["state"]
    said = html.state("warning" if job["held"] else "good" if not place else "quiet", text(f"runs-queue-{state}"))
    name = html.escape(job["name"] or job["run"] or job["job"])
    if job["run"]:
        name = f'<a class="ts-name" href="runs?run={html.escape(job["run"])}" data-page="runs" title="{name}">{name}</a>'
    size = f' <span class="ts-quiet" translate="no">{html.escape(units.size(job["bytes"]))}</span>' if job["bytes"] else ""
    why = f'<p class="ts-quiet" lang="en">{html.escape(job["reason"])}</p>' if place and job["reason"] else ""
    buttons = "".join(html.button(ACT, f"{verb}:{job['run']}", text(f"runs-queue-{verb}")) for verb in _verbs(job, place, of))
    return f'<li><span translate="no">{name}</span> {said}{size}<span class="ts-queue-acts">{buttons}</span>{why}</li>'


def _verbs(job: dict[str, Any], place: int, of: int) -> list[str]:
    """Return what can be done with a job: only with a run of this workspace."""
    if not job["run"]:
        return []
    if not place:
        return ["cancel"]
    moves = [verb for verb, there in (("next", place > 2), ("up", place > 1), ("down", place < of)) if there]
    return [*moves, "release" if job["held"] else "hold", "cancel"]
