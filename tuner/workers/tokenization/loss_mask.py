"""Canonical rows → text → tokens, and which of them are learnt: the one place, for training, preview and statistics alike.

A batch is written with the model's chat template, encoded by the tokenizer's Rust core in a thread beside (the next
batch is written meanwhile), and the stretches that the assistant says become ranges of tokens. Where they are is told by
the template's `{% generation %}` marks, the model's own or those of TRL's copy of it; without any, by what an answer adds
to the text written before it. Messages with weight 0 keep their tokens and are not learnt.
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
from tuner.workers.tokenization.template_render import SYSTEM, Ranges, TemplateRefusal, Writer, folded

ROWS, LETTERS = 1024, 2_000_000  # of a batch at most, whichever is reached first


@dataclass(slots=True)
class Encoded:
    """One row: its token `ids`, the `ranges` [first, end) of them that are learnt, or why it is `refused`.

    `text` is what was encoded; `encoding` (of the tokenizers library) knows which token stands where in it.
    """

    ids: list[int] = field(default_factory=list)
    ranges: Ranges = field(default_factory=list)
    refused: str | None = None
    text: str = ""
    encoding: Any = None
    weight: float = 1.0


@dataclass(slots=True)
class Written:
    """A row as text, with the stretches [begin, end) of its characters that are learnt; None: all of it."""

    text: str = ""
    spans: Ranges | None = None
    refused: str | None = None
    weight: float = 1.0


class Masker:
    """Rows of one `kind` as tokens of one model, for one objective (chat or text); with `fold_system` system turns are put into the
    question that follows."""

    def __init__(self, tokenizer, *, kind: str, objective: str, fold_system: bool = False):
        self.tokenizer, self.kind, self.chat, self.fold = tokenizer, kind, objective in objectives.TALKS, fold_system
        self.how, self.unseen, self.said, self.ended = "whole", Counter(), 0, 0
        self._writers: dict[str, Writer] = {}
        self.special = {*tokenizer.all_special_ids, *(id for id, token in tokenizer.added_tokens_decoder.items() if token.special)}
        if self.chat:
            if not tokenizer.is_fast:
                raise _too_slow(tokenizer)
            self.how = self._writer(None).how
        if tokenizer.is_fast:
            tokenizer(" ", add_special_tokens=False)  # sets the core to neither cut nor pad, whatever its file says

    def stream(self, values: Iterable[dict], *, limit: float = timeout.SECONDS) -> Iterator[list[Encoded]]:
        """The rows in order, batch by batch. ModelError when one batch takes longer than `limit` seconds."""
        before, done, pool = None, 0, ThreadPoolExecutor(1, "tokens")
        try:
            with _many_cores():
                for batch in self._written(values, limit):
                    coming = batch, pool.submit(self._encode, [w.text for w in batch if w.refused is None])
                    if before:
                        yield self._masked(*before, done, limit)
                        done += len(before[0])
                    before = coming
                if before:
                    yield self._masked(*before, done, limit)
        finally:
            pool.shutdown(wait=False)  # the core may be the one that hangs

    def batch(self, values: list[dict]) -> list[Encoded]:
        return [row for rows in self.stream(values) for row in rows]

    def notes(self) -> list[str]:
        """What a person should know of the masks, after the rows went through."""
        out = []
        if self.how == "prefixes":
            out.append(
                "This model's chat template does not mark what the assistant says, and no marked copy of it is known. What is learnt "
                "was worked out from what each answer adds to the text; look at some rows before you train."
            )
        if self.said and not self.ended:
            out.append("No answer ends with a token that says so: a model trained like this may not know when to stop.")
        return out

    # --- writing

    def _written(self, values: Iterable[dict], limit: float) -> Iterator[list[Written]]:
        values, at, going = iter(values), 0, True
        while going:
            batch, letters, going = [], 0, False
            with timeout.limited(f"Writing rows {at + 1:,} to {at + ROWS:,}", limit):
                for value in values:
                    batch.append(self._write(value))
                    letters += len(batch[-1].text)
                    if len(batch) >= ROWS or letters >= LETTERS:
                        going = True
                        break
            at += len(batch)
            if batch:
                yield batch

    def _write(self, value: dict) -> Written:
        weight = float(value.get("weight", 1.0))
        try:
            if not self.chat:
                return Written(convert.as_text(value, self.kind), weight=weight)
            return Written(*self._conversation(value), weight=weight)
        except (RequestError, TemplateRefusal) as error:
            return Written(refused=str(error)[:200])

    def _conversation(self, value: dict) -> tuple[str, Ranges]:
        messages, tools = convert.as_messages(value, self.kind), value.get("tools") or None
        messages, writer = folded(messages) if self.fold else messages, self._writer(tools)
        try:
            text, spans = writer.write(messages, tools)
        except TemplateRefusal as error:
            if not self.fold and any(m["role"] in SYSTEM for m in messages) and writer.takes(folded(messages), tools):
                raise TemplateRefusal(NO_SYSTEM) from error
            raise
        self.unseen.update(writer.missing.keys())
        return text, spans

    def _writer(self, tools: list | None) -> Writer:
        template = self.tokenizer.get_chat_template(None, tools)  # a model may have another one for tools
        if template not in self._writers:
            self._writers[template] = Writer(template, self.tokenizer.special_tokens_map)
        return self._writers[template]

    # --- encoding

    def _encode(self, texts: list[str]) -> list:
        if self.tokenizer.is_fast:
            return self.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=not self.chat)
        return [_Bare(self.tokenizer(text)["input_ids"]) for text in texts]

    def _masked(self, batch: list[Written], encoded: Future, at: int, limit: float) -> list[Encoded]:
        try:
            encodings = iter(encoded.result(timeout=limit))
        except TimeoutError:
            raise timeout.overdue(f"Reading rows {at + 1:,} to {at + len(batch):,}", limit) from None
        return [Encoded(refused=w.refused) if w.refused is not None else self._row(w, next(encodings)) for w in batch]

    def _row(self, written: Written, encoding) -> Encoded:
        ids = encoding.ids
        if written.spans is None:  # of plain text every token is learnt, the end token too
            ids = ids if ids and ids[-1] == self.tokenizer.eos_token_id else [*ids, self.tokenizer.eos_token_id]
            return Encoded(ids, [(0, len(ids))], None, written.text, encoding, written.weight)
        covered = inside if self.how == "prefixes" else touched
        ranges = [r for span in written.spans if (r := covered(encoding, *span))]
        self.said += len(ranges)
        self.ended += sum(ids[end - 1] in self.special for _, end in ranges)
        return Encoded(ids, ranges, None, written.text, encoding, written.weight)


@dataclass
class _Bare:
    """An encoding of a tokenizer without a Rust core, which can't tell where its tokens stand."""

    ids: list[int]
    offsets: None = None


def touched(encoding, begin: int, end: int) -> tuple[int, int] | None:
    """The tokens [first, end) that hold a character of [begin, end): for marks, which may stand before a space that a token begins with."""
    first, last = encoding.char_to_token(begin), encoding.char_to_token(end - 1)
    if first is None or last is None:  # a character that no token holds: a tokenizer that leaves out spaces
        hits = [i for i, (a, b) in enumerate(encoding.offsets) if a < end and b > begin]
        return (hits[0], hits[-1] + 1) if hits else None
    last += 1
    while (place := encoding.token_to_chars(last)) and place[0] < end and place[1] > place[0]:  # a last character of several tokens
        last += 1
    return first, last


def inside(encoding, begin: int, end: int) -> tuple[int, int] | None:
    """The tokens [first, end) that hold no character outside [begin, end): for text that was cut where it was written together."""
    hits = [i for i, (a, b) in enumerate(encoding.offsets) if begin <= a and b <= end and b > a]
    return (hits[0], hits[-1] + 1) if hits else None


@contextlib.contextmanager
def _many_cores() -> Iterator[None]:
    """The Rust core may use all cores while rows are prepared: nothing is forked meanwhile."""
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


def _too_slow(tokenizer) -> ModelError:
    return ModelError(
        "The tokenizer of this model can't tell where in the text its tokens stand, so answers can't be told from questions.",
        asked=type(tokenizer).__name__,
        available="tokenizers with a tokenizer.json",
        remedy="Choose another model, or learn plain text.",
        field="model",
    )
