"""Ollama's Modelfile of a GGUF: its chat template in Ollama's syntax (Go's text/template), the end of an answer, and the system prompt.

The template is worked out by rendering conversations with the model's own: what stands before and after the messages of each role. It is written
only if the text that these parts give is that of the model's own template for every conversation of `TALKS`; Ollama would otherwise ask the model in
another form than it was trained with, and nobody would see why it answers worse.
"""

import json
from dataclasses import dataclass
from typing import Any

from tuner.errors import ModelError
from tuner.workers.tokenization import template_render

CONTEXT = 4096  # tokens, unless the model has fewer: Ollama's own default is smaller than many a conversation


def _talk(*messages: str) -> list[dict[str, str]]:
    """Return a conversation of "role: content"."""
    return [dict(zip(("role", "content"), message.split(": ", 1), strict=True)) for message in messages]


TALKS = (
    _talk("user: Hi"),
    _talk("user: How do I write {{ x }} in \"Go\"?\nAnd </s>?", "assistant: Like {% this %}.", "user: Thanks"),
    _talk("system: Be brief.", "user: Hi"),
    _talk("system: Be brief.\n\nBe kind.", "user: One", "assistant: Two\n\n- a\n- b", "user: Three", "assistant: Four", "user: Fünf 6?"),
)  # fmt: skip


@dataclass(frozen=True)
class Turns:
    """What a template writes around the messages: (before, after) for each role, `begin` of an answer, and `default` where there is no system message."""

    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    begin: str
    default: str

    def written(self, messages: list[dict[str, str]]) -> str:
        """Return the prompt as Ollama will write it."""
        default = "" if messages[0]["role"] == "system" else self.default
        turns = ("".join((getattr(self, m["role"])[0], m["content"], getattr(self, m["role"])[1])) for m in messages)
        return default + "".join(turns) + self.begin

    def template(self) -> str:
        """Return the template in Ollama's syntax."""
        said = lambda text: f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""  # noqa: E731
        turn = lambda role: said(getattr(self, role)[0]) + "{{ .Content }}" + said(getattr(self, role)[1])  # noqa: E731
        lines = [f'{{{{ if eq .Role "{role}" }}}}{turn(role)}{{{{ end }}}}' for role in ("system", "user", "assistant")]
        default = f'{{{{ if ne (index .Messages 0).Role "system" }}}}{said(self.default)}{{{{ end }}}}' if self.default else ""
        return f"{default}{{{{ range .Messages }}}}{''.join(lines)}{{{{ end }}}}{said(self.begin)}"


def turns(tokenizer) -> Turns:
    """Return the parts of a tokenizer's chat template, without the begin token, which llama.cpp writes. ModelError when they can't tell it all."""
    begin = tokenizer.bos_token or ""

    def render(messages: list[dict[str, str]]) -> str:
        text = template_render.prompt(tokenizer, messages, tokenize=False)
        return text.removeprefix(begin) if begin else text

    def plain(messages: list[dict[str, str]]) -> str:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)

    found = _parts(render, plain)
    if found is None or any(found.written(talk) != render(talk) for talk in TALKS):
        raise ModelError(
            "This model's chat template can't be written in Ollama's syntax so that the prompts stay the same.",
            asked="a Modelfile",
            available="the GGUF for llama.cpp and LM Studio, which use the model's own template",
            remedy="Export as gguf, and serve it with llama-server.",
            field="to",
        )
    return found


def _parts(render, plain) -> Turns | None:
    """Read the parts off two renderings; None where a message stands elsewhere than in its turn."""
    marks = {name: f"Qx{name}xQ" for name in ("s", "u", "a", "v")}
    talk = [{"role": r, "content": marks[m]} for r, m in (("system", "s"), ("user", "u"), ("assistant", "a"), ("user", "v"))]
    pieces = _between(render(talk), *marks.values())
    alone, ended = _between(render(talk[1:2]), marks["u"]), _between(plain(talk[:3]), marks["s"], marks["u"], marks["a"])
    asked = _between(plain(talk[:2]), marks["s"], marks["u"])
    if pieces is None or alone is None or ended is None or asked is None:
        return None
    before, after_system, answer, after_answer, last = pieces
    closing, ending = asked[-1], ended[-1]  # of a question, of an answer
    opening = after_answer.removeprefix(ending)  # of a question
    if not (after_answer.startswith(ending) and answer.startswith(closing) and last.startswith(closing)):
        return None
    if not (after_system.endswith(opening) and alone[0].endswith(opening)):
        return None
    system = (before, after_system[: len(after_system) - len(opening)])
    default = alone[0][: len(alone[0]) - len(opening)]
    return Turns(system, (opening, closing), (answer[len(closing) :], ending), last[len(closing) :], default)


def _between(text: str, *marks: str) -> list[str] | None:
    """Return what stands around marks that occur once each, in this order."""
    out = []
    for mark in marks:
        if text.count(mark) != 1:
            return None
        before, text = text.split(mark)
        out.append(before)
    return [*out, text]


def text(file: str, found: Turns, ends: list[str], *, system: str | None, context: int) -> str:
    """Return the Modelfile of a GGUF. `ends`: the tokens that end an answer; `system`: the system prompt of all training rows."""
    lines: list[Any] = [
        f"FROM ./{file}",
        f'TEMPLATE """{found.template()}"""',
        *(f"PARAMETER stop {json.dumps(end, ensure_ascii=False)}" for end in ends),
    ]
    lines.append(f"PARAMETER num_ctx {min(context, CONTEXT)}")
    if system and '"""' not in system:
        lines.append(f'SYSTEM """{system}"""')
    return "\n".join(lines) + "\n"
