"""The settings of a run, defined once: default, range, label, help sentence, group, simple or advanced.

The form, the YAML presets, `-s key=value` (read by `parsing`), validation and the table of settings in the documentation all come from here.
`RunConfig` is what a person asked for; the planner decides what is None there, never changes what a person set, and returns `Settings`.
"""

from dataclasses import asdict
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tuner.models import custom_template
from tuner.settings import trackers
from tuner.settings.losses import LOSSES
from tuner.settings.methods import METHODS
from tuner.settings.objectives import OBJECTIVES, USES_CHAT_TEMPLATE

GROUPS = {  # in the order in which the form shows them
    "goal": "Model, data and task",
    "effort": "Training",
    "adapter": "Method options",
    "preference": "Preference training",
    "memory": "Memory and speed",
    "watch": "Evaluation and checkpoints",
}


TEMPLATE_PROBLEM = "chat_template"  # pydantic's type of the error; its context holds the parts of a `SettingError`


def setting(default: Any, title: str, sentence: str, group: str, *, simple: bool = False, **limits: Any) -> Any:
    """Return a field of `Settings`. `title` is its label, the standard term; `sentence` is the help text below it."""
    return Field(default, title=title, description=sentence, json_schema_extra={"group": group, "simple": simple}, **limits)


class Settings(BaseModel):
    """The settings of a run, one attribute each; None: not decided yet (while it is planned), or without effect on this run."""

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())

    objective: Literal[tuple(OBJECTIVES)] | None = setting(
        None,
        "Objective",
        "What the model is trained to do: answer in a chat, continue text, assign labels or numbers, or turn one text into another.",
        "goal",
        simple=True,
    )
    method: Literal[tuple(METHODS)] = setting(
        "lora",
        "Method",
        "LoRA trains a small adapter and leaves the model unchanged; full fine-tuning changes every weight.",
        "goal",
        simple=True,
    )

    chat_template: str | None = setting(
        None,
        "Chat template",
        "How messages are written as text: a named template for a model without one of its own, or your own in Jinja for any model.",
        "goal",
    )

    fold_system: bool = setting(
        False,
        "Merge system messages into the question",
        "For a model whose chat template accepts no system message: its text is put at the start of the user message that follows.",
        "goal",
    )
    accept_lost_rows: bool = setting(
        False,
        "Train without the lost rows",
        "Starts even if more than 1% of the rows are truncated or left out, as the plan reports.",
        "goal",
    )

    epochs: float = setting(
        3.0,
        "Epochs",
        "How many times the training reads the whole dataset. Too many, and the model memorizes it (overfitting).",
        "effort",
        simple=True,
        gt=0,
        le=1000,
    )
    learning_rate: float | None = setting(
        None,
        "Learning rate",
        "How much each step changes the weights. Too low, and little is learned; too high, and the model forgets what it knew.",
        "effort",
        simple=True,
        gt=0,
        le=1,
    )
    max_steps: int | None = setting(
        None, "Max steps", "Ends the run after this many steps, whatever the number of epochs.", "effort", ge=1, le=10_000_000
    )
    effective_batch: int | None = setting(
        None, "Effective batch size", "How many rows the model sees before each update of its weights.", "effort", ge=1, le=65536
    )
    schedule: Literal["cosine", "linear", "constant"] = setting(
        "cosine", "Learning rate schedule", "How the learning rate falls during the run, so that the last steps are small.", "effort"
    )
    warmup: float = setting(
        0.03, "Warmup", "The share of the steps during which the learning rate rises from zero.", "effort", ge=0, le=0.5
    )
    weight_decay: float = setting(
        0.0, "Weight decay", "Pulls the weights towards zero; a little helps long runs of full fine-tuning.", "effort", ge=0, le=1
    )
    max_grad_norm: float = setting(
        1.0, "Gradient clipping (max grad norm)", "Limits how far a single unusual batch can change the model.", "effort", gt=0, le=1000
    )
    seed: int = setting(42, "Seed", "The same seed on the same computer gives the same run.", "effort", ge=0, le=2**31 - 1)

    lora_rank: int = setting(
        16, "LoRA rank", "The size of the adapter: a higher rank can learn more and takes more memory.", "adapter", ge=1, le=1024
    )
    lora_alpha: float | None = setting(
        None, "LoRA alpha", "How strongly the adapter acts; usually twice the rank.", "adapter", gt=0, le=8192
    )
    lora_dropout: float = setting(
        0.0,
        "LoRA dropout",
        "Drops a random share of the adapter's inputs against overfitting; costs about a fifth of the speed.",
        "adapter",
        ge=0,
        lt=1,
    )
    lora_targets: str | list[str] = setting(
        "all-linear", "LoRA target modules", "all-linear, some of q k v o gate up down, or module names.", "adapter"
    )
    use_dora: bool = setting(
        False, "DoRA", "Trains the size and the direction of each update separately: slightly better, much slower.", "adapter"
    )
    use_rslora: bool = setting(False, "rsLoRA", "Scales the adapter by the square root of its rank: for ranks above 64.", "adapter")

    lora_init: Literal["default", "pissa", "olora"] = setting(
        "default",
        "LoRA initialization",
        "pissa and olora start from the strongest directions of the weights and converge sooner.",
        "adapter",
    )
    quantization: Literal["nf4", "int8"] | None = setting(
        None,
        "Quantization",
        "nf4 stores the base model's weights in 4 bits, int8 in 8 bits; the adapter is not quantized.",
        "adapter",
    )
    last_layers: int = setting(
        2,
        "Last layers",
        "How many layers to train, counted from the top; the final norm is always trained with them.",
        "adapter",
        ge=1,
        le=1024,
    )
    train_head: bool = setting(
        False,
        "Train the output layer (LM head)",
        "Also trains the output layer, even where it shares its weights with the input embeddings.",
        "adapter",
    )
    train_embeddings: bool = setting(
        False, "Train the embeddings", "Also trains the input embeddings: for new words or a new language.", "adapter"
    )
    adapter_placement: Literal["houlsby", "pfeiffer"] = setting(
        "pfeiffer", "Adapter placement", "houlsby: after attention and after the MLP; pfeiffer: after the MLP only.", "adapter"
    )
    adapter_size: int = setting(64, "Adapter size", "The width of the bottleneck.", "adapter", ge=1, le=8192)
    virtual_tokens: int = setting(
        20, "Virtual tokens", "How many trained positions a prompt or prefix method puts before the text.", "adapter", ge=1, le=512
    )
    prompt_text: str | None = setting(
        None, "Initial prompt text", "Prompt tuning starts from this text instead of from random numbers.", "adapter", max_length=4000
    )
    prefix_projection: bool = setting(
        False, "Prefix projection", "A small network produces the prefixes: more stable, and more parameters to train.", "adapter"
    )
    class_weights: bool = setting(
        False, "Class weights", "Gives rare labels a larger weight in the loss, so that the model does not ignore them.", "adapter"
    )

    preference_loss: Literal[tuple(LOSSES)] | None = setting(
        None,
        "Preference loss",
        "sigmoid is DPO; kto takes answers that were rated one by one. The documentation describes the others.",
        "preference",
    )
    beta: float | None = setting(
        None,
        "Beta",
        "A larger beta keeps the model closer to the reference model; for losses without one, it is the weight of the preference.",
        "preference",
        gt=0,
        le=100,
    )
    label_smoothing: float | None = setting(
        None,
        "Label smoothing",
        "The share of judgments that is expected to be wrong, for the losses that use it.",
        "preference",
        ge=0,
        lt=0.5,
    )
    precompute_reference: bool | None = setting(
        None,
        "Precompute reference log probabilities",
        "Computes the reference model's values for all rows once before the first step, so that no second copy of the model is kept.",
        "preference",
    )

    max_length: int | None = setting(
        None, "Max length", "The longest row, in tokens. Longer rows are truncated at the end.", "memory", ge=16, le=1_048_576
    )
    micro_batch: int | None = setting(
        None,
        "Micro-batch (batch size per device)",
        "Fewer rows take less memory; the effective batch size stays the same.",
        "memory",
        ge=1,
        le=4096,
    )
    gradient_checkpointing: bool | None = setting(
        None, "Gradient checkpointing", "Halves the memory for activations by computing them twice, for about a third more time.", "memory"
    )
    packing: bool | None = setting(
        None, "Packing", "Puts several short rows into one sequence, so that less is spent on padding.", "memory"
    )
    precision: Literal["bf16", "fp16", "fp32"] | None = setting(
        None,
        "Precision",
        "bf16 takes half the memory of fp32 and trains as well; fp16 with a loss scaler is for cards without bf16.",
        "memory",
    )
    adapter_precision: Literal["fp32", "bf16"] = setting(
        "fp32",
        "Adapter precision",
        "For the LoRA weights and their gradients. bf16 takes half the memory, but rounds very small updates away.",
        "memory",
    )
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor"] = setting(
        "adamw",
        "Optimizer",
        "adamw is the standard; adamw_8bit keeps its state in a quarter of the memory; paged_adamw_8bit moves that state to the computer's "
        "memory when the card is full.",
        "memory",
    )
    processes: int = setting(
        1,
        "Processes",
        "Trains on so many GPUs at once, one process each, which share every batch (data-parallel). On a CPU they share its cores.",
        "memory",
        ge=1,
        le=64,
    )
    sharding: bool | None = setting(
        None,
        "Sharding (FSDP)",
        "Each of several processes holds only its part of the model, for models that are too large for one card; slower.",
        "memory",
    )
    device: str | None = setting(
        None,
        "Device",
        "cpu, mps or cuda:0, cuda:1 ...; if empty, the fastest one is used. Several cards, as cuda:0,cuda:2, train together.",
        "memory",
        pattern=r"^(cpu|mps|cuda:(\d+|MIG-[\w/-]+)|cuda:\d+(,cuda:\d+)+)$",
    )

    eval_steps: int | None = setting(
        None, "Evaluation steps", "Evaluates on the validation rows every so many steps.", "watch", ge=1, le=10_000_000
    )
    save_steps: int | None = setting(
        None,
        "Save steps",
        "Saves a checkpoint every so many steps. A run resumes from the last one; a new best one is saved at once.",
        "watch",
        ge=1,
        le=10_000_000,
    )
    early_stopping: int | None = setting(
        None,
        "Early stopping (patience)",
        "Ends the run after this many evaluations in a row without a better validation loss; 0 turns it off.",
        "watch",
        ge=0,
        le=1000,
    )
    keep_checkpoints: int = setting(
        2, "Checkpoints to keep", "The best one and the newest ones; older ones are deleted.", "watch", ge=2, le=100
    )

    sample_prompts: int = setting(
        3,
        "Sample prompts",
        "Prompts of validation rows, or your own, that the model answers at each evaluation; 0 asks none.",
        "watch",
        ge=0,
        le=5,
    )
    report_to: str | None = setting(
        None,
        "Trackers",
        "Reports the metrics to tensorboard, mlflow, trackio or wandb as well, separated by commas. Off when empty.",
        "watch",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_typed(cls, values: Any) -> Any:
        """Read an empty text as None, and keep true and false from being read as the numbers 1 and 0."""
        if not isinstance(values, dict):
            return values
        entered = {k: None if v == "" else v for k, v in values.items()}
        return {k: str(v) if isinstance(v, bool) and k in cls.model_fields and base_type(k) is not bool else v for k, v in entered.items()}

    @field_validator("lora_targets", mode="before")
    @classmethod
    def _targets(cls, value: Any) -> Any:
        """Take "all", as other tools call it, for all-linear."""
        return "all-linear" if value in ("all", ["all"]) else value

    @field_validator("report_to", mode="before")
    @classmethod
    def _trackers(cls, value: Any) -> Any:
        """Take a list or a text with commas; "none" is none."""
        found = value if isinstance(value, list) else trackers.names(value) if isinstance(value, str) else None
        if found is None:
            return value
        found = list(dict.fromkeys(str(name).strip().lower() for name in found if str(name).strip().lower() != "none"))
        if unknown := [name for name in found if name not in trackers.TRACKERS]:
            raise ValueError(f"no tracker is called {unknown[0]}")
        return ",".join(found) or None

    @field_validator("chat_template")
    @classmethod
    def _template(cls, value: str | None) -> str | None:
        """Check a name, or the syntax of a template; its lines end as on every system."""
        value = value.replace("\r\n", "\n") if value else None
        if value and (found := custom_template.problem(value)):
            raise PydanticCustomError(TEMPLATE_PROBLEM, "{message}", asdict(found))
        return value

    @property
    def template(self) -> str | None:
        """The chat template that is used: only objectives with conversations write any."""
        return self.chat_template if self.objective in USES_CHAT_TEMPLATE else None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the settings of a stored plan, unchecked: names that this version doesn't know are left out, missing ones take their default."""
        return cls.model_construct(**values)

    def as_json(self) -> dict[str, Any]:
        """Return the settings that were decided, in the order of the form."""
        return self.model_dump(exclude_unset=True)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with these settings changed; ValueError for a name that is not a setting."""
        out = self.model_copy()
        for name, value in changes.items():
            setattr(out, name, value)
        return out


class RunConfig(Settings):
    """The requested settings. Unknown keys are refused; None leaves the choice to the planner."""

    model: str | None = setting(None, "Model", "The starter model, a folder, a Hub id, or a run to continue from.", "goal", simple=True)
    data: str | None = setting(None, "Dataset", "The dataset to train on, as id or id@version.", "goal", simple=True)

    def given(self) -> dict[str, Any]:
        """Return the settings that were set explicitly, apart from model and data."""
        return {k: getattr(self, k) for k in self.model_fields_set if k not in ("model", "data")}


FIELDS = {name: RunConfig.model_fields[name] for name in ("model", "data", *Settings.model_fields)}  # in the order of the form


def group_of(name: str) -> str:
    return FIELDS[name].json_schema_extra["group"]


def is_simple(name: str) -> bool:
    return FIELDS[name].json_schema_extra["simple"]


def choices(name: str) -> list[str] | None:
    """Return the values that a setting may take, or None when it is not a choice from a list."""
    for kind in (FIELDS[name].annotation, *get_args(FIELDS[name].annotation)):
        if getattr(kind, "__origin__", None) is Literal:
            return list(get_args(kind))
    return None


def base_type(name: str) -> type:
    """Return the type of value that a widget for the setting holds: bool, int, float or str."""
    kinds = [FIELDS[name].annotation, *get_args(FIELDS[name].annotation)]
    return next((t for t in (bool, int, float, str) if t in kinds), str)


def limits(name: str) -> dict[str, float]:
    """Return the numeric limits of a setting: {'gt': 0, 'le': 1, ...}."""
    return {key: getattr(m, key) for m in FIELDS[name].metadata for key in ("gt", "ge", "lt", "le") if getattr(m, key, None) is not None}


def available(name: str) -> str:
    """Describe the values that a setting may take: 'bf16 or fp32', 'a whole number from 1 to 1024'."""
    if name not in FIELDS:
        return ", ".join(FIELDS)
    if name == "chat_template":
        return custom_template.AVAILABLE
    if name == "report_to":
        return ", ".join(trackers.TRACKERS)
    if options := choices(name):
        return " or ".join(options)
    kind = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[base_type(name)]
    bounds = limits(name)
    low = f" above {_number(bounds['gt'])}" if "gt" in bounds else f" from {_number(bounds['ge'])}" if "ge" in bounds else ""
    high = f" below {_number(bounds['lt'])}" if "lt" in bounds else f" to {_number(bounds['le'])}" if "le" in bounds else ""
    return kind + low + high


def shown(name: str, value: Any) -> Any:
    """Return a value as lists and tables show it: a chat template in short."""
    return custom_template.brief(value) if name == "chat_template" else value


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{int(value):,}"


def _default(name: str) -> str:
    value = FIELDS[name].default
    if value is None:
        return "required" if name in ("model", "data") else "no limit" if name == "max_steps" else "the planner decides"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def settings_table() -> str:
    """Return the table of settings for the documentation, in Markdown."""
    lines = ["| setting | default | values | what it does |", "| --- | --- | --- | --- |"]
    for group in GROUPS:
        for name, field in FIELDS.items():
            if group_of(name) == group:
                default = _default(name)
                lines.append(f"| `{name}` | {default} | {available(name)} | {field.description} |")
    return "\n".join(lines)
