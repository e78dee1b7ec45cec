"""Fast checks for problems in one text or one row, and the functions that fix them; they run on every row, so each must be cheap."""

import html
import re
from functools import lru_cache

LOST = "\ufffd"
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ufff9-\ufffc]")
CODE = re.compile(r"```[\s\S]*?(?:```|\Z)|`[^`\n]*`")
TAGS = "p|br|div|span|b|i|u|em|strong|font|a|img|ul|ol|li|table|tbody|thead|tr|td|th|h[1-6]|hr|center|blockquote|script|style|iframe|body"
TAG = re.compile(rf"</?(?:{TAGS})(?:\s[^<>]{{0,500}})?/?>", re.I)
ENTITY = re.compile(r"&(?:nbsp|amp|lt|gt|quot|apos|ndash|mdash|hellip|[lr][sd]quo|euro|#\d{2,6}|#x[0-9a-f]{2,6});", re.I)
BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])(?:\s[^<>]*)?/?>", re.I)
ABOUT_MARKUP = re.compile(r"\b(?:x?html5?|xml|css|markup|web ?page|website|tags?|javascript|jsx|<!doctype)\b", re.I)
REFUSAL = re.compile(
    r"(?:i(?:'m| am) (?:really |very |so )?sorry|sorry|i apologi[sz]e|unfortunately|as an ai\b[^.,]{0,40})[^.!?\n]{0,40}\b(?:i|we) "
    r"(?:can(?:'t|not| not)|am (?:not able|unable)|won't)[^.!?\n]{0,30}\b"
    r"(?:help|assist|fulfil|comply|provide|answer|create|generate|write|engage|discuss|participate|support|do that|continue|with (?:that|this))"
    r"|i(?:'m| am) (?:unable|not able|not allowed) to (?:help|assist|fulfil|comply|provide|answer|create|generate|write|engage|discuss)"
    r"|i (?:can(?:'t|not)|won't) (?:help|assist|fulfil|comply|engage|participate|provide (?:that|this|any))"
    r"|es tut mir leid, (?:aber )?(?:ich kann|dabei|das kann)|je suis désolée?, mais je ne peux|lo siento, pero no puedo"
    r"|mi dispiace, ma non posso|sinto muito, mas não posso|het spijt me, maar ik kan|对不起，我(?:不能|无法)|很抱歉，我(?:不能|无法)|申し訳ありませんが",
    re.I,
)
MACHINE = re.compile(
    r"\bas an? (?:large )?(?:ai|artificial intelligence|language model|llm)\b|\bi(?:'m| am) (?:just |only )?an? (?:ai|large|language) "
    r"(?:language )?(?:model|assistant|chatbot)|\bmy (?:knowledge|training) (?:cut-?off|data)|\bas of my last (?:update|knowledge|training)"
    r"|\b(?:developed|trained|created) by (?:openai|anthropic|google|meta)\b|\b(?:i am|i'm) (?:chatgpt|gpt-?\d|claude|gemini|bard)\b"
    r"|\bals (?:ein )?ki[- ](?:sprach)?modell|en tant qu(?:e modèle de langage|'ia)|como (?:un )?modelo de (?:lenguaje|linguagem)"
    r"|作为一个?(?:ai|人工智能|语言模型)|大規模言語モデル",
    re.I,
)
REFUSAL_HINTS = (
    *("sorry", "apolog", "unfortunately", "as an ai", "i can", "i'm unable", "i am unable", "i'm not", "i am not", "i won't"),
    *("leid", "désol", "siento", "dispiace", "sinto", "spijt", "对不起", "很抱歉", "申し訳"),
)
MACHINE_HINTS = (
    *("language model", "artificial int", "as an ai", "an ai ", "llm", "assistant", "chatbot", "cutoff", "cut-off", "training data"),
    *(
        "as of my last",
        "my training",
        "openai",
        "anthropic",
        "by google",
        "by meta",
        "chatgpt",
        "i am ",
        "i'm ",
        "sprachmodell",
        "ki-modell",
    ),
    *("ki modell", "modèle de langage", "tant qu'ia", "modelo de l", "人工智能", "语言模型", "为一个ai", "作为ai", "大規模言語モデル"),
)
NOTHING = frozenset("n/a na null none nan nil undefined todo tbd xxx ? - -- ... … . [] {} unknown empty #n/a #value! #ref!".split())
SENTENCE = re.compile(r"\s*([^\n.!?。！？]{3,100}[.!?。！？]+)(?=\s|$)|\s*([^\n。！？]{3,100}[。！？])")


@lru_cache(maxsize=1)
def _ftfy():
    import ftfy
    from ftfy.badness import is_bad

    return ftfy.fix_encoding, is_bad


def fix_encoding(text: str) -> str:
    """Fix wrongly decoded characters ("cafÃ©" to "café") with ftfy; everything else stays unchanged."""
    if text.isascii():
        return text
    fix, is_bad = _ftfy()
    return fix(text) if is_bad(text) else text


def garbled(text: str) -> bool:
    """Return whether the text has wrongly decoded characters that `mend` can fix."""
    return fix_encoding(text) != text


def clean(text: str) -> str:
    """Remove invisible control characters."""
    return CONTROLS.sub("", text)


def marked_up(text: str) -> bool:
    """Return whether prose contains leftover HTML; code and texts about HTML don't count."""
    if "<" not in text and "&" not in text:
        return False
    outside = CODE.sub("", text)
    return bool(TAG.search(outside) or ENTITY.search(outside)) and not ABOUT_MARKUP.search(TAG.sub(" ", outside))


def unmarked(text: str) -> str:
    """Remove tags and decode entities, keeping line breaks; code and texts about HTML stay unchanged."""
    if not marked_up(text):
        return text
    out, at = [], 0
    for code in CODE.finditer(text):
        out += [_unmarked(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*out, _unmarked(text[at:])])


def _unmarked(text: str) -> str:
    text = html.unescape(TAG.sub("", BREAK.sub("\n", text))).replace("\xa0", " ")
    return re.sub(r"\n{3,}", "\n\n", text)


def refuses(answer: str) -> bool:
    """Return whether the answer begins with a refusal."""
    text = answer[:300].lower().replace("’", "'")
    return any(hint in text for hint in REFUSAL_HINTS) and bool(REFUSAL.search(text))


def describes_itself_as_ai(answer: str) -> bool:
    """Return whether another model describes itself in the answer."""
    text = answer.lower().replace("’", "'")
    return any(hint in text for hint in MACHINE_HINTS) and bool(MACHINE.search(text))


def is_empty_answer(answer: str) -> bool:
    """Return whether an answer holds only spaces, symbols, a placeholder, or one letter."""
    text = CONTROLS.sub("", answer).strip()
    return len(text) < 2 and not "\u3040" <= text[:1] <= "\uffef" or text.lower() in NOTHING or not any(map(str.isprintable, text.strip()))


def opening(answer: str) -> str | None:
    """Return the first sentence of an answer that has more than one; None for other answers."""
    match = SENTENCE.match(answer)
    found = match and (match[1] or match[2])
    return found.strip() if found and len(answer.strip()) > len(found.strip()) else None


def without_opening(answer: str, sentence: str) -> str:
    """Remove this sentence from the start of an answer; an answer that holds nothing else stays unchanged."""
    text = answer.lstrip()
    rest = text[len(sentence) :].lstrip() if text.startswith(sentence) else ""
    return rest or answer


def disordered(value: dict, kind: str) -> bool:
    """Return whether the turns are in an order that chat templates don't expect."""
    if kind not in ("chat", "preference", "rated"):
        return False
    conversations = (
        [value["messages"]] if kind == "chat" else [value["prompt"] + value[k] for k in ("chosen", "rejected", "answer") if k in value]
    )
    return any(_wrong([m["role"] for m in messages]) for messages in conversations)


def _wrong(roles: list[str]) -> bool:
    turns = [r for i, r in enumerate(roles) if i or r != "system"]
    return (
        not turns
        or turns[0] != "user"
        or turns[-1] != "assistant"
        or "system" in turns
        or any(a == b and a in ("user", "assistant") for a, b in zip(turns, turns[1:], strict=False))
    )
