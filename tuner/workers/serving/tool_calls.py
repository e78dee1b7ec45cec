"""Calls of tools in an answer, read back into OpenAI's shape by transformers' own parser of each family's format."""

import json
import secrets
from typing import Any

HERMES = {  # <tool_call>{"name": ..., "arguments": ...}</tool_call>, which most templates with tools teach
    "defaults": {"role": "assistant"},
    "start_anchor": "assistant",  # required; where it is missing the whole answer is read
    "fields": {
        "tool_calls": {
            "open_pattern": r"\s*<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"content": "text"},
    },
}


def found(generation, text: str, tools: list[dict]) -> tuple[str, list[dict[str, Any]]]:
    """Return (the text beside the calls, the calls). What isn't a well-formed call stays text: a client then sees what the model wrote."""
    tokenizer, names = generation.tokenizer, {t.get("function", {}).get("name") for t in tools}
    if template := _template(tokenizer, generation.family):
        try:
            parsed = tokenizer.parse_response(text, template, prefix=generation.prompt_end, tools=tools)
        except Exception:  # the model wrote something that only begins like a call
            return text, []
        calls = [_call(c.get("function") or {}) for c in parsed.get("tool_calls") or ()]
        if calls and all(c is not None for c in calls):
            thought = parsed.get("reasoning_content")
            return (f"<think>\n{thought}\n</think>\n" if thought else "") + (parsed.get("content") or ""), calls
        return text, []
    return _bare(text, names)


def _template(tokenizer, family: str) -> dict | None:
    """Return how this model writes calls: what its tokenizer says, what transformers knows of its family, or what its chat template teaches."""
    if known := getattr(tokenizer, "response_template", None):
        return known
    try:
        from transformers.cli.serving.utils import _RESPONSE_TEMPLATE_FALLBACKS as families
    except ImportError:  # another version of transformers
        families = {}
    if own := next((template for types, template in families.items() if family in types), None):
        return own
    return HERMES if "<tool_call>" in (tokenizer.chat_template or "") else None


def _bare(text: str, names: set[str | None]) -> tuple[str, list[dict[str, Any]]]:
    """Read an answer that is nothing but one call as a JSON object, as Llama 3 writes it."""
    try:
        document = json.loads(text.strip())
    except ValueError:
        return text, []
    call = _call(document) if isinstance(document, dict) and document.get("name") in names else None
    return ("", [call]) if call else (text, [])


def _call(function: dict[str, Any]) -> dict[str, Any] | None:
    """Return a call in OpenAI's shape, its arguments as text; None for what lacks a name."""
    arguments = function.get("arguments", function.get("parameters", {}))
    if not isinstance(function.get("name"), str):
        return None
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": {"name": function["name"], "arguments": written}}
