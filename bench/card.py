"""The same judgement on a card: `python -m bench.memory --card [--keep]`. Written for a CUDA card; it has not run on one yet.

Models are built from configs with random weights, so nothing is downloaded; each case runs in a process of its own: two steps and one batch
of a test through the worker's own trainer, as in `bench/trace/step.py` but with real tensors.
"""

import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

CASES = [  # (kind, H, I, L, heads, kv, head_dim, V, tied): shapes of 0.5B to 8B
    ("qwen2-0.5b", ("qwen2", 896, 4864, 24, 14, 2, 64, 151936, True)),
    ("llama-1b", ("llama", 2048, 8192, 16, 32, 8, 64, 128256, True)),
    ("qwen3-1.7b", ("qwen3", 2048, 6144, 28, 16, 8, 128, 151936, True)),
    ("llama-3b", ("llama", 3072, 8192, 28, 24, 8, 128, 128256, True)),
    ("llama-8b", ("llama", 4096, 14336, 32, 32, 8, 128, 128256, False)),
]
WAYS = [
    {"method": "lora"},
    {"method": "lora", "gradient_checkpointing": True},
    {"method": "lora", "lora_targets": ["q", "v"]},
    {"method": "qlora", "gradient_checkpointing": True},
    {"method": "qlora"},
    {"method": "full", "gradient_checkpointing": True},
    {"method": "last_layers", "last_layers": 4},
    {"method": "lora", "packing": True, "gradient_checkpointing": True},
    {"method": "lora", "objective": "preference", "gradient_checkpointing": True},
    {"method": "full", "objective": "preference", "gradient_checkpointing": True},
    {"method": "full", "objective": "preference", "precompute_reference": True, "gradient_checkpointing": True},
]
SHAPES = ((1, 1024), (4, 2048))


def cases() -> list[tuple[str, Any]]:
    """At least forty: each shape and way, the larger batch where gradient checkpointing is on."""
    from bench.trace.cases import config
    from bench.trace.step import Case

    out = []
    for name, shape in CASES:
        for way in WAYS:
            for rows, length in SHAPES[: 2 if way.get("gradient_checkpointing") else 1]:
                rows = 1 if way.get("packing") else max(1, rows // 2) if way.get("objective") else rows  # a preference is two
                told = " ".join(f"{v}" if k == "method" else f"{k}={v}" for k, v in way.items())
                out.append((f"{name} {told} {rows}x{length}", Case(config(*shape), way, rows, length, bool(way.get("objective")))))
    return out


def pack(model, quantization: str) -> None:
    """bitsandbytes' own layers; the weights are packed when they are moved to the card."""
    import bitsandbytes as bnb

    from tuner.workers.modelling import layers

    for name in layers.linears(model):
        old = model.get_submodule(name)
        new = bnb.nn.Linear4bit(
            old.in_features, old.out_features, bias=old.bias is not None, compute_dtype=old.weight.dtype, quant_type="nf4", device="meta"
        )
        new.weight = bnb.nn.Params4bit(old.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True, module=new)
        new.bias = old.bias
        model.set_submodule(name, new)
    model.is_loaded_in_4bit = True


def measure(case, free: int) -> dict[str, Any]:
    """{"allocated", "reserved", "process"} bytes at their peak, or {"out_of_memory": True}. In a process of its own."""
    import torch

    from bench.trace import step

    settings = step.settings_of(case)
    try:
        model = step.model_of(case, settings, pack).to("cuda:0")
        trainer = step.trainer_of(case, settings, model, Path("build/card"))
        if settings.gradient_checkpointing:
            trainer.model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs or {"use_reentrant": False})
        model = trainer.accelerator.prepare_model(trainer.model)
        trainer.create_optimizer()
        trainer.current_gradient_accumulation_steps = 1
        for _ in range(2):
            batch = {k: v.to("cuda:0") for k, v in step.batch(case, settings).items()}
            trainer.training_step(model, batch, torch.tensor(10, device="cuda:0"))
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
            trainer.optimizer.step()
            model.zero_grad()
        trainer.model.eval()
        trainer.prediction_step(model, batch, True)
    except torch.cuda.OutOfMemoryError:
        return {"out_of_memory": True}
    return {"allocated": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved(), "process": used()}


def used() -> int | None:
    """What NVML sees of this process, in bytes; None where the driver does not tell."""
    import pynvml

    pynvml.nvmlInit()
    every = pynvml.nvmlDeviceGetComputeRunningProcesses(pynvml.nvmlDeviceGetHandleByIndex(0))
    return next((p.usedGpuMemory for p in every if p.pid == os.getpid()), None)


def _send(there, case, free: int) -> None:
    there.send(measure(case, free))


def main(args) -> None:
    import torch

    from bench.trace.predicted import allocated, predicted

    if not torch.cuda.is_available():
        sys.exit("There is no card that this torch can use.")
    free = torch.cuda.mem_get_info()[0]
    found = []
    for name, case in cases():
        if args.only not in name:
            continue
        guess = predicted(case)
        here, there = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("spawn").Process(target=_send, args=(there, case, free))
        child.start()
        there.close()
        try:
            seen = here.recv()
        except EOFError:
            seen = {"failed": True}
        child.join()
        row = {"case": name, "predicted": guess.peak, "tensors": allocated(guess), **seen}
        row["called_fitting"] = guess.peak <= free * 0.92
        found.append(row)
        off = (
            f"{row['tensors'] / seen['allocated'] - 1:+.1%} of allocated, {guess.peak / seen['reserved'] - 1:+.1%} of reserved"
            if "reserved" in seen
            else str(seen)
        )
        print(f"{name:60} {off}", flush=True)
    wrong = [r["case"] for r in found if r.get("out_of_memory") and r["called_fitting"]]
    offs = sorted(abs(r["predicted"] / r["reserved"] - 1) for r in found if "reserved" in r)
    print(
        {"cases": len(offs), "median": offs[len(offs) // 2], "p90": offs[int(0.9 * (len(offs) - 1))], "called fitting and did not": wrong}
    )
    if args.keep:
        name = torch.cuda.get_device_name(0).lower().replace(" ", "-")
        file = Path(__file__).parents[1] / "presets" / "calibration" / f"{name}.json"
        file.write_text(json.dumps({"card": name, "torch": torch.__version__, "found": found}, indent=1) + "\n", encoding="utf-8")
