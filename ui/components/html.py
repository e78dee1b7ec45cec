"""Small pieces of HTML. Everything that comes from data, a model or a person is escaped here."""

import math
from collections.abc import Iterable
from html import escape
from typing import Any

from tuner import paths, runs
from tuner.errors import TunerError, translate
from tuner.formatting import human_bytes, human_range, human_time
from tuner.planning import eta
from tuner.planning.memory import calibration
from tuner.runs import run_warnings
from tuner.settings import objectives
from ui.components.icons import icon
from ui.text import text

PATH_OF_PAGE = {"home": "./"}  # the others are called as their page
COLOURS = {
    "weights": "#0f766e",
    "quantization": "#115e59",
    "adapters": "#ca8a04",
    "gradients": "#b45309",
    "optimizer": "#9a3412",
    "activations": "#4f46e5",
    "head": "#7c3aed",
    "reference": "#be185d",
    "buffers": "#64748b",
    "context": "#475569",
    "fragmentation": "#94a3b8",
}


def bad(message: str) -> str:
    return f'<div class="ts-bad" role="alert">{escape(message)}</div>' if message else ""


def trouble(error: BaseException) -> str:
    """An error as a person may read it; anything unforeseen is shown as such and logged whole."""
    known = translate(error)
    if known is None:
        import traceback

        traceback.print_exception(error)
        return bad(
            f"Something unforeseen went wrong ({type(error).__name__}: {str(error)[:200]}). Nothing was lost; the page's log has the whole story."
        )
    return "".join(bad(f"{e['message']} {e['remedy']}") for e in known.as_list())


def field_errors(error: TunerError) -> dict[str, str]:
    """{field: sentence} of all that is wrong with a form."""
    return {e["field"]: f"{e['message']} {e['remedy']}" for e in error.as_list() if e["field"]}


def code(said: str) -> str:
    """Escaped, with what stands between backticks set as code."""
    parts = escape(said).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 and i < len(parts) - 1 else p for i, p in enumerate(parts))


def state(kind: str, word: str, sign: str = "") -> str:
    """Return a state as icon, word and colour. `kind`: good, warning, bad or quiet; `sign`: an icon other than that of the kind."""
    return f'<span class="ts-state {kind}">{icon(sign or (kind if kind != "quiet" else "info"))}{escape(word)}</span>'


def link(page: str, word: str, *, query: str = "", primary: bool = False) -> str:
    """Return a link to a page of the app, `query` naming the object (run=ID), that looks like a button."""
    address = PATH_OF_PAGE.get(page, page) + (f"?{query}" if query else "")
    return f'<a class="ts-button{" primary" if primary else ""}" href="{escape(address)}" data-page="{page}">{escape(word)}</a>'


def button(act: str, value: str, word: str) -> str:
    """Return a button that tells `value` to the `Actions` called `act`."""
    return f'<button type="button" class="ts-button" data-act="{act}" data-value="{escape(value)}">{escape(word)}</button>'


def empty(sentence: str, after: str = "") -> str:
    """Return what stands where there is nothing yet: what comes here, and the one way to begin (HTML)."""
    return f'<div class="ts-empty"><p>{escape(sentence)}</p>{after}</div>'


def good(message: str) -> str:
    return f'<div class="ts-good">{escape(message)}</div>'


def gone(kind: str, id: str) -> str:
    """Say that an address or an earlier visit names something that is not here; the page shows another one, where there is one."""
    return bad(f"There is no {kind} {id[:80]} here: it may have been deleted, or belong to another workspace.")


def table(head: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = "".join("<tr>" + "".join(f"<td>{escape(str('' if c is None else c))}</td>" for c in row) + "</tr>" for row in rows)
    return f'<table class="ts-table"><tr>{"".join(f"<th>{escape(h)}</th>" for h in head)}</tr>{lines}</table>'


def strip(device_name: str, free: int, total: int, live: list[runs.Run]) -> str:
    """Return what stands above every page: the device, its free memory, and the runs under way as links to them."""
    used = f"{100 * (total - free) / max(1, total):.0f}"
    memory = text("home-strip-free", free=f"{free / 1e9:.1f}", total=f"{total / 1e9:.3g} GB")
    pills = "".join(_pill(run) for run in live[:3])
    if more := len(live) - 3 if len(live) > 3 else 0:
        pills += f'<a class="ts-pill" href="runs" data-page="runs">{escape(text("home-strip-more", n=more, shown=f"{more:,}"))}</a>'
    return (
        f'<div class="ts-strip"><span class="ts-quiet ts-device"><span class="ts-name" translate="no" title="{escape(device_name)}">'
        f"{escape(device_name)}</span><span>\u00b7 {escape(memory)}</span></span>"
        f'<span class="ts-bar" role="img" aria-label="{escape(text("home-strip-used", share=used))}">'
        f'<span class="ts-fill" style="width:{used}%"></span></span>{pills}</div>'
    )


def _pill(run: runs.Run) -> str:
    """Return a run under way: its name, which is cut where there is no room, how far it is and how long it takes still."""
    p = run.progress
    how_far = [f"{100 * p.step / p.steps:.0f}\u00a0%" if p.steps else text(f"home-state-{run.state}")]
    how_far += [time_left(p)] if p.steps and p.eta_seconds is not None else []
    return (
        f'<a class="ts-pill live" href="runs?run={escape(run.id)}" data-page="runs" title="{escape(run.name)}">'
        f'<span aria-hidden="true">\u25cf</span> <span class="ts-name" translate="no">{escape(run.name)}</span> '
        f"<span>{escape(', '.join(how_far))}</span></a>"
    )


def time_left(progress: runs.Progress) -> str:
    """Return '6 to 9 min left', 'up to 3 min left', or that it is still being estimated; "" without an estimate."""
    left = eta.remaining(progress)
    if left is None:
        return ""
    if left.high is None:
        return text("home-left-estimating")
    if left.low is None:
        return text("home-left-at-most", time=short_time(left.high))
    low, high = short_time(left.low), short_time(left.high)
    if low == high or left.high - left.low < 0.15 * left.high:
        return text("home-left", time=short_time((left.low + left.high) / 2))
    same = low.split()[1] == high.split()[1]
    return text("home-left-range", low=low.split()[0] if same else low, high=high)


def short_time(seconds: float) -> str:
    """Return a duration with the units of English and German alike: '45 s', '6 min', '2.5 h', '3 d'."""
    for most, unit, of in ((60, 1, "s"), (5400, 60, "min"), (172800, 3600, "h"), (math.inf, 86400, "d")):
        if seconds < most:
            return f"{seconds / unit:.1f} {of}" if of == "h" and seconds % 3600 else f"{max(1, seconds / unit):.0f} {of}"
    raise ValueError(seconds)


def read_only(folder) -> str:
    """The sentence of a page on a workspace that can only be read; empty where it can be written."""
    return "" if paths.writable(folder) else bad(f"{folder} can't be written to. {paths.READ_ONLY_NOTICE}")


def plan_card(plan, rows: int, held_out: int) -> str:
    settings = plan.settings
    share = plan.trainable_parameters / max(1, plan.total_parameters)
    lines = [
        _used(plan, rows, held_out),
        f"{settings.epochs:g} {'pass' if settings.epochs == 1 else 'passes'}, {plan.steps:,} steps of {settings.effective_batch} rows",
        f"about {human_range(plan.seconds_low, plan.seconds_high)}" + effort(plan),
        f"{plan.trainable_parameters:,} of {plan.total_parameters:,} parameters are trained ({share:.1%})",
        f"tested every {settings.eval_steps} steps and saved every {settings.save_steps} ({human_bytes(plan.checkpoint_bytes)} on disk each); the best "
        "state is kept"
        + (f", and the run ends after {settings.early_stopping} tests without a better one" if settings.early_stopping else ""),
    ]
    notes = "".join(f"<li><b>{escape(n)}</b></li>" for n in plan.notes)
    return f'<div class="ts-card"><b>Plan</b><ul>{"".join(f"<li>{escape(x)}</li>" for x in lines)}{notes}</ul></div>'


def _used(plan, rows: int, held_out: int) -> str:
    """How many rows are trained and validated with; of those that were set aside for it, where that is fewer."""
    if not plan.rows:
        return f"{rows:,} rows to learn from, {held_out:,} held out to test with"
    there, held = plan.rows["rows"], plan.rows["held_out"]["rows"]
    fewer = sum(plan.rows["left_out"].values()) or sum(plan.rows["held_out"]["left_out"].values())
    of = f" (of {rows:,} and {held_out:,})" if fewer else ""
    return f"{there:,} rows to learn from, {held:,} held out to test with{of}"


def effort(plan) -> str:
    """', about 12 Wh, 0.10 to 0.20 USD': what is known of it."""
    parts = [f"about {plan.energy_wh:.2g} Wh" if plan.energy_wh < 10 else f"about {plan.energy_wh:,.0f} Wh"] if plan.energy_wh else []
    if c := plan.cost:
        parts.append(f"{c['low']:.2f} to {c['high']:.2f} {c['currency']}")
    return "".join(f", {p}" for p in parts)


def progress(run: runs.Run) -> str:
    p, state = run.progress, run.state
    share = 100 * p.step / p.steps if p.steps else 0
    parts = [f"<b>{escape(run.name)}</b>", f"{state}: {escape(run.status.reason or runs.SENTENCES[state])}"]
    if p.steps:
        parts.append(f"step {p.step:,} of {p.steps:,} ({share:.0f}%), epoch {p.epoch:.2f}")
    if p.elapsed_seconds:
        parts.append(f"{human_time(p.elapsed_seconds)} so far")
    if run.live and p.eta_seconds is not None:
        parts.append(eta.describe(p))
    before, after = run.status.baseline.get("eval_loss"), run.best
    if before is not None and after is not None:
        parts.append(f"held-out loss {before:.3f} before, {after:.3f} at its best: {in_words(before, after)}")
    parts += judged(run)
    parts += [f"<b>{escape(sign)}</b>" for sign in run.status.signs]
    parts += [f'<b role="status">{escape(run_warnings.sentence(w))}</b>' for w in run.warnings]
    parts += used(run)
    bar = f'<div class="ts-bar" role="progressbar" aria-valuenow="{share:.0f}" aria-valuemin="0" aria-valuemax="100"><span class="ts-fill" style="width:{share:.1f}%"></span></div>'
    return f'<div class="ts-card">{bar}<div style="margin-top:.4rem">{" · ".join(parts)}</div></div>'


def used(run: runs.Run) -> list[str]:
    """The peak of memory beside what was predicted, and what a dry run changed before the start."""
    told, found = run.status.dry_run.get("changed"), None
    if not run.live and run.status.measured and run.plan.get("uncorrected_bytes"):  # else the prediction was of other settings
        found = calibration.measured_peak(run.status.measured, run.plan["breakdown"])
    took = [f"took {human_bytes(found)} of memory, {human_bytes(run.plan['peak_bytes'])} were predicted"] if found else []
    return ([escape(told)] if told else []) + took


def judged(run: runs.Run) -> list[str]:
    """The objective's own metrics on held-out rows, before and at the best state."""
    names = objectives.get(run.plan["settings"]["objective"]).metrics
    before, best = run.status.baseline, run.status.best
    shown = [(name.replace("_", " "), before.get(name), best[name]) for name in names[:2] if best.get(name) is not None]
    return [f"{name} {after:.3f}" + (f" ({first:.3f} before)" if first is not None else "") for name, first, after in shown]


def in_words(before: float, after: float) -> str:
    change = (before - after) / max(before, 1e-9)
    if change > 0.15:
        return "clearly better on new examples"
    if change > 0.03:
        return "a little better on new examples"
    return "no better on new examples" if change > -0.03 else "worse on new examples"


def rows(items: list[dict]) -> str:
    """Canonical rows as a person reads them."""
    return (
        "".join(
            f'<div class="ts-row"><span class="ts-quiet">row {i["row"]}{" · held out" if i["held_out"] else ""}</span>{_value(i["value"])}</div>'
            for i in items
        )
        or '<p class="ts-quiet">No rows.</p>'
    )


def _value(value: dict) -> str:
    lines = []
    for key, content in value.items():
        if isinstance(content, list) and content and isinstance(content[0], dict):
            lines += [(m.get("role", key) if key in ("messages", "prompt") else key, m.get("content") or m) for m in content]
        else:
            lines.append((key, content))
    return "".join(f'<div class="ts-turn"><b>{escape(str(k))}</b> {escape(str(v))[:4000]}</div>' for k, v in lines)


def log(lines: str) -> str:
    return f'<div class="ts-log" tabindex="0">{escape(lines) or "Nothing yet."}</div>'
