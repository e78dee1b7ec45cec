"""The model as it was before the first step, asked beside what it becomes: the reference of DPO and its relatives.

A fresh addition is switched off for it. What goes on from an earlier run keeps a frozen copy of what is trained, which is put in while the
reference is asked: so the addition of the earlier run is the starting point and the reference, whatever its kind. (TRL's own second
adapter copies nothing for IA3, moves both for PiSSA, and can't be had for prompts and changed layers.) A full run is asked beforehand.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from trl.models.utils import disable_gradient_checkpointing

from tuner.errors import ModelError
from tuner.settings import methods
from tuner.workers.modelling import peft_methods

NEAR = {
    torch.float32: 1e-3,
    torch.bfloat16: 5e-2,
    torch.float16: 2e-2,
}  # nats a token by which two ways of computing the same model may differ


class Reference:
    """Within `with reference():` the model answers as it did when this was made. Make it before a checkpoint is loaded."""

    def __init__(self, model: torch.nn.Module, settings: dict, *, fresh: bool):
        self.model = model
        simple = settings["method"] in methods.PEFT and settings.get("lora_init", "default") == "default"
        self.switched = fresh and simple  # PiSSA and OLoRA change the base itself: switched off they are not what was there
        self.kept = None if self.switched or settings.get("precompute_reference") else copied(model)
        self.begins_elsewhere = fresh and settings["method"] in methods.SOFT  # words of chance stand before the text from the start

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        if self.switched:
            with peft_methods.off(self.model):
                yield
            return
        own = dict(self.model.named_parameters())
        learnt = {n: own[n].data for n in self.kept or {}}
        try:
            for name, tensor in (self.kept or {}).items():
                own[name].data = tensor
            yield
        finally:
            for name, tensor in learnt.items():
                own[name].data = tensor


def copied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What is trained, by name, once more."""
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def answers(trainer, ids: torch.Tensor, mask: torch.Tensor, completion: torch.Tensor) -> torch.Tensor:
    """[rows] log-probabilities of the answers under the model as it is now, summed over their tokens, through TRL's head.
    `ids`, `mask`, `completion`: [rows, length]."""
    with disable_gradient_checkpointing(trainer.model, trainer.args.gradient_checkpointing_kwargs):
        labels = ids.masked_fill(completion == 0, -100)
        out = trainer.model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False, fused_lm_head=True)
    return out.log_probs[:, -(ids.shape[1] - 1) :].sum(1)  # invisible words stand before the text


def beside(trainer, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A batch with what the reference thinks of it, in TRL's names, unless it was asked beforehand."""
    if "ref_chosen_logps" in inputs or "ref_logps" in inputs:
        return inputs
    with trainer.reference():
        found = answers(trainer, inputs["input_ids"], inputs["attention_mask"], inputs["completion_mask"])
        if "label" not in inputs:
            chosen, rejected = found.chunk(2)
            return inputs | {"ref_chosen_logps": chosen, "ref_rejected_logps": rejected}
        out = inputs | {"ref_logps": found}
        if "KL_input_ids" in inputs:
            out["ref_KL_logps"] = answers(trainer, *(inputs[f"KL_{n}"] for n in ("input_ids", "attention_mask", "completion_mask")))
        return out


def asked_beforehand(trainer, dataset, tell):
    """The dataset with the reference's columns, computed once, batch by batch in its order; `tell(done)` hears of the progress."""
    size, columns = trainer.args.per_device_train_batch_size, {}
    trainer.model.eval()
    for at in range(0, len(dataset), size):
        batch = trainer.data_collator([dataset[i] for i in range(at, min(len(dataset), at + size))])
        with trainer.compute_loss_context_manager():
            told = beside(trainer, trainer._prepare_inputs(batch))
        for name in (n for n in told if n.startswith("ref_")):
            columns.setdefault(name, []).append(told[name].float().cpu().numpy())
        tell(at)
    for name, parts in columns.items():
        dataset = dataset.add_column(name, np.concatenate(parts).tolist())
    return dataset


def apart(trainer) -> float:
    """By how many nats a token the model and its reference differ on the first rows, at most."""
    rows = [trainer.train_dataset[i] for i in range(min(len(trainer.train_dataset), trainer.args.per_device_train_batch_size))]
    trainer.model.eval()
    with trainer.compute_loss_context_manager():
        inputs = beside(trainer, trainer._prepare_inputs(trainer.data_collator(rows)))
        now = answers(trainer, inputs["input_ids"], inputs["attention_mask"], inputs["completion_mask"])
    known = ("ref_logps",) if "ref_logps" in inputs else ("ref_chosen_logps", "ref_rejected_logps")
    before, tokens = torch.cat([inputs[n] for n in known]), inputs["completion_mask"].sum(1).clamp(min=1)
    return ((now - before).abs() / tokens).max().item()


def check(trainer, precision: str) -> None:
    """ModelError when the model does not begin as its reference: it would be held to another one than the one it comes from."""
    if trainer.reference.begins_elsewhere:
        return
    found, most = apart(trainer), NEAR[{"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)]
    if not found <= most:
        raise ModelError(
            f"Before the first step the model and its reference already differ by {found:.3g} nats a token, so preferences would be "
            "measured against another model than the one that is trained.",
            asked=f"{found:.3g}",
            available=f"up to {most:g}",
            remedy="Export the earlier run as a whole model and start from that, or choose LoRA.",
            field="model",
        )
