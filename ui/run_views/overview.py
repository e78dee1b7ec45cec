"""The overview of a run: its state, how far it is, what was measured before and after, warnings."""

from html import escape
from typing import Any

from tuner import runs
from tuner.planning.memory import calibration
from tuner.runs import run_warnings
from tuner.settings import objectives
from ui.components import html, run_state, units
from ui.text import term, text


def card(run: runs.Run) -> str:
    """Return all that is said of a run (HTML)."""
    return head(run) + body(run)


def head(run: runs.Run) -> str:
    """Return the name of a run, its state, and how far it is (HTML)."""
    p = run.progress
    name = f'<h2 class="ts-name" translate="no" title="{escape(run.name)}">{escape(run.name)}</h2>'
    bar = html.bar(p.step / p.steps if p.steps else 0.0) if run.live else ""
    lines = "".join(f'<p class="ts-quiet">{line}</p>' for line in position(run))
    return f'<div class="ts-run-head">{name}{run_state.badge(run.state, run.troubled)}</div>{reason(run)}{bar}{lines}'


def body(run: runs.Run) -> str:
    """Return what was measured, and the warnings (HTML)."""
    lines = "".join(f"<p>{line}</p>" for line in (*verdict(run), *judged(run), *evaluated(run), *used(run)))
    measured = f'<div class="ts-card">{lines}</div>' if lines else ""
    if not measured and run.live:
        some = run.plan.get("data", {}).get("held_out") != 0
        measured = f'<p class="ts-quiet">{escape(text("runs-not-measured" if some else "runs-no-validation"))}</p>'
    severe, others = (warnings(run, severe=severe) for severe in (True, False))
    return severe + measured + others


def reason(run: runs.Run) -> str:
    """Return why a run is in its state, where the state alone does not say it (HTML)."""
    said = run.status.reason or ""
    for warning in run.warnings:
        said = said.replace(warning["message"], "").strip()  # it stands below, with what to do
    if said:
        return f'<p lang="en">{escape(said)}</p>'
    if run.status.reason:
        return ""
    return "" if run.state in ("finished", "running") else f"<p>{escape(term('state', run.state, 'info'))}</p>"


def position(run: runs.Run) -> list[str]:
    """Return how far a run is: step, epoch, the time it took and the time that is left."""
    p, parts = run.progress, []
    if p.steps:
        names = {"step": units.count(p.step), "steps": units.count(p.steps), "share": units.percent(p.step / p.steps)}
        parts.append(text("runs-step", **names, epoch=units.decimal(p.epoch, 3)))
    if p.elapsed_seconds:
        parts.append(text("runs-elapsed" if run.live else "runs-took", time=units.duration(p.elapsed_seconds)))
    if run.live and (left := html.time_left(p)):
        parts.append(left)
    awake = [escape(text("runs-kept-awake"))] if run.state == "running" and run.status.document.get("awake") else []
    return ([escape(" · ".join(parts))] if parts else []) + awake


def verdict(run: runs.Run) -> list[str]:
    """Return the validation loss before and at its best, and what that says and doesn't."""
    before, after = run.status.baseline.get("eval_loss"), run.best
    if before is None or after is None:
        return []
    change = (before - after) / max(abs(before), 1e-9)
    key = "runs-loss-lower" if change > 0.005 else "runs-loss-higher" if change < -0.005 else "runs-loss-same"
    said = text(key, before=units.decimal(before), after=units.decimal(after), share=units.percent(abs(change)))
    if not run.live and (last := _last(run)) is not None and last > after * 1.02 + 1e-3:
        said += " " + text("runs-loss-rose", last=units.decimal(last))
    return [f"{escape(said)} <span class='ts-quiet'>{escape(text('runs-loss-means'))}</span>"]


def _last(run: runs.Run) -> float | None:
    """Return the validation loss of the last evaluation."""
    return next((value for _, _, value in reversed(runs.metrics(run, keys=("eval_loss",))) if value is not None), None)


def judged(run: runs.Run) -> list[str]:
    """Return the objective's own metrics on the validation rows, before and at the best checkpoint."""
    before, best = run.status.baseline, run.status.best
    out = []
    for name in objectives.get(run.plan["settings"]["objective"]).metrics[:2]:
        if best.get(name) is None:
            continue
        shown = {"name": name.replace("_", " "), "after": units.decimal(best[name], 3)}
        known = before.get(name) is not None
        out.append(text("runs-metric-before", before=units.decimal(before[name], 3), **shown) if known else text("runs-metric", **shown))
    return [escape(" · ".join(out))] if out else []


def evaluated(run: runs.Run) -> list[str]:
    """Return what the newest scorecard says; the tab Evaluation shows all of it."""
    found = run.status.scorecard
    if found.get("verdict") not in ("better", "same", "worse"):
        return []
    against = str(found.get("against") or "")
    against = text("evaluation-base-short") if against.endswith("/base") else against
    said = text(f"runs-evaluated-{found['verdict']}", against=against, rows=units.count(found.get("rows") or 0))
    more = " " + text("runs-evaluated-prompt") if found.get("prompt_enough") else ""
    return [escape(said + more)]


def used(run: runs.Run) -> list[str]:
    """Return the peak memory beside the estimate, and what a dry run changed before the start."""
    changed, out = run.status.dry_run.get("changed"), []
    if changed:
        out.append(f'<span lang="en">{escape(changed)}</span>')
    if not run.live and run.status.measured and run.plan.get("uncorrected_bytes"):  # else the estimate was of other settings
        if peak := calibration.measured_peak(run.status.measured, run.plan["breakdown"]):
            out.append(escape(text("runs-memory", peak=units.size(peak), estimate=units.size(run.plan["peak_bytes"]))))
    return out


DRAWN = {"error": "bad", "warning": "warning", "info": "quiet"}  # severity of a warning -> kind of state


def warnings(run: runs.Run, *, severe: bool) -> str:
    """Return the warnings of a run that mean that it is ruined or will be, or the others (HTML)."""
    return "".join(_warning(w) for w in run.warnings if (w["severity"] == "error") is severe)


def _warning(warning: dict[str, Any]) -> str:
    kind = DRAWN[warning["severity"]] if warning["severity"] in DRAWN else "warning"
    step = f" · {text('runs-warning-step', step=units.count(warning['step']))}" if warning["step"] else ""
    head = html.state(kind, text(f"runs-note-{kind}") + step)
    return f'<div class="ts-note {kind}" role="status">{head}<p lang="en">{escape(run_warnings.sentence(warning))}</p></div>'
