"""`tunesmith key`: the API keys of `tunesmith serve`."""

from typing import Any

from tuner.cli.parser import Commands, count
from tuner.paths import Workspace


def register(commands: Commands) -> None:
    """Declare `tunesmith key add|list|revoke`."""
    key = commands.group(
        "key",
        "Make, list and revoke the API keys of `tunesmith serve`.",
        examples=("key add notebook --scope train --scope chat", "key list", "key revoke notebook"),
    )
    key.add(
        "add",
        "Make a key; it is shown this once, and kept as a hash.",
        add,
        "name",
        scope={"action": "append", "default": [], "metavar": "SCOPE", "help": "read, train or chat; without it all of them"},
        rate={"type": count, "default": None, "help": "requests a minute at most"},
    )
    key.add("list", "List the keys.", listing)
    key.add("revoke", "Revoke a key: the next request with it is refused.", revoke, "name")


def add(ws: Workspace, args) -> Any:
    from tuner.serving import keys

    made = keys.add(ws.prepare(), args.name, args.scope or keys.SCOPES, rate=args.rate)
    may = ", ".join(keys.SCOPES[scope] for scope in made["scopes"])
    return made if args.as_json else f"{made['secret']}\nThis key is shown this once. It may {may}."


def listing(ws: Workspace, args) -> Any:
    from tuner.serving import keys

    found = keys.listing(ws)
    if args.as_json:
        return {"keys": found}
    lines = (f"{k['name']}: {', '.join(k['scopes'])}" + (f", {k['rate']} requests a minute" if k["rate"] else "") for k in found)
    return "\n".join(lines) or "No key yet. `tunesmith key add NAME` makes one."


def revoke(ws: Workspace, args) -> Any:
    from tuner.serving import keys

    found = keys.revoke(ws, args.name)
    return found if args.as_json else f"The key {found['name']} is revoked."
