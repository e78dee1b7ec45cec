"""What a run's settings are as arguments of transformers' Trainer: for training here, and for the script that trains the same elsewhere."""

from typing import Any

from tuner.settings import trackers
from tuner.settings.run_config import Settings

OPTIMIZERS = {"adamw_8bit": "adamw_8bit", "paged_adamw_8bit": "paged_adamw_8bit", "adafactor": "adafactor"}


def shared(settings: Settings, steps: int, validation: bool) -> dict[str, Any]:
    """Return the arguments that are the same for every trainer; nothing that the plan decides is left to transformers' defaults.

    `steps`: the plan's count, since transformers ignores num_train_epochs when max_steps is set.
    """
    return {
        "per_device_train_batch_size": settings.micro_batch,
        "per_device_eval_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.effective_batch // (settings.micro_batch * settings.processes),
        "num_train_epochs": settings.epochs,
        "max_steps": steps if settings.max_steps else -1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "seed": settings.seed,
        "optim": optimizer(settings),
        "fp16": settings.precision == "fp16",
        "gradient_checkpointing": settings.gradient_checkpointing,
        "eval_strategy": "steps" if validation else "no",
        "eval_steps": settings.eval_steps,
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "metric_for_best_model": "eval_loss" if validation else None,
        "greater_is_better": False,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "report_to": trackers.names(settings.report_to) or "none",
    }


def optimizer(settings: Settings) -> str:
    """Return transformers' name of the optimizer. On a GPU the fused AdamW: the plain one copies all trained parameters at every step."""
    fused = "adamw_torch" if settings.device == "cpu" else "adamw_torch_fused"
    return OPTIMIZERS.get(settings.optimizer, fused)


def multiple(settings: Settings) -> int | None:
    """Return the multiple that lengths are padded to: on a CPU oneDNN compiles a bf16 kernel for every new length. None without one."""
    return 32 if settings.device == "cpu" and settings.precision == "bf16" else None
