"""What the data decides: how long rows may be, whether they are packed, how often they are read, tested and saved. Each with its reason."""

import math

from tuner.devices import Device
from tuner.models import ModelFacts
from tuner.planning.decisions import FEW, HEADS, PACKS, TINY, Choices, DataFacts
from tuner.settings import losses, methods

LENGTHS = {"cpu": (1024,), "mps": (1024, 2048), "cuda": (2048, 4096, 8192)}  # tokens: what is read at a fair speed; more where rows need it
WHOLE = 0.99  # of the rows should not be cut: more is asked about (row_losses)
SCARCE = 200  # rows: so few are read more often, until held-out rows get no better
PATIENCE = 3  # tests
TESTS = 6  # in a run, at the usual rhythm
SHORT = 100  # steps: below it a share of the steps is no warm-up
FEWEST = 10  # steps: a shorter run is told of, and has no warm-up


def length(c: Choices, facts: ModelFacts, data: DataFacts, device: Device) -> None:
    """The shortest of the usual lengths within which nearly all rows are whole."""
    room = facts.context - (c["virtual_tokens"] if c["method"] in methods.SOFT else 0)
    need = min(max(64, math.ceil(data.longest / 64) * 64), room)
    about = "" if data.exact else "about "
    fair = [min(n, room) for n in LENGTHS[device.kind]]
    if need <= fair[0] or need < room and need in fair:
        return c.decide("max_length", need, f"The longest row has {about}{data.longest:,} tokens.")
    best = next((n for n in fair if data.cut(n) <= 1 - WHOLE), fair[-1])
    cut = data.cut(best)
    told = f"Longer rows are cut, {cut:.1%} of them all" if cut else "No row is longer"
    c.decide(
        "max_length", min(best, need), f"{told}: the longest has {about}{data.longest:,} tokens, and {best:,} are read at a fair speed."
    )


def packing(c: Choices, data: DataFacts, device: Device) -> None:
    """TRL's best-fit packing keeps rows apart by their positions (`packing_strategy="bfd"`); it changes speed and nothing else."""
    if c["objective"] not in PACKS:
        return c.decide("packing", False, "Rows of this kind are judged one by one.")
    if device.kind != "cuda":
        return c.decide("packing", False, "It needs a card: here the head that goes with it costs more than the room that it saves.")
    text = c["objective"] == "text"
    if text or (data.rows >= 2000 and data.mean * 4 < c["max_length"]):
        why = "Plain text is read without gaps: rows stand side by side and don't see each other." if text else ""
        return c.decide("packing", True, why or "Rows are short beside the maximum length, so several share one place.")
    few = data.rows < 2000
    c.decide(
        "packing", False, "So few rows would make too few steps." if few else "The rows fill the maximum length well enough by themselves."
    )


def passes(c: Choices, facts: ModelFacts, data: DataFacts) -> None:
    """How often all rows are read. Few rows are read more often, and the run ends by itself when that helps no more."""
    usual = c.by["epochs"][0] in ("preset", "default")
    if usual and c["objective"] in HEADS and data.rows < FEW:
        c.put("epochs", 3.0 * c["epochs"], "planner", "A head begins from chance: it takes three times the passes of a chat.")
    elif usual and c["objective"] != "preference" and data.rows < SCARCE and data.held_out and facts.parameters >= TINY and c["epochs"] > 1:
        c.put("epochs", 2.0 * c["epochs"], "planner", f"{data.rows:,} rows are few: they are read twice as often, while it helps.")
    elif usual and c["objective"] == "preference" and facts.parameters >= TINY and c["epochs"] > 2:
        c.put("epochs", 2.0, "planner", "A preference is learnt in one or two passes; more make both answers less likely.")
    elif usual and c["objective"] == "preference" and facts.parameters < TINY and data.rows < FEW:
        c.put("epochs", round(4 / 3 * c["epochs"], 2), "planner", "A toy takes four passes where others take three.")
    size = 4 if data.rows < 100 else 8 if data.rows < 500 else 16 if data.rows < 10_000 else 32
    if (micro := c.values.get("micro_batch")) and size % micro:
        size = micro * max(1, size // micro)
    c.decide("effective_batch", size, f"{data.rows:,} rows give enough steps this way.")


def reference(c: Choices) -> None:
    """When the reference is asked: beforehand where that is faster, or spares a second copy of the model."""
    loss = losses.get(c["preference_loss"])
    if not loss.reference:
        return c.decide("precompute_reference", False, f"{loss.title} needs no reference.")
    if c["method"] == "full":
        return c.decide("precompute_reference", True, "All weights change: asked once beforehand, no second copy of the model is kept.")
    often = c["epochs"] >= 2
    why = "Asked once, it need not be asked again in every pass." if often else "In a single pass each row is asked about once anyway."
    c.decide("precompute_reference", often, why)


def rhythm(c: Choices, data: DataFacts) -> int:
    """The number of steps; decides when to test, save and stop, and the warm-up of short runs."""
    steps = _steps(c, data)
    every = max(1, min(200, steps // TESTS))
    if "save_steps" in c.values and "eval_steps" not in c.values:
        every = c["save_steps"]
    tests = f"About {max(1, steps // every)} tests in a run show where it goes."
    c.decide("eval_steps", every, tests if data.held_out else "There are no held-out rows to test with.")
    c.decide("save_steps", c["eval_steps"], "Saved whenever it was tested, so that the best state can be kept.")
    many = data.held_out and c["epochs"] >= 5 and data.rows < FEW and c.by["epochs"][0] != "you"  # whoever asks for passes gets them
    why = "Many passes over few rows end up learnt by heart: it stops when held-out rows get no better."
    c.decide("early_stopping", PATIENCE if many else 0, why if many else "The best state is kept whatever comes after it.")
    warm_up(c, steps)
    return steps


def warm_up(c: Choices, steps: int) -> None:
    """Decides the warm-up of a short run. A warm-up begins at a rate of 0, so in a run of few steps it would consume what there is."""
    if steps < FEWEST:
        mine, taken = c.by["warmup"][0] == "you", math.ceil(c["warmup"] * steps)
        if c["warmup"] and (not mine or 2 * taken > steps):
            c.put("warmup", 0.0, "planner", f"Of {steps} step{'s' * (steps > 1)} none is spent on a warm-up, which begins at a rate of 0.")
    elif c.by["warmup"][0] == "default" and steps < SHORT and c["warmup"] < (share := min(0.2, round(3 / steps, 3))):
        c.put("warmup", share, "planner", f"Three of {steps} steps, so that the first ones are not the largest.")


def too_few_steps(c: Choices, data: DataFacts, steps: int) -> list[str]:
    """What to tell of a run that ends before much can change; [] for others."""
    if steps >= FEWEST:
        return []
    limited = c.values.get("max_steps") == steps
    why = "max_steps ends it there" if limited else f"{data.usable(c['max_length']):,} rows, {c['effective_batch']} in each step"
    remedy = "Raise max_steps, or leave it out." if limited else "Train more epochs, or choose a smaller effective batch size."
    return [f"The run has only {steps} step{'s' * (steps > 1)} ({why}): the model will hardly change. {remedy}"]


def _steps(c: Choices, data: DataFacts) -> int:
    rows = max(1, data.usable(c["max_length"]))
    if c["packing"]:
        rows = max(1, math.ceil(rows * min(data.mean, c["max_length"]) / c["max_length"]))
    steps = max(1, math.ceil(math.ceil(rows / c["effective_batch"]) * c["epochs"]))
    return min(steps, c["max_steps"]) if c.values.get("max_steps") else steps
