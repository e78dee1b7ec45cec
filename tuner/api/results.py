"""What came of a job: its hyperparameters, metrics and checkpoints in OpenAI's shapes, from the run's own files."""

from typing import Any

from tuner import runs
from tuner.api import names
from tuner.api.requests import JobRequest
from tuner.formatting import csv_text
from tuner.runs import Run, checkpoint_files

COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")  # of a result file, as OpenAI's
OURS = {"loss": "train_loss", "eval_loss": "valid_loss"}


def hyperparameters(asked: JobRequest, run: Run | None) -> dict[str, Any]:
    """Return the numbers that are used, "auto" until they are known."""
    given, settings = asked.numbers.model_dump(), run.plan["settings"] if run else {}
    known = {"n_epochs": settings.get("epochs"), "batch_size": settings.get("effective_batch"), "beta": settings.get("beta")}
    out = {name: _whole(known[name]) if known.get(name) is not None else value for name, value in given.items()}
    if run and out["learning_rate_multiplier"] == "auto":
        out["learning_rate_multiplier"] = 1.0
    return out


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def steps(run: Run) -> dict[int, dict[str, float | None]]:
    """Return {step: {"train_loss", "valid_loss", "elapsed_seconds"}} of the steps that were measured."""
    found: dict[int, dict[str, float | None]] = {}
    for step, key, value in runs.metrics(run):
        if key in OURS or key == "elapsed_seconds":
            found.setdefault(step, {})[OURS.get(key, key)] = value
    return {step: values for step, values in found.items() if {"train_loss", "valid_loss"} & values.keys()}


def as_csv(run: Run) -> str:
    """Return the result file. What is not measured here (accuracies of tokens) stays empty."""
    return csv_text(COLUMNS, ([step, *(values.get(name) for name in COLUMNS[1:])] for step, values in steps(run).items()))


def checkpoints(job: dict[str, Any], run: Run | None) -> list[dict[str, Any]]:
    """Return the checkpoints of a job that can be asked, the newest first."""
    if run is None:
        return []
    measured, out = steps(run), []
    for folder in checkpoint_files.checkpoints(run.path):
        manifest = folder / "MANIFEST.json"
        if not manifest.exists():
            continue
        step = checkpoint_files.step_of(folder)
        metrics = {name: value for name, value in measured.get(step, {}).items() if name != "elapsed_seconds"}
        full = {"full_valid_loss": metrics["valid_loss"]} if "valid_loss" in metrics else {}
        out.append(
            {
                "id": f"ftckpt-{job['id'].rpartition('-')[2]}-{step}",
                "object": "fine_tuning.job.checkpoint",
                "created_at": int(manifest.stat().st_mtime),
                "fine_tuned_model_checkpoint": names.checkpoint(job, step),
                "fine_tuning_job_id": job["id"],
                "step_number": step,
                "metrics": {"step": step} | metrics | full,
            }
        )
    return out
