"""Forms in which models are stored and can't be trained, told from the names of a model's files and its config.json alone.

The same rules hold for a folder and for the file list of a repository on the Hub. Every refusal names the way out.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from tuner.errors import ModelError
from tuner.models import model_types

# --- files ---------------------------------------------------------------------------------------------------------------------------

NOT_OF_THE_MODEL = ("adapter_model", "consolidated", "optimizer", "scheduler", "training_args", "rng_state", "trainer_state", "changed")
FORMATS = (  # (ends of names, what they are, who reads them); the first that is there tells
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
    """The safetensors files of the model itself: not of an adapter, an optimizer, or a second copy in another program's form."""
    return sorted(n for n in names if "/" not in n and n.endswith(".safetensors") and not n.startswith(NOT_OF_THE_MODEL))


def pickles(names: Iterable[str]) -> list[str]:
    return sorted(n for n in names if n.endswith(PICKLES) and not PurePosixPath(n).name.startswith((*NOT_OF_THE_MODEL[2:], "openvino")))


def check_files(names: set[str], name: str, where: str, config: dict[str, Any] | None = None) -> None:
    """ModelError for weights that are there in a form which can't be trained. `where` is the folder or Hub id as one would type it."""
    if weights(names):
        return
    if {"model.bin", "config.json"} <= names and names & set(CTRANSLATE):
        raise foreign(name, where, "CTranslate2", "CTranslate2 and faster-whisper run")
    for ends, title, who in FORMATS:
        if any(_is(n, ends) for n in names):
            raise foreign(name, where, title, who)
    if "model_index.json" in names:
        raise ModelError(
            f"{name} makes images (a diffusers pipeline); it is no language model.",
            asked=where,
            available="models that read and write text",
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
    """ModelError for the path of a single file, where a folder or a Hub id is asked for."""
    leaf = PurePosixPath(ref.replace("\\", "/")).name
    for ends, title, who in FORMATS[:3]:
        if _is(leaf, ends):
            raise foreign(leaf, ref, title, who)


def foreign(name: str, where: str, title: str, who: str) -> ModelError:
    return ModelError(
        f"{name} is {'an' if title[0] in 'EO' else 'a'} {title} model, which {who} but nothing can train.",
        asked=where,
        available="models with config.json, a tokenizer and *.safetensors",
        remedy="Choose the model it was converted from, in safetensors; its page on the Hub names that.",
        field="model",
    )


def _pickled(name: str, where: str, file: str, config: dict[str, Any]) -> ModelError:
    """Refused, and not converted here: reading a pickle is safe as long as torch's reader is, and no file of a stranger rests on that."""
    classes = config.get("architectures")
    if file.startswith("consolidated") or not (isinstance(classes, list) and classes and str(classes[0]).isidentifier()):
        remedy = "Choose the same model for transformers, in safetensors (its name often ends in -hf)."
    else:
        save = f"import transformers as t; t.{classes[0]}.from_pretrained({where!r}).save_pretrained('converted')"
        remedy = f'If you trust its author, convert it once and copy the tokenizer\'s files beside the result: python -c "{save}"'
    return ModelError(
        f"{name} holds its weights as {file}, a format that can run code.",
        asked=where,
        available="*.safetensors files",
        remedy=remedy,
        field="model",
    )


def _renamed(name: str, where: str, file: str) -> ModelError:
    return ModelError(
        f"{name} holds its weights as {file}, a name under which transformers looks for none.",
        asked=where,
        available="model.safetensors, or shards with model.safetensors.index.json",
        remedy="Choose the version for transformers; if the file holds all its weights under their usual names, rename it to model.safetensors.",
        field="model",
    )


def check_names(names: set[str], name: str, where: str) -> None:
    """ModelError for safetensors files that transformers would not find: shards that no index lists, or names of their own."""
    found = weights(names)
    if not found or "model.safetensors" in names or "model.safetensors.index.json" in names:
        return
    if shards := [n for n in found if "-of-" in n]:
        raise ModelError(
            f"{name} holds {len(shards)} weights files ({shards[0]} and so on) and no model.safetensors.index.json, the index that says what is where.",
            asked=where,
            available="one model.safetensors, or shards with their index",
            remedy="Copy or download model.safetensors.index.json from where the weights came from.",
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
OLD_FILES = {"quantize_config.json": "gptq", "quant_config.json": "awq"}  # beside a config.json that says nothing
UNPACKED = ("mxfp4",)  # transformers makes 16 bits of these when it loads them


def quantization(config: dict[str, Any], names: set[str] = frozenset()) -> str | None:
    """By what the weights were quantized: gptq, bitsandbytes ...; "" when that is not said; None for whole weights."""
    inner = config.get("text_config")
    for place in (config, inner if isinstance(inner, dict) else {}):
        told = place.get("quantization_config") or place.get("compression_config")
        if isinstance(place.get("quantization"), dict) and "bits" in place["quantization"]:
            return "mlx"
        if isinstance(told, dict) and told and _really(told):
            return str(told.get("quant_method") or ("mlx" if "mode" in told else "")).lower()[:40]
    return next((method for file, method in OLD_FILES.items() if file in names), None)


def _really(told: dict[str, Any]) -> bool:
    """bitsandbytes writes its settings even where neither width is switched on."""
    return told.get("quant_method") != "bitsandbytes" or bool(told.get("load_in_4bit") or told.get("load_in_8bit"))


def packed(config: dict[str, Any]) -> str | None:
    """nf4 or int8 for a base that bitsandbytes quantized (LoRA can be trained beside it), else None."""
    if quantization(config) != "bitsandbytes":
        return None
    inner = config.get("text_config") if isinstance(config.get("text_config"), dict) else {}
    told = config.get("quantization_config") or inner.get("quantization_config")
    return "nf4" if told.get("load_in_4bit") else "int8"


def check_quantization(config: dict[str, Any], names: set[str], name: str) -> None:
    """ModelError for weights of few bits beside which nothing here can train."""
    method = quantization(config, names)
    if method is None or method == "bitsandbytes" or method in UNPACKED:
        return
    how = f"quantized with {TITLES.get(method, method)}" if method else "quantized in a way that config.json does not name"
    raise ModelError(
        f"{name} is {how}, and such weights can't be trained here.",
        asked=method or "quantization_config",
        available="16-bit weights, or 4-bit and 8-bit ones of bitsandbytes (with LoRA)",
        remedy="Choose the 16-bit model it was made from; where memory is short, train that with the method qlora.",
        field="model",
    )


# --- what it is for --------------------------------------------------------------------------------------------------------------------

EMBEDDING = ("config_sentence_transformers.json", "modules.json", "1_Pooling/config.json")


def check_purpose(config: dict[str, Any], names: set[str], name: str) -> None:
    """ModelError for embedding models, and for a kind that needs code which isn't here."""
    if any(n in names for n in EMBEDDING):
        raise _no_writer(name, "turns texts into vectors (an embedding model), and that can't be trained here")
    classes = config.get("architectures") if isinstance(config.get("architectures"), list) else []
    if classes and all(isinstance(c, str) and c.endswith("EncoderModel") for c in classes):
        raise _no_writer(name, f"is half of a model ({classes[0]}): it reads and can't write")
    check_kind(config, name)


def _no_writer(name: str, what: str) -> ModelError:
    return ModelError(
        f"{name} {what}.",
        asked=name,
        available="models that write (for chats), encoders such as BERT (for labels), encoder-decoders such as T5",
        remedy="Choose a model that writes, such as SmolLM2 or Qwen, or for labels an encoder such as ModernBERT.",
        field="model",
    )


def check_kind(config: dict[str, Any], name: str) -> None:
    """ModelError where config.json names no kind, or one that the installed transformers does not have."""
    kind = config.get("model_type")
    if not kind:
        raise ModelError(
            f"The config.json of {name} does not say its model_type, so nothing can load it.",
            asked=name,
            available="config.json with a model_type, such as llama or bert",
            remedy="Copy the model's own config.json again.",
            field="model",
        )
    if not isinstance(kind, str):
        return  # which is told by `model_config.checked`
    if why := model_types.decisions().get(kind):
        raise ModelError(
            f"{name} is of the kind {kind!r}, which can't be trained here: {why}.",
            asked=kind,
            available="models that write, encoders, encoder-decoders, and the text part of multimodal models",
            remedy="Choose a model such as SmolLM2, Qwen or Llama (for chats), BERT (for labels) or T5 (for one text from another).",
            field="model",
        )
    if model_types.known(kind):
        return
    custom = config.get("auto_map")
    if custom:
        message = f"{name} needs code of its own (it is of the kind {kind!r}), and Tunesmith never runs a model's code."
    else:
        message = f"{name} is of the kind {kind!r}, which transformers {model_types.version()} does not have."
    raise ModelError(
        message,
        asked=kind,
        available=f"the kinds that transformers {model_types.version()} has, such as llama, qwen3, gemma3, bert and t5",
        remedy="Choose a version of it that was saved for transformers without custom code, or a model such as SmolLM2, Qwen or Llama."
        if custom
        else "Choose another model, or update Tunesmith when a version with a newer transformers is out.",
        field="model",
    )
