"""The export formats: what each is, which runs have it, and the refusal of the others."""

from dataclasses import dataclass, field

from tuner import models, runs
from tuner.errors import ModelError, RequestError
from tuner.export import onnx_files, quantizers, space, tool_configs
from tuner.export.script import assembly as script
from tuner.models import model_files, stored_formats
from tuner.settings import methods, objectives
from tuner.settings.run_config import Settings

MORE_THAN_LORA = ("use_dora", "train_head", "train_embeddings")  # settings whose adapters llama.cpp does not apply


@dataclass(frozen=True)
class Format:
    """`types`: of the numbers in its weights, {name: what it is}, the first one the default. `tools`: whether llama.cpp's converter makes it."""

    about: str
    types: dict[str, str] = field(default_factory=dict)
    tools: bool = False


QUANTIZE = {
    "q8_0": "8-bit: half the size of f16, hardly a difference in the answers.",
    "f16": "16-bit: the weights as they were trained.",
} | {name: about for name, (about, _) in quantizers.TYPES.items()}
FORMATS = {
    "adapter": Format("Only the trained adapter: small, and used together with the base model."),
    "merged": Format("One complete model with the adapter merged into it, for any program."),
    "gguf": Format("One file for llama.cpp, Ollama and LM Studio.", QUANTIZE, tools=True),
    "ollama": Format("A GGUF with its Modelfile, for `ollama create`.", QUANTIZE, tools=True),
    "adapter-gguf": Format("The LoRA adapter for llama.cpp, used together with a GGUF of the base model.", tools=True),
    "onnx": Format("One file for ONNX Runtime: models that label or score, in many languages and on many devices."),
    "space": Format("A ready chat app for a Hugging Face Space, with the model."),
    "script": Format("A Python file and the rows, to train the same with TRL, PEFT and transformers alone."),
    "llamafactory": Format("Config and rows, to train the same with LLaMA-Factory."),
    "axolotl": Format("Config and rows, to train the same with Axolotl."),
}


def kinds(run: runs.Run) -> list[str]:
    """Return the export formats that are possible for a run."""
    if not run.can_answer:
        return []
    settings = Settings.from_json(run.plan["settings"])
    method, merges = methods.get(settings.method), not base_is_quantized(run)
    generates = objectives.get(settings.objective).task == "CAUSAL_LM"
    out = ["adapter"] if methods.is_peft(method.name) else []
    if method.merges and merges:
        out += ["merged", *(["gguf", *(["ollama"] if settings.objective != "text" else [])] if generates else [])]
    lora = method.saved == "peft:LORA" and not any(getattr(settings, name) for name in MORE_THAN_LORA)
    out += ["adapter-gguf"] if lora and generates else []
    out += ["onnx"] if "merged" in out and settings.objective in onnx_files.OBJECTIVES else []
    out += ["space"] if space.part(run, out) else []
    out += ["script"] if script.possible(run) else []
    return out + [tool for tool in tool_configs.TOOLS if tool_configs.possible(run, tool)]


def base_is_quantized(run: runs.Run) -> bool:
    """Return whether the base model of a run is stored quantized, so that nothing can be merged into it."""
    folder = models.base_folder(run.plan["model"]["base"])
    return folder is not None and stored_formats.bnb_quantization(model_files.document(folder / "config.json")) is not None


def folder_name(kind: str, quantize: str | None) -> str:
    """Return the name of an export's folder: each type of numbers has its own."""
    return f"{kind}-{quantize}" if FORMATS[kind].types else kind


def require_known(kind: str, quantize: str) -> None:
    """Raise RequestError for a format, or a type of its numbers, that is not known or can't be made on this computer."""
    _among(kind, FORMATS, "export format", "to")
    _among(quantize, QUANTIZE, "GGUF type", "quantize")
    if FORMATS[kind].types:
        quantizers.require(quantize)
    if kind == "onnx":
        onnx_files.require()


def _among(asked: str, known: dict, what: str, field: str) -> None:
    if asked not in known:
        raise RequestError(
            f"There is no {what} called {asked!r}.", asked=asked, available=list(known), remedy=f"Choose {' or '.join(known)}.", field=field
        )


def require_possible(run: runs.Run, kind: str) -> None:
    """Raise ModelError for a format that a run can't be exported as."""
    possible = kinds(run)
    if kind in ("merged", "gguf", "ollama") and "adapter" in possible and base_is_quantized(run):
        raise ModelError(
            f"{run.plan['model']['name']}, the base of {run.name}, is quantized, and nothing can be merged into quantized weights.",
            asked=kind,
            available=possible,
            remedy="Export the adapter; for a merged model, train again from the 16-bit model that the base was made from.",
            field="to",
        )
    if kind not in possible:
        raise ModelError(
            f"{run.name} can't be exported as {kind}.",
            asked=kind,
            available=possible or "runs that have a model",
            remedy=f"Choose {' or '.join(possible)}." if possible else "Wait until the run has ended, or resume it.",
            field="to",
        )
