"""Commands for runs: list, show, metrics, logs, stop, delete."""

from tuner.cli.parser import TEXT, Commands
from tuner.paths import Workspace


def register(commands: Commands) -> None:
    """Declare the commands for runs."""
    commands.add("runs", "List the runs; those of a sweep with the best first.", listing, sweep=TEXT)
    commands.add("show", "Show everything about a run.", show, "run_id")
    commands.add("metrics", "Print the metrics of a run, step by step.", metrics, "run_id")
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

    return runs.metrics_table(runs.get(ws, args.run_id))


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
