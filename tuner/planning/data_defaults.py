"""Settings that follow from the data: maximum length, packing, epochs, evaluation and checkpoint intervals. Each comes with its reason."""

import math

from tuner.devices import Device
from tuner.models import ModelFacts
from tuner.planning.decisions import FEW, HEADS, PACKABLE, TINY, Choices, DataFacts
from tuner.settings import losses, methods

LENGTHS = {
    "cpu": (1024,),
    "mps": (1024, 2048),
    "cuda": (2048, 4096, 8192),
}  # tokens that train at a reasonable speed; more where rows need it
WHOLE = 0.99  # share of the rows that must not be truncated; a person is asked before more are (dropped_rows)
SCARCE = 200  # rows: a smaller dataset gets more epochs, until the validation loss stops improving
PATIENCE = 3  # evaluations
SEVERAL = 3  # epochs, from which on a small dataset overfits
TESTS = 6  # evaluations in a run by default
SHORT = 100  # steps: in a shorter run a fraction of the steps is too short a warm-up
FEWEST = 10  # steps: a shorter run gets a warning and no warm-up


def length(choices: Choices, facts: ModelFacts, data: DataFacts, device: Device) -> None:
    """Decide `max_length`: the shortest of the usual lengths that truncates almost no rows."""
    room = facts.context - (choices.settings.virtual_tokens if choices.settings.method in methods.PROMPT_METHODS else 0)
    needed = min(max(64, math.ceil(data.longest / 64) * 64), room)
    about = "" if data.exact else "about "
    usual = [min(n, room) for n in LENGTHS[device.kind]]
    if needed <= usual[0] or needed < room and needed in usual:
        return choices.decide("max_length", needed, f"The longest row has {about}{data.longest:,} tokens.")
    best = next((n for n in usual if data.truncated_share(n) <= 1 - WHOLE), usual[-1])
    cut = data.truncated_share(best)
    truncation = f"Longer rows are truncated ({cut:.1%} of all rows)" if cut else "No row is longer"
    choices.decide(
        "max_length",
        min(best, needed),
        f"{truncation}: the longest row has {about}{data.longest:,} tokens, and {best:,} train at a reasonable speed.",
    )


def packing(choices: Choices, data: DataFacts, device: Device) -> None:
    """Decide `packing`. TRL's best-fit packing separates rows by their positions (`packing_strategy="bfd"`); it changes speed and nothing else."""
    settings = choices.settings
    if settings.objective not in PACKABLE:
        return choices.decide("packing", False, "Rows of this kind are processed one by one.")
    if device.kind != "cuda":
        return choices.decide(
            "packing", False, "It pays off on a GPU only: here the loss that it needs costs more than the padding that it saves."
        )
    text = settings.objective == "text"
    if text or (data.rows >= 2000 and data.mean * 4 < settings.max_length):
        why = "Plain text is packed without padding: rows share a sequence and don't attend to each other." if text else ""
        return choices.decide("packing", True, why or "Rows are short compared with the maximum length, so several share one sequence.")
    few = data.rows < 2000
    choices.decide(
        "packing",
        False,
        "With so few rows, packing would leave too few steps." if few else "The rows fill the maximum length well enough without it.",
    )


def epochs(choices: Choices, facts: ModelFacts, data: DataFacts) -> None:
    """Decide `epochs` and `effective_batch`. A small dataset gets more epochs; early stopping ends the run when they no longer help."""
    settings = choices.settings
    usual = choices.by("epochs") in ("preset", "default")
    if usual and settings.objective in HEADS and data.rows < FEW:
        choices.put(
            "epochs",
            3.0 * settings.epochs,
            "planner",
            "The new output head starts from random weights: it takes three times the epochs of a chat model.",
        )
    elif (
        usual
        and settings.objective != "preference"
        and data.rows < SCARCE
        and data.held_out
        and facts.parameters >= TINY
        and settings.epochs > 1
    ):
        choices.put(
            "epochs",
            2.0 * settings.epochs,
            "planner",
            f"{data.rows:,} rows are few: twice the epochs, as long as the validation loss improves.",
        )
    elif usual and settings.objective == "preference" and facts.parameters >= TINY and settings.epochs > 2:
        choices.put("epochs", 2.0, "planner", "Preferences train in one or two epochs; more make both answers less likely.")
    elif usual and settings.objective == "preference" and facts.parameters < TINY and data.rows < FEW:
        choices.put("epochs", round(4 / 3 * settings.epochs, 2), "planner", "A model this small takes four epochs where others take three.")
    size = 4 if data.rows < 100 else 8 if data.rows < 500 else 16 if data.rows < 10_000 else 32
    if (micro := settings.micro_batch) and size % micro:
        size = micro * max(1, size // micro)
    together = (settings.micro_batch or 1) * settings.processes
    size = together * max(1, round(size / together)) if settings.processes > 1 else size
    choices.decide("effective_batch", size, f"With {data.rows:,} rows this gives enough steps.")


def reference(choices: Choices) -> None:
    """Decide `precompute_reference`: beforehand where that is faster, or avoids a second copy of the model."""
    settings = choices.settings
    loss = losses.get(settings.preference_loss)
    if not loss.reference:
        return choices.decide("precompute_reference", False, f"{loss.title} needs no reference model.")
    if settings.method == "full":
        return choices.decide(
            "precompute_reference", True, "All weights change: computing it once before training avoids a second copy of the model."
        )
    often = settings.epochs >= 2
    why = "Computed once, it need not be computed again in every epoch." if often else "In a single epoch each row is computed once anyway."
    choices.decide("precompute_reference", often, why)


def intervals(choices: Choices, data: DataFacts) -> int:
    """Return the number of steps; decide when to evaluate, save and stop, and the warm-up of short runs."""
    settings = choices.settings
    steps = _steps(choices, data)
    interval = max(1, min(200, steps // TESTS))
    if settings.save_steps and not settings.eval_steps:
        interval = settings.save_steps
    evaluations = f"About {max(1, steps // interval)} evaluations in a run show how it develops."
    choices.decide("eval_steps", interval, evaluations if data.held_out else "There are no validation rows to evaluate on.")
    choices.decide("save_steps", settings.eval_steps, "Saved at every evaluation, so that the best checkpoint can be kept.")
    # a person who sets epochs or steps gets all of them
    many = data.held_out and settings.epochs >= SEVERAL and data.rows < FEW and choices.by("epochs") != "you" and not settings.max_steps
    why = "Several epochs over few rows overfit: the run stops when the validation loss no longer improves."
    choices.decide("early_stopping", PATIENCE if many else 0, why if many else "Not needed: the best checkpoint is kept in any case.")
    warmup(choices, steps)
    return steps


def warmup(choices: Choices, steps: int) -> None:
    """Decide the warm-up of a short run. A warm-up starts at a learning rate of 0, so it would use up most of a run of few steps."""
    settings = choices.settings
    if steps < FEWEST:
        own, taken = choices.by("warmup") == "you", math.ceil(settings.warmup * steps)
        if settings.warmup and (not own or 2 * taken > steps):
            reason = f"In a run of {steps} step{'s' * (steps > 1)} no step is spent on a warm-up, which starts at a learning rate of 0."
            choices.put("warmup", 0.0, "planner", reason)
    elif choices.by("warmup") == "default" and steps < SHORT and settings.warmup < (share := min(0.2, round(3 / steps, 3))):
        choices.put("warmup", share, "planner", f"Three of {steps} steps, so that the first ones are not the largest.")


def too_few_steps(choices: Choices, data: DataFacts, steps: int) -> list[str]:
    """Return a warning for a run that ends before much can change; [] for others."""
    settings = choices.settings
    if steps >= FEWEST:
        return []
    limited = settings.max_steps == steps
    why = "max_steps ends it there" if limited else f"{data.usable(settings.max_length):,} rows, {settings.effective_batch} in each step"
    remedy = "Raise max_steps, or leave it out." if limited else "Train more epochs, or choose a smaller effective batch size."
    return [f"The run has only {steps} step{'s' * (steps > 1)} ({why}): the model will hardly change. {remedy}"]


def _steps(choices: Choices, data: DataFacts) -> int:
    settings = choices.settings
    rows = max(1, data.usable(settings.max_length))
    if settings.packing:
        rows = max(1, math.ceil(rows * min(data.mean, settings.max_length) / settings.max_length))
    steps = max(1, math.ceil(math.ceil(rows / settings.effective_batch) * settings.epochs))
    return min(steps, settings.max_steps) if settings.max_steps else steps
