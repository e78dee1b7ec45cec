"""Export a model that labels or scores to ONNX by transformers' own exporter, and compare its outputs in ONNX Runtime with those of the tuned model.

Batch and length are dynamic. ONNX Runtime runs in a process of its own: that is the target's runtime, and two OpenMP libraries in one process crash.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuner import paths, runs
from tuner.data.store import store
from tuner.errors import ModelError, NotFoundError
from tuner.export import onnx_files
from tuner.export.onnx_files import FILE, KIND
from tuner.paths import Workspace
from tuner.system import processes
from tuner.workers.exporting import fresh_process, merge, probes, self_test
from tuner.workers.modelling import load, peft_methods
from tuner.workers.serving.task_predict import limit

MODULE = "tuner.workers.exporting.probe_onnx"
TEXTS, TOGETHER = 20, 4  # texts that are compared, and how many share a batch: their padding is compared, too
WITHIN = 1e-3  # of an output, or of its size where that is larger than 1
Texts = list[tuple[str, ...]]


def export(folder: Path, request: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
    """Write model.onnx into `folder`, with its config, labels and tokenizer, and return its check. ModelError when this model can't be exported, or its
    outputs are others."""
    load.use_cores()
    place, base = Path(request["run"]), load.local_folder(request["base"])
    if reason := self_test.too_large(base):
        raise ModelError(
            f"This model is too large for this computer's memory: {reason}",
            asked="onnx",
            available="merged",
            remedy="Export the merged model.",
        )
    tell("Loading the model.")
    model = merge.tuned(place / "model", base, request | {"precision": "fp32"})
    tokenizer, texts = load.tokenizer(place / "model"), _texts(place)
    batches = [_inputs(model, tokenizer, texts[at : at + TOGETHER], request["objective"]) for at in range(0, len(texts), TOGETHER)]
    with torch.inference_mode():
        before = [_outputs(model(**batch)) for batch in batches]
    plain = model if request["method"] == "full" else peft_methods.merged(model)
    plain.config.use_cache = False
    tell("Exporting to ONNX.")
    _write(plain.eval(), batches[0], folder)
    tokenizer.save_pretrained(folder)
    for name in ("labels.json", "task.json"):
        if (file := place / "model" / name).exists():
            (folder / name).write_bytes(file.read_bytes())
    tell("Comparing its outputs in ONNX Runtime.")
    return compared(before, answered(folder / FILE, batches), len(texts))


def _write(model, sample: dict[str, torch.Tensor], folder: Path) -> None:
    from transformers.exporters import OnnxConfig, OnnxExporter

    try:
        exported = OnnxExporter().export(model, dict(sample), config=OnnxConfig(dynamic=True))
        for graph in exported.program.graphs():
            for node in graph.all_nodes():
                node.metadata_props.clear()  # where in which file of this computer each operation was traced: half of the file
        exported.save_pretrained(folder)
    except Exception as error:  # tracing fails in many ways, each with an error of its own
        raise ModelError(
            f"transformers can't export this model to ONNX: {type(error).__name__}: {str(error)[:300]}",
            asked="onnx",
            available="the merged model",
            remedy="Export the merged model.",
            field="to",
        ) from error


def _texts(place: Path) -> Texts:
    """Return texts of the validation rows (of the training rows where there are none), for a question with its context; general ones where the data is
    gone."""
    run = runs.read(place, paths.read_json(place / "status.json"))
    try:
        data = store.get(Workspace(place.parents[2], place.parents[1].name), str(run.config.get("data") or ""))
        rows = store.rows(data, 0, TEXTS, held_out=bool(data.held_out))
    except NotFoundError:
        rows = []
    found = [text for text in (_text(row["value"]) for row in rows) if all(part.strip() for part in text)]
    return found or [(text,) * (2 if run.plan["settings"]["objective"] == "qa" else 1) for text in probes.GENERAL]


def _text(value: dict[str, Any]) -> tuple[str, ...]:
    if "context" in value:
        return value["question"], value["context"]
    return (value["text"] if "text" in value else " ".join(value["tokens"]),)


def _inputs(model, tokenizer, texts: Texts, objective: str) -> dict[str, torch.Tensor]:
    """Return a batch; the kinds of tokens only where they part a question from its context."""
    tokenizer.padding_side = "right"
    parts = [list(part) for part in zip(*texts, strict=True)]
    found = tokenizer(*parts, truncation=True, max_length=limit(model, tokenizer), padding=True, return_tensors="pt")
    wanted = ("input_ids", "attention_mask", *(("token_type_ids",) if objective == "qa" else ()))
    return {name: found[name] for name in wanted if name in found}


def _outputs(out) -> list[np.ndarray]:
    """Return what a head gives: logits, or those of begin and end."""
    return [out[name].float().numpy() for name in ("logits", "start_logits", "end_logits") if out.get(name) is not None]


def answered(file: Path, batches: list[dict[str, torch.Tensor]]) -> Iterator[list[np.ndarray]]:
    """Yield the outputs of the exported model for each batch. ModelError when ONNX Runtime can't run it."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-onnx-") as scratch:
        for n, batch in enumerate(batches):
            np.savez(Path(scratch) / f"in-{n}.npz", **{name: tensor.numpy() for name, tensor in batch.items()})
        code, said = fresh_process.run(MODULE, str(file), scratch, env=processes.environment("cpu", offline=True))
        if code:
            raise ModelError(
                f"ONNX Runtime can't run the exported file: {said}",
                asked=file.name,
                available="the merged model",
                remedy="Export the merged model.",
            )
        for n in range(len(batches)):
            with np.load(Path(scratch) / f"out-{n}.npz") as found:
                yield [found[name] for name in sorted(found)]


def compared(before: list[list[np.ndarray]], after: Iterator[list[np.ndarray]], texts: int) -> dict[str, Any]:
    """Return the check of the outputs, batch by batch. ModelError when they are others."""
    differences = [
        np.abs(a - b) / np.maximum(np.abs(a), 1) for old, new in zip(before, after, strict=True) for a, b in zip(old, new, strict=True)
    ]
    largest = max(float(d.max()) for d in differences)
    if not largest <= WITHIN:
        raise ModelError(
            f"The exported model does not answer like the tuned one (its outputs differ by {largest:.4f}).",
            asked=f"a difference up to {WITHIN}",
            available=f"{largest:.4f}",
            remedy="Export the merged model.",
        )
    return {"kind": KIND, "passed": True, "texts": texts, "difference": largest, "file": onnx_files.FILE}
