"""The order of turns that chat templates expect: mended where nothing is lost by it, refused with a remedy otherwise."""

from tuner.data.schema.cells import RowProblem
from tuner.data.schema.turns import Messages

JOINED = "two turns of one role in a row were joined"
OPENED = "the conversation began with the assistant: that turn was left out"
CLOSED = "the last turn is not the assistant's: it was left out"


def said(message: dict) -> bool:
    """There is a text or a call in it."""
    return bool(message["content"].strip() or message.get("tool_calls"))


def joined(messages: Messages, notes: list[str]) -> Messages:
    """The messages with neighbouring turns of one role made one; the messages themselves when there are none."""
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


def _both(a: dict, b: dict, n: int) -> dict:
    if a.get("weight", 1) != b.get("weight", 1):
        raise RowProblem(f"Turns {n - 1} and {n} are both by the {a['role']}, with different weights.", "Join the two turns or remove one.")
    one = a | b | {"content": "\n\n".join(m["content"] for m in (a, b) if m["content"].strip())}
    for key, seam in (("tool_calls", []), ("reasoning_content", "\n\n")):
        if key in a and key in b:
            one[key] = a[key] + seam + b[key]
    return one


def opened(messages: Messages, notes: list[str]) -> Messages:
    """Without a greeting by the assistant at the beginning, when it answers again later."""
    start = 1 if messages and messages[0]["role"] == "system" else 0
    if len(messages) > start + 2 and messages[start]["role"] == "assistant" and not messages[start].get("tool_calls"):
        notes.append(OPENED)
        return messages[:start] + messages[start + 1 :]
    return messages


def closed(messages: Messages, notes: list[str]) -> Messages:
    """Up to the last turn of the assistant."""
    end = len(messages)
    while end and messages[end - 1]["role"] != "assistant":
        end -= 1
    if end < len(messages):
        notes.append(CLOSED)
        return messages[:end]
    return messages


def ordered(messages: Messages) -> Messages:
    """The messages themselves when their roles take turns as every chat template expects."""
    previous = None
    for n, message in enumerate(messages, 1):
        role = message["role"]
        if role == "system" and n > 1:
            raise RowProblem(f"Turn {n} is a system turn; it may only come first.", "Move it to the start or remove it.")
        if role == previous and role != "tool":
            raise RowProblem(f"Turns {n - 1} and {n} are both by the {role}.", "Join the two turns or remove one.")
        if role in ("assistant", "tool") and previous in (None, "system"):
            raise RowProblem(
                f"The conversation begins with the {role}, not with the user.", "Remove that turn or put a user turn before it."
            )
        if role == "tool" and previous == "user":
            raise RowProblem(f"Turn {n} is a tool's result that nobody called for.", "Put the assistant's call before it.")
        if role != "tool" and not said(message):
            raise RowProblem(f"Turn {n} ({role}) is empty.", "Fill it in or leave the row out.", empty=True)
        previous = role
    return messages
