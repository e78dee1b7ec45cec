"""Folders that look like models and are none: each of the files that a plan reads, and each number in them, made to break its reader."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import model_folder, tiny_config

NUMBERS = (10**9, 10**18, -1, 0, 0.5, 1e308, "7", "9" * 5000, None, True, [], {}, [7], [10**9], float("nan"), float("inf"), 1.0, 2**63, "")
KEYS = (
    *("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size", "head_dim"),
    *(
        "max_position_embeddings",
        "model_type",
        "architectures",
        "text_config",
        "tie_word_embeddings",
        "num_local_experts",
        "sliding_window",
    ),
    *("moe_intermediate_size", "decoder_sparse_step", "mlp_only_layers", "type_vocab_size", "n_layer", "n_embd", "n_head", "n_positions"),
)
KINDS = ("llama", "qwen2", "gpt2", "bert")
TEXTS = {
    "empty": "",
    "null": "null",
    "list": "[]",
    "number": "7",
    "open": "{",
    "deep lists": '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep objects": '{"a":' * 5000 + "1" + "}" * 5000,
    "below the recursion limit": '{"a": ' + "[" * 500 + "]" * 500 + "}",
    "endless number": '{"num_hidden_layers": ' + "7" * 200_000 + "}",
    "no utf-8": b"\xff\xfe\x00{",
    "zeros": bytes(10_000),
    "half a character": '{"model_type": "\\ud800", "architectures": ["\\udfff"]}',
    "names": json.dumps({f"k{i}": i for i in range(100_000)}),
    "wrong kinds": '{"weight_map": 7, "chat_template": {"a": [1]}, "base_model_name_or_path": ["x"], "peft_type": {}, "r": -1}',
    "lists of null": '{"weight_map": {"a": null}, "base_model_name_or_path": null, "peft_type": 7, "architectures": [null]}',
    "outside": '{"weight_map": {"a": "../../../../etc/passwd"}, "base_model_name_or_path": "../../../../../etc", "peft_type": "LORA"}',
    "null bytes": '{"weight_map": {"a": "b\\u0000c"}, "base_model_name_or_path": "b\\u0000c", "peft_type": "LORA"}',
    "long names": json.dumps({"weight_map": {"a": "b" * 5000}, "base_model_name_or_path": "/" + "b" * 5000, "peft_type": "LORA"}),
}
FILES = ("config.json", "tokenizer_config.json", "model.safetensors.index.json", "adapter_config.json")
HEADERS = {
    "no list": [],
    "no tensor": {"a": 7},
    "no shape": {"a": {"dtype": "F32", "data_offsets": [0, 4]}},
    "absurd shape": {"a": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}},
    "negative": {"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}},
    "endless shape": {"a": {"dtype": "F32", "shape": [10**9] * 1000, "data_offsets": [0, 4]}},
    "many sides": {"a": {"dtype": "F32", "shape": [1] * 100_000, "data_offsets": [0, 4]}},
    "a fraction": {"a": {"dtype": "F32", "shape": [0.5], "data_offsets": [0, 4]}},
    "a list": {"a": {"dtype": "F32", "shape": [[1]], "data_offsets": [0, 4]}},
    "dtype list": {"a": {"dtype": [], "shape": [1], "data_offsets": [0, 4]}},
    "dtype unknown": {"a": {"dtype": "X9", "shape": [10**12], "data_offsets": [0, 4]}},
    "beyond": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [10**18, 10**18 + 4]}},
    "backwards": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
    "one offset": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4]}},
    "text offsets": {"a": {"dtype": "F32", "shape": [1], "data_offsets": ["0", "4"]}},
    "all the same": {f"a{i}": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for i in range(1000)},
}


def folders(base: Path, count: int, seed: int = 0) -> Iterator[tuple[str, Path]]:
    """`count` of (what is wrong, folder): all files and headers first, then numbers in configs drawn by `seed`."""
    rng, made = random.Random(seed), [*_special(base), *_texts(base), *_headers(base)]
    yield from made[:count]
    for n in range(count - len(made)):
        kind, key, value = rng.choice(KINDS), KEYS[n % len(KEYS)], rng.choice(NUMBERS)
        folder = base / f"number-{n}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(tiny_config(kind, **{key: value})))
        yield f"{kind}: {key} = {str(value)[:30]}", folder


def _texts(base: Path) -> Iterator[tuple[str, Path]]:
    for n, (what, text) in enumerate(TEXTS.items()):
        for file in FILES:
            folder = model_folder(base / f"text-{n}-{file}")
            if file == "adapter_config.json":
                (folder / "config.json").unlink()
                (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
            (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())
            yield f"{file}: {what}", folder


def _headers(base: Path) -> Iterator[tuple[str, Path]]:
    for n, (what, header) in enumerate(HEADERS.items()):
        folder, text = model_folder(base / f"header-{n}"), json.dumps(header).encode()
        (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
        yield f"safetensors: {what}", folder
    for n, size in enumerate((0, 2**63, 2**64 - 1, 33 << 20)):
        folder = model_folder(base / f"size-{n}")
        (folder / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b"{}")
        yield f"safetensors: a header of {size:,} bytes", folder
    folder = model_folder(base / "deep-header")
    text = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    yield "safetensors: nested", folder


def _special(base: Path) -> Iterator[tuple[str, Path]]:
    for file in (*FILES, "model.safetensors", "tokenizer.json"):
        for what, make in SPECIAL.items():
            folder = model_folder(base / f"special-{file}-{what}")
            if file == "adapter_config.json":
                (folder / "config.json").unlink()
            (folder / file).unlink(missing_ok=True)
            make(folder / file)
            yield f"{file} is {what}", folder


SPECIAL = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
}
