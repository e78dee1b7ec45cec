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

from tuner import __version__, config, hardware, paths
from tuner.errors import RequestError, translate
from tuner.paths import Workspace


class Refused(RequestError):
    """The command line itself is wrong."""


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
    add("doctor", "Say what this computer has, what is missing, and what mends it.", doctor)
    data = add("data", "Check, add and look at data.", None).add_subparsers(dest="subcommand", parser_class=Parser, required=True)
    maps = {"map": {"action": "append", "default": [], "metavar": "ROLE=COLUMN", "dest": "map"}, "kind": text}
    add("check", "Say what a file is and what is wrong with it.", data_check, "file", parent=data, **maps)
    held = {"held_out": {"type": float, "default": 0.05, "metavar": "SHARE"}, "system": {"default": ""}}
    add(
        "add",
        "Bring a file (several, as one; or hub:OWNER/NAME) into the workspace.",
        data_add,
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
    add("mix", "Make one dataset of several: DATA or DATA=WEIGHT.", data_mix, "part+", parent=data, name=text)
    add("export", "Write the rows as JSONL.", data_export, "data", parent=data, out=text)
    add("compare", "What differs between two versions: OLD NEW.", data_compare, "old", "new", parent=data)
    add("list", "List the datasets.", data_list, parent=data)
    add("show", "Show what is known of a dataset.", data_show, "data", parent=data)
    rows = {"type": int, "default": 5}
    add("preview", "Show rows as they were understood, or as a model's tokens.", data_preview, "data", parent=data, rows=rows, model=text)
    add("plan", "Say what a run would do and take.", plan, **request, device_memory=text)
    train_parser = add("train", "Train, and wait for the end.", train, **request, name=text, detach=flag, anyway=flag)
    train_parser.add_argument("config", nargs="?")
    add("runs", "List the runs.", list_runs)
    add("show", "Show all of one run.", show, "run_id")
    add("metrics", "The numbers of a run, step by step.", metrics, "run_id")
    add("logs", "The log of a run.", logs, "run_id")
    add("stop", "Save, then stop a run.", stop, "run_id")
    add("resume", "Go on with a run from its last good state.", resume, "run_id", detach=flag)
    add("delete", "Delete a run.", delete, "run_id")
    add(
        "chat",
        "Ask a tuned model.",
        chat,
        "run_id",
        prompt=text,
        base=flag,
        system=text,
        temperature={"type": float, "default": 0.0},
        max_tokens={"type": int, "default": 256},
    )
    add("export", "Take a model away.", export, "run_id", to={"default": "adapter"}, out=text)
    return top


def main(argv: list[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        argv, as_json, home = _everywhere(argv)
        args = parser().parse_args(argv or ["app"])
        ws = Workspace(Path(home).expanduser().resolve() if home else paths.default_home())
        if args.run not in (app, doctor):  # which says itself what is wrong with the workspace
            ws.prepare()
        result = args.run(ws, args)
        code, document = result if isinstance(result, tuple) else (0, result)
        if as_json:
            print(json.dumps(_finite(document), ensure_ascii=False, default=str))
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
                    "message": f"{type(error).__name__}: {error}",
                    "asked": None,
                    "available": None,
                    "remedy": "This is a defect of Tunesmith; please report it with the lines above.",
                }
            ]
        )
        if "--json" in sys.argv or (argv and "--json" in argv) or locals().get("as_json"):
            print(json.dumps({"errors": _finite(errors)}, ensure_ascii=False, default=str))
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
    return document if isinstance(document, str) else config.to_yaml(json.loads(json.dumps(document, default=str)))


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


# --- commands: each takes the workspace and its arguments, and returns the document or (exit code, document) ----------


def app(ws: Workspace, args) -> None:
    from app import launch  # the page; only this command needs gradio

    launch(ws, host=args.host, port=args.port, allow_hosts=args.allow_host, browser=not args.no_browser)


def demo(ws: Workspace, args) -> dict:
    from tuner import chat as talk
    from tuner import training
    from tuner.data import store

    say("Training the starter model on the persona sample.")
    run = training.demo(ws)
    run = training.wait(ws, run.id, each=Bar())
    if run.state != "finished":
        return 1, run.detail()
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
    from tuner.data import convert, store

    return [convert.question_of(r["value"], ds.kind) for r in store.rows(ds, 0, 3, held_out=True)]


def doctor(ws: Workspace, args) -> dict:
    from tuner import doctor

    return doctor.look(ws)


def _mapping(args) -> dict[str, Any] | None:
    out: dict[str, Any] = {}
    for pair in args.map:
        role, equals, column = pair.partition("=")
        if not equals:
            raise Refused(
                f"{pair!r} is not ROLE=COLUMN.", asked=pair, available="role=column", remedy="Write for example --map prompt=question."
            )
        out[role] = column.split("+") if "+" in column else column
    return out or None


def _reading(done: int, total: int, rows: int) -> None:
    say(f"\r  {done / max(1, total):4.0%}  {rows:,} rows", end="")


def data_check(ws: Workspace, args):
    from tuner.data import store

    document = store.check(Path(args.file).expanduser(), mapping=_mapping(args), kind=args.kind, progress=_reading)
    say("")
    return (0 if document["usable"] else 1), document


def data_add(ws: Workspace, args) -> dict:
    from tuner.data import jobs, store

    options = {
        "name": args.name,
        "mapping": _mapping(args),
        "kind": args.kind,
        "held_out": args.held_out,
        "system": args.system,
        "seed": args.seed,
    }
    if args.file[0].startswith("hub:"):
        job = jobs.begin(ws, "hub", id=args.file[0].removeprefix("hub:"), split=args.split, config=args.config, **options)
        ds = jobs.wait(ws, job, _reading)
    else:
        files = [Path(f).expanduser() for f in args.file]
        test = Path(args.test_file).expanduser() if args.test_file else None
        ds = store.add(ws, files, reference=args.reference, test_file=test, progress=_reading, **options)
    say("")
    return _dataset(ds)


def data_export(ws: Workspace, args) -> dict:
    from tuner.data import store

    ds = store.get(ws, args.data)
    path = Path(args.out or f"{ds.id}.jsonl").expanduser().resolve()
    if path.exists():
        raise Refused(
            f"{path} is there already.", asked=str(path), available="a name that is free", remedy="Choose another one with --out."
        )
    return {"path": str(path), "rows": store.export(ds, path)}


def data_compare(ws: Workspace, args) -> dict:
    from tuner.data import compare, store

    return compare.compare(store.get(ws, args.old), store.get(ws, args.new), most=None)


def data_mix(ws: Workspace, args) -> dict:
    from tuner.data import store

    parts = [part.rpartition("=") if "=" in part else (part, "=", "1") for part in args.part]
    return _dataset(store.mix(ws, [(ref, _weight(weight)) for ref, _, weight in parts], name=args.name))


def _weight(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # the store says what a weight may be


def _dataset(ds) -> dict:
    from dataclasses import asdict

    return {"dataset": ds.id, **{k: v for k, v in asdict(ds).items() if k not in ("id", "path")}}


def data_list(ws: Workspace, args) -> dict:
    from tuner.data import store

    return {
        "datasets": [
            {k: d[k] for k in ("dataset", "version", "name", "kind", "rows", "held_out", "created")}
            for d in map(_dataset, store.listing(ws))
        ]
    }


def data_show(ws: Workspace, args) -> dict:
    from tuner.data import store

    return _dataset(store.get(ws, args.data))


def data_preview(ws: Workspace, args) -> dict:
    from tuner.data import store

    ds = store.get(ws, args.data)
    if args.model:
        return _tokens(ws, ds, args.model, args.rows)
    return {"dataset": ds.ref, "rows": [r["value"] for r in store.rows(ds, 0, args.rows)]}


def _tokens(ws: Workspace, ds, model: str, rows: int) -> dict:
    """Rows of tokens as the trainer's own lines make them, and beside them what is known of each row."""
    from tuner.data import preview

    job = preview.start(ws, ds.ref, model, measure=False)
    try:
        seen = [
            row for at in range(0, rows, preview.MOST) for row in preview.look_now(ws, job, offset=at, count=min(preview.MOST, rows - at))
        ]
        state = preview.wait(ws, job, 60)
    finally:
        preview.forget(ws, job)
    about = [{k: row[k] for k in ("row", "held_out", "length", "learnt", "problem")} for row in seen]
    return {
        "dataset": ds.ref,
        "model": model,
        "rows": [row["tokens"] for row in seen],
        "about": about,
        "how": state.get("how"),
        "notes": state.get("notes", []),
    }


def _request(args) -> dict[str, Any]:
    values = config.from_pairs(args.s)
    return values | {k: v for k in ("model", "data", "objective", "method") if (v := getattr(args, k)) is not None}


def plan(ws: Workspace, args) -> dict:
    from tuner import training

    memory = hardware.parse_bytes(args.device_memory) if args.device_memory else None
    return training.prepare(ws, _request(args), preset=args.preset, device_memory=memory)[0].as_dict()


def train(ws: Workspace, args):
    from tuner import training

    values, preset = _request(args), args.preset
    if args.config:
        stored = config.load_yaml(Path(args.config).expanduser())
        preset = preset or stored.pop("preset", None)
        stored.pop("preset", None)
        values = stored | values
    run = training.start(ws, values, preset=preset, name=args.name, anyway=args.anyway)
    say(f"The run is called {run.id}; its folder is {run.path}.")
    return {"run": run.id, "state": run.state} if args.detach else _wait(ws, run.id)


def _wait(ws: Workspace, id: str):
    from tuner import runs, training

    try:
        run = training.wait(ws, id, each=Bar())
    except KeyboardInterrupt:
        say("\nSaving, then stopping; once more Ctrl-C leaves it to finish that alone.")
        if runs.get(ws, id).live:
            runs.ask_to_stop(ws, id)
        run = training.wait(ws, id, each=Bar())
    if run.status.get("reason"):
        say(run.status["reason"])
    if run.state not in ("finished", "stopped") and run.status.get("error"):
        return 1, {"run": id, "state": run.state, "errors": [run.status["error"]]}
    return (0 if run.state in ("finished", "stopped") else 1), {
        "run": id,
        "state": run.state,
        "best": run.best,
        "baseline": (run.status.get("baseline") or {}).get("eval_loss"),
    }


class Bar:
    """A line of progress on standard error, redrawn in place on a terminal."""

    def __init__(self):
        self.last = ""

    def __call__(self, run) -> None:
        from tuner import runs

        p = run.progress
        line = f"{run.state}: {run.status.get('reason') or runs.SENTENCES[run.state]}"
        if p.get("steps") and run.state in ("running", "stopping"):
            full = int(24 * p["step"] / p["steps"])
            loss = next((v for _, k, v in reversed(runs.metrics(run, since=p["step"] - 5)) if k == "loss" and v is not None), None)
            left = f", {hardware.human_time(p['eta_seconds'])} left" if p.get("eta_seconds") is not None else ""
            line = f"[{'#' * full}{'.' * (24 - full)}] step {p['step']} of {p['steps']}{f', loss {loss:.3f}' if loss is not None else ''}{left}"
        if line != self.last:
            if sys.stderr.isatty():
                say("\r\x1b[2K" + line, end="" if run.live else "\n")
            else:
                say(line)
            self.last = line


def list_runs(ws: Workspace, args) -> dict:
    from tuner import runs

    return {"runs": [r.summary() for r in runs.listing(ws)]}


def show(ws: Workspace, args) -> dict:
    from tuner import runs

    return runs.get(ws, args.run_id).detail()


def metrics(ws: Workspace, args) -> dict:
    from tuner import runs

    return runs.metrics_table(runs.get(ws, args.run_id))


def logs(ws: Workspace, args) -> dict | str:
    from tuner import runs

    tail = runs.log_tail(runs.get(ws, args.run_id), 1_000_000)
    return {"run": args.run_id, "log": tail}


def stop(ws: Workspace, args) -> dict:
    from tuner import runs, supervisor

    run = runs.ask_to_stop(ws, args.run_id)
    supervisor.submit(ws, "train", run.path, run.plan["device"], run.plan["peak_bytes"])
    return {"run": run.id, "state": "stopping"}


def resume(ws: Workspace, args):
    from tuner import training

    run = training.resume(ws, args.run_id)
    return {"run": run.id, "state": run.state} if args.detach else _wait(ws, run.id)


def delete(ws: Workspace, args) -> dict:
    from tuner import runs

    runs.delete(ws, args.run_id)
    return {"run": args.run_id, "deleted": True}


def chat(ws: Workspace, args):
    from tuner import chat as talk

    def ask(prompt: str) -> dict:
        messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": prompt}]
        sampling = {"temperature": args.temperature, "max_tokens": args.max_tokens}
        tuned = client.answer(talk.known_as(ws, args.run_id), messages, **sampling)
        base = client.answer(talk.known_as(ws, args.run_id, base=True), messages, **sampling) if args.base else None
        return {
            "answer": tuned.text,
            "base_answer": base.text if base else None,
            "prompt_tokens": tuned.prompt_tokens,
            "completion_tokens": tuned.completion_tokens,
            "stop_reason": tuned.stop_reason,
        }

    known = talk.known_as(ws, args.run_id)
    from tuner import runs

    system = runs.get(ws, args.run_id).system if args.system is None and args.run_id != "starter" else args.system
    client = talk.Client(ws, waiting=lambda s: say(f"\r  loading the model ({s:.0f} s)", end=""))
    if args.prompt is not None:
        return ask(args.prompt)
    say(f"\nTalking to {known['id'].split('/')[-1]}; an empty line ends it.")
    while prompt := _question():
        answer = ask(prompt)
        print(answer["answer"] + (f"\n  (before: {answer['base_answer']})" if args.base else ""))
    return None


def _question() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def export(ws: Workspace, args) -> dict:
    from tuner import export as ex

    return ex.make(
        ws,
        args.run_id,
        args.to,
        Path(args.out).expanduser().resolve() if args.out else None,
        waiting=lambda s: say(f"\r  working ({s:.0f} s)", end=""),
    )


def entry() -> None:
    """The console script: as `main`, with the checkout's own folder on the path when it is run in place."""
    sys.path.insert(0, str(paths.PRESETS.parent)) if str(paths.PRESETS.parent) not in sys.path else None
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    code = main()
    sys.stdout.flush()
    sys.exit(code)


if __name__ == "__main__":
    entry()
