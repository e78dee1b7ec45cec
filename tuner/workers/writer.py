"""One chat template at work: conversations as text, and which stretches of it the assistant says.

Its `{% generation %}` marks tell them, or those of TRL's copy of the template; without any, what each answer adds to the text
written before it. Messages with weight 0 are written and not learnt.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from tuner.workers import templates

EXTRAS = {"tools": "tools", "reasoning_content": "reasoning", "tool_calls": "calls of tools"}  # what a template may have no place for
ANEW = "the model's chat template writes earlier turns anew, so answers can't be told apart"
Ranges = list[tuple[int, int]]  # [begin, end), of characters or of tokens


class TemplateRefusal(Exception):
    """The model's chat template does not take a conversation (two turns of one role, a system turn ...)."""


class Writer:
    """Writes conversations with one template and tells which stretches the assistant says."""

    def __init__(self, template: str, special: dict[str, Any]):
        marked, self.how = templates.marked(template)
        self.template, self.special = marked or template, dict(special)
        self.lacks = [
            key for key in EXTRAS if key not in self.template and not (key == "reasoning_content" and "thinking" in self.template)
        ]
        self.render = _renderer(self.template, self.special)

    def write(self, messages: list[dict], tools: list | None) -> tuple[str, Ranges]:
        """(text, stretches that are learnt); TemplateRefusal for what the template does not take."""
        turns = [m if _plain(m) else {k: v for k, v in m.items() if v is not None and k != "weight"} for m in messages]

        def render(upto: int, asking: bool = False) -> tuple[str, Ranges]:
            return self.render(turns[:upto], tools, asking)

        try:
            text, spans = by_prefixes(turns, render) if self.how == "prefixes" else render(len(turns))
            silent = {i for i, m in enumerate(messages) if len(m) > 2 and m.get("weight") is not None and not float(m["weight"])}
            if silent:
                spans = [s for s, owner in zip(spans, _owners(turns, spans, render), strict=True) if owner not in silent]
        except (TemplateRefusal, MemoryError):
            raise
        except Exception as error:  # a program of a stranger: whatever it raises is its answer to this row
            said = str(error) if any(c.__name__ == "TemplateError" for c in type(error).__mro__) else f"{type(error).__name__}: {error}"
            raise TemplateRefusal(f"the model's chat template says: {said}") from error
        spans = [(begin, end) for begin, end in spans if end > begin]
        if not spans:
            raise TemplateRefusal("every answer has weight 0" if silent else "the conversation holds no answer")
        return text, spans


def _renderer(template: str, special: dict[str, Any]) -> Callable[[list[dict], list | None, bool], tuple[str, Ranges]]:
    """(messages, tools, asking) → (text, marked stretches). transformers' own steps without the copy it makes of each message.

    Rows come from JSON, so there is nothing in them that the copy would disarm.
    """
    from transformers.utils import chat_template_utils as t

    try:
        compiled, write, alias = t._compile_jinja_template(template), t._render_with_assistant_indices, t._alias_reasoning_fields
    except AttributeError:  # another version of transformers: the public way, slower

        def public(messages: list[dict], tools: list | None, asking: bool) -> tuple[str, Ranges]:
            texts, marks = t.render_jinja_template(
                [messages], tools=tools, chat_template=template, return_assistant_tokens_mask=True, add_generation_prompt=asking, **special
            )
            return texts[0], marks[0]

        return public

    def quick(messages: list[dict], tools: list | None, asking: bool) -> tuple[str, Ranges]:
        chat = messages if all(map(_plain, messages)) else alias(messages)
        return write(compiled, chat, tools, None, asking, **special)

    return quick


def _plain(message: dict) -> bool:
    """Role and content and no more: nothing to add, to drop or to find another name for."""
    return len(message) == 2 and message.get("content") is not None


def _owners(turns: list[dict], spans: Ranges, render) -> list[int]:
    """The turn that each stretch belongs to: the n-th answer's where there are as many, else by writing the turns one by one."""
    speaking = [i for i, m in enumerate(turns) if m["role"] == "assistant"]
    if len(speaking) == len(spans):
        return speaking
    begun = [render(i + 1)[1] for i in range(len(turns))]
    if any(some != spans[: len(some)] for some in begun):
        raise TemplateRefusal("the model's chat template does not keep to one stretch per answer, so none can be left out by its weight")
    counts = [len(some) for some in begun]
    return [bisect_right(counts, n) for n in range(len(spans))]


def by_prefixes(turns: list[dict], render) -> tuple[str, Ranges]:
    """For templates without marks: what an answer adds to the text written before it is what is learnt; one stretch per answer."""
    full, spans = render(len(turns))[0], []
    for i, message in enumerate(turns):
        if message["role"] != "assistant":
            continue
        before = render(i, asking=True)[0] if i else ""
        after = full if i + 1 == len(turns) else render(i + 1)[0]
        if not full.startswith(after.rstrip()):
            raise TemplateRefusal(ANEW)
        start = len(before)
        if not after.startswith(before):  # what asks for an answer may be more than what is written before one, such as "<think>"
            start = _common(before, after)
            if start < len(render(i)[0].rstrip()):
                raise TemplateRefusal(ANEW)
        spans.append((start, len(after.rstrip())))
    return full, spans


def _common(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
