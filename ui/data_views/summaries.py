"""What is said of a dataset: its summary, what made it, and what is wrong with which row."""

from tuner import paths
from tuner.data.schema import column_aliases
from ui.components import html

DONE = {
    "drop": "{dropped} rows left out",
    "keep_first": "{dropped} repeats left out",
    "move_to_train": "{moved} rows moved to the training rows",
    "mask": "{changed} rows masked",
    "mend": "{changed} rows put right",
    "clean": "{changed} rows cleaned",
    "strip_html": "{changed} rows freed of markup",
    "trim": "{changed} beginnings cut off",
    "unify": "{changed} labels spelled alike",
    "labels": "the {verdicts} judgements of {project}, read anew",
    "edit": "{changed} rows corrected and {dropped} left out by hand",
}


def summary(ds) -> str:
    remarks = []
    if ds.health.get("empty"):
        remarks.append(f"{ds.health['empty']:,} empty rows")
    if ds.problem_count:
        remarks.append(f"{ds.problem_count:,} rows left out (see what is wrong with which)")
    asks = "".join(html.bad(q) for q in ds.questions)
    head = html.escape(f"{ds.source_name} · {ds.rows:,} rows · read as: {column_aliases.KINDS[ds.kind][0]} ({ds.format.upper()})")
    split = (
        f"{ds.rows - ds.held_out:,} rows to learn from, {ds.held_out:,} held out to test with."
        if ds.held_out
        else "No rows are held out: nothing will tell whether the model learnt or only knows the rows by heart."
    )
    notes = "".join(f"<li>{html.code(n)}</li>" for n in [*ds.notes, *map(made_by, ds.made_by)])
    left = f"<br>{html.escape('; '.join(remarks).capitalize())}." if remarks else ""
    return f'<div class="ts-card"><b>{head}</b><br>{html.code(ds.reason)}<br>{verdict(ds)} {split}{left}<ul>{notes}</ul></div>{asks}'


def verdict(ds) -> str:
    """The report's score when there is one; a question that is open comes first."""
    if ds.questions:
        return "▲ Needs a decision: see below."
    report = paths.read_json(ds.path / "health.json") or {}
    if not report.get("complete"):
        return "● Read; its health is being looked at."
    mark, where = ("▲", " (see Health)") if report["score"].startswith("Needs") else ("●", " (see Health)" if report["findings"] else "")
    return f"{mark} {html.escape(report['score'])}{where}."


def made_by(step: dict) -> str:
    return f"Made from version {step['from']}: {DONE[step['key']].format(**step)}."


def problems(ds) -> str:
    if not ds.problem_count:
        return html.good("Every row can be used.")
    more = f"<p>The first {len(ds.problems)} of {ds.problem_count:,}:</p>" if ds.problem_count > len(ds.problems) else ""
    return more + html.table(["Row", "What is wrong", "What to do"], [(p["row"], p["message"], p["remedy"]) for p in ds.problems])
