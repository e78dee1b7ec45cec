"""What is said of a dataset: its head, what made it, what was left out, how many warnings it has. Numbers are raw: the catalogue formats them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from tuner import paths
from tuner.data.store.dataset import Dataset
from tuner.formatting import human_bytes
from ui.components import html
from ui.text import text

QUIET = '<p class="ts-quiet">{}</p>'


def english(drawn: str) -> str:
    """Return what the engine says marked as English, for screen readers and translators of a page in another language."""
    return f'<div lang="en">{drawn}</div>' if drawn else ""


def quiet(sentence: str) -> str:
    return QUIET.format(html.escape(sentence)) if sentence else ""


def say(key: str, **params) -> str:
    """Return the text of a key, escaped."""
    return html.escape(text(key, **params))


def kind(ds: Dataset) -> str:
    return text(f"data-kind-{ds.kind}")


# ---- quality


def report(ds: Dataset) -> dict:
    """Return the document of the quality report, {} while there is none."""
    try:
        file = ds.path / "health.json"
        return _report(file, file.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=2048)
def _report(file: Path, _written: int) -> dict:
    return paths.read_json(file) or {}


def warnings(ds: Dataset) -> int:
    """Count what a person should decide before training: open questions, findings of that severity, and rows that were left out."""
    findings = [f for f in report(ds).get("findings", []) if f["severity"] == "decide"]
    return len(ds.questions) + len(findings) + bool(ds.problem_count)


def state(ds: Dataset) -> str:
    """Return the number of warnings as icon, word and colour; that they are being looked for while the report is made."""
    if n := warnings(ds):
        return html.state("warning", text("data-warnings", n=n))
    if not report(ds).get("complete"):
        return html.state("quiet", text("data-checking"))
    return html.state("good", text("data-no-warnings"))


# ---- the head


def summary(ds: Dataset) -> str:
    """Name, version, split and warnings in one line; below it the source and what is worth knowing before training."""
    name = html.escape(ds.name)
    split = {"training": ds.rows - ds.held_out, "validation": ds.held_out}
    said = text("data-split" if ds.held_out else "data-split-none", **split)
    dot = '<span class="ts-quiet">·</span>'
    version = f'<span class="ts-quiet">{say("data-version", n=ds.version)}</span>'
    title = f'<h2 translate="no" title="{name}">{name}</h2>'
    head = f'<div class="ts-head">{title} {version} {dot} <span>{html.escape(said)}</span> {dot} {state(ds)}</div>'
    named = lambda name: f'<span translate="no">{html.escape(name)}</span>'  # noqa: E731
    known = html.escape(text("data-rows", n=ds.rows)), html.escape(kind(ds))
    facts = " · ".join((named(ds.source_name), *known, named(ds.format.upper()), human_bytes(ds.bytes)))
    notes = [left_out(ds), *map(made_by, ds.made_by), "" if ds.held_out else text("data-no-validation")]
    return head + f'<p class="ts-quiet">{facts}</p>' + "".join(map(quiet, notes)) + questions(ds)


def questions(ds: Dataset) -> str:
    return english("".join(html.bad(q) for q in ds.questions))


def left_out(ds: Dataset) -> str:
    """Return how many rows were left out, and how many of these because they are empty: one sum, not two."""
    empty = min(ds.health.get("empty", 0), ds.problem_count)
    if not ds.problem_count:
        return ""
    if not empty:
        return text("data-left-out", n=ds.problem_count, of=ds.records)
    if empty == ds.problem_count:
        return text("data-left-out-empty", n=empty, of=ds.records)
    return text("data-left-out-some", n=ds.problem_count, of=ds.records, empty=empty)


COUNTS = ("changed", "dropped", "moved", "project")


def made_by(step: Mapping) -> str:
    """Return what made a version from another one."""
    counted = {name: step.get(name, 0) for name in COUNTS} | {"judgments": step.get("verdicts", 0)}
    return text(f"data-made-{step['key'].replace('_', '-')}", version=step["from"], **counted)


def problems(ds: Dataset) -> str:
    """Return the table of rows that were left out, each with its reason and what to do; "" when all can be used."""
    if not ds.problem_count:
        return ""
    more = ds.problem_count > len(ds.problems)
    first = quiet(text("data-problems-first", shown=len(ds.problems), total=ds.problem_count)) if more else ""
    head = [text("data-problem-row"), text("data-problem-what"), text("data-problem-remedy")]
    table = html.table(head, [(f"{p['row']:,}", p["message"], p["remedy"]) for p in ds.problems])
    return f"<h3>{say('data-problems')}</h3>{quiet(left_out(ds))}{first}{english(table)}"
