"""A sweep: one run for each combination of some values, in the queue, compared by validation loss when they have ended."""

from collections.abc import Callable
from itertools import product
from typing import Any

import yaml

from tuner import paths, runs
from tuner.errors import SettingError, TunerError, raise_all
from tuner.jobs import halving as study
from tuner.jobs import training
from tuner.paths import Workspace
from tuner.settings import parsing

MOST = 64  # runs


def values_of(pairs: list[str]) -> dict[str, list[Any]]:
    """Return the values of `--sweep KEY=V1,V2` arguments: {"learning_rate": [1e-4, 3e-4]}. `[q, v],[q, k, v]` are two lists."""
    out: dict[str, list[Any]] = {}
    problems: list[TunerError] = []
    for pair in pairs:
        key, _, text = pair.partition("=")
        key = key.strip()
        try:
            found = [parsing.yaml_value(v) if isinstance(v, str) else v for v in yaml.safe_load(f"[{text}]")]
        except yaml.YAMLError:
            found = []
        if len({repr(v) for v in found}) < 2 or key in out:
            problems.append(
                SettingError(
                    f"{pair!r} has no two values to compare." if key not in out else f"{key} is swept twice.",
                    asked=pair,
                    available="KEY=V1,V2, each key once",
                    remedy="Write two or more values, for example learning_rate=1e-4,3e-4.",
                    field=key or None,
                )
            )
        out[key] = found
    raise_all(problems)
    return out


def start(
    ws: Workspace,
    values: dict[str, Any],
    swept: dict[str, list[Any]],
    *,
    preset: str | None = None,
    name: str | None = None,
    anyway: bool = False,
    halving: bool = False,
    each: Callable[[dict], None] | None = None,
) -> tuple[str, list[runs.Run]]:
    """Check and plan every combination, then put all of them into the queue; return (the sweep's id, its runs). Nothing is started when one of
    them can't be. `halving`: those that fall behind are stopped at their evaluations (`tuner/jobs/halving.py`)."""
    if halving:
        study.require()
    combinations = [dict(zip(swept, chosen, strict=True)) for chosen in product(*swept.values())]
    if len(combinations) > MOST:
        raise SettingError(
            f"These values make {len(combinations)} runs.",
            asked=len(combinations),
            available=f"{MOST} runs at most",
            remedy="Leave some values out.",
            field=next(iter(swept)),
        )
    problems: list[TunerError] = []
    for combination in combinations:
        try:
            plan, _, ds, _ = training.prepare(ws, values | combination, preset=preset, need_data=True, each=each)
            training.refuse(plan, anyway=anyway)
            if halving and not ds.held_out:
                raise _unmeasured(ds)
        except TunerError as error:
            for problem in getattr(error, "errors", [error]):
                problem.message = f"With {described(combination)}: {problem.message}"
                problems.append(problem)
    raise_all(problems)
    base = name or training.unused_name(ws, f"{ds.name} sweep")
    id = paths.new_id(base, ws.runs)
    numbers = study.begin(ws, id, combinations) if halving else [None] * len(combinations)
    begun = []
    for combination, trial in zip(combinations, numbers, strict=True):
        run = training.start(
            ws,
            values | combination,
            preset=preset,
            name=f"{described(combination)} · {base}",
            anyway=anyway,
            about={"sweep": id, "trial": trial},
            each=each,
        )
        begun.append(run)
    return id, begun


def _unmeasured(ds) -> SettingError:
    return SettingError(
        "Without validation rows there is nothing by which the weaker runs could be found.",
        asked="halving",
        available=f"{ds.held_out} validation rows in {ds.name}",
        remedy="Set validation rows aside when the data is added (--held-out 0.1), or leave --halving out.",
        field="halving",
    )


def described(combination: dict[str, Any]) -> str:
    """Return 'learning_rate=0.0001, lora_rank=8'."""
    return ", ".join(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in combination.items())


def of(ws: Workspace, id: str) -> list[runs.Run]:
    """Return the runs of a sweep, the best validation loss first; those without one last."""
    found = [run for run in runs.listing(ws) if run.about.get("sweep") == id]
    return sorted(found, key=lambda run: (run.best is None, run.best if run.best is not None else 0.0, run.name))
