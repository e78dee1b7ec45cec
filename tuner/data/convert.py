"""From a record of any shape to the one canonical row of its kind, and from there to messages or text."""

import json
import math
from typing import Any

from tuner.errors import RequestError

ROLE_NAMES = {
    "user": "user",
    "human": "user",
    "person": "user",
    "customer": "user",
    "question": "user",
    "prompter": "user",
    "client": "user",
    "prompt": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "answer": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "functioncall": "assistant",
    "claude": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "functionresponse": "tool",
    "toolresponse": "tool",
    "toolresult": "tool",
    "ipython": "tool",
    "response": "assistant",
    "output": "assistant",
    "input": "user",
}
TURN_ROLE, TURN_TEXT = ("role", "from", "speaker", "author", "sender"), ("content", "value", "text", "message", "utterance")
YES = {
    "true",
    "1",
    "1.0",
    "yes",
    "y",
    "good",
    "up",
    "thumbs_up",
    "thumbs up",
    "thumbsup",
    "👍",
    "+1",
    "like",
    "liked",
    "positive",
    "desirable",
    "chosen",
}
NO = {
    "false",
    "0",
    "0.0",
    "no",
    "n",
    "bad",
    "down",
    "thumbs_down",
    "thumbs down",
    "thumbsdown",
    "👎",
    "-1",
    "-1.0",
    "dislike",
    "disliked",
    "negative",
    "undesirable",
    "rejected",
}
Messages = list[dict[str, Any]]


class RowProblem(Exception):
    """Why one record can't be used; `empty` when there is simply nothing in it."""

    def __init__(self, message: str, remedy: str, empty: bool = False):
        self.message, self.remedy, self.empty = message, remedy, empty
        super().__init__(message)


def convert(value: dict, kind: str, mapping: dict[str, str | list[str]], notes: list[str] | None = None) -> dict:
    """The canonical row of `kind`; RowProblem when the record can't be one. What was mended is appended to `notes`.

    chat {"messages"}; text {"text"}; preference {"prompt", "chosen", "rejected"} (lists of messages); rated {"prompt", "answer"
    (lists of messages), "label": bool}; classification {"text", "label": str or list}; regression {"text", "label": float};
    seq2seq {"source", "target"}; qa {"context", "question", "answers": {"text", "answer_start"}}; tokens {"tokens", "tags"}.
    """
    return CONVERTERS[kind](value, mapping, [] if notes is None else notes)


def cell(value: dict, column: str | list[str] | None) -> Any:
    """What stands in a column ("a.b" reaches into an object); several columns are joined by a blank line."""
    if isinstance(column, (list, tuple)):
        return "\n\n".join(part for part in (plain(cell(value, c)) for c in column) if part.strip())
    if column is None or column in value:
        return value.get(column)
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def plain(content: Any) -> str:
    """A cell as text: None and NaN are empty, 3.0 is "3", typed parts are joined, other objects become JSON."""
    if isinstance(content, str):
        return "" if content in ("NaN", "nan") else content.replace("\r\n", "\n")
    if content is None or isinstance(content, float) and math.isnan(content):
        return ""
    if isinstance(content, bool):
        return str(content).lower()
    if isinstance(content, float) and content.is_integer() and abs(content) < 1e15:
        return str(int(content))
    if isinstance(content, list) and content and all(isinstance(part, (str, dict)) for part in content) and any(_typed(p) for p in content):
        return "\n".join(_part(part) for part in content)
    if isinstance(content, (dict, list)):
        return json.dumps(content, ensure_ascii=False, default=str) if content else ""
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)


def _typed(part: Any) -> bool:
    return isinstance(part, dict) and "type" in part


def _part(part: str | dict) -> str:
    if isinstance(part, dict) and part.get("type") not in ("text", "input_text", "output_text"):
        raise RowProblem(
            f"A message holds a part of the type {part.get('type')!r}; only text can be learnt.", "Leave out rows with pictures or sound."
        )
    return part if isinstance(part, str) else plain(part.get("text"))


def unpack(content: Any) -> Any:
    """A list or object that a CSV cell holds as JSON; anything else as it is."""
    if isinstance(content, str) and content.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(content, strict=False)
        except (ValueError, RecursionError):
            return content
    return content


def turns(content: Any) -> Messages | None:
    """Messages of a conversation in any common notation (`role`/`content`, `from`/`value`, question-and-answer pairs,
    alternating texts), or None when it is none. RowProblem when a turn has a role nobody knows."""
    content = unpack(content)
    if isinstance(content, dict):
        content = next(
            (content[k] for k in ("messages", "conversations", "conversation", "turns") if isinstance(content.get(k), list)), [content]
        )
    if not isinstance(content, list) or not content:
        return None
    if all(isinstance(turn, str) for turn in content):
        return (
            [{"role": ("user", "assistant")[i % 2], "content": plain(turn)} for i, turn in enumerate(content)] if len(content) > 1 else None
        )
    messages: Messages = []
    for turn in content:
        found = _turn(turn)
        if found is None:
            return None
        messages += found
    return messages


def _turn(turn: Any) -> Messages | None:
    if isinstance(turn, (list, tuple)) and len(turn) == 2 and all(isinstance(t, str) for t in turn):
        return [{"role": "user", "content": plain(turn[0])}, {"role": "assistant", "content": plain(turn[1])}]
    if not isinstance(turn, dict):
        return None
    role, text = next((k for k in TURN_ROLE if k in turn), None), next((k for k in TURN_TEXT if k in turn), None)
    if role and (text or turn.get("tool_calls")):
        message = {"role": role_of(turn[role]), "content": plain(turn.get(text)) if text else ""}
        return [message | ({"tool_calls": turn["tool_calls"]} if turn.get("tool_calls") else {})]
    pair = [{"role": ROLE_NAMES[_bare(k)], "content": plain(v)} for k, v in turn.items() if _bare(k) in ROLE_NAMES and v]
    return pair or None


def role_of(name: Any) -> str:
    if known := ROLE_NAMES.get(_bare(plain(name))):
        return known
    raise RowProblem(f"A turn has the unknown role {plain(name)[:40]!r}.", "Use user, assistant, system or tool (or human and gpt).")


def _bare(name: str) -> str:
    return "".join(c for c in str(name).lower() if c.isalnum())


def _text(value: dict, mapping: dict, role: str) -> str:
    text = plain(cell(value, mapping.get(role)))
    if not text.strip():
        if not (column := mapping.get(role)):
            raise RowProblem(f"No column is the {role}.", "Choose one.")
        raise RowProblem(
            f"{' and '.join(column) if isinstance(column, list) else column} is empty.", "Fill it in or leave the row out.", empty=True
        )
    return text


def _conversation(value: dict, mapping: dict) -> Messages:
    """What `messages`, or `history` and `prompt`, hold; the system text goes first."""
    column = mapping.get("messages")
    if column:
        content = cell(value, column)
        if unpack(content) in (None, "", [], {}):
            raise RowProblem(f"{column} is empty.", "Fill it in or leave the row out.", empty=True)
        messages = turns(content)
        if messages is None:
            raise RowProblem(
                f"{column} is not a list of turns with a role and a text.", 'Write it as [{"role": "user", "content": "..."}, ...].'
            )
    else:
        messages = turns(cell(value, mapping.get("history"))) or []
        if mapping.get("prompt"):
            content = unpack(cell(value, mapping["prompt"]))
            nested = turns(content) if isinstance(content, (list, dict)) else None
            messages = messages + (nested or [{"role": "user", "content": _text(value, mapping, "prompt")}])
    system = plain(cell(value, mapping.get("system")))
    if system.strip() and not any(m["role"] == "system" for m in messages):
        messages = [{"role": "system", "content": system}, *messages]
    return [m for m in messages if m["role"] != "system" or m["content"].strip()]


def _said(message: dict) -> bool:
    return bool(message["content"].strip() or message.get("tool_calls"))


def _ordered(messages: Messages) -> Messages:
    """The messages themselves when their roles take turns as every chat template expects."""
    previous = None
    for n, role in enumerate((m["role"] for m in messages), 1):
        if role == "system" and n > 1:
            raise RowProblem(f"Turn {n} is a system turn; it may only come first.", "Move it to the start or remove it.")
        if role == previous and role in ("user", "assistant"):
            raise RowProblem(f"Turns {n - 1} and {n} are both by the {role}.", "Join the two turns or remove one.")
        if role in ("assistant", "tool") and previous in (None, "system"):
            raise RowProblem(
                f"The conversation begins with the {role}, not with the user.", "Remove that turn or put a user turn before it."
            )
        if role == "tool" and previous == "user":
            raise RowProblem(f"Turn {n} is a tool's result that nobody called for.", "Put the assistant's call before it.")
        previous = role
    if empty := next((n for n, m in enumerate(messages, 1) if not _said(m) and m["role"] != "tool"), None):
        raise RowProblem(f"Turn {empty} ({messages[empty - 1]['role']}) is empty.", "Fill it in or leave the row out.", empty=True)
    return messages


def _chat(value: dict, mapping: dict, notes: list[str]) -> dict:
    messages = _conversation(value, mapping)
    if mapping.get("answer") and not mapping.get("messages"):
        messages = [*messages, {"role": "assistant", "content": _text(value, mapping, "answer")}]
    if not any(m["role"] == "assistant" and _said(m) for m in messages):
        raise RowProblem(
            "The conversation holds no answer by the assistant, so there is nothing to learn.",
            "Add the answer or leave the row out.",
            empty=True,
        )
    if messages[-1]["role"] != "assistant":
        while messages[-1]["role"] != "assistant":
            messages = messages[:-1]
        notes.append("the last turn is not the assistant's: it was left out")
    return {"messages": _ordered(messages)}


def _preference(value: dict, mapping: dict, notes: list[str]) -> dict:
    prompt = _conversation(value, mapping) if mapping.get("prompt") or mapping.get("messages") else []
    sides = [_side(value, mapping, role) for role in ("chosen", "rejected")]
    shared = 0
    while all(len(side) > shared + 1 for side in sides) and sides[0][shared] == sides[1][shared]:
        shared += 1
    if shared or not prompt:  # the whole conversation stands in both: what they share is the prompt
        system = [m for m in prompt[:1] if m["role"] == "system" and sides[0][0]["role"] != "system"]
        prompt, sides = system + sides[0][:shared], [side[shared:] for side in sides]
    if not prompt or prompt[-1]["role"] == "assistant":
        raise RowProblem(
            "There is no question that both answers belong to.", "Add a prompt that ends with the user's turn.", empty=not prompt
        )
    for side in sides:
        _ordered(prompt + side)
        if side[0]["role"] != "assistant" or side[-1]["role"] != "assistant":
            raise RowProblem("An answer to compare is not a turn of the assistant.", "Give chosen and rejected one assistant turn each.")
    if sides[0] == sides[1]:
        raise RowProblem("The chosen and the rejected answer are the same.", "Leave the row out, or make them differ.")
    return {"prompt": prompt, "chosen": sides[0], "rejected": sides[1]}


def _side(value: dict, mapping: dict, role: str) -> Messages:
    content = unpack(cell(value, mapping.get(role)))
    if isinstance(content, (list, dict)) and content and (messages := turns(content)):
        return messages
    text = _text(value, mapping, role)
    return transcript(text) or [{"role": "assistant", "content": text}]


def transcript(text: str) -> Messages | None:
    """The turns of a text such as "\\n\\nHuman: ...\\n\\nAssistant: ...", or None."""
    if not text.lstrip().startswith("Human:") or "\n\nAssistant:" not in text:
        return None
    messages: Messages = []
    for part in ("\n\n" + text.lstrip()).split("\n\n")[1:]:
        name, colon, rest = part.partition(":")
        if colon and name in ("Human", "Assistant"):
            messages.append({"role": role_of(name), "content": rest.strip()})
        else:
            messages[-1]["content"] += "\n\n" + part
    return messages


def _rated(value: dict, mapping: dict, notes: list[str]) -> dict:
    messages = _chat(value, mapping, notes)["messages"]
    return {"prompt": messages[:-1], "answer": messages[-1:], "label": _verdict(value, mapping)}


def _verdict(value: dict, mapping: dict) -> bool:
    role = "label" if mapping.get("label") else "rating"
    text = _text(value, mapping, role).strip().lower()
    if role == "label":
        if text in YES or text in NO:
            return text in YES
        raise RowProblem(f"The label {text[:40]!r} is neither good nor bad.", "Use true or false (or 1 and 0, yes and no).")
    try:
        number = float(text)
    except ValueError:
        raise RowProblem(f"The rating {text[:40]!r} is not a number.", "Use a number from 1 to 5.") from None
    good, bad = (number >= 4, number <= 2) if number <= 5 else (number >= 7, False)
    if not (good or bad):
        raise RowProblem(
            f"The rating {text} is neither good nor bad, so it teaches nothing.", "Leave the row out, or rate it 1, 2, 4 or 5."
        )
    return good


def _classified(value: dict, mapping: dict, notes: list[str]) -> dict:
    label = unpack(cell(value, mapping.get("label")))
    if isinstance(label, list):
        return {"text": _text(value, mapping, "text"), "label": [plain(item) for item in label]}
    return {"text": _text(value, mapping, "text"), "label": _text(value, mapping, "label").strip()}


def _regression(value: dict, mapping: dict, notes: list[str]) -> dict:
    text, label = _text(value, mapping, "text"), _text(value, mapping, "label").strip()
    try:
        number = float(label.replace(",", ".") if label.count(",") == 1 and "." not in label else label)
    except ValueError:
        raise RowProblem(f"{label[:40]!r} is not a number.", "Write a number, or learn the column as a label.") from None
    if not math.isfinite(number):
        raise RowProblem("The value is infinite.", "Write a finite number.")
    return {"text": text, "label": number}


def _qa(value: dict, mapping: dict, notes: list[str]) -> dict:
    context, question = _text(value, mapping, "context"), _text(value, mapping, "question")
    answers = unpack(cell(value, mapping.get("answers")))
    if isinstance(answers, dict) and "answer_start" in answers and isinstance(answers.get("text"), (list, str)):
        texts, starts = answers["text"], answers["answer_start"]
        texts, starts = ([texts], [starts]) if isinstance(texts, str) else (texts, starts)
    else:
        items = answers if isinstance(answers, list) else [answers] if plain(answers).strip() else []
        texts = [plain(item.get("text") if isinstance(item, dict) else item) for item in items]
        starts = [item.get("answer_start", -1) if isinstance(item, dict) else -1 for item in items]
    texts = [plain(t) for t in texts]
    starts = (
        [s if isinstance(s, int) else -1 for s in starts] if isinstance(starts, list) and len(starts) == len(texts) else [-1] * len(texts)
    )
    starts = [s if context[s : s + len(t)] == t and s >= 0 else context.find(t) for t, s in zip(texts, starts, strict=True)]
    if any(s < 0 for s in starts):
        raise RowProblem(
            f"The answer {texts[[s < 0 for s in starts].index(True)][:60]!r} does not stand in the context.",
            "Copy the answer from the context letter by letter.",
        )
    return {"context": context, "question": question, "answers": {"text": texts, "answer_start": starts}}


def _tokens(value: dict, mapping: dict, notes: list[str]) -> dict:
    tokens, tags = (unpack(cell(value, mapping.get(role))) for role in ("tokens", "tags"))
    tokens, tags = (v.split() if isinstance(v, str) else v for v in (tokens, tags))
    if not tokens or not isinstance(tokens, list) or not isinstance(tags, list):
        raise RowProblem("There are no tokens, or no tags.", "Give one list of words and one list of tags.", empty=not tokens)
    if len(tokens) != len(tags):
        raise RowProblem(f"There are {len(tokens)} tokens but {len(tags)} tags.", "Give each token exactly one tag.")
    return {"tokens": [plain(t) for t in tokens], "tags": [plain(t) for t in tags]}


CONVERTERS = {
    "chat": _chat,
    "preference": _preference,
    "rated": _rated,
    "classification": _classified,
    "regression": _regression,
    "qa": _qa,
    "tokens": _tokens,
    "text": lambda value, mapping, notes: {"text": _text(value, mapping, "text")},
    "seq2seq": lambda value, mapping, notes: {"source": _text(value, mapping, "source"), "target": _text(value, mapping, "target")},
}


def as_messages(row: dict, kind: str, system: str | None = None) -> Messages:
    """A canonical row as a conversation to learn from; RequestError for kinds without turns."""
    if kind == "chat":
        messages = row["messages"]
    elif kind in ("preference", "rated"):
        messages = row["prompt"] + row["chosen" if kind == "preference" else "answer"]
    elif kind in ("classification", "regression", "seq2seq", "qa"):
        messages = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), _pair(row, kind), strict=True)]
    else:
        raise _senseless(kind, "a conversation", "text, or the task the data was made for")
    if system and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system}, *messages]
    return messages


def _pair(row: dict, kind: str) -> tuple[str, str]:
    if kind == "seq2seq":
        return row["source"], row["target"]
    if kind == "qa":
        return f"{row['context']}\n\n{row['question']}", (row["answers"]["text"] or ["unanswerable"])[0]
    return row["text"], ", ".join(row["label"]) if isinstance(row["label"], list) else plain(row["label"])


def as_text(row: dict, kind: str) -> str:
    """A canonical row as one text for continued pre-training; RequestError for pairs of answers."""
    if kind in ("text", "classification", "regression"):
        return row["text"]
    if kind == "tokens":
        return " ".join(row["tokens"])
    if kind in ("preference", "rated"):
        raise _senseless(kind, "plain text", kind)
    return "\n\n".join(m["content"] for m in as_messages(row, kind) if m["content"])


def question_of(row: dict, kind: str) -> str:
    """The text of the last user turn; of a plain text, its first words."""
    if kind in ("text", "tokens"):
        return " ".join(as_text(row, kind).split()[:8])
    return next((m["content"] for m in reversed(as_messages(row, kind)) if m["role"] == "user"), "")


def _senseless(kind: str, what: str, instead: str) -> RequestError:
    return RequestError(
        f"Data of the kind {kind} can't be learnt as {what}.",
        asked=what,
        available=instead,
        field="objective",
        remedy=f"Choose the objective {instead}, or other data.",
    )
