"""What a comparison means, as one word and in sentences that say what was measured."""

from typing import Any

from tuner.evaluation import significance
from tuner.scorecard import forgetting, judged

NAMES = {
    "chrf": "chrF (likeness to the reference answers)",
    "rouge_l": "ROUGE-L (words shared with the reference answers)",
    "exact_match": "the share of answers equal to the reference",
    "loss": "the loss on the reference answers",
    "perplexity": "perplexity",
    "accuracy": "accuracy",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "mae": "the mean absolute error",
    "pearson": "the correlation",
    "margin": "the margin between the better and the worse answer",
}
FEW = 30  # rows below which an interval is too wide to decide much


def of(difference: dict[str, dict[str, Any]]) -> str:
    """Return "better" when a metric is really better and none worse, "worse" for the opposite, else "same"."""
    better = any(d["real"] and d["better"] for d in difference.values())
    worse = any(d["real"] and not d["better"] for d in difference.values())
    return "same" if better == worse else "better" if better else "worse"


def says(document: dict[str, Any]) -> list[str]:
    """Return the conclusion in sentences."""
    difference, against = document["difference"], document["against"]
    better = [NAMES[n] for n, d in difference.items() if d["real"] and d["better"]]
    worse = [NAMES[n] for n, d in difference.items() if d["real"] and not d["better"]]
    rows = "1 row" if document["rows"] == 1 else f"{document['rows']:,} rows"
    out = []
    if better:
        out.append(f"Better than {against} on {rows}: {_listed(better)}.")
    if worse:
        out.append(f"Worse than {against} on {rows}: {_listed(worse)}.")
    if not better and not worse:
        out.append(f"No difference to {against} that {rows} could show.")
    if better and worse:
        out.append("So it depends on what counts for you: look at the rows that changed most.")
    if document.get("prompted"):
        out.append(prompt_alone(document["prompted"]))
    if document.get("judge"):
        out.append(judged.says(document["judge"], against))
    if document.get("general"):
        out.append(forgetting.says(document["general"], against))
    if document["rows"] < significance.FEWEST:
        out.append(f"Fewer than {significance.FEWEST} rows can show no difference. Evaluate on {FEW} or more.")
    elif document["rows"] < FEW:
        out.append(f"These are few rows: only large differences can be seen. Evaluate on {FEW} or more.")
    return out


def does_as_well(prompted: dict[str, Any]) -> bool:
    """Return whether the base model with examples in its prompt is not really worse in any metric."""
    return not any(d["real"] and d["better"] for d in prompted["difference"].values())


def does_better(prompted: dict[str, Any]) -> bool:
    """Return whether the base model with examples in its prompt is really better in a metric, and worse in none."""
    return does_as_well(prompted) and any(d["real"] for d in prompted["difference"].values())


def prompt_alone(prompted: dict[str, Any]) -> str:
    """Return what a prompt with examples does without any training."""
    examples = f"{prompted['examples']} examples in its prompt"
    if does_better(prompted):
        return f"The base model with {examples} does better: this training was not needed."
    if does_as_well(prompted):
        return f"The base model with {examples} does as well: the training may not have been needed."
    better = [NAMES[n] for n, d in prompted["difference"].items() if d["real"] and d["better"]]
    return f"Better than the base model with {examples}, too: {_listed(better)}."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def table(document: dict[str, Any]) -> str:
    """Return the scorecard as text for a terminal."""
    prompted = document.get("prompted")
    head = ["", document["model"]] + ([document["against"], "difference"] if document["against"] else [])
    head += [f"base with {prompted['examples']} examples"] if prompted else []
    lines = [head]
    for name, m in document["metrics"].items():
        line = [name, _number(m)]
        if document["against"]:
            d = document["difference"][name]
            word = ("better" if d["better"] else "worse") if d["real"] else "no difference"
            line += [_number(document["baseline"][name]), f"{_number(d, signed=True)}  {word}"]
        line += [_number(prompted["metrics"][name])] if prompted else []
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    which = "validation rows" if document["which"] == "validation" else "rows (this dataset has no validation rows)"
    told = f"{document['rows']:,} of {document['available']:,} {which} of {document['data']}"
    why = ", ".join(document["reasons"])
    left = f"; {document['left_out']:,} could not be evaluated ({why})" if document["left_out"] else ""
    return "\n".join([f"{told}{left}. In brackets: 95 % intervals.", "", shown, "", *document["says"]]).rstrip()


def _number(m: dict[str, float], signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{m['value']:{sign}.4g} [{m['low']:{sign}.4g}, {m['high']:{sign}.4g}]"
