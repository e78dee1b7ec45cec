"""The same engine from a terminal. `--json` prints one document on standard output; everything else goes to standard error.

Exit codes: 0 done, 1 the work failed, 2 the request was wrong.
"""

import argparse
import json
import math
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from tuner import __version__, paths
from tuner.cli import data as data_commands
from tuner.cli import label as label_commands
from tuner.cli import plan as plan_command
from tuner.cli import runs as run_commands
from tuner.cli.output import Refused, say
from tuner.errors import translate
from tuner.network import hub_token
from tuner.paths import Workspace
from tuner.settings import run_config


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # argparse would print usage and exit; ours is an error like any other
        raise Refused(
            f"{message[0].upper()}{message[1:]}.",
            asked=" ".join(sys.argv[1:])[:200],
            available=self.format_usage().strip(),
            remedy=f"`{self.prog} --help` shows how it is written.",
        )


def parser() -> Parser:
    top = Parser(prog="tunesmith", description="Fine-tune a language model: open the page, or do it from here.")
    top.add_argument("--version", action="version", version=__version__)
    sub = top.add_subparsers(dest="command", parser_class=Parser)

    def add(command: str, help: str, run, /, *positional: str, parent=sub, **options: dict) -> Parser:
        p = parent.add_parser(command, help=help, description=help)
        for word in positional:
            p.add_argument(word.rstrip("+"), nargs="+" if word.endswith("+") else None)
        for flag, how in options.items():
            p.add_argument("-s" if flag == "s" else "--" + flag.replace("_", "-"), **how)
        p.set_defaults(run=run)
        return p

    text, flag = {"default": None}, {"action": "store_true"}
    request = {
        "model": text,
        "data": text,
        "preset": text,
        "objective": text,
        "method": text,
        "s": {"action": "append", "default": [], "metavar": "KEY=VALUE", "dest": "s"},
    }
    add(
        "app",
        "Open the page.",
        app,
        host={"default": "127.0.0.1"},
        port={"type": int, "default": None},
        allow_host={"action": "append", "default": []},
        no_browser=flag,
    )
    add("demo", "Train the starter model on a sample; show before and after.", demo)
    add("doctor", "Say what this computer has, what is missing, and what mends it; --probe measures how fast it is.", doctor, probe=flag)
    data = add("data", "Check, add and look at data.", None).add_subparsers(dest="subcommand", parser_class=Parser, required=True)
    maps = {"map": {"action": "append", "default": [], "metavar": "ROLE=COLUMN", "dest": "map"}, "kind": text, "encoding": text}
    add("check", "Say what a file is and what is wrong with it.", data_commands.check, "file", parent=data, **maps)
    held = {"held_out": {"type": float, "default": 0.05, "metavar": "SHARE"}, "system": {"default": ""}}
    add(
        "add",
        "Bring a file (several, as one; or hub:OWNER/NAME) into the workspace.",
        data_commands.add,
        "file+",
        parent=data,
        name=text,
        reference=flag,
        split=text,
        config=text,
        test_file=text,
        seed={"type": int, "default": 0},
        **held,
        **maps,
    )
    add("mix", "Make one dataset of several: DATA or DATA=WEIGHT.", data_commands.mix, "part+", parent=data, name=text)
    add("export", "Write the rows as JSONL.", data_commands.export, "data", parent=data, out=text)
    add("compare", "What differs between two versions: OLD NEW.", data_commands.compare, "old", "new", parent=data)
    add("list", "List the datasets.", data_commands.listing, parent=data)
    add("show", "Show what is known of a dataset.", data_commands.show, "data", parent=data)
    rows = {"type": _count, "default": 5}
    add(
        "preview",
        "Show rows as they were understood, or as a model's tokens.",
        data_commands.preview,
        "data",
        parent=data,
        rows=rows,
        model=text,
    )
    add(
        "plan",
        "Say what a run would do and take; --measure takes two real steps first.",
        plan_command.plan,
        **request,
        device_memory=text,
        cards=flag,
        measure=flag,
    )
    train_parser = add("train", "Train, and wait for the end.", run_commands.train, **request, name=text, detach=flag, anyway=flag)
    train_parser.add_argument("config", nargs="?")
    add("runs", "List the runs.", run_commands.listing)
    add("show", "Show all of one run.", run_commands.show, "run_id")
    add("metrics", "The numbers of a run, step by step.", run_commands.metrics, "run_id")
    add("logs", "The log of a run.", run_commands.logs, "run_id")
    add("stop", "Save, then stop a run.", run_commands.stop, "run_id")
    add("resume", "Go on with a run from its last good state.", run_commands.resume, "run_id", detach=flag)
    add("delete", "Delete a run.", run_commands.delete, "run_id")
    add(
        "chat",
        "Ask a tuned model.",
        run_commands.chat,
        "run_id",
        prompt=text,
        base=flag,
        context=text,
        system=text,
        temperature={"type": float, "default": 0.0},
        max_tokens={"type": int, "default": 256},
    )
    label = add("label", "Judge pairs of answers, and make data of the judgements.", None)
    label_commands.register(add, label.add_subparsers(dest="subcommand", parser_class=Parser, required=True))
    add("export", "Take a model away.", run_commands.export, "run_id", to={"default": "adapter"}, out=text)
    return top


LOOKS = (  # commands that change nothing: they work where nothing can be written
    run_commands.listing,
    run_commands.show,
    run_commands.metrics,
    run_commands.logs,
    data_commands.listing,
    data_commands.show,
    data_commands.preview,
    data_commands.compare,
)


def _count(text: str) -> int:
    if (n := int(text)) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return n


def main(argv: list[str] | None = None) -> int:
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
                say(f"{why} {paths.LOOK_ONLY}")
        elif args.run not in (app, doctor):  # which say themselves what is wrong with the workspace
            ws.prepare()
        result = args.run(ws, args)
        code, document = result if isinstance(result, tuple) else (0, result)
        if as_json:
            print(paths.dumps(_finite(document)))
        elif document is not None:
            print(_in_words(document))
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
    return document if isinstance(document, str) else run_config.to_yaml(json.loads(json.dumps(document, default=str)))


def app(ws: Workspace, args) -> None:
    from ui.server import launch  # the page; only this command needs gradio

    launch(ws, host=args.host, port=args.port, allow_hosts=args.allow_host, browser=not args.no_browser)


def demo(ws: Workspace, args) -> dict:
    from tuner.data.store import store
    from tuner.jobs import training
    from tuner.serving import chat_client as talk

    say("Training the starter model on the persona sample.")
    run = training.demo(ws)
    run = training.wait(ws, run.id, each=run_commands.Bar())
    if run.state != "finished":
        return 1, run_commands.ended_badly(run)
    say(f"Held-out loss {run.status['baseline']['eval_loss']:.3f} before, {run.best:.3f} after. Asking both:")
    client, answers = talk.Client(ws), []
    for prompt in demo_questions(store.get(ws, run.config["data"])):
        ask = [{"role": "user", "content": prompt}]
        before = client.answer(talk.known_as(ws, run.id, base=True), ask, temperature=0.0, max_tokens=80).text
        after = client.answer(talk.known_as(ws, run.id), ask, temperature=0.0, max_tokens=80).text
        answers.append({"prompt": prompt, "before": before, "after": after})
        say(f"\n  {prompt}\n    before  {before}\n    after   {after}")
    say(f"\nThe run is called {run.id}. `tunesmith chat {run.id}` talks to it, `tunesmith` opens the page.")
    return {
        "run": run.id,
        "state": run.state,
        "answers": answers,
        "loss": {"before": run.status["baseline"]["eval_loss"], "after": run.best},
    }


def demo_questions(ds) -> list[str]:
    """Three questions of the sample that were held out."""
    from tuner.data.schema import convert
    from tuner.data.store import store

    return [convert.question_of(r["value"], ds.kind) for r in store.rows(ds, 0, 3, held_out=True)]


def doctor(ws: Workspace, args) -> dict:
    from tuner import diagnostics

    return diagnostics.look(ws, probe=args.probe)


def entry() -> None:
    """The console script: as `main`, with the checkout's own folder on the path when it is run in place."""
    sys.path.insert(0, str(paths.PRESETS.parent)) if str(paths.PRESETS.parent) not in sys.path else None
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    code = main()
    sys.stdout.flush()
    sys.exit(code)
