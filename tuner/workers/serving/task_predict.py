"""Predictions of models that are not chat models: labels with probabilities, a number, labelled words, a span of the text, or a new text."""

from typing import Any

import torch

from tuner.data.schema.transcripts import transcript
from tuner.errors import RequestError
from tuner.workers.modelling.batches import Pad, best_spans
from tuner.workers.tokenization import reward_text, task_rows

WINDOWS = 8  # windows of a long text per batch


TOGETHER = 16  # texts that are read at once


def answer(
    model, tokenizer, objective: str, text: str, *, about: dict | None = None, question: str = "", most: int = 256
) -> dict[str, Any]:
    """Return the prediction for one text; see `answers`."""
    return answers(model, tokenizer, objective, [text], about=about, question=question, most=most)[0]


@torch.inference_mode()
def answers(
    model, tokenizer, objective: str, texts: list[str], *, about: dict | None = None, question: str = "", most: int = 256
) -> list[dict[str, Any]]:
    """Return for each text, by objective, {"labels": [{"label", "score"}]}, {"value"}, {"words": [{"text", "label", "score"}]},
    {"text", "begin", "end", "score"} or {"text"}; and "tokens", the number of input tokens. `about` is the document that the worker saved beside
    the weights. RequestError for an empty text and other invalid requests."""
    for text in texts:
        if not text.strip():
            raise RequestError("The text is empty.", asked=text, available="any text", remedy="Enter a text.", field="text")
    if objective not in BATCHED or getattr(model.config.get_text_config(), "pad_token_id", None) is None:
        one = BATCHED.get(objective)
        if one:
            return [one(model, tokenizer, [t], about=about or {}, most=most)[0] for t in texts]
        return [PREDICTORS[objective](model, tokenizer, t, about=about or {}, question=question, most=most) for t in texts]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of like length together
    found: list[dict[str, Any]] = [{}] * len(texts)
    for at in range(0, len(order), TOGETHER):
        part = order[at : at + TOGETHER]
        for i, said in zip(part, BATCHED[objective](model, tokenizer, [texts[i] for i in part], about=about or {}, most=most), strict=True):
            found[i] = said
    return found


def limit(model, tokenizer) -> int:
    """Return the maximum number of input tokens of the model."""
    config = model.config
    known = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 4096
    own = known - 2 if config.model_type in ("roberta", "xlm-roberta") else known  # two positions are reserved for padding
    return min(own, tokenizer.model_max_length or own)


def read(model, tokenizer, *texts: str | list[str], **how: Any):
    inputs = tokenizer(*texts, truncation=True, max_length=limit(model, tokenizer), return_tensors="pt", **how)
    return inputs.to(model.device)


def names(model, about: dict) -> list[str]:
    """Return the names of a head's outputs."""
    return about.get("names") or [label for _, label in sorted(model.config.id2label.items())]


def labels(model, tokenizer, texts: list[str], *, about: dict, **_) -> list[dict[str, Any]]:
    inputs = read(model, tokenizer, texts, padding=len(texts) > 1)
    several = about.get("problem", model.config.problem_type) == "multi_label_classification"
    logits = model(**inputs).logits.float()
    out = []
    for row, tokens in zip(logits.sigmoid() if several else logits.softmax(-1), inputs["attention_mask"].sum(1).tolist(), strict=True):
        named = [{"label": name, "score": round(float(share), 4)} for name, share in zip(names(model, about), row, strict=True)]
        out.append({"labels": sorted(named, key=lambda n: -n["score"]), "several": several, "tokens": tokens})
    return out


def number(model, tokenizer, texts: list[str], *, about: dict, **_) -> list[dict[str, Any]]:
    inputs = read(model, tokenizer, texts, padding=len(texts) > 1)
    values = model(**inputs).logits.float().view(len(texts), -1)[:, 0].tolist()
    scaled = [round(v * about.get("std", 1.0) + about.get("mean", 0.0), 4) for v in values]
    return [{"value": v, "tokens": n} for v, n in zip(scaled, inputs["attention_mask"].sum(1).tolist(), strict=True)]


def reward(model, tokenizer, text: str, *, about: dict, question: str = "", **_) -> dict[str, Any]:
    """Return {"value"}: the reward of `text` as an answer to `question`. Without a question the text may be a conversation ("User: ..." and
    "Assistant: ...", one turn per line, as in transcripts)."""
    conversation = [{"role": "user", "content": question}, {"role": "assistant", "content": text}] if question.strip() else transcript(text)
    if not conversation or conversation[-1]["role"] != "assistant":
        raise RequestError(
            "There is no answer to judge.",
            asked=text[:80],
            available="a question and its answer",
            remedy="Enter the question as well, or write 'User: ...' and 'Assistant: ...', one turn per line.",
            field="question",
        )
    ids = reward_text.ids_of(tokenizer, conversation, min(limit(model, tokenizer), about.get("max_length", 4096)))
    inputs = {"input_ids": torch.tensor([ids], device=model.device), "attention_mask": torch.ones(1, len(ids), device=model.device).long()}
    return {"value": round(float(model(**inputs).logits.float().flatten()[0]), 4), "tokens": len(ids)}


def words(model, tokenizer, text: str, *, about: dict, **_) -> dict[str, Any]:
    """Return the label of each word: that of its first token, as in training."""
    parts = text.split()
    inputs = tokenizer(parts, is_split_into_words=True, truncation=True, max_length=limit(model, tokenizer), return_tensors="pt")
    of = inputs.word_ids(0)
    shares = model(**inputs.to(model.device)).logits[0].float().softmax(-1)
    out, seen = [], set()
    for i, word in enumerate(of):
        if word is not None and word not in seen:
            seen.add(word)
            best = int(shares[i].argmax())
            out.append({"text": parts[word], "label": names(model, about)[best], "score": round(float(shares[i, best]), 4)})
    return {"words": out, "tokens": len(of)}


def span(model, tokenizer, text: str, *, about: dict, question: str = "", **_) -> dict[str, Any]:
    """Return the best span over all windows of the text, read as in training; "" where the model predicts no answer."""
    if not question.strip():
        raise RequestError(
            "The question is missing.", asked=question, available="a question about the text", remedy="Enter one.", field="question"
        )
    size, nothing = min(limit(model, tokenizer), about.get("max_length", 384)), about.get("no_answer", True)
    windows = task_rows.Windows()
    task_rows.add(windows, tokenizer, {"context": text, "question": question, "answers": {"text": []}}, size, True)
    pad, found, no_answer = Pad(tokenizer, None, ("token_type_ids", "begins", "ends")), (float("-inf"), 0, 0), float("inf")
    known = ("input_ids", "attention_mask", *(["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else []))
    for at in range(0, len(windows), WINDOWS):
        batch = pad([windows[i] for i in range(at, min(len(windows), at + WINDOWS))])
        out = model(**{k: batch[k].to(model.device) for k in known})
        inside = batch["text"].to(model.device)
        best = best_spans(out.start_logits.float(), out.end_logits.float(), inside, about.get("longest_answer", 64))
        for i, (first, last, score, null) in enumerate(best.tolist(), at):
            place = (windows.columns["begins"][i][int(first)], windows.columns["ends"][i][int(last)])
            found, no_answer = max(found, (score, *place)), min(no_answer, null)
    score, begin, end = found
    answered = not nothing or score >= no_answer
    read = int(windows.lengths().sum())
    return {"text": text[begin:end] if answered else "", "begin": begin if answered else None, "end": end if answered else None} | {
        "score": round(score - no_answer, 3),
        "tokens": read,
    }


def rewrite(model, tokenizer, texts: list[str], *, about: dict, most: int = 256, **_) -> list[dict[str, Any]]:
    inputs = read(model, tokenizer, texts, padding=len(texts) > 1)
    inputs.pop("token_type_ids", None)
    out = model.generate(**inputs, max_new_tokens=max(most, about.get("longest_target", 0)), do_sample=False, num_beams=1)
    said = tokenizer.batch_decode(out, skip_special_tokens=True)
    return [{"text": t.strip(), "tokens": n} for t, n in zip(said, inputs["attention_mask"].sum(1).tolist(), strict=True)]


BATCHED = {"classification": labels, "regression": number, "seq2seq": rewrite}  # several texts at once
PREDICTORS = BATCHED | {"reward": reward, "tokens": words, "qa": span}
