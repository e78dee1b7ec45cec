"""Recognize data with answers that are compared or rated."""

import re

from tuner.data.detection.recognition import Recognition, map_prompt, map_prompt_and_answer
from tuner.data.schema.cells import BEST_FIRST, BEST_LAST, FROM_ONE, RowProblem, cell, unpack
from tuner.data.schema.column_aliases import ANSWER_LISTS, ANSWER_STEMS, WINNERS
from tuner.data.schema.column_profile import Table, all_yes_or_no, bare, is_turns, most, names_of, quoted, raw
from tuner.data.schema.preferences import SCORES, TEXTS, ending, ranked

TWO_ANSWERS = "output outputs response responses completion completions generations candidates replies".split()
PARALLEL = ("scores", "score", "ratings", "rating", "ranks", "rank", "ranking", "rankings", "rewards", "labels")


def chosen_and_rejected(table: Table) -> Recognition | None:
    """Recognize two columns whose names say which answer is better."""
    chosen, rejected = table.find("chosen", sure=True) or table.find("chosen"), table.find("rejected", sure=True) or table.find("rejected")
    if not chosen or not rejected or chosen == rejected or table.repeated(chosen) and len(table.records) > 4:
        return None
    whole = most(lambda v: is_turns(v) and isinstance(unpack(v), list) and len(unpack(v)) > 1, table.values(chosen)[:50])
    mapping = map_prompt(table, (chosen, rejected), sure=False, conversations=not whole)
    shape = "a conversation" if "messages" in mapping else "a prompt" if mapping else "the prompt inside both"
    return Recognition(
        "preference",
        "preference",
        mapping | {"chosen": chosen, "rejected": rejected},
        f"{quoted(chosen)} and {quoted(rejected)} with {shape}: pairs of a better and a worse answer.",
        0.95,
    )


def ranked_list(table: Table) -> Recognition | None:
    """Recognize a list of answers, each with a score in its object or in a second list."""
    column = next((c for name in ANSWER_LISTS for c in table.columns if table.bare[c] == name and table.listed(c)), None)
    rating = column and next(
        (c for name in PARALLEL for c in table.columns if table.bare[c] == name and c != column and table.listed(c)), None
    )
    if not column or not most(lambda r: _scored(r, column, rating), table.records):
        return None
    if (mapping := _before(table, tuple(c for c in (column, rating) if c), [])) is None:
        return None
    beside = {"rating": rating} if rating else {}
    scored = f"scores in {quoted(rating)}" if rating else "a score each"
    return Recognition(
        "ranked",
        "preference",
        mapping | {"answers": column} | beside,
        f"{quoted(column)} holds several answers with {scored}: the best and the worst form a pair.",
        0.9,
    )


def two_answers(table: Table) -> Recognition | None:
    """Recognize a list of two answers as the output (LLaMA-Factory's first preference format): the first is the better one."""
    column = next((c for name in TWO_ANSWERS for c in table.columns if table.bare[c] == name and most(_is_two, table.values(c))), None)
    mapping = column and map_prompt(table, (column,), sure=False)
    if not mapping or not all(mapping.values()):
        return None
    ask = f"Is the first of the two answers in {quoted(column)} the better one? If the last one is better, write `{{{column}}}{BEST_LAST}`."
    reason = f"{quoted(column)} holds two answers to one prompt: the first is assumed to be the better one."
    return Recognition("compared", "preference", mapping | {"answers": f"{{{column}}}{BEST_FIRST}"}, reason, 0.5, [ask])


def _is_two(value) -> bool:
    """Return whether the value holds two different answers, as texts or as assistant messages."""
    answers = unpack(value)
    if not isinstance(answers, list) or len(answers) != 2 or answers[0] == answers[1]:
        return False
    return all(isinstance(a, str) and a.strip() for a in answers) or all(isinstance(a, dict) and _is_assistant(a) for a in answers)


def _is_assistant(turn: dict) -> bool:
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


def twins(table: Table) -> Recognition | None:
    """Recognize two answer columns whose names differ by a letter or number, and a column that says which is better."""
    if not (pair := _twins(table)) or (mapping := _before(table, tuple(pair), pair)) is None:
        return None
    if scores := _scores_of(table, pair):
        return _pair(table, mapping | {"answers": pair, "rating": scores}, f"{quoted(scores)} are their scores", 0.9)
    winner = next((c for name in WINNERS for c in table.columns if table.bare[c] == name and c not in pair and table.values(c)), None)
    if not winner:
        return None
    if re.search(r"labels?$", table.bare[winner]) and all("humanref" in table.bare[c] for c in pair):  # SHP: 1 means the first
        return _pair(
            table, mapping | {"answers": pair[::-1], "label": winner}, f"{quoted(winner)} is 1 if the first is preferred: SHP", 0.9
        )
    return _judged(table, pair, winner, mapping)


def _pair(table: Table, mapping: dict, why: str, confidence: float, questions: tuple = ()) -> Recognition:
    reason = f"{quoted(mapping['answers'])} are answers to one prompt; {why}."
    return Recognition("compared", "preference", mapping, reason, confidence, list(questions))


def _judged(table: Table, pair: list[str], winner: str, mapping: dict) -> Recognition | None:
    """Recognize the winner by name (a, model_b), by number, or by a number below or above 0."""
    whole = {"answers": pair, "label": winner}
    numbers = table.numbers(winner)
    if numbers is None:
        known = most(lambda v: ending(raw(v).lower()) in [ending(c) for c in pair], table.values(winner))
        known = known or {raw(v).strip().lower() for v in table.values(winner)} <= {"a", "b", "tie", "first", "second", "left", "right"}
        return _pair(table, mapping | whole, f"{quoted(winner)} names the better one", 0.95) if known else None
    if min(numbers) < 0:
        mapping |= {"answers": pair, "rating": winner}
        return _pair(table, mapping, f"{quoted(winner)} is below 0 if the first is better", 0.9 if len(set(numbers)) > 2 else 0.7)
    ends = [ending(c) for c in pair]
    if ends == ["1", "2"] and set(numbers) <= {1, 2} and (2 in numbers or len(numbers) > 9):
        return _pair(table, mapping | whole, f"{quoted(winner)} is the number of the better one", 0.95)
    if ends == ["0", "1"] and set(numbers) <= {0, 1}:
        return _pair(table, mapping | whole, f"{quoted(winner)} is the number of the better one", 0.95)
    one = max(numbers) == 2 and min(numbers) == 1
    whole["label"] = f"{{{winner}}}{FROM_ONE}" if one else winner
    ask = (
        f"Does {1 if one else 0} in {quoted(winner)} mean that {quoted(pair[0])} is the better answer? If not, swap the two answer columns."
    )
    return _pair(table, mapping | whole, f"a number in {quoted(winner)} says which is better", 0.5, (ask,))


def _twins(table: Table) -> list[str] | None:
    for stem in ANSWER_STEMS:
        alike = [c for c in table.columns if ending(c) and bare(c[:-1]) == stem and table.values(c)]
        if len(alike) == 2:
            return alike
    return None


def listed_pair(table: Table) -> Recognition | None:
    """Recognize a list of two answers and the index of the better one, counted from 0 (summarize_from_feedback)."""
    winner = table.named("choice", "preference", "preferred", "winner", "betterindex", "label")
    column = next((c for c in table.columns if table.bare[c] in ("summaries", *ANSWER_LISTS) and table.listed(c)), None)
    if not winner or not column or not all(isinstance(v, list) and len(v) == 2 for v in map(unpack, table.values(column))):
        return None
    mapping, numbers = _before(table, (winner, column), []), table.numbers(winner)
    if mapping is None or numbers is None or not set(numbers) <= {0, 1}:
        return None
    return _pair(table, mapping | {"answers": column, "label": winner}, f"{quoted(winner)} is the index of the better one", 0.85)


def _scores_of(table: Table, pair: list[str]) -> list[str] | None:
    """Return a column of numbers for each of the two answers, such as score_A and score_B."""
    ends = [ending(c) for c in pair]
    for stem in ("score", "rating", "reward", "winnermodel", "upvotes", "winner"):
        found = [next((c for c in table.columns if bare(c[:-1]) == stem and ending(c) == end and table.numbers(c)), None) for end in ends]
        if all(found) and len(found) == 2:
            return found
    return None


def _before(table: Table, taken: tuple, pair: list[str]) -> dict | None:
    """Return the mapping of what both answers reply to; {} if they are whole conversations, None if there is nothing."""
    if pair and all(table.turned(c) for c in pair):
        return {"system": system} if (system := table.find("system", sure=True)) else {}
    for c in (c for c in table.columns if c not in taken and table.values(c)):
        first = table.values(c)[0]
        if isinstance(first, dict) and (key := next((k for k in ("full_text", "post") if isinstance(first.get(k), str)), None)):
            return {"prompt": f"{c}.{key}"}
    if found := map_prompt(table, taken, sure=False):
        return found
    history = table.find("history", taken, sure=True)
    weak = history if history and table.wordy(history) else table.named("post", "text", "title", "context", "document", "article", "ctx")
    return {"prompt": weak} if weak and weak not in taken else None


def single(table: Table) -> Recognition | None:
    """Recognize one answer with a judgment or a number."""
    label = next((c for name in names_of("verdict") if (c := table.named(name)) and all_yes_or_no(table.values(c))), None)
    rating = None if label else next((c for name in names_of("rating") if (c := table.named(name)) and _marks(table, c)), None)
    if not (label or rating) or not (mapping := map_prompt_and_answer(table, (label or rating,))):
        return None
    if label:
        return Recognition(
            "rated", "rated", mapping | {"label": label}, f"Each answer has a judgment in {quoted(label)}: single ratings.", 0.9
        )
    return Recognition(
        "rated",
        "rated",
        mapping | {"rating": rating},
        f"Each answer has a number in {quoted(rating)}.",
        0.55,
        [f"Does {quoted(rating)} rate the answer from 1 (bad) to 5 (good)? If not, choose the kind chat."],
    )


def _marks(table: Table, column: str) -> bool:
    """Return whether the column holds whole numbers from 0 to 10, as in ratings."""
    return all(n == int(n) and 0 <= n <= 10 for n in table.numbers(column) or [-1])
