"""The commands `tunesmith data ...`."""

from pathlib import Path
from typing import Any

from tuner import paths
from tuner.cli.output import Refused
from tuner.cli.parser import TEXT, Commands, count
from tuner.cli.progress import Reading
from tuner.paths import Workspace


def register(commands: Commands) -> None:
    """Declare `tunesmith data ...`."""
    add = commands.group(
        "data", "Check, import and look at data.", ("data check customers.csv", "data add customers.csv --name customers")
    ).add
    mapping = {"map": {"action": "append", "default": [], "metavar": "ROLE=COLUMN"}, "kind": TEXT, "encoding": TEXT}
    share = {
        "held_out": {"type": float, "default": 0.05, "metavar": "SHARE"},
        "system": {"default": ""},
        "seed": {"type": int, "default": 0},
    }
    add("check", "Show what a file is and what is wrong with it.", check, "file", examples=("data check chats.jsonl",), **mapping)
    add(
        "add",
        "Import a file (or several as one, or hub:OWNER/NAME) into the workspace.",
        add_files,
        "file+",
        examples=(
            "data add train.csv",
            "data add train.csv --map prompt=question --map completion=answer",
            "data add hub:owner/name --split train",
        ),
        name=TEXT,
        reference={"action": "store_true", "help": "leave the file where it is"},
        split=TEXT,
        config=TEXT,
        test_file=TEXT,
        **share,
        **mapping,
    )
    add(
        "mix",
        "Make one dataset of several: DATA or DATA=WEIGHT.",
        mix,
        "part+",
        examples=("data mix chats=1 facts=0.5 --name both",),
        name=TEXT,
    )
    add(
        "export",
        "Write the rows as JSONL, in their own form or as a hosted service takes them.",
        export,
        "data",
        examples=("data export customers --out rows.jsonl", "data export customers --service openai --out rows.jsonl"),
        out=TEXT,
        service=TEXT | {"help": "openai, azure, together or mistral: in its form, checked against its published rules"},
    )
    add(
        "compare",
        "Show what differs between two versions: OLD NEW.",
        compare,
        "old",
        "new",
        examples=("data compare customers@1 customers@2",),
    )
    add("list", "List the datasets.", listing)
    add("show", "Show what is known of a dataset.", show, "data")
    add(
        "preview",
        "Show rows as they were read, or as a model's tokens with the trained ones marked.",
        preview,
        "data",
        examples=("data preview customers", "data preview customers --model starter --rows 2"),
        rows={"type": count, "default": 5},
        model=TEXT,
    )


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


def check(ws: Workspace, args):
    from tuner.jobs import data_jobs

    with Reading() as progress:
        document = data_jobs.check(
            ws, paths.path_from_user(args.file), progress, mapping=_mapping(args), kind=args.kind, encoding=args.encoding
        )
    return (0 if document["usable"] else 1), document


def add_files(ws: Workspace, args) -> dict:
    from tuner.jobs import data_jobs

    options = {
        "name": args.name,
        "mapping": _mapping(args),
        "kind": args.kind,
        "held_out": args.held_out,
        "system": args.system,
        "seed": args.seed,
    }
    if args.encoding:
        options["encoding"] = args.encoding
    if args.file[0].startswith("hub:"):
        job = data_jobs.begin(ws, "hub", id=args.file[0].removeprefix("hub:"), split=args.split, config=args.config, **options)
    else:
        files = [paths.path_from_user(f) for f in args.file]
        test = paths.path_from_user(args.test_file) if args.test_file else None
        job = data_jobs.start(ws, files, reference=args.reference, test_file=test, **options)
    with Reading() as progress:
        return _dataset(data_jobs.wait(ws, job, progress))


def export(ws: Workspace, args) -> dict:
    from tuner.data.store import hosted, store

    ds = store.get(ws, args.data)
    path = Path(args.out or f"{ds.id}.jsonl").expanduser().resolve()
    if path.exists():
        raise Refused(
            f"{path} is there already.", asked=str(path), available="a name that is free", remedy="Choose another one with --out."
        )
    if args.service:
        found = hosted.export(ds, path, args.service)
        for file in found["files"]:
            paths.make_shared(Path(file))
        return {"path": str(path), **found}
    rows = store.export(ds, path)
    paths.make_shared(path)
    return {"path": str(path), "rows": rows}


def compare(ws: Workspace, args) -> dict:
    from tuner.data.store import diff, store

    return diff.compare(store.get(ws, args.old), store.get(ws, args.new), most=None)


def mix(ws: Workspace, args) -> dict:
    from tuner.data.store import store

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


def listing(ws: Workspace, args) -> dict:
    from tuner.data.store import store

    return {
        "datasets": [
            {k: d[k] for k in ("dataset", "version", "name", "kind", "rows", "held_out", "created")}
            for d in map(_dataset, store.listing(ws))
        ]
    }


def show(ws: Workspace, args) -> dict:
    from tuner.data.store import store

    return _dataset(store.get(ws, args.data))


def preview(ws: Workspace, args) -> dict:
    from tuner.data.store import store

    ds = store.get(ws, args.data)
    if args.model:
        return _tokens(ws, ds, args.model, args.rows)
    return {"dataset": ds.ref, "rows": [r["value"] for r in store.rows(ds, 0, args.rows)]}


def _tokens(ws: Workspace, ds, model: str, rows: int) -> dict:
    """Rows of tokens as the trainer's own lines make them, and beside them what is known of each row."""
    from tuner.jobs import token_preview

    job = token_preview.start(ws, ds.ref, model, measure=False)
    try:
        seen = [
            row
            for at in range(0, rows, token_preview.MOST)
            for row in token_preview.look_now(ws, job, offset=at, count=min(token_preview.MOST, rows - at))
        ]
        state = token_preview.wait(ws, job, 60)
    finally:
        token_preview.forget(ws, job)
    about = [{k: row[k] for k in ("row", "held_out", "length", "learnt", "problem")} for row in seen]
    return {
        "dataset": ds.ref,
        "model": model,
        "rows": [row["tokens"] for row in seen],
        "about": about,
        "how": state.result.get("how"),
        "notes": state.result.get("notes", []),
    }
