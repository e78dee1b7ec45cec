"""Find the layers, norms and heads of a model, and train its last few layers.

Lee et al. 2019, "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning", arXiv:1911.03090.

The result is saved as the changed tensors (`changed.safetensors`, with `layers.json` beside it that describes them); they are swapped into a
base model and out again, so that one base model in memory serves many runs.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from tuner import paths
from tuner.errors import ModelError
from tuner.settings.continuation import ABOUT
from tuner.settings.run_config import Settings
from tuner.workers.modelling.bottleneck_adapter import is_linear, places, stacks, text_part

CHANGED = "changed.safetensors"
KEYS_VALUES = {  # names of the key and value projections in the model families, separate or fused
    *("k", "v", "key", "value", "k_proj", "v_proj", "key_proj", "value_proj", "k_lin", "v_lin"),
    *("Wqkv", "c_attn", "qkv_proj", "query_key_value"),
}
# their fused kernels read these weights directly and bypass LoRA, so PEFT refuses them
MAMBA, OF_MAMBA = (
    ("out_proj", "conv1d"),
    ("falcon_h1", "nemotron_h"),
)
KEPT = "tensors_of_the_base"  # the attribute of a model that holds the base's tensors while others are swapped in


def heads(model: nn.Module) -> list[str]:
    """Return the names of the task head's modules (classifier, score, qa_outputs, pre_classifier, pooler ...), outside the base model.

    They include modules that the checkpoint lacks, such as the pooler of a BERT that was only pretrained (`fresh_modules`).
    A language model has none: its `lm_head` belongs to the model.
    """
    if model.get_output_embeddings() is not None or text_part(model):
        return []
    beside = [n for n, m in model.named_children() if n != model.base_model_prefix and next(m.parameters(), None) is not None]
    return list(dict.fromkeys([*beside, *(n for n in getattr(model, "fresh_modules", ()) if n.split(".")[0] not in beside)]))


def norms(model: nn.Module) -> list[str]:
    """Return the full names of all normalization layers with weights, including those of the embeddings, without those inside a head."""
    beside, part = heads(model), text_part(model)
    return [
        name
        for name, module in model.named_modules()
        if name.startswith(part)
        and "norm" in type(module).__name__.lower()
        and isinstance(getattr(module, "weight", None), nn.Parameter)
        and not any(name == h or name.startswith(h + ".") for h in beside)
    ]


def named(model: nn.Module, wanted: list[str], known: list[str]) -> list[str]:
    """Return the full names of the linear layers whose suffix is in `wanted`; of several matching suffixes in `known` the longest counts.

    BERT's MLP ends in output.dense, and so does attention.output.dense: without this rule one suffix would match both.
    """
    ends, part = sorted({*wanted, *known}, key=len, reverse=True), text_part(model)
    found = []
    for name, module in model.named_modules():
        if is_linear(module) and name.startswith(part):
            end = next((e for e in ends if name == e or name.endswith("." + e)), None)
            if end in wanted:
                found.append(name)
    return found


def linears(model: nn.Module) -> list[str]:
    """Return the full names of all linear layers inside the transformer layers."""
    within = tuple(stack + "." for stack, _ in stacks(model))
    excluded = MAMBA if getattr(model.config.get_text_config(), "model_type", None) in OF_MAMBA else ()
    found = [name for name, module in model.named_modules() if is_linear(module) and name.startswith(within)]
    return [name for name in found if name.rsplit(".", 1)[-1] not in excluded]


def ia3_places(model: nn.Module) -> tuple[list[str], list[str]]:
    """Return the modules that IA3 scales (Liu et al. 2022, arXiv:2205.05638): outputs of the key and value projections, inputs of the MLP's last
    linear layer."""
    down = [n for n in places(model, "pfeiffer") if is_linear(model.get_submodule(n))]
    return [n for n in linears(model) if n.rsplit(".", 1)[-1] in KEYS_VALUES], down


def train_all(model: nn.Module) -> nn.Module:
    """Make every weight of the language model trainable; the vision and audio parts of a multimodal model stay frozen."""
    model.requires_grad_(True)
    part, head = text_part(model), model.get_output_embeddings()
    of_head = {id(p) for p in head.parameters()} if head is not None else set()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not part or name.startswith(part) or id(parameter) in of_head)
    return model


# --- the last layers ----------------------------------------------------------------------------------------------------------


def last(model: nn.Module, n: int) -> tuple[list[str], list[str]]:
    """Return the names of the last `n` layers, the decoder's before the encoder's, and of the norms that follow their stacks. ModelError for a
    number that the model doesn't have."""
    every = [(stack, f"{stack}.{i}") for stack, layers in stacks(model) for i in range(len(layers))]
    if not 1 <= n <= len(every):
        raise ModelError(
            f"The last {n} layers can't be trained: this model has {len(every)}.",
            asked=n,
            available=f"1 to {len(every)}",
            remedy=f"Choose 1 to {len(every)}.",
            field="last_layers",
        )
    chosen = every[-n:]
    return [name for _, name in chosen], [norm for stack in dict.fromkeys(s for s, _ in chosen) for norm in _final_norms(model, stack)]


def _final_norms(model: nn.Module, stack: str) -> list[str]:
    """Return the final norms after a stack (model.norm, transformer.ln_f, decoder.final_layer_norm), not those of the embeddings."""
    parent = stack.rsplit(".", 1)[0] + "." if "." in stack else ""
    siblings = [n for n in norms(model) if n.startswith(parent) and "." not in n[len(parent) :]]
    order = [n for n, _ in model.named_modules()]
    return [n for n in siblings if "embed" not in n and n.rsplit(".", 1)[-1] != "LayerNorm" and order.index(n) > order.index(stack)]


def train_last(model: nn.Module, settings: Settings) -> nn.Module:
    """Freeze everything except the last layers, their final norm, the task head, and on request the LM head and the embeddings.

    A copy of the original tensors stays in memory, so that the base model can be run too.
    """
    names = [*sum(last(model, settings.last_layers), []), *heads(model)]
    model.requires_grad_(False)
    modules = [model.get_submodule(n) for n in names]
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is not None and (settings.train_head or head.weight is not embeddings.weight):  # an untied LM head is always trained
        modules.append(head)
    if settings.train_embeddings:
        modules.append(embeddings)
    for module in modules:
        module.requires_grad_(True)
    kept = getattr(model, KEPT, {})
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    setattr(model, KEPT, {n: p.detach().to("cpu", copy=True) for n, p in trained.items() if n not in kept} | kept)
    return model


def save(model: nn.Module, folder: Path, about: dict[str, Any]) -> None:
    """Save only the changed tensors, in the dtype they were trained in."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = {n: p.detach().cpu().contiguous() for n, p in model.named_parameters() if n in getattr(model, KEPT)}
    save_file(changed, folder / CHANGED, metadata={"format": "pt"})
    paths.write_json(folder / ABOUT, {"kind": "layers", "tensors": sorted(changed), **about})


def swap_in(model: nn.Module, folder: Path) -> nn.Module:
    """Swap the changed tensors of `folder` into the base model; `take_out` restores it exactly. ModelError when they don't match the model."""
    changed, own = load_file(folder / CHANGED), dict(model.named_parameters())
    unmatched = [n for n, t in changed.items() if n not in own or own[n].shape != t.shape]
    if unmatched:
        raise ModelError(
            f"The trained layers in {folder.name} belong to another base model: this one has no {unmatched[0]} of that shape.",
            asked=str(folder),
            available="the base model they were trained on",
            remedy="Choose the base model that the model card names.",
            field="model",
        )
    kept = getattr(model, KEPT, {})
    setattr(model, KEPT, {n: own[n].data for n in changed if n not in kept} | kept)
    for name, tensor in changed.items():
        own[name].data = tensor.to(own[name].device, own[name].dtype)
    return model


def swap_out(model: nn.Module) -> nn.Module:
    """Restore the base model as it was before `put`, bit for bit."""
    own = dict(model.named_parameters())
    for name, tensor in getattr(model, KEPT, {}).items():
        own[name].data = tensor.to(own[name].device)
    if hasattr(model, KEPT):
        delattr(model, KEPT)
    return model


@contextlib.contextmanager
def base_tensors(model: nn.Module) -> Iterator[None]:
    """Run the model as its base model within this context. The optimizer's parameters stay the same objects."""
    own, kept = dict(model.named_parameters()), getattr(model, KEPT)
    trained = {n: own[n].data for n in kept}
    try:
        for name, tensor in kept.items():
            own[name].data = tensor.to(own[name].device)
        yield
    finally:
        for name, tensor in trained.items():
            own[name].data = tensor
