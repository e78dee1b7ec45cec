"""`tunesmith compare`: two to four models answer the same questions, side by side."""

import textwrap
from typing import Any

from tuner.cli.output import lines_of
from tuner.cli.parser import FLAG, TEXT, Commands, count
from tuner.cli.progress import Line
from tuner.errors import RequestError
from tuner.paths import Workspace

WIDTH = 100


def register(commands: Commands) -> None:
    """Declare `tunesmith compare`."""
    commands.add(
        "compare",
        "Have two to four models answer the same questions, side by side.",
        compare,
        "models+",
        examples=(
            'compare RUN RUN/base --prompt "Where is my order?"',
            "compare RUN RUN@200 RUN/base --prompts questions.txt",
            "compare RUN starter --data customers --rows 50 --csv > answers.csv",
        ),
        prompt={"action": "append", "default": [], "metavar": "TEXT", "help": "a question; may be given several times"},
        prompts={"default": None, "metavar": "FILE", "help": "a file with one question a line"},
        data={"default": None, "metavar": "DATASET", "help": "the questions of its validation rows"},
        rows={"type": count, "default": 20, "help": "how many of them at most (default 20)"},
        system=TEXT | {"help": "the system prompt of all; without it each run has the one it was trained with"},
        temperature={"type": float, "default": 0.0},
        max_tokens={"type": int, "default": 256},
        csv=FLAG | {"help": "as CSV: a row for each question, a column for each model"},
    )


def compare(ws: Workspace, args) -> Any:
    from tuner.serving import side_by_side

    models = side_by_side.require(ws, args.models)
    questions = _questions(ws, args)
    with Line() as line:
        found = side_by_side.answers(
            ws,
            models,
            questions,
            system=args.system,
            temperature=args.temperature,
            max_tokens=args.max_tokens,
            heard=lambda done, total, _: line.show(f"{done:,} of {total:,} answers", done, total),
            waiting=lambda seconds: line.show(f"loading the model ({seconds:.0f} s)"),
        )
    if args.csv and not args.as_json:
        return side_by_side.as_csv(found).rstrip("\n")
    return found if args.as_json else as_text(found)


def _questions(ws: Workspace, args) -> list[str]:
    """Return the questions that were given, in the order prompt, file, dataset. RequestError when there are none."""
    from tuner.data.store import questions, store

    out = [*args.prompt, *(lines_of(args.prompts) if args.prompts else [])]
    out += questions.distinct(store.get(ws, args.data), args.rows) if args.data else []
    if asked := [q for q in out if q.strip()]:
        return asked
    raise RequestError(
        f"{args.data} has no validation rows with a question." if args.data else "No question was given.",
        asked=args.data or args.prompts,
        available="--prompt TEXT, --prompts FILE with one question a line, or --data DATASET with validation rows",
        remedy="Add a question.",
        field="prompt",
    )


def as_text(found: dict[str, Any]) -> str:
    """Return the answers for a terminal, question by question, and how fast each model was."""
    names = [m["model"] for m in found["models"]]
    width = max(map(len, names))
    out: list[str] = []
    for row in found["answers"]:
        out += [row["question"]]
        for name, answer in zip(names, row["answers"], strict=True):
            said = "\n".join(textwrap.fill(line, WIDTH) for line in answer.splitlines()) or "(no answer)"
            out.append(textwrap.indent(said, " " * (width + 4)).replace(" " * (width + 4), f"  {name.ljust(width)}  ", 1))
        out.append("")
    for m in found["models"]:
        cut = f", {m['cut']} cut at the limit" if m["cut"] else ""
        out.append(f"{m['model'].ljust(width)}  {m['tokens_per_second']} tokens/s, first token after {m['first_token_seconds']} s{cut}")
    return "\n".join(out)
