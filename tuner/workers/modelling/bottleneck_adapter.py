"""Bottleneck adapters as a PEFT method: small networks after the sub-blocks of each layer; the model's own weights are frozen.

An adapter is h + up(activation(down(h))), H -> m -> H with m much smaller than H; `up` starts at zero, so that the model starts out
unchanged. `houlsby` puts one after each attention and one after each MLP, `pfeiffer` one after each MLP; both before the residual sum.
    Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", arXiv:1902.00751
    Pfeiffer et al. 2020, "AdapterFusion", arXiv:2005.00247

PEFT has no such method. This file is self-contained (it needs only torch and peft) and is saved beside the weights that it trained:
    import adapters
    from peft import PeftModel
    model = PeftModel.from_pretrained(base, folder)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import nn

BOTTLENECK = "BOTTLENECK"  # its peft_type in adapter_config.json
ACTIVATIONS = {"relu": nn.functional.relu, "gelu": nn.functional.gelu, "silu": nn.functional.silu, "tanh": torch.tanh}
ATTENTION = re.compile("Attention|MLA$")  # class names of attention modules; LongCat's is named after multi-head latent attention
# names of the output projection of attention in the model families
OUTPUTS = (
    "o_proj",
    "out_proj",
    "out_lin",
    "c_proj",
    "dense",
    "o",
    "Wo",
    "wo",
)


@dataclass
class BottleneckConfig(PeftConfig):
    """The content of adapter_config.json. Without `target_modules` they are found from the model's structure, and stored by name."""

    size: int = field(default=64, metadata={"help": "m: the bottleneck dimension"})
    placement: str = field(default="pfeiffer", metadata={"help": "houlsby (after attention and MLP) or pfeiffer (after the MLP)"})
    activation: str = field(default="relu", metadata={"help": ", ".join(ACTIVATIONS)})
    target_modules: list[str] | str | None = field(default=None, metadata={"help": "names of the modules to put an adapter after"})
    exclude_modules: list[str] | str | None = field(default=None, metadata={"help": "names of modules to exclude"})
    modules_to_save: list[str] | None = field(default=None, metadata={"help": "modules trained and saved whole, such as a new head"})

    def __post_init__(self):
        super().__post_init__()
        self.peft_type = BOTTLENECK
        if self.placement not in ("houlsby", "pfeiffer") or self.activation not in ACTIVATIONS:
            raise ValueError(f"placement must be houlsby or pfeiffer, activation one of {list(ACTIVATIONS)}")


class BottleneckLayer(nn.Module, BaseTunerLayer):
    """A module followed by adapters, one per name. (B, T, H) -> (B, T, H); of a tuple the first element is adapted."""

    adapter_layer_names = ("bottleneck_down", "bottleneck_up")
    other_param_names = ("bottleneck_activation",)

    def __init__(self, base_layer: nn.Module, name: str, config: BottleneckConfig, hidden: int):
        super().__init__()
        self.base_layer, self.hidden = base_layer, hidden
        self.bottleneck_down, self.bottleneck_up = nn.ModuleDict(), nn.ModuleDict()
        self.bottleneck_activation: dict[str, str] = {}
        self._disable_adapters, self.merged_adapters, self._active_adapter = False, [], name
        self.add(name, config)

    def add(self, name: str, config: BottleneckConfig) -> None:
        self.bottleneck_down[name] = nn.Linear(self.hidden, config.size)
        self.bottleneck_up[name] = nn.Linear(config.size, self.hidden)
        nn.init.zeros_(self.bottleneck_up[name].weight)
        nn.init.zeros_(self.bottleneck_up[name].bias)
        self.bottleneck_activation[name] = config.activation
        device = next((p.device for p in self.base_layer.parameters()), None)
        if device is not None and device.type != "meta":
            self.bottleneck_down[name].to(device), self.bottleneck_up[name].to(device)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def forward(self, *args, **kwargs):
        out = self.base_layer(*args, **kwargs)
        if self.disable_adapters:
            return out
        return (self.adapted(out[0]), *out[1:]) if isinstance(out, tuple) else self.adapted(out)

    def adapted(self, h: torch.Tensor) -> torch.Tensor:
        for name in self.active_adapters:
            if name in self.bottleneck_down:
                down, up = self.bottleneck_down[name], self.bottleneck_up[name]
                inner = ACTIVATIONS[self.bottleneck_activation[name]](down(h.to(down.weight.dtype)))
                h = h + up(inner).to(h.dtype)
        return h

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        raise ValueError("Bottleneck adapters can't be merged: they are not linear, so no weight can hold their effect.")

    def unmerge(self) -> None:
        pass

    def __getattr__(self, name: str):
        """Return attributes of the wrapped module (weight, out_features, ...)."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_layer":
                raise
            return getattr(self.base_layer, name)

    def __repr__(self) -> str:
        return "bottleneck." + super().__repr__()


class BottleneckModel(BaseTuner):
    """The PEFT tuner: it places the adapters. Saving, loading, switching and heads are PEFT's own."""

    prefix = "bottleneck_"
    tuner_layer_cls = BottleneckLayer
    target_module_mapping: dict[str, list[str]] = {}

    def _prepare_adapter_config(self, peft_config: BottleneckConfig, model_config: dict) -> BottleneckConfig:
        return peft_config

    def _prepare_model(self, peft_config: BottleneckConfig, model: nn.Module) -> None:
        if peft_config.target_modules is None:
            peft_config.target_modules = places(model, peft_config.placement)
        if not peft_config.target_modules:
            raise ValueError("No layers found for the adapters: name them in target_modules.")

    def _create_and_replace(self, peft_config, adapter_name, target, target_name, parent, current_key, **_) -> None:
        if isinstance(target, BottleneckLayer):
            target.add(adapter_name, peft_config)
            return
        layer = BottleneckLayer(target, adapter_name, peft_config, width(target) or hidden_size(self.model))
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)

    def merge_and_unload(self, *args, **kwargs):
        raise ValueError("Bottleneck adapters can't be merged: they are not linear, so no weight can hold their effect.")


def hidden_size(model: nn.Module) -> int:
    """Return the hidden size H of the model's text config."""
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    return config.hidden_size


def is_linear(module: nn.Module) -> bool:
    """Return whether a module is a linear layer, quantized or not; GPT-2's are Conv1D. A router of experts with several outputs is not."""
    inner = module.base_layer if isinstance(module, BaseTunerLayer) else module
    plain = isinstance(inner, nn.Linear) and "Router" not in type(inner).__name__  # Llama 4's router returns two tensors
    return plain or type(inner).__name__ in ("Conv1D", "Linear4bit", "Linear8bitLt")


def width(module: nn.Module) -> int | None:
    """Return the output size of a linear layer."""
    return getattr(module, "out_features", None) or getattr(module, "nf", None)


def text_part(model: nn.Module) -> str:
    """Return the name prefix of the language model inside a multimodal model ("model.language_model."); "" for a model of text only.

    The vision and audio parts outside it are not trained.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = getattr(base, "config", None)
    if not hasattr(config, "get_text_config") or config.get_text_config() is config or getattr(config, "is_encoder_decoder", False):
        return ""
    decoder = base.get_decoder()
    return next((name + "." for name, module in model.named_modules() if module is decoder and name), "")


def stacks(model: nn.Module) -> list[tuple[str, nn.ModuleList]]:
    """Return (name, layers) of each stack of layers, the encoder's before the decoder's: the outermost ModuleLists that contain attention."""
    found: list[tuple[str, nn.ModuleList]] = []
    part = text_part(model)
    for name, module in model.named_modules():
        if not name.startswith(part):
            continue
        inside = any(name.startswith(outer + ".") for outer, _ in found)
        if isinstance(module, nn.ModuleList) and not inside and any(ATTENTION.search(type(m).__name__) for m in module.modules()):
            found.append((name, module))
    return found


def places(model: nn.Module, placement: str) -> list[str]:
    """Return the names of the modules that an adapter follows: the last linear layer of each attention (houlsby) and of each MLP."""
    hidden, names = hidden_size(model), []
    for stack, layers in stacks(model):
        for i, layer in enumerate(layers):
            inside, outside = _linears(layer, hidden)
            if placement == "houlsby":
                names += [f"{stack}.{i}.{name}" for name in inside]
            names.append(f"{stack}.{i}.{_mlp_output(layer, outside)}")
    return names


def _linears(layer: nn.Module, hidden: int) -> tuple[list[str], list[str]]:
    """Return, for one layer, the output projection of each attention, and all linear layers outside attention with H outputs."""
    attentions = list(_outermost(layer, "Attention"))
    linears = [(n, m) for n, m in layer.named_modules() if is_linear(m) and width(m) == hidden and ".base_layer" not in n]
    inside = []
    for attention in attentions:
        own = [n for n, _ in linears if n.startswith(attention + ".")]
        inside.append(next((n for n in reversed(own) if n.rsplit(".", 1)[-1] in OUTPUTS), own[-1] if own else attention))
    return inside, [n for n, _ in linears if not any(n.startswith(a + ".") for a in attentions)]


def _outermost(layer: nn.Module, word: str) -> Iterator[str]:
    found: list[str] = []
    for name, module in layer.named_modules():
        if name and word in type(module).__name__ and not any(name.startswith(f + ".") for f in found):
            found.append(name)
            yield name


def _mlp_output(layer: nn.Module, linears: list[str]) -> str:
    """Return the last linear layer outside attention; of a mixture of experts the whole block, which has no single last layer."""
    block = next((n for n in _outermost(layer, "Moe")), None) or next((n for n in _outermost(layer, "MoE")), None)
    if block or not linears:
        return block or next(n for n, m in layer.named_children() if "mlp" in n.lower() or "MLP" in type(m).__name__)
    return linears[-1]


PEFT_TYPE_TO_CONFIG_MAPPING[BOTTLENECK] = BottleneckConfig
PEFT_TYPE_TO_TUNER_MAPPING[BOTTLENECK] = BottleneckModel
PEFT_TYPE_TO_PREFIX_MAPPING[BOTTLENECK] = BottleneckModel.prefix
