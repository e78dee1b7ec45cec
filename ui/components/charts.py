"""The charts of runs: which metrics each one draws, and the figures that the browser asks for (ui/static/charts.js draws them).

Drawn with uPlot 1.6 (MIT, 51 kB, kept beside our script), chosen by trying with 5,000 points and one more each second: it took 80 ms a
second of the browser's main thread and 12 kB with the whole page of the run around it, gr.LinePlot alone 916 ms and 79 kB, gr.Plot with
plotly 885 ms and 93 kB (`python -m bench.live`); LinePlot also blinks, and plotly forgets hidden lines. Only what is new is sent while a run
goes on: the browser says the last step it has.
"""

import math
from html import escape
from typing import Any, NamedTuple

from tuner import runs
from tuner.settings import objectives
from ui.text import text

METRICS = tuple(dict.fromkeys(name for o in objectives.OBJECTIVES.values() for name in o.metrics if name != "margin"))
MOST = 5000  # points a line; beyond it each stretch keeps its lowest and highest
TOGETHER = 8  # runs in one overlay: as many as there are colours
FIRST = ("loss", "quality", "learning-rate")  # shown at once; the others are folded under "More charts"
FIRST_OF_PREFERENCES = ("loss", "margins", "accuracies")

Series = tuple[list[int], list[float | None]]  # steps, values; None: not a number there


class Line(NamedTuple):
    """A line of a chart. `word`: the end of its text's name; `colour`: 1 to 8; `smooth`: a training metric, which jumps from step to step."""

    key: str
    word: str = ""
    colour: int = 1
    dash: bool = False
    smooth: bool = False


class Chart(NamedTuple):
    lines: tuple[Line, ...]
    unit: str = ""
    scale: float = 1.0


def _sides(*keys: str) -> tuple[Line, ...]:
    """Return the lines of a comparison: each side in its colour, validation rows dashed."""
    colours = {"chosen": 1, "rejected": 2, "written": 3}
    train = [Line(k, k.rpartition("/")[2], colours.get(k.rpartition("/")[2], 1), smooth=True) for k in keys]
    return (*train, *(Line(f"eval_{line.key}", line.word, line.colour, dash=True) for line in train))


CHARTS = {  # by the end of the title's name
    "loss": Chart((Line("loss", smooth=True), Line("eval_loss", colour=2, dash=True))),
    "quality": Chart(tuple(Line(key, colour=n % TOGETHER + 1) for n, key in enumerate(METRICS))),
    "margins": Chart(_sides("rewards/margins")),
    "accuracies": Chart(_sides("rewards/accuracies"), "share"),
    "learning-rate": Chart((Line("learning_rate"),)),
    "rewards": Chart(_sides("rewards/chosen", "rewards/rejected")),
    "log-ratio": Chart(_sides("log_ratio/chosen", "log_ratio/rejected"), "nats"),
    "logps": Chart(_sides("logps/chosen", "logps/rejected"), "nats"),
    "length": Chart(
        tuple(Line(f"eval_length/{side}", side, n, dash=True) for side, n in (("written", 3), ("chosen", 1), ("rejected", 2))), "tokens"
    ),
    "grad-norm": Chart((Line("grad_norm", smooth=True),)),
    "speed": Chart((Line("tokens_per_second", smooth=True),), "speed"),
    "memory": Chart((Line("memory_bytes"),), "gigabytes", 1e-9),
}


def thin(steps: list[int], values: list[float | None], most: int = MOST) -> Series:
    """Return at most `most` points that look like all of them: the lowest and highest of each stretch, the first and last. A spike stays."""
    if len(steps) <= most:
        return steps, values
    kept, stretches = {0, len(steps) - 1}, most // 2 - 1
    for n in range(stretches):
        inside = range(n * len(steps) // stretches, (n + 1) * len(steps) // stretches)
        known = [i for i in inside if values[i] is not None] or [inside[0]]
        kept |= {min(known, key=lambda i: values[i] or 0.0), max(known, key=lambda i: values[i] or 0.0)}
    return [steps[i] for i in sorted(kept)], [values[i] for i in sorted(kept)]


def series(run: runs.Run, since: int = -1) -> dict[str, Series]:
    """Return {key: (steps, values)} of a run after step `since`; what was not a finite number is None, a gap."""
    if run.live or since >= 0:
        return _series(run, since)
    files = (run.path / name for name in ("metrics.db", "metrics.db-wal"))
    return _ended(run, *((f.stat().st_mtime_ns, f.stat().st_size) for f in files if f.exists()))


def _series(run: runs.Run, since: int) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for step, key, value in runs.metrics(run, since=since):
        steps, values = found.setdefault(key, ([], []))
        steps.append(step)
        values.append(value if value is not None and math.isfinite(value) else None)
    return {key: thin(*points) for key, points in found.items()}


class _Kept:
    """The series of runs that have ended, as they were drawn last: a million values take a second to read."""

    def __init__(self, most: int = 32):
        self.most, self.found = most, {}

    def __call__(self, run: runs.Run, *stamps: tuple[int, int]) -> dict[str, Series]:
        known = self.found.pop(run.path, None)
        if known is None or known[0] != stamps:
            known = (stamps, _series(run, -1))
        self.found[run.path] = known
        while len(self.found) > self.most:
            self.found.pop(next(iter(self.found)), None)
        return known[1]


_ended = _Kept()


def figures(run: runs.Run, since: int = -1) -> dict[str, Any]:
    """Return what the browser draws of a run, and whether more is to come."""
    return {"run": run.id, "name": run.name, "live": run.live, "series": series(run, since)}


def described(chosen: list[runs.Run]) -> dict[str, Any]:
    """Return the charts that suit these runs, with their words in the visitor's language."""
    paired = any(run.plan["settings"]["objective"] in objectives.PAIRED for run in chosen)
    first = FIRST_OF_PREFERENCES if paired else FIRST
    charts = [
        {
            "name": name,
            "title": text(f"chart-{name}"),
            "unit": text(f"chart-unit-{chart.unit}") if chart.unit else "",
            "scale": chart.scale,
            "first": name in first,
            "lines": [line._asdict() | {"label": _label(line)} for line in chart.lines],
        }
        for name, chart in CHARTS.items()
    ]
    return {"charts": charts, "words": {name: text(f"chart-word-{name}") for name in WORDS}}


WORDS = ("step", "epoch", "time", "axis", "smoothing", "log", "reset", "more", "png", "csv", "table", "nothing")


def _label(line: Line) -> str:
    """Return what a line is called in its legend."""
    if line.key in METRICS:
        return line.key.replace("_", " ")
    side = text(f"chart-side-{line.word}") if line.word in ("chosen", "rejected", "written") else ""
    return ", ".join(part for part in (side, text("chart-line-validation" if line.dash else "chart-line-training")) if part)


def marker(chosen: list[runs.Run]) -> str:
    """Return the sign to the script which runs to draw (HTML); it is another one whenever there is something new."""
    stamp = ";".join(f"{run.state}:{run.progress.step}:{run.best}" for run in chosen)
    return f'<span data-chart-runs="{escape(",".join(run.id for run in chosen))}" data-stamp="{escape(stamp)}"></span>'


def place(of: str, only: str = "") -> str:
    """Return where the script draws the charts of the marker `of` (HTML), or one of them alone. The server never changes it: nothing blinks."""
    alone = f' data-only="{only}"' if only else ""
    return f'<div class="ts-chart-set" data-of="{of}"{alone} data-failed="{escape(text("chart-failed"))}"></div>'


# the scripts come after the page: nothing waits for them, and they stay in the browser's cache
SCRIPT = """<link rel="stylesheet" id="ts-uplot"><script>
(base => {
  document.getElementById("ts-uplot").href = base + "parts/uplot.min.css";
  const load = (name, then) => document.head.append(Object.assign(document.createElement("script"), {src: base + "parts/" + name, onload: then}));
  const all = () => ["uplot.min.js", "chart-tools.js", "charts.js"].reduceRight((then, name) => () => load(name, then), null)();
  document.readyState === "complete" ? all() : addEventListener("load", all);
})(window.tunesmith.base);
</script>
"""
