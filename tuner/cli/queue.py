"""`tunesmith queue`: what waits for which device, in which order."""

from typing import Any

from tuner.cli.output import Refused
from tuner.cli.parser import Commands
from tuner.formatting import human_bytes
from tuner.paths import Workspace

ACTIONS = ("list", "move", "hold", "release", "cancel")


def register(commands: Commands) -> None:
    """Declare `tunesmith queue [list|move|hold|release|cancel] [RUN] [PLACE]`."""
    commands.add(
        "queue",
        "Show what waits for which device; move, hold, release or cancel a run.",
        run,
        "action?",
        "run_id?",
        "to?",
        examples=("queue", "queue move support-2 next", "queue hold support-3", "queue release support-3", "queue cancel support-3"),
    )


def run(ws: Workspace, args) -> Any:
    from tuner.jobs import run_queue

    action = args.action or "list"
    if action not in ACTIONS or (action == "list") != (args.run_id is None) or (action == "move") != (args.to is not None):
        raise Refused(
            "The command is not complete." if action in ACTIONS else f"The queue can't {action!r}.",
            asked=" ".join(filter(None, (args.action, args.run_id, args.to))),
            available="list, move RUN next|last|up|down|N, hold RUN, release RUN, cancel RUN",
            remedy="`tunesmith queue --help` shows how it is written.",
        )
    ws.prepare()
    if action == "move":
        run_queue.move(ws, args.run_id, args.to)
    elif action in ("hold", "release"):
        run_queue.hold(ws, args.run_id, action == "hold")
    elif action == "cancel":
        run_queue.cancel(ws, args.run_id)
    found = run_queue.listing(ws)
    return {"devices": found} if args.as_json else "\n".join(line for device in found for line in _lines(device))


def _lines(device: dict[str, Any]) -> list[str]:
    """Return a device with its jobs, for a terminal."""
    total = human_bytes(device["total_bytes"]) if device["total_bytes"] else "unknown memory"
    lines = [f"{device['id']} ({device['name']}): {human_bytes(device['leased_bytes'])} of {total} in use by jobs"]
    for n, job in enumerate(device["jobs"], 1):
        state = "on hold" if job["held"] else job["state"]
        why = f" — {job['reason']}" if job["reason"] and job["state"] == "waiting" else ""
        lines.append(f"  {n}. {job['run'] or job['job']}: {state}, {human_bytes(job['bytes'])}{why}")
    return lines if len(lines) > 1 else [*lines, "  nothing"]
