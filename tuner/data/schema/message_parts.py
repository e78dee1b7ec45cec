"""The typed parts of a message (text, thoughts, calls, results), in the notations of OpenAI, Anthropic, Gemini and the AI SDK."""

from typing import Any, NamedTuple

from tuner.data.schema.cells import CALL_PARTS, RESULT_PARTS, THOUGHTS, is_typed, part_text, part_type, plain, unpack
from tuner.data.schema.tool_calls import as_calls, call_of

INNER = ("value", "tool_call", "function_call", "functionCall", "function", "content", "text")
RESULTS = ("content", "result", "output", "response", "value", "tool_result", "text")


class Said(NamedTuple):
    """What the parts of one message come to: `text`, `thoughts`, and `calls` and `results` as a chat template wants them."""

    text: str
    thoughts: str
    calls: list[dict]
    results: list[dict]


def said(content: Any) -> Said | None:
    """The parts of a list, told apart by their types; None for what is no list of typed parts. RowProblem for pictures and sound."""
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
    return Said(plain(rest), "\n".join(filter(None, thoughts)), calls, results)


def _calls(part: dict, kind: str) -> list[dict]:
    """The calls of a part: its own fields, or an object or a list (as JSON) under `value` or the part's own type."""
    inner = next((v for k in (part["type"] if "type" in part else kind, kind, *INNER) if (v := part.get(k)) not in (None, "")), None)
    inner = unpack(inner)
    if found := as_calls(inner):
        return [call | {"id": part["id"]} if part.get("id") and len(found) == 1 else call for call in found]
    return [call_of(part)]


def _result(part: dict) -> dict:
    """A tool's turn from a result: its text, the call it answers and the name of the tool, as far as they are there."""
    inner = part.get("functionResponse") or part.get("function_response") or part
    text = next((v for k in RESULTS if (v := inner.get(k)) is not None), None)
    if isinstance(text, dict) and text.keys() <= {"type", "value"}:
        text = text.get("value")
    id = next((v for k in ("tool_use_id", "toolCallId", "tool_call_id", "call_id", "id") if (v := inner.get(k))), None)
    name = next((v for k in ("name", "toolName", "tool_name") if (v := inner.get(k))), None)
    found = {"name": name, "tool_call_id": id}
    return {"role": "tool", "content": plain(text)} | {k: plain(v) for k, v in found.items() if v}
