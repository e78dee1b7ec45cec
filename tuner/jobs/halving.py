"""Successive halving of a sweep: at its 1st, 2nd, 4th, 8th ... evaluation a run goes on only if its validation loss is among the better half of
those that came so far (asynchronous successive halving, Li et al. 2020, arXiv:1810.05934).

Optuna decides, and keeps what was measured in one journal file of the workspace; each run's own worker asks it, so that the runs stay ordinary
jobs of the queue, on whatever device. With one device the runs come one after the other: the first is never stopped, and each later one is
compared with those before it.
"""

import math
from importlib.util import find_spec
from typing import Any

from tuner import runs
from tuner.errors import SettingError
from tuner.paths import Workspace

EXTRA = "sweeps"
KEPT = 2  # one of so many goes on (Optuna's reduction_factor; its own default is 4, which judges a run by its first evaluation alone)


def require() -> None:
    """Raise SettingError when Optuna is not installed."""
    if find_spec("optuna") is None:
        raise SettingError(
            "Stopping the weaker runs of a sweep needs Optuna, which is not installed.",
            asked="halving",
            available="a sweep in which all runs train to their end",
            remedy=f'Install it with `pip install "tunesmith[{EXTRA}]"`, or leave --halving out.',
            field="halving",
        )


def begin(ws: Workspace, sweep: str, combinations: list[dict[str, Any]]) -> list[int]:
    """Make the study of a sweep and return the number of each combination in it."""
    require()
    ws.sweeps.mkdir(parents=True, exist_ok=True)
    study = _study(ws, sweep)
    return [_asked(study, combination) for combination in combinations]


def _asked(study, combination: dict[str, Any]) -> int:
    """Enter a combination as a trial: its values as attributes, since they may be lists."""
    trial = study.ask()
    trial.set_user_attr("settings", {key: repr(value) for key, value in combination.items()})
    return trial.number


def _study(ws: Workspace, sweep: str):
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = str(ws.sweeps / f"{sweep}.journal")
    # not the default lock, which is a symlink: Windows lets only administrators make one
    storage = optuna.storages.JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file)))
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=KEPT)
    return optuna.create_study(storage=storage, pruner=pruner, direction="minimize", study_name=sweep, load_if_exists=True)


class Contender:
    """A run in the study of its sweep, as its worker sees it."""

    def __init__(self, ws: Workspace, run: runs.Run):
        import optuna

        self.study, self.number = _study(ws, run.about["sweep"]), run.about["trial"]
        self.trial = optuna.trial.Trial(
            self.study, self.study._storage.get_trial_id_from_study_id_trial_number(self.study._study_id, self.number)
        )

    def falls_behind(self, evaluation: int, loss: float) -> bool:
        """Report the validation loss of an evaluation (from 1 on); return whether the run should stop there."""
        self.trial.report(loss if math.isfinite(loss) else math.nan, evaluation)
        return self.trial.should_prune()

    def end(self, loss: float | None, *, behind: bool) -> None:
        """Record how the run ended; a run that is resumed after its end was recorded is not recorded again."""
        from optuna.trial import TrialState

        if behind:
            self.study.tell(self.number, state=TrialState.PRUNED, skip_if_finished=True)
        elif loss is not None and math.isfinite(loss):
            self.study.tell(self.number, loss, skip_if_finished=True)
        else:
            self.study.tell(self.number, state=TrialState.FAIL, skip_if_finished=True)


def of(ws: Workspace, run: runs.Run) -> Contender | None:
    """Return a run's part in the halving of its sweep; None for a run that takes part in none."""
    return Contender(ws, run) if run.about.get("sweep") and isinstance(run.about.get("trial"), int) else None
