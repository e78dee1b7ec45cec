"""What findings need to know of a run beside its metrics."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`step` of `steps`; `warmup` as a share of the steps; the usual learning rates of the method, low to high.

    `baseline` and `best`: the validation loss before the training and of the best checkpoint, None where unknown. `waited`: the share of the
    time of the last steps that was spent on fetching rows. `memory_free`: bytes that the run may use. `disk_free` and `disk_needed`: bytes that
    are free, and that the next checkpoint and the model take; None before the first checkpoint.
    """

    step: int
    steps: int
    learning_rate: float = 0.0
    rates: tuple[float, float] = (0.0, float("inf"))
    warmup: float = 0.0
    baseline: float | None = None
    best: float | None = None
    waited: float = 0.0
    memory_free: int = 0
    disk_free: int | None = None
    disk_needed: int | None = None
    ended: bool = False

    @property
    def slower(self) -> str:
        """What to do when the learning rate may be too high."""
        return f"Start again with a lower learning rate, such as {min(self.learning_rate / 3, self.rates[1]):.2g}."
