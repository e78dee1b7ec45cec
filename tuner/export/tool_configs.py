"""The settings and rows of a run as LLaMA-Factory and Axolotl read them: to train the same elsewhere.

Names as in `settings.other_tools`, which reads such files: the check of an export is that it reads back what was written. What has no counterpart
there is named, never dropped in silence.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner import runs
from tuner.data.store import store
from tuner.data.store.store import Dataset
from tuner.errors import ModelError, NotFoundError, WorkError
from tuner.export import model_card
from tuner.formatting import yaml_text
from tuner.models import model_files
from tuner.paths import Workspace
from tuner.settings import other_tools
from tuner.settings.run_config import FIELDS, Settings

KIND = "settings read back from the config"
TOOLS = {"llamafactory": "LLaMA-Factory", "axolotl": "Axolotl"}
COMMANDS = {"llamafactory": "llamafactory-cli train config.yaml", "axolotl": "axolotl train config.yaml"}
OBJECTIVES = {"llamafactory": ("chat", "text", "preference"), "axolotl": ("chat", "text", "preference")}
METHODS = {"llamafactory": ("lora", "qlora", "full", "last_layers"), "axolotl": ("lora", "qlora", "full")}
LOSSES = {  # preference loss here -> there
    "llamafactory": {"sigmoid": "sigmoid", "hinge": "hinge", "ipo": "ipo", "orpo": "orpo"},
    "axolotl": {"sigmoid": "dpo", "ipo": "ipo", "orpo": "orpo"},
}
OPTIMIZERS = {"adamw": "adamw_torch", "adamw_8bit": "adamw_bnb_8bit", "paged_adamw_8bit": "paged_adamw_8bit", "adafactor": "adafactor"}
COMMON = {"learning_rate": "learning_rate", "weight_decay": "weight_decay", "max_grad_norm": "max_grad_norm", "seed": "seed", "warmup": "warmup_ratio",
          "max_steps": "max_steps", "eval_steps": "eval_steps", "save_steps": "save_steps", "keep_checkpoints": "save_total_limit",
          "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "gradient_checkpointing": "gradient_checkpointing"}  # fmt: skip
NAMES = {
    "llamafactory": COMMON | {"max_length": "cutoff_len", "micro_batch": "per_device_train_batch_size", "epochs": "num_train_epochs",
                              "schedule": "lr_scheduler_type", "lora_rank": "lora_rank", "use_dora": "use_dora", "use_rslora": "use_rslora",
                              "packing": "packing", "last_layers": "freeze_trainable_layers", "beta": "pref_beta"},
    "axolotl": COMMON | {"max_length": "sequence_len", "micro_batch": "micro_batch_size", "epochs": "num_epochs", "schedule": "lr_scheduler",
                         "lora_rank": "lora_r", "use_dora": "peft_use_dora", "use_rslora": "peft_use_rslora", "packing": "sample_packing",
                         "beta": "dpo_beta"},
}  # fmt: skip
COMPOSED = ("objective", "method", "effective_batch", "lora_targets", "quantization", "precision", "optimizer", "preference_loss")
HERE = ("accept_lost_rows", "device", "adapter_precision", "precompute_reference")  # how it was run here


def possible(run: runs.Run, tool: str) -> bool:
    """Return whether a tool can train what this run trained."""
    settings = Settings.from_json(run.plan["settings"])
    known = settings.objective in OBJECTIVES[tool] and settings.method in METHODS[tool]
    return known and (settings.objective != "preference" or settings.preference_loss in LOSSES[tool])


def config(run: runs.Run, tool: str) -> tuple[dict[str, Any], list[str]]:
    """Return (the config, the settings of the run that have no counterpart in it)."""
    settings = Settings.from_json(run.plan["settings"])
    known = {n: v for n, v in settings.model_dump().items() if v is not None and model_card.tells(n, v, settings)}
    out = {NAMES[tool][n]: v for n, v in known.items() if n in NAMES[tool]}
    if settings.early_stopping:
        out["early_stopping_patience" if tool == "axolotl" else "early_stopping_steps"] = settings.early_stopping
    steps = max(1, round((settings.effective_batch or 1) / (settings.micro_batch or 1)))
    out |= {"gradient_accumulation_steps": steps, "bf16": settings.precision == "bf16", "fp16": settings.precision == "fp16"}
    targets = _targets(run, settings)
    base = model_card.base_elsewhere(run.plan["model"])
    out = (
        {"model_name_or_path" if tool == "llamafactory" else "base_model": base}
        | (_factory(settings, targets) if tool == "llamafactory" else _axolotl(settings, targets))
        | out
    )
    taken = {*NAMES[tool], *COMPOSED, *HERE, "early_stopping"}
    left = [f"{name}: {value}" for name, value in known.items() if name not in taken and value != FIELDS[name].default]
    return out, left


def _targets(run: runs.Run, settings: Settings) -> list[str]:
    """Return the modules that LoRA trained, as the model itself calls them; [] for another method."""
    if settings.method not in ("lora", "qlora"):
        return []
    return sorted(model_files.document(run.path / "model" / "adapter_config.json").get("target_modules") or [])


def _factory(settings: Settings, targets: list[str]) -> dict[str, Any]:
    stage = {"chat": "sft", "text": "pt", "preference": "dpo"}[settings.objective]
    method = {"lora": "lora", "qlora": "lora", "full": "full", "last_layers": "freeze"}[settings.method]
    out: dict[str, Any] = {"stage": stage, "do_train": True, "finetuning_type": method, "dataset": "train", "eval_dataset": "validation"}
    out |= {
        "dataset_dir": ".",
        "output_dir": "output",
        "logging_steps": 1,
        "eval_strategy": "steps",
        "optim": OPTIMIZERS[settings.optimizer],
    }
    out |= {"lora_target": ",".join(targets)} if targets else {}
    out |= {"quantization_bit": 4 if settings.quantization == "nf4" else 8} if settings.method == "qlora" else {}
    return out | ({"pref_loss": LOSSES["llamafactory"][settings.preference_loss]} if stage == "dpo" else {})


def _axolotl(settings: Settings, targets: list[str]) -> dict[str, Any]:
    kind = {"chat": "chat_template", "text": "completion", "preference": "chat_template.default"}[settings.objective]
    data = {"ds_type": "json", "type": kind} | ({"field": "text"} if kind == "completion" else {"field_messages": "messages"})
    data |= {"field_chosen": "chosen", "field_rejected": "rejected"} if settings.objective == "preference" else {}
    out: dict[str, Any] = {
        "datasets": [{"path": "train.jsonl"} | data],
        "test_datasets": [{"path": "validation.jsonl", "split": "train"} | data],
    }
    out |= {"output_dir": "output", "optimizer": OPTIMIZERS[settings.optimizer]}
    out |= {"chat_template": "tokenizer_default"} if settings.objective != "text" else {}
    out |= {"adapter": settings.method, "lora_target_modules": targets} if targets else {}
    out |= {"load_in_4bit" if settings.quantization == "nf4" else "load_in_8bit": True} if settings.method == "qlora" else {}
    return out | ({"rl": LOSSES["axolotl"][settings.preference_loss]} if settings.objective == "preference" else {})


def rows(ds: Dataset, held_out: bool, left: Counter) -> Iterator[dict[str, Any]]:
    """Yield the rows as both tools read them; `left` counts those that they can't, by the reason."""
    for row in store.iterate(ds, held_out=held_out):
        value = row["value"]
        turns = [m for part in ("messages", "prompt", "chosen", "rejected") if isinstance(value.get(part), list) for m in value[part]]
        if value.get("tools") or any(set(m) - {"role", "content"} or not isinstance(m.get("content"), str) for m in turns):
            left["tool calls, reasoning or parts beside the text"] += 1
        elif "chosen" not in value:
            yield {name: value[name] for name in ("messages", "text") if name in value}
        elif len(value["chosen"]) == len(value["rejected"]) == 1:
            yield {"messages": value["prompt"], "chosen": value["chosen"][0], "rejected": value["rejected"][0]}
        else:
            left["preferred answers of several messages"] += 1


def _info(objective: str) -> dict[str, Any]:
    """Return LLaMA-Factory's description of one file of rows."""
    if objective == "text":
        return {"columns": {"prompt": "text"}}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant", "system_tag": "system"}
    ranked = {"ranking": True} if objective == "preference" else {}
    columns = {"messages": "messages"} | ({"chosen": "chosen", "rejected": "rejected"} if ranked else {})
    return {"formatting": "sharegpt"} | ranked | {"columns": columns, "tags": tags}


def data_of(ws: Workspace, run: runs.Run, kind: str) -> Dataset:
    """Return the rows that a run was trained on, without which a config or a script trains nothing. ModelError when they are gone."""
    try:
        return store.get(ws, str(run.config.get("data") or ""))
    except NotFoundError as error:
        raise ModelError(
            f"The rows that {run.name} was trained on are gone, and a config alone trains nothing.",
            asked=kind,
            available="the model itself: adapter, merged, gguf",
            remedy="Import the data again and train a new run, or export the model.",
            field="to",
        ) from error


def write(ws: Workspace, run: runs.Run, tool: str, folder: Path) -> dict[str, Any]:
    """Write the config, the rows and a README into a folder and return the check. ModelError when the rows are gone."""
    ds = data_of(ws, run, tool)
    objective, made = str(run.plan["settings"]["objective"]), config(run, tool)
    written, gone = {}, Counter()
    for name, held_out in (("train", False), ("validation", True)):
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as out:
            written[name] = sum(out.write(json.dumps(row, ensure_ascii=False) + "\n") > 0 for row in rows(ds, held_out, gone))
    values, left = made
    if not written["validation"]:
        (folder / "validation.jsonl").unlink()
        for name in ("eval_dataset", "eval_strategy", "eval_steps", "test_datasets"):
            values.pop(name, None)
    left += [f"{n} rows with {what}" for what, n in gone.items()]
    (folder / "config.yaml").write_text(yaml_text(values), encoding="utf-8")
    if tool == "llamafactory":
        info = {name: {"file_name": f"{name}.jsonl"} | _info(objective) for name, n in written.items() if n}
        (folder / "dataset_info.json").write_text(json.dumps(info, indent=1), encoding="utf-8")
    check = {
        "kind": KIND,
        "passed": True,
        "settings": len(_read_back(values, run, tool)),
        "rows": sum(written.values()),
        "not_written": left,
    }
    (folder / "README.md").write_text(readme(run, tool, written, left), encoding="utf-8")
    return check


def _read_back(values: dict[str, Any], run: runs.Run, tool: str) -> dict[str, Any]:
    """Return the settings of this program that the config gives when it is read; WorkError when one is another than the run's."""
    found = other_tools.translated(values)
    read = {n: v for n, v in found.values.items() if n in run.plan["settings"] and n != "lora_targets"} if found else {}
    wrong = [n for n, v in read.items() if not _same(v, run.plan["settings"][n])]
    if wrong or not read:
        raise WorkError(
            f"The config for {TOOLS[tool]} does not say the same as the run: {', '.join(wrong)}.",
            asked=run.id,
            available={n: read[n] for n in wrong},
            remedy="This is a defect; please report it with the run's settings (tunesmith show).",
        )
    return read


def _same(a: Any, b: Any) -> bool:
    return a == b if not isinstance(a, float) else abs(a - (b or 0.0)) < 1e-9


def readme(run: runs.Run, tool: str, written: dict[str, int], left: list[str]) -> str:
    """Return what is in the folder, how to start, and what is not the same there."""
    lines = [
        f"# {run.name} for {TOOLS[tool]}",
        "",
        f"{written['train']:,} training rows and {written['validation']:,} validation rows.",
        "",
    ]
    lines += ["```bash", COMMANDS[tool], "```", ""]
    if model_card.base_elsewhere(run.plan["model"]).startswith(model_card.UNKNOWN):
        lines += ["Put the path of your copy of the base model into config.yaml.", ""]
    lines += ["## Not written", "", *(f"- {what}" for what in left), ""] if left else []
    return "\n".join(lines)
