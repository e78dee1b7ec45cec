"""The reference model of DPO and its variants: the model before the first step.

For a new adapter, the adapter is switched off. A run that continues from an earlier one keeps a frozen copy of the trained parameters, which is
swapped in for the reference: so the earlier adapter is both the starting point and the reference, whatever its kind. (TRL's own second adapter
copies nothing for IA3, moves both for PiSSA, and does not exist for prompts and changed layers.) For full fine-tuning it is precomputed.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from trl.models.utils import disable_gradient_checkpointing

from tuner.errors import ModelError
from tuner.settings import methods
from tuner.settings.run_config import Settings
from tuner.workers.modelling import peft_methods

NEAR = {
    torch.float32: 1e-3,
    torch.bfloat16: 5e-2,
    torch.float16: 2e-2,
}  # nats per token by which two ways of computing the same model may differ


class Reference:
    """The reference model: within `with reference():` the model runs as it was when this was created. Create it before a checkpoint is loaded."""

    def __init__(self, model: torch.nn.Module, settings: Settings, *, fresh: bool):
        self.model = model
        simple = settings.method in methods.PEFT and settings.lora_init == "default"
        self.switched = fresh and simple  # PiSSA and OLoRA change the base: switched off, they don't give the original model
        self.kept = None if self.switched or settings.precompute_reference else copied(model)
        self.begins_elsewhere = fresh and settings.method in methods.PROMPT_METHODS  # random virtual tokens precede the text from the start

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        if self.switched:
            with peft_methods.disabled(self.model):
                yield
            return
        own = dict(self.model.named_parameters())
        trained = {n: own[n].data for n in self.kept or {}}
        try:
            for name, tensor in (self.kept or {}).items():
                own[name].data = tensor
            yield
        finally:
            for name, tensor in trained.items():
                own[name].data = tensor


def copied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the trained parameters, by name."""
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def answers(trainer, ids: torch.Tensor, mask: torch.Tensor, completion: torch.Tensor) -> torch.Tensor:
    """Return [rows] log-probabilities of the answers under the current model, summed over their tokens, with TRL's fused head.
    `ids`, `mask`, `completion`: [rows, length]."""
    with disable_gradient_checkpointing(trainer.model, trainer.args.gradient_checkpointing_kwargs):
        labels = ids.masked_fill(completion == 0, -100)
        out = trainer.model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False, fused_lm_head=True)
    return out.log_probs[:, -(ids.shape[1] - 1) :].sum(1)  # virtual tokens precede the text


def with_reference(trainer, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a batch with the reference's log-probabilities, under TRL's names, unless they are precomputed."""
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


def precompute(trainer, dataset, tell):
    """Return the dataset with the reference's columns, computed once, batch by batch in order; `tell(done)` is called with the progress."""
    size, columns = trainer.args.per_device_train_batch_size, {}
    trainer.model.eval()
    for at in range(0, len(dataset), size):
        batch = trainer.data_collator([dataset[i] for i in range(at, min(len(dataset), at + size))])
        with trainer.compute_loss_context_manager():
            batch = with_reference(trainer, trainer._prepare_inputs(batch))
        for name in (n for n in batch if n.startswith("ref_")):
            columns.setdefault(name, []).append(batch[name].float().cpu().numpy())
        tell(at)
    for name, parts in columns.items():
        dataset = dataset.add_column(name, np.concatenate(parts).tolist())
    return dataset


def apart(trainer) -> float:
    """Return the largest difference in nats per token between the model and its reference on the first rows."""
    rows = [trainer.train_dataset[i] for i in range(min(len(trainer.train_dataset), trainer.args.per_device_train_batch_size))]
    trainer.model.eval()
    with trainer.compute_loss_context_manager():
        inputs = with_reference(trainer, trainer._prepare_inputs(trainer.data_collator(rows)))
        now = answers(trainer, inputs["input_ids"], inputs["attention_mask"], inputs["completion_mask"])
    known = ("ref_logps",) if "ref_logps" in inputs else ("ref_chosen_logps", "ref_rejected_logps")
    before, tokens = torch.cat([inputs[n] for n in known]), inputs["completion_mask"].sum(1).clamp(min=1)
    return ((now - before).abs() / tokens).max().item()


def check(trainer, precision: str) -> None:
    """Raise ModelError when the model does not start out equal to its reference: the loss would compare it with another model."""
    if trainer.reference.begins_elsewhere:
        return
    difference, most = apart(trainer), NEAR[{"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)]
    if not difference <= most:
        raise ModelError(
            f"Before the first step the model and its reference already differ by {difference:.3g} nats per token, so preferences would be "
            "measured against a different model than the one being trained.",
            asked=f"{difference:.3g}",
            available=f"up to {most:g}",
            remedy="Export the earlier run as a merged model and start from that, or choose LoRA.",
            field="model",
        )
