"""Tokenize rows of classification, regression, token classification, sequence-to-sequence and question answering. The same code for training
and for counting. No torch."""

import numpy as np

from tuner.workers.tokenization.tokenized_rows import EMPTY, HALF_EMPTY, NO_QUESTION, NO_WORDS, Rows, batched, weight_of

NOTHING = 0  # the target of a window without an answer: its first token


def texts(tokenizer, values, max_length: int | None) -> Rows:
    """Return tokenized texts, truncated at `max_length` (None: not truncated); `labels` as in the rows: str, list of str, or float;
    None for texts without."""
    rows = Rows()
    for batch in batched(values):
        encoded = tokenizer([v["text"] for v in batch], truncation=max_length is not None, max_length=max_length)
        for value, ids, cut in zip(batch, encoded["input_ids"], cuts(encoded, max_length), strict=True):
            if not value["text"].strip() or not ids:
                rows.leave_out(EMPTY)
                continue
            rows.cut += cut
            rows.add(input_ids=ids, labels=value.get("label"), weight=weight_of(value))
    return rows


def cuts(encoded, max_length: int | None) -> list[bool]:
    """Return whether each text of a batch was truncated. For a tokenizer without a Rust core, a text of exactly `max_length` counts as truncated."""
    parts = encoded.encodings
    return [bool(p.overflowing) for p in parts] if parts else [len(ids) == max_length for ids in encoded["input_ids"]]


def first_tokens(words: list[str], offsets: list[tuple[int, int]]) -> list[int | None]:
    """Return, for each word, its first token; None for a word without a token of its own (it was truncated, or has no letter).

    `offsets`: the characters of each token in the words joined by spaces; an empty one (0, 0) is a special token.
    """
    out, at, token = [], 0, 0
    for word in words:
        while token < len(offsets) and (offsets[token][1] <= at or offsets[token][0] == offsets[token][1]):
            token += 1
        inside = token < len(offsets) and offsets[token][0] < at + len(word)
        out.append(token if inside else None)
        token += inside  # a token that two words share belongs to the first
        at += len(word) + 1
    return out


def words(tokenizer, values, max_length: int | None) -> Rows:
    """Return tokenized rows with `words`: (token, tag) pairs, until the set of tags is known."""
    rows, options = Rows(), {"truncation": max_length is not None, "max_length": max_length, "return_offsets_mapping": True}
    for batch in batched(values):
        encoded = tokenizer([" ".join(v["tokens"]) for v in batch], **options)
        for value, ids, offsets, cut in zip(batch, encoded["input_ids"], encoded["offset_mapping"], cuts(encoded, max_length), strict=True):
            firsts = first_tokens(value["tokens"], offsets)
            pairs = [(token, tag) for token, tag in zip(firsts, value["tags"], strict=True) if token is not None]
            if not pairs:
                rows.leave_out(NO_WORDS)
                continue
            rows.cut += cut
            rows.add(input_ids=ids, words=pairs, weight=weight_of(value))
    return rows


def source_of(messages: list[dict]) -> str:
    """Return a conversation as source text: a single question as it is, else one line per turn."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"] or ""
    return "\n".join(f"{m['role']}: {m['content'] or ''}" for m in messages)


def as_pair(value: dict, kind: str) -> tuple[str, str]:
    """Return (source, target) of a canonical row; for a conversation the target is the last trained answer, the source everything before it."""
    if kind == "seq2seq":
        return value["source"], value["target"]
    messages = value["messages"]
    answers = [i for i, m in enumerate(messages) if m["role"] == "assistant" and m.get("weight", 1)]
    return (source_of(messages[: answers[-1]]), messages[answers[-1]]["content"] or "") if answers else ("", "")


def text_pairs(tokenizer, values, kind: str, max_length: int | None) -> Rows:
    """Return tokenized sources and targets, each truncated at `max_length` (None: not truncated); a target ends with the end token, unless it was
    truncated."""
    rows = Rows(("labels",))
    for batch in batched(values):
        pairs = [as_pair(value, kind) for value in batch]
        encoded = tokenizer([s for s, _ in pairs], truncation=max_length is not None, max_length=max_length)
        targets = tokenizer(text_target=[t for _, t in pairs])["input_ids"]
        for value, pair, source, target, cut in zip(batch, pairs, encoded["input_ids"], targets, cuts(encoded, max_length), strict=True):
            if not pair[0].strip() or not pair[1].strip() or not source:
                rows.leave_out(HALF_EMPTY)
                continue
            target = target if target[-1:] == [tokenizer.eos_token_id] else [*target, tokenizer.eos_token_id]
            rows.cut += cut or max_length is not None and len(target) > max_length
            rows.add(input_ids=source, labels=target[:max_length], weight=weight_of(value))
    return rows


class Windows(Rows):
    """Windows of long texts. `row` is the index of each window's question; `questions` are the canonical rows, for evaluation."""

    def __init__(self):
        super().__init__(("token_type_ids", "begins", "ends"))
        self.questions: list[dict] = []
        self.unanswered = 0

    def select(self, places) -> "Windows":
        """Return all windows of some questions; `places` are indices of questions, not of windows."""
        wanted = [i for i in places if i < len(self.questions)]
        out, new = Windows(), {old: i for i, old in enumerate(wanted)}
        out.questions = [self.questions[i] for i in wanted]
        for i, row in enumerate(self.columns["row"]):
            if row in new:
                out.add(**self[i] | {"row": new[row]})
        return out

    def longest(self, rows: int, *, test: bool = False) -> Rows:
        """Return the longest windows; with `test`, all windows of their questions."""
        if not test:
            return super().longest(rows)
        places = np.argsort(-self.lengths(), kind="stable")[:rows]
        return self.select(sorted({self.columns["row"][i] for i in places}))


def windows(tokenizer, values, max_length: int, keep: bool) -> Windows:
    """Return the windows of all rows; with `keep`, also the characters of each token, to extract answers."""
    out = Windows()
    for batch in batched(values, 100):
        for value in batch:
            if not value["question"].strip() or not value["context"].strip():
                out.leave_out(NO_QUESTION)
                continue
            add(out, tokenizer, value, max_length, keep)
    return out


def add(out: Windows, tokenizer, value: dict, max_length: int, keep: bool) -> None:
    """Add the windows of one row; a question longer than half of a window is truncated."""
    half = tokenizer(value["question"], truncation=True, max_length=max_length // 2, return_offsets_mapping=True, add_special_tokens=False)
    question = value["question"][: half["offset_mapping"][-1][1]] if half["input_ids"] else value["question"]
    out.cut += len(question) < len(value["question"].rstrip())  # a long text is read in several windows, so nothing of it is lost
    room = max_length - len(half["input_ids"]) - tokenizer.num_special_tokens_to_add(pair=True)
    encoded = tokenizer(
        question,
        value["context"],
        truncation="only_second",
        max_length=max_length,
        stride=min(max_length // 4, room // 2),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    for w, ids in enumerate(encoded["input_ids"]):
        inside = [i for i, s in enumerate(encoded.sequence_ids(w)) if s == 1]
        text = (inside[0], inside[-1] + 1) if inside else (0, 1)
        offsets = encoded["offset_mapping"][w]
        out.add(
            input_ids=ids,
            token_type_ids=encoded["token_type_ids"][w] if "token_type_ids" in encoded else [0] * len(ids),
            labels=place(value["answers"], offsets, text),
            text=list(text),
            begins=[a for a, _ in offsets] if keep else [],
            ends=[b for _, b in offsets] if keep else [],
            row=len(out.questions),
            weight=weight_of(value),
        )
    out.unanswered += not value["answers"]["text"]
    out.questions.append({k: value[k] for k in ("context", "answers")} if keep else {})


def place(answer: dict[str, list], offsets: list[tuple[int, int]], text: tuple[int, int]) -> list[int]:
    """Return [first token, last token] of the first answer in this window; NOTHING twice when the window does not contain all of it."""
    if not answer["text"] or not answer["text"][0]:
        return [NOTHING, NOTHING]
    begin = answer["answer_start"][0]
    end = begin + len(answer["text"][0])
    if offsets[text[0]][0] > begin or offsets[text[1] - 1][1] < end:
        return [NOTHING, NOTHING]
    hits = [i for i in range(*text) if offsets[i][0] < end and offsets[i][1] > begin]
    return [hits[0], hits[-1]] if hits else [NOTHING, NOTHING]
