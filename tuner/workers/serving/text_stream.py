"""Tokens to text while they arrive: whole characters only, without special tokens, and cut before a stop string."""

from tuner.models import chat_templates
from tuner.workers.tokenization import harmony

HALF = "\ufffd"  # what a tokenizer writes for the first bytes of a character


class TextStream:
    """The text of one answer. `push` returns what can be shown; `stopped` says that a stop string came, and nothing after it is shown.

    Special tokens are left out, except those around reasoning, which a reader must be able to separate from the answer.
    """

    def __init__(self, tokenizer, stop: tuple[str, ...] = ()):
        self.tokenizer, self.stop = tokenizer, tuple(s for s in stop if s)
        self.hidden, self.channels = hidden_tokens(tokenizer), harmony.of(tokenizer)
        self.ids: list[int] = []
        self.begin = self.read = 0  # the tokens [begin, read) are the context in which the next ones are decoded
        self.kept = ""  # text that may be the begin of a stop string
        self.stopped = False

    def push(self, token: int) -> str:
        """Return the text that `token` completes, "" while a character or a stop string may still be on its way."""
        if self.stopped:
            return ""
        if self.channels and (said := self.channels.heard(token)) is not None:
            return self._shown(said) if said else ""
        if token in self.hidden:
            return ""
        self.ids.append(token)
        before, after = self._decoded(self.begin, self.read), self._decoded(self.begin, len(self.ids))
        if after.endswith(HALF) or len(after) <= len(before):
            return ""
        self.begin, self.read = self.read, len(self.ids)
        return self._shown(after[len(before) :])

    def end(self) -> str:
        """Return what was held back: half a character, or the begin of a stop string that never came."""
        rest = "" if self.stopped else self.kept + self._decoded(self.begin, len(self.ids))[len(self._decoded(self.begin, self.read)) :]
        self.kept, self.read = "", len(self.ids)
        return rest

    def _decoded(self, begin: int, end: int) -> str:
        return (
            self.tokenizer.decode(self.ids[begin:end], skip_special_tokens=False, clean_up_tokenization_spaces=False) if end > begin else ""
        )

    def _shown(self, text: str) -> str:
        if not self.stop:
            return text
        text = self.kept + text
        found = [at for at in (text.find(s) for s in self.stop) if at >= 0]
        if found:
            self.stopped, self.kept = True, ""
            return text[: min(found)]
        held = max((n for s in self.stop for n in range(1, len(s)) if text.endswith(s[:n])), default=0)
        self.kept = text[len(text) - held :]
        return text[: len(text) - held]


def hidden_tokens(tokenizer) -> set[int]:
    """Return the ids of the special tokens that no reader sees; kept at the tokenizer, since a large one has thousands."""
    known = getattr(tokenizer, "_hidden_when_read", None)
    if known is None:
        tags = "".join(tag for pair in chat_templates.THINKING for tag in pair)
        special = {i: t.content for i, t in tokenizer.added_tokens_decoder.items() if t.special}
        special |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
        known = tokenizer._hidden_when_read = {i for i, text in special.items() if text not in tags}
    return known
