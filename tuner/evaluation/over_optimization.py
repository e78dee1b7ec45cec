"""Signs that learning from preferences has gone too far, read off a run's metrics. No torch.

The loss falls while the model gets worse (Gao et al. 2022, arXiv:2210.10760; Rafailov et al. 2024, arXiv:2406.02900): good answers become
less likely along with the bad ones (Razin et al. 2024, arXiv:2410.08847), answers get longer (Park et al. 2024, arXiv:2403.19159), the
margin of held-out pairs falls while that of the learnt ones grows.
"""

from collections.abc import Iterable

SUNK = (0.1, 2.0)  # a better answer's log-probability fell by this share of itself, and by so many nats
LONGER, TOKENS = 1.5, 8  # times as long as before the training, and by so many tokens
LOST = 0.2  # of the best held-out margin
AT_ONCE = 0.15  # of the steps done so far


def signs(rows: Iterable[tuple[int, str, float | None]]) -> list[str]:
    """Sentences, the gravest first; [] when all is well. `rows` are (step, key, value) as `runs.metrics` gives them."""
    table: dict[str, dict[int, float]] = {}
    for step, key, value in rows:
        if value is not None:
            table.setdefault(key, {})[step] = value
    found = (sunk(table), longer(table), lost(table), at_once(table))
    return [sentence for sentence in found if sentence]


def sunk(table: dict[str, dict[int, float]]) -> str | None:
    """Good and bad held-out answers less likely than they were to the reference."""
    ratio, bad, now = (_last(table, f"eval_{k}") for k in ("log_ratio/chosen", "log_ratio/rejected", "logps/chosen"))
    if ratio is None or bad is None or now is None:
        return None
    share, nats = SUNK
    if ratio < -nats and bad < 0 and -ratio > share * abs(now - ratio):
        return (
            f"Good answers have become less likely along with the bad ones (held out, by {-ratio:.1f} and {-bad:.1f} nats): the model moves "
            "away from both. A larger beta, fewer passes, or the loss nca_pair or apo_zero holds the good ones up."
        )
    return None


def longer(table: dict[str, dict[int, float]]) -> str | None:
    """The answers that it writes to held-out questions much longer than before the first step."""
    lengths = table.get("eval_length/written", {})
    before, now = lengths.get(0), _last(table, "eval_length/written")
    if before is None or now is None or now < LONGER * before or now - before < TOKENS:
        return None
    given = _last(table, "eval_length/chosen")
    if given is not None and now <= given * LONGER:  # as long as the good answers: that is what it was taught
        return None
    return (
        f"The answers it writes have become {now / max(before, 1):.1f} times as long ({before:.0f} to {now:.0f} tokens, of up to 8 held-out "
        "questions). The loss sigmoid_norm does not favour length."
    )


def lost(table: dict[str, dict[int, float]]) -> str | None:
    """The held-out margin falling from its best while that of the learnt rows grows."""
    held, learnt = table.get("eval_rewards/margins", {}), table.get("rewards/margins", {})
    tests = [held[step] for step in sorted(held) if step]
    if len(tests) < 3 or len(learnt) < 4:
        return None
    best, steps = max(tests), sorted(learnt)
    half = len(steps) // 2
    grows = sum(learnt[s] for s in steps[half:]) / (len(steps) - half) > sum(learnt[s] for s in steps[:half]) / half
    if best > 0 and grows and all(value < (1 - LOST) * best for value in tests[-2:]):
        return (
            f"The margin of held-out pairs fell from {best:.2f} to {tests[-1]:.2f} while that of the learnt pairs grows: it learns them by "
            "heart. The best state is kept; fewer passes would do."
        )
    return None


def at_once(table: dict[str, dict[int, float]]) -> str | None:
    """All pairs told apart from the first steps on: something simple may give them away."""
    right = table.get("rewards/accuracies", {})
    steps = sorted(right)
    early = [right[s] for s in steps if s > 1][: max(3, int(AT_ONCE * len(steps)))]
    if len(steps) >= 20 and early and min(early) >= 1.0:
        return (
            "All pairs were told apart after the first step: something simple may give the better answers away (their length, a first word). "
            "Look at some pairs before you trust the result."
        )
    return None


def _last(table: dict[str, dict[int, float]], key: str) -> float | None:
    found = table.get(key)
    return found[max(found)] if found else None
