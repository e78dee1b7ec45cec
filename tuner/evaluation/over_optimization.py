"""Warnings of over-optimization in preference training, from a run's metrics. No torch.

The loss falls while the model gets worse (Gao et al. 2022, arXiv:2210.10760; Rafailov et al. 2024, arXiv:2406.02900): good answers become
less likely along with the bad ones (Razin et al. 2024, arXiv:2410.08847), answers get longer (Park et al. 2024, arXiv:2403.19159), the
margin of validation pairs falls while that of training pairs grows.
"""

from collections.abc import Iterable

SUNK = (0.1, 2.0)  # fall of a better answer's log probability, as a share of itself and in nats
LONGER, TOKENS = 1.5, 8  # growth of the answers since before the training, as a factor and in tokens
LOST = 0.2  # share of the best validation margin
AT_ONCE = 0.15  # share of the steps done so far


def warnings(rows: Iterable[tuple[int, str, float | None]]) -> list[str]:
    """Return the warnings, the most serious first; [] without any. `rows`: (step, key, value) as from `runs.metrics`."""
    table: dict[str, dict[int, float]] = {}
    for step, key, value in rows:
        if value is not None:
            table.setdefault(key, {})[step] = value
    found = (sunk(table), longer(table), lost(table), at_once(table))
    return [sentence for sentence in found if sentence]


def sunk(table: dict[str, dict[int, float]]) -> str | None:
    """Warn when good and bad validation answers are both less likely than for the reference model."""
    ratio, bad, now = (_last(table, f"eval_{k}") for k in ("log_ratio/chosen", "log_ratio/rejected", "logps/chosen"))
    if ratio is None or bad is None or now is None:
        return None
    share, nats = SUNK
    if ratio < -nats and bad < 0 and -ratio > share * abs(now - ratio):
        return (
            f"Good answers have become less likely along with the bad ones (validation rows, by {-ratio:.1f} and {-bad:.1f} nats): the model "
            "moves away from both. Use a larger beta, fewer epochs, or the loss nca_pair or apo_zero to keep the good answers likely."
        )
    return None


def longer(table: dict[str, dict[int, float]]) -> str | None:
    """Warn when the answers to validation questions are much longer than before the first step."""
    lengths = table.get("eval_length/written", {})
    before, now = lengths.get(0), _last(table, "eval_length/written")
    if before is None or now is None or now < LONGER * before or now - before < TOKENS:
        return None
    given = _last(table, "eval_length/chosen")
    if given is not None and now <= given * LONGER:  # as long as the good answers it is trained on
        return None
    return (
        f"The model's answers have become {now / max(before, 1):.1f} times as long ({before:.0f} to {now:.0f} tokens, for up to 8 validation "
        "questions). The loss sigmoid_norm does not favor length."
    )


def lost(table: dict[str, dict[int, float]]) -> str | None:
    """Warn when the validation margin has fallen from its best while the training margin grows."""
    validation, training = table.get("eval_rewards/margins", {}), table.get("rewards/margins", {})
    evaluations = [validation[step] for step in sorted(validation) if step]
    if len(evaluations) < 3 or len(training) < 4:
        return None
    best, steps = max(evaluations), sorted(training)
    half = len(steps) // 2
    grows = sum(training[s] for s in steps[half:]) / (len(steps) - half) > sum(training[s] for s in steps[:half]) / half
    if best > 0 and grows and all(value < (1 - LOST) * best for value in evaluations[-2:]):
        return (
            f"The margin of the validation pairs fell from {best:.2f} to {evaluations[-1]:.2f} while that of the training pairs grows: the model "
            "is overfitting. The best checkpoint is kept; train for fewer epochs."
        )
    return None


def at_once(table: dict[str, dict[int, float]]) -> str | None:
    """Warn when all pairs are distinguished from the first steps on: something trivial may give the better answer away."""
    right = table.get("rewards/accuracies", {})
    steps = sorted(right)
    early = [right[s] for s in steps if s > 1][: max(3, int(AT_ONCE * len(steps)))]
    if len(steps) >= 20 and early and min(early) >= 1.0:
        return (
            "All pairs were distinguished after the first step: something trivial may give the better answers away (their length, a first "
            "word). Check some pairs before you trust the result."
        )
    return None


def _last(table: dict[str, dict[int, float]], key: str) -> float | None:
    found = table.get(key)
    return found[max(found)] if found else None
