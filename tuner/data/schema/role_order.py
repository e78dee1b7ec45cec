"""Check the order of turns that chat templates expect: fixed if nothing important is lost, rejected with a remedy otherwise."""

from tuner.data.schema.cells import RowProblem
from tuner.data.schema.turns import Messages

JOINED = "consecutive turns of one role were joined"
OPENED = "the conversation began with the assistant: that turn was removed"
CLOSED = "the last turn is not the assistant's: it was removed"


def has_content(message: dict) -> bool:
    """Return whether a message has a text or a tool call."""
    return bool(message["content"].strip() or message.get("tool_calls"))


def join_turns(messages: Messages, notes: list[str]) -> Messages:
    """Join consecutive turns of one role; return the messages themselves if there are none."""
    previous = None
    for message in messages:
        if message["role"] == previous and previous != "tool":
            break
        previous = message["role"]
    else:
        return messages
    notes.append(JOINED)
    out: Messages = []
    for n, message in enumerate(messages, 1):
        if out and out[-1]["role"] == message["role"] != "tool":
            out[-1] = _both(out[-1], message, n)
        else:
            out.append(message)
    return out


def _both(first: dict, second: dict, n: int) -> dict:
    if first.get("weight", 1) != second.get("weight", 1):
        raise RowProblem(
            f"Turns {n - 1} and {n} are both by the {first['role']}, with different weights.", "Join the two turns or remove one."
        )
    merged = first | second | {"content": "\n\n".join(m["content"] for m in (first, second) if m["content"].strip())}
    for key, separator in (("tool_calls", []), ("reasoning_content", "\n\n")):
        if key in first and key in second:
            merged[key] = first[key] + separator + second[key]
    return merged


def drop_greeting(messages: Messages, notes: list[str]) -> Messages:
    """Drop a greeting by the assistant at the beginning if it answers again later."""
    start = 1 if messages and messages[0]["role"] == "system" else 0
    if len(messages) > start + 2 and messages[start]["role"] == "assistant" and not messages[start].get("tool_calls"):
        notes.append(OPENED)
        return messages[:start] + messages[start + 1 :]
    return messages


def drop_open_end(messages: Messages, notes: list[str]) -> Messages:
    """Drop the turns after the last assistant turn."""
    end = len(messages)
    while end and messages[end - 1]["role"] != "assistant":
        end -= 1
    if end < len(messages):
        notes.append(CLOSED)
        return messages[:end]
    return messages


def check_order(messages: Messages) -> Messages:
    """Return the messages if their roles alternate as every chat template expects; RowProblem otherwise."""
    previous = None
    for n, message in enumerate(messages, 1):
        role = message["role"]
        if role == "system" and n > 1:
            raise RowProblem(f"Turn {n} is a system turn; it may only come first.", "Move it to the start or remove it.")
        if role == previous and role != "tool":
            raise RowProblem(f"Turns {n - 1} and {n} are both by the {role}.", "Join the two turns or remove one.")
        if role in ("assistant", "tool") and previous in (None, "system"):
            raise RowProblem(
                f"The conversation begins with the {role}, not with the user.", "Remove that turn or add a user turn before it."
            )
        if role == "tool" and previous == "user":
            raise RowProblem(f"Turn {n} is a tool result without a tool call.", "Add the assistant's tool call before it.")
        if role != "tool" and not has_content(message):
            raise RowProblem(f"Turn {n} ({role}) is empty.", "Fill it in or leave the row out.", empty=True)
        previous = role
    return messages
