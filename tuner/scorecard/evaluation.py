"""Evaluate a run or model on the rows of a dataset, against another one: `start` the job, `run` it, and the document that it makes.

runs/<id>/evaluations/<job>.json keeps the scorecard of a run. Data jobs do the work (workers/data_tasks.py), the serving worker the computing.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tuner import locks, paths, runs
from tuner.data.importing.import_pass import Cancelled
from tuner.data.store import store
from tuner.data.store.store import Dataset
from tuner.errors import DataError, NetworkError, RequestError, WorkError, restore
from tuner.evaluation import significance
from tuner.jobs import data_jobs
from tuner.jobs.job import JobStatus
from tuner.paths import Workspace
from tuner.scorecard import conclusions, contenders, forgetting, judged, prompting
from tuner.scorecard.answering import Asking
from tuner.scorecard.contenders import BASE, Contender
from tuner.scorecard.measures import OBJECTIVES
from tuner.serving import ai_judge
from tuner.serving.ai_judge import Judge
from tuner.serving.chat_client import Client
from tuner.serving.served_models import is_run, named
from tuner.settings import objectives

LOOKS = 0.2  # seconds between two looks at a job
ROWS = 200  # unless another number is asked for
CHANGED = 20  # rows that are listed, half of them better, half worse
KINDS = {
    "preference": ("preference",),
    "reward": ("preference",),
    "seq2seq": ("seq2seq", "chat"),
}  # where not all kinds of the objective can be measured


@dataclass(frozen=True)
class Made:
    """The result that the process of the job writes."""

    document: dict[str, Any]
    ref: str | None = None
    rows: int = 0


def start(
    ws: Workspace,
    model: str,
    *,
    data: str | None = None,
    against: str | None = None,
    rows: int | None = None,
    prompted: bool = True,
    general: bool = True,
    judge: Judge | None = None,
    rubric: str = "",
    key: str | None = None,
) -> str:
    """Return the id of the job that evaluates `model` against `against` ("base" for a run unless another model is named). `prompted`: the base model of
    a chat run is also asked with examples in its prompt; `general`: both are asked general questions. `judge`: an AI judge, by a `rubric`; `key`: of its endpoint, told to the job alone. What can't be evaluated is refused here: RequestError, ModelError, NotFoundError."""
    if rows is not None and rows < 1:
        raise RequestError(
            "There is nothing to measure on no rows.", asked=rows, available="1 or more", remedy="Enter a larger number.", field="rows"
        )
    served, who = named(ws, model), contenders.of(ws, model)
    run = runs.get(ws, served.ref) if is_run(ws, served.ref) else None
    data = data or (str(run.config["data"]) if run else None)
    if data is None:
        raise RequestError(
            "A model that is no run has no rows of its own.",
            asked=model,
            available=[d.ref for d in store.listing(ws)][:10] or "no dataset yet",
            remedy="Name a dataset with --data.",
            field="data",
        )
    against = against or (BASE if run else None)
    if against == BASE and run is None:
        raise RequestError(
            "Only a run has a base model to compare with.",
            asked=BASE,
            available="a run or another model",
            remedy="Name a model with --against, or leave it out.",
            field="against",
        )
    ds = store.get(ws, data)
    kinds = KINDS.get(who.objective) or objectives.get(who.objective).kinds
    if ds.kind not in kinds:
        raise RequestError(
            f"A model with the objective {who.objective} can't be measured on this kind of data ({ds.kind}).",
            asked=ds.ref,
            available=", ".join(kinds),
            remedy="Choose another dataset.",
            field="data",
        )
    _pair(ws, model, against, ds)  # refuses what can't be compared
    if judge is not None:
        _require_judged(ws, who, against, judge)
    arguments = {"model": model, "data": ds.ref, "against": against, "limit": rows or ROWS, "prompted": prompted, "general": general}
    arguments |= {"judge": asdict(judge), "rubric": rubric.strip()} if judge else {}
    job = "import-evaluate-" + hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:16]
    return data_jobs.begin_anew(ws, "evaluate", job, hidden={ai_judge.KEY: key} if judge and key else None, job=job, **arguments)


def _require_judged(ws: Workspace, who: Contender, against: str | None, judge: Judge) -> None:
    """Raise RequestError where a judge would have no two answers to compare, or is none itself."""
    if who.objective != "chat" or against is None:
        raise RequestError(
            "An AI judge compares the answers of two models that chat.",
            asked=f"objective {who.objective}, compared with {against or 'nothing'}",
            available="runs with the objective chat, against their base or another one",
            remedy="Leave the judge out, or name a model with --against.",
            field="judge",
        )
    ai_judge.require(ws, judge)


def follow(ws: Workspace, job: str, tell: Callable[[JobStatus], None]) -> dict[str, Any]:
    """Return the document of an evaluation when it has ended, telling its state on the way; several may follow one. An interrupt from the keyboard
    cancels it; what went wrong in its process is raised, a WorkError when somebody cancelled it."""
    try:
        while (now := data_jobs.progress(ws, job)).running:
            tell(now)
            time.sleep(LOOKS)
    except KeyboardInterrupt:
        data_jobs.cancel(ws, job)
        raise
    if now.state == "done":
        return now.result["document"]
    if now.state == "failed":
        raise restore(now.errors)
    raise WorkError("The evaluation was cancelled.", asked=job, available="the scorecards before", remedy="Evaluate again.")


def run(
    ws: Workspace,
    *,
    job: str,
    model: str,
    data: str,
    against: str | None,
    limit: int,
    progress: Callable,
    cancelled: Callable[[], bool],
    prompted: bool = False,
    general: bool = False,
    judge: dict[str, Any] | None = None,
    rubric: str = "",
) -> Made:
    """Evaluate, and keep the scorecard with its run; called in a process of its own (workers/data_tasks.py)."""
    ds, began = store.get(ws, data), time.monotonic()
    who, other = _pair(ws, model, against, ds)
    rows, which, available = _rows(ds, limit)
    prompts = prompting.candidates(ds) if prompted and against == BASE and who.objective == "chat" else []
    tries = rows[: prompting.TRIES]
    asks = forgetting.questions_for(str(other.spec.get("base"))) if general and against == BASE and forgetting.applies(who, other) else []
    done, total = [0], len(rows) * (2 if other else 1) + (len(rows) + len(prompts) * len(tries) if prompts else 0)
    total += 2 * forgetting.OPTIONS * len(asks) + (len(rows) if judge else 0)

    def tell(n: int) -> None:
        done[0] += n
        progress(min(done[0], total), total, len(rows))

    asking = Asking(Client(ws), ds.kind, tell=tell, cancelled=cancelled)
    found = [asking.results(c, rows) for c in (who, other) if c]
    if cancelled():
        raise Cancelled
    # with examples a row is longer than those of the training
    wide = replace(other, name=f"{other.name} with examples", max_length=contenders.LENGTH) if prompts else None
    third = _prompted(asking, wide, prompts, rows, tries) if prompts else None
    forgot = forgetting.asked(asking, who, other, asks) if asks else None
    opinion = None
    if judge and other:
        by = Judge(**judge)
        try:
            opinion = judged.asked(ai_judge.query(ws, by, cancelled), by, rubric, *found, tell=tell, cancelled=cancelled)
        except NetworkError as error:  # what was measured is kept
            opinion = judged.counted(by, rubric, []) | {"error": error.message}
    if cancelled():
        raise Cancelled
    document = scorecard(who, other, rows, *found, third=third, more={"general": forgot, "judge": opinion}) | {
        "data": ds.ref,
        "which": which,
        "available": available,
    }
    document["seconds"] = round(time.monotonic() - began, 1)
    served = named(ws, model)
    if served.whole and is_run(ws, served.ref):
        _keep(ws.run(served.ref), job, document)
    return Made(document, ds.ref, len(rows))


def _keep(folder: Path, job: str, document: dict[str, Any]) -> None:
    """Keep the scorecard with its run, and what it says in the run's status, unless somebody is training it further."""
    made = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    (folder / "evaluations").mkdir(exist_ok=True)
    paths.write_json(folder / "evaluations" / f"{job}.json", document | {"made": made})
    if not locks.acquire(folder / "lock"):
        return
    try:
        told = {name: document[name] for name in ("verdict", "says", "rows", "against")}
        enough = bool(document["prompted"]) and conclusions.does_as_well(document["prompted"])
        runs.write_status(folder, scorecard=told | {"made": made, "prompt_enough": enough})
    finally:
        locks.release(folder / "lock")


def _prompted(asking: Asking, base: Contender, prompts: list[tuple], rows: list[dict], tries: list[dict]) -> tuple[Contender, list]:
    """Return the base model with the prompt that does best on `tries`, and its results on all rows."""
    chrf = OBJECTIVES["chat"][0].metric

    def worth(prompt: tuple) -> float:
        found = [r for r in asking.results(replace(base, examples=prompt), tries) if "left_out" not in r]
        return chrf(found)(np.arange(len(found))) if found else -1.0

    best = replace(base, examples=max(prompts, key=worth))
    return best, asking.results(best, rows)


def scorecard(
    who: Contender,
    other: Contender | None,
    rows: list[dict],
    mine: list,
    its: list | None = None,
    *,
    third: tuple[Contender, list] | None = None,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document: metrics with intervals, those of the other model, the differences, a conclusion, the rows that changed most. `third`: the
    base model with examples in its prompt, and its results; `more`: what `forgetting` and `judged` found."""
    kept = [i for i, result in enumerate(mine) if "left_out" not in result and (its is None or "left_out" not in its[i])]
    if not kept:
        why = next(r["left_out"] for found in (mine, its or ()) for r in found if "left_out" in r)
        raise DataError(
            f"None of these rows can be evaluated with this model: {why}.",
            asked=f"{len(rows)} rows",
            available="rows that its chat template takes, and that fit its context",
            remedy="Look at them in the token preview, or choose another dataset.",
            field="data",
        )
    reasons = dict(Counter(r["left_out"] for found in (mine, its or ()) for r in found if "left_out" in r))
    prompted = _compared(who, mine, *third) if third else None
    mine, drawn, measures = [mine[i] for i in kept], significance.samples(len(kept)), OBJECTIVES[who.objective]
    document: dict[str, Any] = {
        "model": who.name,
        "against": other.name if other else None,
        "objective": who.objective,
        "rows": len(kept),
        "left_out": len(rows) - len(kept),
        "reasons": reasons,
        "metrics": {m.name: asdict(significance.interval(m.metric(mine), drawn)) for m in measures},
        "baseline": None,
        "difference": None,
        "verdict": None,
        "prompted": prompted,
        **(more or {"general": None, "judge": None}),
        "says": [],
        "changed": [],
    }
    if other is None:
        return document
    its = [its[i] for i in kept]
    shown = _differences(measures, mine, its, drawn)
    document |= {
        "baseline": {m.name: asdict(significance.interval(m.metric(its), drawn)) for m in measures},
        "difference": shown,
        "verdict": conclusions.of(shown),
        "changed": _changed(measures, [rows[i]["row"] for i in kept], mine, its),
    }
    return document | {"says": conclusions.says(document)}


def _differences(measures: tuple, mine: list[dict], its: list[dict], drawn: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return how much better or worse each metric is than that of the other, and whether that is real."""
    out = {}
    for m in measures:
        d = significance.difference(m.metric(mine), m.metric(its), drawn)
        real = d.real and len(mine) >= significance.FEWEST
        out[m.name] = asdict(d) | {"real": real, "better": real and (d.value > 0) == m.rises}
    return out


def _compared(who: Contender, mine: list, prompted: Contender, its: list) -> dict[str, Any] | None:
    """Return what the base model with examples in its prompt reaches, and how the tuned model differs from that; None when it took no row."""
    kept = [i for i, result in enumerate(mine) if "left_out" not in result and "left_out" not in its[i]]
    if not kept:
        return None
    mine, its, drawn, measures = [mine[i] for i in kept], [its[i] for i in kept], significance.samples(len(kept)), OBJECTIVES[who.objective]
    return {
        "model": prompted.name,
        "examples": len(prompted.examples) // 2,
        "rows": len(kept),
        "metrics": {m.name: asdict(significance.interval(m.metric(its), drawn)) for m in measures},
        "difference": _differences(measures, mine, its, drawn),
    }


def _changed(measures: tuple, numbers: list[int], mine: list[dict], its: list[dict]) -> list[dict[str, Any]]:
    """Return the rows that got better most and those that got worse most, by the first measure that is worth something for a row."""
    measure = next(m for m in measures if m.rows)
    gain = measure.rows(mine) - measure.rows(its)
    order = np.argsort(-gain, kind="stable")
    better, worse = [i for i in order if gain[i] > 0][: CHANGED // 2], [i for i in order[::-1] if gain[i] < 0][: CHANGED // 2]
    return [
        {"row": numbers[i], "change": round(float(gain[i]), 4), "by": measure.name}
        | {
            "question": mine[i].get("question", ""),
            "reference": mine[i]["reference"],
            "answer": mine[i].get("answer"),
            "baseline": its[i].get("answer"),
        }
        for i in (*better, *worse)
    ]


def _pair(ws: Workspace, model: str, against: str | None, ds: Dataset) -> tuple[Contender, Contender | None]:
    who = contenders.of(ws, model)
    other = None if against is None else contenders.base_of(ws, named(ws, model).ref, ds) if against == BASE else contenders.of(ws, against)
    if other is not None:
        contenders.require_alike(who, other)
    return who, other


def _rows(ds: Dataset, limit: int) -> tuple[list[dict], str, int]:
    """Return (the rows, "validation" or "all", how many there are): validation rows where there are any, else all; spread over them evenly."""
    which = "validation" if ds.held_out else "all"
    rows = [{"row": r["row"], "value": r["value"]} for r in store.iterate(ds, held_out=True if ds.held_out else None)]
    if len(rows) > limit:
        rows, every = [rows[i] for i in np.linspace(0, len(rows) - 1, limit).round().astype(int)], len(rows)
        return rows, which, every
    return rows, which, len(rows)


def kept(ws: Workspace, run_id: str) -> list[dict[str, Any]]:
    """Return the scorecards of a run, the newest first."""
    return runs.scorecards(ws.run(run_id))
