"""Models that don't chat: their predictions, one text or many, and the vectors of encoders."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import torch

from tuner import paths
from tuner.errors import RequestError
from tuner.models import architectures, model_files
from tuner.serving.protocol import ClassifyRequest, EmbeddingsRequest
from tuner.settings import objectives
from tuner.workers.serving import task_predict
from tuner.workers.serving.model_cache import Models
from tuner.workers.serving.scheduler import Scheduler

BATCH = 16  # texts that an encoder reads at once


async def predicted(
    scheduler: Scheduler, models: Models, id: str, texts: list[str], *, question: str = "", most: int = 256
) -> list[dict[str, Any]]:
    """Return the predictions for texts; see task_predict.answers."""
    known = models.known[id]
    folder = Path(known.adapter or known.base)
    about = model_files.head(folder) | paths.read_json(folder / "task.json", {})

    def work(model, tokenizer, _):
        return task_predict.answers(model, tokenizer, known.objective, texts, about=about, question=question, most=most)

    return await asyncio.to_thread(scheduler.call, id, work)


async def classified(scheduler: Scheduler, models: Models, q: ClassifyRequest, served_as: str) -> dict[str, Any]:
    """Return {"data": [the prediction of each text]}. RequestError for a model that chats."""
    objective = objectives.get(models.known[q.model].objective)
    if objective.name in objectives.GENERATIVE:
        raise RequestError(
            f"The model {served_as} chats; it has no labels.",
            asked="/v1/classify",
            available="/v1/chat/completions",
            remedy="Ask it there.",
            field="model",
        )
    rows = await predicted(scheduler, models, q.model, q.texts, question=q.question, most=q.max_tokens)
    tokens = sum(row.pop("tokens") for row in rows)
    data = [{"index": i} | row | ({"label": row["labels"][0]["label"]} if "labels" in row else {}) for i, row in enumerate(rows)]
    return {"object": "list", "model": served_as, "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


async def embeddings(scheduler: Scheduler, models: Models, q: EmbeddingsRequest, served_as: str) -> dict[str, Any]:
    """Return the vectors of texts, of length 1: the mean over an encoder's tokens, or its first token where its files ask for that.
    RequestError for a decoder, whose states are made to continue a text and not to stand for it."""
    folder = Path(models.known[q.model].base)
    pooling = paths.read_json(folder / "1_Pooling" / "config.json", {})

    def work(model, tokenizer, _) -> tuple[list, int]:
        encoder = model.get_base_model() if hasattr(model, "get_base_model") else model
        encoder = getattr(encoder, encoder.base_model_prefix, encoder)
        if not _is_encoder(encoder.config):
            raise RequestError(
                f"The model {served_as} has no embeddings: it continues texts.",
                asked="/v1/embeddings",
                available="encoders, such as BERT and RoBERTa and what was trained from them",
                remedy="Choose an encoder.",
                field="model",
            )
        return _vectors(encoder, tokenizer, q.texts, bool(pooling.get("pooling_mode_cls_token")))

    vectors, tokens = await asyncio.to_thread(scheduler.call, q.model, work)
    data = [{"object": "embedding", "index": i, "embedding": _written(v, q.encoding_format)} for i, v in enumerate(vectors)]
    return {"object": "list", "model": served_as, "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _is_encoder(config) -> bool:
    return architectures.BUILDERS.get(config.model_type, ("",))[0] == "encoder"


def _vectors(encoder, tokenizer, texts: list[str], first: bool) -> tuple[list[torch.Tensor], int]:
    out, tokens = [], 0
    for at in range(0, len(texts), BATCH):
        inputs = task_predict.read(encoder, tokenizer, texts[at : at + BATCH], padding=True)
        mask = inputs["attention_mask"]
        states = encoder(**inputs).last_hidden_state.float()
        pooled = states[:, 0] if first else (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out += torch.nn.functional.normalize(pooled, dim=-1).cpu()
        tokens += int(mask.sum())
    return out, tokens


def _written(vector: torch.Tensor, form: str) -> list[float] | str:
    return base64.b64encode(vector.numpy().tobytes()).decode() if form == "base64" else vector.tolist()
