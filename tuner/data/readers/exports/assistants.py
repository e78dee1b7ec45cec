"""Read the conversations that ChatGPT and Claude export (`conversations.json`) as messages.

Both are trees: an edited question or a second answer is a branch. The current branch is the conversation. Nodes that were hidden
from the user (settings, empty system nodes) are not turns, and the title is not trained.
"""

import re
from typing import Any

from tuner.data.readers.nested import Fold, each
from tuner.data.schema.cells import plain, unpack
from tuner.data.schema.media import ENDING
from tuner.errors import DataError

CITED = re.compile("\ue200[^\ue200\ue201]*\ue201")  # ChatGPT's mark of a source in an answer
HIDDEN = ("user_editable_context", "model_editable_context", "reasoning_recap")
PICTURE = {"type": "image"}
BLOCKS = ("text", "thinking", "tool_use", "tool_result", "voice_note")


def chatgpt(records: list[dict]) -> Fold | None:
    """Recognize ChatGPT's export; DataError for the list of shared links in the same archive."""
    if all({"conversation_id", "title", "is_anonymous"} <= record.keys() and "mapping" not in record for record in records):
        raise DataError(
            "This is ChatGPT's list of shared links; it doesn't contain the conversations.",
            asked="shared_conversations.json",
            available="conversations.json of the same export",
            remedy="Choose conversations.json from the same archive.",
        )
    if not _most(records, lambda r: isinstance(r.get("mapping"), dict) and any(map(_is_node, r["mapping"].values()))):
        return None
    note = "ChatGPT's export: the current branch of each conversation became a row."
    return Fold(["messages"], note, each(lambda record: [{"messages": _chatgpt(record)}]))


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and "message" in node and ("parent" in node or "children" in node)


def _most(records: list[dict], test) -> bool:
    return sum(map(bool, map(test, records))) >= 0.6 * len(records)


def _chatgpt(record: dict) -> list[dict]:
    messages, thoughts = [], []
    for node in branch(record["mapping"], record.get("current_node")):
        message = node.get("message")
        if not isinstance(message, dict) or (message.get("metadata") or {}).get("is_visually_hidden_from_conversation"):
            continue
        content = message.get("content") or {}
        if content.get("content_type") == "thoughts":
            thoughts += [plain(t.get("content")) for t in content.get("thoughts") or []]
        elif turn := _turn(message, content, messages):
            if thoughts and turn["role"] == "assistant":
                turn["reasoning_content"], thoughts = "\n\n".join(filter(None, thoughts)), []
            messages.append(turn)
    return messages


def branch(mapping: dict, current: Any) -> list[dict]:
    """Return the nodes from the root to the current one, or to the last answer of the last branch if there is no current one."""
    if current not in mapping:
        current = next((k for k, node in mapping.items() if node.get("parent") not in mapping), None)
        while children := [c for c in (mapping.get(current) or {}).get("children") or [] if c in mapping and c != current]:
            current = children[-1]
    path: list[dict] = []
    while (node := mapping.get(current)) and len(path) <= len(mapping):
        path.append(node)
        current = node.get("parent")
    return path[::-1]


def _turn(message: dict, content: dict, before: list[dict]) -> dict | None:
    """Return one turn; None for an empty node, and for a tool result whose call was not kept."""
    role, to = (message.get("author") or {}).get("role"), message.get("recipient") or "all"
    text = _content(content)
    if role == "tool":
        called = before and (before[-1].get("tool_calls") or before[-1]["role"] == "tool")
        name = plain((message.get("author") or {}).get("name"))
        return {"role": "tool", "content": text, "name": name} if called else None
    if not text or content.get("content_type") in HIDDEN:
        return None
    if role != "assistant" or to == "all":
        return {"role": role, "content": text}
    value = unpack(text) if isinstance(text, str) else text
    arguments = value if isinstance(value, dict) else {"input": value}
    return {"role": role, "content": "", "tool_calls": [{"function": {"name": plain(to), "arguments": arguments}}]}


def _content(content: dict) -> str | list:
    """Return the text of a message, or its parts if they include an image, or audio without a transcript."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        return _without_citations(plain(content.get("text") or content.get("result") or ""))
    transcribed = any(isinstance(p, dict) and p.get("content_type") == "audio_transcription" for p in parts)
    found: list = []
    for part in parts:
        kind = part.get("content_type", "") if isinstance(part, dict) else ""
        if "asset_pointer" in kind or kind == "video_container":
            found += [] if transcribed and "image" not in kind else [PICTURE]
        else:
            found.append(_without_citations(plain(part.get("text") if isinstance(part, dict) else part)))
    return found if PICTURE in found else "\n".join(filter(str.strip, found))


def _without_citations(text: str) -> str:
    return CITED.sub("", text).strip()


def claude(records: list[dict]) -> Fold | None:
    """Recognize Claude's export."""
    if not _most(records, lambda r: isinstance(r.get("chat_messages"), list)):
        return None
    note = "Claude's export: the current branch of each conversation became a row."
    return Fold(["messages"], note, each(lambda record: [{"messages": _claude(record)}]))


def _claude(record: dict) -> list[dict]:
    messages = _current(record["chat_messages"], record.get("current_leaf_message_uuid"))
    return [turn for message in messages for turn in _segments(message)]


def _current(messages: list[dict], leaf: Any) -> list[dict]:
    """Return the messages of the branch that ends with the leaf, or with the last message; all messages if none names its parent."""
    by_id = {m["uuid"]: m for m in messages if m.get("uuid")}
    if not any(m.get("parent_message_uuid") in by_id for m in messages):
        return messages
    path, message = [], by_id.get(leaf) or messages[-1]
    while message and len(path) <= len(messages):
        path.append(message)
        message = by_id.get(message.get("parent_message_uuid"))
    return path[::-1]


def _segments(message: dict) -> list[dict]:
    """Return the turns of a message: text after a tool result is a separate turn."""
    blocks = [b for b in message.get("content") or [] if isinstance(b, dict) and b.get("type") in BLOCKS]
    blocks = [b | {"type": "text"} if b["type"] == "voice_note" else b for b in blocks] or [{"type": "text", "text": message.get("text")}]
    blocks += [{"type": "text", "text": a["extracted_content"]} for a in message.get("attachments") or [] if a.get("extracted_content")]
    blocks += [PICTURE for file in message.get("files") or [] if isinstance(file, dict) and ENDING.search(plain(file.get("file_name")))]
    turns: list[dict] = []
    for block in blocks:
        role = "tool" if block["type"] == "tool_result" else message.get("sender")
        if block["type"] == "text" and not plain(block.get("text")).strip():
            continue
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"].append({k: v for k, v in block.items() if v is not None})
    return turns
