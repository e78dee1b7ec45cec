"""Where things lie in a model (layers, norms, heads), and the technique that needs nothing else: training the last few layers.

Lee et al. 2019, "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning", arXiv:1911.03090.

What was learnt is kept as the changed tensors (`changed.safetensors`, and `layers.json` beside it, which says what they are);
they are swapped into a base and out again, so that one base in memory serves many runs.
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
from tuner.workers.modelling.bottleneck_adapter import is_linear, places, stacks, text_part

CHANGED = "changed.safetensors"
KEYS_VALUES = {  # what families call the maps of keys and values, alone or fused
    *("k", "v", "key", "value", "k_proj", "v_proj", "key_proj", "value_proj", "k_lin", "v_lin"),
    *("Wqkv", "c_attn", "qkv_proj", "query_key_value"),
}
MAMBA, OF_MAMBA = ("out_proj", "conv1d"), ("falcon_h1", "nemotron_h")  # whose fused kernels read these weights past LoRA: PEFT refuses them
KEPT = "tensors_of_the_base"  # the attribute of a model that holds what was swapped out


def heads(model: nn.Module) -> list[str]:
    """Names of the head of a task (classifier, score, qa_outputs, pre_classifier, pooler ...): what stands beside the model proper.

    To these belongs what the checkpoint didn't hold, such as the pooler of a BERT that was only pretrained (`fresh_modules`).
    A model for text has none: its choice of words is `lm_head`, which belongs to the model.
    """
    if model.get_output_embeddings() is not None or text_part(model):
        return []
    beside = [n for n, m in model.named_children() if n != model.base_model_prefix and next(m.parameters(), None) is not None]
    return list(dict.fromkeys([*beside, *(n for n in getattr(model, "fresh_modules", ()) if n.split(".")[0] not in beside)]))


def norms(model: nn.Module) -> list[str]:
    """Full names of all normalisations with weights, those of the embeddings too; not those inside a head."""
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
    """Full names of the linear maps that `wanted` names by their ends; of `known` ends that fit the longest counts.

    BERT's MLP ends in output.dense, and so does attention.output.dense: without the rule one would stand for both.
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
    """Full names of all linear maps inside the layers."""
    within = tuple(stack + "." for stack, _ in stacks(model))
    left = MAMBA if getattr(model.config.get_text_config(), "model_type", None) in OF_MAMBA else ()
    found = [name for name, module in model.named_modules() if is_linear(module) and name.startswith(within)]
    return [name for name in found if name.rsplit(".", 1)[-1] not in left]


def ia3_places(model: nn.Module) -> tuple[list[str], list[str]]:
    """Where IA3's factors stand (Liu et al. 2022, arXiv:2205.05638): after the maps of keys and values, before the last map of the MLP."""
    down = [n for n in places(model, "pfeiffer") if is_linear(model.get_submodule(n))]
    return [n for n in linears(model) if n.rsplit(".", 1)[-1] in KEYS_VALUES], down


def train_all(model: nn.Module) -> nn.Module:
    """Every weight of the language model may change; what a multimodal model sees and hears with stays as it is."""
    model.requires_grad_(True)
    part, out = text_part(model), model.get_output_embeddings()
    words = {id(p) for p in out.parameters()} if out is not None else set()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not part or name.startswith(part) or id(parameter) in words)
    return model


# --- the last layers ----------------------------------------------------------------------------------------------------------


def last(model: nn.Module, n: int) -> tuple[list[str], list[str]]:
    """Names of the last `n` layers, a decoder's before an encoder's, and of the norms that follow their stacks."""
    every = [(stack, f"{stack}.{i}") for stack, layers in stacks(model) for i in range(len(layers))]
    if not 1 <= n <= len(every):
        raise ModelError(
            f"Asked to train the last {n} layers; this model has {len(every)}.",
            asked=n,
            available=f"1 to {len(every)}",
            remedy=f"Choose 1 to {len(every)}.",
            field="last_layers",
        )
    chosen = every[-n:]
    return [name for _, name in chosen], [norm for stack in dict.fromkeys(s for s, _ in chosen) for norm in _final_norms(model, stack)]


def _final_norms(model: nn.Module, stack: str) -> list[str]:
    """Norms that stand beside a stack (model.norm, transformer.ln_f, decoder.final_layer_norm), not those of the embeddings."""
    parent = stack.rsplit(".", 1)[0] + "." if "." in stack else ""
    siblings = [n for n in norms(model) if n.startswith(parent) and "." not in n[len(parent) :]]
    order = [n for n, _ in model.named_modules()]
    return [n for n in siblings if "embed" not in n and n.rsplit(".", 1)[-1] != "LayerNorm" and order.index(n) > order.index(stack)]


def train_last(model: nn.Module, settings: dict[str, Any]) -> nn.Module:
    """Freezes all but the last layers, their final norm, the head of a task, and on request the choice of words and the embeddings.

    What they were stays in memory once more, so that the base can be asked beside what is learnt.
    """
    names = [*sum(last(model, settings["last_layers"]), []), *heads(model)]
    model.requires_grad_(False)
    modules = [model.get_submodule(n) for n in names]
    out, words = model.get_output_embeddings(), model.get_input_embeddings()
    if out is not None and (settings.get("train_head") or out.weight is not words.weight):  # a head of its own goes with the last layers
        modules.append(out)
    if settings.get("train_embeddings"):
        modules.append(words)
    for module in modules:
        module.requires_grad_(True)
    kept = getattr(model, KEPT, {})
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    setattr(model, KEPT, {n: p.detach().to("cpu", copy=True) for n, p in trained.items() if n not in kept} | kept)
    return model


def save(model: nn.Module, folder: Path, about: dict[str, Any]) -> None:
    """The changed tensors alone, in the width they were trained in."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = {n: p.detach().cpu().contiguous() for n, p in model.named_parameters() if n in getattr(model, KEPT)}
    save_file(changed, folder / CHANGED, metadata={"format": "pt"})
    paths.write_json(folder / ABOUT, {"kind": "layers", "tensors": sorted(changed), **about})


def put(model: nn.Module, folder: Path) -> nn.Module:
    """The base with the changed tensors of `folder` in it; `take_out` gives it back exactly."""
    changed, own = load_file(folder / CHANGED), dict(model.named_parameters())
    strange = [n for n, t in changed.items() if n not in own or own[n].shape != t.shape]
    if strange:
        raise ModelError(
            f"What was learnt in {folder.name} belongs to another model: it has no {strange[0]} of that shape.",
            asked=str(folder),
            available="the base it was trained on",
            remedy="Choose the base that its card names.",
            field="model",
        )
    kept = getattr(model, KEPT, {})
    setattr(model, KEPT, {n: own[n].data for n in changed if n not in kept} | kept)
    for name, tensor in changed.items():
        own[name].data = tensor.to(own[name].device, own[name].dtype)
    return model


def take_out(model: nn.Module) -> nn.Module:
    """The base as it was before `put`, bit for bit."""
    own = dict(model.named_parameters())
    for name, tensor in getattr(model, KEPT, {}).items():
        own[name].data = tensor.to(own[name].device)
    if hasattr(model, KEPT):
        delattr(model, KEPT)
    return model


@contextlib.contextmanager
def base_tensors(model: nn.Module) -> Iterator[None]:
    """Within this the model answers as its base. The optimizer's parameters stay the same objects."""
    own, kept = dict(model.named_parameters()), getattr(model, KEPT)
    learnt = {n: own[n].data for n in kept}
    try:
        for name, tensor in kept.items():
            own[name].data = tensor.to(own[name].device)
        yield
    finally:
        for name, tensor in learnt.items():
            own[name].data = tensor
