"""Export judgments as training data: TRL's preference JSONL, unpaired rows for KTO, provenance, a dataset version.

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

SHARE = 0.1  # share of validation rows in a dataset made from a project
KINDS = ("preference", "kto", "chat")


def preference_rows(found: Iterable[Outcome], *, min_strength: float = 0) -> Iterator[dict[str, Any]]:
    """Yield {"prompt", "chosen", "rejected"} and, where strength was recorded, "margin". An edited answer replaces the chosen one; an
    answer written where both are bad is preferred to both. Disputed pairs, ties and skips give no rows."""
    for outcome in found:
        if outcome.disputed or weak(outcome, min_strength):
            continue
        margin = ({"margin": outcome.strength} if outcome.strength is not None else {}) | tools(outcome)
        if outcome.winner in ("first", "second"):
            chosen, rejected = (outcome.first, outcome.second) if outcome.winner == "first" else (outcome.second, outcome.first)
            if (chosen := _assistant_turn(outcome.edited) or chosen) != rejected:
                yield {"prompt": outcome.prompt, "chosen": chosen, "rejected": rejected} | margin
        elif outcome.winner == "both_bad" and outcome.better:
            for rejected in [r for r in (outcome.first, outcome.second) if r != _assistant_turn(outcome.better)]:
                yield {"prompt": outcome.prompt, "chosen": _assistant_turn(outcome.better), "rejected": rejected} | margin


def weak(o: Outcome, least: float) -> bool:
    """Return whether a pair is below the minimum strength; without a strength, an edited or written answer counts as strong."""
    return bool(least) and (o.strength < least if o.strength is not None else not (o.edited or o.better))


def tools(o: Outcome) -> dict[str, Any]:
    """Return {"tools": ...} of a pair that has tools, else {}."""
    return {"tools": o.origin["tools"]} if o.origin.get("tools") else {}


def _assistant_turn(text: str | None) -> Messages | None:
    return [{"role": "assistant", "content": text}] if text else None


def unpaired_rows(found: Iterable[Outcome]) -> Iterator[dict[str, Any]]:
    """Yield {"prompt", "completion", "label"}: the better answer is good, the worse one bad; a tie gives two good ones, both bad none."""
    for outcome in found:
        if outcome.disputed or outcome.winner == "skip":
            continue
        if outcome.edited and _assistant_turn(outcome.edited) in (
            outcome.first,
            outcome.second,
        ):  # edited into the other answer: it would be good and bad
            continue
        good = {"first": (True, False), "second": (False, True), "tie": (True, True), "both_bad": (False, False)}[outcome.winner]
        edited, sides = _assistant_turn(outcome.edited), (("first", outcome.first), ("second", outcome.second))
        first, second = (edited if edited and outcome.winner == side else answer for side, answer in sides)
        yield {"prompt": outcome.prompt, "completion": first, "label": good[0]}
        yield {"prompt": outcome.prompt, "completion": second, "label": good[1]}
        if outcome.winner == "both_bad" and outcome.better:
            yield {"prompt": outcome.prompt, "completion": _assistant_turn(outcome.better), "label": True}


def rated_rows(ratings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield {"prompt", "completion", "label"} of single answers rated in the chat, and of their better wordings."""
    for r in ratings:
        if r["good"] is not None or r["better"]:
            yield {"prompt": r["prompt"], "completion": _assistant_turn(r["answer"]), "label": bool(r["good"]) and not r["better"]}
        if r["better"]:
            yield {"prompt": r["prompt"], "completion": _assistant_turn(r["better"]), "label": True}


def correction_rows(ratings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield preference rows of a better wording and the answer it replaces."""
    return (
        {"prompt": r["prompt"], "chosen": _assistant_turn(r["better"]), "rejected": _assistant_turn(r["answer"])}
        for r in ratings
        if r["better"]
    )


def chat_rows(found: Iterable[Outcome], ratings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield {"messages"} of answers that a person wrote or approved: better wordings, edited answers, thumbs up."""
    for outcome in found:
        winner = outcome.winner
        if text := (outcome.edited if winner in ("first", "second") else outcome.better if winner == "both_bad" else None):
            yield {"messages": [*outcome.prompt, *_assistant_turn(text)]}
    for r in ratings:
        if r["better"] or r["good"]:
            yield {"messages": [*r["prompt"], *_assistant_turn(r["better"] or r["answer"])]}


def rows(ws: Workspace, project: str, kind: str = "preference", *, min_strength: float = 0, judges: bool = False) -> list[dict[str, Any]]:
    """Return all rows of one of KINDS from a project."""
    found = [o for o in outcomes(ws, project, judges=judges) if not weak(o, min_strength)]
    with files.reading(ws, project) as db:
        ratings = feedback.ratings(db)
    return of_kind(found, ratings, kind, min_strength)


def of_kind(found: list[Outcome], ratings: list[dict], kind: str, min_strength: float) -> list[dict[str, Any]]:
    """Return the rows of one of KINDS from outcomes and chat ratings."""
    if kind == "preference":
        made = [*preference_rows(found, min_strength=min_strength), *(correction_rows(ratings) if not min_strength else ())]
        has_margin = any("margin" in r for r in made)  # then every row needs one: all rows of a table have the same columns
        return [r | {"margin": r.get("margin", 0)} if has_margin else r for r in made]
    if kind == "kto":
        return [*unpaired_rows(found), *rated_rows(ratings)]
    return list(chat_rows(found, ratings))


def written_by(ws: Workspace, project: str) -> str | None:
    """Return the run that wrote most of the answers, or None: training on the judgments is best continued from there."""
    with files.reading(ws, project) as db:
        names = db.execute(
            "SELECT first_by, count(*) FROM (SELECT first_by FROM pairs UNION ALL SELECT second_by FROM pairs) GROUP BY 1 ORDER BY 2 DESC"
        )
        return next((name for name, _ in names if paths.ID.fullmatch(name) and (ws.runs / name).is_dir()), None)


def provenance(found: Iterable[Outcome]) -> Iterator[dict[str, Any]]:
    """Yield one document per pair: who judged it, which answer was on the left, strength, edits, and whether labellers disagreed."""
    for outcome in found:
        votes = {v["winner"] for v in outcome.votes if v["winner"] != "skip"}
        yield asdict(outcome) | {"disagreement": len(votes) > 1}


def to_folder(ws: Workspace, project: str, folder: Path, *, min_strength: float = 0, judges: bool = False) -> dict[str, Any]:
    """Write preference.jsonl, kto.jsonl, provenance.jsonl and, where people wrote answers, chat.jsonl.

    Returns {"path", "files": {name: rows}}.
    """
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
        for name in made:  # files of an earlier export
            (folder / name).unlink(missing_ok=True)
        made = {name: lines for name, lines in made.items() if lines}
        for name, lines in made.items():
            paths.write_text(folder / name, "".join(as_json(line) + "\n" for line in lines))
    except OSError as error:
        raise translate(error) or error from error
    return {"path": str(folder), "files": {name: len(lines) for name, lines in made.items()}}


def _nothing(ws: Workspace, project: str, min_strength: float) -> DataError:
    found = projects.find(ws, project)
    return DataError(
        f"{found.name} has no data to train on yet.",
        asked=f"{found.done} judgments" + (f", strength {min_strength:g} and more" if min_strength else ""),
        available="pairs of which one answer was chosen",
        remedy="Judge some pairs first." if not min_strength else "Lower the minimum strength.",
    )


def to_dataset(ws: Workspace, project: str, kind: str = "preference", *, min_strength: float = 0, judges: bool = False) -> store.Dataset:
    """Build the dataset of a project: a new dataset the first time, later its next version."""
    found = projects.find(ws, project)
    lines = rows(ws, project, kind, min_strength=min_strength, judges=judges)
    if not lines:
        raise _nothing(ws, project, min_strength)
    values = [_canonical(line, kind) for line in lines]
    with files.reading(ws, project) as db:
        known = files.get(db, f"dataset/{kind}")
    old = next((d for d in store.listing(ws) if d.id == known), None)
    made = _version(ws, found, kind, values, old, min_strength)
    with files.writing(ws, project) as db:
        files.put(db, f"dataset/{kind}", made.id)
    return made


def _canonical(line: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"prompt": line["prompt"], "answer": line["completion"], "label": line["label"]} if kind == "kto" else line


def _version(
    ws: Workspace, project: projects.Project, kind: str, values: list[dict], old: store.Dataset | None, least: float
) -> store.Dataset:
    data_kind = {"preference": "preference", "kto": "rated", "chat": "chat"}[kind]
    text = "".join(map(as_json, values)).encode("utf-8", "surrogatepass")
    made_by = {"key": "labels", "project": project.name, "verdicts": project.done, "min_strength": least}
    parent = (ws.dataset(old.id) / "versions") if old else ws.datasets
    with building(parent) as folder:
        version = folder if old else folder / "versions" / "1"
        version.mkdir(parents=True, exist_ok=True)
        tally, validation = write(_items(values, data_kind), version, SHARE)
        document = _about(project, data_kind, tally, validation) | {
            "made_by": [{"from": old.version} | made_by] if old else [],
            "sha256": hashlib.sha256(text).hexdigest(),
            "bytes": len(text),
        }
        if old:
            id, number = old.id, store.publish(folder, ws.dataset(old.id), {"id": old.id} | document)
        else:
            (folder / "source").mkdir(exist_ok=True)
            id, number = store.move_in(ws, folder, version, document["name"], document | {"version": 1}), 1
    return store.get(ws, f"{id}@{number}")


def _items(values: list[dict], kind: str) -> Iterator[tuple]:
    tally = Tally()
    for n, value in enumerate(values, 1):
        tally.records += 1
        text = as_json(value)
        tally.keep(text, value, kind)
        yield n, text, tally
    yield None, None, tally


def _about(project: projects.Project, kind: str, tally: Tally, validation: int) -> dict[str, Any]:
    name = project.name + {"preference": "", "rated": " (rated)", "chat": " (answers)"}[kind]
    return {
        "name": name,
        "kind": kind,
        "format": "labels",
        "mapping": {},
        "reason": f"Judged in the label project {project.name}.",
        "questions": [],
        "rows": tally.usable,
        "held_out": validation,
        "records": tally.records,
        "problem_count": 0,
        "problems": [],
        "notes": [],
        "columns": [],
        "source_name": f"labels: {project.name}",
        "created": datetime.now(UTC).isoformat(),
        "health": tally.health(),
        "share": SHARE,
    }
