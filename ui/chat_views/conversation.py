"""A conversation as the Chatbot shows it: questions, answers, and below each answer its figures; and the file that keeps it.

Figures and what a model thought aloud are messages with a title: `clean` leaves them out of what is sent to a model or kept as feedback.
"""

import json
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.paths import Workspace
from tuner.serving.chat_client import Piece
from ui.text import text

Messages = list[dict[str, Any]]
FIGURES = "figures "
NONE, BASE = "none", "base"  # what one compares with, beside the ids of runs


def plain(content) -> str:
    """Return the text of a message, which Gradio hands back as text or as a list of parts."""
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [] if isinstance(p, dict))


def note(message: dict) -> bool:
    """Return whether a message is no turn of the conversation: figures, or a thought."""
    return bool((message.get("metadata") or {}).get("title"))


def clean(messages: Messages | None) -> Messages:
    """Return role and text of the turns alone."""
    return [{"role": m["role"], "content": plain(m["content"])} for m in messages or [] if not note(m)]


def shown(messages: Messages | None) -> Messages:
    """Return the messages as they may go back to the Chatbot and into the file."""
    return [_thought(m) if note(m) else {"role": m["role"], "content": plain(m["content"])} for m in messages or []]


def _thought(message: dict) -> dict[str, Any]:
    """Return a message with a title; figures in the visitor's language, whatever it was when they were written."""
    about = message["metadata"]
    numbers = _numbers(about.get("id"))
    if numbers:
        return figures(*numbers)
    return {"role": message["role"], "content": plain(message["content"]), "metadata": {"title": about["title"], "status": "done"}}


def _numbers(id: Any) -> tuple[Piece, bool] | None:
    """Return the numbers that figures carry as their id, the one field that goes to the browser and back unseen."""
    try:
        prompt, out, first, speed, reason, stopped = json.loads(str(id).removeprefix(FIGURES))
        return Piece("", reason, int(prompt), int(out), first, speed), bool(stopped)
    except (ValueError, TypeError):
        return None


def answered(messages: Messages | None) -> Messages:
    """Return the conversation up to its last answer: a question that was stopped before one would make two turns of one role."""
    said = shown(messages)
    while said and said[-1]["role"] == "user":
        said.pop()
    return said


def before(messages: Messages | None, last: int = 1) -> Messages:
    """Return the conversation without its `last` questions and what came after the first of them; with fewer questions, nothing."""
    said = shown(messages)
    asked = [i for i, m in enumerate(said) if m["role"] == "user"]
    return said[: asked[-last]] if 0 < last <= len(asked) else []


def questions_from(messages: Messages | None, index: int) -> int:
    """Return how many questions there are from the message `index` on."""
    return sum(m["role"] == "user" for m in (messages or [])[index:])


def figures(piece: Piece, stopped: bool) -> dict[str, Any]:
    """Return the message below an answer: tokens in and out and the speed in its title, the rest when it is opened."""
    out, speed, first = piece.completion_tokens, piece.tokens_per_second, piece.first_token_seconds
    title = [text("chat-tokens-in", n=piece.prompt_tokens, shown=f"{piece.prompt_tokens:,}")]
    title.append(text("chat-tokens-out-about" if stopped else "chat-tokens-out", shown=f"{out:,}"))
    title += [text("chat-speed", shown=number(speed))] if speed else []
    ended = "chat-ended-stopped" if stopped else "chat-ended-length" if piece.stop_reason == "length" else "chat-ended-itself"
    lines = [text("chat-tokens-in.info")] + ([text("chat-first-token", shown=f"{first:.2f}")] if first is not None else []) + [text(ended)]
    id = FIGURES + json.dumps([piece.prompt_tokens, out, first, speed, piece.stop_reason, stopped])
    content = "\n".join(f"- {line}" for line in lines)
    return {"role": "assistant", "content": content, "metadata": {"title": " · ".join(title), "id": id, "status": "done"}}


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


# --- on disk --------------------------------------------------------------------------------------------------------------


def file(ws: Workspace, id: str) -> Path:
    return ws.chats / f"{paths.checked_id(id, 'chat')}.json"


def read(ws: Workspace, id: str) -> dict[str, Any]:
    """Return {"tuned", "original": the base model's, "beside": {run: messages}, "compare"} as far as there is any."""
    found = paths.read_json(file(ws, id), {})
    return found if isinstance(found, dict) else {}


def side(kept: dict[str, Any], compare: str) -> Messages:
    """Return the other side of a kept conversation."""
    return shown(kept.get("original") if compare == BASE else (kept.get("beside") or {}).get(compare))


def keep(ws: Workspace, id: str, tuned: Messages | None = None, *, compare: str, other: Messages | None = None) -> None:
    """Write what changed; nothing where the workspace can't be written."""
    if not (ws.root.is_dir() and paths.writable(ws.root)):
        return
    kept = read(ws, id) | {"compare": compare} | ({"tuned": tuned} if tuned is not None else {})
    if other is not None and compare == BASE:
        kept["original"] = other
    elif other is not None and compare != NONE:
        kept["beside"] = (kept.get("beside") or {}) | {compare: other}
    ws.chats.mkdir(parents=True, exist_ok=True)
    paths.write_json(file(ws, id), kept)


def forget(ws: Workspace, id: str) -> None:
    """Begin anew; what one compares with stays."""
    compare = read(ws, id).get("compare")
    file(ws, id).unlink(missing_ok=True)
    if compare:
        keep(ws, id, compare=compare)
