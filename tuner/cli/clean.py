"""`tunesmith clean`: what takes space in the workspace, freed safely."""

from typing import Any

from tuner.cli.parser import Commands
from tuner.formatting import human_bytes
from tuner.paths import Workspace


def register(commands: Commands) -> None:
    """Declare `tunesmith clean [--dry-run]`."""
    commands.add(
        "clean",
        "Free space: checkpoints of runs that finished (their models stay) and what interrupted work left behind.",
        clean,
        examples=("clean --dry-run", "clean"),
        dry_run={"action": "store_true", "help": "only list what would be freed"},
    )


def clean(ws: Workspace, args) -> Any:
    from tuner.jobs import cleanup

    items = cleanup.survey(ws.prepare())
    freed = 0 if args.dry_run else cleanup.free(items)
    found = {"items": [item.as_dict() for item in items], "bytes": sum(item.bytes for item in items), "freed_bytes": freed}
    if args.as_json:
        return found
    lines = [f"{human_bytes(item.bytes):>10}  {item.what}" for item in items]
    end = f"{human_bytes(found['bytes'])} can be freed: `tunesmith clean`." if args.dry_run else f"{human_bytes(freed)} were freed."
    return "\n".join([*lines, end])
