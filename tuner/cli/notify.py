"""`tunesmith notify`: an address that is told when a run ends."""

from typing import Any

from tuner.cli.output import Refused
from tuner.cli.parser import FLAG, Commands
from tuner.paths import Workspace

ACTIONS = ("show", "set", "test", "off")


def register(commands: Commands) -> None:
    """Declare `tunesmith notify [show|set|test|off] [URL]`."""
    commands.add(
        "notify",
        "Tell a webhook (Slack, Discord, your own) when a run ends.",
        run,
        "action?",
        "url?",
        examples=("notify set https://hooks.example.com/abc", "notify test", "notify off"),
        allow_private=FLAG,
    )


def run(ws: Workspace, args) -> dict[str, Any]:
    from tuner.jobs import notices

    action = args.action or "show"
    if action not in ACTIONS or (action == "set") != (args.url is not None):
        raise Refused(
            "The command is not complete." if action in ACTIONS else f"There is no {action!r} here.",
            asked=" ".join(filter(None, (args.action, args.url))),
            available="show, set URL, test, off",
            remedy="`tunesmith notify --help` shows how it is written.",
        )
    if action in ("set", "off"):
        notices.set_webhook(ws, args.url, private=args.allow_private)
    hook = notices.webhook(ws.root)
    if action == "test":
        if hook is None:
            raise Refused("No address is set.", asked="test", available="`tunesmith notify set URL`", remedy="Set the address first.")
        said = "This is a test from Tunesmith."
        notices.send(hook, {"event": "test", "text": said, "content": said})
    return {"webhook": hook.host if hook else None, "private": bool(hook and hook.private), "told": action == "test"}
