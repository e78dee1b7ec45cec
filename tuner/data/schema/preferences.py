"""Convert preference pairs (a better and a worse answer): given as such, or built from answers with scores."""

from typing import Any

from tuner.data.schema.cells import BEST_FIRST, BEST_LAST, FROM_ONE, Column, RowProblem, cell, option, plain, text_of, unpack
from tuner.data.schema.conversation import conversation, has_marked_turns, offered
from tuner.data.schema.numbers import number_of
from tuner.data.schema.role_order import check_order, drop_greeting, join_turns
from tuner.data.schema.tool_calls import unasked
from tuner.data.schema.transcripts import OPENINGS, transcript
from tuner.data.schema.turns import Messages, turns

TEXTS = ("response", "text", "answer", "completion", "content", "output", "body", "generation", "message", "summary")
SCORES = ("overall_score", "score", "pm_score", "rating", "fine-grained_score", "reward", "upvotes", "rank")
LISTS = (*TEXTS, "responses", "texts", "answers")
TIES = ("tie", "equal", "both", "draw", "same", "none", "neither", "bothbad", "both_bad", "tie (bothbad)", "both bad")


def preference(value: dict, mapping: dict, notes: list[str]) -> dict:
    """Return {"prompt", "chosen", "rejected"}; the prompt may be the common beginning of both conversations."""
    prompt = conversation(value, mapping) if any(mapping.get(r) for r in ("prompt", "messages", "history")) else []
    better, worse = _compared(value, mapping) if mapping.get("answers") else [cell(value, mapping.get(r)) for r in ("chosen", "rejected")]
    sides = [_side(better, mapping.get("chosen") or "the better answer"), _side(worse, mapping.get("rejected") or "the worse answer")]
    if mapping.get("prompt") and has_marked_turns(value, mapping):
        sides = [[m | {"content": m["content"].strip()} for m in side] for side in sides]
    prompt, sides = _parted(prompt, sides, _system(value, mapping))
    if not prompt or prompt[-1]["role"] == "assistant":
        raise RowProblem("There is no prompt for the two answers.", "Add a prompt that ends with a user turn.", empty=not prompt)
    prompt, sides = drop_greeting(join_turns(prompt, notes), notes), [join_turns(side, notes) for side in sides]
    for side in sides:
        check_order(prompt + side)
        if side[0]["role"] != "assistant" or side[-1]["role"] != "assistant":
            raise RowProblem("An answer to compare is not an assistant turn.", "Give chosen and rejected one assistant turn each.")
    if sides[0] == sides[1]:
        raise RowProblem("The chosen and the rejected answer are the same.", "Leave the row out, or make them differ.")
    extra = offered(value, mapping)
    prompt, better, worse = (unasked(part, extra.get("tools")) for part in (prompt, *sides))
    return {"prompt": prompt, "chosen": better, "rejected": worse, **extra}


def _system(value: dict, mapping: dict) -> Messages:
    text = plain(cell(value, mapping.get("system")))
    return [{"role": "system", "content": text}] if text.strip() else []


def _parted(prompt: Messages, sides: list[Messages], system: Messages) -> tuple[Messages, list[Messages]]:
    """Return (prompt, sides): the common beginning is the prompt if both sides hold the whole conversation."""
    shared = 0
    while all(len(side) > shared + 1 for side in sides) and sides[0][shared] == sides[1][shared]:
        shared += 1
    while shared and sides[0][shared - 1]["role"] == "assistant" and sides[0][shared]["role"] == "assistant":
        shared -= 1
    if not shared and prompt:
        return prompt, sides
    first = prompt[:1] if prompt and prompt[0]["role"] == "system" else system
    return (first if sides[0][0]["role"] != "system" else []) + sides[0][:shared], [side[shared:] for side in sides]


def _side(content: Any, name: Any) -> Messages:
    content = unpack(content)
    if isinstance(content, (list, dict)) and content:
        if messages := turns(content):
            return messages
        if isinstance(content, list) and len(content) == 1:
            content = content[0]
    text = plain(content)
    if not text.strip():
        raise RowProblem(f"{name} is empty.", "Fill it in or leave the row out.", empty=True)
    return text.lstrip().startswith(OPENINGS) and transcript(text) or [{"role": "assistant", "content": text}]


def _compared(value: dict, mapping: dict) -> tuple[Any, Any]:
    """Return (the best answer, the worst one): by scores, by order, or by the name or number of the better one."""
    for mark, (best, worst) in {BEST_FIRST: (0, -1), BEST_LAST: (-1, 0)}.items():
        column, ordered_so = option(mapping["answers"], mark)
        if ordered_so is not None:
            answers = _in_order(cell(value, column), column)
            return answers[best], answers[worst]
    answers, scores = ranked(value, mapping["answers"], mapping.get("rating"))
    if len(answers) < 2:
        raise RowProblem("There are fewer than two answers to compare.", "Provide at least two answers in each row.", empty=not answers)
    if mapping.get("label"):
        best = _winner(value, mapping, len(answers))
        return answers[best], answers[1 - best]
    if len(scores) != len(answers) or None in scores:
        raise RowProblem("Not every answer has a score.", "Provide a number for each answer.")
    if max(scores) == min(scores):
        raise RowProblem("All answers have the same score, so none is better.", "Leave the row out, or score them differently.")
    return answers[scores.index(max(scores))], answers[scores.index(min(scores))]


def _in_order(content: Any, column: str) -> list:
    """Return a list of at least two answers whose order says which is better."""
    answers = unpack(content)
    if not isinstance(answers, list) or len(answers) < 2:
        raise RowProblem(f"{column} is not a list of two answers.", "Provide at least two answers in each row.", empty=not answers)
    return answers


def ranked(value: dict, columns: Column, rating: Column) -> tuple[list, list[float | None]]:
    """Return (answers, scores; higher is better) from one column each, a list of objects, or parallel lists."""
    if isinstance(columns, list):
        answers, scores = [cell(value, c) for c in columns], []
    else:
        answers, scores = _items(unpack(cell(value, columns)))
    if not rating:
        return answers, scores
    if isinstance(rating, list):
        return answers, [number_of(cell(value, c)) for c in rating]
    given = unpack(cell(value, rating))
    if isinstance(given, list):
        return answers, [_signed(number_of(s), "rank" in rating.lower()) for s in given]
    strength = number_of(given)  # one number for a pair: below 0 the first is better, above 0 the second
    return answers, [_signed(strength, True), strength]


def _signed(score: float | None, lower_is_better: bool) -> float | None:
    return -score if score is not None and lower_is_better else score


def _items(content: Any) -> tuple[list, list[float | None]]:
    if isinstance(content, dict):  # {"text": [...], "score": [...]}
        texts = next((content[k] for k in LISTS if isinstance(content.get(k), list)), [])
        scored = next((k for k in (*SCORES, "scores") if isinstance(content.get(k), list)), None)
        return texts, [_signed(number_of(s), scored == "rank") for s in content[scored]] if scored else []
    items = content if isinstance(content, list) else []
    if not all(isinstance(item, dict) for item in items):
        return items, []
    return [next((item[k] for k in TEXTS if item.get(k)), item) for item in items], [score_of(item) for item in items]


def score_of(item: dict) -> float | None:
    """Return the score in an answer's object, or the mean of its ratings (UltraFeedback) if there is no overall score."""
    for key in SCORES:
        if (number := number_of(item.get(key))) is not None:
            return _signed(number, key == "rank")
    notes = item.get("annotations")
    ratings = [number_of(n.get("Rating")) for n in notes.values() if isinstance(n, dict)] if isinstance(notes, dict) else []
    known = [r for r in ratings if r is not None]
    return sum(known) / len(known) if known else None


def _winner(value: dict, mapping: dict, n: int) -> int:
    column, one = option(mapping["label"], FROM_ONE)
    label = text_of(value, mapping | {"label": column}, "label").strip().lower()
    if label in TIES:
        raise RowProblem("Neither answer is better, so there is nothing to train on.", "Leave the row out.")
    names = mapping["answers"] if isinstance(mapping["answers"], list) else []
    by_name = [i for i, name in enumerate(names) if ending(name) and ending(name) == ending(label)]
    best = (
        by_name[0]
        if by_name and one is None
        else int(float(label)) - (one is not None)
        if number_of(label) is not None
        else _spelled(label)
    )
    if 0 <= best < n == 2:
        return best
    raise RowProblem(f"{label[:40]!r} does not say which answer is better.", "Write a or b, or 0 or 1.")


def _spelled(label: str) -> int:
    return {"a": 0, "b": 1, "first": 0, "second": 1, "left": 0, "right": 1}.get(ending(label) or label, -1)


def ending(name: str) -> str:
    """Return the letter or number by which a name such as response_a, answerB or model_1 differs from its twin; "" if there is none."""
    name = name.strip()
    last, before = name[-1:], name[-2:-1]
    apart = len(name) == 1 or not before.isalnum() or before.islower() and last.isupper() or before.isalpha() and last.isdigit()
    return last.lower() if apart else ""
