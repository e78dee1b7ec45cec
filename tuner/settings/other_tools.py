"""Settings files of other tools in this program's names: LLaMA-Factory, Axolotl, and arguments of Transformers' trainers.

What has no counterpart here is listed with the reason, never dropped in silence. Names and meanings: LLaMA-Factory `src/llamafactory/hparams`,
Axolotl `src/axolotl/utils/schemas`, Transformers `training_args.py`, as of autumn 2026.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.models.chat_templates import TEMPLATES
from tuner.settings import trackers
from tuner.settings.losses import LOSSES
from tuner.settings.run_config import FIELDS

RENAMED = {
    "model_name_or_path": "model", "base_model": "model", "num_train_epochs": "epochs", "num_epochs": "epochs", "cutoff_len": "max_length",
    "sequence_len": "max_length", "max_seq_length": "max_length", "per_device_train_batch_size": "micro_batch", "micro_batch_size": "micro_batch",
    "warmup_ratio": "warmup", "lora_r": "lora_rank", "pref_beta": "beta", "dpo_beta": "beta", "save_total_limit": "keep_checkpoints",
    "sample_packing": "packing", "neat_packing": "packing", "gradient_clipping": "max_grad_norm", "peft_use_dora": "use_dora",
    "peft_use_rslora": "use_rslora", "freeze_trainable_layers": "last_layers", "early_stopping_patience": "early_stopping",
}  # fmt: skip
SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant", "constant_with_warmup": "constant"}
OPTIMIZERS = {"adamw": "adamw", "adamw_torch": "adamw", "adamw_torch_fused": "adamw", "adamw_hf": "adamw", "adamw_8bit": "adamw_8bit", "adamw_bnb_8bit": "adamw_8bit",
              "paged_adamw_8bit": "paged_adamw_8bit", "adafactor": "adafactor"}  # fmt: skip
METHODS = {"lora": "lora", "qlora": "qlora", "full": "full", "freeze": "last_layers"}
STAGES = {"sft": {}, "pt": {"objective": "text"}, "rm": {"objective": "reward"}, "dpo": {"objective": "preference"},
          "kto": {"objective": "preference", "preference_loss": "kto"}}  # fmt: skip
SAMPLES = "import the data on the Data page, or with `tunesmith data add`, and choose it"
REASONS = {
    "dataset": SAMPLES, "datasets": SAMPLES, "dataset_dir": SAMPLES, "eval_dataset": SAMPLES, "max_samples": SAMPLES,
    "val_size": "the share of validation rows is chosen as the data is imported", "val_set_size": "the share of validation rows is chosen as the data is imported",
    "output_dir": "each run has a folder of its own", "overwrite_output_dir": "each run has a folder of its own",
    "resume_from_checkpoint": "a run is resumed from its page, or with `tunesmith resume`",
    "trust_remote_code": "code from the folder of a model is never run", "deepspeed": "a run trains on one device", "fsdp": "a run trains on one device",
    "fsdp_config": "a run trains on one device",
}  # fmt: skip
DRAWN = ("do_train", "do_eval", "plot_loss", "logging_steps", "overwrite_cache", "preprocessing_num_workers", "dataloader_num_workers",
         "ddp_timeout", "save_only_model", "eval_strategy", "evaluation_strategy", "wandb_project", "per_device_eval_batch_size", "flash_attn",
         "flash_attention", "tf32", "use_cache")  # fmt: skip
FACTORY = {"finetuning_type", "cutoff_len", "stage", "template", "lora_target", "dataset_dir", "quantization_bit"}
AXOLOTL = {"base_model", "sequence_len", "micro_batch_size", "num_epochs", "lora_target_linear", "sample_packing"}


@dataclass(frozen=True)
class Translation:
    """A file of another `tool` (its name): `values` as `parse` takes them, `taken` {name there: name here}, `left` {name there: why not}."""

    tool: str
    values: dict[str, Any] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    @property
    def sentences(self) -> list[str]:
        """What a person is told: how much was taken, and each name that was not, with the reason."""
        said = f"Read as a config of {self.tool}: {len(self.taken)} settings were taken ({', '.join(self.taken)})."
        return [said, *(f"{name} was not taken: {why}." for name, why in self.left.items())]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def translated(values: dict[str, Any]) -> Translation | None:
    """Return a file of another tool in this program's names; None for one that is of this program, even with mistakes in it."""
    foreign = [name for name in values if name not in FIELDS and name != "preset"]
    known = [name for name in foreign if name in RENAMED or name in COMPOSED or name in REASONS]
    if len(known) < 2:
        return None
    tool = "Axolotl" if AXOLOTL & set(values) else "LLaMA-Factory" if FACTORY & set(values) else "Transformers"
    out = Translation(tool)
    for name, value in values.items():
        if value is None or value == "":
            continue
        if name in COMPOSED:
            COMPOSED[name](out, name, value)
        elif name in RENAMED or name in FIELDS:  # some have the same name here
            _take(out, name, RENAMED.get(name, name), value)
        elif name in REASONS or name in DRAWN:
            out.left[name] = REASONS.get(name, "it has no effect here: progress, charts and loading are decided by themselves")
        else:
            out.left[name] = "there is no such setting here"
    _batch(out, values)
    _bits(out, values)
    return out


def _take(out: Translation, name: str, here: str, value: Any) -> None:
    out.values[here] = value
    out.taken[name] = here


def _among(here: str, words: dict[str, str]) -> Callable:
    """Return a reader of a value that has another word here."""

    def read(out: Translation, name: str, value: Any) -> None:
        if str(value) in words:
            _take(out, name, here, words[str(value)])
        else:
            out.left[name] = f"{value} is not offered; here there are {', '.join(dict.fromkeys(words.values()))}"

    return read


def _stage(out: Translation, name: str, value: Any) -> None:
    """LLaMA-Factory's stage or Axolotl's rl; what is trained on answers follows from the data."""
    asked = STAGES.get(str(value), {"objective": "preference", "preference_loss": str(value)} if str(value) in LOSSES else None)
    if asked is None:
        out.left[name] = f"{value} is not offered; here there are {', '.join(STAGES)}"
        return
    out.values.update(asked)
    out.taken[name] = "objective"


def _loss(out: Translation, name: str, value: Any) -> None:
    _among("preference_loss", {loss: loss for loss in LOSSES})(out, name, value)


def _targets(out: Translation, name: str, value: Any) -> None:
    if value is True or value == "all":
        value = "all-linear"
    if value is not False:
        _take(out, name, "lora_targets", [v.strip() for v in value.split(",")] if isinstance(value, str) and "," in value else value)


def _steps(out: Translation, name: str, value: Any) -> None:
    """Whole numbers of steps: 0 and -1 mean none, a share of all steps has no counterpart."""
    if isinstance(value, int) and value > 0:
        _take(out, name, name, value)
    elif not isinstance(value, int):
        out.left[name] = "a number of steps is needed, not a share of them"


def _template(out: Translation, name: str, value: Any) -> None:
    word = str(value).lower()
    if word in TEMPLATES:
        _take(out, name, "chat_template", word)
    else:
        out.left[name] = "the model's own chat template is used where it has one"


def _precision(out: Translation, name: str, value: Any) -> None:
    if value is True or str(value).lower() == "true":
        _take(out, name, "precision", name.removeprefix("pure_"))


def _later(out: Translation, name: str, value: Any) -> None:
    """Read with others, in `_batch` and `_bits`."""


def _batch(out: Translation, values: dict[str, Any]) -> None:
    """Steps of accumulation times the rows of one step are the effective batch size."""
    steps = values.get("gradient_accumulation_steps")
    if isinstance(steps, int) and steps > 0:
        rows = out.values.setdefault("micro_batch", 8)  # the default of Transformers
        if isinstance(rows, int):
            _take(out, "gradient_accumulation_steps", "effective_batch", steps * rows)


def _bits(out: Translation, values: dict[str, Any]) -> None:
    """LoRA on a model of 4 or 8 bits is a method of its own here."""
    four = values.get("quantization_bit") == 4 or values.get("load_in_4bit") is True
    eight = values.get("quantization_bit") == 8 or values.get("load_in_8bit") is True
    if four or eight:
        out.values.update(method="qlora", quantization="nf4" if four else "int8")
        out.taken.update({name: "quantization" for name in ("quantization_bit", "load_in_4bit", "load_in_8bit") if values.get(name)})


def _trackers(out: Translation, name: str, value: Any) -> None:
    """Transformers' report_to: a name or a list; "none" is what is so here anyway, "all" is every one that is installed there."""
    asked = [str(v).lower() for v in (value if isinstance(value, list) else trackers.names(str(value)))]
    known = [v for v in asked if v in trackers.TRACKERS]
    if known:
        _take(out, name, "report_to", ",".join(known))
    if other := [v for v in asked if v not in trackers.TRACKERS and v != "none"]:
        out.left[name] = f"{', '.join(other)} is not offered; here there are {', '.join(trackers.TRACKERS)}"
    elif not known:
        out.left[name] = "no tracker is asked for, as here"


COMPOSED: dict[str, Callable[[Translation, str, Any], None]] = {
    "finetuning_type": _among("method", METHODS), "adapter": _among("method", METHODS), "stage": _stage, "rl": _stage, "pref_loss": _loss,
    "lora_target": _targets, "lora_target_modules": _targets, "lora_target_linear": _targets, "target_modules": _targets,
    "lr_scheduler_type": _among("schedule", SCHEDULES), "lr_scheduler": _among("schedule", SCHEDULES), "optim": _among("optimizer", OPTIMIZERS),
    "optimizer": _among("optimizer", OPTIMIZERS), "max_steps": _steps, "eval_steps": _steps, "save_steps": _steps, "template": _template,
    "chat_template": _template, "bf16": _precision, "fp16": _precision, "pure_bf16": _precision, "gradient_accumulation_steps": _later,
    "quantization_bit": _later, "load_in_4bit": _later, "load_in_8bit": _later, "report_to": _trackers,
}  # fmt: skip
