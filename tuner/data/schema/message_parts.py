"""Read the typed parts of a message (text, reasoning, tool calls, results) in the notations of OpenAI, Anthropic, Gemini and the AI SDK."""

from typing import Any, NamedTuple

from tuner.data.schema.cells import CALL_PARTS, RESULT_PARTS, THOUGHTS, is_typed, part_text, part_type, plain, unpack
from tuner.data.schema.tool_calls import as_calls, call_of

INNER = ("value", "tool_call", "function_call", "functionCall", "function", "content", "text")
RESULTS = ("content", "result", "output", "response", "value", "tool_result", "text")


class MessageParts(NamedTuple):
    """The combined parts of one message: `text`, `thoughts` (reasoning), and `calls` and `results` as chat templates expect them."""

    text: str
    thoughts: str
    calls: list[dict]
    results: list[dict]


def combine_parts(content: Any) -> MessageParts | None:
    """Return the combined parts of a list of typed parts; None for anything else. RowProblem for images and audio."""
    if not is_typed(content):
        return None
    calls, results, rest, thoughts = [], [], [], []
    for part in content:
        kind = part_type(part)
        if kind in CALL_PARTS:
            calls += _calls(part, kind)
        elif kind in RESULT_PARTS:
            results.append(_result(part))
        elif kind in THOUGHTS:
            thoughts.append(part_text(part))
        else:
            rest.append(part)
    return MessageParts(plain(rest), "\n".join(filter(None, thoughts)), calls, results)


def _calls(part: dict, kind: str) -> list[dict]:
    """Return the calls of a part: its own fields, or an object or list (as JSON) under `value` or the part's own type."""
    inner = next((v for k in (part["type"] if "type" in part else kind, kind, *INNER) if (v := part.get(k)) not in (None, "")), None)
    inner = unpack(inner)
    if found := as_calls(inner):
        return [call | {"id": part["id"]} if part.get("id") and len(found) == 1 else call for call in found]
    return [call_of(part)]


def _result(part: dict) -> dict:
    """Return a tool turn from a result: its text, and the call id and the tool's name if present."""
    inner = part.get("functionResponse") or part.get("function_response") or part
    text = next((v for k in RESULTS if (v := inner.get(k)) is not None), None)
    if isinstance(text, dict) and text.keys() <= {"type", "value"}:
        text = text.get("value")
    id = next((v for k in ("tool_use_id", "toolCallId", "tool_call_id", "call_id", "id") if (v := inner.get(k))), None)
    name = next((v for k in ("name", "toolName", "tool_name") if (v := inner.get(k))), None)
    found = {"name": name, "tool_call_id": id}
    return {"role": "tool", "content": plain(text)} | {k: plain(v) for k, v in found.items() if v}
