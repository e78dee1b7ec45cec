"""Shapes with answers that are compared or rated."""

import re

from tuner.data.detection.recognition import Recognition, answered, asked
from tuner.data.schema.cells import BEST_FIRST, BEST_LAST, FROM_ONE, RowProblem, cell, unpack
from tuner.data.schema.column_aliases import ANSWER_LISTS, ANSWER_STEMS, WINNERS
from tuner.data.schema.column_profile import Table, bare, is_turns, most, names_of, quoted, raw, verdicts
from tuner.data.schema.preferences import SCORES, TEXTS, ending, ranked

TWO_ANSWERS = "output outputs response responses completion completions generations candidates replies".split()
PARALLEL = ("scores", "score", "ratings", "rating", "ranks", "rank", "ranking", "rankings", "rewards", "labels")


def chosen_and_rejected(t: Table) -> Recognition | None:
    """Two columns that say in their names which answer is better."""
    chosen, rejected = t.find("chosen", sure=True) or t.find("chosen"), t.find("rejected", sure=True) or t.find("rejected")
    if not chosen or not rejected or chosen == rejected or t.repeated(chosen) and len(t.records) > 4:
        return None
    whole = most(lambda v: is_turns(v) and isinstance(unpack(v), list) and len(unpack(v)) > 1, t.values(chosen)[:50])
    mapping = asked(t, (chosen, rejected), sure=False, talks=not whole)
    shape = "a conversation" if "messages" in mapping else "a prompt" if mapping else "the prompt inside both"
    return Recognition(
        "preference",
        "preference",
        mapping | {"chosen": chosen, "rejected": rejected},
        f"{quoted(chosen)} and {quoted(rejected)} with {shape}: pairs of a better and a worse answer.",
        0.95,
    )


def ranked_list(t: Table) -> Recognition | None:
    """A list of answers, each with a score in its object or in a list beside it."""
    column = next((c for name in ANSWER_LISTS for c in t.columns if t.bare[c] == name and t.listed(c)), None)
    rating = column and next((c for name in PARALLEL for c in t.columns if t.bare[c] == name and c != column and t.listed(c)), None)
    if not column or not most(lambda r: _scored(r, column, rating), t.records):
        return None
    if (mapping := _before(t, tuple(c for c in (column, rating) if c), [])) is None:
        return None
    beside = {"rating": rating} if rating else {}
    scored = f"scores in {quoted(rating)}" if rating else "a score each"
    return Recognition(
        "ranked",
        "preference",
        mapping | {"answers": column} | beside,
        f"{quoted(column)} holds several answers with {scored}: the best and the worst make a pair.",
        0.9,
    )


def two_answers(t: Table) -> Recognition | None:
    """A list of two answers as the output (LLaMA-Factory's first form of preferences): the first is the better one."""
    column = next((c for name in TWO_ANSWERS for c in t.columns if t.bare[c] == name and most(_is_two, t.values(c))), None)
    mapping = column and asked(t, (column,), sure=False)
    if not mapping or not all(mapping.values()):
        return None
    ask = f"Is the first of the two answers in {quoted(column)} the better one? If it is the last, write `{{{column}}}{BEST_LAST}`."
    reason = f"{quoted(column)} holds two answers to one prompt: the first is taken as the better one."
    return Recognition("compared", "preference", mapping | {"answers": f"{{{column}}}{BEST_FIRST}"}, reason, 0.5, [ask])


def _is_two(value) -> bool:
    """Two different answers, as texts or as messages of the assistant."""
    two = unpack(value)
    if not isinstance(two, list) or len(two) != 2 or two[0] == two[1]:
        return False
    return all(isinstance(x, str) and x.strip() for x in two) or all(isinstance(x, dict) and _answers(x) for x in two)


def _answers(turn: dict) -> bool:
    return str(turn.get("role", turn.get("from", ""))).lower() in ("assistant", "gpt", "model")


def _scored(record: dict, column: str, rating: str | None) -> bool:
    content = unpack(cell(record, column))
    objects = content if isinstance(content, list) else [content]
    named = rating or any(
        isinstance(o, dict) and set(o) & {*SCORES, "scores", "annotations"} and set(o) & {*TEXTS, "texts"} for o in objects
    )
    try:
        answers, scores = ranked(record, column, rating)
    except RowProblem:
        return False
    return bool(named) and len(answers) == len(scores) > 0 and None not in scores


def twins(t: Table) -> Recognition | None:
    """Two columns with answers that differ by a letter or number in their names, and what says which is better."""
    if not (pair := _twins(t)) or (mapping := _before(t, tuple(pair), pair)) is None:
        return None
    if scores := _scores_of(t, pair):
        return _pair(t, mapping | {"answers": pair, "rating": scores}, f"{quoted(scores)} are their scores", 0.9)
    winner = next((c for name in WINNERS for c in t.columns if t.bare[c] == name and c not in pair and t.values(c)), None)
    if not winner:
        return None
    if re.search(r"labels?$", t.bare[winner]) and all("humanref" in t.bare[c] for c in pair):  # SHP: 1 stands for the first
        return _pair(t, mapping | {"answers": pair[::-1], "label": winner}, f"{quoted(winner)} is 1 where the first is preferred: SHP", 0.9)
    return _judged(t, pair, winner, mapping)


def _pair(t: Table, mapping: dict, why: str, confidence: float, questions: tuple = ()) -> Recognition:
    reason = f"{quoted(mapping['answers'])} are answers to one prompt; {why}."
    return Recognition("compared", "preference", mapping, reason, confidence, list(questions))


def _judged(t: Table, pair: list[str], winner: str, mapping: dict) -> Recognition | None:
    """The winner by name (a, model_b), by number, or by a number below or above 0."""
    whole = {"answers": pair, "label": winner}
    numbers = t.numbers(winner)
    if numbers is None:
        known = most(lambda v: ending(raw(v).lower()) in [ending(c) for c in pair], t.values(winner))
        known = known or {raw(v).strip().lower() for v in t.values(winner)} <= {"a", "b", "tie", "first", "second", "left", "right"}
        return _pair(t, mapping | whole, f"{quoted(winner)} names the better one", 0.95) if known else None
    if min(numbers) < 0:
        mapping |= {"answers": pair, "rating": winner}
        return _pair(t, mapping, f"{quoted(winner)} is below 0 where the first is better", 0.9 if len(set(numbers)) > 2 else 0.7)
    ends = [ending(c) for c in pair]
    if ends == ["1", "2"] and set(numbers) <= {1, 2} and (2 in numbers or len(numbers) > 9):
        return _pair(t, mapping | whole, f"{quoted(winner)} is the number of the better one", 0.95)
    if ends == ["0", "1"] and set(numbers) <= {0, 1}:
        return _pair(t, mapping | whole, f"{quoted(winner)} is the number of the better one", 0.95)
    one = max(numbers) == 2 and min(numbers) == 1
    whole["label"] = f"{{{winner}}}{FROM_ONE}" if one else winner
    ask = (
        f"Does {1 if one else 0} in {quoted(winner)} mean that {quoted(pair[0])} is the better answer? If not, swap the two under answers."
    )
    return _pair(t, mapping | whole, f"{quoted(winner)} says by a number which is better", 0.5, (ask,))


def _twins(t: Table) -> list[str] | None:
    for stem in ANSWER_STEMS:
        alike = [c for c in t.columns if ending(c) and bare(c[:-1]) == stem and t.values(c)]
        if len(alike) == 2:
            return alike
    return None


def listed_pair(t: Table) -> Recognition | None:
    """A list of two answers and the place of the better one, counted from 0 (summarize_from_feedback)."""
    winner = t.named("choice", "preference", "preferred", "winner", "betterindex", "label")
    column = next((c for c in t.columns if t.bare[c] in ("summaries", *ANSWER_LISTS) and t.listed(c)), None)
    if not winner or not column or not all(isinstance(two, list) and len(two) == 2 for two in map(unpack, t.values(column))):
        return None
    mapping, numbers = _before(t, (winner, column), []), t.numbers(winner)
    if mapping is None or numbers is None or not set(numbers) <= {0, 1}:
        return None
    return _pair(t, mapping | {"answers": column, "label": winner}, f"{quoted(winner)} is the place of the better one", 0.85)


def _scores_of(t: Table, pair: list[str]) -> list[str] | None:
    """A column with numbers for each of the two, such as score_A and score_B."""
    ends = [ending(c) for c in pair]
    for stem in ("score", "rating", "reward", "winnermodel", "upvotes", "winner"):
        found = [next((c for c in t.columns if bare(c[:-1]) == stem and ending(c) == end and t.numbers(c)), None) for end in ends]
        if all(found) and len(found) == 2:
            return found
    return None


def _before(t: Table, taken: tuple, pair: list[str]) -> dict | None:
    """What both answers reply to; nothing needed when they are whole conversations, None when it isn't there."""
    if pair and all(t.turned(c) for c in pair):
        return {"system": system} if (system := t.find("system", sure=True)) else {}
    for c in (c for c in t.columns if c not in taken and t.values(c)):
        first = t.values(c)[0]
        if isinstance(first, dict) and (key := next((k for k in ("full_text", "post") if isinstance(first.get(k), str)), None)):
            return {"prompt": f"{c}.{key}"}
    if found := asked(t, taken, sure=False):
        return found
    history = t.find("history", taken, sure=True)
    weak = history if history and t.wordy(history) else t.named("post", "text", "title", "context", "document", "article", "ctx")
    return {"prompt": weak} if weak and weak not in taken else None


def single(t: Table) -> Recognition | None:
    """One answer and a verdict or a number for it."""
    label = next((c for name in names_of("verdict") if (c := t.named(name)) and verdicts(t.values(c))), None)
    rating = None if label else next((c for name in names_of("rating") if (c := t.named(name)) and _marks(t, c)), None)
    if not (label or rating) or not (mapping := answered(t, (label or rating,))):
        return None
    if label:
        return Recognition(
            "rated", "rated", mapping | {"label": label}, f"Each answer has a verdict in {quoted(label)}: single ratings.", 0.9
        )
    return Recognition(
        "rated",
        "rated",
        mapping | {"rating": rating},
        f"Each answer has a number in {quoted(rating)}.",
        0.55,
        [f"Does {quoted(rating)} say how good the answer is, from 1 (bad) to 5 (good)? If not, choose the kind chat."],
    )


def _marks(t: Table, column: str) -> bool:
    """Whole numbers from 0 to 10, as people give marks."""
    return all(n == int(n) and 0 <= n <= 10 for n in t.numbers(column) or [-1])
