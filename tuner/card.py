"""The model card of a run: what it was made from, with what, how well it went, and the three lines that load it."""

import json
from pathlib import Path

from tuner import paths, runs
from tuner.hardware import human_time

LOAD_ADAPTER = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{here}")
base = AutoModelForCausalLM.from_pretrained("{base}", dtype="{dtype}")
model = PeftModel.from_pretrained(base, "{here}")"""
LOAD_MODEL = """from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{here}")
model = AutoModelForCausalLM.from_pretrained("{here}", dtype="{dtype}")"""


def lines(kind: str, *, here: str = ".", base: str = "./base", dtype: str = "bfloat16") -> str:
    """The code that loads an export: `kind` is 'adapter' or 'model'."""
    return (LOAD_ADAPTER if kind == "adapter" else LOAD_MODEL).format(here=here, base=base, dtype=dtype)


def text(run: runs.Run, *, kind: str, base: str, here: str = ".") -> str:
    """The card in Markdown, with the front matter that the Hub reads; `here` is where the model lies, seen from the card."""
    plan, status = run.plan, run.status
    model, data, s = plan["model"], plan["data"], plan["settings"]
    before, after = (status.get("baseline") or {}).get("eval_loss"), (status.get("best") or {}).get("eval_loss")
    front = [
        "---",
        "library_name: peft" if kind == "adapter" else "library_name: transformers",
        "pipeline_tag: text-generation",
        *([f"base_model: {model['base']}"] if model["kind"] == "hub" else []),
        "tags: [tunesmith, trl, sft]",
        "---",
    ]
    used = [f"| `{r['setting']}` | {r['value']} | {r['by']} |" for r in plan["reasons"]]
    loss = (
        f"| held-out loss | {_number(before)} | {_number(after)} |"
        if after is not None
        else "| held-out loss | not measured (no held-out rows) | |"
    )
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
            lines(kind, here=here, base=base, dtype=dtype_of(plan)),
            "```",
            "",
            "## How it went",
            "",
            "| | before | after |",
            "| --- | --- | --- |",
            loss,
            "",
            "## What it was made from",
            "",
            f"- Base model: {model['name']}" + (f" (revision `{model['revision']}`)" if model["revision"] else ""),
            f"- Data: {data['name']}, {data['rows'] - data['held_out']:,} rows to learn from, {data['held_out']:,} held out; sha256 `{data['sha256']}`",
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
    kind = "adapter" if run.plan["settings"]["method"] == "lora" else "model"
    (folder / "card.md").write_text(text(run, kind=kind, base=run.plan["model"]["base"], here="./model"), encoding="utf-8")


def dtype_of(plan: dict) -> str:
    wide = plan["settings"]["precision"] == "fp32" and (plan["settings"]["method"] == "lora" or plan["model"]["bytes_per_weight"] != 2)
    return "float32" if wide else "bfloat16"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
