"""Ask a model in torch: the probes of a self-test (`probes`), and the answers to those of another model."""

from typing import Any

import torch

from tuner.workers.exporting.probes import LENGTH, LONG, LONGER, TOP
from tuner.workers.modelling.generation import end_tokens
from tuner.workers.serving.batch import Batch
from tuner.workers.serving.generation import Generation
from tuner.workers.serving.sampling import Sampling
from tuner.workers.tokenization import template_render

TOGETHER = 10  # answers that are generated at once: the memory of their caches


@torch.inference_mode()
def ask(model, tokenizer, questions: list[str], chat: bool) -> list[dict[str, Any]]:
    """Return the probes: what a model answers, greedily. `chat`: the questions are put into its chat template."""
    out = []
    for n, question in enumerate(questions):
        text = rendered(tokenizer, question) if chat else question
        ids = tokenizer(text, add_special_tokens=not chat)["input_ids"]
        out.append({"question": question, "text": text, "chat": chat, "ids": ids, "length": LONGER if n < LONG else LENGTH})
    ends = end_tokens(model, tokenizer)
    for probe, tokens in zip(out, greedy(model, tokenizer, out), strict=True):
        scores = positions(model, probe["ids"], tokens)
        top = scores.topk(min(TOP, scores.shape[-1]))
        probe |= {"tokens": tokens, "ended": tokens[-1] in ends, "top": top.indices.tolist(), "logprobs": top.values.tolist()}
    return out


@torch.inference_mode()
def answer(model, tokenizer, probes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a model's own answers to probes, prompts by its own chat template, and how likely it finds those of the probes."""
    out, ends = [], end_tokens(model, tokenizer)
    for probe, tokens in zip(probes, greedy(model, tokenizer, probes), strict=True):
        text = rendered(tokenizer, probe["question"]) if probe["chat"] and tokenizer.chat_template else probe["text"]
        scores = positions(model, probe["ids"], probe["tokens"])
        at = torch.tensor(probe["top"], device=scores.device).reshape(len(probe["tokens"]), -1)
        found = {"ids": tokenizer(text, add_special_tokens=not probe["chat"])["input_ids"], "tokens": tokens, "ended": tokens[-1] in ends}
        out.append(found | {"best": scores.argmax(-1).tolist(), "logprobs": scores.gather(-1, at).tolist()})
    return out


def rendered(tokenizer, question: str) -> str:
    """Return the prompt of a question as the chat template writes it."""
    return template_render.prompt(tokenizer, [{"role": "user", "content": question}], tokenize=False)


def greedy(model, tokenizer, asked: list[dict[str, Any]]) -> list[list[int]]:
    """Return the greedy answers to "ids" of up to "length" tokens, with the end token where they end by themselves."""
    batch = Batch()
    batch.attach(model, adapted=True)
    rows = []
    for one in asked:
        request = Generation("", lambda _, ids=one["ids"]: ids, lambda piece: None, sampling=Sampling(temperature=0.0), limit=one["length"])
        rows += request.prepare(model, tokenizer, model.device, batch.virtual)
    together = 1 if batch.alone else TOGETHER
    for start in range(0, len(rows), together):
        batch.add(rows[start : start + together])
        while batch.rows:
            batch.step()
    return [row.ids[len(row.prompt) :] for row in rows]


def positions(model, ids: list[int], tokens: list[int]) -> torch.Tensor:
    """Return the log-probabilities (tokens, V) with which each token of an answer is chosen."""
    logits = model(torch.tensor([[*ids, *tokens]], device=model.device)).logits[0, -len(tokens) - 1 : -1]
    return logits.float().log_softmax(-1)
