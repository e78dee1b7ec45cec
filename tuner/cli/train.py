"""`tunesmith train` and `resume`: start a run and wait for its end."""

from pathlib import Path
from typing import Any

from tuner.cli.output import Refused, say
from tuner.cli.parser import FLAG, TEXT, Commands
from tuner.cli.plan import REQUEST, request
from tuner.cli.progress import Counting, Training
from tuner.paths import Workspace
from tuner.settings import other_tools, parsing


def register(commands: Commands) -> None:
    """Declare `tunesmith train` and `resume`."""
    commands.add(
        "train",
        "Train, and wait for the end. CONFIG is a YAML file of settings.",
        train,
        "config?",
        examples=(
            "train --model starter --data customers --preset balanced",
            "train run.yaml -s epochs=2 --name second",
            "train run.yaml --detach",
            "train run.yaml --sweep learning_rate=1e-4,3e-4 --sweep lora_rank=8,16",
        ),
        **REQUEST,
        name=TEXT,
        detach={"action": "store_true", "help": "don't wait for the end"},
        sweep={
            "action": "append",
            "default": [],
            "metavar": "KEY=V1,V2",
            "help": "a run for each value, in the queue; repeated: for each combination",
        },
        where={
            "choices": ["slurm", "jobs"],
            "help": "on a cluster (extra cluster), or on Hugging Face's machines, which your account pays",
        },
        slurm={
            "action": "append",
            "default": [],
            "metavar": "KEY=VALUE",
            "help": "partition, account, qos, constraint, gres, time (minutes), gpus, cpus, memory (GB)",
        },
        flavor=TEXT | {"help": "with --where jobs: the hardware; without it the cheapest on which the run fits"},
        timeout={"type": int, "metavar": "MINUTES", "help": "with --where jobs: when the job is ended, whatever it does"},
        yes={"action": "store_true", "help": "agree to the price of --where jobs"},
        halving={"action": "store_true", "help": "with --sweep: stop runs that fall behind at their evaluations"},
        anyway={"action": "store_true", "help": "start even if the plan does not fit"},
    )
    commands.add(
        "resume",
        "Resume a run from its newest whole checkpoint.",
        resume,
        "run_id",
        detach=FLAG,
        processes={"type": int, "metavar": "N", "help": "in another number of processes, with the same effective batch"},
    )


def train(ws: Workspace, args):
    from tuner.jobs import training
    from tuner.runs import run_warnings

    values, preset, translation = request(args), args.preset, None
    if args.config:
        stored = parsing.load_yaml(Path(args.config).expanduser())
        if translation := other_tools.translated(stored):
            stored = translation.values
            for sentence in translation.sentences:
                say(sentence)
        preset = preset or stored.pop("preset", None)
        stored.pop("preset", None)
        values = stored | values
    if args.halving and not args.sweep:
        raise Refused(
            "--halving stops the weaker runs of a sweep, and there is no --sweep.",
            asked="--halving",
            available="--sweep KEY=V1,V2",
            remedy="Name the values to try with --sweep, or leave --halving out.",
        )
    if args.sweep and args.where:
        raise Refused(
            "The runs of a sweep train on this computer.",
            asked=f"--sweep with --where {args.where}",
            available="--sweep here, or one run elsewhere",
            remedy="Leave --where out, or start the runs one by one.",
        )
    if args.sweep:
        return _sweep(ws, args, values, preset)
    with Counting() as progress:
        run = training.start(
            ws, values, preset=preset, name=args.name, anyway=args.anyway, where=_where(ws, args, values, preset), each=progress
        )
    say(f"The run is called {run.id}; its folder is {run.path}.")
    for warning in map(run_warnings.sentence, run.warnings):
        say(f"Note: {warning}")
    told = {"translated": translation.as_dict()} if translation else {}
    if args.detach:
        return {"run": run.id, "state": run.state, "warnings": run.warnings} | told
    code, document = _wait(ws, run.id)
    return code, document | told


def _where(ws: Workspace, args, values: dict[str, Any], preset: str | None) -> dict[str, Any] | None:
    """Return the other computer that the arguments name; None for this one. For one that costs money the price is told, and must be agreed to."""
    from tuner.jobs import hub_hardware, slurm

    for flag, given, place in (
        ("--slurm", args.slurm, "slurm"),
        ("--flavor", args.flavor, "jobs"),
        ("--timeout", args.timeout, "jobs"),
        ("--yes", args.yes, "jobs"),
    ):
        if given and args.where != place:
            raise Refused(
                f"{flag} belongs to --where {place}, and the run is to train {'here' if args.where is None else f'on {args.where}'}.",
                asked=flag,
                available=f"--where {place}",
                remedy=f"Add --where {place}, or leave {flag} out.",
            )
    if args.where == "slurm":
        slurm.require()
        return {"kind": "slurm", "options": slurm.options(args.slurm)}
    if args.where is None:
        return None
    offer = hub_hardware.choose(hub_hardware.offers(ws, values, preset=preset), args.flavor, args.timeout)
    say(f"{offer}, at most ${hub_hardware.dollars(offer.most)} for {offer.timeout} minutes.")
    return hub_hardware.where(offer, args.yes)


def _sweep(ws: Workspace, args, values: dict[str, Any], preset: str | None) -> dict[str, Any]:
    from tuner.jobs import sweeps

    with Counting() as progress:
        id, found = sweeps.start(
            ws, values, sweeps.values_of(args.sweep), preset=preset, name=args.name, anyway=args.anyway, halving=args.halving, each=progress
        )
    say(
        f"{len(found)} runs are in the queue. `tunesmith runs --sweep {id}` lists them, the best first; `tunesmith queue` changes their order."
    )
    return {"sweep": id, "runs": [run.id for run in found]}


def _wait(ws: Workspace, id: str):
    from tuner import runs
    from tuner.jobs import training
    from tuner.runs import run_warnings
    from tuner.scorecard import automatic

    try:
        with Training() as progress:
            run = training.wait(ws, id, each=progress)
    except KeyboardInterrupt:
        say("\nSaving, then stopping. Press Ctrl-C again to leave; the run then stops by itself.")
        if runs.get(ws, id).live:
            runs.ask_to_stop(ws, id)
        with Training() as progress:
            run = training.wait(ws, id, each=progress)
    if run.status.reason:
        say(run.status.reason)
    for warning in run.warnings:
        said = warning["remedy"] if warning["message"] in (run.status.reason or "") else run_warnings.sentence(warning)
        say(f"{warning['severity'].capitalize()}: {said}")
    if run.state not in ("finished", "stopped"):
        return 1, ended_badly(run)
    evaluated = (automatic.why_not(ws, run) or automatic.BEGUN) if run.state == "finished" else None
    if evaluated:
        say(evaluated)
    return 0, {
        "run": id,
        "state": run.state,
        "evaluation": evaluated,
        "best": run.best,
        "baseline": run.status.baseline.get("eval_loss"),
        "signs": run_warnings.signs(run.warnings),
        "warnings": run.warnings,
    }


def ended_badly(run) -> dict[str, Any]:
    """Return the document of a run that failed or was interrupted: its own error, or what the supervisor found out."""
    told = {"code": run.state, "field": None, "message": run.status.reason or f"The run {run.state}.", "asked": run.id}
    told |= {"available": None, "remedy": f"`tunesmith logs {run.id}` shows more; `tunesmith resume {run.id}` resumes it."}
    return {"run": run.id, "state": run.state, "errors": [run.status.error or told]}


def resume(ws: Workspace, args):
    from tuner.jobs import training

    run = training.resume(ws, args.run_id, processes=args.processes)
    return {"run": run.id, "state": run.state} if args.detach else _wait(ws, run.id)
