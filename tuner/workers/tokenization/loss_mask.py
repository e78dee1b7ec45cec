"""Loss mask: canonical rows → text → tokens, and which tokens are trained. The same code for training, preview and statistics.

A batch is rendered with the model's chat template and encoded by the tokenizer's Rust core in a second thread (while the next batch is
rendered), and the character spans of the assistant become token ranges. The spans come from the template's `{% generation %}` marks, the model's
own or those of TRL's copy of the template; without marks, from what an answer adds to the text rendered before it. Messages with weight 0
keep their tokens and are not trained.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tuner import devices
from tuner.data.schema import convert
from tuner.errors import ModelError, RequestError
from tuner.runs.run_warnings import NO_SYSTEM
from tuner.settings import objectives
from tuner.workers.tokenization import timeout
from tuner.workers.tokenization.template_render import SYSTEM, Ranges, Renderer, TemplateRefusal, folded

ROWS, LETTERS = 1024, 2_000_000  # rows and characters of a batch at most, whichever is reached first


@dataclass(slots=True)
class Encoded:
    """One row: its token `ids`, the `ranges` [first, end) that are trained, or why it is `refused`.

    `text` is the encoded text; `encoding` (of the tokenizers library) maps tokens to characters.
    """

    ids: list[int] = field(default_factory=list)
    ranges: Ranges = field(default_factory=list)
    refused: str | None = None
    text: str = ""
    encoding: Any = None
    weight: float = 1.0


@dataclass(slots=True)
class Rendered:
    """A row as text, with the character spans [begin, end) that are trained; None: all of it."""

    text: str = ""
    spans: Ranges | None = None
    refused: str | None = None
    weight: float = 1.0


class Masker:
    """Tokenizes rows of one `kind` with one model's tokenizer, for one objective (chat or text); with `fold_system`, system turns are merged into
    the user turn that follows."""

    def __init__(self, tokenizer, *, kind: str, objective: str, fold_system: bool = False):
        self.tokenizer, self.kind, self.chat, self.fold = tokenizer, kind, objective in objectives.USES_CHAT_TEMPLATE, fold_system
        self.how, self.unseen, self.said, self.ended = "whole", Counter(), 0, 0
        self._writers: dict[str, Renderer] = {}
        self.special = {*tokenizer.all_special_ids, *(id for id, token in tokenizer.added_tokens_decoder.items() if token.special)}
        if self.chat:
            if not tokenizer.is_fast:
                raise _slow_tokenizer(tokenizer)
            self.how = self._template_writer(None).how
        if tokenizer.is_fast:
            tokenizer(" ", add_special_tokens=False)  # disables truncation and padding of the Rust core, whatever tokenizer.json says

    def stream(self, values: Iterable[dict], *, limit: float = timeout.SECONDS) -> Iterator[list[Encoded]]:
        """Yield the rows in order, batch by batch. ModelError when one batch takes longer than `limit` seconds."""
        before, done, pool = None, 0, ThreadPoolExecutor(1, "tokens")
        try:
            with _many_cores():
                for batch in self._rendered(values, limit):
                    current = batch, pool.submit(self._encode, [w.text for w in batch if w.refused is None])
                    if before:
                        yield self._masked(*before, done, limit)
                        done += len(before[0])
                    before = current
                if before:
                    yield self._masked(*before, done, limit)
        finally:
            pool.shutdown(wait=False)  # don't wait: the Rust core may hang

    def batch(self, values: list[dict]) -> list[Encoded]:
        return [row for rows in self.stream(values) for row in rows]

    def notes(self) -> list[str]:
        """Return notes for a person about the loss masks, after the rows were processed."""
        out = []
        if self.how == "prefixes":
            out.append(
                "This model's chat template does not mark the assistant's answers, and no marked copy of it is known. The trained tokens were "
                "derived from what each answer adds to the text. Check some rows in the token preview before you train."
            )
        if self.said and not self.ended:
            out.append("No answer ends with an end token: a model trained like this may not know when to stop.")
        return out

    # --- rendering

    def _rendered(self, values: Iterable[dict], limit: float) -> Iterator[list[Rendered]]:
        values, at, more = iter(values), 0, True
        while more:
            batch, letters, more = [], 0, False
            with timeout.limited(f"Rendering rows {at + 1:,} to {at + ROWS:,}", limit):
                for value in values:
                    batch.append(self._render(value))
                    letters += len(batch[-1].text)
                    if len(batch) >= ROWS or letters >= LETTERS:
                        more = True
                        break
            at += len(batch)
            if batch:
                yield batch

    def _render(self, value: dict) -> Rendered:
        weight = float(value.get("weight", 1.0))
        try:
            if not self.chat:
                return Rendered(convert.as_text(value, self.kind), weight=weight)
            return Rendered(*self._conversation(value), weight=weight)
        except (RequestError, TemplateRefusal) as error:
            return Rendered(refused=str(error)[:200])

    def _conversation(self, value: dict) -> tuple[str, Ranges]:
        messages, tools = convert.as_messages(value, self.kind), value.get("tools") or None
        messages, writer = folded(messages) if self.fold else messages, self._template_writer(tools)
        try:
            text, spans = writer.write(messages, tools)
        except TemplateRefusal as error:
            if not self.fold and any(m["role"] in SYSTEM for m in messages) and writer.takes(folded(messages), tools):
                raise TemplateRefusal(NO_SYSTEM) from error
            raise
        self.unseen.update(writer.missing.keys())
        return text, spans

    def _template_writer(self, tools: list | None) -> Renderer:
        template = self.tokenizer.get_chat_template(None, tools)  # a model may have another template for tools
        if template not in self._writers:
            self._writers[template] = Renderer(template, self.tokenizer.special_tokens_map)
        return self._writers[template]

    # --- encoding

    def _encode(self, texts: list[str]) -> list:
        if self.tokenizer.is_fast:
            return self.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=not self.chat)
        return [_SlowEncoding(self.tokenizer(text)["input_ids"]) for text in texts]

    def _masked(self, batch: list[Rendered], encoded: Future, at: int, limit: float) -> list[Encoded]:
        try:
            encodings = iter(encoded.result(timeout=limit))
        except TimeoutError:
            raise timeout.overdue(f"Tokenizing rows {at + 1:,} to {at + len(batch):,}", limit) from None
        return [Encoded(refused=w.refused) if w.refused is not None else self._row(w, next(encodings)) for w in batch]

    def _row(self, written: Rendered, encoding) -> Encoded:
        ids = encoding.ids
        if written.spans is None:  # in plain text every token is trained, including the end token
            ids = ids if ids and ids[-1] == self.tokenizer.eos_token_id else [*ids, self.tokenizer.eos_token_id]
            return Encoded(ids, [(0, len(ids))], None, written.text, encoding, written.weight)
        covered = inside if self.how == "prefixes" else touched
        ranges = [r for span in written.spans if (r := covered(encoding, *span))]
        self.said += len(ranges)
        self.ended += sum(ids[end - 1] in self.special for _, end in ranges)
        return Encoded(ids, ranges, None, written.text, encoding, written.weight)


@dataclass
class _SlowEncoding:
    """An encoding of a tokenizer without a Rust core: it has no offsets."""

    ids: list[int]
    offsets: None = None


def touched(encoding, begin: int, end: int) -> tuple[int, int] | None:
    """Return the tokens [first, end) that contain a character of [begin, end): for marks, which may precede a space that a token starts with."""
    first, last = encoding.char_to_token(begin), encoding.char_to_token(end - 1)
    if first is None or last is None:  # a character without a token: the tokenizer drops spaces
        hits = [i for i, (a, b) in enumerate(encoding.offsets) if a < end and b > begin]
        return (hits[0], hits[-1] + 1) if hits else None
    last += 1
    while (span := encoding.token_to_chars(last)) and span[0] < end and span[1] > span[0]:  # the last character takes several tokens
        last += 1
    return first, last


def inside(encoding, begin: int, end: int) -> tuple[int, int] | None:
    """Return the tokens [first, end) without a character outside [begin, end): for spans derived from prefixes, where a token may cross the border."""
    hits = [i for i, (a, b) in enumerate(encoding.offsets) if begin <= a and b <= end and b > a]
    return (hits[0], hits[-1] + 1) if hits else None


@contextlib.contextmanager
def _many_cores() -> Iterator[None]:
    """Let the Rust core use all cores while rows are prepared: nothing is forked meanwhile."""
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    if devices.cores() > 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("TOKENIZERS_PARALLELISM", None)
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before


def _slow_tokenizer(tokenizer) -> ModelError:
    return ModelError(
        "The tokenizer of this model has no token offsets, so answers can't be separated from prompts.",
        asked=type(tokenizer).__name__,
        available="tokenizers with a tokenizer.json",
        remedy="Choose another model, or train on plain text.",
        field="model",
    )
