"""`tunesmith bundle`, `run-bundle`, `pack` and `take-in`: a run that is trained on another computer, and comes back."""

from typing import Any

from tuner.cli.output import say
from tuner.cli.parser import FLAG, TEXT, Commands
from tuner.cli.plan import REQUEST, request
from tuner.cli.progress import Counting, Training
from tuner.formatting import human_bytes
from tuner.paths import Workspace, path_from_user


def register(commands: Commands) -> None:
    """Declare the commands."""
    commands.add(
        "bundle",
        "Write a run and its notebook for another computer (Colab, Kaggle, any Jupyter).",
        bundle,
        examples=("bundle --model Qwen/Qwen2.5-0.5B-Instruct --data customers --preset balanced --out customers.zip",),
        **REQUEST,
        name=TEXT,
        out={"required": True, "metavar": "FILE.zip"},
    )
    commands.add(
        "run-bundle",
        "Train what a bundle asks for, on this computer, and pack the run. Done again, it resumes.",
        run_bundle,
        "file",
        examples=("run-bundle customers.zip --folder work --out result.zip",),
        folder={"default": "tunesmith-bundle", "help": "where its workspace is"},
        out={"default": "result.tunesmith.zip", "metavar": "FILE.zip"},
    )
    commands.add(
        "pack",
        "Write a run that has ended as one file, for another workspace.",
        pack,
        "run_id",
        "file",
        examples=("pack support support.zip",),
        checkpoints=FLAG,
    )
    commands.add(
        "take-in",
        "Add a packed run, or the result of a bundle, to the workspace.",
        take_in,
        "file",
        examples=("take-in result.tunesmith.zip",),
        name=TEXT,
    )


def bundle(ws: Workspace, args) -> dict[str, Any]:
    from tuner.jobs import bundles

    with Counting() as progress:
        made = bundles.write(ws, request(args), path_from_user(args.out), preset=args.preset, name=args.name, each=progress)
    say(
        f"{made['file']} ({human_bytes(made['bytes'])}) holds the rows and this program; open {made['notebook']} on Colab or Kaggle and run its cells."
    )
    return made


def run_bundle(ws: Workspace, args) -> Any:
    from tuner.jobs import bundles

    out = path_from_user(args.out)
    with Training() as progress:
        run = bundles.carry_out(path_from_user(args.file), path_from_user(args.folder), out, each=progress)
    if run.state != "finished":
        say(run.status.reason or f"The run {run.state}.")
    return (0 if run.state == "finished" else 1), {"run": run.id, "state": run.state, "best": run.best, "file": str(out)}


def pack(ws: Workspace, args) -> dict[str, Any]:
    from tuner import runs
    from tuner.runs import run_archive

    file = run_archive.pack(runs.get(ws, args.run_id), path_from_user(args.file), checkpoints=args.checkpoints)
    return {"run": args.run_id, "file": str(file), "bytes": file.stat().st_size}


def take_in(ws: Workspace, args) -> dict[str, Any]:
    from tuner.jobs import bundles

    run = bundles.take_in(ws, path_from_user(args.file), name=args.name)
    return {"run": run.id, "name": run.name, "state": run.state, "best": run.best}
