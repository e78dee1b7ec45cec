"""A run as a script: plain TRL, PEFT and transformers, which trains the same without this program.

The settings come from `settings.trainer_arguments`, as those of our own workers do. What a run does beside its training (metrics, exact validation
loss, damaged checkpoints, progress) is left out; what it trains is not: a worker runs the first steps of the script and compares their losses.
"""

import json
import re
from typing import Any

from tuner import models, runs
from tuner.export import model_card, sizes, written
from tuner.export.script import language, preference, task
from tuner.export.written import plain
from tuner.models import mixed_precision, model_files, model_types, stored_formats
from tuner.settings import objectives, trainer_arguments
from tuner.settings.run_config import Settings

FILE, TRAIN, VALIDATION = "train.py", "train.jsonl", "validation.jsonl"
KIND = "losses of the script against those of the run"
COMMANDS = f"pip install -r requirements.txt\npython {FILE}"
FAMILIES = {objective: family for family in (language, preference, task) for objective in family.OBJECTIVES}
CONFIGS = {"lora": "LoraConfig", "qlora": "LoraConfig", "ia3": "IA3Config", "ln": "LNTuningConfig"}
METHODS = (*CONFIGS, "full", "last_layers")  # parts of the others are our own
WIDTH = 100  # letters of a line in a long list
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
USUAL = {
    "use_dora": False,
    "use_rslora": False,
    "init_lora_weights": True,
    "lora_dropout": 0.0,
}  # PEFT's defaults, which need not be written


def possible(run: runs.Run) -> bool:
    """Return whether a run can be written as a script: its method and objective are those of the libraries, and it began with a base model."""
    settings, about = Settings.from_json(run.plan["settings"]), run.plan["model"]
    weighed = settings.class_weights and settings.objective in ("classification", "tokens")  # these weights are counted from the rows here
    if weighed or settings.objective not in FAMILIES or settings.method not in METHODS or about.get("adapter") or about["kind"] == "run":
        return False
    if settings.objective == "preference" and not preference.possible(settings):
        return False
    folder = models.base_folder(about["base"])
    config = model_files.document(folder / "config.json") if folder else {}
    return not model_types.is_multimodal(config.get("model_type")) and stored_formats.quantization(config) is None


def text(run: runs.Run, *, validation: bool, weighted: bool) -> str:
    """Return the script. `validation`: there are rows for it; `weighted`: rows have a weight other than 1."""
    settings = Settings.from_json(run.plan["settings"])
    name, base, data = (plain(n) for n in (run.name, run.plan["model"]["name"], run.plan["data"]["name"]))
    parts = [
        f'"""{name}: {base} fine-tuned on {data}.\n\nRun it in this folder: python {FILE}\n"""\n',
        _imports(run, settings, weighted),
        _names(run),
        tokenized(run),
        FAMILIES[settings.objective].classes(run, settings, weighted),
        _rows(validation, weighted),
        _model(run, settings),
        _trainer(run, settings, validation, weighted),
    ]
    return re.sub(r"\n{3,}", "\n\n\n", "\n".join(parts)).rstrip() + "\n"


def tokenized(run: runs.Run) -> str:
    """Return the script's function `tokenized`, which makes tokens and labels of a row."""
    return f"\n{FAMILIES[run.plan['settings']['objective']].tokenized(run)}\n"


def constants(run: runs.Run) -> dict[str, Any]:
    """Return what `tokenized` needs beside the tokenizer."""
    return {"MAX_LENGTH": run.plan["settings"]["max_length"]} | FAMILIES[run.plan["settings"]["objective"]].constants(run)


def _imports(run: runs.Run, settings: Settings, weighted: bool) -> str:
    peft, (lines, names) = CONFIGS.get(settings.method), FAMILIES[settings.objective].imports(weighted)
    names = [auto_of(run, settings), "AutoTokenizer", *names, "set_seed"]
    names += ["BitsAndBytesConfig"] if settings.method == "qlora" else []
    names += ["EarlyStoppingCallback"] if settings.early_stopping else []
    lines += [f"from peft import {peft}, get_peft_model"] if peft else []
    lines += [f"from transformers import {', '.join(sorted(names, key=lambda n: (n.islower(), n)))}"]
    return "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line.split()[1])) + [""])


def auto_of(run: runs.Run, settings: Settings) -> str:
    """Return transformers' class of the model."""
    return objectives.auto_class(models.base_folder(run.plan["model"]["base"]), settings.objective)


def base_of(run: runs.Run) -> str:
    """Return how the script names the base model: its Hub id, a copy in the folder, or a path to fill in."""
    return "./base" if sizes.shipped_base(run) else model_card.base_elsewhere(run.plan["model"])


def _names(run: runs.Run) -> str:
    about, base = run.plan["model"], base_of(run)
    place = "  # the path of your copy of the base model" if base.startswith(model_card.UNKNOWN) else ""
    revision = about["revision"] if about["kind"] == "hub" else None
    known = "\n".join(f"{constant} = {_pretty(value, 0)}" for constant, value in constants(run).items())
    return f"""
MODEL, REVISION = {_pretty(base, 0)}, {_pretty(revision, 0)}{place}
{known}

tokenizer = AutoTokenizer.from_pretrained("./tokenizer")

"""


def _rows(validation: bool, weighted: bool) -> str:
    files = f'{{"train": "{TRAIN}"' + (f', "validation": "{VALIDATION}"}}' if validation else "}")
    gone = '[name for name in rows["train"].column_names if name != "sample_weight"]' if weighted else 'rows["train"].column_names'
    return f"""
rows = load_dataset("json", data_files={files})
rows = rows.map(tokenized, remove_columns={gone})

"""


def _model(run: runs.Run, settings: Settings) -> str:
    """Return the lines that load the base model and apply the method."""
    dtype = f"dtype=torch.{mixed_precision.TORCH[mixed_precision.stored(settings.precision, settings.method)]}"
    head = "".join(f"\n    {option}," for option in task.head(run))
    quantized = settings.method == "qlora"
    options = f"MODEL, revision=REVISION, {dtype}" + (", quantization_config=quantization" if quantized else "")
    load = f"{auto_of(run, settings)}.from_pretrained({options}" + (f",{head}\n)" if head else ")")
    out = [
        f"set_seed({settings.seed})",
        *(_quantization(settings) if quantized else []),
        f"model = {load}",
        "model.config.use_cache = False",
    ]
    if settings.objective == "preference" and settings.method in mixed_precision.TRAINS_WEIGHTS:
        out += [f"reference = {load}"]
    if objectives.get(settings.objective).task == "SEQ_CLS":
        out += ['if hasattr(model, "score"):  # a decoder, which reads a text\'s last token that is no padding']
        out += ["    model.config.pad_token_id = tokenizer.pad_token_id"]
    return "\n".join([*out, *_method(run, settings), ""])


def _method(run: runs.Run, settings: Settings) -> list[str]:
    """Return the lines that apply the method to the model."""
    out: list[str] = []
    if config := CONFIGS.get(settings.method):
        out += [f"model = get_peft_model(model, {_call(config, _adapter(run, settings))})"]
    elif settings.method == "last_layers":
        out += [f"TRAINED = {_pretty(_trained(run), 0)}", "for name, parameter in model.named_parameters():"]
        out += ["    parameter.requires_grad = name.startswith(TRAINED)"]
    narrow = settings.method in ("lora", "qlora") and settings.adapter_precision == "bf16"
    if narrow or settings.precision == "fp16":
        out += ["for parameter in model.parameters():", "    if parameter.requires_grad:"]
        out += [f"        parameter.data = parameter.data.{'bfloat16' if narrow else 'float'}()"]
    return out


def _quantization(settings: Settings) -> list[str]:
    if settings.quantization == "int8":
        return ["quantization = BitsAndBytesConfig(load_in_8bit=True)"]
    options = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    return [
        f"quantization = {_call('BitsAndBytesConfig', options, bnb_4bit_compute_dtype=f'torch.{mixed_precision.TORCH[settings.precision]}')}"
    ]


def _adapter(run: runs.Run, settings: Settings) -> dict[str, Any]:
    """Return the options of the adapter's config, with the modules that it was put on."""
    saved = model_files.document(run.path / "model" / "adapter_config.json")
    out: dict[str, Any] = {"task_type": saved["task_type"], "target_modules": sorted(saved["target_modules"])}
    out |= {"modules_to_save": list(dict.fromkeys(saved["modules_to_save"]))} if saved.get("modules_to_save") else {}
    if settings.method == "ia3":
        return out | {"feedforward_modules": sorted(saved["feedforward_modules"])}
    if settings.method == "ln":
        return out
    rank = {"r": settings.lora_rank, "lora_alpha": settings.lora_alpha or 2 * settings.lora_rank}
    more = {
        "lora_dropout": settings.lora_dropout,
        "use_dora": settings.use_dora,
        "use_rslora": settings.use_rslora,
        "init_lora_weights": True if settings.lora_init == "default" else settings.lora_init,
    }
    return rank | {name: value for name, value in more.items() if value != USUAL[name]} | out


def _trained(run: runs.Run) -> tuple[str, ...]:
    """Return how the names of the trained weights begin: those of a layer by the layer, others whole."""
    found = models.header(run.path / "model" / "changed.safetensors")
    return tuple(dict.fromkeys(re.sub(r"^(.*?\.\d+\.).*$", r"\1", name) for name in found))


def _trainer(run: runs.Run, settings: Settings, validation: bool, weighted: bool) -> str:
    """Return the lines that train and save."""
    family, best = FAMILIES[settings.objective], _keeps_best(settings, validation)
    given = ["model=model", "args=args", 'train_dataset=rows["train"]', *(['eval_dataset=rows["validation"]'] if validation else [])]
    given += ["processing_class=tokenizer", *([f"data_collator={family.COLLATOR}"] if family.COLLATOR else [])]
    given += [f"callbacks=[EarlyStoppingCallback({settings.early_stopping})]"] if settings.early_stopping and best else []
    weights = settings.method in mixed_precision.TRAINS_WEIGHTS
    given += ["ref_model=reference"] if weights and settings.objective == "preference" else []
    out, cast = [_arguments(run, settings, validation, weighted)], settings.method == "qlora" and family is not task
    out += ["whole = {name: p.data for name, p in model.named_parameters() if p.requires_grad}"] if cast else []
    out += [f"trainer = {family.trainer(weighted)}(", *(f"    {option}," for option in given), ")", *family.after(weighted)]
    if cast:
        out += ["for name, p in model.named_parameters():  # TRL rounds the adapter to bf16, in which small updates are lost"]
        out += ["    p.data = whole.get(name, p.data)"]
    if validation and (weights or settings.lora_init != "default"):
        out += _before(settings)
    return "\n".join([*out, "trainer.train()", 'trainer.save_model("model")', 'tokenizer.save_pretrained("model")', ""])


def _keeps_best(settings: Settings, validation: bool) -> bool:
    """Return whether transformers can load the best checkpoint at the end: each evaluation has to have one."""
    return validation and not (settings.save_steps or 1) % (settings.eval_steps or 1)


def _arguments(run: runs.Run, settings: Settings, validation: bool, weighted: bool) -> str:
    """Return the call of the arguments' class."""
    family, on_cpu = FAMILIES[settings.objective], settings.device == "cpu"
    kept = {
        n: v for n, v in trainer_arguments.shared(settings.replace(processes=1), run.plan["steps"], validation).items() if v is not None
    }
    kept |= {"save_total_limit": settings.keep_checkpoints, "load_best_model_at_end": _keeps_best(settings, validation)}
    kept |= {"use_cpu": True, "dataloader_pin_memory": False} if on_cpu else {}
    half = "False" if on_cpu or settings.precision == "fp16" else "torch.cuda.is_bf16_supported(including_emulation=False)"
    return f"args = {_call(family.CONFIG, {'output_dir': 'checkpoints'} | kept | family.options(settings, weighted), bf16=half)}"


def _before(settings: Settings) -> list[str]:
    """Return the line that evaluates before training, as the run did."""
    if settings.method != "full":
        return ["trainer.evaluate()"]
    return ['trainer.evaluate(rows["validation"].select(range(min(64, len(rows["validation"])))))']


def _call(name: str, options: dict[str, Any], **code: str) -> str:
    """Return a call of a class in lines; `code`: options whose values are code, not constants."""
    lines = [f"    {option}={_pretty(value, 4)}," for option, value in options.items()] + [f"    {n}={value}," for n, value in code.items()]
    return "\n".join([f"{name}(", *lines, ")"])


def _pretty(value: Any, indent: int) -> str:
    """Return a constant as Python, with double quotes; a long list in lines."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_pretty(k, indent)}: {_pretty(v, indent)}" for k, v in value.items()) + "}"
    if not isinstance(value, (list, tuple)):
        return repr(value)
    lines, (begin, end) = [""], "[]" if isinstance(value, list) else "()"
    for item in value:
        said = _pretty(item, indent) + ","
        lines[-1:] = [f"{lines[-1]} {said}".lstrip()] if len(lines[-1]) + len(said) < WIDTH else [lines[-1], said]
    if len(lines) == 1:
        return begin + (lines[0][:-1] if begin == "[" or len(value) > 1 else lines[0]) + end
    return begin + "".join(f"\n{' ' * (indent + 4)}{line}" for line in lines) + f"\n{' ' * indent}{end}"


def requirements(run: runs.Run) -> str:
    """Return the versions of the libraries that the run was trained with."""
    settings = Settings.from_json(run.plan["settings"])
    needed = [*LIBRARIES, *(["bitsandbytes"] if settings.method == "qlora" or "8bit" in settings.optimizer else [])]
    return written.requirements(needed, run.plan["versions"])


def readme(run: runs.Run, rows: dict[str, int], check: dict[str, Any]) -> str:
    """Return what is in the folder, how to start it, and what was compared."""
    lines = [
        f"# {run.name} as a script",
        "",
        f"`{FILE}` trains what this run trained, with TRL, PEFT and transformers alone: {rows['train']:,} training rows and "
        f"{rows['validation']:,} validation rows, as the model read them.",
        "",
        "```bash",
        COMMANDS,
        "```",
        "",
    ]
    if check["passed"] is None:
        lines += [f"Not compared with the run: {check['reason']}"]
    else:
        lines += [f"The losses of its first {check['steps']} steps are those of the run (largest difference: {check['difference']:.1e})."]
    return "\n".join(
        [
            *lines,
            "",
            "The validation loss is the mean over batches here; in the run it is the mean over all trained tokens, and may differ a little. "
            "On another computer or with other versions the losses drift apart slowly.",
            "",
        ]
    )
