"""`tunesmith mcp`: the tools for an assistant, through the Model Context Protocol; `tunesmith confirm`: a person's yes to a plan."""

import importlib.util
import sys
from typing import Any

from tuner.cli.output import say
from tuner.cli.parser import FLAG, Commands
from tuner.errors import RequestError
from tuner.formatting import human_bytes, human_time
from tuner.paths import Workspace

INSTALL = "pip install 'tunesmith[mcp]'"


def register(commands: Commands) -> None:
    """Declare `tunesmith mcp` and `tunesmith confirm`."""
    commands.add(
        "mcp",
        "Serve Tunesmith's tools to an assistant by the Model Context Protocol, over standard input and output.",
        serve,
        examples=("mcp      (in the assistant's settings: command tunesmith, arguments mcp)",),
    )
    commands.add(
        "confirm",
        "Confirm a plan that an assistant made, or refuse it; without an id list those that wait.",
        confirm,
        "plan?",
        examples=("confirm", "confirm plan-0123456789abcdef01234567", "confirm plan-0123456789abcdef01234567 --refuse"),
        yes=FLAG | {"help": "don't ask"},
        refuse=FLAG | {"help": "refuse it"},
    )


def serve(ws: Workspace, args) -> None:
    """Serve until the assistant leaves. Nothing but the protocol goes to standard output."""
    from tuner.cli import mcp_tools

    if not importlib.util.find_spec("mcp"):
        raise RequestError(
            "The Model Context Protocol needs the package mcp, which is not installed.",
            asked="mcp",
            available="all other commands",
            remedy=f"Install it: {INSTALL}",
        )
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("tunesmith", instructions=mcp_tools.INSTRUCTIONS, log_level="WARNING")
    for tool in mcp_tools.tools(ws.prepare()):
        server.tool()(tool)
    server.run("stdio")


def confirm(ws: Workspace, args) -> Any:
    from tuner.api import proposals

    if not args.plan:
        found = proposals.waiting(ws)
        return {"plans": found} if args.as_json else "\n\n".join(map(as_text, found)) or "No plan waits."
    found = proposals.get(ws, args.plan)
    if not args.refuse and not args.yes:
        say(as_text(found))
        if not sys.stdin.isatty():
            raise RequestError(
                "Nobody can be asked here.",
                asked=args.plan,
                available="a terminal, --yes, --refuse",
                remedy="Confirm it in a terminal.",
                field="plan",
            )
        if input("Train this? [y/N] ").strip().lower() not in ("y", "yes"):
            return {"plan": found["id"], "state": found["state"]} if args.as_json else "It still waits; --refuse refuses it."
    decided = proposals.decide(ws, args.plan, confirmed=not args.refuse)
    return (
        {"plan": decided["id"], "state": decided["state"]}
        if args.as_json
        else f"The plan {decided['id']} {proposals.WORDS[decided['state']]}."
    )


def as_text(found: dict[str, Any]) -> str:
    """Return a plan as a person reads it before the yes."""
    plan, values = found["plan"], found["values"]
    fits = "It fits" if plan["fits"] else "IT DOES NOT FIT"
    lines = [
        f"{found['id']}: train {plan['model']} on {values['data']}, {plan['settings']['method']}, {plan['steps']} steps",
        f"  {fits}: {human_bytes(plan['peak_bytes'])} of {human_bytes(plan['free_bytes'])} free on {plan['device']}",
    ]
    lines += [f"  about {human_time(plan['seconds'])}"] if plan["seconds"] else []
    asked = {k: v for k, v in values.items() if k not in ("model", "data")}
    lines += [f"  asked for: {', '.join(f'{k}={v}' for k, v in asked.items())}"] if asked else []
    lines += [f"  ! {w['message']}" for w in plan["warnings"]]
    return "\n".join(lines)
