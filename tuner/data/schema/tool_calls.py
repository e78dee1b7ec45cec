"""Convert tool calls and tool schemas from any common notation to the one that chat templates expect."""

import json
import re
from typing import Any

from tuner.data.schema.cells import RowProblem, plain, unpack

CALLS = ("function_call", "tool_call", "function-call", "functioncall")
THINK = re.compile(r"\s*<(think|thinking)>(.*?)</\1>\s*", re.S | re.I)
AROUND = re.compile(r"</?(?:tool_call|tool_calls|function_call|functioncall)>|```(?:json)?", re.I)
TAGGED = re.compile(r"<(?:tool_call|function_call|functioncall)>\s*[\[{]", re.I)  # a call in tags
ARGUMENTS, NAMES, IDS = ("arguments", "parameters", "args", "input"), ("name", "toolName", "tool_name"), ("id", "toolCallId", "call_id")
HELD = ("arguments", "parameters", "args", "input", "input_schema", "inputSchema")  # structs in which Arrow fills unused fields with null
_DECODER = json.JSONDecoder(strict=False)


def as_calls(content: Any) -> list | None:
    """Return the tool calls if the content is nothing but calls ({"name", "arguments"}), else None."""
    items = [unpack(c) for c in content] if isinstance(content, list) else [content]
    return [call_of(c) for c in items] if items and all(map(_is_call, items)) else None


def _is_call(item: Any) -> bool:
    inner = unpack(item.get("function", item)) if isinstance(item, dict) else None
    return isinstance(inner, dict) and isinstance(_first(inner, NAMES), str) and any(k in inner for k in ARGUMENTS)


def _first(item: dict, keys: tuple[str, ...]) -> Any:
    return next((item[k] for k in keys if item.get(k) is not None), None)


def call_of(call: Any) -> Any:
    """Return one call as {"type": "function", "function": {"name", "arguments"}}, with its id if there is one. Raises RowProblem."""
    call = unpack(call)
    if not isinstance(call, dict):
        raise RowProblem("A tool call is not an object.", 'Write it as {"function": {"name": ..., "arguments": {...}}}.')
    inner = unpack(call.get("function", call))
    name = _first(inner, NAMES) if isinstance(inner, dict) else None
    if name is None:
        return call
    inner = {"name": name, "arguments": unpack(_first(inner, ARGUMENTS))}
    id = _first(call, IDS)
    return ({"id": id} if id else {}) | {"type": "function", "function": inner}


def calls_in_text(text: str) -> tuple[str, str, list] | None:
    """Return (reasoning, text around, calls) of a text with one or more calls as JSON; None if there is none."""
    thought = THINK.match(text)
    rest = text[thought.end() :] if thought else text
    around, calls, at = [], [], 0
    while (begin := _brace(rest, at)) >= 0:
        try:
            value, end = _DECODER.raw_decode(rest, begin)
        except (ValueError, RecursionError):
            value, end = None, begin + 1
        found = as_calls(value)
        calls += found or []
        around.append(rest[at : begin if found else end])
        at = end
    around.append(rest[at:])
    left = AROUND.sub("", "".join(around)).strip(" \n\t,;")
    return (thought[2].strip() if thought else "", left, calls) if calls else None


def _brace(text: str, at: int) -> int:
    found = [i for i in (text.find("{", at), text.find("[", at)) if i >= 0]
    return min(found, default=-1)


def tools_of(content: Any) -> list | None:
    """Return a row's tools, each as {"type": "function", "function": {...}}; None if there are none."""
    tools = unpack(content)
    tools = [tools] if isinstance(tools, dict) and tools else tools
    if isinstance(tools, list) and all(isinstance(tool, dict) for tool in map(unpack, tools)):
        return [_schema(unpack(t)) for t in tools] or None
    if not plain(tools).strip():
        return None
    raise RowProblem("The tools are not a list of functions.", 'Write them as JSON: [{"name": ..., "parameters": {...}}, ...].')


def _schema(tool: dict) -> dict:
    """Return one function in OpenAI's notation. Anthropic's `input_schema` becomes `parameters`; nulls in the schema are dropped."""
    if "function" not in tool and "name" in tool:
        schema = _first(tool, ("input_schema", "inputSchema"))
        bare = {k: v for k, v in tool.items() if k not in ("input_schema", "inputSchema")}
        tool = {"type": "function", "function": bare | ({"parameters": schema} if schema is not None else {})}
    inner = tool.get("function")
    if isinstance(inner, dict) and isinstance(inner.get("parameters"), dict):
        tool = tool | {"function": inner | {"parameters": _filled(inner["parameters"], ("default", "const", "example"))}}
    return tool


def unasked(messages: list[dict], tools: list | None) -> list[dict]:
    """Return the messages without null arguments that the called function doesn't have: they were filled in for another function."""
    known = {
        f["name"]: p for t in tools or [] if isinstance(f := t.get("function"), dict) and (p := _properties(f)) is not None and "name" in f
    }
    if not known or not any(m.get("tool_calls") for m in messages):
        return messages
    return [m | {"tool_calls": [_asked(c, known) for c in m["tool_calls"]]} if m.get("tool_calls") else m for m in messages]


def _properties(function: dict) -> Any:
    parameters = unpack(function.get("parameters"))
    found = parameters.get("properties") if isinstance(parameters, dict) else None
    return found if isinstance(found, dict) else None


def _asked(call: Any, known: dict) -> Any:
    inner = call.get("function") if isinstance(call, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("arguments"), dict) or not isinstance(inner.get("name"), str):
        return call
    has = known.get(inner["name"])
    if has is None or None not in inner["arguments"].values():
        return call
    return call | {"function": inner | {"arguments": {k: v for k, v in inner["arguments"].items() if v is not None or k in has}}}


def unfilled(value: Any) -> Any:
    """Return a record from Arrow without the nulls in each call and schema for fields of the others."""
    if isinstance(value, list):
        return [unfilled(item) for item in value]
    if not isinstance(value, dict):
        return value
    holds = isinstance(value.get("name"), str) or isinstance(value.get("toolName"), str) or value.get("type") == "object"
    return {k: _filled(v) if holds and k in (*HELD, "properties") else unfilled(v) for k, v in value.items()}


def _filled(value: Any, kept: tuple[str, ...] = ()) -> Any:
    if isinstance(value, list):
        return [_filled(item, kept) for item in value]
    if not isinstance(value, dict):
        return value
    return {k: _filled(v, kept) for k, v in value.items() if v is not None or k in kept}


def nested(schema: Any) -> bool:
    """Return whether an Arrow schema has a struct that can contain such nulls."""
    return any(f"{name}: struct<" in str(field.type) for field in schema for name in (*HELD, "properties"))
