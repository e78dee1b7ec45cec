"""Run llama.cpp's converter on a model: `python -m tuner.workers.exporting.gguf_convert REQUEST.json`, a process of its own.

REQUEST: {"tools": folder of the converter, "model": folder, "out": file, "type": "f16" or "q8_0", "base": of an adapter in `model`, the folder of its base
model}. Only what it can't do is added from outside: the
name of the pre-tokenizer of a vocabulary that it has never seen (`pre_tokenizer.name`), and a stand-in for sentencepiece, which it imports even
for models without such a file.
"""

import json
import runpy
import sys
import types
from pathlib import Path

from tuner import paths
from tuner.workers.exporting import pre_tokenizer

UNSURE = "pre-tokenizer is not known"  # what its last line says when nobody can name it


def stand_in() -> None:
    """Let the converter import sentencepiece where it isn't installed; a model that needs it says so."""
    try:
        import sentencepiece  # noqa: F401
    except ImportError:

        class SentencePieceProcessor:
            def LoadFromFile(self, path: str) -> None:
                raise SystemExit(f"{Path(path).name} needs sentencepiece: pip install sentencepiece")

        sys.modules["sentencepiece"] = types.SimpleNamespace(SentencePieceProcessor=SentencePieceProcessor)


def name_pre_tokenizer(model: Path) -> None:
    """Let the converter name the pre-tokenizer by its rules where it doesn't know the vocabulary."""
    from conversion.base import TextModel

    known = TextModel.get_vocab_base_pre

    def named(self, tokenizer) -> str:
        try:
            return known(self, tokenizer)
        except NotImplementedError:
            found = pre_tokenizer.name(json.loads((model / "tokenizer.json").read_text(encoding="utf-8")))
            if found is None:
                raise SystemExit(UNSURE) from None
            return found

    TextModel.get_vocab_base_pre = named


def main(request: dict) -> None:
    tools, model = Path(request["tools"]), Path(request["model"])
    sys.path[:0] = [str(tools), str(tools / "gguf-py")]
    name_pre_tokenizer(model)
    stand_in()  # after transformers was imported, which asks whether sentencepiece is installed
    out = ["--outfile", request["out"], "--outtype", request["type"]]
    if request.get("base"):  # an adapter
        import convert_lora_to_gguf as tool

        sys.argv = [f"{tool.__name__}.py", str(model), *out, "--base", request["base"]]
        runpy.run_path(str(tools / sys.argv[0]), run_name="__main__")
        return
    import convert_hf_to_gguf as tool

    sys.argv = [f"{tool.__name__}.py", str(model), *out, "--model-name", request["name"]]
    tool.main()


if __name__ == "__main__":
    main(paths.read_json(Path(sys.argv[1])))
