"""Render conversations with a chat template, and find the spans of the assistant's answers.

The spans come from the template's `{% generation %}` marks, or those of TRL's copy of the template; without marks, from what each answer adds to
the text rendered before it. Messages with weight 0 are rendered and not trained.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from tuner.runs.run_warnings import NO_CALLS, NO_REASONING
from tuner.workers.tokenization import template_sandbox

ANEW = "the model's chat template changes earlier turns, so answers can't be located"
NO_ANSWER = "the conversation has no answer"
SYSTEM = ("system", "developer")
Ranges = list[tuple[int, int]]  # [begin, end), of characters or of tokens


class TemplateRefusal(Exception):
    """The model's chat template does not accept a conversation (two turns of one role, a system turn ...)."""


class Renderer:
    """Renders conversations with one template and returns the spans of the assistant's answers."""

    def __init__(self, template: str, special: dict[str, Any]):
        marked, self.how = template_sandbox.marked(template)
        self.template, self.special = marked or template, dict(special)
        self.render = _renderer(self.template, self.special)
        self.missing: dict[str, list[int]] = {}  # parts of the last conversation that its text does not contain, see `lost`

    def write(self, messages: list[dict], tools: list | None) -> tuple[str, Ranges]:
        """Return (text, trained spans). TemplateRefusal for a conversation that the template does not accept."""
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
        except Exception as error:  # the template is untrusted code: any error it raises refuses this row
            message = str(error) if any(c.__name__ == "TemplateError" for c in type(error).__mro__) else f"{type(error).__name__}: {error}"
            raise TemplateRefusal(f"the model's chat template says: {message}") from error
        spans = [(begin, end) for begin, end in spans if end > begin]
        if not spans:
            raise TemplateRefusal("every answer has weight 0" if silent else NO_ANSWER)
        self.missing = not_rendered(text, turns, tools, self.render) if tools or any(len(m) > 2 for m in turns) else {}
        _require_complete_answers(turns, silent, self.missing)
        return text, spans

    def takes(self, messages: list[dict], tools: list | None) -> bool:
        """Return whether the template accepts this conversation."""
        try:
            self.write(messages, tools)
        except TemplateRefusal:
            return False
        return True


def folded(messages: list[dict]) -> list[dict]:
    """Return the conversation with each system turn's text prepended to the next user turn: for templates that accept no system turn."""
    out, system = [], []
    for message in messages:
        if message["role"] in SYSTEM:
            system.append(str(message.get("content") or ""))
            continue
        if system and message["role"] == "user":
            message = message | {"content": "\n\n".join(t for t in [*system, str(message.get("content") or "")] if t)}
            system = []
        out.append(message)
    return [*out, *({"role": "system", "content": t} for t in system)]  # no user turn follows: the template decides


def prompt(tokenizer, messages: list[dict], **how: Any) -> Any:
    """Apply the chat template with the generation prompt; for a template without system turns they are folded, as in training."""
    try:
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True, **how)
    except Exception:
        if not any(m["role"] in SYSTEM for m in messages):
            raise
        return tokenizer.apply_chat_template(folded(messages), add_generation_prompt=True, **how)


def not_rendered(text: str, messages: list[dict], tools: list | None, render) -> dict[str, list[int]]:
    """Return {part of `run_warnings.PARTS`: indices of messages with it} for parts that the template does not render; tools belong to no message
    (index -1)."""
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
    except Exception:  # the template needs this part, so it renders it
        return False


def _require_complete_answers(messages: list[dict], silent: set[int], missing: dict[str, list[int]]) -> None:
    """Raise TemplateRefusal when a trained answer would be empty, or would lack its tool call, because the template does not render it."""
    if any(i not in silent for i in missing.get("tool_calls", ())):
        raise TemplateRefusal(NO_CALLS)
    for i in missing.get("reasoning_content", ()):
        if i not in silent and not str(messages[i].get("content") or "").strip() and not messages[i].get("tool_calls"):
            raise TemplateRefusal(NO_REASONING)


def _renderer(template: str, special: dict[str, Any]) -> Callable[[list[dict], list | None, bool], tuple[str, Ranges]]:
    """Return a function (messages, tools, asking) → (text, marked spans): transformers' own steps without its copy of each message.

    Rows come from JSON, so they contain nothing that the copy would make safe.
    """
    from transformers.utils import chat_template_utils as t

    try:
        compiled, write, alias = t._compile_jinja_template(template), t._render_with_assistant_indices, t._alias_reasoning_fields
    except AttributeError:  # another version of transformers: use the public function, which is slower

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
    """Return whether a message has role and content only, so that nothing has to be removed or renamed."""
    return len(message) == 2 and message.get("content") is not None


def _owners(turns: list[dict], spans: Ranges, render) -> list[int]:
    """Return the turn of each span: the n-th answer for the n-th span where the numbers agree, else by rendering the turns one by one."""
    speaking = [i for i, m in enumerate(turns) if m["role"] == "assistant"]
    if len(speaking) == len(spans):
        return speaking
    begun = [render(i + 1)[1] for i in range(len(turns))]
    if any(some != spans[: len(some)] for some in begun):
        raise TemplateRefusal("the model's chat template does not have one marked span per answer, so weights of answers can't be applied")
    counts = [len(some) for some in begun]
    return [bisect_right(counts, n) for n in range(len(spans))]


def by_prefixes(turns: list[dict], render) -> tuple[str, Ranges]:
    """Render with a template without marks: the trained span of an answer is what it adds to the text before it; one span per answer."""
    full, spans = render(len(turns))[0], []
    for i, message in enumerate(turns):
        if message["role"] != "assistant":
            continue
        before = render(i, asking=True)[0] if i else ""
        after = full if i + 1 == len(turns) else render(i + 1)[0]
        if not full.startswith(after.rstrip()):
            raise TemplateRefusal(ANEW)
        start = len(before)
        if not after.startswith(before):  # the generation prompt may contain more than the text before an answer, such as "<think>"
            start = _common(before, after)
            if start < len(render(i)[0].rstrip()):
                raise TemplateRefusal(ANEW)
        spans.append((start, len(after.rstrip())))
    return full, spans


def _common(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
