"""Rules that turn the statistics of the first pass into findings, with the texts that a person reads."""

import re
import unicodedata
from collections import defaultdict

import numpy as np

from tuner.data.quality.finding import GROUPS, LISTED, Finding, finding, many
from tuner.data.quality.grouping import disagreeing, groups_of, straddling
from tuner.data.quality.profile import Survey, bars

FEW, UNEVEN, LONG, LONG_FROM, SAME_ANSWER, SAME_OPENING, LEAN = 10, 20, 20, 4000, 20, 0.3, 1.5
FLAGS = {  # flag -> (one, many, why, remedies, severity)
    "hollow": (
        "1 row has no real answer: it is blank, a symbol or a placeholder",
        "{n} rows have no real answer: it is blank, a symbol or a placeholder",
        "The model will give empty answers.",
        ("drop",),
        "decide",
    ),
    "unlabelled": (
        "1 row has no label",
        "{n} rows have no label",
        "A classifier can't be trained on a row without a label.",
        ("drop",),
        "remark",
    ),
    "garbled": (
        "1 row has wrongly decoded characters (such as Ã© for é)",
        "{n} rows have wrongly decoded characters (such as Ã© for é)",
        "The model will write the same garbled text.",
        ("mend", "drop"),
        "remark",
    ),
    "lost_letters": (
        "1 row has characters that are lost (\ufffd)",
        "{n} rows have characters that are lost (\ufffd)",
        "The program that saved the file could not store these characters; only the original file has them.",
        ("drop",),
        "remark",
    ),
    "invisible": (
        "1 row has invisible characters",
        "{n} rows have invisible characters",
        "You can't see control characters, but the model is trained on them like on any other character.",
        ("clean", "drop"),
        "remark",
    ),
    "markup": (
        "1 row has leftover HTML (<br>, &nbsp;)",
        "{n} rows have leftover HTML (<br>, &nbsp;)",
        "The model will write it into its answers.",
        ("strip_html", "drop"),
        "remark",
    ),
    "turns": (
        "1 row has turns in an order that chat templates don't expect",
        "{n} rows have turns in an order that chat templates don't expect",
        "User and assistant turns must alternate, beginning with the user.",
        ("drop",),
        "decide",
    ),
    "refusals": (
        "1 answer refuses to help",
        "{n} answers refuse to help",
        "A few refusals are enough for a model to refuse harmless questions.",
        ("drop",),
        "remark",
    ),
    "machine_talk": (
        "In 1 answer another model describes itself (such as “As an AI language model”)",
        "In {n} answers another model describes itself (such as “As an AI language model”)",
        "Your model will say the same about itself, including its maker and dates.",
        ("drop",),
        "remark",
    ),
}


def checks(seen: Survey) -> list[Finding]:
    """Return all findings of the first pass, those that need a decision first."""
    row, validation = np.asarray(seen.row, np.int64), np.frombuffer(bytes(seen.held_out), bool)
    findings = [duplicates(seen, row), contradictions(seen, row), exact_leaks(seen, row, validation), same_answers(seen, row)]
    findings += [
        *flag_findings(seen),
        long_rows(seen, row),
        common_openings(seen),
        length_bias(seen, row),
        *label_findings(seen, validation, row),
    ]
    return sorted(filter(None, findings), key=lambda f: f.severity != "decide")


def grouped(groups: list, row: np.ndarray) -> dict:
    """Return arguments of `finding` for groups of positions: all rows, all but the first of each group, and example groups."""
    members = [int(row[x]) for g in groups for x in g]
    later = [int(row[x]) for g in groups for x in g[1:]]
    return {"members": members, "later": later, "details": {"groups": [[int(row[x]) for x in g[:LISTED]] for g in groups[:GROUPS]]}}


def duplicates(seen: Survey, row: np.ndarray) -> Finding | None:
    """Find rows that repeat an earlier row exactly."""
    groups = groups_of(seen.whole)
    n = sum(len(g) - 1 for g in groups)
    title = many(n, "1 row repeats an earlier row exactly", "{n} rows repeat an earlier row exactly")
    severity = "decide" if n > len(row) / 5 else "remark"
    why = "Repeated rows are memorized and count more than the rest."
    return finding("duplicates", title, why, **grouped(groups, row), remedies=["keep_first"], count=n, severity=severity) if n else None


def contradictions(seen: Survey, row: np.ndarray) -> Finding | None:
    """Find rows with the same question and different answers."""
    if seen.kind == "text":
        return None
    groups = disagreeing(seen.asked, seen.answered)
    n = sum(map(len, groups))
    what = "answer the same question differently"
    if seen.kind in ("classification", "tokens", "regression", "rated"):
        what = "have the same text as another row but a different label"
    if seen.kind == "preference":
        what = "prefer an answer that another row rejects"
    why = "The model can't follow both; it ends up in between, or with the more frequent one."
    severity = "remark" if seen.kind in ("chat", "seq2seq", "qa") else "decide"
    more = {"remedies": ["keep_first", "drop"], "severity": severity}
    return finding("contradictions", f"{{n}} rows {what}", why, **grouped(groups, row), **more) if n else None


def exact_leaks(seen: Survey, row: np.ndarray, validation: np.ndarray) -> Finding | None:
    """Find exact leaks: the same question in training and validation rows, whatever the answers."""
    if seen.kind not in ("chat", "seq2seq", "qa", "classification", "regression", "tokens"):
        return None
    groups = straddling(groups_of(seen.asked), validation)
    return leak("leaks", "exactly the same input as a training row", groups, row, validation) if groups else None


def leak(key: str, what: str, groups: list, row: np.ndarray, validation: np.ndarray) -> Finding:
    """Make the finding of validation rows whose group has training rows. It needs a decision above a twentieth of the validation rows."""
    leaked = [int(row[x]) for g in groups for x in g if validation[x]]
    details = {"groups": [[int(row[x]) for x in g[:LISTED]] for g in groups[:GROUPS]]}
    title = many(len(leaked), f"1 validation row has {what}", f"{{n}} validation rows have {what}")
    why = "The model is evaluated on what it was trained on, so its results look better than they are."
    severity = "decide" if len(leaked) > validation.sum() / 20 else "remark"
    return finding(key, title, why, leaked, ("move_to_train", "drop"), details=details, severity=severity)


def same_answers(seen: Survey, row: np.ndarray) -> Finding | None:
    """Find answers that are given to many different questions."""
    if seen.kind not in ("chat", "seq2seq"):
        return None
    asked, sizes, enough = np.asarray(seen.asked, np.uint64), np.asarray(seen.answer_sizes), max(5, len(row) / 200)
    groups = [g for g in groups_of(seen.answered) if sizes[g[0]] >= SAME_ANSWER and len(np.unique(asked[g])) >= enough]
    title = many(len(groups), "1 answer is given to many different questions", "{n} answers are each given to many different questions")
    why = "Right where these questions mean the same, as in customer support. Where they don't, the model learns to give this answer to anything."
    return (
        finding("same_answers", title, why, **grouped(groups, row), remedies=["keep_first", "drop"], count=len(groups)) if groups else None
    )


def flag_findings(seen: Survey) -> list[Finding]:
    """Return one finding for each flag that any row has. Answers of one letter count as a problem only while they are few."""
    out = []
    for key, (one, more, why, remedies, severity) in FLAGS.items():
        members = list(seen.flags.get(key, ()))
        if members and not (key == "hollow" and len(members) > len(seen.row) / 5 and len(members) > 5):
            out.append(finding(key, many(len(members), one, more), why, members, remedies, severity=severity))
    return out


def long_rows(seen: Survey, row: np.ndarray) -> Finding | None:
    """Find rows that are far longer than the median."""
    sizes = np.asarray(seen.lengths, np.int64)
    limit = int(max(LONG_FROM, LONG * np.median(sizes))) if len(sizes) else 0
    members = row[sizes > limit].tolist()
    if not members or len(members) > len(row) / 20 + 1:
        return None
    title = many(len(members), "1 row is far longer than the others", "{n} rows are far longer than the others")
    why = "The longest rows determine how much memory training needs, and most of their text is cut off."
    return finding("long_rows", title, why, members, details={"characters_over": limit, "longest": int(sizes.max())})


def common_openings(seen: Survey) -> Finding | None:
    """Find a first sentence with which many answers begin."""
    top = next(iter(seen.openings.most_common(1)), None)
    if not top or top[1] < max(10, SAME_OPENING * seen.opened):
        return None
    sentence, n = top
    title = f"{{n}} of {seen.opened:,} answers begin with “{sentence}”"
    why = "The model will begin nearly every answer like this: good if that is the style you want, wasteful if not."
    details = {"beginning": sentence, "most": [{"label": s, "count": k} for s, k in seen.openings.most_common(10)]}
    return finding("beginnings", title, why, [], ("trim",), count=n, details=details)


def length_bias(seen: Survey, row: np.ndarray) -> Finding | None:
    """Find out whether the better answer is mostly the longer or the shorter one."""
    if seen.kind != "preference" or len(row) < 20:
        return None
    better, worse = np.asarray(seen.answer_sizes, float), np.asarray(seen.worse_sizes, float)
    longer = better.mean() > worse.mean()
    big, small = (better, worse) if longer else (worse, better)
    share = float((big > small).mean())
    if big.mean() < LEAN * small.mean() or share < 0.7:
        return None
    word = "longer" if longer else "shorter"
    title = f"In {share:.0%} of the pairs the better answer is also the {word} one"
    why = f"The model may prefer {word} answers, whatever they say."
    members = row[big > 2 * small].tolist()
    details = {"better_characters": round(better.mean()), "worse_characters": round(worse.mean())}
    return finding("length_bias", title, why, members, ("drop",) if members else (), count=int((big > small).sum()), details=details)


def label_findings(seen: Survey, validation: np.ndarray, row: np.ndarray) -> list[Finding]:
    """Return the findings about the labels of a classification or rated dataset."""
    if seen.kind not in ("classification", "rated") or not seen.labels:
        return []
    details = {"labels": bars(seen.labels)}
    if len(seen.labels) > max(50, len(row) / 3):
        why = "A label is useful only when several rows have it; this column may hold text instead of labels."
        return [
            finding(
                "many_labels",
                "There are {n} different labels, nearly one for each row",
                why,
                [],
                (),
                count=len(seen.labels),
                details=details,
                severity="decide",
            )
        ]
    if len(seen.labels) == 1:
        why = "With a single label there is nothing to classify."
        return [finding("one_label", "All rows have the same label", why, [], (), count=len(row), details=details, severity="decide")]
    return [*filter(None, (spellings(seen), rare_labels(seen, details), uneven(seen, details)))]


def spelled(label: str) -> str:
    """Return a label without differences of case, spacing, dashes and Unicode form."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", label).casefold()).strip()


def spellings(seen: Survey) -> Finding | None:
    """Find labels that differ only in spelling."""
    alike = defaultdict(list)
    for label, _ in seen.labels.most_common():
        alike[spelled(label)].append(label)
    unify = {other: first for first, *others in alike.values() for other in others}
    members = _with_labels(seen, set(unify))
    title = many(len(unify), "1 label is another label with a different spelling", "{n} labels are other labels with a different spelling")
    why = "For the model they are different labels, each with fewer rows."
    more = {"remedies": ["unify"], "count": len(unify), "details": {"unify": unify}, "severity": "decide"}
    return finding("spellings", title, why, members, **more) if unify else None


def _with_labels(seen: Survey, wanted: set[str]) -> list[int]:
    ids = [seen.label_ids[label] for label in wanted]
    return np.unique(np.asarray(seen.labelled, np.int64)[np.isin(np.asarray(seen.label_of), ids)]).tolist()


def rare_labels(seen: Survey, details: dict) -> Finding | None:
    """Find labels with fewer than 10 rows while others have many."""
    rare = [label for label, n in seen.labels.items() if n < FEW]
    if not rare or max(seen.labels.values()) < 3 * FEW:
        return None
    title = many(len(rare), f"1 label has fewer than {FEW} rows", f"{{n}} labels have fewer than {FEW} rows")
    why = "The model will rarely predict a label that it has seen so rarely."
    return finding("rare_labels", title, why, _with_labels(seen, set(rare)), count=len(rare), details=details | {"rare": rare[:LISTED]})


def uneven(seen: Survey, details: dict) -> Finding | None:
    """Find out whether one label is far more frequent than another."""
    (most, n), (least, k) = seen.labels.most_common()[0], seen.labels.most_common()[-1]
    if n < UNEVEN * k:
        return None
    why = f"A model that always says “{most}” would already be right for {n / seen.labels.total():.0%} of the rows."
    title = f"The label “{most}” has {n // k} times as many rows as “{least}”"
    return finding("uneven_labels", title, why, [], (), count=n, details=details)
