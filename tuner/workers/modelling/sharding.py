"""A base model of which each process holds its part (FSDP2), as transformers loads it: each process reads only its own part of the file.

Weights are `DTensor`s; a layer's whole weights exist while it computes. LoRA's matrices are added afterwards: they are small, whole in each process,
and the trainer averages their gradients. With full fine-tuning gradients and optimizer state are parts as well.

transformers (5.23) refuses to save what such a run resumes from, so that is done here, with torch's own functions for whole state dicts: a
checkpoint holds the same files as any other run's, and goes on in any number of processes, one included.
"""

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from torch import distributed
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.distributed import DistributedConfig

from tuner.models import model_files

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)  # gathered by all processes, held by the first
FROM_FIRST = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False)  # read by the first, and dealt out


def arguments(auto, folder: Path) -> dict[str, Any]:
    """Return what `from_pretrained` takes to load a model in parts; the layers are what is gathered at a time, whatever the model calls them."""
    with torch.device("meta"):
        empty = auto.from_config(transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False))
    blocks = set(empty._no_split_modules or ())
    lists = {name.rpartition(".")[0] for name, module in empty.named_modules() if type(module).__name__ in blocks}
    plan = {f"{name}.*": "free_full_weight" for name in lists if isinstance(empty.get_submodule(name), torch.nn.ModuleList)}
    return {"distributed_config": DistributedConfig(fsdp_size=distributed.get_world_size(), fsdp_plan=plan or None)}


def sharded(model) -> bool:
    """Return whether a model is held in parts."""
    return bool(getattr(model, "is_distributed_loading_by_transformers", False))


def initialize(model, state: torch.Tensor) -> None:
    """Draw the weights of new output layers (`fresh_modules`) again, whole, from this state of torch's random numbers, and deal them out: the numbers
    that a run of one process draws. On a CPU every process would draw the same ones for its own part."""
    torch.set_rng_state(state)
    for module in (model.get_submodule(name) for name in model.fresh_modules):
        if not isinstance(module, torch.nn.Linear):
            continue
        drawn = torch.nn.Linear(module.in_features, module.out_features, module.bias is not None)
        torch.set_rng_state(state)  # torch has drawn for it as well
        model._init_weights(drawn)
        state = torch.get_rng_state()
        with torch.no_grad():
            for name, weight in drawn.named_parameters():
                part = getattr(module, name)
                part.copy_(distribute_tensor(weight.to(part.device, part.dtype), part.device_mesh, part.placements))


def put_back(model) -> None:
    """Free the weights that an evaluation left whole: until then they stand in the place of the parts."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def trained_in_parts(model) -> bool:
    """Return whether the trained weights themselves are parts, as with full fine-tuning."""
    put_back(model)
    return any(isinstance(p.data, DTensor) for p in model.parameters() if p.requires_grad)


def whole(model, dtype: torch.dtype | None) -> dict[str, torch.Tensor] | None:
    """Return the trained weights in one piece on the CPU: in the first process, after all have called this; empty in the others. None for an
    adapter, which is whole everywhere."""
    if not trained_in_parts(model):
        return None
    state = get_model_state_dict(model, options=WHOLE)
    tied = getattr(model, "all_tied_weights_keys", None) or {}  # stored once
    return {name: v.to(dtype) if dtype and v.is_floating_point() else v for name, v in state.items() if name not in tied}


def load_weights(model, folder: Path) -> None:
    """Read the weights of a checkpoint of a whole model into the parts."""
    put_back(model)
    state = {}
    if distributed.get_rank() == 0:
        for file in model_files.weights(folder):
            state |= load_file(file)
    set_model_state_dict(model, state, options=FROM_FIRST)


def resumable(trainer) -> None:
    """Have a trainer save and load what a run in parts resumes from."""
    trainer.args.save_only_model = False  # transformers refuses it while it is made
    if not trained_in_parts(trainer.model):
        return
    optimizer_file, scheduler_file = "optimizer.pt", "scheduler.pt"

    create = trainer.create_optimizer

    def create_optimizer(*args: Any) -> Any:
        put_back(trainer.model)  # what the baseline's evaluation left whole must not be what is trained
        return create(*args)

    def save_optimizer(output_dir: str) -> None:
        put_back(trainer.model)
        state = get_optimizer_state_dict(trainer.model, trainer.optimizer, options=WHOLE)
        if trainer.args.should_save:
            torch.save(_numbered(state, _names(trainer)), Path(output_dir) / optimizer_file)
            torch.save(trainer.lr_scheduler.state_dict(), Path(output_dir) / scheduler_file)

    def load_optimizer(checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        put_back(trainer.model)
        state = {}
        if trainer.args.should_save:
            state = torch.load(Path(checkpoint) / optimizer_file, weights_only=True, map_location="cpu")
            state = _named(state, _names(trainer))
        set_optimizer_state_dict(trainer.model, trainer.optimizer, state, options=FROM_FIRST)
        trainer.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / scheduler_file, weights_only=True))

    trainer.create_optimizer = create_optimizer
    trainer._save_optimizer_and_scheduler, trainer._load_optimizer_and_scheduler = save_optimizer, load_optimizer
    trainer._load_from_checkpoint = lambda checkpoint, model=None: load_weights(trainer.model, Path(checkpoint))
    trainer._load_best_model = lambda: load_weights(trainer.model, Path(trainer.state.best_model_checkpoint))


def _names(trainer) -> list[str]:
    """Return the names of the optimizer's parameters, in its order."""
    names = {id(p): name for name, p in trainer.model.named_parameters()}
    return [names[id(p)] for group in trainer.optimizer.param_groups for p in group["params"]]


def _numbered(state: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return an optimizer's state by number, as torch writes that of a model in one piece."""
    return _renamed(state, {name: n for n, name in enumerate(names)})


def _named(state: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return an optimizer's state by name, as torch deals it out to parts."""
    return _renamed(state, dict(enumerate(names)))


def _renamed(state: dict[str, Any], names: dict[Any, Any]) -> dict[str, Any]:
    groups = [group | {"params": [names[p] for p in group["params"]]} for group in state["param_groups"]]
    return {"state": {names[p]: values for p, values in state["state"].items()}, "param_groups": groups}
