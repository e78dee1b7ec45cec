"""Read a GGUF back by its own library: what must be in it for llama.cpp to answer as the model does."""

from pathlib import Path
from typing import Any

from gguf import GGUFReader

from tuner.errors import ModelError
from tuner.models import model_files


def check(file: Path, model: Path) -> dict[str, Any]:
    """Return what a GGUF contains. ModelError where it lacks the vocabulary, chat template or end token of the `model` folder it was made from."""
    found = GGUFReader(file)
    value = lambda key: found.fields[key].contents() if key in found.fields else None  # noqa: E731
    config, template = model_files.document(model / "config.json"), model / "chat_template.jinja"
    wrong = []
    if template.is_file() and value("tokenizer.chat_template") != template.read_text(encoding="utf-8"):
        wrong.append("its chat template is another")
    vocabulary = len(value("tokenizer.ggml.tokens") or ())
    if vocabulary < (config.get("vocab_size") or 0):
        wrong.append(f"its vocabulary has {vocabulary:,} of {config['vocab_size']:,} tokens")
    if wrong:
        raise ModelError(
            f"The GGUF differs from the model it was made from: {'; '.join(wrong)}.",
            asked=file.name,
            available="the merged model or the adapter",
            remedy="Export the merged model or the adapter.",
        )
    return {
        "architecture": value("general.architecture"),
        "tensors": len(found.tensors),
        "types": sorted({t.tensor_type.name for t in found.tensors}),
        "pre_tokenizer": value("tokenizer.ggml.pre"),
    }
