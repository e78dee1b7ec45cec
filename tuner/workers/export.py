"""Merge a run's adapter into its base: `python -m tuner.workers.export FOLDER` (request.json in it says which).

The result is compared with what was chatted with: base and adapter side by side give the same next-token scores as the
merged model as it was written to disk, within what rounding to 16 bits allows.
"""

import sys
import traceback
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tuner import locks, paths
from tuner.errors import ModelError, translate
from tuner.workers import load

PROBES = ("Hello", "What is the capital of France?", "1 2 3 4 5", "Write a short letter to a friend.")


@torch.inference_mode()
def scores(model, tokenizer) -> torch.Tensor:
    """Log-probabilities (probes, V) of the token after each probe, asked as a chat."""
    rows = []
    for probe in PROBES:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": probe}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        rows.append(model(input_ids=ids).logits[0, -1].float().log_softmax(-1))
    return torch.stack(rows)


def merge(folder: Path, request: dict) -> dict:
    run, base = Path(request["run"]), load.local_folder(request["base"])
    load.use_cores()
    tokenizer = load.tokenizer(run / "model")
    model = PeftModel.from_pretrained(load.base_model(base, request["precision"], "cpu"), run / "model").eval()
    before = scores(model, tokenizer)
    merged = model.merge_and_unload(safe_merge=True)
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    again = AutoModelForCausalLM.from_pretrained(folder, dtype=merged.dtype, use_safetensors=True, trust_remote_code=False).eval()
    after = scores(again, tokenizer)
    same = (before.argmax(-1) == after.argmax(-1)).float().mean().item()
    divergence = (before.exp() * (before - after)).sum(-1).max().item()  # KL in nats
    if divergence > 0.05:
        raise ModelError(
            f"The merged model does not answer like the one that was tuned (KL {divergence:.3f}).",
            asked="KL up to 0.05",
            available=f"{divergence:.3f}",
            remedy="Take the adapter instead; it is exact.",
        )
    return {
        "kind": "next-token scores of the merged model against base with adapter",
        "max_kl": round(divergence, 6),
        "same_choice": same,
        "passed": True,
    }


def main(folder: Path) -> int:
    if not locks.hold(folder / "lock"):
        return 1
    try:
        paths.write_json(folder / "result.json", {"check": merge(folder, paths.read_json(folder / "request.json"))})
        return 0
    except Exception as error:
        traceback.print_exc()
        known = translate(error) or ModelError(
            f"Merging failed: {type(error).__name__}: {str(error)[:300]}", remedy="The export's log has the whole story."
        )
        paths.write_json(folder / "result.json", {"error": known.as_dict()})
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
