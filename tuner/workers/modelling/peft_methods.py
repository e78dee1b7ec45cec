"""Apply a fine-tuning method to a base model: make exactly the right parameters trainable, save, load, switch off, merge.

`tuner/settings/methods.py` describes each method; most are PEFT's, `layers.py` has the last layers, `bottleneck_adapter.py` the bottleneck
adapters. The task head (labels, spans) is trained and saved with every method.
"""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import (
    IA3Config,
    LNTuningConfig,
    LoraConfig,
    PeftConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from peft.utils import ModulesToSaveWrapper
from safetensors.torch import load_file, save_file

from tuner import models
from tuner.errors import ModelError
from tuner.models import ModelFacts
from tuner.settings import continuation, objectives
from tuner.settings.continuation import EXTRA
from tuner.settings.methods import PROMPT_METHODS
from tuner.settings.run_config import Settings
from tuner.workers.modelling import bottleneck_adapter, layers


def build(model, settings: Settings, facts: ModelFacts, *, objective: str, tokenizer=None, start: Path | None = None):
    """Return the model to train, its adapter in the precision of the settings; see `put_on`."""
    built = apply(model, settings, facts, objective=objective, tokenizer=tokenizer, start=start)
    return narrowed(built) if settings.method in ("lora", "qlora") and settings.adapter_precision == "bf16" else built


def narrowed(model):
    """Cast LoRA's matrices to bf16, also when a checkpoint is loaded, where PEFT would cast them to float32. Heads stay as they are."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "lora_" in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    model.load_adapter = functools.partial(model.load_adapter, autocast_adapter_dtype=False)
    return model


def apply(model, settings: Settings, facts: ModelFacts, *, objective: str, tokenizer=None, start: Path | None = None):
    """Return the base model with the method applied, new or continued from the folder `start`; an adapter of another kind in `start` is merged.

    A quantized base stays as it was loaded: `prepare_model_for_kbit_training` would cast embeddings, norms and head to fp32, which fp16
    needs and bf16 does not; freezing is done here, and non-reentrant checkpointing needs no gradient at the input. ModelError for settings
    that don't work with the method or the model.
    """
    method, task = settings.method, objectives.get(objective).task
    if start is not None and not continuation.trains_further(start, method, objective):
        model, start = merged(load_saved(model, start)), None
    if method == "full":
        _require_unquantized(model)
        return layers.train_all(model)
    if method == "last_layers":
        _require_unquantized(model)
        model = layers.train_last(layers.swap_in(model, start) if start else model, settings)
        model.task = task
        return model
    if method == "prefix" and settings.gradient_checkpointing:
        raise _refused(
            "Prefix tuning does not work with gradient checkpointing.", "Switch gradient checkpointing off.", "gradient_checkpointing"
        )
    if method in PROMPT_METHODS:
        return _soft(model, settings, task, tokenizer, start)
    if start is not None:
        return PeftModel.from_pretrained(model, str(start), is_trainable=True)
    try:
        model = get_peft_model(model, _config(model, settings, facts, task))
    except ValueError as error:
        if "arget modules" not in str(error) and "arget_modules" not in str(error):
            raise
        raise _no_target(facts, settings.lora_targets) from error
    keep_initial(model, None, settings)
    return model


def _require_unquantized(model) -> None:
    if getattr(model, "is_quantized", False):
        raise _refused("Quantized weights can't be trained directly.", "Choose QLoRA, or leave quantization off.", "quantization")


def _refused(message: str, remedy: str, field: str) -> ModelError:
    return ModelError(message, asked=field, available="see the table of methods", remedy=remedy, field=field)


def _no_target(facts: ModelFacts, targets: Any) -> ModelError:
    return ModelError(
        f"{facts.name} has no layers called {targets}.",
        asked=targets,
        available="all-linear",
        remedy="Choose all-linear.",
        field="lora_targets",
    )


def _config(model, settings: Settings, facts: ModelFacts, task: str) -> PeftConfig:
    """Return the PEFT config; the task head is trained in full."""
    return CONFIGS[settings.method](model, settings, facts, {"task_type": task, "modules_to_save": layers.heads(model) or None})


def _targets(model, settings: Settings, facts: ModelFacts) -> list[str]:
    """Return the full names of the linear layers that `lora_targets` means. ModelError when there is none."""
    targets = models.lora_modules(facts, settings.lora_targets)
    if targets == "all-linear":  # PEFT's own "all-linear" includes some task heads
        targets = layers.linears(model)
    else:
        targets = layers.named(model, targets, list(models.targets(facts).values()))
    if not targets:
        raise _no_target(facts, settings.lora_targets)
    return targets


def _lora(model, settings: Settings, facts: ModelFacts, common: dict[str, Any]) -> PeftConfig:
    targets = _targets(model, settings, facts)
    if settings.use_dora and settings.lora_init != "default":
        raise _refused("DoRA does not work with PiSSA or OLoRA.", "Leave DoRA off, or choose the default initialization.", "use_dora")
    if settings.lora_init == "olora" and any(hasattr(model.get_submodule(n), "nf") for n in targets):
        raise _refused(
            f"OLoRA does not support the weight layout of {facts.name}.", "Choose pissa, or the default initialization.", "lora_init"
        )
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha or 2 * settings.lora_rank,
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        use_dora=settings.use_dora,
        use_rslora=settings.use_rslora,
        init_lora_weights=True if settings.lora_init == "default" else settings.lora_init,
        **common,
    )


def _bottleneck(model, settings: Settings, facts: ModelFacts, common: dict[str, Any]) -> PeftConfig:
    return bottleneck_adapter.BottleneckConfig(size=settings.adapter_size, placement=settings.adapter_placement, **common)


def _norms(model, settings: Settings, facts: ModelFacts, common: dict[str, Any]) -> PeftConfig:
    return LNTuningConfig(target_modules=layers.norms(model), **common)


def _ia3(model, settings: Settings, facts: ModelFacts, common: dict[str, Any]) -> PeftConfig:
    inner, down = layers.ia3_places(model)
    return IA3Config(target_modules=inner + down, feedforward_modules=down, **common)


CONFIGS = {"lora": _lora, "qlora": _lora, "adapter": _bottleneck, "ln": _norms, "ia3": _ia3}  # method -> its config; prompts have `_soft`


# --- prompts and prefixes -------------------------------------------------------------------------------------------------------


def _soft(model, settings: Settings, task: str, tokenizer, start: Path | None) -> PeftModel:
    """Apply prompt tuning, P-tuning or prefix tuning. PEFT can't train a loaded prompt, so a new one is made and the trained weights are loaded
    into it."""
    if start is not None:
        config = PeftConfig.from_pretrained(str(start))
        config.inference_mode = False
    else:
        config = _soft_config(model, settings, task)
    model = _aligned(_with_network(get_peft_model(model, config)))
    if start is not None:
        set_peft_model_state_dict(model, load_file(start / "adapter_model.safetensors"))
        load_extra_state(model, start)
    elif settings.method == "prompt" and settings.prompt_text:
        _init_from_text(model, tokenizer, settings.prompt_text)
    elif settings.method == "prefix" and not settings.prefix_projection:
        model.prompt_encoder["default"].embedding.weight.data.mul_(0.02)  # at PEFT's scale they dominate the text
    return model


def _soft_config(model, settings: Settings, task: str) -> PeftConfig:
    config, hidden = model.config.get_text_config(), bottleneck_adapter.hidden_size(model)
    shape = {"token_dim": hidden, "num_layers": config.num_hidden_layers, "num_attention_heads": config.num_attention_heads}
    common = {"task_type": task, "num_virtual_tokens": settings.virtual_tokens, "modules_to_save": layers.heads(model) or None}
    if settings.method == "prompt":
        return PromptTuningConfig(prompt_tuning_init="SAMPLE_VOCAB", num_transformer_submodules=1, **shape, **common)
    if settings.method == "p_tuning":
        return PromptEncoderConfig(encoder_hidden_size=hidden, num_transformer_submodules=1, **shape, **common)
    if config.is_encoder_decoder:  # the prefixes are the decoder's; T5's heads need not add up to H
        depth = getattr(config, "num_decoder_layers", None) or getattr(config, "decoder_layers", None)
        heads = getattr(config, "decoder_attention_heads", None) or config.num_attention_heads
        shape = {"token_dim": heads * getattr(config, "d_kv", hidden // heads), "num_layers": depth, "num_attention_heads": heads}
    return PrefixTuningConfig(prefix_projection=settings.prefix_projection, encoder_hidden_size=hidden, **shape, **common)


def _init_from_text(model: PeftModel, tokenizer, text: str) -> None:
    """Initialize the prompt with the embeddings of a text, repeated or truncated to its length (PEFT's own way keeps a path in the config)."""
    weight = model.prompt_encoder["default"].embedding.weight
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] or [tokenizer.eos_token_id]
    ids = (ids * (len(weight) // len(ids) + 1))[: len(weight)]
    with torch.no_grad():
        weight.copy_(model.word_embeddings(torch.tensor(ids, device=model.word_embeddings.weight.device)))


def _network(model) -> torch.nn.Module | None:
    """Return the network that computes the prompts during training (P-tuning, projected prefixes); None without one."""
    encoder = model.prompt_encoder[model.active_adapter] if isinstance(model, PeftModel) and hasattr(model, "prompt_encoder") else None
    return encoder if hasattr(encoder, "mlp_head") or hasattr(encoder, "transform") else None


def _with_network(model: PeftModel) -> PeftModel:
    """Make saving and loading of this model (a trainer's checkpoints too) include the network that computes the prompts."""
    encoder = _network(model)
    if encoder is None:
        return model
    encoder._load_adapter_state_dict = lambda state: None  # a checkpoint's prompts are the network's output, not the network
    save_pretrained, load_adapter = model.save_pretrained, model.load_adapter

    def save_with_network(save_directory, *args, **kwargs):
        save_pretrained(save_directory, *args, **kwargs)
        save_file(extra_state(model), Path(save_directory) / EXTRA, metadata={"format": "pt"})

    def load_with_network(model_id, *args, **kwargs):
        result = load_adapter(model_id, *args, **kwargs)
        load_extra_state(model, Path(model_id))
        return result

    model.save_pretrained, model.load_adapter = save_with_network, load_with_network
    return model


def extra_state(model) -> dict[str, torch.Tensor]:
    """Return what a Trainer's checkpoint lacks for an exact resume: the network of P-tuning and of projected prefixes. Empty for other methods.

    A model made by `build` writes it into every checkpoint (as `EXTRA`) and reads it on resume and with the best checkpoint. Your own callback
    would call `save_file(extra_state(model), checkpoint / EXTRA)` in `on_save`.
    """
    encoder = _network(model)
    return {} if encoder is None else {k: v.detach().cpu().contiguous() for k, v in encoder.state_dict().items()}


def load_extra_state(model, folder: Path) -> None:
    """Load the state of `extra_state` after the weights. ModelError when it is needed and missing."""
    encoder = _network(model)
    if encoder is None:
        return
    if not (folder / EXTRA).exists():
        raise ModelError(
            f"{folder.name} lacks {EXTRA}, without which this method can't continue.",
            asked=str(folder),
            available="folders saved by this app",
            remedy="Start a new run.",
        )
    encoder.load_state_dict(load_file(folder / EXTRA))


def _aligned(model: PeftModel) -> PeftModel:
    """Fix positions that PEFT does not handle when virtual tokens precede the text: a decoder's classification head must use the last real token
    (it takes the last of the row, padding or not); labels of words and of spans must be shifted, and their logits shifted back."""
    config, base = model.active_peft_config, model.base_model
    if config.peft_type not in ("PROMPT_TUNING", "P_TUNING") or config.task_type not in ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS"):
        return model
    n, seen = config.num_virtual_tokens, {}

    def before(module, args, kwargs):
        if kwargs.get("inputs_embeds") is None:
            return None
        seen["mask"] = kwargs.get("attention_mask")
        if config.task_type == "TOKEN_CLS" and kwargs.get("labels") is not None:
            kwargs["labels"] = torch.nn.functional.pad(kwargs["labels"], (n, 0), value=-100)
        moved = {k: kwargs[k] + n for k in ("start_positions", "end_positions") if kwargs.get(k) is not None}
        return args, kwargs | moved

    def after(module, args, kwargs, out):
        if seen.pop("mask", None) is not None and config.task_type != "SEQ_CLS":
            for key in ("logits", "start_logits", "end_logits"):
                if key in out:
                    out[key] = out[key][:, n:]
        return out

    def pool(module, args):
        mask = seen.get("mask")
        if mask is None:
            return None
        last = mask.shape[1] - 1 - mask.long().flip(1).argmax(1)  # rightmost real token of each row
        h = args[0].clone()
        h[:, -1] = args[0][torch.arange(len(h), device=h.device), last.to(h.device)]
        return (h, *args[1:])

    hooks = [base.register_forward_pre_hook(before, with_kwargs=True), base.register_forward_hook(after, with_kwargs=True)]
    if config.task_type == "SEQ_CLS" and hasattr(base, "score"):
        hooks.append(base.score.register_forward_pre_hook(pool))
    model.alignment = hooks
    return model


# --- save, load, switch off, merge ---------------------------------------------------------------------------------------


def keep_initial(model, folder: Path | None, settings: Settings) -> None:
    """Keep the initial adapter in memory for PiSSA and OLoRA, which subtract it from the base, to save the result as plain LoRA. Called by `build`."""
    config = model.peft_config.get("default") if isinstance(model, PeftModel) else None
    if getattr(config, "init_lora_weights", True) in ("pissa", "olora") and not hasattr(model, "start_of_lora"):
        state = get_peft_model_state_dict(model)
        model.start_of_lora = {k: v.detach().cpu().clone().contiguous() for k, v in state.items()}


def save(model, folder: Path, settings: Settings, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Save the trained weights as safetensors, in a form that `load_saved` and, for PEFT's own methods, plain PEFT can load. `weights`: those of
    a whole model that is held in parts, gathered."""
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(model, layers.KEPT):
        layers.save(model, folder, {"last_layers": settings.last_layers, "task": getattr(model, "task", None)})
    elif weights is not None:
        model.config.distributed_config = None  # else transformers would gather them once more, in this process alone
        model.save_pretrained(folder, state_dict=weights)
    elif not isinstance(model, PeftModel):
        stored = getattr(model, "stored_dtype", None)
        (model.to(stored) if stored else model).save_pretrained(folder)
    elif hasattr(model, "start_of_lora"):
        with tempfile.TemporaryDirectory() as temporary:
            initial = Path(temporary) / "initial"
            model.peft_config["default"].save_pretrained(str(initial))
            save_file(model.start_of_lora, initial / "adapter_model.safetensors")
            model.save_pretrained(str(folder), path_initial_model_for_weight_conversion=str(initial))
        weights = folder / "adapter_model.safetensors"  # the conversion drops the head
        head = {k: v.detach().cpu().contiguous() for k, v in get_peft_model_state_dict(model).items() if ".lora_" not in k}
        save_file(load_file(weights) | head, weights, metadata={"format": "pt"})
    else:
        model.save_pretrained(str(folder))
        if model.peft_type == bottleneck_adapter.BOTTLENECK:
            shutil.copy(bottleneck_adapter.__file__, folder / "adapters.py")


def kind(folder: Path) -> str:
    """Return the kind of adapter or model in a folder (`continuation.kind`). ModelError when it holds nothing trained."""
    if found := continuation.kind(folder):
        return found
    raise ModelError(
        f"{folder.name} holds no trained model or adapter.",
        asked=str(folder),
        available="adapter_config.json, layers.json or config.json",
        remedy="Choose another run.",
        field="model",
    )


def load_saved(model, folder: Path, *, name: str = "default"):
    """Return a base model, or one with adapters of the same kind, with the adapter or weights of `folder` loaded and active."""
    found = kind(folder)
    if found == "layers":
        return layers.swap_in(model, folder)
    if found == "whole":
        dtype, device = model.dtype, model.device
        return type(model).from_pretrained(folder, dtype=dtype, use_safetensors=True, trust_remote_code=False).to(device)
    if isinstance(model, PeftModel):
        model.load_adapter(str(folder), name, torch_device=str(model.device))
    else:
        model = PeftModel.from_pretrained(model, str(folder), adapter_name=name, torch_device=str(model.device))
        _aligned(model)
    model.set_adapter(name)
    return model


def disabled(model) -> contextlib.AbstractContextManager:
    """Return a context in which the model runs as its base model; a fully fine-tuned model has none and runs as itself."""
    if isinstance(model, PeftModel):
        own = model.active_peft_config.is_prompt_learning and not hasattr(model.base_model, "prepare_inputs_for_generation")
        return _without_prompts(model) if own else model.disable_adapter()
    return layers.base_tensors(model) if hasattr(model, layers.KEPT) else contextlib.nullcontext()


@contextlib.contextmanager
def _without_prompts(model: PeftModel) -> Iterator[None]:
    """Replace PEFT's `disable_adapter` for models that don't generate: PEFT's needs methods of generation there, and leaves the trained head on."""
    heads = [m for m in model.modules() if isinstance(m, ModulesToSaveWrapper)]
    before = model.__dict__.get("forward")
    try:
        model.forward = model.base_model.forward
        for head in heads:
            head.enable_adapters(False)
        yield
    finally:
        for head in heads:
            head.enable_adapters(True)
        if before is None:
            del model.forward
        else:
            model.forward = before


def merged(model):
    """Return one model with the adapter merged into it. ModelError for methods and models that can't be merged."""
    if hasattr(model, layers.KEPT):
        delattr(model, layers.KEPT)
    if not isinstance(model, PeftModel):
        return model
    if f"peft:{getattr(model.peft_type, 'value', model.peft_type)}" not in continuation.MERGE:
        raise _refused("An adapter of this method can't be merged into the model.", "Continue with the same method.", "method")
    if getattr(model.get_base_model(), "is_quantized", False):
        raise _refused(
            "An adapter can't be merged into quantized weights.",
            "Continue with the adapter, or train from the 16-bit model that the base was made from.",
            "model",
        )
    # PEFT fails on heads of several parts, or leaves them wrapped
    return _unwrapped(model, trained=True).merge_and_unload(safe_merge=True)


def removed(model):
    """Return the bare base model again, bit for bit."""
    if not isinstance(model, PeftModel):
        return layers.swap_out(model)
    for hook in getattr(model, "alignment", ()):
        hook.remove()
    _unwrapped(model, trained=False)  # PEFT's unload would leave the trained head in
    return model.base_model if model.active_peft_config.is_prompt_learning else model.unload()


def _unwrapped(model, trained: bool):
    """Remove PEFT's wrapper around heads, which some methods leave there; keep the trained heads, or the base's own."""
    for name, module in list(model.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            parent, _, leaf = name.rpartition(".")
            active = module.active_adapters
            chosen = module.modules_to_save[active[0]] if trained and active else module.original_module
            setattr(model.get_submodule(parent), leaf, chosen)
    return model
