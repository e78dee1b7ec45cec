"""A scorecard as HTML: the conclusion, the metrics with their intervals, and the rows that changed most with their differences marked."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from tuner.scorecard import conclusions
from ui.components import html, units
from ui.text import text

LOOK = {True: "good", False: "bad"}  # of a real difference, by whether it is one for the better
SHARES = ("exact_match", "accuracy", "f1", "precision", "recall")
SHORT = 80  # characters of a question that are always shown
LONGEST = 1500  # characters of an answer that are shown


def drawn(card: dict[str, Any], *, agreed: Sequence[bool] = ()) -> str:
    """Draw a scorecard (`tuner.scorecard.evaluation`). `agreed`: for each pair that its AI judge and people judged whether they agree."""
    which = "evaluation-validation" if card["which"] == "validation" else "evaluation-all"
    facts = text(which, n=card["rows"], shown=f"{card['rows']:,}", available=f"{card['available']:,}", data=_name(card["data"]))
    out = card["left_out"]
    left = " " + text("evaluation-left-out", n=out, shown=f"{out:,}") if out else ""
    return f'<section class="ts-scorecard">{conclusion(card, agreed)}<p class="ts-quiet">{facts}{left}</p>{metrics(card)}{changed(card)}{forgotten(card)}</section>'


def conclusion(card: dict[str, Any], agreed: Sequence[bool] = ()) -> str:
    """Say what is really better and worse, and on how little that stands."""
    if not card["against"]:
        return ""
    against = _other(card)
    sides: dict[bool, list[str]] = {True: [], False: []}
    for name, d in card["difference"].items():
        if d["real"]:
            sides[d["better"]].append(_metric(name))
    said = [
        f"<p>{html.state(LOOK[better], text(f'evaluation-{word}'))} {text(f'evaluation-{word}-than', against=against, metrics=', '.join(sides[better]))}</p>"
        for better, word in ((True, "better"), (False, "worse"))
        if sides[better]
    ]
    if not said:
        said = [f"<p>{html.state('quiet', text('evaluation-same'))} {text('evaluation-same-as', against=against)}</p>"]
    if prompted := card.get("prompted"):
        better, enough = conclusions.does_better(prompted), conclusions.does_as_well(prompted)
        key = "better" if better else "enough" if enough else "worse"
        said.append(f"<p>{text(f'evaluation-prompt-{key}', n=prompted['examples'])}</p>")
    if judge := card.get("judge"):
        said.append(f"<p>{_judge(judge, against, agreed)}</p>")
    if general := card.get("general"):
        said.append(f"<p>{_general(general, against)}</p>")
    if card["rows"] < conclusions.FEW:
        said.append(f'<p class="ts-quiet">{text("evaluation-few", n=conclusions.FEW)}</p>')
    return "".join(said)


def _judge(found: dict[str, Any], against: str, agreed: Sequence[bool]) -> str:
    """Say what an AI judge finds, and how far it agrees with people."""
    if found.get("error"):
        return html.state("warning", text("evaluation-judge-gone")) + f' <span lang="en">{html.escape(found["error"])}</span>'
    if not found["rows"]:
        return text("evaluation-judge-silent", judge=_name(found["model"]), n=found["skipped"])
    numbers = {"n": found["rows"], "better": found["better"], "worse": found["worse"], "ties": found["ties"]}
    out = [text("evaluation-judge-finds", judge=_name(found["model"]), against=against, **numbers)]
    out += [] if found["real"] else [text("evaluation-judge-chance")]
    out += [text("evaluation-judge-agrees", n=sum(agreed), of=len(agreed))] if agreed else [text("evaluation-judge-unknown")]
    return " ".join(out)


def _general(found: dict[str, Any], against: str) -> str:
    """Say what the answers to general questions show."""
    worse = found["difference"]["real"] and found["right"] < found["baseline_right"]
    key = "chance" if found["by_chance"] else "forgotten" if worse else "kept"
    said = text(f"evaluation-general-{key}", n=found["questions"], right=found["right"], before=found["baseline_right"], against=against)
    return f"{html.state('bad', text('evaluation-forgot'))} {said}" if key == "forgotten" else said


def forgotten(card: dict[str, Any]) -> str:
    """Draw the general questions that the base model answers rightly and the run does not."""
    found = card.get("general")
    if not found or not found["forgotten"] or found["by_chance"]:
        return ""
    rows = "".join(
        f"<li><span>{html.escape(f['question'])}</span> <span class='ts-quiet'>{text('evaluation-instead', reference=html.escape(f['reference']), answer=html.escape(f['answer']))}</span></li>"
        for f in found["forgotten"]
    )
    title = text("evaluation-lost", n=found["lost"], gained=found["gained"])
    return f"<details class='ts-changed' id='forgotten'><summary>{title}</summary><ul lang='en'>{rows}</ul></details>"


def metrics(card: dict[str, Any]) -> str:
    """Draw the metrics; each with its 95 % interval."""
    head = [text("evaluation-metric"), _name(card["model"])]
    if card["against"]:
        head += [
            text("evaluation-base-head") if card["against"] == f"{card['model']}/base" else _name(card["against"]),
            text("evaluation-difference"),
        ]
    prompted = card.get("prompted")
    head += [text("evaluation-prompted", n=prompted["examples"])] if prompted else []
    rows = []
    for name, m in card["metrics"].items():
        row = [f"<b>{_metric(name)}</b>", _value(name, m)]
        if card["against"]:
            d = card["difference"][name]
            word = text("evaluation-no-difference") if not d["real"] else text("evaluation-better" if d["better"] else "evaluation-worse")
            row += [
                _value(name, card["baseline"][name]),
                f"{_value(name, d, signed=True)} {html.state(LOOK[d['better']] if d['real'] else 'quiet', word)}",
            ]
        row += [_value(name, prompted["metrics"][name])] if prompted else []
        rows.append(row)
    return _table(head, rows)


def benchmarks(document: dict[str, Any]) -> str:
    """Draw the results of public benchmarks (`tuner.scorecard.lm_eval_tasks`); small figures are standard errors."""
    run, *other = document["models"]
    heads = [_name(run), *(text("evaluation-base-head") if o == f"{run}/base" else _name(o) for o in other)]
    head = [text("benchmarks-task"), text("evaluation-metric"), *heads, text("evaluation-difference")]
    rows = []
    for row in document["results"]:
        better = (row["values"][0]["value"] > row["values"][-1]["value"]) == row["rises"]
        word = text(f"evaluation-{'better' if better else 'worse'}" if row["real"] else "evaluation-no-difference")
        shown = "" if row["real"] is None else html.state(LOOK[better] if row["real"] else "quiet", word)
        asked = text("benchmarks-questions", n=row["questions"] or 0)
        values = (
            units.decimal(v["value"], 3)
            + (f' <span class="ts-quiet ts-interval">\u00b1 {units.decimal(v["error"], 2)}</span>' if v["error"] is not None else "")
            for v in row["values"]
        )
        rows.append([f"<b>{_name(row['task'])}</b> <span class='ts-quiet'>{asked}</span>", _name(row["metric"]), *values, shown])
    made = f"lm-eval {document['lm_eval']}" if document.get("lm_eval") else "lm-eval"
    return f'<section id="benchmarks"><h3>{text("benchmarks-title")}</h3><p class="ts-quiet">{html.escape(made)}</p>{_table(head, rows)}</section>'


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table of HTML."""
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    top = "".join(f'<th scope="col">{h}</th>' for h in head)
    return f'<table class="ts-table"><thead><tr>{top}</tr></thead><tbody>{cells}</tbody></table>'


def changed(card: dict[str, Any]) -> str:
    """Draw the rows that changed most, each closed until somebody opens it."""
    if not card["changed"]:
        return ""
    rows = "".join(_row(card, c) for c in card["changed"])
    return f"<h3>{text('evaluation-changed')}</h3><p class='ts-quiet'>{text('evaluation-changed.info')}</p>{rows}"


def _row(card: dict[str, Any], c: dict[str, Any]) -> str:
    word = text("evaluation-better" if c["change"] > 0 else "evaluation-worse")
    question = " ".join(str(c["question"]).split())
    title = f"{html.state(LOOK[c['change'] > 0], word)} <span class='ts-short' dir='auto'>{html.escape(question[:SHORT])}</span>"
    reference = _said(c["reference"])
    sides = [
        (text("evaluation-reference"), html.escape(reference[:LONGEST])),
        (_name(card["model"]), marked(_said(c["answer"]), reference)),
        (_other(card), marked(_said(c["baseline"]), reference)),
    ]
    told = "".join(f'<div><b>{head}</b><p class="ts-plain" dir="auto">{said}</p></div>' for head, said in sides)
    asked = (
        f'<p class="ts-plain" dir="auto">{html.escape(str(c["question"])[:LONGEST])}</p>' if str(c["question"]) != question[:SHORT] else ""
    )
    where = text("evaluation-row", row=f"{c['row'] + 1:,}")
    return (
        f'<details class="ts-changed"><summary>{title}</summary>{asked}'
        f'<div class="ts-sides">{told}</div><p class="ts-quiet">{where}</p></details>'
    )


def marked(answer: str, reference: str) -> str:
    """Return an answer with what the reference does not have marked, word by word."""
    one, other = (re.findall(r"\s+|\w+|[^\w\s]", t[:LONGEST]) for t in (reference, answer))
    out = []
    for kind, _, _, begin, end in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        said = html.escape("".join(other[begin:end]))
        out.append(f"<mark>{said}</mark>" if kind in ("replace", "insert") and said.strip() else said)
    return "".join(out) or f"<i>{text('evaluation-nothing')}</i>"


def _said(answer: Any) -> str:
    if isinstance(answer, list):
        return " ".join(map(str, answer))
    return "" if answer is None else f"{answer:g}" if isinstance(answer, float) else str(answer)


def _value(name: str, m: dict[str, float], signed: bool = False) -> str:
    def shown(x: float) -> str:
        sign = "+" if signed and x > 0 else "\u2212" if x < 0 else ""
        return sign + (units.percent(abs(x), 1) if name in SHARES else units.decimal(abs(x), 3))

    low_to_high = text("evaluation-interval", low=shown(m["low"]), high=shown(m["high"]))
    return f'{shown(m["value"])} <span class="ts-quiet ts-interval">{low_to_high}</span>'


def _other(card: dict[str, Any]) -> str:
    """Return what a model is compared with; its own base by that word."""
    if card["against"] == f"{card['model']}/base":
        return text("evaluation-base-short")
    return _name(card["against"])


def _metric(name: str) -> str:
    return text(f"metric-{name.replace('_', '-')}")


def _name(name: str) -> str:
    return f'<span translate="no">{html.escape(name)}</span>'
