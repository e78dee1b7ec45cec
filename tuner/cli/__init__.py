"""The commands of the terminal, one file a subject: each takes the workspace and its arguments, and returns the document or raises.

`entry` reads the arguments and prints; `output` is how every command speaks. May import everything below it, `ui` for `tunesmith app` alone.
"""

from tuner.cli.entry import entry, main, parser

__all__ = ["entry", "main", "parser"]
