"""The model card of a run: base model, data, method, settings, results, and the code that loads it."""

import json
import re
from pathlib import Path
from typing import Any

from tuner import devices, models, paths, runs
from tuner.formatting import human_time
from tuner.languages import EVERY
from tuner.models import mixed_precision, model_files
from tuner.planning import decisions
from tuner.runs import run_warnings
from tuner.settings import methods, objectives
from tuner.settings.run_config import Settings

LOAD_ADAPTER = """{first}from peft import PeftModel
from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{here}")
base = {auto}.from_pretrained("{base}", dtype="{dtype}"{head})
model = PeftModel.from_pretrained(base, "{here}")"""
LOAD_MODEL = """from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{here}")
model = {auto}.from_pretrained("{here}", dtype="{dtype}")"""
LOAD_ONNX = """import onnxruntime
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{here}")
session = onnxruntime.InferenceSession("{here}/model.onnx")
inputs = tokenizer(["A text.", "Another one."], padding=True, return_tensors="np")
logits = session.run(None, {{i.name: inputs[i.name] for i in session.get_inputs()}})[0]"""
LLAMA_CPP = """# llama.cpp: a chat page and an OpenAI-compatible API on http://127.0.0.1:8080
llama-server -m {here}
# a chat in the terminal
llama-cli -m {here}"""
OLLAMA = """# Ollama, with the Modelfile of this folder
ollama create {name} -f Modelfile
ollama run {name}"""
LLAMA_CPP_ADAPTER = """# llama.cpp, with the base model as GGUF
llama-server -m {base}.gguf --lora {here}"""
PIPELINES = {
    "chat": "text-generation",
    "text": "text-generation",
    "preference": "text-generation",
    "reward": "text-classification",
    "classification": "text-classification",
    "regression": "text-classification",
    "tokens": "token-classification",
    "qa": "question-answering",
    "seq2seq": "text-generation",
}

LIBRARIES = {"adapter": "peft", "onnx": "onnx", "gguf": "llama.cpp", "ollama": "llama.cpp", "adapter-gguf": "llama.cpp"}
LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]+")  # as the Hub names them
UNKNOWN = "path/to/"  # of a base model that the reader has somewhere
NOT_OF_THE_RESULT = ("accept_lost_rows", "device")  # how the run was started
TAGS = {"chat": ", trl, sft", "text": ", trl, sft", "preference": ", trl, preference", "reward": ", trl, reward-trainer"}


def lines(kind: str, plan: dict, *, here: str = ".", base: str = "./base", labels: list[str] | None = None) -> str:
    """Return the lines that load an export. `kind`: 'adapter' or 'model', in Python; 'gguf', 'ollama' or 'adapter-gguf': commands, `here` is the file.
    `labels`: those of a trained head on the base model."""
    if kind in ("gguf", "ollama"):
        name = re.sub(r"-(q\d_\w+|f16)$", "", here.removesuffix(".gguf")).lower()
        return "\n".join([*([OLLAMA.format(name=name)] if kind == "ollama" else []), LLAMA_CPP.format(here=here)])
    if kind == "onnx":
        return LOAD_ONNX.format(here=here)
    if kind == "adapter-gguf":
        return LLAMA_CPP_ADAPTER.format(here=here, base=plan["model"]["name"].rsplit("/")[-1])
    settings = Settings.from_json(plan["settings"])
    bottleneck = settings.method == "adapter"
    return (LOAD_ADAPTER if kind == "adapter" else LOAD_MODEL).format(
        here=here,
        base=base,
        dtype=dtype_of(plan),
        auto=objectives.auto_class(models.base_folder(plan["model"].get("base") or ""), settings.objective),
        first="import adapters  # adapters.py in this folder: PEFT has no bottleneck adapters\n" if bottleneck else "",
        head=f", id2label={dict(enumerate(labels))}" if labels else "",
    )


def labels_in(model: Path) -> list[str] | None:
    """Return the labels of the trained head; None without one."""
    return model_files.head(model).get("names") or None


def text(run: runs.Run, *, kind: str, base: str, here: str = ".", check: dict[str, Any] | None = None) -> str:
    """Return the card in Markdown, with front matter for the Hub; `here`: the model's path relative to the card; `check`: that of an export."""
    plan, status = run.plan, run.status
    model, data, settings = plan["model"], plan["data"], Settings.from_json(plan["settings"])
    front = [
        "---",
        f"library_name: {LIBRARIES.get(kind, 'transformers')}",
        f"pipeline_tag: {PIPELINES[settings.objective]}",
        *([f"base_model: {model['base']}"] if model["kind"] == "hub" else []),
        *([f"license: {known}"] if LICENSE.fullmatch(known := (model["licence"] or "").lower()) else []),
        *_languages(model),
        f"tags: [tunesmith{TAGS.get(settings.objective, '')}]",
        "---",
    ]
    used = [f"| `{r['setting']}` | {_cell(r['value'])} | {r['by']} |" for r in plan["reasons"] if tells(r["setting"], r["value"], settings)]
    loss = _results(status, objectives.get(settings.objective).metrics)
    took = human_time(status.measured.get("seconds") or 0)
    return "\n".join(
        [
            *front,
            "",
            f"# {run.name}",
            "",
            f"{model['name']} fine-tuned with Tunesmith on *{data['name']}*.",
            "",
            "## Usage",
            "",
            "In this folder, with the path of your copy of the base model:" if base.startswith(UNKNOWN) else "In this folder:",
            "",
            "```bash" if kind.endswith(("gguf", "ollama")) else "```python",
            lines(kind, plan, here=here, base=base, labels=labels_in(run.path / "model")),
            "```",
            "",
            "## Results",
            "",
            "| | before | after |",
            "| --- | --- | --- |",
            *loss,
            "",
            *_evaluation(run),
            *_self_test(check),
            "## Training",
            "",
            f"- Base model: {model['name']}" + (f" (revision `{model['revision']}`)" if model["revision"] else ""),
            f"- Data: {data['name']}, {data['rows'] - data['held_out']:,} training rows, {data['held_out']:,} validation rows; sha256 `{data['sha256']}`",
            *(f"- {run_warnings.sentence(w)}" for w in run.warnings if w["severity"] != "info"),
            f"- Method: {settings.method}, {plan['trainable_parameters']:,} of {plan['total_parameters']:,} parameters trained, {took} on {plan['device_name']}",
            *(
                [f"- System prompt of all rows, which the model expects: {json.dumps(run.system, ensure_ascii=False)}"]
                if run.system
                else []
            ),
            "- Libraries: " + ", ".join(f"{k} {v}" for k, v in plan["versions"].items() if v),
            "",
            "## Settings",
            "",
            "| setting | value | chosen by |",
            "| --- | --- | --- |",
            *used,
            "",
            f"The base model's licence applies{': ' + model['licence'] if model['licence'] else ''}, and so do the terms of the data.",
            "",
        ]
    )


def _languages(model: dict[str, Any]) -> list[str]:
    """Return the line with the languages of the base model; quoted, since YAML reads Norwegian's code as the word no."""
    known = ["multilingual" if language == EVERY else language for language in model.get("languages") or []]
    return [f"language: {json.dumps(known)}"] if known else []


def tells(name: str, value: Any, settings: Settings) -> bool:
    """Return whether the card names a setting: it has a value, and an effect with this method and objective."""
    packs = name != "packing" or settings.objective in decisions.PACKABLE
    return value not in (None, "") and name not in NOT_OF_THE_RESULT and packs and decisions.matters(name, settings)


def _cell(value: Any) -> str:
    """Return a value as it stands in a table of Markdown: on one line, without bars of its own."""
    return " ".join(str(value).split()).replace("|", "\\|")


def base_elsewhere(model: dict[str, Any]) -> str:
    """Return how a card calls the base model (`model` of the plan) where it is not shipped: its Hub id, else a path to fill in, since a
    folder of this computer means nothing elsewhere and is nobody's business."""
    return model["base"] if model["kind"] == "hub" else UNKNOWN + model["name"].rsplit("/")[-1]


def write(folder: Path) -> None:
    """Write card.md into the run's folder."""
    run = runs.read(folder, paths.read_json(folder / "status.json", {}))
    kind = "adapter" if methods.is_peft(Settings.from_json(run.plan["settings"]).method) else "model"
    (folder / "card.md").write_text(text(run, kind=kind, base=base_elsewhere(run.plan["model"]), here="./model"), encoding="utf-8")


def dtype_of(plan: dict) -> str:
    """Return the dtype in which the chat loads the model (`chat_client.serving_spec`), so that the card's code gives the same answers."""
    settings = Settings.from_json(plan["settings"])
    if settings.precision == "fp32" and not methods.is_peft(settings.method) and plan["model"]["bytes_per_weight"] != 2:
        return "float32"  # as its weights are stored: the card rounds nothing
    generates = settings.objective in objectives.GENERATIVE
    return mixed_precision.TORCH[mixed_precision.served(settings.precision, settings.method, generates, devices.listing()[0])]


def _results(status: runs.RunStatus, names: tuple[str, ...]) -> list[str]:
    """Return the rows of the results table: validation loss and the objective's metrics before and after."""
    before, after = status.baseline, status.best
    if after.get("eval_loss") is None:
        return ["| validation loss | not measured (no validation rows) | |"]
    found = [("validation loss", "eval_loss"), *[(f"validation {name.replace('_', ' ')}", name) for name in names if name in after]]
    return [f"| {title} | {_number(before.get(key))} | {_number(after[key])} |" for title, key in found]


def _evaluation(run: runs.Run) -> list[str]:
    """Return the section of the newest scorecard: each metric with its interval, beside that of the model it is compared with."""
    found = next((f for f in runs.scorecards(run.path) if f.get("difference")), None)
    if found is None:
        return []
    whose = "validation rows" if found.get("which") == "validation" else "rows"
    lines = [
        f"On {found['rows']} {whose} of {found['data']}, with 95% intervals (bootstrap):",
        "",
        f"| | this model | {found['against']} | difference |",
    ]
    for name, metric in found["metrics"].items():
        shown = (_interval(m) for m in (metric, found["baseline"][name], found["difference"][name]))
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(shown)} |")
    lines.insert(3, "| --- | --- | --- | --- |")
    return ["## Evaluation", "", *lines, "", *found["says"], ""]


def _interval(metric: dict[str, Any]) -> str:
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"


def _self_test(check: dict[str, Any] | None) -> list[str]:
    """Return the section on what the check of an export compared."""
    if not check or not check.get("reason"):
        return []
    told = f"{check['prompts']} prompts, answered by {check['runtime']}: {check['reason']}" if check.get("runtime") else check["reason"]
    return ["## Self-test of this export", "", f"{check['kind'][0].upper()}{check['kind'][1:]}. {told}", ""]


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
