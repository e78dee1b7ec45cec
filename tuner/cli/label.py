"""The commands `tunesmith label ...`: import or generate pairs, judge them, make a dataset of the judgments. A new project name creates it."""

import time
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.cli.output import Refused, lines_of, say
from tuner.cli.parser import FLAG, TEXT, Commands
from tuner.cli.progress import Line
from tuner.data.store import sample_data
from tuner.paths import Workspace

POLL = 0.3  # seconds


def register(commands: Commands) -> None:
    """Declare `tunesmith label ...`."""
    examples = (
        "label generate --project manners --model RUN --against base --data customers --held-out",
        "label next --project manners --as ann",
    )
    add = commands.group("label", "Judge pairs of answers, and make a dataset of the judgments.", examples).add
    where = {"project": {"required": True, "metavar": "P"}}
    who = where | {"as": {"default": "me", "metavar": "NAME", "dest": "labeller"}}
    number, share = {"type": int, "default": None}, {"type": float, "default": 0.0}
    several = {"action": "append", "default": []}
    known = {"gold": FLAG, "overlap": {"type": float, "default": None, "metavar": "SHARE"}, "labellers": {"type": int, "default": 2}}
    add("list", "List the label projects.", listing)
    add("import", "Import pairs: a file, a dataset, or `sample`.", bring, "source", **where, **known)
    add(
        "generate",
        "Have models write pairs; without --model it continues what was begun.",
        generate,
        **where,
        model=TEXT,
        against={"default": None, "metavar": "MODEL|base|data"},
        data=TEXT,
        prompt=several,
        prompts={"default": None, "metavar": "FILE"},
        held_out=FLAG,
        limit=number,
        temperature={"type": float, "default": 0.9},
        max_tokens={"type": int, "default": 256},
        seed={"type": int, "default": 0},
    )
    add("next", "Show the pair to judge next, without telling who wrote which answer.", next_pair, **who)
    add(
        "verdict",
        "Judge a pair.",
        verdict,
        "pair",
        **who,
        choice={"required": True, "metavar": "a|b|tie|both_bad|skip"},
        strength=number,
        edit=TEXT,
        better=TEXT,
        note={"default": ""},
        reason={"default": ""},
    )
    add("undo", "Undo your last judgment.", undo, **who)
    add(
        "export",
        "Make a dataset of the judgments, or with --out a folder of JSONL files.",
        export,
        **where,
        to={"default": "preference", "choices": ["preference", "kto", "chat"]},
        out=TEXT,
        min_strength=share,
        judges=FLAG,
    )
    add("stats", "Show progress, agreement, biases, and which model wins.", stats, **where)
    add("settle", "Decide a disputed pair.", settle, "pair", **who, winner={"required": True})
    add("judge", "Have an AI judge label pairs too (LLM-as-a-judge).", judge, **where, model={"required": True}, url=TEXT, limit=number)


def listing(ws: Workspace, args) -> dict:
    from dataclasses import asdict

    from tuner.labels import projects

    return {"projects": [asdict(p) for p in projects.listing(ws)]}


def bring(ws: Workspace, args) -> dict:
    from tuner.labels import pair_import, projects

    path = paths.path_from_user(args.source)
    if args.source != "sample" and not _is_file(path):
        _known(ws, args.source)
    p = projects.ensure(ws, args.project)
    if args.overlap is not None:
        projects.update_settings(ws, p.id, overlap_share=args.overlap, overlap_labellers=args.labellers)
    if args.source == "sample":
        job = pair_import.from_dataset(ws, p.id, sample_data.add(ws, "preferences").ref, gold=args.gold)
    elif _is_file(path):
        job = pair_import.from_file(ws, p.id, path, gold=args.gold)
    else:
        job = pair_import.from_dataset(ws, p.id, args.source, gold=args.gold)
    added = pair_import.follow(ws, job)
    say(added.as_text())
    return {"project": p.id, **added.as_dict(), "problems": added.unread, "pairs": projects.find(ws, p.id).pairs}


def _is_file(path: Path) -> bool:
    """Whether there is something at this path; what is no file (a pipe, a folder without a dataset's name) raises when it is opened."""
    try:
        return path.exists() and not path.is_dir()
    except OSError:  # a name too long, a folder that may not be entered
        return False


def _known(ws: Workspace, ref: str) -> None:
    from tuner.data.store import store
    from tuner.errors import NotFoundError

    try:
        store.get(ws, ref)
    except NotFoundError as error:
        raise Refused(
            f"{ref!r} is neither a file nor a dataset.",
            asked=ref,
            available=error.available or "a file of pairs, or `sample`",
            remedy="Name one that is there.",
        ) from None


def generate(ws: Workspace, args) -> Any:
    from tuner.jobs import data_jobs
    from tuner.labels import generate as making
    from tuner.labels import projects

    request = _request(args) if args.model else None
    p = projects.ensure(ws, args.project)
    if args.model is None:
        waiting = making.unfinished(ws, p.id)
        if not waiting:
            raise Refused(
                "Nothing was begun here.", asked=None, available="--model with --data, --prompt or --prompts", remedy="Name a model."
            )
        id = waiting[-1]
        making.resume(ws, p.id, id)
    else:
        id = making.ask(ws, p.id, request)
    try:
        with Line() as line:
            while (now := making.state(ws, p.id, id)).running:
                if now.total:
                    line.show(f"{now.done:,} of {now.total:,} answers, {now.rows:,} pairs", now.done, now.total)
                time.sleep(POLL)
    except KeyboardInterrupt:
        making.cancel(ws, p.id, id)
        say("\nStopped; what was written is kept. The same command without --model continues.")
        return 1, {"project": p.id, "generation": id, "state": "cancelled"}
    if now.state == "done":
        data_jobs.forget(ws, making.job_of(p.id, id)) if (ws.jobs / making.job_of(p.id, id) / "job.json").exists() else None
        return {"project": p.id, "generation": id, **now.result["report"], "pairs": projects.find(ws, p.id).pairs}
    for e in now.errors:
        say(f"{e['message']} {e['remedy']}")
    return 1, {"project": p.id, "generation": id, "state": now.state, "errors": now.errors}


def _request(args):
    from tuner.labels.generate import DATA, Request, Writer

    how = {"temperature": args.temperature, "max_tokens": args.max_tokens}
    against = args.against or args.model
    one = Writer(args.model, seed=args.seed, **how)
    two = Writer(args.model if against == "base" else against, base=against == "base", seed=args.seed + 1, **how)
    prompts = [*args.prompt, *(lines_of(args.prompts) if args.prompts else [])]
    if against == DATA:
        two = Writer(DATA)
    return Request((one, two), tuple(prompts), args.data, True if args.held_out else None, args.limit)


def next_pair(ws: Workspace, args) -> dict:
    from tuner.labels import queue

    return _assignment(queue.next(ws, args.project, _who(ws, args)))


def _who(ws: Workspace, args) -> str:
    """Return the labeller's name as the project knows it."""
    from tuner.labels import roster

    return roster.spelled(ws, args.project, args.labeller)


def _assignment(assignment) -> dict:
    item = assignment.item
    shown = {"pair": item.pair, "prompt": item.prompt, "a": item.a, "b": item.b, "before": item.before} if item else {"pair": None}
    return shown | {"done": assignment.done, "total": assignment.total, "by_you": assignment.mine, "seconds_left": assignment.seconds_left}


def verdict(ws: Workspace, args) -> dict:
    from tuner.labels import queue

    who = _who(ws, args)
    task = queue.task_of(ws, args.project, who, _pair(args))
    more = {"strength": args.strength, "edited": args.edit, "better": args.better, "note": args.note, "reason": args.reason}
    assignment = queue.judge(ws, args.project, who, task, args.choice, **more)
    if not assignment.said:
        raise Refused(
            f"{who} has judged the pair {args.pair} already.",
            asked=args.choice,
            available="`label undo`, as often as needed",
            remedy="Take it back first.",
        )
    return {
        "verdict": assignment.said,
        "next": assignment.item.pair if assignment.item else None,
        "done": assignment.done,
        "total": assignment.total,
    }


def _pair(args) -> int:
    if not args.pair.isdigit():
        raise Refused(
            f"{args.pair!r} is no pair.", asked=args.pair, available="a number that `label next` names", remedy="Ask for the next one."
        )
    return int(args.pair)


def undo(ws: Workspace, args) -> dict:
    from tuner.labels import queue

    return _assignment(queue.undo(ws, args.project, _who(ws, args)))


def settle(ws: Workspace, args) -> dict:
    from tuner.labels import queue

    queue.settle(ws, args.project, _pair(args), args.winner, _who(ws, args))
    return {"pair": _pair(args), "winner": args.winner}


def export(ws: Workspace, args) -> dict:
    from tuner.labels import export as making

    how = {"min_strength": args.min_strength, "judges": args.judges}
    if args.out:
        out = Path(args.out).expanduser().resolve()
        new = not out.exists()
        made = making.to_folder(ws, args.project, out, **how)
        for place in [out] if new else [out / name for name in made["files"]]:
            paths.make_shared(place)
        return made
    ds = making.to_dataset(ws, args.project, args.to, **how)
    return {"dataset": ds.id, "version": ds.version, "kind": ds.kind, "rows": ds.rows, "held_out": ds.held_out}


def stats(ws: Workspace, args) -> dict:
    from dataclasses import asdict

    from tuner.labels import summary

    found = summary.of(ws, args.project)
    panel = found.panel
    return asdict(found.project) | {
        "said": found.sentences,
        "labellers": [asdict(r) | {"said": r.sentences()} for r in panel.labellers],
        "agreement": {"raw": asdict(panel.raw), "measure": panel.measure, "beyond_chance": asdict(panel.beyond) if panel.beyond else None},
        "disagreements": [asdict(d) for d in panel.disagreements],
        "wins": [asdict(r) | {"rate": r.rate, "decided": r.decided, "said": r.sentence()} for r in found.rates],
        "standings": [[asdict(s) for s in table] for table in found.tables],
        "judges": {j: {"agrees": sum(same), "of": len(same)} for j, same in found.judges.items()},
    }


def judge(ws: Workspace, args) -> Any:
    import os

    from tuner.jobs import data_jobs
    from tuner.labels import judge as judging
    from tuner.serving import ai_judge

    job = judging.ask(ws, args.project, ai_judge.Judge(args.model, args.url), key=os.environ.get(ai_judge.KEY), limit=args.limit)
    with Line() as line:
        while (now := data_jobs.progress(ws, job)).running:
            line.show(f"{now.done:,} of {now.total:,} judged", now.done, now.total or None)
            time.sleep(POLL)
    data_jobs.forget(ws, job)
    document = {"project": args.project, "state": now.state, "judged": now.rows}
    return document if now.state == "done" else (1, document | {"errors": now.errors})
