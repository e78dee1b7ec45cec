"""Recognize texts with labels: one, several in a list or a cell, a yes/no column per label, or a number."""

from tuner.data.detection.recognition import Recognition
from tuner.data.schema.cells import BY_POSITION, COMMAS, SPLIT, unpack
from tuner.data.schema.column_aliases import PAIRS
from tuner.data.schema.column_profile import ASIDE, Table, all_yes_or_no, bare, names_of, quoted, raw
from tuner.data.schema.label_lists import LISTS, SPELLED, mark_of, spelled
from tuner.data.schema.multi_hot import names_beside, width
from tuner.data.schema.numbers import number_of

STRONG = (
    "label labels category categories class classlabel sentiment intent emotion target stars rating score priority department classindex "
    "labelname topic polarity tag"
).split()
ASIDE_LABELS = (
    "tags",
    "genres",
    "topics",
    "themes",
    "language",
    "type",
    "topic",
    "subject",
    "rating",
    "score",
    "genre",
    "tag",
    "category",
    "categories",
)
LONG = 1500
MEASURES = (
    "score rating stars price grade value points salary mark note bewertung punkte preis wert nota prix prezzo precio similarity relevance "
    "overall toxicity target y weight temperature length amount betrag quality helpfulness"
).split()


def labelled(table: Table) -> Recognition | None:
    """Recognize a text and its label in columns with such names."""
    label = next(
        (
            c
            for name in names_of("label")
            if (c := table.named(name)) and (table.length(c) <= 80 or width(table.values(c))) and _may_be(table, c)
        ),
        None,
    ) or _partly(table)
    text = label and judged(table, label)
    if not text or table.bare[label] == "target" and not table.repeated(label) and table.numbers(label) is None and not table.listed(label):
        return None
    loose = table.bare[label] in ASIDE_LABELS
    unlike = loose and len(table.values(label)) > 4 and not table.repeated(label) and not table.numbers(label) and not table.listed(label)
    if (unlike and not _mark(table, label)[0]) or loose and table.length(text if isinstance(text, str) else text[-1]) > LONG:
        return by_kind(
            table,
            text,
            label,
            0.55,
            f"Should the model be trained to predict {quoted(label)} from {quoted(text)}? If not, choose the kind text.",
        )
    return by_kind(table, text, label, 0.92)


def _may_be(table: Table, column: str) -> bool:
    """Return whether the column can be a label: one with a weak name must not have the same value in all rows."""
    return table.bare[column] not in ASIDE_LABELS or table.distinct(column) > 1 or len(table.values(column)) < 4


def _partly(table: Table) -> str | None:
    """Return a column with a label word in its name and few, short values: airline_sentiment, is_spam."""
    for c in table.columns:
        words = set(map(bare, c.replace("-", "_").replace(" ", "_").split("_")))
        if words & set(STRONG) and table.repeated(c) and table.distinct(c) > 1 and not words & {"id", "confidence", "count"}:
            return c
    return next(
        (
            c
            for c in table.columns
            if table.bare[c].startswith(("is", "has")) and "_" in c and all_yes_or_no(table.values(c)) and table.distinct(c) > 1
        ),
        None,
    )


def judged(table: Table, label: str) -> str | list[str] | None:
    """Return the text of a label: two columns that belong together, else a column with a text name, else the longest."""
    for first, second in PAIRS:
        pair = [table.named(first), table.named(second)]
        if all(pair) and label not in pair and pair[0] != pair[1] and all(map(table.wordy, pair)):
            return pair
    named = next((c for n in names_of("text") if (c := table.named(n)) and c != label and table.wordy(c)), None)
    named = named or table.find("prompt", (label,), sure=True)
    longest = max((c for c in table.columns if c != label and table.wordy(c)), key=table.length, default=None)
    return longest if not named or table.bare[named] in ("title", "headline") and table.length(longest) > 3 * table.length(named) else named


def by_kind(table: Table, text, label: str, confidence: float, ask: str | None = None) -> Recognition:
    """Return regression for measured numbers, classification for anything else."""
    if n := width(table.values(label)):
        return _by_position(table, text, label, n, confidence, ask)
    if (numbers := _numbers(table, label)) and _measured(table, label, numbers):
        return numbered(table, text, label, confidence, ask)
    mark, sure = _mark(table, label)
    reason = f"{quoted(text)} with {table.distinct(label)} labels in {quoted(label)}."
    mapping = {"text": text, "label": label}
    if mark:
        mapping["label"] = f"{{{label}}}{SPLIT}{spelled(mark)}"
        reason = f"{quoted(text)} with several labels in {quoted(label)}, separated by {_named(mark)}."
    ask = ask or (None if sure else _several_or_one(label, mark))
    return Recognition("labelled", "classification", mapping, reason, min(confidence, 0.5) if ask else confidence, [ask] if ask else [])


def _by_position(table: Table, text, label: str, n: int, confidence: float, ask: str | None) -> Recognition:
    names = names_beside(table.records, [c for c in table.columns if c != label and table.listed(c)], n)
    called = f"named in {quoted(names)}" if names else f"numbered from 1 to {n}"
    reason = f"{quoted(label)} holds {n} positions of 0 or 1 for each {quoted(text)}: {n} labels, {called}."
    mapping = {"text": text, "label": f"{{{label}}}{BY_POSITION}" + (f" of {{{names}}}" if names else "")}
    return Recognition("labelled", "classification", mapping, reason, confidence, [ask] if ask else [])


def _named(mark: str) -> str:
    """Return a separator as a sentence names it: a space, `;`."""
    return f"a {spelled(mark)}" if spelled(mark) in SPELLED else f"`{spelled(mark)}`"


def _several_or_one(label: str, mark: str | None) -> str:
    if mark:
        return f"Does {_named(mark)} separate several labels in {quoted(label)}? If not, choose the plain column {quoted(label)}."
    return f"Is each cell of {quoted(label)} one label? If it holds several, write `{{{label}}}{SPLIT}` and the separator (or `space`)."


def numbered(table: Table, text, label: str, confidence: float, ask: str | None = None) -> Recognition:
    """Return regression. The reason says how commas in the numbers are read; a question is added if both readings are possible."""
    commas, sure = table.commas(label)
    reason = f"{quoted(label)} holds a number for each {quoted(text)}" + (f"{COMMAS[commas]}." if commas else ".")
    if commas and not sure:
        ask = ask or f"Are the commas in {quoted(label)} thousands separators? If they are decimal, write `{{{label}}}{COMMAS['decimal']}`."
    elif commas == "decimal" and table.bare[label] not in MEASURES:
        ask = (
            ask
            or f"Are the cells of {quoted(label)} numbers with decimal commas? If they hold several labels, write `{{{label}}}{SPLIT},`."
        )
    mapping = {"text": text, "label": f"{{{label}}}{COMMAS[commas]}" if commas else label}
    return Recognition("labelled", "regression", mapping, reason, min(confidence, 0.5) if ask else confidence, [ask] if ask else [])


def with_options(table: Table, kind: str, mapping: dict) -> dict:
    """Return the mapping with the options that a plain label column makes certain: positions of 0 and 1, and commas in numbers."""
    label = mapping.get("label")
    if not isinstance(label, str) or label not in table.columns:
        return mapping
    if kind == "classification" and (n := width(table.values(label))):
        return mapping | {"label": _by_position(table, mapping.get("text"), label, n, 1.0, None).mapping["label"]}
    commas, sure = table.commas(label)
    return mapping | {"label": f"{{{label}}}{COMMAS[commas]}"} if kind == "regression" and commas and sure else mapping


def _numbers(table: Table, label: str) -> list[float] | None:
    """Return the cells as numbers; None also if a column whose name suggests several labels contains commas."""
    return None if table.bare[label] in LISTS and table.commas(label)[0] else table.numbers(label)


def _measured(table: Table, label: str, numbers: list[float]) -> bool:
    return (
        any(n != int(n) for n in numbers)
        or len(set(numbers)) > max(20, len(numbers) // 3)
        and table.bare[label] not in ("label", "labels", "class")
    )


def _mark(table: Table, label: str) -> tuple[str | None, bool]:
    """Return (the separator of several labels in a cell, or None; whether it is certain)."""
    if any(isinstance(unpack(v), (list, dict)) for v in table.values(label)) or _numbers(table, label):
        return None, True
    return mark_of([raw(v) for v in table.values(label)], table.bare[label])


def one_column_each(table: Table) -> Recognition | None:
    """Recognize a text and several columns with 0 and 1: each row may have several labels (Jigsaw, GoEmotions)."""
    flags = [c for c in table.columns if {raw(v).strip().lower() for v in table.values(c)} <= {"0", "1", "0.0", "1.0"} and table.values(c)]
    flags = flags or [
        c for c in table.columns if {raw(v).strip().lower() for v in table.values(c)} <= {"true", "false"} and table.values(c)
    ]
    if any(table.bare[c] in STRONG and not (c in flags and len(flags) > 2) for c in table.columns if table.values(c)):
        return None
    flags = [c for c in flags if table.bare[c] != "weight" and not ASIDE.search(c.replace("_", " "))]
    wordy = [c for c in table.columns if table.wordy(c)]
    text = next((c for n in names_of("text") if (c := table.named(n)) and table.wordy(c)), None) or (wordy[0] if len(wordy) == 1 else None)
    if len(flags) < 2 or not text or text in flags or not any(number_of(v) != 0 for c in flags for v in table.values(c)):
        return None
    reason = f"{quoted(text)} with a yes/no column for each of {len(flags)} labels; several may apply at once."
    return Recognition("labelled", "classification", {"text": text, "label": flags}, reason, 0.9 if len(flags) > 2 else 0.65)
