"""Small pieces of HTML. Everything that comes from data, a model or a person is escaped here."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

from tuner import paths, runs
from tuner.errors import TunerError, translate
from tuner.planning import eta
from ui.components import units
from ui.components.icons import icon
from ui.text import text

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


def bad(message: str, lang: str = "") -> str:
    """Return what is wrong (HTML); `lang`: its language where that is not the page's ("en" for what the engine says)."""
    said = f' lang="{lang}"' if lang else ""
    return f'<div class="ts-bad" role="alert"{said}>{escape(message)}</div>' if message else ""


def trouble(error: BaseException) -> str:
    """An error as a person may read it; anything unforeseen is shown as such and logged whole."""
    known = translate(error)
    if known is None:
        import traceback

        traceback.print_exception(error)
        return bad(
            f"Something unforeseen went wrong ({type(error).__name__}: {str(error)[:200]}). Nothing was lost; the page's log has the whole story.",
            "en",
        )
    return "".join(bad(sentence_of(e), "en") for e in known.as_list())


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
    """Say that an address or an earlier visit names something (a run, dataset or project) that is not here; the page shows another one, where
    there is one."""
    return bad(text("gone", kind=kind, id=id[:80]))


def bar(share: float) -> str:
    """Return a progress bar (HTML); `share` from 0 to 1."""
    now = f"{100 * share:.0f}"
    return f'<div class="ts-bar" role="progressbar" aria-valuenow="{now}" aria-valuemin="0" aria-valuemax="100"><span class="ts-fill" style="width:{now}%"></span></div>'


def table(head: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = "".join("<tr>" + "".join(f"<td>{escape(str('' if c is None else c))}</td>" for c in row) + "</tr>" for row in rows)
    return f'<table class="ts-table"><tr>{"".join(f"<th>{escape(h)}</th>" for h in head)}</tr>{lines}</table>'


def strip(device_name: str, free: int, total: int, live: list[runs.Run]) -> str:
    """Return what stands above every page: the device, its free memory, and the runs under way as links to them."""
    used = f"{100 * (total - free) / max(1, total):.0f}"
    memory = text("home-strip-free", free=units.size(free), total=units.size(total))
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
    how_far = [units.percent(p.step / p.steps) if p.steps else text(f"runs-state-{run.state}")]
    how_far += [time_left(p)] if p.steps and p.eta_seconds is not None else []
    return (
        f'<a class="ts-pill live" href="runs?run={escape(run.id)}" data-page="runs" title="{escape(run.name)}">'
        f'<span aria-hidden="true">\u25cf</span> <span class="ts-name" translate="no">{escape(run.name)}</span> '
        f"<span>{escape(', '.join(how_far))}</span></a>"
    )


def time_left(progress: runs.Progress) -> str:
    """Return '6–9 min left', 'up to 3 min left', or that it is still being estimated; "" without an estimate."""
    left = eta.remaining(progress)
    if left is None:
        return ""
    if left.high is None:
        return text("home-left-estimating")
    if left.low is None:
        return text("home-left-at-most", time=units.duration(left.high))
    return text("home-left", time=units.span(left.low, left.high))


def read_only(folder) -> str:
    """The sentence of a page on a workspace that can only be read; empty where it can be written."""
    return "" if paths.writable(folder) else bad(f"{folder} can't be written to. {paths.READ_ONLY_NOTICE}", "en")


def log(lines: str) -> str:
    return f'<div class="ts-log" tabindex="0">{escape(lines)}</div>' if lines else ""
