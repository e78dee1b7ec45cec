"""A run's numbers as line charts in SVG: drawn whole each time, so nothing blinks, jumps or depends on when a tab was opened.

(Gradio's LinePlot was tried first: it drops lines whose names were not there when it was mounted, and lays out wrongly in a tab that is hidden.)
"""

import math
from html import escape

from tuner import runs
from tuner.settings import objectives
from ui.text import text

METRICS = tuple(dict.fromkeys(name for o in objectives.OBJECTIVES.values() for name in o.metrics if name != "margin"))
MOST = 300  # points a line: as many as a chart is wide


def both(*keys: str) -> tuple[str, ...]:
    """Return the keys of the training rows, and the same of the validation rows."""
    return (*keys, *(f"eval_{k}" for k in keys))


CHARTS = {  # name: (unit, what is drawn); the title is the text chart-NAME
    "loss": ("", ("loss", "eval_loss")),
    "quality": ("", METRICS),
    "rewards": ("", both("rewards/chosen", "rewards/rejected")),
    "margins": ("", both("rewards/margins")),
    "accuracies": ("share", both("rewards/accuracies")),
    "log_ratio": ("nats", both("log_ratio/chosen", "log_ratio/rejected")),
    "logps": ("nats", both("logps/chosen", "logps/rejected")),
    "length": ("tokens", ("eval_length/written", "eval_length/chosen", "eval_length/rejected")),
    "learning_rate": ("", ("learning_rate",)),
    "grad_norm": ("", ("grad_norm",)),
    "tokens_per_second": ("speed", ("tokens_per_second",)),
    "memory_bytes": ("gigabytes", ("memory_bytes",)),
}
COMPARED = ("rewards", "margins", "accuracies", "log_ratio", "logps", "length")  # of runs that are trained on preferences
SIDES = {"chosen": "#0d9488", "rejected": "#c2410c", "written": "#4f46e5"}
RAW, MAIN, HELD = (
    'stroke="#94a3b8" stroke-width="1"',
    'stroke="#0d9488" stroke-width="2"',
    'stroke="#c2410c" stroke-width="2" stroke-dasharray="5 3"',
)
COLOURS = ("#0d9488", "#c2410c", "#4f46e5", "#ca8a04", "#be185d", "#64748b")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 200, 48, 10, 8, 24

Points = list[tuple[float, float]]
Line = tuple[str, str, Points]  # name, SVG stroke, points


def thin(points: Points) -> Points:
    """At most `MOST` points that look like all of them: the lowest and the highest of each stretch, the first and the last. A spike of one
    step stays."""
    if len(points) <= MOST:
        return points
    kept, stretches = {0, len(points) - 1}, MOST // 2 - 1
    for n in range(stretches):
        inside = range(n * len(points) // stretches, (n + 1) * len(points) // stretches)
        kept |= {min(inside, key=lambda i: points[i][1]), max(inside, key=lambda i: points[i][1])}
    return [points[i] for i in sorted(kept)]


def smoothed(points: Points, weight: float = 0.9) -> Points:
    """Exponential moving average without the pull of its start (Kingma and Ba 2014, section 3)."""
    average, out = 0.0, []
    for n, (step, value) in enumerate(points, 1):
        average = weight * average + (1 - weight) * value
        out.append((step, average / (1 - weight**n)))
    return out


def lines_of(rows: list[tuple[int, str, float | None]], name: str) -> list[Line]:
    """The lines of one of CHARTS; `rows` as `runs.metrics` gives them. What was not a number is a gap."""
    out: list[Line] = []
    for key in CHARTS[name][1]:
        scale = 1e-9 if key == "memory_bytes" else 1
        points = [(s, v * scale) for s, k, v in rows if k == key and v is not None]
        if key == "loss":
            out += [(text("chart-line-loss"), RAW, thin(points)), (text("chart-line-smooth"), MAIN, thin(smoothed(points)))]
        elif name in COMPARED:
            out.append(compared(key, points))
        elif name == "quality":
            colour = COLOURS[len([line for line in out if line[2]]) % len(COLOURS)]
            out.append((key.replace("_", " "), f'stroke="{colour}" stroke-width="2"', thin(points)))
        else:
            validation = key == "eval_loss"
            out.append((text("chart-line-eval-loss") if validation else "", HELD if validation else MAIN, thin(points)))
    return [line for line in out if line[2]]


def compared(key: str, points: Points) -> Line:
    """Return a side of a comparison in its colour: validation rows dashed, training rows smoothed."""
    held, side = key.startswith("eval_"), key.rpartition("/")[2]
    said, colour = text(f"chart-side-{side}") if side in SIDES else "", SIDES.get(side, "#0d9488")
    name = ", ".join(part for part in (said, text("chart-line-eval-loss" if held else "chart-line-smooth")) if part)
    stroke = f'stroke="{colour}" stroke-width="2"' + (' stroke-dasharray="5 3"' if held else "")
    return name, stroke, thin(points if held else smoothed(points))


def of_run(run: runs.Run | None) -> str:
    """All charts of a run, side by side where there is room."""
    rows = runs.metrics(run) if run else []
    if not run:
        return ""
    drawn = {n: (unit, lines_of(rows, n)) for n, (unit, _) in CHARTS.items()}
    for name in ("quality", *COMPARED):
        if not drawn[name][1]:
            del drawn[name]  # an objective that is judged by its loss alone, or compares nothing
    return f'<div class="ts-charts">{"".join(draw(n, *chart) for n, chart in drawn.items())}</div>'


def overlay(chosen: list[runs.Run]) -> str:
    """Return the losses of several runs: validation dashed, training smoothed (HTML)."""
    lines: list[Line] = []
    for i, run in enumerate(chosen):
        stroke = f'stroke="{COLOURS[i % len(COLOURS)]}" stroke-width="2"'
        for name, _, points in lines_of(runs.metrics(run), "loss")[1:]:
            lines.append(
                (f"{run.name}: {name}", stroke + (' stroke-dasharray="5 3"' if name == text("chart-line-eval-loss") else ""), points)
            )
    return draw("overlay", "", lines) if chosen else ""


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers that span low to high, at most `most` steps of 1, 2 or 5."""
    if high <= low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / most
    unit = 10 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, last + 1)]


def number(value: float) -> str:
    if value and (abs(value) >= 1e5 or abs(value) < 1e-3):
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:,.6g}"


def draw(name: str, unit: str, lines: list[Line]) -> str:
    """Return one chart as a figure (HTML); its last values stand in words for who can't see it."""
    title, unit = text(f"chart-{name.replace('_', '-')}"), text(f"chart-unit-{unit}") if unit else ""
    head = f"<figcaption><b>{escape(title)}</b>{f' ({escape(unit)})' if unit else ''}</figcaption>"
    if not lines:
        return f'<figure class="ts-chart" id="chart-{name}">{head}<p class="ts-quiet">{escape(text("chart-nothing"))}</p></figure>'
    xs, ys = [x for *_, p in lines for x, _ in p], [y for *_, p in lines for _, y in p]
    across, up = ticks(min(xs), max(xs), 6), ticks(min(ys), max(ys), 4)

    def at(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (x - across[0]) / (across[-1] - across[0]) * (WIDTH - LEFT - RIGHT)
        return right, HEIGHT - BOTTOM - (y - up[0]) / (up[-1] - up[0]) * (HEIGHT - TOP - BOTTOM)

    said = "; ".join(text("chart-at-step", name=n or title, value=number(p[-1][1]), step=f"{p[-1][0]:g}") for n, _, p in lines)
    legend = "".join(
        f'<span><svg width="22" height="8"><line x2="22" y1="4" y2="4" {s}/></svg> {escape(n)}</span>' for n, s, _ in lines if n
    )
    body = _grid(across, up, at) + "".join(_line(n or title, s, p, at) for n, s, p in lines)
    picture = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}: {escape(said)}">{body}</svg>'
    return f'<figure class="ts-chart" id="chart-{name}">{head}{picture}<div class="ts-legend">{legend}</div></figure>'


def _grid(across: list[float], up: list[float], at) -> str:
    out = []
    for y in up:
        height = at(across[0], y)[1]
        out.append(f'<line class="ts-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        out.append(f'<text x="{LEFT - 6}" y="{height + 3.5:.1f}" text-anchor="end">{number(y)}</text>')
    for x in across:
        out.append(f'<text x="{at(x, up[0])[0]:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{number(x)}</text>')
    return "".join(out)


def _line(name: str, stroke: str, points: Points, at) -> str:
    """The line, and under the pointer its values; a single point is a dot."""
    places = [at(x, y) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dot = f'<circle cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="2.5" {stroke}/>' if len(points) == 1 else ""
    every = max(1, len(points) // 40)
    tips = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="7" fill="transparent"><title>{escape(tip(name, x, y))}</title></circle>'
        for (x, y), (px, py) in list(zip(points, places, strict=True))[::every]
    )
    return f'<polyline fill="none" {stroke} points="{path}"/>{dot}{tips}'


def tip(name: str, step: float, value: float) -> str:
    return text("chart-tip", name=name, step=f"{step:g}", value=number(value))
