"""A run's numbers as frames for line plots: few points, gaps where nothing was measured."""

from typing import Any

import pandas as pd

from tuner import runs

MOST = 400  # points a line: more than a screen shows
CHARTS = {
    "loss": ("Loss", ("loss", "eval_loss")),
    "learning_rate": ("Step size (learning rate)", ("learning_rate",)),
    "grad_norm": ("Gradient norm", ("grad_norm",)),
    "tokens_per_second": ("Speed (tokens per second)", ("tokens_per_second",)),
    "memory_bytes": ("Memory used (GB)", ("memory_bytes",)),
}
NAMES = {"loss": "training, raw", "smooth": "training, smoothed", "eval_loss": "held-out"}


def empty() -> pd.DataFrame:
    return pd.DataFrame({"step": pd.Series(dtype=float), "value": pd.Series(dtype=float), "line": pd.Series(dtype=str)})


def frame(
    rows: list[tuple[int, str, float | None]], keys: tuple[str, ...], *, smooth: bool = False, line: str | None = None
) -> pd.DataFrame:
    """Columns step, value, line; `rows` as `runs.metrics` gives them."""
    out: list[dict[str, Any]] = []
    for key in keys:
        points = thin([(s, v) for s, k, v in rows if k == key and v is not None])
        scale = 1e-9 if key == "memory_bytes" else 1
        out += [{"step": s, "value": v * scale, "line": line or NAMES.get(key, key)} for s, v in points]
        if smooth and key == "loss":
            out += [{"step": s, "value": v, "line": NAMES["smooth"]} for s, v in smoothed(points)]
    return pd.DataFrame(out) if out else empty()


def thin(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Every n-th point and the last one."""
    every = len(points) // MOST + 1
    return points[::every] + (points[-1:] if points and (len(points) - 1) % every else [])


def smoothed(points: list[tuple[int, float]], weight: float = 0.9) -> list[tuple[int, float]]:
    """Exponential moving average without the pull of its start (Kingma and Ba 2014, section 3)."""
    average, out = 0.0, []
    for n, (step, value) in enumerate(points, 1):
        average = weight * average + (1 - weight) * value
        out.append((step, average / (1 - weight**n)))
    return out


def of_run(run: runs.Run | None) -> list[pd.DataFrame]:
    """One frame for each of CHARTS, in order."""
    rows = runs.metrics(run) if run else []
    return [frame(rows, keys, smooth=name == "loss") for name, (_, keys) in CHARTS.items()]


def overlay(chosen: list[runs.Run]) -> pd.DataFrame:
    """The held-out losses of several runs; where one has none, its smoothed training loss."""
    frames = []
    for run in chosen:
        rows = runs.metrics(run)
        held = frame(rows, ("eval_loss",), line=f"{run.name}: held-out")
        points = [
            {"step": s, "value": v, "line": f"{run.name}: training"}
            for s, v in smoothed(thin([(s, v) for s, k, v in rows if k == "loss" and v is not None]))
        ]
        frames += [f for f in (held, pd.DataFrame(points)) if len(f)]
    return pd.concat(frames) if frames else empty()
