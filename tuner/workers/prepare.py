"""Rows → tokens, with a mark on each that is learnt. What the preview shows is made by the same lines as what is trained."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tuner.data import convert
from tuner.errors import DataError, RequestError

IGNORED = -100  # the label of a token that is read and not learnt


@dataclass
class Prepared:
    """`input_ids` and `labels` row by row; what was cut or left out, and why."""

    input_ids: list[list[int]] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)
    cut: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.input_ids)

    def summary(self) -> dict[str, Any]:
        tokens = sum(map(len, self.input_ids))
        learnt = sum(x != IGNORED for row in self.labels for x in row)
        return {
            "rows": len(self),
            "tokens": tokens,
            "learnt_tokens": learnt,
            "cut": self.cut,
            "left_out": self.left_out,
            "longest": max(map(len, self.input_ids), default=0),
        }


def prepare(tokenizer, rows: Iterable[dict], *, kind: str, objective: str, max_length: int, needed: bool = True) -> Prepared:
    """Tokenise canonical rows; DataError when nothing is left of what is `needed`."""
    out, seen = Prepared(), 0
    template = training_template(tokenizer) if objective == "chat" else None
    for value in rows:
        seen += 1
        try:
            ids, labels = (
                text_row(tokenizer, convert.as_text(value, kind))
                if objective == "text"
                else chat_row(tokenizer, convert.as_messages(value, kind), template)
            )
        except (RequestError, TemplateRefusal) as error:
            out.left_out[str(error)[:200]] = out.left_out.get(str(error)[:200], 0) + 1
            continue
        if len(ids) > max_length:
            out.cut += 1
            ids, labels = ids[:max_length], labels[:max_length]
        if all(x == IGNORED for x in labels):
            out.left_out["nothing to learn is left within the maximum length"] = (
                out.left_out.get("nothing to learn is left within the maximum length", 0) + 1
            )
            continue
        out.input_ids.append(ids)
        out.labels.append(labels)
    if seen and not out.input_ids and needed:
        why = max(out.left_out, key=out.left_out.get)
        raise DataError(
            f"None of the {seen} rows can be learnt from: {why}.",
            asked=f"{seen} rows",
            available=f"rows of up to {max_length} tokens that the model's template takes",
            remedy="Raise the maximum length, or look at how the data is read.",
            field="max_length",
        )
    return out


class TemplateRefusal(Exception):
    """The model's chat template does not take a conversation (two turns of one role, a system turn ...)."""


def text_row(tokenizer, text: str) -> tuple[list[int], list[int]]:
    """Every token is learnt, the end token too."""
    ids = tokenizer(text, add_special_tokens=True)["input_ids"]
    if not ids or ids[-1] != tokenizer.eos_token_id:
        ids = [*ids, tokenizer.eos_token_id]
    return ids, list(ids)


def training_template(tokenizer) -> str | None:
    """The template with marks around what the assistant says; None when no marked one is known for this family."""
    from trl.chat_template_utils import get_training_chat_template, has_generation_markers

    if has_generation_markers(tokenizer.chat_template):
        return tokenizer.chat_template
    try:
        return get_training_chat_template(tokenizer)
    except ValueError:
        return None


def chat_row(tokenizer, messages: list[dict], template: str | None) -> tuple[list[int], list[int]]:
    """Only what the assistant says is learnt, with the token that ends its turn."""
    import jinja2

    try:
        if template is not None:
            out = tokenizer.apply_chat_template(
                messages, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
            )
            ids, mask = out["input_ids"], out["assistant_masks"]
        else:
            ids, mask = _by_prefixes(tokenizer, messages)
    except jinja2.TemplateError as error:
        raise TemplateRefusal(f"the model's chat template says: {error}") from error
    if 1 not in mask:
        raise TemplateRefusal("the conversation holds no answer")
    return ids, [i if m else IGNORED for i, m in zip(ids, mask, strict=True)]


def _by_prefixes(tokenizer, messages: list[dict]) -> tuple[list[int], list[int]]:
    """For templates without marks: what an answer adds to the text rendered before it is what is learnt."""

    def render(upto: int, asking: bool = False) -> str:
        return tokenizer.apply_chat_template(messages[:upto], tokenize=False, add_generation_prompt=asking)

    full, spans = render(len(messages)), []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, after = render(i, asking=True), render(i + 1)
        start = len(before) if after.startswith(before) else _common(before, after)
        if not full.startswith(after.rstrip()):
            raise TemplateRefusal("the model's chat template writes earlier turns anew, so answers can't be told apart")
        spans.append((start, len(after.rstrip())))
    encoded = tokenizer(full, add_special_tokens=False, return_offsets_mapping=True)
    mask = [int(any(s <= a and b <= e and b > a for s, e in spans)) for a, b in encoded["offset_mapping"]]
    return encoded["input_ids"], mask


def _common(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
