"""How likely a model finds the answers of rows: the loss of training, row by row, for scorecards."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from peft import PeftModel
from pydantic import BaseModel, Field

from tuner.workers.tokenization.lm_rows import IGNORED, Prepared
from tuner.workers.tokenization.loss_mask import Masker

TOKENS = 4096  # of a batch, with its padding


class ScoreRequest(BaseModel):
    """Canonical rows of a kind of data, tokenized as for training by `objective`."""

    model: str
    rows: list[dict[str, Any]] = Field(max_length=256)
    kind: str
    objective: str
    max_length: int
    fold_system: bool = False


@torch.inference_mode()
def scored(model, tokenizer, adapted: bool, q: ScoreRequest) -> list[dict[str, Any]]:
    """Score rows, cut at the model's context. Return for each {"nll": negative log-likelihood of its trained tokens, "tokens": their number, "cut"}, or {"left_out": why}."""
    masker = Masker(tokenizer, kind=q.kind, objective=q.objective, fold_system=q.fold_system)
    most = min(q.max_length, getattr(model.config.get_text_config(), "max_position_embeddings", None) or q.max_length)
    found: list[dict[str, Any]] = []
    rows: list[tuple[int, list[int], list[int]]] = []
    for encoded in (row for batch in masker.stream(q.rows) for row in batch):
        one = Prepared()
        one.add(encoded, most)
        if len(one):
            rows.append((len(found), one.ids.tolist(), one.marks.tolist()))
        found.append({"cut": bool(one.cut)} if len(one) else {"left_out": next(iter(one.left_out))})
    for batch in _batches(rows):
        for (at, _, labels), nll in zip(batch, _losses(model, adapted, batch), strict=True):
            found[at] |= {"nll": nll, "tokens": sum(n != IGNORED for n in labels[1:])}
    return found


def _batches(rows: list[tuple[int, list[int], list[int]]]) -> Iterator[list[tuple[int, list[int], list[int]]]]:
    """Yield rows of about one length, at most TOKENS with padding."""
    batch: list = []
    for row in sorted(rows, key=lambda r: -len(r[1])):
        if batch and len(batch[0][1]) * (len(batch) + 1) > TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _losses(model, adapted: bool, batch: list[tuple[int, list[int], list[int]]]) -> list[float]:
    """Return the sum of the losses of each row's trained tokens. Padding stands on the right, where a decoder never looks."""
    size = len(batch[0][1])
    ids = torch.tensor([ids + [0] * (size - len(ids)) for _, ids, _ in batch], device=model.device)
    labels = torch.tensor([labels + [IGNORED] * (size - len(labels)) for _, _, labels in batch], device=model.device)[:, 1:]
    positions = (labels != IGNORED).any(dim=0).nonzero().squeeze(1)
    if not len(positions):
        return [0.0] * len(batch)
    soft = adapted and isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning
    core = model if soft or not isinstance(model, PeftModel) else model.get_base_model()
    if "logits_to_keep" in inspect.signature(core.forward).parameters and not soft:
        logits = core(input_ids=ids, use_cache=False, logits_to_keep=positions).logits.float()
    else:
        logits = core(input_ids=ids, use_cache=soft).logits[:, -size:-1][:, positions].float()  # virtual tokens precede the text
    wanted = labels[:, positions]
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="none")
    return losses.view(wanted.shape).double().sum(dim=1).tolist()
