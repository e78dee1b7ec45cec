"""Answer probes with a GGUF in llama.cpp: `python -m tuner.workers.exporting.probe_llama_cpp REQUEST.json` (extra `gguf`).

REQUEST: {"file": the GGUF, "probes": file, "out": file}. A process of its own without torch: two OpenMP libraries in one process crash.
"""

import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from tuner import devices, paths


def answer(model: llama_cpp.Llama, probe: dict[str, Any]) -> dict[str, Any]:
    ids = model.tokenize(probe["text"].encode(), add_bos=not probe["chat"], special=True)
    given = scores(model, probe["ids"], probe["tokens"])
    tokens = greedy(model, probe["ids"], probe["length"])
    at = np.array(probe["top"]).reshape(len(probe["tokens"]), -1)
    return {
        "ids": ids,
        "tokens": tokens,
        "ended": bool(tokens) and ends(model, tokens[-1]),
        "best": given.argmax(-1).tolist(),
        "logprobs": np.take_along_axis(given, at, -1).tolist(),
    }


def scores(model: llama_cpp.Llama, ids: list[int], tokens: list[int]) -> np.ndarray:
    """Return the log-probabilities (tokens, V) of an answer that is put in."""
    model.reset()
    model.eval([*ids, *tokens])
    logits = np.array(model.scores[len(ids) - 1 : len(ids) - 1 + len(tokens)], dtype=np.float64)
    peak = logits.max(-1, keepdims=True)
    return logits - peak - np.log(np.exp(logits - peak).sum(-1, keepdims=True))


def greedy(model: llama_cpp.Llama, ids: list[int], length: int) -> list[int]:
    """Return the greedy continuation, up to the token with which llama.cpp itself ends an answer."""
    model.reset()
    model.eval(ids)
    out: list[int] = []
    while len(out) < length:
        out.append(int(np.argmax(model.scores[model.n_tokens - 1])))
        if ends(model, out[-1]):
            break
        model.eval(out[-1:])
    return out


def ends(model: llama_cpp.Llama, token: int) -> bool:
    """Return whether llama.cpp ends an answer at this token."""
    return bool(llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(model.model), token))


def main(request: dict[str, Any]) -> None:
    found = paths.read_json(Path(request["probes"]))
    context = max(len(p["ids"]) + p["length"] for p in found) + 8
    threads = devices.threads()
    model = llama_cpp.Llama(
        request["file"],
        n_ctx=context,
        n_batch=context,
        logits_all=True,
        n_threads=threads,
        n_threads_batch=threads,
        n_gpu_layers=0,
        verbose=False,
    )
    paths.write_json(Path(request["out"]), [answer(model, probe) for probe in found])


if __name__ == "__main__":
    main(paths.read_json(Path(sys.argv[1])))
