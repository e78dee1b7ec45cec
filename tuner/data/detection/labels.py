"""Shapes with labels: one, several in a list or a cell, a yes-or-no column for each, or a number."""

from tuner.data.detection.recognition import Recognition
from tuner.data.schema.cells import BY_POSITION, COMMAS, SPLIT, unpack
from tuner.data.schema.column_aliases import PAIRS
from tuner.data.schema.column_profile import ASIDE, Table, bare, names_of, quoted, raw, verdicts
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


def labelled(t: Table) -> Recognition | None:
    """A text and its label in columns that are named so."""
    label = next(
        (c for name in names_of("label") if (c := t.named(name)) and (t.length(c) <= 80 or width(t.values(c))) and _may_be(t, c)), None
    ) or _partly(t)
    text = label and judged(t, label)
    if not text or t.bare[label] == "target" and not t.repeated(label) and t.numbers(label) is None and not t.listed(label):
        return None
    loose = t.bare[label] in ASIDE_LABELS
    unlike = loose and len(t.values(label)) > 4 and not t.repeated(label) and not t.numbers(label) and not t.listed(label)
    if (unlike and not _mark(t, label)[0]) or loose and t.length(text if isinstance(text, str) else text[-1]) > LONG:
        return by_kind(t, text, label, 0.55, f"Is {quoted(label)} what is to be learnt of {quoted(text)}? If not, choose the kind text.")
    return by_kind(t, text, label, 0.92)


def _may_be(t: Table, column: str) -> bool:
    """Not one and the same in all rows when its name alone would not make it a label."""
    return t.bare[column] not in ASIDE_LABELS or t.distinct(column) > 1 or len(t.values(column)) < 4


def _partly(t: Table) -> str | None:
    """A column with such a word in its name and few, short values: airline_sentiment, is_spam."""
    for c in t.columns:
        words = set(map(bare, c.replace("-", "_").replace(" ", "_").split("_")))
        if words & set(STRONG) and t.repeated(c) and t.distinct(c) > 1 and not words & {"id", "confidence", "count"}:
            return c
    return next(
        (c for c in t.columns if t.bare[c].startswith(("is", "has")) and "_" in c and verdicts(t.values(c)) and t.distinct(c) > 1), None
    )


def judged(t: Table, label: str) -> str | list[str] | None:
    """The text a label belongs to: two columns that belong together, or the one that is named so, or the longest."""
    for a, b in PAIRS:
        pair = [t.named(a), t.named(b)]
        if all(pair) and label not in pair and pair[0] != pair[1] and all(map(t.wordy, pair)):
            return pair
    named = next((c for n in names_of("text") if (c := t.named(n)) and c != label and t.wordy(c)), None)
    named = named or t.find("prompt", (label,), sure=True)
    longest = max((c for c in t.columns if c != label and t.wordy(c)), key=t.length, default=None)
    return longest if not named or t.bare[named] in ("title", "headline") and t.length(longest) > 3 * t.length(named) else named


def by_kind(t: Table, text, label: str, confidence: float, ask: str | None = None) -> Recognition:
    """Regression for measured numbers, classification for anything else."""
    if n := width(t.values(label)):
        return _by_position(t, text, label, n, confidence, ask)
    if (numbers := _numbers(t, label)) and _measured(t, label, numbers):
        return numbered(t, text, label, confidence, ask)
    mark, sure = _mark(t, label)
    reason = f"{quoted(text)} with {t.distinct(label)} labels in {quoted(label)}."
    mapping = {"text": text, "label": label}
    if mark:
        mapping["label"] = f"{{{label}}}{SPLIT}{spelled(mark)}"
        reason = f"{quoted(text)} with several labels in {quoted(label)}, separated by {_named(mark)}."
    ask = ask or (None if sure else _several_or_one(label, mark))
    return Recognition("labelled", "classification", mapping, reason, min(confidence, 0.5) if ask else confidence, [ask] if ask else [])


def _by_position(t: Table, text, label: str, n: int, confidence: float, ask: str | None) -> Recognition:
    names = names_beside(t.records, [c for c in t.columns if c != label and t.listed(c)], n)
    called = f"named in {quoted(names)}" if names else f"numbered from 1 to {n}"
    reason = f"{quoted(label)} holds {n} positions of 0 and 1 for each {quoted(text)}: {n} labels, {called}."
    mapping = {"text": text, "label": f"{{{label}}}{BY_POSITION}" + (f" of {{{names}}}" if names else "")}
    return Recognition("labelled", "classification", mapping, reason, confidence, [ask] if ask else [])


def _named(mark: str) -> str:
    """A sign as a sentence names it: a space, `;`."""
    return f"a {spelled(mark)}" if spelled(mark) in SPELLED else f"`{spelled(mark)}`"


def _several_or_one(label: str, mark: str | None) -> str:
    if mark:
        return (
            f"Does {_named(mark)} separate several labels in {quoted(label)}? If it is one label, choose the plain column {quoted(label)}."
        )
    return f"Is each cell of {quoted(label)} one label? If it holds several, write `{{{label}}}{SPLIT}` and the sign between them (or `space`)."


def numbered(t: Table, text, label: str, confidence: float, ask: str | None = None) -> Recognition:
    """Regression; what a comma is in the numbers is said, and asked where it could be either."""
    commas, sure = t.commas(label)
    reason = f"{quoted(label)} holds a number for each {quoted(text)}" + (f"{COMMAS[commas]}." if commas else ".")
    if commas and not sure:
        ask = (
            ask
            or f"Do the commas in {quoted(label)} stand between thousands? If decimals follow them, write `{{{label}}}{COMMAS['decimal']}`."
        )
    elif commas == "decimal" and t.bare[label] not in MEASURES:
        ask = (
            ask or f"Are the cells of {quoted(label)} numbers with decimal commas? If they are several labels, write `{{{label}}}{SPLIT},`."
        )
    mapping = {"text": text, "label": f"{{{label}}}{COMMAS[commas]}" if commas else label}
    return Recognition("labelled", "regression", mapping, reason, min(confidence, 0.5) if ask else confidence, [ask] if ask else [])


def with_options(t: Table, kind: str, mapping: dict) -> dict:
    """The mapping with what a plain label column leaves no doubt about: positions of 0 and 1, and what a comma is in its numbers."""
    label = mapping.get("label")
    if not isinstance(label, str) or label not in t.columns:
        return mapping
    if kind == "classification" and (n := width(t.values(label))):
        return mapping | {"label": _by_position(t, mapping.get("text"), label, n, 1.0, None).mapping["label"]}
    commas, sure = t.commas(label)
    return mapping | {"label": f"{{{label}}}{COMMAS[commas]}"} if kind == "regression" and commas and sure else mapping


def _numbers(t: Table, label: str) -> list[float] | None:
    """The cells as numbers; None as well where commas stand in a column whose name speaks for several labels."""
    return None if t.bare[label] in LISTS and t.commas(label)[0] else t.numbers(label)


def _measured(t: Table, label: str, numbers: list[float]) -> bool:
    return (
        any(n != int(n) for n in numbers)
        or len(set(numbers)) > max(20, len(numbers) // 3)
        and t.bare[label] not in ("label", "labels", "class")
    )


def _mark(t: Table, label: str) -> tuple[str | None, bool]:
    """(what parts several labels in a cell, or None; whether that is certain)."""
    if any(isinstance(unpack(v), (list, dict)) for v in t.values(label)) or _numbers(t, label):
        return None, True
    return mark_of([raw(v) for v in t.values(label)], t.bare[label])


def one_column_each(t: Table) -> Recognition | None:
    """A text and several columns with 0 and 1: each row may have several labels (Jigsaw, GoEmotions)."""
    said = [c for c in t.columns if {raw(v).strip().lower() for v in t.values(c)} <= {"0", "1", "0.0", "1.0"} and t.values(c)]
    said = said or [c for c in t.columns if {raw(v).strip().lower() for v in t.values(c)} <= {"true", "false"} and t.values(c)]
    if any(t.bare[c] in STRONG and not (c in said and len(said) > 2) for c in t.columns if t.values(c)):
        return None
    said = [c for c in said if t.bare[c] != "weight" and not ASIDE.search(c.replace("_", " "))]
    wordy = [c for c in t.columns if t.wordy(c)]
    text = next((c for n in names_of("text") if (c := t.named(n)) and t.wordy(c)), None) or (wordy[0] if len(wordy) == 1 else None)
    if len(said) < 2 or not text or text in said or not any(number_of(v) != 0 for c in said for v in t.values(c)):
        return None
    reason = f"{quoted(text)} with a yes-or-no column for each of {len(said)} labels: several may hold at once."
    return Recognition("labelled", "classification", {"text": text, "label": said}, reason, 0.9 if len(said) > 2 else 0.65)
