"""Detect the kind of data and the role of each column from column names and content."""

from dataclasses import replace

from tuner.data.detection import chat, labels, other, people, preferences
from tuner.data.detection.labels import by_kind, with_options
from tuner.data.detection.recognition import Recognition, map_prompt
from tuner.data.schema.cells import RowProblem, unpack
from tuner.data.schema.column_aliases import INSTEAD, KINDS, ROLES, ROW_WEIGHTS, TOOLS
from tuner.data.schema.column_profile import Table, quoted
from tuner.data.schema.convert import convert

__all__ = ["Recognition", "kind_of", "missing", "recognise"]
GUESSES = (
    preferences.chosen_and_rejected,
    preferences.ranked_list,
    preferences.listed_pair,
    preferences.two_answers,
    chat.multiple_choice,
    preferences.twins,
    other.tags,
    other.spans,
    other.passages,
    preferences.single,
    people.named_speakers,
    chat.conversations,
    chat.single_turns,
    chat.columns_sure,
    other.pairs,
    labels.one_column_each,
    chat.written_out,
    labels.labelled,
    other.texts,
    chat.by_columns,
)


def missing(kind: str, mapping: dict) -> list[str]:
    """Return the roles that `mapping` still lacks for `kind`."""
    optional = {role for present, replaced in INSTEAD.items() if mapping.get(present) for role in replaced}
    if kind == "preference" and mapping:
        optional.add("prompt")  # chosen and rejected may contain it
    return [role for role in KINDS[kind][1] if not mapping.get(role) and role not in optional]


def kind_of(mapping: dict) -> str | None:
    """Return the kind that a mapping alone implies, or None."""
    order = ("preference", "rated", "qa", "tokens", "seq2seq", "classification", "chat", "text")
    return next(
        (
            kind
            for kind in order
            if set(mapping) - {"system", "weight", "history"}
            and not missing(kind, mapping)
            and set(mapping) <= {*KINDS[kind][1], *KINDS[kind][2]}
        ),
        None,
    )


def recognise(columns: list[str], records: list[dict], kind: str | None = None) -> Recognition:
    """Return the best guess for these records; with `kind`, the best mapping for that kind. There is always a result."""
    table = Table(columns, records)
    for guess in GUESSES:
        found = guess(table)
        if found and kind in (None, found.kind):
            return _validated(table, _with_extras(table, found))
    return _for_kind(table, kind) if kind else _fallback(table)


def _with_extras(table: Table, found: Recognition) -> Recognition:
    """Add the columns with row weights and with tool schemas, if there are any."""
    optional, extra = KINDS[found.kind][2], {}
    weight = table.named(*ROW_WEIGHTS)
    if weight and (numbers := table.numbers(weight)) and min(numbers) >= 0 and (table.bare[weight] != "weight" or max(numbers) <= 1):
        extra["weight"] = weight
    if tools := next((c for c in table.columns if table.bare[c] in TOOLS and any(map(_schemas, table.values(c)))), None):
        extra["tools"] = tools
    extra = {role: c for role, c in extra.items() if role in optional and role not in found.mapping}
    if not extra:
        return found
    added = "".join(
        f" {quoted(c)} holds {'the weight of each row' if role == 'weight' else 'the tools the model may call'}."
        for role, c in extra.items()
    )
    return replace(found, mapping=found.mapping | extra, reason=found.reason + added)


def _validated(table: Table, found: Recognition) -> Recognition:
    """Add a question if half of the first records can't become rows with this mapping, however clear the column names are."""
    problems = []
    for record in table.records[:50]:
        try:
            convert(record, found.kind, found.mapping)
        except RowProblem as problem:
            problems += [] if problem.empty else [problem]
    if not problems or len(problems) * 2 < len(table.records[:50]) or found.questions:
        return found
    total = len(table.records[:50])
    where = f"This affects {len(problems)} of the first {total} rows. Does each column have the right role?"
    ask = f"{problems[0].message} {problems[0].remedy} {where}"
    return replace(found, confidence=0.5, questions=[ask])


def _schemas(value) -> bool:
    value = unpack(value)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(unpack(v), dict) and {"name", "function"} & set(unpack(v)) for v in value)
    )


def _fallback(table: Table) -> Recognition:
    """Guess from the content alone and ask, because no column has a known name."""
    wordy = sorted((c for c in table.columns if table.wordy(c)), key=table.length, reverse=True) or table.columns
    if not wordy:
        return Recognition("unknown", "text", {}, "No column holds text.", 0.1, ["Which column holds the text?"])
    label = next((c for c in table.columns if c != wordy[0] and table.repeated(c)), None)
    if label:
        guess = by_kind(table, wordy[0], label, 0.5)
        return Recognition(
            guess.format, guess.kind, guess.mapping, guess.reason, 0.5, [f"Is {quoted(label)} the label of {quoted(wordy[0])}?"]
        )
    if len(wordy) > 1:
        prompt, answer = sorted(wordy[:2], key=table.columns.index)
        return Recognition(
            "pairs",
            "chat",
            {"prompt": prompt, "answer": answer},
            f"The longest texts are in {quoted(prompt)} and {quoted(answer)}.",
            0.45,
            [f"Does {quoted(prompt)} hold what the user says, and {quoted(answer)} what the model should answer?"],
        )
    return Recognition(
        "text",
        "text",
        {"text": wordy[0]},
        f"{quoted(wordy[0])} holds the longest texts.",
        0.4,
        [f"Is {quoted(wordy[0])} the text to train on?"],
    )


def _for_kind(table: Table, kind: str) -> Recognition:
    """Map the columns for a kind that the user chose: by name if possible, then by position."""
    mapping: dict = map_prompt(table, sure=False) if kind in ("chat", "rated", "preference") else {}
    used = [c for v in mapping.values() for c in ([v] if isinstance(v, str) else v)]
    for role in missing(kind, mapping):
        free = [c for c in table.columns if c not in used]
        guess = (
            table.find(role, tuple(used), sure=True)
            or table.find(role, tuple(used))
            or next((c for c in free if table.wordy(c)), None)
            or next(iter(free), None)
        )
        if guess:
            mapping[role] = guess
            used.append(guess)
    mapping, lacking = with_options(table, kind, mapping), missing(kind, mapping)
    questions = [f"Which column is the {role}? {ROLES[role]}" for role in lacking] or ["Does each column have the right role?"]
    return Recognition(
        "chosen", kind, mapping, f"You chose {KINDS[kind][0].lower()}; the columns are a guess.", 0.3 if lacking else 0.55, questions
    )
