"""Every setting of a run, once: default, range, sentence, group, simple or advanced.

The form, the YAML presets, `-s key=value`, validation and the README's table are all made from `RunConfig`. A setting
that is None is the planner's to decide; what a person sets stays as set.
"""

from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuner.errors import SettingError, TunerError, raise_all
from tuner.models.chat_templates import TEMPLATES
from tuner.settings.losses import LOSSES
from tuner.settings.methods import METHODS
from tuner.settings.objectives import OBJECTIVES

GROUPS = {  # in the order in which a form shows them
    "goal": "What to learn",
    "effort": "How long and how strongly",
    "adapter": "What is changed in the model",
    "preference": "Learning from preferences",
    "memory": "Memory and speed",
    "watch": "Watching and saving",
}


def setting(default: Any, title: str, sentence: str, group: str, *, simple: bool = False, **limits: Any) -> Any:
    """One field of `RunConfig`: its name in plain words with the field's term in brackets, and one sentence."""
    return Field(default, title=title, description=sentence, json_schema_extra={"group": group, "simple": simple}, **limits)


class RunConfig(BaseModel):
    """What was asked for. Unknown keys are refused; None leaves the choice to the planner."""

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())

    model: str | None = setting(None, "Model", "The starter, a folder, a Hub id, or a run to go on from.", "goal", simple=True)
    data: str | None = setting(None, "Data", "The dataset to learn from, as id or id@version.", "goal", simple=True)
    objective: Literal[tuple(OBJECTIVES)] | None = setting(
        None,
        "What to learn (objective)",
        "Answers in chat, plain text, labels, numbers, words, or one text from another.",
        "goal",
        simple=True,
    )
    method: Literal[tuple(METHODS)] = setting(
        "lora",
        "How to learn it (method)",
        "LoRA teaches a small addition and leaves the model as it is; full changes every weight.",
        "goal",
        simple=True,
    )

    chat_template: Literal[tuple(TEMPLATES)] | None = setting(
        None, "Form of the talk (chat template)", "For a model that has none of its own: how question and answer are told apart.", "goal"
    )

    fold_system: bool = setting(
        False,
        "Fold system turns into the question",
        "For a model whose chat template takes no system turn: its text is put at the head of the question that follows.",
        "goal",
    )
    accept_lost_rows: bool = setting(
        False,
        "Train without the rows that are lost",
        "Start even if more than 1% of the rows are cut or left out, as the plan says.",
        "goal",
    )

    epochs: float = setting(
        3.0,
        "How often to read the data (epochs)",
        "More passes learn the data better, too many learn it by heart.",
        "effort",
        simple=True,
        gt=0,
        le=1000,
    )
    learning_rate: float | None = setting(
        None,
        "How big a step to take (learning rate)",
        "Too small learns nothing, too big forgets what the model knew.",
        "effort",
        simple=True,
        gt=0,
        le=1,
    )
    max_steps: int | None = setting(
        None, "Stop after so many steps", "Ends the run early whatever the epochs say.", "effort", ge=1, le=10_000_000
    )
    effective_batch: int | None = setting(
        None, "Rows per step (effective batch)", "How many rows are read before the model changes once.", "effort", ge=1, le=65536
    )
    schedule: Literal["cosine", "linear", "constant"] = setting(
        "cosine", "How the step shrinks (schedule)", "The learning rate falls towards the end so that the last steps settle.", "effort"
    )
    warmup: float = setting(0.03, "Warm-up", "The share of the steps in which the learning rate rises from zero.", "effort", ge=0, le=0.5)
    weight_decay: float = setting(
        0.0, "Weight decay", "Pulls the weights towards zero; a little helps long full runs.", "effort", ge=0, le=1
    )
    max_grad_norm: float = setting(1.0, "Gradient clipping", "Limits how far one odd row can push the model.", "effort", gt=0, le=1000)
    seed: int = setting(42, "Seed", "The same seed on the same machine gives the same run.", "effort", ge=0, le=2**31 - 1)

    lora_rank: int = setting(
        16, "Size of the addition (LoRA rank)", "Larger can learn more and takes more memory.", "adapter", ge=1, le=1024
    )
    lora_alpha: float | None = setting(None, "Strength of the addition (LoRA alpha)", "Usually twice the rank.", "adapter", gt=0, le=8192)
    lora_dropout: float = setting(
        0.0, "LoRA dropout", "Leaves out a share at random; costs about a fifth of the speed.", "adapter", ge=0, lt=1
    )
    lora_targets: str | list[str] = setting(
        "all-linear", "Where to add (LoRA targets)", "all-linear, some of q k v o gate up down, or module names.", "adapter"
    )
    use_dora: bool = setting(False, "DoRA", "Learns size and direction apart: a little better, a good deal slower.", "adapter")
    use_rslora: bool = setting(False, "rsLoRA", "Scales by the square root of the rank: for ranks above 64.", "adapter")

    lora_init: Literal["default", "pissa", "olora"] = setting(
        "default",
        "Where the addition starts (initialisation)",
        "pissa and olora start from the strongest directions of the weights and learn sooner.",
        "adapter",
    )
    quantization: Literal["nf4", "int8"] | None = setting(
        None,
        "Packed weights (quantization)",
        "nf4 packs the model's own weights into 4 bits, int8 into 8; the addition stays whole.",
        "adapter",
    )
    last_layers: int = setting(
        2, "How many of the last layers", "Counted from the top; the final norm always goes with them.", "adapter", ge=1, le=1024
    )
    train_head: bool = setting(
        False, "The choice of words too (head)", "Also changes the output matrix where it is shared with the input words.", "adapter"
    )
    train_embeddings: bool = setting(False, "The input words too (embeddings)", "For new words or a new language.", "adapter")
    adapter_placement: Literal["houlsby", "pfeiffer"] = setting(
        "pfeiffer", "Where the adapters stand", "houlsby: after attention and after the MLP; pfeiffer: after the MLP alone.", "adapter"
    )
    adapter_size: int = setting(64, "Size of an adapter", "How many numbers its narrow place holds.", "adapter", ge=1, le=8192)
    virtual_tokens: int = setting(
        20, "Invisible words (virtual tokens)", "How many positions a prompt or prefix method learns.", "adapter", ge=1, le=512
    )
    prompt_text: str | None = setting(
        None, "Text to start from", "Prompt tuning begins with these words instead of with random numbers.", "adapter", max_length=4000
    )
    prefix_projection: bool = setting(
        False, "Through a small network (prefix projection)", "Prefixes are made by a network: steadier, and more to train.", "adapter"
    )
    class_weights: bool = setting(
        False, "Even out the labels (class weights)", "Rare labels count for more, so that they are not passed over.", "adapter"
    )

    preference_loss: Literal[tuple(LOSSES)] | None = setting(
        None,
        "How preferences are taught (loss)",
        "sigmoid is DPO, kto takes answers that were rated one by one; the README tells what the others are for.",
        "preference",
    )
    beta: float | None = setting(
        None,
        "Faithfulness to the reference (beta)",
        "Larger stays nearer to what the model was before; without a reference, the weight of the preference.",
        "preference",
        gt=0,
        le=100,
    )
    label_smoothing: float | None = setting(
        None,
        "Share of wrong judgements (label smoothing)",
        "How many of the judgements are expected to be mistaken, for the losses that can know.",
        "preference",
        ge=0,
        lt=0.5,
    )
    precompute_reference: bool | None = setting(
        None,
        "Ask the reference beforehand",
        "What the reference thinks of all rows is computed once before the first step, so that no second copy of the model is kept.",
        "preference",
    )

    max_length: int | None = setting(
        None, "Longest row in tokens (maximum length)", "What is longer is cut at the end.", "memory", ge=16, le=1_048_576
    )
    micro_batch: int | None = setting(
        None, "Rows at once (micro-batch)", "Fewer take less memory; the rows per step stay.", "memory", ge=1, le=4096
    )
    gradient_checkpointing: bool | None = setting(
        None, "Save memory by computing twice (gradient checkpointing)", "Halves the working memory for about a third more time.", "memory"
    )
    packing: bool | None = setting(None, "Packing", "Puts several short rows side by side so that no room is wasted.", "memory")
    precision: Literal["bf16", "fp16", "fp32"] | None = setting(
        None,
        "Precision",
        "bf16 takes half the memory of fp32 and is as good for this; fp16 with a loss scaler is for cards that have no bf16.",
        "memory",
    )
    adapter_precision: Literal["fp32", "bf16"] = setting(
        "fp32",
        "Precision of the adapter",
        "What LoRA trains, and its gradients. bf16 takes half the memory, and very small updates are rounded away.",
        "memory",
    )
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor"] = setting(
        "adamw",
        "Optimizer",
        "adamw is the standard; adamw_8bit keeps its state in a quarter of the memory; paged_adamw_8bit moves it to the computer's memory "
        "when the card is full.",
        "memory",
    )
    device: str | None = setting(
        None, "Device", "cpu, cuda:0, ... ; the fastest one when left empty.", "memory", pattern=r"^(cpu|mps|cuda:\d+)$"
    )

    eval_steps: int | None = setting(
        None, "Test every so many steps", "How often the held-out rows are tried.", "watch", ge=1, le=10_000_000
    )
    save_steps: int | None = setting(
        None,
        "Save every so many steps",
        "A run resumes from what was saved last; a new best state is saved at once.",
        "watch",
        ge=1,
        le=10_000_000,
    )
    early_stopping: int | None = setting(
        None,
        "Stop when it gets no better (early stopping)",
        "Ends the run after so many tests in a row without a better held-out loss; 0 never does.",
        "watch",
        ge=0,
        le=1000,
    )
    keep_checkpoints: int = setting(
        2, "Checkpoints to keep", "The best one and the newest ones; older ones make room.", "watch", ge=2, le=100
    )

    @model_validator(mode="before")
    @classmethod
    def _as_typed(cls, values: Any) -> Any:
        """An empty text leaves a setting open; true is not the number 1."""
        if not isinstance(values, dict):
            return values
        said = {k: None if v == "" else v for k, v in values.items()}
        return {k: str(v) if isinstance(v, bool) and k in cls.model_fields and base_type(k) is not bool else v for k, v in said.items()}

    def given(self) -> dict[str, Any]:
        """What somebody set, apart from model and data."""
        return {k: getattr(self, k) for k in self.model_fields_set if k not in ("model", "data")}


FIELDS = RunConfig.model_fields


def group_of(name: str) -> str:
    return FIELDS[name].json_schema_extra["group"]


def is_simple(name: str) -> bool:
    return FIELDS[name].json_schema_extra["simple"]


def choices(name: str) -> list[str] | None:
    """The words a setting may take, or None when it is not a choice among words."""
    for kind in (FIELDS[name].annotation, *get_args(FIELDS[name].annotation)):
        if getattr(kind, "__origin__", None) is Literal:
            return list(get_args(kind))
    return None


def base_type(name: str) -> type:
    """bool, int, float, list or str: what a widget for the setting holds."""
    kinds = [FIELDS[name].annotation, *get_args(FIELDS[name].annotation)]
    return next((t for t in (bool, int, float, str) if t in kinds), str)


def limits(name: str) -> dict[str, float]:
    """{'gt': 0, 'le': 1, ...} as the field has them."""
    return {key: getattr(m, key) for m in FIELDS[name].metadata for key in ("gt", "ge", "lt", "le") if getattr(m, key, None) is not None}


def available(name: str) -> str:
    """In words, what a setting may be: 'bf16 or fp32', 'a whole number from 1 to 1024'."""
    if name not in FIELDS:
        return ", ".join(FIELDS)
    if words := choices(name):
        return " or ".join(words)
    kind = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[base_type(name)]
    bounds = limits(name)
    low = f" above {_number(bounds['gt'])}" if "gt" in bounds else f" from {_number(bounds['ge'])}" if "ge" in bounds else ""
    high = f" below {_number(bounds['lt'])}" if "lt" in bounds else f" to {_number(bounds['le'])}" if "le" in bounds else ""
    return kind + low + high


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{int(value):,}"


def parse(values: dict[str, Any]) -> RunConfig:
    """A checked `RunConfig`, or every problem at once (`Problems` or one `SettingError`), each beside its field."""
    if not isinstance(values, dict):
        raise SettingError(
            "The settings are not a list of names and values.",
            asked=str(values)[:80],
            available="name: value, one a line",
            remedy="Write them like the files in presets/.",
            field=None,
        )
    try:
        return RunConfig(**values)
    except ValidationError as error:
        raise_all(_problems(error))
        raise


def _problems(error: ValidationError) -> list[TunerError]:
    found: dict[str, TunerError] = {}
    for e in error.errors():
        name = str(e["loc"][0]) if e["loc"] else ""
        if e["type"] == "extra_forbidden":
            found.setdefault(
                name,
                SettingError(
                    f"There is no setting called {name}.",
                    asked=name,
                    available=list(FIELDS),
                    remedy=f"Did you mean {_closest(name)}?",
                    field=name,
                ),
            )
        else:
            found.setdefault(
                name,
                SettingError(
                    f"{FIELDS[name].title} can't be {e['input']!r}.",
                    asked=e["input"],
                    available=available(name),
                    remedy=f"Choose {available(name)}.",
                    field=name,
                ),
            )
    return list(found.values())


def _closest(name: str) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, FIELDS, 1, 0.0)), "learning_rate")


def from_pairs(pairs: list[str]) -> dict[str, Any]:
    """`-s key=value` arguments, values read as YAML: {'lora_targets': ['q', 'v']}."""
    out: dict[str, Any] = {}
    problems: list[TunerError] = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            problems.append(
                SettingError(
                    f"{pair!r} is not key=value.", asked=pair, available="key=value", remedy="Write for example -s epochs=2.", field=key
                )
            )
            continue
        try:
            out[key.strip()] = yaml_value(text)
        except yaml.YAMLError:
            problems.append(
                SettingError(
                    f"The value of {key} can't be read: {text!r}.",
                    asked=text,
                    available=available(key.strip()),
                    remedy="Put brackets and quotes in pairs.",
                    field=key,
                )
            )
    raise_all(problems)
    return out


def yaml_value(text: str) -> Any:
    value = yaml.safe_load(text)
    if isinstance(value, str):  # YAML 1.1 reads 1e-4 as text, everybody else as a number
        try:
            return float(value)
        except ValueError:
            return value
    return value


def load_yaml(path) -> dict[str, Any]:
    """The settings in a YAML file, numbers like 1e-4 read as numbers."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(
            f"The file {path.name} can't be read as YAML.",
            asked=str(error)[:200],
            available="name: value, one a line",
            remedy="Write it like the files in presets/.",
        ) from error
    if not isinstance(values, dict):
        parse(values)  # says so
    return {k: yaml_value(v) if isinstance(v, str) and v[:1].isdigit() else v for k, v in values.items()}


def to_yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump({k: v for k, v in values.items() if v is not None}, sort_keys=False, allow_unicode=True)


def _default(name: str) -> str:
    value = FIELDS[name].default
    if value is None:
        return "to be chosen" if name in ("model", "data") else "no limit" if name == "max_steps" else "the planner decides"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def settings_table() -> str:
    """The README's table of settings, in Markdown."""
    lines = ["| setting | default | may be | what it does |", "| --- | --- | --- | --- |"]
    for group in GROUPS:
        for name, field in FIELDS.items():
            if group_of(name) == group:
                default = _default(name)
                lines.append(f"| `{name}` | {default} | {available(name)} | {field.description} |")
    return "\n".join(lines)
