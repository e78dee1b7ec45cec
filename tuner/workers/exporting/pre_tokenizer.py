"""Name the pre-tokenizer of a tokenizer.json as llama.cpp knows it.

llama.cpp splits a text by regular expressions that are built in, one set per name (`llm_load_vocab` in src/llama-vocab.cpp). Its converter finds the
name by a hash of token ids, which only known vocabularies have; a vocabulary of one's own with a known way of splitting is refused there. Here
the rules themselves are compared. A way of splitting that isn't in the table has no name: nothing is guessed.
"""

from typing import Any

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # what ByteLevel(use_regex=True) splits by
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTIONS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BY_REGEX = {
    GPT2: "gpt-2",
    CONTRACTIONS + WORDS + r"|\p{N}" + REST: "qwen2",
    CONTRACTIONS + WORDS + r"|\p{N}{1,3}" + REST: "llama-bpe",
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen35",
    TEKKEN: "tekken",
    GPT4O: "gpt-4o",
}


def name(tokenizer: dict[str, Any]) -> str | None:
    """Return llama.cpp's name of the way in which a tokenizer.json splits a text, None where it has none that is certain."""
    if tokenizer.get("model", {}).get("type") != "BPE" or _kind(tokenizer.get("normalizer")) not in ("", "NFC"):
        return None
    steps = _steps(tokenizer.get("pre_tokenizer"))
    kinds = [step.get("type") for step in steps]
    if not kinds or kinds[-1] != "ByteLevel" or steps[-1].get("add_prefix_space", True):
        return None
    by_regex = steps[-1].get("use_regex", True)
    if kinds == ["ByteLevel"] and by_regex:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and by_regex and steps[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not by_regex and not steps[0].get("invert"):
        regex = steps[0].get("pattern", {}).get("Regex")
        return BY_REGEX.get(regex) if steps[0].get("behavior") == "Isolated" else None
    return None


def _kind(step: Any) -> str:
    return step.get("type", "") if isinstance(step, dict) else ""


def _steps(found: Any) -> list[dict[str, Any]]:
    """Return the steps of a pre-tokenizer, a sequence or a single one."""
    if _kind(found) == "Sequence":
        return [step for step in found.get("pretokenizers", []) if isinstance(step, dict)]
    return [found] if _kind(found) else []
