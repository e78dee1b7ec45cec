"""Commands for runs: list, show, metrics, logs, stop, delete."""

from tuner.cli.parser import TEXT, Commands
from tuner.paths import Workspace, path_from_user


def register(commands: Commands) -> None:
    """Declare the commands for runs."""
    commands.add("runs", "List the runs; those of a sweep with the best first.", listing, sweep=TEXT)
    commands.add("show", "Show everything about a run.", show, "run_id")
    commands.add(
        "metrics",
        "Print the metrics of a run, step by step, or write them into a file (.csv or .jsonl).",
        metrics,
        "run_id",
        examples=("metrics support", "metrics support --to losses.csv"),
        to=TEXT,
    )
    commands.add(
        "checkpoints",
        "List the checkpoints of a run; with --copy, make one a run of its own.",
        checkpoints,
        "run_id",
        examples=("checkpoints support", "checkpoints support --copy 40 --name support-early"),
        copy={"type": int, "metavar": "STEP", "help": "the step of the checkpoint; it can then be used as any run"},
        name=TEXT,
    )
    commands.add("logs", "Print the log of a run.", logs, "run_id")
    commands.add("stop", "Save a run, then stop it.", stop, "run_id")
    commands.add("delete", "Delete a run.", delete, "run_id")


def listing(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.jobs import run_queue, sweeps

    found = sweeps.of(ws, args.sweep) if args.sweep else runs.listing(ws)
    run_queue.attend(ws, found)
    return {"runs": [r.summary() for r in found]}


def show(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.jobs import run_queue

    run = runs.get(ws, args.run_id)
    run_queue.attend(ws, [run])
    return run.detail()


def metrics(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.runs import metrics_file

    run = runs.get(ws, args.run_id)
    if not args.to:
        return runs.metrics_table(run)
    return {"run": run.id, "file": str(metrics_file.write_table(run, path_from_user(args.to)))}


def checkpoints(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.evaluation import checkpoint_copies

    if args.copy is not None:
        made = checkpoint_copies.make(ws, args.run_id, args.copy, args.name)
        return {"run": made.id, "checkpoint_of": args.run_id, "step": args.copy}
    copies = checkpoint_copies.copies(ws, args.run_id)
    found = checkpoint_copies.listing(runs.get(ws, args.run_id))
    return {"run": args.run_id, "checkpoints": [c | {"run": copies.get(c["step"])} for c in found]}


def logs(ws: Workspace, args) -> dict | str:
    from tuner import runs

    tail = runs.log_tail(runs.get(ws, args.run_id), 1_000_000)
    return {"run": args.run_id, "log": tail} if args.as_json else tail


def stop(ws: Workspace, args) -> dict:
    from tuner import runs
    from tuner.jobs import run_queue

    run = runs.ask_to_stop(ws, args.run_id)
    run_queue.enqueue(ws, run)
    return {"run": run.id, "state": "stopping"}


def delete(ws: Workspace, args) -> dict:
    from tuner import runs

    runs.delete(ws, args.run_id)
    return {"run": args.run_id, "deleted": True}
