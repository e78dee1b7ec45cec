"""`tunesmith plan`: what a run would do, and what memory and time it would take, as a document or as a page of text."""

from dataclasses import asdict
from typing import Any

from tuner.cli.output import say
from tuner.cli.parser import FLAG, TEXT, Commands
from tuner.cli.progress import Counting, DryRun
from tuner.formatting import human_bytes, human_range, parse_bytes
from tuner.jobs import dry_run, training
from tuner.paths import Workspace
from tuner.planning import memory, model_suggestions
from tuner.runs import run_warnings
from tuner.settings import methods, parsing

WIDE = 30  # characters of the bar


REQUEST = {  # what `plan` and `train` ask of a run; every other setting goes through -s
    **dict.fromkeys(("model", "data", "preset", "objective", "method"), TEXT),
    "s": {"action": "append", "default": [], "metavar": "KEY=VALUE", "dest": "s"},
}


def register(commands: Commands) -> None:
    """Declare `tunesmith plan`."""
    commands.add(
        "plan",
        "Show what a run would do, and the memory and time it would take; --measure makes a dry run first.",
        plan,
        examples=(
            "plan --model starter --data customers --preset balanced",
            "plan --model Qwen/Qwen2.5-7B-Instruct --device-memory 8GB --cards",
            "plan --model starter --data customers -s epochs=2 --measure --json",
        ),
        **REQUEST,
        device_memory=TEXT,
        cards=FLAG,
        measure=FLAG,
    )


def plan(ws: Workspace, args) -> dict | str:
    values = request(args)
    room = parse_bytes(args.device_memory) if args.device_memory else None
    with Counting() as progress:
        found, model, ds, asked = training.prepare(ws, values, preset=args.preset, device_memory=room, each=progress)
    document = _measured(ws, values, args.preset, room) if args.measure else found.as_dict()
    if args.data and not args.measure and found.seconds_high > dry_run.LONG:
        say("This run takes long: --measure makes a dry run first, which measures the true memory.")
    if args.cards:
        counts = training.data_facts(ds, model, ws, training.chosen(asked, None)) if ds else None
        document["cards"] = model_suggestions.elsewhere(asked, model, counts, preset=training.preset_of(ws, args.preset))
    return document if args.as_json else page(document, model.facts.name)


def request(args) -> dict[str, Any]:
    """Return the settings that the arguments of a command ask for."""
    values = parsing.from_pairs(args.s)
    return values | {k: v for k in ("model", "data", "objective", "method") if (v := getattr(args, k)) is not None}


def _measured(ws: Workspace, request: dict[str, Any], preset: str | None, memory: int | None) -> dict:
    """The plan with what a dry run of it took; where that does not fit, with what would."""
    plan, id = training.measure(ws, request, preset=preset, device_memory=memory)
    try:
        with DryRun() as progress:
            found = dry_run.wait(ws, id, progress)
    except KeyboardInterrupt:
        dry_run.cancel(ws, id)
        raise
    say(dry_run.words(found, plan.device))
    document = plan.as_dict() | {"measured": found}
    if not found["fits"]:
        offers = training.remedies(ws, request | ({"preset": preset} if preset else {}), document, found)
        document["remedies"] = [asdict(r) for r in offers]
    return document


def page(p: dict[str, Any], model: str) -> str:
    """The plan for a person: does it fit, what takes what, what would make it fit, how long, and every choice with its reason."""
    settings = p["settings"]
    head = f"{model}: {methods.get(settings['method']).title}, {settings['objective']}, on {p['device']}"
    verdict = "It fits" if p["fits"] else "It does not fit"
    lines = [head, f"{verdict}: about {human_bytes(p['peak_bytes'])} of the {human_bytes(p['free_bytes'])} free.", *_bars(p)]
    if p["remedies"]:
        lines += ["", "What would make it fit, the smallest price first:", *(f"  {_remedy(r)}" for r in p["remedies"])]
    trained = f"{p['trainable_parameters']:,} of {p['total_parameters']:,} parameters are trained"
    lines += [
        "",
        f"{p['steps']:,} steps of {settings['effective_batch']} rows, about {human_range(p['seconds_low'], p['seconds_high'])}; {trained}.",
    ]
    lines += _rows(p)
    lines += [f"Note: {n}" for n in p["notes"]]
    lines += [f"Note: {run_warnings.sentence(w)}{_fixes(w)}" for w in p["warnings"]]
    lines += [f"It can't start like this: {q['message']} {q['remedy']}" for q in p["question"]]
    if p.get("cards"):
        lines += ["", "On other cards:", *(f"  {_card(c)}" for c in p["cards"])]
    lines += ["", "Settings (value, who chose it, why):"]
    return "\n".join([*lines, *(f"  {r['setting']:24} {r['value']!s:14} {r['by']:8} {r['reason']}" for r in p["reasons"])])


def _rows(p: dict[str, Any]) -> list[str]:
    """'37 training rows and 3 validation rows are used.'"""
    if not (rows := p["rows"]):
        return []
    held = f" and {rows['held_out']['rows']:,} validation rows" if rows["held_out"]["rows"] else ", no validation rows"
    return [f"{rows['rows']:,} training rows{held} are used."]


def _fixes(warning: dict[str, Any]) -> str:
    return "".join(f" [{f['title']}: {_as_options(f['settings'])}]" for f in warning["fixes"])


def _as_options(settings: dict[str, Any]) -> str:
    return " ".join(
        f"--model {v}" if k == "model" else f"-s {k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items()
    )


def _bars(p: dict[str, Any]) -> list[str]:
    most = max(p["breakdown"].values())
    return [f"  {memory.LABELS[k]:20} {human_bytes(v):>9} {'█' * round(WIDE * v / most)}" for k, v in p["breakdown"].items() if v]


def _remedy(r: dict[str, Any]) -> str:
    change = " ".join(
        f"--model {v}" if k == "model" else f"--method {v}" if k == "method" else f"-s {k}={v}" for k, v in r["settings"].items()
    )
    still = "" if r["fits"] else " (still too much)"
    return f"{r['title']}: -{human_bytes(r['saves_bytes'])}, {r['cost']}{still}   {str(change).replace('=True', '=true')}"


def _card(c: dict[str, Any]) -> str:
    if "why_not" in c:
        return f"{c['gigabytes']:>3} GB  no   {c['why_not']}"
    how = f"{methods.get(c['method']).title}, micro-batch {c['micro_batch']}" + (
        ", gradient checkpointing" if c["gradient_checkpointing"] else ""
    )
    return f"{c['gigabytes']:>3} GB  {'yes' if c['fits'] else 'no '}  {human_bytes(c['peak_bytes']):>8}  {how}, up to {c['max_length']:,} tokens"
