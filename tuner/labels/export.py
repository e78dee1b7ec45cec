"""What was judged, as rows to learn from: TRL's preference JSONL, unpaired rows for KTO, provenance, a version of a dataset.

TRL's formats: https://huggingface.co/docs/trl/dataset_formats (explicit prompt, conversational; `margin` is read by reward models).
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.data.importing.import_pass import Tally, as_json
from tuner.data.importing.parquet import write
from tuner.data.store import store
from tuner.data.store.atomic_dir import building
from tuner.errors import DataError, translate
from tuner.labels import db as files
from tuner.labels import feedback, projects
from tuner.labels.outcome import Outcome, outcomes
from tuner.labels.pairs import Messages
from tuner.paths import Workspace

SHARE = 0.1  # held out of what a project makes
KINDS = ("preference", "kto", "chat")


def preference_rows(found: Iterable[Outcome], *, min_strength: float = 0) -> Iterator[dict[str, Any]]:
    """{"prompt", "chosen", "rejected"} and, where a strength was asked, "margin". An edited answer is the chosen one as it should read; an
    answer written where both were bad is preferred to either. Disputed pairs, ties and skips make none."""
    for o in found:
        if o.disputed or weak(o, min_strength):
            continue
        margin = ({"margin": o.strength} if o.strength is not None else {}) | tools(o)
        if o.winner in ("first", "second"):
            chosen, rejected = (o.first, o.second) if o.winner == "first" else (o.second, o.first)
            if (chosen := _said(o.edited) or chosen) != rejected:
                yield {"prompt": o.prompt, "chosen": chosen, "rejected": rejected} | margin
        elif o.winner == "both_bad" and o.better:
            for rejected in [r for r in (o.first, o.second) if r != _said(o.better)]:
                yield {"prompt": o.prompt, "chosen": _said(o.better), "rejected": rejected} | margin


def weak(o: Outcome, least: float) -> bool:
    """Whether the strength that is asked for was not given; where none was, words that somebody wrote stand for one."""
    return bool(least) and (o.strength < least if o.strength is not None else not (o.edited or o.better))


def tools(o: Outcome) -> dict[str, Any]:
    return {"tools": o.origin["tools"]} if o.origin.get("tools") else {}


def _said(text: str | None) -> Messages | None:
    return [{"role": "assistant", "content": text}] if text else None


def unpaired_rows(found: Iterable[Outcome]) -> Iterator[dict[str, Any]]:
    """{"prompt", "completion", "label"}: the better answer is good, the worse is not; a tie is good on both sides, both bad on neither."""
    for o in found:
        if o.disputed or o.winner == "skip":
            continue
        if o.edited and _said(o.edited) in (o.first, o.second):  # corrected into the other one: both would be good and bad
            continue
        good = {"first": (True, False), "second": (False, True), "tie": (True, True), "both_bad": (False, False)}[o.winner]
        edited = _said(o.edited)
        first, second = (edited if edited and o.winner == side else said for side, said in (("first", o.first), ("second", o.second)))
        yield {"prompt": o.prompt, "completion": first, "label": good[0]}
        yield {"prompt": o.prompt, "completion": second, "label": good[1]}
        if o.winner == "both_bad" and o.better:
            yield {"prompt": o.prompt, "completion": _said(o.better), "label": True}


def rated_rows(ratings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Single answers of the chat with thumbs, and their better wordings."""
    for r in ratings:
        if r["good"] is not None or r["better"]:
            yield {"prompt": r["prompt"], "completion": _said(r["answer"]), "label": bool(r["good"]) and not r["better"]}
        if r["better"]:
            yield {"prompt": r["prompt"], "completion": _said(r["better"]), "label": True}


def worded_rows(ratings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pairs of a better wording and the answer it replaces."""
    return ({"prompt": r["prompt"], "chosen": _said(r["better"]), "rejected": _said(r["answer"])} for r in ratings if r["better"])


def chat_rows(found: Iterable[Outcome], ratings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """{"messages"} of what a person wrote or approved: better wordings, edited answers, thumbs up."""
    for o in found:
        if text := (o.edited if o.winner in ("first", "second") else o.better if o.winner == "both_bad" else None):
            yield {"messages": [*o.prompt, *_said(text)]}
    for r in ratings:
        if r["better"] or r["good"]:
            yield {"messages": [*r["prompt"], *_said(r["better"] or r["answer"])]}


def rows(ws: Workspace, project: str, kind: str = "preference", *, min_strength: float = 0, judges: bool = False) -> list[dict[str, Any]]:
    """All rows of one of KINDS that a project holds."""
    found = [o for o in outcomes(ws, project, judges=judges) if not weak(o, min_strength)]
    with files.reading(ws, project) as db:
        ratings = feedback.ratings(db)
    return of_kind(found, ratings, kind, min_strength)


def of_kind(found: list[Outcome], ratings: list[dict], kind: str, min_strength: float) -> list[dict[str, Any]]:
    """The rows of one of KINDS."""
    if kind == "preference":
        made = [*preference_rows(found, min_strength=min_strength), *(worded_rows(ratings) if not min_strength else ())]
        strong = any("margin" in r for r in made)  # then every row has one, for a table has the same columns in each
        return [r | {"margin": r.get("margin", 0)} if strong else r for r in made]
    if kind == "kto":
        return [*unpaired_rows(found), *rated_rows(ratings)]
    return list(chat_rows(found, ratings))


def written_by(ws: Workspace, project: str) -> str | None:
    """The run that wrote most of the answers, where one did: what was judged is best learnt from there."""
    with files.reading(ws, project) as db:
        names = db.execute(
            "SELECT first_by, count(*) FROM (SELECT first_by FROM pairs UNION ALL SELECT second_by FROM pairs) GROUP BY 1 ORDER BY 2 DESC"
        )
        return next((name for name, _ in names if paths.ID.fullmatch(name) and (ws.runs / name).is_dir()), None)


def provenance(found: Iterable[Outcome]) -> Iterator[dict[str, Any]]:
    """One line a pair: who judged it, what stood at the left, how strongly, edits, and whether they disagreed."""
    for o in found:
        told = asdict(o)
        votes = {v["winner"] for v in o.votes if v["winner"] != "skip"}
        yield told | {"disagreement": len(votes) > 1}


def to_folder(ws: Workspace, project: str, folder: Path, *, min_strength: float = 0, judges: bool = False) -> dict[str, Any]:
    """Writes preference.jsonl, kto.jsonl, provenance.jsonl and, where people wrote answers, chat.jsonl; {"files": {name: rows}}."""
    every = outcomes(ws, project, judges=judges)
    found = [o for o in every if not weak(o, min_strength)]
    with files.reading(ws, project) as db:
        ratings = feedback.ratings(db)
    made: dict[str, list] = {f"{kind}.jsonl": of_kind(found, ratings, kind, min_strength) for kind in KINDS}
    if not any(made.values()):
        raise _nothing(ws, project, min_strength)
    made["provenance.jsonl"] = list(provenance(every))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in made:  # what an earlier export left
            (folder / name).unlink(missing_ok=True)
        made = {name: lines for name, lines in made.items() if lines}
        for name, lines in made.items():
            paths.write_text(folder / name, "".join(as_json(line) + "\n" for line in lines))
    except OSError as error:
        raise translate(error) or error from error
    return {"path": str(folder), "files": {name: len(lines) for name, lines in made.items()}}


def _nothing(ws: Workspace, project: str, min_strength: float) -> DataError:
    p = projects.find(ws, project)
    return DataError(
        f"{p.name} holds nothing to learn from yet.",
        asked=f"{p.done} judgements" + (f", strength {min_strength:g} and more" if min_strength else ""),
        available="pairs of which one answer was chosen",
        remedy="Judge some pairs first." if not min_strength else "Ask for less strength.",
    )


def to_dataset(ws: Workspace, project: str, kind: str = "preference", *, min_strength: float = 0, judges: bool = False) -> store.Dataset:
    """A version of the dataset that this project makes: the first time a new dataset, then its next version."""
    p = projects.find(ws, project)
    lines = rows(ws, project, kind, min_strength=min_strength, judges=judges)
    if not lines:
        raise _nothing(ws, project, min_strength)
    values = [_canonical(line, kind) for line in lines]
    with files.reading(ws, project) as db:
        known = files.get(db, f"dataset/{kind}")
    old = next((d for d in store.listing(ws) if d.id == known), None)
    made = _version(ws, p, kind, values, old, min_strength)
    with files.writing(ws, project) as db:
        files.put(db, f"dataset/{kind}", made.id)
    return made


def _canonical(line: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"prompt": line["prompt"], "answer": line["completion"], "label": line["label"]} if kind == "kto" else line


def _version(ws: Workspace, p: projects.Project, kind: str, values: list[dict], old: store.Dataset | None, least: float) -> store.Dataset:
    what = {"preference": "preference", "kto": "rated", "chat": "chat"}[kind]
    text = "".join(map(as_json, values)).encode("utf-8", "surrogatepass")
    told = {"key": "labels", "project": p.name, "verdicts": p.done, "min_strength": least}
    parent = (ws.dataset(old.id) / "versions") if old else ws.datasets
    with building(parent) as folder:
        version = folder if old else folder / "versions" / "1"
        version.mkdir(parents=True, exist_ok=True)
        tally, held = write(_items(values, what), version, SHARE)
        made = _about(p, what, tally, held) | {
            "made_by": [{"from": old.version} | told] if old else [],
            "sha256": hashlib.sha256(text).hexdigest(),
            "bytes": len(text),
        }
        if old:
            id, number = old.id, store.publish(folder, ws.dataset(old.id), {"id": old.id} | made)
        else:
            (folder / "source").mkdir(exist_ok=True)
            id, number = store.move_in(ws, folder, version, made["name"], made | {"version": 1}), 1
    return store.get(ws, f"{id}@{number}")


def _items(values: list[dict], kind: str) -> Iterator[tuple]:
    tally = Tally()
    for n, value in enumerate(values, 1):
        tally.records += 1
        text = as_json(value)
        tally.keep(text, value, kind)
        yield n, text, tally
    yield None, None, tally


def _about(p: projects.Project, kind: str, tally: Tally, held: int) -> dict[str, Any]:
    name = p.name + {"preference": "", "rated": " (rated)", "chat": " (answers)"}[kind]
    return {
        "name": name,
        "kind": kind,
        "format": "labels",
        "mapping": {},
        "reason": f"Judged in the label project {p.name}.",
        "questions": [],
        "rows": tally.usable,
        "held_out": held,
        "records": tally.records,
        "problem_count": 0,
        "problems": [],
        "notes": [],
        "columns": [],
        "source_name": f"labels: {p.name}",
        "created": datetime.now(UTC).isoformat(),
        "health": tally.health(),
        "share": SHARE,
    }
