"""A run that takes part in the successive halving of its sweep: it asks at each evaluation whether it goes on."""

from transformers import TrainerCallback

from tuner.jobs import halving
from tuner.paths import Workspace


class Halving(TrainerCallback):
    """Stops the training, saved, where the run falls behind the others of its sweep."""

    def __init__(self, contender: halving.Contender, report):
        self.contender, self.report, self.behind = contender, report, False

    def on_evaluate(self, args, state, control, metrics=None, **_):
        if not metrics or "eval_loss" not in metrics or not state.global_step:
            return control
        loss, evaluation = float(metrics["eval_loss"]), -(-state.global_step // int(args.eval_steps))
        if self.contender.falls_behind(evaluation, loss) and state.global_step < state.max_steps:
            self.behind = control.should_save = control.should_training_stop = True
            self.report.early = (
                f"Stopped by the sweep at step {state.global_step:,}: its validation loss ({loss:.4f}) was not among the better half of the runs that "
                "came so far."
            )
        return control


def join(job, trainer) -> Halving | None:
    """Have a run of a sweep with halving take part in it; None for any other run."""
    ws = Workspace(job.run.path.parents[2], job.run.path.parents[1].name)
    contender = halving.of(ws, job.run)
    if contender is None or trainer.eval_dataset is None:
        return None
    callback = Halving(contender, job.report)
    trainer.add_callback(callback)
    return callback
