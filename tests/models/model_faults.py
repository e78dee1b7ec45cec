"""Model folders that can't be trained: each is a whole one (`conftest.model_folder`) with one thing changed, as people meet them."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import write_tensors
from tuner import paths

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}
BNB = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "bfloat16"}
PACKINGS = {
    "gptq": GPTQ,
    "awq": {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True},
    "hqq": {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4}}},
    "aqlm": {"quant_method": "aqlm", "in_group_size": 8},
    "eetq": {"quant_method": "eetq", "weights": "int8"},
    "quanto": {"quant_method": "quanto", "weights": "int4"},
    "fp8": {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]},
    "fbgemm_fp8": {"quant_method": "fbgemm_fp8"},
    "compressed-tensors": {"quant_method": "compressed-tensors", "format": "pack-quantized"},
    "torchao": {"quant_method": "torchao", "quant_type": {"default": "int4_weight_only"}},
    "bitnet": {"quant_method": "bitnet"},
    "auto-round": {"quant_method": "auto-round", "bits": 4},
    "modelopt": {"quant_method": "modelopt", "quant_algo": "NVFP4"},
    "one of tomorrow": {"quant_method": "qx9"},
    "one without a name": {"bits": 4},
}


def config(folder: Path, **more) -> None:
    """Change values of config.json; None takes one out."""
    told = json.loads((folder / "config.json").read_text()) | more
    paths.write_json(folder / "config.json", {k: v for k, v in told.items() if v is not None})


def tokenizer_config(folder: Path, **more) -> None:
    told = json.loads((folder / "tokenizer_config.json").read_text()) | more
    paths.write_json(folder / "tokenizer_config.json", told)


def instead(name: str, data: bytes = b"\0" * 64) -> Callable[[Path], None]:
    """Another file in the place of the weights."""

    def harm(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    return harm


def packed(method: str) -> Callable[[Path], None]:
    return lambda folder: config(folder, quantization_config=PACKINGS[method])


def packed_inside(folder: Path) -> None:
    told = json.loads((folder / "config.json").read_text())
    paths.write_json(
        folder / "config.json", {"model_type": "gemma3", "text_config": told | {"quantization_config": GPTQ}, "vision_config": {}}
    )


def beside(name: str) -> Callable[[Path], None]:
    """What older programs wrote of the packing, in a file of its own."""
    return lambda folder: paths.write_json(folder / name, {"bits": 4, "w_bit": 4, "group_size": 128})


def mlx(folder: Path) -> None:
    config(folder, quantization={"group_size": 64, "bits": 4})


def shards(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    write_tensors(folder / "model-00002-of-00002.safetensors", {"more": [4, 4]})


def one_shard_gone(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    paths.write_json(folder / "model.safetensors.index.json", {"weight_map": index})


def tensor_gone(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = dict.fromkeys(("embedding", "layers.0.up"), "model-00001-of-00001.safetensors")
    paths.write_json(folder / "model.safetensors.index.json", {"weight_map": index})


def strange_name(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.safetensors")


def of_mistral(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "consolidated.safetensors")


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def custom(folder: Path) -> None:
    config(
        folder,
        model_type="brainy",
        architectures=["BrainyForCausalLM"],
        auto_map={"AutoModelForCausalLM": "modeling_brainy.BrainyForCausalLM"},
    )


def tomorrow(folder: Path) -> None:
    config(folder, model_type="llama99", architectures=["Llama99ForCausalLM"])


def no_kind(folder: Path) -> None:
    config(folder, model_type=None)


def small_embedding(folder: Path) -> None:
    config(folder, vocab_size=100)
    write_tensors(folder / "model.safetensors", {"model.embed_tokens.weight": [100, 16]})


def small_matrix(folder: Path) -> None:
    """The config says enough, the weights hold less."""
    write_tensors(folder / "model.safetensors", {"model.embed_tokens.weight": [100, 16]})


def sentencepiece(data: bytes) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer.model").write_bytes(data)

    return harm


def bad_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": ')


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def no_merges(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    paths.write_json(folder / "vocab.json", {"a": 0, "b": 1})


def no_bos(folder: Path) -> None:
    tokenizer_config(folder, bos_token=None)
    (folder / "chat_template.jinja").write_text(
        "{{ bos_token + 'Hello' }}{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"
    )


def broken_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}")


def embedding_model(folder: Path) -> None:
    paths.write_json(folder / "config_sentence_transformers.json", {"__version__": {}})
    (folder / "modules.json").write_text('[{"idx": 0, "type": "sentence_transformers.models.Transformer"}]')


def half_a_t5(folder: Path) -> None:
    sizes = {"d_model": 16, "d_ff": 40, "d_kv": 8, "num_layers": 2, "num_heads": 4}
    config(folder, model_type="t5", architectures=["T5EncoderModel"], **sizes)


def adapter_in_disguise(folder: Path) -> None:
    """PEFT's files beside a config.json, as some programs save them, and no base to be found."""
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    paths.write_json(folder / "adapter_config.json", {"peft_type": "LORA", "r": 4})


def without_config(name: str, data: bytes = b"{}") -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / "config.json").unlink()
        instead(name, data)(folder)

    return harm


def ctranslate(folder: Path) -> None:
    instead("model.bin")(folder)
    paths.write_json(folder / "config.json", {"bos_token": "<s>", "eos_token": "</s>", "layer_norm_epsilon": None})
    (folder / "shared_vocabulary.json").write_text("[]")


FAULTS: dict[str, tuple[Callable[[Path], None], str, str]] = {  # name: (what is done, words of the message, words of the way out)
    **{f"packed by {m}": (packed(m), "quantized", "16-bit") for m in PACKINGS},
    "packed, said inside": (packed_inside, "GPTQ", "16-bit"),
    "packed by AutoGPTQ of old": (beside("quantize_config.json"), "GPTQ", "16-bit"),
    "packed by AWQ of old": (beside("quant_config.json"), "AWQ", "16-bit"),
    "packed by MLX": (mlx, "MLX", "16-bit"),
    "GGUF": (instead("model-q4_k_m.gguf", b"GGUF\3\0\0\0"), "GGUF", "safetensors"),
    "GGUF alone": (without_config("model.gguf", b"GGUF"), "GGUF", "safetensors"),
    "ggml": (without_config("ggml-model-q4_0.bin"), "GGML", "safetensors"),
    "ONNX": (instead("model.onnx"), "ONNX", "safetensors"),
    "ONNX in a folder": (instead("onnx/model.onnx"), "ONNX", "safetensors"),
    "OpenVINO": (instead("openvino_model.xml"), "OpenVINO", "safetensors"),
    "TensorFlow": (instead("tf_model.h5"), "TensorFlow", "safetensors"),
    "Flax": (instead("flax_model.msgpack"), "Flax", "safetensors"),
    "CTranslate2": (ctranslate, "CTranslate2", "safetensors"),
    "diffusers": (without_config("model_index.json"), "images", "language model"),
    "a pickle": (instead("pytorch_model.bin"), "can run code", "save_pretrained"),
    "pickles in shards": (instead("pytorch_model-00001-of-00002.bin"), "can run code", "save_pretrained"),
    "Meta's own": (without_config("consolidated.00.pth"), "can run code", "transformers"),
    "shards without an index": (shards, "index", "index"),
    "a shard that is gone": (one_shard_gone, "lacks 1 of its weights files", "missing files"),
    "a tensor that is gone": (tensor_gone, "layers.0.up", "again"),
    "a name of its own": (strange_name, "weights.safetensors", "model.safetensors"),
    "Mistral's own": (of_mistral, "consolidated.safetensors", "model.safetensors"),
    "an empty file": (empty, "is empty", "again"),
    "custom code": (custom, "code of its own", "without custom code"),
    "a kind of tomorrow": (tomorrow, "llama99", "transformers"),
    "no kind": (no_kind, "model_type", "config.json"),
    "an embedding too small": (small_embedding, "100 rows", "resize_token_embeddings"),
    "a matrix too small": (small_matrix, "100 rows", "resize_token_embeddings"),
    "a SentencePiece of noise": (sentencepiece(b"\xff\xfe nothing"), "tokenizer.model", "again"),
    "a SentencePiece of a page": (sentencepiece(b"<html>Not found</html>"), "tokenizer.model", "again"),
    "a pointer to a SentencePiece": (
        sentencepiece(b"version https://git-lfs.github.com/spec/v1\noid sha256:9\n"),
        "tokenizer.model",
        "again",
    ),
    "an empty SentencePiece": (sentencepiece(b""), "tokenizer.model", "again"),
    "a tokenizer cut short": (bad_tokenizer, "tokenizer.json", "again"),
    "no tokenizer": (no_tokenizer, "no tokenizer", "save_pretrained"),
    "a vocabulary without merges": (no_merges, "merges.txt", "merges.txt"),
    "a template without its token": (no_bos, "bos_token", "tokenizer_config.json"),
    "a template cut short": (broken_template, "broken at line 1", "template"),
    "an embedding model": (embedding_model, "vectors", "Choose"),
    "half a T5": (half_a_t5, "only the encoder", "Choose"),
    "an adapter with a config": (adapter_in_disguise, "adapter", "base_model_name_or_path"),
}
