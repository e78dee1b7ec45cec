"""Model formats that can't be trained, recognized by file names and config.json.

The same rules apply to a folder and to the file list of a Hub repository. Every refusal says what to do instead.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from tuner.errors import ModelError
from tuner.models import model_types

# --- files ---------------------------------------------------------------------------------------------------------------------------

NOT_OF_THE_MODEL = ("adapter_model", "consolidated", "optimizer", "scheduler", "training_args", "rng_state", "trainer_state", "changed")
FORMATS = (  # (ends of file names, format, programs that read it); the first match counts
    ((".gguf",), "GGUF", "llama.cpp, Ollama and LM Studio run"),
    (("ggml", "ggjt"), "GGML", "llama.cpp ran until 2023"),
    ((".onnx", ".onnx_data"), "ONNX", "ONNX Runtime runs"),
    (("openvino_model.xml", "openvino_model.bin"), "OpenVINO", "OpenVINO runs"),
    ((".h5", ".keras"), "TensorFlow", "TensorFlow reads"),
    ((".msgpack",), "Flax", "Flax reads"),
    ((".tflite", ".task", ".litertlm"), "LiteRT", "phones run"),
    ((".mlpackage", ".mlmodelc", ".mlmodel"), "Core ML", "Apple's Core ML runs"),
    ((".pte",), "ExecuTorch", "ExecuTorch runs"),
    ((".engine", ".plan"), "TensorRT", "TensorRT runs"),
    ((".exl2", ".exl3"), "ExLlama", "ExLlama runs"),
)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CTRANSLATE = ("shared_vocabulary.json", "shared_vocabulary.txt", "source_vocabulary.json", "vocabulary.json", "vocabulary.txt")


def weights(names: Iterable[str]) -> list[str]:
    """Return the safetensors files of the model itself, without those of adapters, optimizers or copies in another format."""
    return sorted(n for n in names if "/" not in n and n.endswith(".safetensors") and not n.startswith(NOT_OF_THE_MODEL))


def pickles(names: Iterable[str]) -> list[str]:
    return sorted(n for n in names if n.endswith(PICKLES) and not PurePosixPath(n).name.startswith((*NOT_OF_THE_MODEL[2:], "openvino")))


def check_files(names: set[str], name: str, where: str, config: dict[str, Any] | None = None) -> None:
    """Raise ModelError for weights in a format that can't be trained. `where`: the folder or Hub id as a person types it."""
    if weights(names):
        return
    if {"model.bin", "config.json"} <= names and names & set(CTRANSLATE):
        raise foreign(name, where, "CTranslate2", "CTranslate2 and faster-whisper run")
    for ends, title, who in FORMATS:
        if any(_is(n, ends) for n in names):
            raise foreign(name, where, title, who)
    if "model_index.json" in names:
        raise ModelError(
            f"{name} generates images (a diffusers pipeline); it is not a language model.",
            asked=where,
            available="models that read and generate text",
            remedy="Choose a language model, such as SmolLM2 or Qwen.",
            field="model",
        )
    if found := pickles(names):
        raise _pickled(name, where, found[0], config or {})
    if any(n.endswith(".safetensors") and n.startswith("consolidated") for n in names):
        raise _renamed(name, where, "consolidated.safetensors")


def _is(name: str, ends: tuple[str, ...]) -> bool:
    leaf = PurePosixPath(name).name.lower()
    return any(leaf.endswith(e) if "." in e else leaf.startswith(e) for e in ends)


def check_reference(ref: str) -> None:
    """Raise ModelError for the path of a single model file, where a folder or a Hub id is expected."""
    leaf = PurePosixPath(ref.replace("\\", "/")).name
    for ends, title, who in FORMATS[:3]:
        if _is(leaf, ends):
            raise foreign(leaf, ref, title, who)


def foreign(name: str, where: str, title: str, who: str) -> ModelError:
    return ModelError(
        f"{name} is {'an' if title[0] in 'EO' else 'a'} {title} model, which {who} but which can't be trained.",
        asked=where,
        available="models with config.json, a tokenizer and *.safetensors",
        remedy="Choose the safetensors model it was converted from; its page on the Hub names it.",
        field="model",
    )


def _pickled(name: str, where: str, file: str, config: dict[str, Any]) -> ModelError:
    """Return the error for pickled weights. They are not converted here: that would rely on the safety of torch's unpickler."""
    classes = config.get("architectures")
    if file.startswith("consolidated") or not (isinstance(classes, list) and classes and str(classes[0]).isidentifier()):
        remedy = "Choose the same model for transformers, in safetensors (its name often ends in -hf)."
    else:
        save = f"import transformers as t; t.{classes[0]}.from_pretrained({where!r}).save_pretrained('converted')"
        remedy = f'If you trust its author, convert it once and copy the tokenizer\'s files beside the result: python -c "{save}"'
    return ModelError(
        f"{name} stores its weights as {file}, a format that can run code.",
        asked=where,
        available="*.safetensors files",
        remedy=remedy,
        field="model",
    )


def _renamed(name: str, where: str, file: str) -> ModelError:
    return ModelError(
        f"{name} stores its weights as {file}, a file name that transformers does not look for.",
        asked=where,
        available="model.safetensors, or shards with model.safetensors.index.json",
        remedy="Choose the version for transformers; if the file contains all weights under their usual names, rename it to model.safetensors.",
        field="model",
    )


def check_names(names: set[str], name: str, where: str) -> None:
    """Raise ModelError for safetensors files that transformers would not find: shards without an index, or other names."""
    found = weights(names)
    if not found or "model.safetensors" in names or "model.safetensors.index.json" in names:
        return
    if shards := [n for n in found if "-of-" in n]:
        raise ModelError(
            f"{name} has {len(shards)} weights files ({shards[0]} and so on) but no model.safetensors.index.json, the index of their tensors.",
            asked=where,
            available="one model.safetensors, or shards with their index",
            remedy="Copy or download model.safetensors.index.json from the source of the weights.",
            field="model",
        )
    raise _renamed(name, where, found[0])


# --- quantized weights -----------------------------------------------------------------------------------------------------------------

TITLES = {
    **{m: m.upper() for m in ("gptq", "awq", "hqq", "aqlm", "eetq", "fp8", "mxfp8", "nvfp4", "vptq", "higgs", "spqr", "sinq")},
    "fbgemm_fp8": "FP8",
    "compressed-tensors": "compressed-tensors",
    "auto-round": "AutoRound",
    "auto_round": "AutoRound",
    "quanto": "Quanto",
    "torchao": "torchao",
    "bitnet": "BitNet",
    "quark": "Quark",
    "modelopt": "ModelOpt",
    "mlx": "MLX",
}
OLD_FILES = {"quantize_config.json": "gptq", "quant_config.json": "awq"}  # beside a config.json without quantization_config
DEQUANTIZED = ("mxfp4",)  # transformers dequantizes these to 16 bits when it loads them


def quantization(config: dict[str, Any], names: set[str] = frozenset()) -> str | None:
    """Return how the weights are quantized: gptq, bitsandbytes ...; "" when that is not stated; None for unquantized weights."""
    inner = config.get("text_config")
    for place in (config, inner if isinstance(inner, dict) else {}):
        settings = place.get("quantization_config") or place.get("compression_config")
        if isinstance(place.get("quantization"), dict) and "bits" in place["quantization"]:
            return "mlx"
        if isinstance(settings, dict) and settings and _really(settings):
            return str(settings.get("quant_method") or ("mlx" if "mode" in settings else "")).lower()[:40]
    return next((method for file, method in OLD_FILES.items() if file in names), None)


def _really(settings: dict[str, Any]) -> bool:
    """Return whether the weights are really quantized: bitsandbytes writes its settings even when neither width is enabled."""
    return settings.get("quant_method") != "bitsandbytes" or bool(settings.get("load_in_4bit") or settings.get("load_in_8bit"))


def bnb_quantization(config: dict[str, Any]) -> str | None:
    """Return nf4 or int8 for a model quantized with bitsandbytes (LoRA can be trained on it), otherwise None."""
    if quantization(config) != "bitsandbytes":
        return None
    inner = config.get("text_config") if isinstance(config.get("text_config"), dict) else {}
    settings = config.get("quantization_config") or inner.get("quantization_config")
    return "nf4" if settings.get("load_in_4bit") else "int8"


def check_quantization(config: dict[str, Any], names: set[str], name: str) -> None:
    """Raise ModelError for quantized weights on which nothing can be trained here."""
    method = quantization(config, names)
    if method is None or method == "bitsandbytes" or method in DEQUANTIZED:
        return
    how = f"quantized with {TITLES.get(method, method)}" if method else "quantized with a method that config.json does not name"
    raise ModelError(
        f"{name} is {how}, and such weights can't be fine-tuned here.",
        asked=method or "quantization_config",
        available="16-bit weights, or 4-bit and 8-bit weights of bitsandbytes (with LoRA)",
        remedy="Choose the 16-bit model it was made from; if memory is short, train that with the method qlora.",
        field="model",
    )


# --- purpose ---------------------------------------------------------------------------------------------------------------------------

EMBEDDING = ("config_sentence_transformers.json", "modules.json", "1_Pooling/config.json")


def check_purpose(config: dict[str, Any], names: set[str], name: str) -> None:
    """Raise ModelError for embedding models, and for model types that are not supported."""
    if any(n in names for n in EMBEDDING):
        raise _unsupported(name, "turns texts into vectors (an embedding model), which can't be trained here")
    classes = config.get("architectures") if isinstance(config.get("architectures"), list) else []
    if classes and all(isinstance(c, str) and c.endswith("EncoderModel") for c in classes):
        raise _unsupported(name, f"is only the encoder of a model ({classes[0]}): it can't generate text")
    check_kind(config, name)


def _unsupported(name: str, what: str) -> ModelError:
    return ModelError(
        f"{name} {what}.",
        asked=name,
        available="models that generate text (for chats), encoders such as BERT (for labels), encoder-decoders such as T5",
        remedy="Choose a model that generates text, such as SmolLM2 or Qwen, or for labels an encoder such as ModernBERT.",
        field="model",
    )


def check_kind(config: dict[str, Any], name: str) -> None:
    """Raise ModelError where config.json has no model_type, or one that is not supported here or by the installed transformers."""
    kind = config.get("model_type")
    if not kind:
        raise ModelError(
            f"The config.json of {name} has no model_type, so the model can't be loaded.",
            asked=name,
            available="config.json with a model_type, such as llama or bert",
            remedy="Copy the model's own config.json again.",
            field="model",
        )
    if not isinstance(kind, str):
        return  # `config_values.checked` raises the error
    if why := model_types.decisions().get(kind):
        raise ModelError(
            f"{name} has the model_type {kind!r}, which can't be trained here: {why}.",
            asked=kind,
            available="models that generate text, encoders, encoder-decoders, and the text part of multimodal models",
            remedy="Choose a model such as SmolLM2, Qwen or Llama (for chats), BERT (for labels) or T5 (for one text from another).",
            field="model",
        )
    if model_types.known(kind):
        return
    custom = config.get("auto_map")
    if custom:
        message = f"{name} needs code of its own (model_type {kind!r}), and Tunesmith never runs a model's code."
    else:
        message = f"{name} has the model_type {kind!r}, which transformers {model_types.version()} does not support."
    raise ModelError(
        message,
        asked=kind,
        available=f"the model types of transformers {model_types.version()}, such as llama, qwen3, gemma3, bert and t5",
        remedy="Choose a version of it that was saved for transformers without custom code, or a model such as SmolLM2, Qwen or Llama."
        if custom
        else "Choose another model, or update Tunesmith when a version with a newer transformers is out.",
        field="model",
    )
