"""Export a model as GGUF: merge, convert by llama.cpp's own converter, compare every tensor, then answer in llama.cpp if it is installed.

Called by `tuner.workers.exporting.main` with the request of an export.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import ModelError, WorkError
from tuner.export import converter, quantizers
from tuner.models import chat_templates, model_files
from tuner.workers.exporting import gguf_convert, gguf_file, gguf_quantize, merge, modelfile, self_test
from tuner.workers.modelling import load

Tell = Callable[[str], None]


def export(folder: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Write `<name>-<type>.gguf` into `folder`, with a Modelfile where Ollama can be told the chat template, and return the check. `request`: that of a
    merge, with "quantize" (of `formats.QUANTIZE`), "tools", "name" and "system"."""
    tools = converter.fetch(Path(request["tools"]), tell)
    known = converter.architectures(tools)
    whole = folder / "model"
    try:
        merge.write(whole, request, tell)
        refuse_unknown(model_files.document(whole / "config.json"), known)
        turns = ollama_turns(whole, request)
        plain_template(whole)
        type = request["quantize"]
        first = "f16" if type in quantizers.TYPES else type
        file = folder / f"{request['name']}-{first}.gguf"
        tell(f"Converting to GGUF ({first}).")
        convert(tools, whole, file, request | {"quantize": first})
        gguf_file.check(file, whole)
        tell("Comparing its answers with those of the tuned model.")
        base, run = load.local_folder(request["base"]), Path(request["run"]) / "model"
        asked = self_test.too_large(base) or self_test.asked_of(base, run, "fp32", request["questions"], request["objective"] != "text")
        limit = "bf16" if request["precision"] == "bf16" else first  # the merged weights were rounded before
        check = self_test.gguf(file, asked, limit)
        if type != first:
            file, check = quantized(file, type, asked, check, tell)
        if turns:
            write_modelfile(folder, file, whole, turns, request.get("system"))
        return {"file": file.name, "contains": gguf_file.check(file, whole), "modelfile": turns is not None} | check
    finally:
        shutil.rmtree(whole, ignore_errors=True)


def quantized(source: Path, type: str, asked: self_test.Asked, before: dict[str, Any], tell: Tell) -> tuple[Path, dict[str, Any]]:
    """Quantize a GGUF whose answers were compared (`before`), remove it, and return (file, check) of the smaller one."""
    tell(f"Quantizing to {type}.")
    file = source.with_name(source.name.replace("-f16.gguf", f"-{type}.gguf"))
    gguf_quantize.quantize(source, file, type)
    source.unlink()
    tell("Comparing the answers of the smaller file.")
    return file, self_test.rounded(file, asked, before)


def ollama_turns(model: Path, request: dict[str, Any]) -> modelfile.Turns | None:
    """Return the chat template's parts for a Modelfile; None where a GGUF alone was asked for and Ollama can't be told its template."""
    try:
        return modelfile.turns(load.tokenizer(model)) if request["objective"] != "text" else None
    except ModelError:
        if request["kind"] == "ollama":
            raise
        return None


def write_modelfile(folder: Path, file: Path, model: Path, turns: modelfile.Turns, system: str | None) -> None:
    """Write the Modelfile of a GGUF beside it."""
    tokenizer, config = load.tokenizer(model), model_files.document(model / "config.json")
    generation = model_files.document(model / "generation_config.json")
    known = [tokenizer.eos_token_id, config.get("eos_token_id"), generation.get("eos_token_id")]
    ids = dict.fromkeys(i for found in known for i in (found if isinstance(found, list) else [found]) if i is not None)
    context = config.get("max_position_embeddings") or config.get("n_positions") or modelfile.CONTEXT
    said = modelfile.text(file.name, turns, tokenizer.convert_ids_to_tokens(list(ids)), system=system, context=context)
    (folder / "Modelfile").write_text(said, encoding="utf-8")


def refuse_unknown(config: dict[str, Any], known: frozenset[str]) -> None:
    """Raise ModelError for an architecture that the converter doesn't know, by its name."""
    named = (config.get("text_config") or {}).get("architectures") or config.get("architectures") or ["none"]
    if named[0] not in known:
        raise ModelError(
            f"llama.cpp can't run this kind of model ({named[0]}), so there is no GGUF of it.",
            asked=named[0],
            available=f"{len(known)} architectures, among them Llama, Qwen, Gemma, Mistral, Phi, GPT-2",
            remedy="Export the merged model or the adapter.",
            field="to",
        )


def plain_template(model: Path) -> None:
    """Take what only TRL and transformers know out of the chat template: llama.cpp stops at a tag that it doesn't know."""
    file = model / "chat_template.jinja"
    if file.is_file():
        file.write_text(chat_templates.without_generation_tags(file.read_text(encoding="utf-8")), encoding="utf-8")


def convert(tools: Path, model: Path, file: Path, request: dict[str, Any]) -> None:
    """Run the converter in its own process. ModelError or WorkError with what it said."""
    asked = file.with_suffix(".json")
    what = {"tools": str(tools), "model": str(model), "out": str(file), "type": request["quantize"], "name": request["name"]}
    paths.write_json(asked, what | {"base": request.get("adapter_of")})
    done = subprocess.run(
        [sys.executable, "-m", "tuner.workers.exporting.gguf_convert", str(asked)], capture_output=True, text=True, errors="replace"
    )
    asked.unlink()
    print(done.stderr, file=sys.stderr, flush=True)  # into the log of the export
    if done.returncode == 0 and file.is_file():
        return
    said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:300]
    if gguf_convert.UNSURE in said:
        raise ModelError(
            "How llama.cpp calls the way in which this tokenizer splits a text is not certain, and a wrong name would change the answers.",
            asked=str(model_files.document(model / "tokenizer.json").get("pre_tokenizer"))[:200],
            available="tokenizers that split like GPT-2, SmolLM, Llama 3, Qwen, Mistral (tekken) or GPT-4o",
            remedy="Export the merged model or the adapter.",
            field="to",
        )
    raise WorkError(
        f"llama.cpp's converter could not convert this model: {said}",
        asked=request["quantize"],
        available="the merged model or the adapter",
        remedy="Export the merged model or the adapter.",
    )
