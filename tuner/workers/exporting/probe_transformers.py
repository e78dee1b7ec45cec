"""Answer probes with a GGUF in transformers, which turns its weights back: `python -m tuner.workers.exporting.probe_transformers REQUEST.json`.

REQUEST: {"file": the GGUF, "probes": file, "out": file}. A process of its own: it loads what a stranger would load.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuner import paths
from tuner.workers.exporting import probes
from tuner.workers.modelling import load


def answer(model, tokenizer, probe: dict[str, Any]) -> dict[str, Any]:
    ids = tokenizer(probe["text"], add_special_tokens=not probe["chat"])["input_ids"]
    with torch.inference_mode():
        tokens = probes.greedy(model, probe["ids"], probe["ends"], tokenizer.pad_token_id)
        scores = probes.positions(model, probe["ids"], probe["tokens"])
    at = torch.tensor(probe["top"]).reshape(len(probe["tokens"]), -1)
    return {
        "ids": ids,
        "tokens": tokens,
        "ended": bool(tokens) and tokens[-1] in probe["ends"],
        "best": scores.argmax(-1).tolist(),
        "logprobs": scores.gather(-1, at).tolist(),
    }


def main(request: dict[str, Any]) -> None:
    load.use_cores()
    file = Path(request["file"])
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    paths.write_json(Path(request["out"]), [answer(model, tokenizer, probe) for probe in paths.read_json(Path(request["probes"]))])


if __name__ == "__main__":
    main(paths.read_json(Path(sys.argv[1])))
