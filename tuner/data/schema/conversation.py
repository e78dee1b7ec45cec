"""Convert rows with turns: the prompt or history, the answer, and single answers with a judgment."""

from typing import Any

from tuner.data.schema.cells import ANSWERED_BY, RowProblem, cell, option, plain, text_of, unpack
from tuner.data.schema.multiple_choice import choice
from tuner.data.schema.numbers import number_of
from tuner.data.schema.role_order import check_order, drop_greeting, drop_open_end, has_content, join_turns
from tuner.data.schema.tool_calls import as_calls, tools_of, unasked
from tuner.data.schema.transcripts import OPENINGS, transcript
from tuner.data.schema.turns import Messages, answered_by, turns

SEPARATORS = ("\n\n###\n\n", "\n\n###", "\n###\n", " ->", "\n\n->", "\n\n=>")
STOPS = (" END", "\nEND", "[END]", " ###", "\n###", "<|endoftext|>", "</s>")
UNMARKED = "the marks between prompt and completion (such as ### and END) were removed"
YES = frozenset(
    "true 1 1.0 yes y good up thumbs_up thumbsup thumbs-up 👍 +1 like liked upvote upvoted positive desirable chosen correct right ja oui si sí".split()
) | {"thumbs up"}
NO = frozenset(
    "false 0 0.0 no n bad down thumbs_down thumbsdown thumbs-down 👎 -1 -1.0 dislike disliked downvote downvoted negative undesirable rejected "
    "incorrect wrong nein non".split()
) | {"thumbs down"}


def conversation(value: dict, mapping: dict) -> Messages:
    """Return the messages from `messages`, or from `history` and `prompt`, with the system text first."""
    messages = _whole(value, mapping["messages"]) if mapping.get("messages") else _asked(value, mapping)
    system = plain(cell(value, column)) if (column := mapping.get("system")) else ""
    if system and not system.isspace() and not any(m["role"] == "system" for m in messages):
        return [{"role": "system", "content": system}, *messages]
    if messages and messages[0]["role"] == "system" and not messages[0]["content"].strip():
        return messages[1:]
    return messages


def _whole(value: dict, column: str | list[str]) -> Messages:
    column, by = option(column, ANSWERED_BY)
    content = unpack(cell(value, column))
    content = answered_by(content, by) if by else content
    if content in (None, "", [], {}):
        raise RowProblem(f"{column} is empty.", "Fill it in or leave the row out.", empty=True)
    if (messages := turns(content)) is None:
        raise RowProblem(
            f"{column} is not a list of turns with a role and a text.", 'Write it as [{"role": "user", "content": "..."}, ...].'
        )
    return messages


def _asked(value: dict, mapping: dict) -> Messages:
    past = (turns(cell(value, mapping["history"])) or []) if mapping.get("history") else []
    if not (column := mapping.get("prompt")):
        return past
    if mapping.get("choices"):
        return [*past, {"role": "user", "content": choice(value, mapping)[0]}]
    content = unpack(cell(value, column))
    if isinstance(content, (list, dict)):
        if nested := turns(content):
            return past + nested
        if isinstance(content, list) and len(content) == 1 and isinstance(content[0], str):
            return [*past, {"role": "user", "content": plain(content[0])}]
    text = text_of(value, mapping, "prompt")
    if text.lstrip().startswith(OPENINGS) and (nested := transcript(text)):
        return past + nested
    return [*past, {"role": "user", "content": text}]


def has_marked_turns(value: dict, mapping: dict) -> bool:
    """Return whether the prompt is a text with marked turns, such as "\\n\\nHuman: ...\\n\\nAssistant:", which the answer continues."""
    text = cell(value, mapping.get("prompt"))
    return isinstance(text, str) and text.lstrip().startswith(OPENINGS)


def answer(value: dict, mapping: dict) -> Messages:
    """Return the turns of an answer: one, or several with tool calls."""
    if mapping.get("choices"):
        return [{"role": "assistant", "content": choice(value, mapping)[1]}]
    content = cell(value, mapping["answer"])
    if not isinstance(content, str) or mapping.get("tools"):
        content = unpack(content)
        if isinstance(content, (list, dict)) and content:
            return _structured(content, value, mapping)
    return [{"role": "assistant", "content": text_of(value, mapping, "answer")}]


def _structured(content: Any, value: dict, mapping: dict) -> Messages:
    if calls := as_calls(content):
        return [{"role": "assistant", "content": "", "tool_calls": calls}]
    if isinstance(content, dict) and "aliases" in content and isinstance(content.get("value"), str):  # TriviaQA
        return [{"role": "assistant", "content": plain(content["value"])}]
    if isinstance(content, list) and all(isinstance(text, str) for text in content):
        if len(content) == 1 or len(set(content)) == 1:
            return [{"role": "assistant", "content": plain(content[0])}]
        raise RowProblem("There are several answers to the prompt.", "Keep the one to train on: one text in each row.")
    return turns(content) or [{"role": "assistant", "content": text_of(value, mapping, "answer")}]


def chat(value: dict, mapping: dict, notes: list[str]) -> dict:
    """Return {"messages"}, and {"tools"} if the row has tools."""
    messages = conversation(value, mapping)
    if mapping.get("answer") and not (mapping.get("messages") and messages[-1]["role"] == "assistant"):
        messages = [*messages, *answer(value, mapping)]
        if not mapping.get("messages"):
            messages = _unmarked(messages, notes)
    if not any(m["role"] == "assistant" and has_content(m) for m in messages):
        raise RowProblem(
            "The conversation has no assistant answer, so there is nothing to train on.",
            "Add the answer or leave the row out.",
            empty=True,
        )
    messages = check_order(drop_greeting(join_turns(drop_open_end(messages, notes), notes), notes))
    if not any(m.get("weight", 1) for m in messages if m["role"] == "assistant"):
        raise RowProblem("Every answer of the conversation has the weight 0, so there is nothing to train on.", "Leave the row out.")
    extra = offered(value, mapping)
    return {"messages": unasked(messages, extra.get("tools")), **extra}


def offered(value: dict, mapping: dict) -> dict:
    """Return {"tools": [...]} if the row has tools, else {}."""
    tools = tools_of(cell(value, mapping["tools"])) if mapping.get("tools") else None
    return {"tools": tools} if tools else {}


def _unmarked(messages: Messages, notes: list[str]) -> Messages:
    """Remove the separators that prompt and completion needed before chat templates."""
    if len(messages) < 2 or not messages[-2]["content"].endswith(SEPARATORS) or messages[-2]["role"] != "user":
        return messages
    prompt, completion = messages[-2]["content"], messages[-1]["content"].strip()
    mark = next(s for s in SEPARATORS if prompt.endswith(s))
    stop = next((s for s in STOPS if completion.endswith(s)), "")
    notes.append(UNMARKED)
    bare = [prompt.removesuffix(mark).rstrip(), completion.removesuffix(stop).rstrip()]
    return messages[:-2] + [m | {"content": text} for m, text in zip(messages[-2:], bare, strict=True)]


def rated(value: dict, mapping: dict, notes: list[str]) -> dict:
    """Return {"prompt", "answer", "label"}: one answer and whether it is good."""
    row = chat(value, mapping, notes)
    at = max(i for i, m in enumerate(row["messages"]) if m["role"] == "user") + 1
    return row | {"prompt": row["messages"][:at], "answer": row.pop("messages")[at:], "label": _judgment(value, mapping)}


def _judgment(value: dict, mapping: dict) -> bool:
    role = "label" if mapping.get("label") else "rating"
    text = text_of(value, mapping, role).strip().lower()
    if role == "label":
        if text in YES or text in NO:
            return text in YES
        raise RowProblem(f"The label {text[:40]!r} is neither good nor bad.", "Use true or false (or 1 and 0, yes and no).")
    if (number := number_of(text)) is None:
        raise RowProblem(f"The rating {text[:40]!r} is not a finite number.", "Use a number from 1 to 5.")
    good, bad = (number >= 4, number <= 2) if number <= 5 else (number >= 7, False)
    if not (good or bad):
        raise RowProblem(
            f"The rating {text} is neither good nor bad, so there is nothing to train on.", "Leave the row out, or rate it 1, 2, 4 or 5."
        )
    return good
