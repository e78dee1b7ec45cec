"""The parser of `tunesmith`: each file of commands registers its own, with options, help and examples."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import shtab

from tuner import __version__
from tuner.cli.output import Refused

TEXT: dict[str, Any] = {"default": None}
FLAG: dict[str, Any] = {"action": "store_true"}
FILES = ("file", "config", "source", "out", "test_file", "prompts")  # arguments for which a shell completes file names


class Parser(argparse.ArgumentParser):
    """argparse's parser that raises `Refused`; it would print its usage and exit."""

    def error(self, message: str) -> None:
        raise Refused(
            f"{message[0].upper()}{message[1:]}.",
            asked=" ".join(sys.argv[1:])[:200],
            available=self.format_usage().strip(),
            remedy=f"`{self.prog} --help` shows how it is written.",
        )


class Commands:
    """The commands below `tunesmith`, or below one of its groups (`tunesmith data ...`)."""

    def __init__(self, parser: Parser, dest: str, required: bool = False):
        self.parser = parser
        self.below = parser.add_subparsers(dest=dest, parser_class=Parser, required=required, metavar="COMMAND")

    def add(
        self, command: str, help: str, run: Callable | None, /, *positional: str, examples: tuple[str, ...] = (), **options: dict
    ) -> Parser:
        """Declare a command. `positional` names end in + (one or more), * (any number) or ? (may be left out); `options` are argparse's arguments by name."""
        shown = "".join(f"\n  tunesmith {line}" for line in examples)
        parser = self.below.add_parser(
            command,
            help=help,
            description=help,
            epilog=f"examples:{shown}" if shown else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for word in positional:
            _completed(parser.add_argument(word.rstrip("+*?"), nargs=word[-1] if word[-1] in "+*?" else None))
        for flag, how in options.items():
            _completed(parser.add_argument("-s" if flag == "s" else "--" + flag.replace("_", "-"), **how))
        parser.set_defaults(run=run)
        return parser

    def group(self, name: str, help: str, examples: tuple[str, ...] = ()) -> "Commands":
        """Declare a group of commands."""
        return Commands(self.add(name, help, None, examples=examples), "subcommand", required=True)


def _completed(action: argparse.Action) -> None:
    if action.dest in FILES:
        action.complete = shtab.FILE


def count(text: str) -> int:
    """Parse a whole number from 1 on, for `type=`."""
    if (n := int(text)) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return n


def build(*registers: Callable[[Commands], None]) -> Parser:
    """Return the parser with the commands that each of `registers` declares."""
    top = Parser(
        prog="tunesmith",
        description="Fine-tune a language model: open the page, or do it from here.",
        epilog="--json prints one document on standard output; --home DIR names the workspace. Both may stand anywhere.\n"
        "`tunesmith COMMAND --help` shows examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = Commands(top, "command")
    for register in registers:
        register(commands)
    return top
