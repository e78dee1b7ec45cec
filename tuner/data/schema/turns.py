"""Convert conversations in any common notation into messages: role, content, and other keys that chat templates know."""

from typing import Any

from tuner.data.schema.cells import RowProblem, plain, unpack
from tuner.data.schema.message_parts import MessageParts
from tuner.data.schema.message_parts import combine_parts as parts_of
from tuner.data.schema.tool_calls import CALLS, TAGGED, call_of, calls_in_text
from tuner.data.schema.transcripts import transcript

Messages = list[dict[str, Any]]
_SPOKEN_BY = {
    "user": "user human person customer question prompter client prompt input humanuser enduser instruction query",
    "assistant": "assistant gpt bot chatgpt gpt4 model ai agent answer bing bard claude gemini functioncall toolcall response output "
    "chatbot aiassistant llm completion reply support",
    "system": "system developer systemprompt",
    "tool": "tool observation function functionresponse functionresult toolresponse toolresult tooloutput ipython environment",
}
ROLE_NAMES = {name: role for role, names in _SPOKEN_BY.items() for name in names.split()}
TURN_ROLE = ("role", "from", "speaker", "author", "sender")
TURN_TEXT = ("content", "value", "text", "message", "utterance", "parts", "body")
HOLDERS = ("messages", "conversations", "conversation", "turns", "contents", "dialog", "dialogue")
WEIGHTS = ("weight", "loss_weight", "train", "loss", "trainable")
REASONING = ("reasoning_content", "thinking", "reasoning", "thought")


def turns(content: Any) -> Messages | None:
    """Return the messages of a conversation in any common notation (`role`/`content`, `from`/`value`, question-and-answer pairs,
    alternating texts, a text with marked turns), or None if it is not a conversation. RowProblem for a turn with an unknown role."""
    content = unpack(content)
    if isinstance(content, str):
        return transcript(content)
    if isinstance(content, dict):
        content = next((content[k] for k in HOLDERS if isinstance(content.get(k), list)), [content])
    if not isinstance(content, list) or not content:
        return None
    if isinstance(content[0], str) and all(isinstance(turn, str) for turn in content):
        return _alternating(content) if len(content) > 1 else None
    messages: Messages = []
    for turn in content:
        found = _turn(turn)
        if found is None:
            return None
        messages += found
    return messages


def answered_by(content: Any, by: str) -> Any:
    """Return the turns with one person as the assistant and the others as the user, with names if there are several."""
    if not isinstance(content, list) or not all(isinstance(turn, dict) for turn in content):
        return content
    role = next((k for k in TURN_ROLE if all(k in turn for turn in content)), TURN_ROLE[0])
    text = next((k for k in TURN_TEXT if all(k in turn for turn in content)), TURN_TEXT[0])
    others = {plain(turn.get(role)) for turn in content} - {by}
    return [_of_person(turn, role, text, by, len(others) > 1) for turn in content]


def _of_person(turn: dict, role: str, text: str, by: str, many: bool) -> dict:
    who = plain(turn.get(role))
    if who.strip().lower() == by.strip().lower():
        return turn | {role: "assistant"}
    known = ROLE_NAMES.get(_bare(who))
    if known in ("system", "tool"):
        return turn
    return turn | {role: "user"} | ({text: f"{who}: {plain(turn.get(text))}"} if many and known != "user" else {})


def _alternating(texts: list[str]) -> Messages:
    return [{"role": ("user", "assistant")[i % 2], "content": plain(text)} for i, text in enumerate(texts)]


def _turn(turn: Any) -> Messages | None:
    if not isinstance(turn, dict):
        return _couple(turn)
    for role in TURN_ROLE:
        if role in turn:
            break
    else:
        return _sides(turn)
    text = next((k for k in TURN_TEXT if k in turn), None)
    if not text and not (turn.get("tool_calls") or turn.get("function_call")):
        return _sides(turn)
    parts = parts_of(content) if text and isinstance(content := turn[text], list) else None
    message = {"role": role_of(turn[role]), "content": parts.text if parts else plain(turn[text]) if text else ""}
    if len(turn) > 2 or not text or turn[role] in CALLS or parts or "<" in message["content"]:
        _keep(turn, message, turn[role], parts)
    return _with_results(message, parts.results) if parts and parts.results else [message]


def _with_results(message: dict, results: Messages) -> Messages:
    """Return tool results in a user turn (Anthropic) as separate turns before the user's text; in a tool turn, they are the turn."""
    has_content = message["role"] != "tool" and (message["content"].strip() or message.get("tool_calls"))
    if has_content and message["role"] == "assistant":
        return [message, *results]
    return [*results, message] if has_content else results


def _couple(turn: Any) -> Messages | None:
    """Return a question and its answer as messages, as in Alpaca's `history`."""
    if isinstance(turn, (list, tuple)) and len(turn) == 2 and all(isinstance(t, str) for t in turn):
        return [{"role": "user", "content": plain(turn[0])}, {"role": "assistant", "content": plain(turn[1])}]
    return None


def _sides(turn: dict) -> Messages | None:
    """Return the messages of a turn whose keys are the roles: {"human": ..., "assistant": ...}, or one of them."""
    pair = [
        {"role": known, "content": plain(text)}
        for name, text in turn.items()
        if isinstance(text, str) and text and (known := ROLE_NAMES.get(_bare(name)))
    ]
    roles = {m["role"] for m in pair}
    return pair if pair and (len(turn) == 1 or {"user", "assistant"} <= roles) else None


def _keep(turn: dict, message: dict, speaker: Any, parts: MessageParts | None) -> None:
    """Add the turn's other content to the message: tool calls, results, reasoning, and whether it is trained."""
    if message["role"] == "assistant":
        if called := _calls(turn) or parts and parts.calls:
            message["tool_calls"] = called
        if thought := next((turn[k] for k in REASONING if turn.get(k)), None) or parts and parts.thoughts:
            message["reasoning_content"] = plain(thought)
        if not message.get("tool_calls"):
            _written(message, speaker)
        if (weight := next((turn[k] for k in WEIGHTS if turn.get(k) is not None), None)) is not None:
            message["weight"] = _weight(weight)
    elif message["role"] == "tool":
        message |= {k: plain(turn[k]) for k in ("name", "tool_call_id") if turn.get(k)}


def _weight(weight: Any) -> int:
    text = plain(weight).strip().lower()
    if text in ("0", "false", "0.0", "no"):
        return 0
    if text in ("1", "true", "1.0", "yes"):
        return 1
    raise RowProblem(f"A turn has the weight {text[:20]!r}.", "Use 1 for turns to train on and 0 for turns that are only context.")


def _calls(turn: dict) -> list | None:
    """Return the tool calls of a turn as chat templates expect them, with the arguments as an object."""
    calls = unpack(turn.get("tool_calls")) or ([called] if (called := turn.get("function_call")) else None)
    return [call_of(call) for call in calls] if isinstance(calls, list) else None


def _written(message: dict, speaker: Any) -> None:
    """Extract tool calls written into the text (indicated by the turn's role or by tags), with reasoning and text around them."""
    if speaker not in CALLS and not TAGGED.search(message["content"]):
        return
    if found := calls_in_text(message["content"]):
        thoughts, text, calls = found
        message |= {"content": text, "tool_calls": calls}
        if thoughts:
            message.setdefault("reasoning_content", thoughts)


def role_of(name: Any) -> str:
    """Return user, assistant, system or tool for any known name of a role; RowProblem for an unknown one."""
    known = ROLE_NAMES.get(name) if isinstance(name, str) else None
    if known := known or ROLE_NAMES.get(_bare(plain(name))):
        return known
    raise RowProblem(f"A turn has the unknown role {plain(name)[:40]!r}.", "Use user, assistant, system or tool (or human and gpt).")


def _bare(name: str) -> str:
    return "".join(c for c in str(name).lower() if c.isalnum())
