"""The response format of gpt-oss ("harmony"): an answer is a few messages, each in a channel, and a reader wants the last one.

`<|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...<|return|>`: what stands between `<|start|>` or `<|channel|>`
and `<|message|>` is a header. The analysis is shown as reasoning, between the same tags as that of other models (openai.com's harmony guide, 2025).
"""

from typing import Any

START, CHANNEL, MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
ENDS = ("<|end|>", "<|return|>", "<|call|>")
OPEN, CLOSE = "<think>", "</think>"


class Channels:
    """Follows the channels of one answer, token by token."""

    def __init__(self, tokenizer, ids: dict[str, int]):
        self.tokenizer, self.ids = tokenizer, ids
        self.ends = {ids[name] for name in ENDS if name in ids}
        self.header: list[int] | None = None  # the tokens of the header that is being written
        self.thinking = False

    def heard(self, token: int) -> str | None:
        """Return what is shown instead of a token that belongs to the format, "" for nothing; None for a token of a message."""
        if token in (self.ids[START], self.ids[CHANNEL]):
            self.header = []
            return self._close()
        if token == self.ids[MESSAGE]:
            channel = self.tokenizer.decode(self.header or [])
            self.header, self.thinking = None, "analysis" in channel
            return OPEN if self.thinking else ""
        if token in self.ends:
            return self._close()
        if self.header is not None:
            self.header.append(token)
            return ""
        return None

    def _close(self) -> str:
        was, self.thinking = self.thinking, False
        return CLOSE if was else ""


def of(tokenizer) -> Channels | None:
    """Return what follows the channels of a tokenizer's model; None for a model without the format. Its tokens are looked up once."""
    ids = getattr(tokenizer, "_harmony_tokens", None)
    if ids is None:
        added = {t.content: i for i, t in tokenizer.added_tokens_decoder.items()}
        known = {name: added[name] for name in (START, CHANNEL, MESSAGE, *ENDS) if name in added}
        ids = tokenizer._harmony_tokens = known if {START, CHANNEL, MESSAGE} <= known.keys() else {}
    return Channels(tokenizer, ids) if ids else None


def text(tokenizer, ids: list[int]) -> str:
    """Return the text of an answer without special tokens, its analysis between the tags of reasoning."""
    channels: Any = of(tokenizer)
    if channels is None:
        return tokenizer.decode(ids, skip_special_tokens=True).strip()
    parts: list[str] = []
    message: list[int] = []
    for token in ids:
        said = channels.heard(token)
        if said is None:
            message.append(token)
            continue
        parts += [tokenizer.decode(message, skip_special_tokens=True), said]
        message = []
    return "".join([*parts, tokenizer.decode(message, skip_special_tokens=True)]).strip()
