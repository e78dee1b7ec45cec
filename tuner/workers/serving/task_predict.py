"""What a model that does not chat says of a text: labels with their shares, a number, labelled words, a stretch of the text, or a new text."""

from typing import Any

import torch

from tuner.data.schema.transcripts import transcript
from tuner.errors import RequestError
from tuner.workers.modelling.batches import Pad, best_spans
from tuner.workers.tokenization import reward_text, task_rows

WINDOWS = 8  # of a long text, read at once


@torch.inference_mode()
def answer(
    model, tokenizer, objective: str, text: str, *, about: dict | None = None, question: str = "", most: int = 256
) -> dict[str, Any]:
    """By the objective: {"labels": [{"label", "score"}]}, {"value"}, {"words": [{"text", "label", "score"}]},
    {"text", "begin", "end", "score"} or {"text"}; and "tokens", how many were read. `about` is what the worker wrote beside the weights.
    RequestError for what can't be asked."""
    if not text.strip():
        raise RequestError("There is no text.", asked=text, available="some words", remedy="Write something.", field="text")
    faces = {"classification": labels, "regression": number, "reward": reward, "tokens": words, "qa": span, "seq2seq": rewrite}
    return faces[objective](model, tokenizer, text, about=about or {}, question=question, most=most)


def limit(model, tokenizer) -> int:
    """Tokens that the model can read at once."""
    config = model.config
    known = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 4096
    own = known - 2 if config.model_type in ("roberta", "xlm-roberta") else known  # two positions are its padding's
    return min(own, tokenizer.model_max_length or own)


def read(model, tokenizer, *texts: str, **how: Any):
    inputs = tokenizer(*texts, truncation=True, max_length=limit(model, tokenizer), return_tensors="pt", **how)
    return inputs.to(model.device)


def names(model, about: dict) -> list[str]:
    """What the outputs of a head mean."""
    return about.get("names") or [label for _, label in sorted(model.config.id2label.items())]


def labels(model, tokenizer, text: str, *, about: dict, **_) -> dict[str, Any]:
    inputs = read(model, tokenizer, text)
    logits = model(**inputs).logits[0].float()
    several = about.get("problem", model.config.problem_type) == "multi_label_classification"
    shares = logits.sigmoid() if several else logits.softmax(-1)
    named = [{"label": name, "score": round(float(share), 4)} for name, share in zip(names(model, about), shares, strict=True)]
    return {"labels": sorted(named, key=lambda n: -n["score"]), "several": several, "tokens": inputs["input_ids"].shape[1]}


def number(model, tokenizer, text: str, *, about: dict, **_) -> dict[str, Any]:
    inputs = read(model, tokenizer, text)
    value = float(model(**inputs).logits.float().flatten()[0])
    return {"value": round(value * about.get("std", 1.0) + about.get("mean", 0.0), 4), "tokens": inputs["input_ids"].shape[1]}


def reward(model, tokenizer, text: str, *, about: dict, question: str = "", **_) -> dict[str, Any]:
    """{"value"}: how good `text` is as an answer to `question`. Without a question the text may be a talk ("User: ..." and "Assistant: ...",
    a turn a line, as in transcripts)."""
    talk = [{"role": "user", "content": question}, {"role": "assistant", "content": text}] if question.strip() else transcript(text)
    if not talk or talk[-1]["role"] != "assistant":
        raise RequestError(
            "There is no answer to judge.",
            asked=text[:80],
            available="a question and its answer",
            remedy="Give the question as well, or write 'User: ...' and 'Assistant: ...', a turn a line.",
            field="question",
        )
    ids = reward_text.ids_of(tokenizer, talk, min(limit(model, tokenizer), about.get("max_length", 4096)))
    inputs = {"input_ids": torch.tensor([ids], device=model.device), "attention_mask": torch.ones(1, len(ids), device=model.device).long()}
    return {"value": round(float(model(**inputs).logits.float().flatten()[0]), 4), "tokens": len(ids)}


def words(model, tokenizer, text: str, *, about: dict, **_) -> dict[str, Any]:
    """The label of each word is that of its first part, as it was learnt."""
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
    """The best stretch over all windows of the text, read as in training; "" where the model finds that no words answer."""
    if not question.strip():
        raise RequestError(
            "There is no question.", asked=question, available="a question about the text", remedy="Write one.", field="question"
        )
    size, nothing = min(limit(model, tokenizer), about.get("max_length", 384)), about.get("no_answer", True)
    windows = task_rows.Windows()
    task_rows.add(windows, tokenizer, {"context": text, "question": question, "answers": {"text": []}}, size, True)
    pad, found, doubt = Pad(tokenizer, None, ("token_type_ids", "begins", "ends")), (float("-inf"), 0, 0), float("inf")
    known = ("input_ids", "attention_mask", *(["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else []))
    for at in range(0, len(windows), WINDOWS):
        batch = pad([windows[i] for i in range(at, min(len(windows), at + WINDOWS))])
        out = model(**{k: batch[k].to(model.device) for k in known})
        inside = batch["text"].to(model.device)
        best = best_spans(out.start_logits.float(), out.end_logits.float(), inside, about.get("longest_answer", 64))
        for i, (first, last, score, null) in enumerate(best.tolist(), at):
            place = (windows.columns["begins"][i][int(first)], windows.columns["ends"][i][int(last)])
            found, doubt = max(found, (score, *place)), min(doubt, null)
    score, begin, end = found
    there = not nothing or score >= doubt
    read = int(windows.lengths().sum())
    return {"text": text[begin:end] if there else "", "begin": begin if there else None, "end": end if there else None} | {
        "score": round(score - doubt, 3),
        "tokens": read,
    }


def rewrite(model, tokenizer, text: str, *, about: dict, most: int = 256, **_) -> dict[str, Any]:
    inputs = read(model, tokenizer, text)
    inputs.pop("token_type_ids", None)
    out = model.generate(**inputs, max_new_tokens=max(most, about.get("longest_target", 0)), do_sample=False, num_beams=1)
    return {"text": tokenizer.decode(out[0], skip_special_tokens=True).strip(), "tokens": inputs["input_ids"].shape[1]}
