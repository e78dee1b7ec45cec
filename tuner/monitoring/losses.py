"""Findings about the losses and the gradients of a run."""

from typing import Any

import numpy as np
import pandas as pd

from tuner.monitoring.facts import Facts
from tuner.monitoring.history import History
from tuner.runs.run_warnings import make

FEW, MANY = 12, 50  # steps before a rise, and before standing still, is more than chance
WORSE = 0.01  # share of the baseline's loss that counts as worse
RISEN = 0.1  # share by which the training loss must have risen
SHOT_UP = 5.0  # times the loss of the first steps
FLAT = 0.02  # share within which the training loss has not moved
SURE = 3.0  # standard errors
EVALUATIONS = 3  # in a row above the best
BY_HEART = 0.1  # training loss, and its share of the first
SPIKE, BEFORE, TYPICAL = 10.0, 10, 100  # times the median of up to 100 gradient norms before, from the tenth on


def worse_than_baseline(history: History, f: Facts) -> dict[str, Any] | None:
    """Say that a run has ended with a model that is worse on the validation rows than before."""
    if not f.ended or f.baseline is None or f.best is None or f.best <= f.baseline + max(WORSE * abs(f.baseline), 1e-3):
        return None
    message = f"The model is worse than before the training: its validation loss rose from {f.baseline:.3g} to {f.best:.3g}."
    return make("worse_than_baseline", message, f"Don't use it. {f.slower}", step=f.step, severity="error")


def loss_rises(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a training loss that is higher now than at the start, or that has shot up in between."""
    steps, values = history.series("loss", f.step)
    if len(values) < FEW:
        return None
    first, last = values[: max(3, len(values) // 10)], values[-max(3, len(values) // 5) :]
    start, means = float(np.median(values[:3])), np.convolve(values, np.ones(3) / 3, "valid")
    rise, top = last.mean() - first.mean(), int(means.argmax())
    if means[top] > SHOT_UP * abs(start) and means[top] > start + 1:
        message = f"The training loss shot up from {start:.3g} to {means[top]:.3g} (step {steps[top + 1]:,})."
    elif rise > RISEN * abs(first.mean()) and rise > SURE * _error(first, last):
        message = f"The training loss rises: {first.mean():.3g} in the first steps, {last.mean():.3g} in the last."
    else:
        return None
    kept = f.best is not None and f.baseline is not None and f.best < f.baseline  # the best checkpoint is better than before all the same
    ruined = not kept and (f.ended and f.best is None or last.mean() > start + abs(start))
    return make("loss_rises", message, f.slower, step=f.step, severity="error" if ruined else "warning")


def loss_flat(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a training loss that has not moved since the warm-up, on validation rows neither."""
    steps, values = history.series("loss", f.step)
    values = values[steps > f.warmup * f.steps]
    if len(values) < MANY or abs(np.mean(values)) < BY_HEART:
        return None
    first, last = values[: len(values) // 4], values[-(len(values) // 4) :]
    moved = abs(last.mean() - first.mean())
    if moved > FLAT * abs(first.mean()) or moved > SURE * _error(first, last):
        return None
    _, tests = history.series("eval_loss", f.step)
    before = f.baseline if f.baseline is not None else tests[0] if len(tests) > 1 else None
    if before is not None and len(tests) and tests.min() < before * (1 - FLAT):
        return None
    low, high = f.rates
    remedy = "Check in the token preview that the answers are trained, or raise the learning rate."
    if f.learning_rate < low:
        remedy = f"Start again with a higher learning rate: {low:.2g} to {high:.2g} are usual for this method."
    elif f.learning_rate > high:
        remedy = f"Start again with a lower learning rate: {low:.2g} to {high:.2g} are usual for this method."
    return make("loss_flat", f"The training loss does not move: {first.mean():.3g} at first, {last.mean():.3g} now.", remedy, step=f.step)


def validation_loss_rises(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a validation loss that has been above its best in several evaluations in a row."""
    if (found := _since_best(history, f)) is None:
        return None
    step, best, now = found
    message = f"The validation loss rises: {best:.3g} at step {step:,}, {now:.3g} now. The model is overfitting; the checkpoint of step {step:,} is kept."
    return make("validation_loss_rises", message, "Train for fewer epochs, or add rows.", step=f.step)


def memorized(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a training loss near zero while the validation loss rises."""
    _, values = history.series("loss", f.step)
    found = _since_best(history, f)
    if found is None or len(values) < FEW:
        return None
    first, last = values[: max(3, len(values) // 10)].mean(), values[-max(3, len(values) // 10) :].mean()
    if last > BY_HEART or last > BY_HEART * first:
        return None
    step, best, now = found
    message = (
        f"The model has memorized the rows: its training loss is {last:.2g}, and its validation loss rose from {best:.3g} (step {step:,}) to "
        f"{now:.3g}. The checkpoint of step {step:,} is kept."
    )
    return make("memorized", message, "Train for fewer epochs, add rows, or lower the learning rate.", step=f.step)


def gradient_spikes(history: History, f: Facts) -> dict[str, Any] | None:
    """Find steps whose gradient norm is many times that of the steps before."""
    steps, values = history.series("grad_norm", f.step)
    if len(values) <= BEFORE:
        return None
    middle = _medians_before(values)
    found = np.flatnonzero(values[BEFORE:] > np.maximum(SPIKE * middle, 1.0)) + BEFORE
    if not len(found):
        return None
    first, most = found[0], values[found].max()
    often = f"{len(found)} steps" if len(found) > 1 else "One step"
    message = f"{often} had a gradient norm of more than {SPIKE:g} times the usual, up to {most:.3g}; the first was step {steps[first]:,}."
    remedy = "Gradients are clipped, so one spike does little. With many, lower the learning rate or look for odd rows in the data."
    return make("gradient_spikes", message, remedy, step=int(steps[first]), severity="info" if len(found) == 1 else "warning")


def _medians_before(values: np.ndarray) -> np.ndarray:
    """Return the median of up to `TYPICAL` values before each value from number `BEFORE` on (pandas: a window that moves, without copies)."""
    return pd.Series(values).rolling(TYPICAL, min_periods=BEFORE).median().to_numpy()[BEFORE - 1 : -1]


def _since_best(history: History, f: Facts) -> tuple[int, float, float] | None:
    """Return (step of the best evaluation, its loss, the last loss) if the last evaluations are all worse; else None."""
    steps, values = history.series("eval_loss", f.step)
    if len(values) <= EVALUATIONS:
        return None
    best = int(values.argmin())
    last = values[-EVALUATIONS:]
    if len(values) - 1 - best < EVALUATIONS or last.min() <= values[best] + 1e-3 or values[-1] <= values[best] * 1.02:
        return None
    return int(steps[best]), float(values[best]), float(values[-1])


def _error(first: np.ndarray, last: np.ndarray) -> float:
    """Return the standard error of the difference of two means."""
    return float(np.sqrt(first.var(ddof=1) / len(first) + last.var(ddof=1) / len(last)))
