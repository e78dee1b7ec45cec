"""One chat template at work: conversations as text, and which stretches of it the assistant says.

Its `{% generation %}` marks tell them, or those of TRL's copy of the template; without any, what each answer adds to the text
written before it. Messages with weight 0 are written and not learnt.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from tuner.runs.run_warnings import NO_CALLS, NO_REASONING
from tuner.workers.tokenization import template_sandbox

ANEW = "the model's chat template writes earlier turns anew, so answers can't be told apart"
SYSTEM = ("system", "developer")
Ranges = list[tuple[int, int]]  # [begin, end), of characters or of tokens


class TemplateRefusal(Exception):
    """The model's chat template does not take a conversation (two turns of one role, a system turn ...)."""


class Writer:
    """Writes conversations with one template and tells which stretches the assistant says."""

    def __init__(self, template: str, special: dict[str, Any]):
        marked, self.how = template_sandbox.marked(template)
        self.template, self.special = marked or template, dict(special)
        self.render = _renderer(self.template, self.special)
        self.missing: dict[str, list[int]] = {}  # of the conversation that was written last: what is not in its text, see `lost`

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
        self.missing = lost(text, turns, tools, self.render) if tools or any(len(m) > 2 for m in turns) else {}
        _whole(turns, silent, self.missing)
        return text, spans

    def takes(self, messages: list[dict], tools: list | None) -> bool:
        """Whether the template writes this conversation."""
        try:
            self.write(messages, tools)
        except TemplateRefusal:
            return False
        return True


def folded(messages: list[dict]) -> list[dict]:
    """The conversation with each system turn's text at the head of the next turn of the user: for templates that take no system turn."""
    out, told = [], []
    for message in messages:
        if message["role"] in SYSTEM:
            told.append(str(message.get("content") or ""))
            continue
        if told and message["role"] == "user":
            message = message | {"content": "\n\n".join(t for t in [*told, str(message.get("content") or "")] if t)}
            told = []
        out.append(message)
    return [*out, *({"role": "system", "content": t} for t in told)]  # nobody spoke after it: the template decides


def prompt(tokenizer, messages: list[dict], **how: Any) -> Any:
    """`tokenizer.apply_chat_template` up to where the answer begins; for a template that takes no system turn as it is trained: folded."""
    try:
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True, **how)
    except Exception:
        if not any(m["role"] in SYSTEM for m in messages):
            raise
        return tokenizer.apply_chat_template(folded(messages), add_generation_prompt=True, **how)


def lost(text: str, messages: list[dict], tools: list | None, render) -> dict[str, list[int]]:
    """{part of `run_warnings.PARTS`: messages that hold it} where the template's text is the same without it; tools belong to no message."""
    out: dict[str, list[int]] = {"tools": [-1]} if tools and _same(text, messages, None, render) else {}
    for i, message in enumerate(messages if any(len(m) > 2 for m in messages) else ()):
        for part in ("reasoning_content", "tool_calls"):
            if message.get(part) and _same(text, [*messages[:i], _without(message, part), *messages[i + 1 :]], tools, render):
                out.setdefault(part, []).append(i)
    return out


def _without(message: dict, part: str) -> dict:
    return {"content": ""} | {k: v for k, v in message.items() if k != part}


def _same(text: str, messages: list[dict], tools: list | None, render) -> bool:
    try:
        return render(messages, tools, False)[0] == text
    except Exception:  # a template that can't do without it has a place for it
        return False


def _whole(messages: list[dict], silent: set[int], missing: dict[str, list[int]]) -> None:
    """TemplateRefusal when an answer that is to be trained would be an empty one, or the words around a call that is not there."""
    if any(i not in silent for i in missing.get("tool_calls", ())):
        raise TemplateRefusal(NO_CALLS)
    for i in missing.get("reasoning_content", ()):
        if i not in silent and not str(messages[i].get("content") or "").strip() and not messages[i].get("tool_calls"):
            raise TemplateRefusal(NO_REASONING)


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
