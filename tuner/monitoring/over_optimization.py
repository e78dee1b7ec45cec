"""Findings of over-optimization in preference training.

The loss falls while the model gets worse (Gao et al. 2022, arXiv:2210.10760; Rafailov et al. 2024, arXiv:2406.02900): good answers become
less likely along with the bad ones (Razin et al. 2024, arXiv:2410.08847), answers get longer (Park et al. 2024, arXiv:2403.19159), the
margin of validation pairs falls while that of training pairs grows.
"""

from typing import Any

from tuner.monitoring.facts import Facts
from tuner.monitoring.history import History
from tuner.runs.run_warnings import make

SUNK = (0.1, 2.0)  # fall of a better answer's log probability, as a share of itself and in nats
LONGER, TOKENS = 1.5, 8  # growth of the answers since before the training, as a factor and in tokens
LOST = 0.2  # share of the best validation margin
AT_ONCE = 0.15  # share of the steps done so far


def sunk(history: History, f: Facts) -> dict[str, Any] | None:
    """Find good and bad validation answers that are both less likely than for the reference model."""
    ratio, bad, now = (history.last(f"eval_{k}", f.step) for k in ("log_ratio/chosen", "log_ratio/rejected", "logps/chosen"))
    if ratio is None or bad is None or now is None:
        return None
    share, nats = SUNK
    if ratio >= -nats or bad >= 0 or -ratio <= share * abs(now - ratio):
        return None
    message = (
        f"Good answers have become less likely along with the bad ones (validation rows, by {-ratio:.1f} and {-bad:.1f} nats): the model moves "
        "away from both."
    )
    remedy = "Use a larger beta, fewer epochs, or the loss nca_pair or apo_zero to keep the good answers likely."
    return make("answers_less_likely", message, remedy, step=f.step)


def longer(history: History, f: Facts) -> dict[str, Any] | None:
    """Find answers to validation questions that are much longer than before the first step."""
    before, now = history.at("eval_length/written", 0), history.last("eval_length/written", f.step)
    if before is None or now is None or now < LONGER * before or now - before < TOKENS:
        return None
    given = history.last("eval_length/chosen", f.step)
    if given is not None and now <= given * LONGER:  # as long as the good answers it is trained on
        return None
    message = f"The model's answers have become {now / max(before, 1):.1f} times as long ({before:.0f} to {now:.0f} tokens, for up to 8 validation questions)."
    return make("answers_longer", message, "The loss sigmoid_norm does not favor length.", step=f.step)


def lost(history: History, f: Facts) -> dict[str, Any] | None:
    """Find a validation margin that has fallen from its best while the training margin grows."""
    evaluations, training = (history.series(key, f.step)[1] for key in ("eval_rewards/margins", "rewards/margins"))
    if len(evaluations) < 3 or len(training) < 4:
        return None
    best, half = evaluations.max(), len(training) // 2
    grows = training[half:].mean() > training[:half].mean()
    if best <= 0 or not grows or (evaluations[-2:] >= (1 - LOST) * best).any():
        return None
    message = (
        f"The margin of the validation pairs fell from {best:.2f} to {evaluations[-1]:.2f} while that of the training pairs grows: the model is "
        "overfitting."
    )
    return make("validation_margin_falls", message, "The best checkpoint is kept; train for fewer epochs.", step=f.step)


def at_once(history: History, f: Facts) -> dict[str, Any] | None:
    """Find pairs that are all distinguished from the first steps on: something trivial may give the better answer away."""
    steps, values = history.series("rewards/accuracies", f.step)
    early = values[steps > 1][: max(3, int(AT_ONCE * len(steps)))]
    if len(steps) < 20 or not len(early) or early.min() < 1.0:
        return None
    message = "All pairs were distinguished after the first step: something trivial may give the better answers away (their length, a first word)."
    return make("pairs_trivial", message, "Check some pairs before you trust the result.", step=f.step)


LOOKS = {"answers_less_likely": sunk, "answers_longer": longer, "validation_margin_falls": lost, "pairs_trivial": at_once}
