"""The same engine from a terminal. `--json` prints one document on standard output; everything else goes to standard error.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong.
"""

import json
import math
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.cli import app, bundle, chat, clean, compare, data, evaluate, export, key, label, mcp, notify, plan, queue, runs, serve, train
from tuner.cli.output import say
from tuner.cli.parser import Parser, build
from tuner.errors import translate
from tuner.network import hub_token
from tuner.paths import Workspace
from tuner.settings import parsing

SUBJECTS = (app, data, plan, train, bundle, runs, queue, clean, notify, chat, compare, evaluate, export, serve, key, mcp, label)
LOOKS = (  # commands that change nothing: they work where nothing can be written
    app.complete,
    runs.listing,
    runs.show,
    runs.metrics,
    runs.logs,
    evaluate.scorecards,
    data.listing,
    data.show,
    data.preview,
    data.compare,
)


def parser() -> Parser:
    """Return the parser with all commands."""
    return build(*(subject.register for subject in SUBJECTS))


def main(argv: list[str] | None = None) -> int:
    """Run a command line and return its exit code; without a command the page is opened."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # an argument may hold bytes that are no text; in JSON that is their escape
    try:
        argv, as_json, home = _everywhere(argv)
        if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version")):
            argv = ["app", *argv]
        args = parser().parse_args(argv)
        args.as_json = as_json
        paths.keep_private()
        ws = Workspace(Path(home).expanduser().resolve() if home else paths.default_home(), token=hub_token.from_environment())
        if args.run in LOOKS:
            if why := ws.unwritable():
                say(f"{why} {paths.READ_ONLY_NOTICE}")
        elif args.run not in (app.page, app.doctor):  # which say themselves what is wrong with the workspace
            ws.prepare()
        result = args.run(ws, args)
        code, document = result if isinstance(result, tuple) else (0, result)
        if document is not None:  # a command that stays has printed its document itself
            print(paths.dumps(_finite(document)) if as_json else _in_words(document))
        return code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:
        known = translate(error)
        if known is None:
            traceback.print_exc()
        errors = (
            known.as_list()
            if known
            else [
                {
                    "code": "defect",
                    "field": None,
                    "message": f"{type(error).__name__}: {str(error)[:300]}",
                    "asked": None,
                    "available": None,
                    "remedy": "This is a defect of Tunesmith; please report it with the lines above.",
                }
            ]
        )
        if "--json" in sys.argv or (argv and "--json" in argv) or locals().get("as_json"):
            print(paths.dumps({"errors": _finite(errors)}))
        for e in errors:
            print(f"{e['message']} {e['remedy']}", file=sys.stderr)
        return known.exit_code if known else 1


def _everywhere(argv: list[str]) -> tuple[list[str], bool, str | None]:
    """Take --json and --home DIR out of wherever they stand."""
    rest, as_json, home, i = [], False, None, 0
    while i < len(argv):
        if argv[i] == "--json":
            as_json = True
        elif argv[i] == "--home" and i + 1 < len(argv) and not argv[i + 1].startswith("-"):
            i, home = i + 1, argv[i + 1]
        elif argv[i].startswith("--home="):
            home = argv[i][7:]
        else:
            rest.append(argv[i])
        i += 1
    return rest, as_json, home


def _finite(value: Any) -> Any:
    """NaN and infinity are null: JSON has no word for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def _in_words(document: Any) -> str:
    return document if isinstance(document, str) else parsing.to_yaml(json.loads(json.dumps(document, default=str)))


def entry() -> None:
    """The console script: as `main`, with the checkout's own folder on the path when it is run in place."""
    sys.path.insert(0, str(paths.PRESETS.parent)) if str(paths.PRESETS.parent) not in sys.path else None
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    code = main()
    sys.stdout.flush()
    sys.exit(code)
