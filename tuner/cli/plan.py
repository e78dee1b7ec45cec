"""`tunesmith plan`: what a run would do and take, as a document or as a page of text."""

import time
from typing import Any

from tuner.cli.output import say
from tuner.formatting import human_bytes, human_range, human_time, parse_bytes
from tuner.jobs import dry_run, training
from tuner.paths import Workspace
from tuner.planning import memory, model_suggestions
from tuner.runs import run_warnings
from tuner.settings import methods, run_config

WIDE = 30  # characters of the bar


def plan(ws: Workspace, args) -> dict | str:
    values = request(args)
    room = parse_bytes(args.device_memory) if args.device_memory else None
    found, model, ds, asked = training.prepare(ws, values, preset=args.preset, device_memory=room, each=Counted())
    document = _measured(ws, values, args.preset, room) if args.measure else found.as_dict()
    if args.data and not args.measure and found.seconds_high > dry_run.LONG:
        say("Such a run takes long: with --measure two real steps on the longest rows tell the true memory first.")
    if args.cards:
        counts = training.data_facts(ds, model, ws, training.chosen(asked, None)) if ds else None
        document["cards"] = model_suggestions.elsewhere(asked, model, counts, preset=training.preset_of(ws, args.preset))
    return document if args.as_json else page(document, model.facts.name)


def request(args) -> dict[str, Any]:
    """What the words of a command ask of a run."""
    values = run_config.from_pairs(args.s)
    return values | {k: v for k in ("model", "data", "objective", "method") if (v := getattr(args, k)) is not None}


def _measured(ws: Workspace, request: dict[str, Any], preset: str | None, memory: int | None) -> dict:
    """The plan with what a dry run of it took; where that does not fit, with what would."""
    plan, id = training.measure(ws, request, preset=preset, device_memory=memory)
    try:
        found = dry_run.wait(ws, id, DryBar())
    except KeyboardInterrupt:
        dry_run.cancel(ws, id)
        raise
    say(dry_run.words(found, plan.device))
    document = plan.as_dict() | {"measured": found}
    if not found["fits"]:
        document["remedies"] = training.remedies(ws, request | ({"preset": preset} if preset else {}), document, found)
    return document


class Counted:
    """A line of progress of the count of all rows, every few seconds of a long one."""

    def __init__(self):
        self.next = time.monotonic() + 2

    def __call__(self, now: dict[str, Any]) -> None:
        if time.monotonic() > self.next and now.get("done"):
            self.next = time.monotonic() + 3
            say(f"counting the tokens of all rows: {now['done']:,} of {now['total']:,} ({now['done'] / now['total']:.0%})")


class DryBar:
    """A line of progress of a dry run, when it says something new."""

    def __init__(self):
        self.last = ""

    def __call__(self, now: dict[str, Any]) -> None:
        if now["reason"] != self.last:
            self.last = now["reason"]
            left = f", about {human_time(now['eta_seconds'])} left" if now["eta_seconds"] else ""
            say(f"measuring: {self.last}{left}")


def page(p: dict[str, Any], model: str) -> str:
    """The plan for a person: does it fit, what takes what, what would make it fit, how long, and every choice with its reason."""
    s = p["settings"]
    head = f"{model}: {methods.get(s['method']).title}, {s['objective']}, on {p['device']}"
    verdict = "It fits" if p["fits"] else "It does not fit"
    lines = [head, f"{verdict}: about {human_bytes(p['peak_bytes'])} of the {human_bytes(p['free_bytes'])} free.", *_bars(p)]
    if p["remedies"]:
        lines += ["", "What would make it fit, the smallest price first:", *(f"  {_remedy(r)}" for r in p["remedies"])]
    trained = f"{p['trainable_parameters']:,} of {p['total_parameters']:,} parameters are trained"
    lines += [
        "",
        f"{p['steps']:,} steps of {s['effective_batch']} rows, about {human_range(p['seconds_low'], p['seconds_high'])}; {trained}.",
    ]
    lines += rows_of(p)
    lines += [f"Note: {n}" for n in p["notes"]]
    lines += [f"Note: {run_warnings.sentence(w)}{_fixes(w)}" for w in p["warnings"]]
    lines += [f"It will not start like this: {q['message']} {q['remedy']}" for q in p["question"]]
    if p.get("cards"):
        lines += ["", "On other cards:", *(f"  {_card(c)}" for c in p["cards"])]
    lines += ["", "Settings (value, who chose it, why):"]
    return "\n".join([*lines, *(f"  {r['setting']:24} {r['value']!s:14} {r['by']:8} {r['reason']}" for r in p["reasons"])])


def rows_of(p: dict[str, Any]) -> list[str]:
    """'37 training rows and 3 validation rows are used.'"""
    if not (rows := p["rows"]):
        return []
    held = f" and {rows['held_out']['rows']:,} validation rows" if rows["held_out"]["rows"] else ", no validation rows"
    return [f"{rows['rows']:,} training rows{held} are used."]


def _fixes(warning: dict[str, Any]) -> str:
    return "".join(f" [{f['title']}: {_as_options(f['settings'])}]" for f in warning["fixes"])


def _as_options(settings: dict[str, Any]) -> str:
    return " ".join(f"-s {k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items())


def _bars(p: dict[str, Any]) -> list[str]:
    most = max(p["breakdown"].values())
    return [f"  {memory.WORDS[k]:20} {human_bytes(v):>9} {'█' * round(WIDE * v / most)}" for k, v in p["breakdown"].items() if v]


def _remedy(r: dict[str, Any]) -> str:
    change = " ".join(
        f"--model {v}" if k == "model" else f"--method {v}" if k == "method" else f"-s {k}={v}" for k, v in r["settings"].items()
    )
    still = "" if r["fits"] else " (still too much)"
    return f"{r['title']}: -{human_bytes(r['saves_bytes'])}, {r['cost']}{still}   {str(change).replace('=True', '=true')}"


def _card(c: dict[str, Any]) -> str:
    if "why_not" in c:
        return f"{c['gigabytes']:>3} GB  no   {c['why_not']}"
    how = f"{methods.get(c['method']).title}, {c['micro_batch']} at once" + (", computing twice" if c["gradient_checkpointing"] else "")
    return f"{c['gigabytes']:>3} GB  {'yes' if c['fits'] else 'no '}  {human_bytes(c['peak_bytes']):>8}  {how}, up to {c['max_length']:,} tokens"
