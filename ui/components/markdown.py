"""Answers as a labeller reads them: Markdown or plain text, never anybody's HTML; and where two of them differ."""

import json
import re
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from rapidfuzz.distance import Indel

MOST = 100_000  # characters of an answer that are shown
COMPARED = 3000  # words of an answer that are compared
_markdown = (
    MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")
)  # an image would be fetched


def markdown(text: str) -> str:
    """Rendered, with HTML as the text that it is; links open beside the page and tell nobody where they came from."""
    html = _markdown.render(text[:MOST])
    return html.replace("<a href=", '<a rel="noopener noreferrer nofollow" target="_blank" href=')


def text(text: str) -> str:
    return f'<div class="ts-plain" dir="auto">{escape(text[:MOST])}</div>'


def side(messages: list[dict[str, Any]], as_markdown: bool) -> str:
    """The turns of an answer, one under the other; a single one without its role."""
    shown = markdown if as_markdown else text
    if len(messages) == 1:
        return shown(content(messages[0]))
    return "".join(turn(m, as_markdown) for m in messages)


def turn(message: dict[str, Any], as_markdown: bool) -> str:
    shown = markdown if as_markdown else text
    return f'<div class="ts-said"><b>{escape(str(message.get("role", "")))}</b>{shown(content(message))}</div>'


def conversation(messages: list[dict[str, Any]], as_markdown: bool) -> str:
    """The whole talk that both answers go on from; the last question stands out."""
    *before, last = messages
    said = "".join(turn(m, as_markdown) for m in before)
    said = f'<div class="ts-before" tabindex="0">{said}</div>' if said else ""
    return f'{said}<div class="ts-question" dir="auto">{(markdown if as_markdown else text)(content(last))}</div>'


def content(message: dict[str, Any]) -> str:
    """What a turn says; calls of tools are said as they are."""
    said = message.get("content")
    said = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False) if said else ""
    calls = json.dumps(message["tool_calls"], ensure_ascii=False) if message.get("tool_calls") else ""
    return "\n".join(filter(None, (said, calls)))


def differences(one: str, other: str) -> tuple[str, str]:
    """Both texts, the words that only one of them has marked."""
    a, b = (re.findall(r"\s+|\w+|[^\w\s]", t)[:COMPARED] for t in (one, other))
    left, right = [], []
    for kind, i, j, k, m in ((o.tag, o.src_start, o.src_end, o.dest_start, o.dest_end) for o in Indel.opcodes(a, b)):
        for out, words in ((left, a[i:j]), (right, b[k:m])):
            said = escape("".join(words))
            out.append(f"<mark>{said}</mark>" if kind != "equal" and said.strip() else said)
    return tuple(f'<div class="ts-plain" dir="auto">{"".join(out)}</div>' for out in (left, right))


def pair(a: list[dict[str, Any]], b: list[dict[str, Any]], *, as_markdown: bool, marked: bool) -> tuple[str, str]:
    """HTML of both sides. Differences are shown in plain text: marks inside Markdown would break it."""
    if marked:
        return differences(*("\n\n".join(map(content, side)) for side in (a, b)))
    return side(a, as_markdown), side(b, as_markdown)
