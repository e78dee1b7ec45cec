"""The model card of a run: what it was made from, with what, how well it went, and the three lines that load it."""

import json
from pathlib import Path

from tuner import devices, models, paths, runs
from tuner.formatting import human_time
from tuner.models import model_files
from tuner.runs import run_warnings
from tuner.settings import methods, objectives

LOAD_ADAPTER = """{first}from peft import PeftModel
from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{here}")
base = {auto}.from_pretrained("{base}", dtype="{dtype}"{head})
model = PeftModel.from_pretrained(base, "{here}")"""
LOAD_MODEL = """from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{here}")
model = {auto}.from_pretrained("{here}", dtype="{dtype}")"""
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

TAGS = {"chat": ", trl, sft", "text": ", trl, sft", "preference": ", trl, preference", "reward": ", trl, reward-trainer"}


def lines(kind: str, plan: dict, *, here: str = ".", base: str = "./base", labels: list[str] | None = None) -> str:
    """The code that loads an export: `kind` is 'adapter' or 'model'; `labels` are those of a head that was put on the base."""
    settings = plan["settings"]
    own = settings["method"] == "adapter"
    return (LOAD_ADAPTER if kind == "adapter" else LOAD_MODEL).format(
        here=here,
        base=base,
        dtype=dtype_of(plan),
        auto=objectives.auto_class(models.base_folder(plan["model"].get("base") or ""), settings["objective"]),
        first="import adapters  # adapters.py of this folder: PEFT has no such adapters of its own\n" if own else "",
        head=f", id2label={dict(enumerate(labels))}" if labels else "",
    )


def labels_in(model: Path) -> list[str] | None:
    """The labels of the head that was trained; None where there is none."""
    return model_files.head(model).get("names") or None


def text(run: runs.Run, *, kind: str, base: str, here: str = ".") -> str:
    """The card in Markdown, with the front matter that the Hub reads; `here` is where the model lies, seen from the card."""
    plan, status = run.plan, run.status
    model, data, s = plan["model"], plan["data"], plan["settings"]
    front = [
        "---",
        "library_name: peft" if kind == "adapter" else "library_name: transformers",
        f"pipeline_tag: {PIPELINES[s['objective']]}",
        *([f"base_model: {model['base']}"] if model["kind"] == "hub" else []),
        f"tags: [tunesmith{TAGS.get(s['objective'], '')}]",
        "---",
    ]
    used = [f"| `{r['setting']}` | {r['value']} | {r['by']} |" for r in plan["reasons"]]
    loss = _results(status, objectives.get(s["objective"]).metrics)
    took = human_time((status.get("measured") or {}).get("seconds") or 0)
    return "\n".join(
        [
            *front,
            "",
            f"# {run.name}",
            "",
            f"{model['name']} tuned with Tunesmith on *{data['name']}*.",
            "",
            "## Use it",
            "",
            "In this folder:",
            "",
            "```python",
            lines(kind, plan, here=here, base=base, labels=labels_in(run.path / "model")),
            "```",
            "",
            "## How it went",
            "",
            "| | before | after |",
            "| --- | --- | --- |",
            *loss,
            "",
            "## What it was made from",
            "",
            f"- Base model: {model['name']}" + (f" (revision `{model['revision']}`)" if model["revision"] else ""),
            f"- Data: {data['name']}, {data['rows'] - data['held_out']:,} rows to learn from, {data['held_out']:,} held out; sha256 `{data['sha256']}`",
            *(f"- {run_warnings.sentence(w)}" for w in run.warnings if w["severity"] != "info"),
            f"- Method: {s['method']}, {plan['trainable_parameters']:,} of {plan['total_parameters']:,} parameters trained, {took} on {plan['device_name']}",
            *(
                [f"- System prompt of all rows, to be given when it is used: {json.dumps(run.system, ensure_ascii=False)}"]
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
            f"The base model's licence applies{': ' + model['licence'] if model['licence'] else ''}; so do the terms of the data.",
            "",
        ]
    )


def write(folder: Path) -> None:
    """card.md in the run's folder."""
    run = runs.read(folder, paths.read_json(folder / "status.json", {}))
    kind = "adapter" if methods.is_peft(run.plan["settings"]["method"]) else "model"
    (folder / "card.md").write_text(text(run, kind=kind, base=run.plan["model"]["base"], here="./model"), encoding="utf-8")


def dtype_of(plan: dict) -> str:
    """The width in which the model was chatted with here (`chat.known_as`), so that the card's lines give the same answers."""
    own = methods.is_peft(plan["settings"]["method"])
    if plan["settings"]["precision"] == "fp16":  # as `chat` does
        here = devices.listing()[0]
        narrow = "bfloat16" if here.bf16 else "float16" if here.kind == "cuda" and own else "float32"
        return narrow if own or plan["settings"]["method"] == "full" else "float32"
    wide = plan["settings"]["precision"] == "fp32" and (own or not devices.listing()[0].bf16 or plan["model"]["bytes_per_weight"] != 2)
    return "float32" if wide else "bfloat16"


def _results(status: dict, names: tuple[str, ...]) -> list[str]:
    """Rows of a table: the held-out loss and the objective's own metrics before and after."""
    before, after = status.get("baseline") or {}, status.get("best") or {}
    if after.get("eval_loss") is None:
        return ["| held-out loss | not measured (no held-out rows) | |"]
    found = [("held-out loss", "eval_loss"), *[(f"held-out {name.replace('_', ' ')}", name) for name in names if name in after]]
    return [f"| {title} | {_number(before.get(key))} | {_number(after[key])} |" for title, key in found]


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
