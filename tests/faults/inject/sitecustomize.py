"""Runs first in each process that has this folder on its PYTHONPATH, and does to the engine what TUNESMITH_FAULT names.

Waits of a minute are made short. The rest of a fault is done when the module that it concerns has been imported.
"""

import importlib.abc
import importlib.util
import json
import os
import sys
import time


def _supervisor(module) -> None:
    module.SILENT, module.GRACE = 4.0, 1.0


def _heartbeat(module) -> None:
    module.EVERY, module.LEAST, module.TIMES, module.GRACE = 0.2, 2.0, 5.0, 1.0


def _log_files(module) -> None:
    module.MOST = 4 * 2**20


def _run_loop(module) -> None:
    if (fault := os.environ.get("TUNESMITH_FAULT")) is None:
        return
    import torch
    from torch.nn import functional as F

    step, embedding, steps = torch.optim.AdamW.step, F.embedding, [0]

    def counted(optimizer, *args, **named):
        steps[0] += 1
        if steps[0] == 4 and fault == "hang":
            time.sleep(10**6)
        if steps[0] == 4 and fault == "pause":
            time.sleep(4)
        if steps[0] == 4 and fault == "second-process" and os.environ.get("RANK") == "1":
            raise OverflowError("the second one can't go on")
        if fault in ("slow", "fork"):
            time.sleep(0.5)
        if steps[0] == 4 and fault == "log":
            line = b"a line of a log that never ends " * 32 + b"\n"
            for _ in range(int(os.environ["TUNESMITH_FAULT_BYTES"]) // len(line)):
                os.write(1, line)
        if steps[0] == 4 and fault == "fork" and os.fork() == 0:
            time.sleep(10**6)
        return step(optimizer, *args, **named)

    def refusing(ids, *args, **named):
        here = fault == "memory" or fault == "memory-of-the-second" and os.environ.get("RANK") == "1"
        if here and steps[0] >= 4 and torch.is_grad_enabled() and ids.shape[0] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return embedding(ids, *args, **named)

    torch.optim.AdamW.step, F.embedding = counted, refusing
    if fault == "say-weights":
        carry_out = module.carry_out
        module.carry_out = lambda job, trainer, *more: (_say_weights(trainer.model), carry_out(job, trainer, *more))


def _say_weights(model) -> None:
    """Print what kind the weights are, and how many numbers of how many this process holds."""
    kinds = {True: set(), False: set()}
    for p in model.parameters():
        kinds[p.requires_grad].add(type(p.data).__name__)
    here = sum(getattr(p.data, "_local_tensor", p.data).numel() for p in model.parameters())
    told = {"base": min(kinds[False] or kinds[True]), "trained": min(kinds[True])} | {
        "here": here,
        "whole": sum(p.numel() for p in model.parameters()),
    }
    print("WEIGHTS " + json.dumps(told), flush=True)


def _kinds(module) -> None:
    module.KINDS["short"] = module.Kind("tests.faults.short_job", record=module.STATUS, use=module.Use.WHOLE)


def _device_memory(module) -> None:
    """A card of 24 GB where TUNESMITH_FAULT is "card"."""
    if os.environ.get("TUNESMITH_FAULT") == "card":
        card = module.devices.Device("cuda:0", "cuda", "a card", 24 * 10**9, 24 * 10**9, 1.0)
        module.DeviceMemory.device = lambda self, id: card
        module.used = lambda device, pid: 0


def _hub_jobs(module) -> None:
    module.ASK, module.HubJobs.settles = 0.3, 3.0


CHANGES = {
    "tuner.jobs.hub_jobs": _hub_jobs,
    "tuner.jobs.kinds": _kinds,
    "tuner.jobs.device_memory": _device_memory,
    "tuner.jobs.unresponsive": _supervisor,
    "tuner.workers.training.heartbeat": _heartbeat,
    "tuner.system.log_files": _log_files,
    "tuner.workers.training.run_loop": _run_loop,
}


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are changed as ever, and changes each after it has been executed."""

    def find_spec(self, name, path, target=None):
        if name not in CHANGES:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        execute = spec.loader.exec_module

        def and_change(module):
            execute(module)
            CHANGES[name](module)

        spec.loader.exec_module = and_change
        return spec


sys.meta_path.insert(0, Finder())
