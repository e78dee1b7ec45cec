"""Parse conversations written as one text, with the marks of a chat template or a name before each turn."""

import re
from typing import Any

Messages = list[dict[str, Any]]
_WORDS = {
    "user": "human user instruction input question customer",
    "assistant": "assistant response gpt ai bot answer chatgpt model gptassistant output",
    "system": "system developer",
    "tool": "tool functionresponse ipython",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}
_NAME = r"(Human|User|Assistant|System|Instruction|Input|Response|Question|Answer|Output)"
_STYLES = (  # (text near the beginning, pattern of the marks with the role in group 1); the first match wins
    ("<|im_start|>", re.compile(r"<\|im_start\|>\s*(\w+)[ \t]*\n?")),
    ("<|start_header_id|>", re.compile(r"<\|start_header_id\|>\s*(\w+)\s*<\|end_header_id\|>")),
    ("<start_of_turn>", re.compile(r"<start_of_turn>\s*(\w+)[ \t]*\n?")),
    ("<|user|>", re.compile(r"<\|(system|user|assistant)\|>")),
    ("<|system|>", re.compile(r"<\|(system|user|assistant)\|>")),
    ("<|prompter|>", re.compile(r"<\|(prompter|assistant|system)\|>")),
    ("[|Human|]", re.compile(r"\[\|(Human|AI)\|\]")),
    ("###", re.compile(rf"###\s?{_NAME}\s?:", re.IGNORECASE)),
    ("USER:", re.compile(r"(?:^|(?<=\s)|(?<=>))(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE)\s?:")),
    ("\n\nAssistant:", re.compile(r"(?:^\s*|\n\n[ \t]*)(Human|Assistant|System)[ \t]*:")),
    ("Human:", re.compile(r"(?:^|\n)[ \t]*(Human|Assistant|System)[ \t]*:")),
    ("User:", re.compile(r"(?:^|\n)[ \t]*(User|Assistant|System|AI|Bot)[ \t]*:")),
    ("Customer:", re.compile(r"(?:^|\n)[ \t]*(Customer|Agent|Assistant|Bot)[ \t]*:")),
)
_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>", "<|end|>", "</s>", "<|endoftext|>", "<eos>", "<|end_of_turn|>")
_ROLES |= {"prompter": "user", "agent": "assistant"}
_BOILERPLATE = "Below is an instruction that describes a task"
OPENINGS = (  # beginnings of a prompt with marked turns
    *("Human:", "### Human", "### Instruction", "### User", "USER:", "[INST]", "<s>[INST]", "<s> [INST]", _BOILERPLATE),
    *("<|im_start|>", "<|begin_of_text|>", "<|start_header_id|>", "<start_of_turn>", "<bos><start_of_turn>", "<|user|>", "<|system|>"),
    "<|prompter|>",
)
_OPENING = 600  # a system text may come before the first mark


def transcript(text: str) -> Messages | None:
    """Return the turns of a text such as "\\n\\nHuman: ...\\n\\nAssistant: ...", ChatML or Llama's [INST]; None for any other text."""
    head = text[:_OPENING]
    if "[INST]" in head:
        return _llama(text)
    for sign, mark in _STYLES:
        if sign in (text if sign[0] == "\n" else head) and (sign[0] in "<#[" or _begins(head, mark)):
            return _split(text, mark)
    return None


def _begins(head: str, mark: re.Pattern) -> bool:
    """Return whether a name with a colon is at the beginning, or in capitals after a system text (Vicuna); others don't count."""
    found = mark.search(head)
    return bool(found and (not head[: found.start()].strip() or found[1].isupper() and "assistant" in head[: found.start()].lower()))


def _split(text: str, mark: re.Pattern) -> Messages | None:
    marks = list(mark.finditer(text))
    if not marks:
        return None
    before = text[: marks[0].start()].replace("<|begin_of_text|>", "").replace("<bos>", "").replace("<s>", "").strip()
    messages: Messages = [{"role": "system", "content": before}] if before and not before.startswith(_BOILERPLATE) else []
    for here, after in zip(marks, [*marks[1:], None], strict=True):
        role = _ROLES.get(re.sub(r"\W", "", here[1].lower()))
        if not role:
            return None
        content = _trim(text[here.end() : after.start() if after else len(text)])
        if messages and role == messages[-1]["role"] == "user":  # Alpaca's Input belongs to its Instruction
            messages[-1]["content"] += "\n\n" + content if content else ""
        else:
            messages.append({"role": role, "content": content})
    return _closed(messages)


def _closed(messages: Messages) -> Messages | None:
    """Drop the empty last turn where an answer would begin; None if there is no user turn."""
    while messages and messages[-1]["role"] == "assistant" and not messages[-1]["content"]:
        messages.pop()
    return messages if any(m["role"] == "user" for m in messages) else None


def _trim(text: str) -> str:
    text = text.strip()
    while end := next((e for e in _ENDS if text.endswith(e)), None):
        text = text[: -len(end)].rstrip()
    return text


def _llama(text: str) -> Messages | None:
    """Parse repeated `[INST] question [/INST] answer`; the first may contain a system text in <<SYS>>."""
    messages: Messages = []
    for part in text.replace("<s>", "").split("[INST]")[1:]:
        question, end_mark, answer = part.partition("[/INST]")
        if not end_mark:
            return None
        system, marked, rest = question.partition("<</SYS>>")
        if marked and not messages:
            messages.append({"role": "system", "content": system.replace("<<SYS>>", "").strip()})
        messages.append({"role": "user", "content": (rest if marked else question).strip()})
        messages.append({"role": "assistant", "content": _trim(answer)})
    return _closed([m for m in messages if m["content"] or m["role"] != "system"])
