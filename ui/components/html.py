"""Small pieces of HTML. Everything that comes from data, a model or a person is escaped here."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

from tuner import paths, runs
from tuner.errors import TunerError, translate
from tuner.formatting import human_bytes, human_time
from tuner.planning import eta
from tuner.planning.memory import calibration
from tuner.runs import run_warnings
from tuner.settings import objectives
from ui.components.icons import icon

MOST = 20  # available values that an error lists
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
    return "".join(bad(sentence_of(e)) for e in known.as_list())


def sentence_of(error: dict[str, Any]) -> str:
    """Return an error with its remedy, and with what is available where the remedy names none of it ("Choose among these")."""
    said = f"{error['message']} {error['remedy']}"
    listed = [str(a) for a in error["available"]] if isinstance(error["available"], list) else []
    if not listed or any(re.search(rf"(?<![\w-]){re.escape(a)}(?![\w-])", error["remedy"]) for a in listed):
        return said
    more = f" and {len(listed) - MOST:,} more" if len(listed) > MOST else ""
    return f"{said} Available: {', '.join(listed[:MOST])}{more}."


def field_errors(error: TunerError) -> dict[str, str]:
    """Return {field: sentence} of all that is wrong with a form."""
    return {e["field"]: sentence_of(e) for e in error.as_list() if e["field"]}


def code(text: str) -> str:
    """Escaped, with what stands between backticks set as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 and i < len(parts) - 1 else p for i, p in enumerate(parts))


def state(kind: str, word: str) -> str:
    """Return a state as icon, word and colour. `kind`: good, warning, bad or quiet."""
    return f'<span class="ts-state {kind}">{icon(kind if kind != "quiet" else "info")}{escape(word)}</span>'


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


def bar(share: float) -> str:
    """Return a progress bar (HTML); `share` from 0 to 1."""
    now = f"{100 * share:.0f}"
    return f'<div class="ts-bar" role="progressbar" aria-valuenow="{now}" aria-valuemin="0" aria-valuemax="100"><span class="ts-fill" style="width:{now}%"></span></div>'


def table(head: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = "".join("<tr>" + "".join(f"<td>{escape(str('' if c is None else c))}</td>" for c in row) + "</tr>" for row in rows)
    return f'<table class="ts-table"><tr>{"".join(f"<th>{escape(h)}</th>" for h in head)}</tr>{lines}</table>'


def strip(device_name: str, free: int, total: int, live: list[runs.Run]) -> str:
    pills = []
    for run in live[:3]:
        p = run.progress
        share = f"{100 * p.step / p.steps:.0f}%" if p.steps else runs.SENTENCES[run.state]
        left = f" · {eta.describe(p)}" if p.eta_seconds else ""
        pills.append(f'<span class="ts-pill live">● {escape(run.name)} {share}{left}</span>')
    used = 100 * (total - free) / max(1, total)
    return (
        f'<div class="ts-strip"><span class="ts-quiet">{escape(device_name)} · {human_bytes(free)} of {human_bytes(total)} free</span>'
        f'<span class="ts-bar" style="width:6rem" role="img" aria-label="memory in use: {used:.0f}%"><span class="ts-fill" style="width:{used:.0f}%"></span></span>'
        f"{''.join(pills)}</div>"
    )


def read_only(folder) -> str:
    """The sentence of a page on a workspace that can only be read; empty where it can be written."""
    return "" if paths.writable(folder) else bad(f"{folder} can't be written to. {paths.READ_ONLY_NOTICE}")


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


def log(text: str) -> str:
    return f'<div class="ts-log" tabindex="0">{escape(text) or "Nothing yet."}</div>'
