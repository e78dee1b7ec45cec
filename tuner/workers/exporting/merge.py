"""Merge a run's adapter into its base model: shard by shard where that is possible (`stream_merge`), else by PEFT in memory.

The result is checked. A model that writes answers prompts in a fresh process, as the base model with the adapter does (`self_test`); of the others
the scores are compared, within the rounding of 16 bits.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tuner.errors import ModelError
from tuner.settings import objectives
from tuner.workers.exporting import self_test, stream_merge
from tuner.workers.modelling import load, multimodal, peft_methods

Tell = Callable[[str], None]

PROBES = ("Hello", "What is the capital of France?", "1 2 3 4 5", "Write a short letter to a friend.")
MOST = 0.05  # nats of KL divergence, or the relative difference of a number


@torch.inference_mode()
def scores(model, tokenizer, objective: str = "chat") -> list[torch.Tensor]:
    """Return the model's scores for each probe: logits (V) of the next token, or of the head (labels; tokens x labels; two spans)."""
    rows, task = [], objectives.get(objective).task
    for probe in PROBES:
        inputs = _inputs(tokenizer, probe, objective)
        if task == "SEQ_2_SEQ_LM":
            inputs["decoder_input_ids"] = torch.tensor([[model.config.decoder_start_token_id]])
        out = model(**{k: v.to(model.device) for k, v in inputs.items()})
        if task == "QUESTION_ANS":
            rows.append(torch.stack([out.start_logits[0], out.end_logits[0]]).float())
        else:
            rows.append((out.logits[0, -1] if task in ("CAUSAL_LM", "SEQ_2_SEQ_LM") else out.logits[0]).float())
    return rows


def _inputs(tokenizer, probe: str, objective: str) -> dict[str, torch.Tensor]:
    if objective in ("chat", "preference"):
        messages = [{"role": "user", "content": probe}]
        return {
            "input_ids": tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)[
                "input_ids"
            ]
        }
    found = tokenizer(probe, return_tensors="pt")
    return {k: found[k] for k in ("input_ids", "attention_mask")}


def distance(before: list[torch.Tensor], after: list[torch.Tensor], objective: str) -> float:
    """Return the largest difference between two models' scores: KL divergence in nats of distributions, else the relative difference."""
    if objective in ("regression", "reward"):
        return max(((a - b).abs() / (1 + a.abs())).max().item() for a, b in zip(before, after, strict=True))
    pairs = [(a.log_softmax(-1), b.log_softmax(-1)) for a, b in zip(before, after, strict=True)]
    return max((a.exp() * (a - b)).sum(-1).max().item() for a, b in pairs)


def merge(folder: Path, request: dict[str, Any], tell: Tell = lambda said: None) -> dict[str, Any]:
    """Merge into `folder` and return the check. `request`: run (a run's folder), base, precision; objective and method where they are not chat
    and lora; questions for the self-test of a model that writes."""
    run, base, objective = Path(request["run"]) / "model", load.local_folder(request["base"]), request.get("objective", "chat")
    before = write(folder, request, tell)
    if objectives.get(objective).task == "CAUSAL_LM":
        tell("Comparing its answers with those of the tuned model.")
        return self_test.merged(folder, base, run, request)
    return scored(folder, request, before)


def scored(folder: Path, request: dict[str, Any], before: list[torch.Tensor] | None) -> dict[str, Any]:
    """Return the check of a merged model by its scores; `before`: those of the tuned model, where they are known."""
    run, base, objective = Path(request["run"]) / "model", load.local_folder(request["base"]), request.get("objective", "chat")
    tokenizer = load.tokenizer(run)
    before = scores(tuned(run, base, request), tokenizer, objective) if before is None else before
    return judged(
        before, scores(load.base_model(folder, _precision(request), "cpu", objective=objective).eval(), tokenizer, objective), objective
    )


def write(folder: Path, request: dict[str, Any], tell: Tell) -> list[torch.Tensor] | None:
    """Write the merged model; return the scores of the tuned model where it was in memory for that."""
    load.use_cores()
    run, base = Path(request["run"]) / "model", load.local_folder(request["base"])
    tell("Merging the adapter into the base model.")
    before = None
    if request.get("method") != "full" and stream_merge.deltas(base, run) is not None:
        stream_merge.write(folder, base, run, stream_merge.width(request["precision"], base), tell)
    else:
        before = _whole(folder, run, base, request)
    load.tokenizer(run).save_pretrained(folder)
    multimodal.copy_processor(base, folder)
    return before


def _precision(request: dict[str, Any]) -> str:
    """Return the precision of the merging: it runs on the CPU, which does not use fp16."""
    return "fp32" if request["precision"] == "fp16" else request["precision"]


def tuned(run: Path, base: Path, request: dict[str, Any]):
    """Return the tuned model; never quantized, so that a merge is exact."""
    whole = request.get("method") == "full" or peft_methods.kind(run) == "whole"
    head = {} if whole else load.head_of(run)
    model = load.base_model(run if whole else base, _precision(request), "cpu", objective=request.get("objective", "chat"), **head)
    return (model if whole else peft_methods.load_saved(model, run)).eval()


def _whole(folder: Path, run: Path, base: Path, request: dict[str, Any]) -> list[torch.Tensor]:
    """Merge in memory by PEFT, and return the scores of the model before."""
    objective = request.get("objective", "chat")
    model = tuned(run, base, request)
    before = scores(model, load.tokenizer(run), objective)
    merged = peft_methods.merged(model)
    if request["precision"] == "fp16" and getattr(merged, "stored_dtype", None) is not None:  # in the dtype of its base
        merged = merged.to(torch.float16)
    merged.save_pretrained(folder)
    return before


def judged(before: list[torch.Tensor], after: list[torch.Tensor], objective: str) -> dict:
    divergence = distance(before, after, objective)
    if not divergence <= MOST:
        raise ModelError(
            f"The merged model does not answer like the base model with the adapter (it differs by {divergence:.3f}).",
            asked=f"a difference up to {MOST}",
            available=f"{divergence:.3f}",
            remedy="Export the adapter instead; it is exact.",
        )
    same = [(a.argmax(-1) == b.argmax(-1)).float().mean().item() for a, b in zip(before, after, strict=True)]
    return {
        "kind": "scores of the merged model against the base model with its adapter",
        "max_kl": round(max(divergence, 0.0), 6),
        "same_choice": sum(same) / len(same),
        "passed": True,
    }
