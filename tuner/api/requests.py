"""What a request for a fine-tuning job may say, and the settings of a run that it comes to."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, field_validator, model_validator

from tuner.serving.protocol import Refused
from tuner.settings import trackers

Auto = Literal["auto"]
Short = Annotated[StrictStr, Field(max_length=512)]
KINDS = {"supervised": ("chat",), "dpo": ("preference",)}  # of the training file, by method
PRESET = "balanced"  # what "auto" stands for
SHARE = 0.05  # of the rows, held out as validation rows where no validation file was given, as everywhere else


class Strict(BaseModel):
    """A part of a request: null is as if left out, which clients send for "as you like"; unknown names are refused, never ignored."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        return {k: v for k, v in given.items() if v is not None} if isinstance(given, dict) else given


class Hyperparameters(Strict):
    """Numbers, or "auto": what the preset and the planner choose for this model, data and computer."""

    n_epochs: Auto | Annotated[StrictInt, Field(ge=1, le=50)] = "auto"
    batch_size: Auto | Annotated[StrictInt, Field(ge=1, le=1024)] = "auto"
    learning_rate_multiplier: Auto | Annotated[float, Field(gt=0, le=1000)] = "auto"


class DpoHyperparameters(Hyperparameters):
    """Those of preference training."""

    beta: Auto | Annotated[float, Field(gt=0, le=2)] = "auto"


class Supervised(Strict):
    """`method.supervised`."""

    hyperparameters: Hyperparameters = Hyperparameters()


class Dpo(Strict):
    """`method.dpo`."""

    hyperparameters: DpoHyperparameters = DpoHyperparameters()


class Method(Strict):
    """`method`: one of the two that are trained here."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Any = None

    @model_validator(mode="after")
    def _one(self):
        if self.type == "reinforcement" or self.reinforcement is not None:
            raise ValueError("reinforcement fine-tuning is not possible here; supervised and dpo are")
        if (self.dpo and self.type != "dpo") or (self.supervised and self.type != "supervised"):
            raise ValueError(f"the hyperparameters belong below method.{self.type}")
        return self


class Ours(Strict):
    """`tunesmith`: what OpenAI's API has no name for. `settings` are those of `tunesmith train -s`; they go before all else."""

    settings: dict[str, Any] = Field(default_factory=dict)
    preset: StrictStr = PRESET
    validation_share: float = Field(SHARE, ge=0, le=0.5)

    @field_validator("settings")
    @classmethod
    def _no_other_data(cls, wanted: dict[str, Any]) -> dict[str, Any]:
        if wrong := [name for name in ("model", "data") if name in wanted]:
            raise ValueError(f"{' and '.join(wrong)} can't be set here: a job names its model and its files")
        return wanted


class WandB(Strict):
    """`integrations[].wandb`: where on Weights & Biases; the account is that of the server."""

    project: Annotated[StrictStr, Field(min_length=1, max_length=128)]
    name: Annotated[StrictStr, Field(max_length=128)] | None = None
    entity: Annotated[StrictStr, Field(max_length=128)] | None = None
    tags: list[Annotated[StrictStr, Field(max_length=64)]] = Field(default_factory=list, max_length=20)


class Integration(Strict):
    """`integrations[]`: the one tracker that OpenAI's API knows; others are named by `tunesmith.settings.report_to`."""

    type: Literal["wandb"]
    wandb: WandB


class JobRequest(Strict):
    """POST /v1/fine_tuning/jobs."""

    model: StrictStr
    training_file: StrictStr
    validation_file: StrictStr | None = None
    suffix: Annotated[StrictStr, Field(min_length=1, max_length=64)] | None = None
    seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    metadata: dict[Annotated[str, Field(max_length=64)], Short] = Field(default_factory=dict, max_length=16)
    integrations: list[Integration] = Field(default_factory=list, max_length=1)
    tunesmith: Ours = Ours()

    @field_validator("integrations")
    @classmethod
    def _installed(cls, wanted: list) -> list:
        if wanted and (lacking := trackers.missing(wanted[0].type)):
            raise ValueError(f"{lacking[0]} is not installed on this server: `pip install {lacking[0]}`, and log in there")
        return wanted

    @model_validator(mode="after")
    def _once(self):
        if self.hyperparameters and self.method:
            raise ValueError("hyperparameters stand below method; those of the old place are for requests without one")
        return self

    @property
    def type(self) -> str:
        """Return the method: "supervised" or "dpo"."""
        return self.method.type if self.method else "supervised"

    @property
    def numbers(self) -> Hyperparameters:
        """Return the hyperparameters, wherever they stand."""
        if self.method is None:
            return self.hyperparameters or Hyperparameters()
        if self.type == "dpo":
            return (self.method.dpo or Dpo()).hyperparameters
        return (self.method.supervised or Supervised()).hyperparameters

    def about(self) -> dict[str, Any]:
        """Return what is written into the run's about.json beside its name: where a tracker is to keep it."""
        return {"wandb": self.integrations[0].wandb.model_dump(exclude_none=True)} if self.integrations else {}

    def settings(self) -> dict[str, Any]:
        """Return the settings of the run that this asks for; "auto" is left to the preset. The learning rate is not among them."""
        n = self.numbers
        asked = {"epochs": n.n_epochs, "effective_batch": n.batch_size, "seed": self.seed, "beta": getattr(n, "beta", "auto")}
        found = {name: value for name, value in asked.items() if value not in ("auto", None)}
        found |= {"report_to": self.integrations[0].type} if self.integrations else {}
        return found | ({"preference_loss": "sigmoid"} if self.type == "dpo" else {}) | self.tunesmith.settings


class UploadRequest(Strict):
    """POST /v1/uploads."""

    bytes: StrictInt
    filename: Annotated[StrictStr, Field(min_length=1, max_length=255)]
    purpose: StrictStr
    mime_type: StrictStr = "application/jsonl"
    expires_after: Any = None

    @field_validator("expires_after")
    @classmethod
    def _stays(cls, wanted: Any) -> Any:
        return _no_expiry(wanted)


class CompleteRequest(Strict):
    """POST /v1/uploads/ID/complete."""

    part_ids: Annotated[list[StrictStr], Field(min_length=1)]
    md5: StrictStr | None = None


def _no_expiry(wanted: Any) -> Any:
    if wanted is not None:
        raise ValueError("files do not expire here; delete them when they are no longer needed")
    return wanted


def limit_of(text: str | None, default: int, most: int) -> int:
    """Return the number of items that a list's `limit` asks for; Refused for anything but 1 to `most`."""
    if text is None:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise Refused(400, f"`limit` is {text[:20]!r}; it must be a number from 1 to {most}.", param="limit")
    return int(text)
