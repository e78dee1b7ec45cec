"""Settings that contradict each other, the model or the device: each is an error with its field and what is possible instead."""

from collections.abc import Iterator
from typing import Any

from tuner import devices, models
from tuner.devices import Device
from tuner.errors import SettingError
from tuner.models import mixed_precision
from tuner.settings import methods, objectives, run_config, trackers
from tuner.settings.run_config import Settings

SHARDED = ("lora", "full")  # the methods that train a model in parts
ROOM = 64  # tokens: with less beside the virtual tokens there is no text to learn from
OUTER = {"lm_head", "embed_tokens", "wte", "shared"}  # the output layer and the embeddings, by the names that models give them


def found(settings: Settings, facts: models.ModelFacts, device: Device) -> Iterator[SettingError]:
    """Yield an error for each contradiction among the settings decided so far; what is still open contradicts nothing."""
    yield from _length(settings, facts)
    yield from _batch(settings)
    yield from _intervals(settings)
    yield from _targets(settings, facts)
    yield from _device(settings, facts, device)
    yield from _trackers(settings)
    yield from _processes(settings, device)
    if settings.sharding and (why := unshardable(settings)):
        yield why


def unshardable(settings: Settings) -> SettingError | None:
    """Return why a model can't be held in parts by the processes of a run; None when it can (`workers.modelling.sharding`)."""

    def no(field: str, message: str, available: Any, remedy: str) -> SettingError:
        return SettingError(message, asked=getattr(settings, field), available=available, remedy=remedy, field=field)

    if settings.processes == 1:
        return no(
            "sharding", "Sharding needs several processes, each of which holds a part.", "2 or more processes", "Choose more processes."
        )
    if settings.method not in SHARDED:
        message = f"{methods.get(settings.method).title} does not work on a model that is held in parts."
        return no("method", message, list(SHARDED), "Choose LoRA or full fine-tuning, or no sharding.")
    if settings.precision == "fp16":
        return no("precision", "The loss scaler of fp16 does not work on a model that is held in parts.", "bf16 or fp32", "Choose bf16.")
    if settings.method == "full":
        if settings.optimizer not in ("adamw", None):
            message = f"The optimizer {settings.optimizer} does not work on weights that are held in parts."
            return no("optimizer", message, "adamw", "Choose adamw, whose state is held in parts as well.")
        return None
    if settings.objective in objectives.HEADS:
        message = f"LoRA with a new output head ({settings.objective}) does not work on a model that is held in parts."
        return no("objective", message, [o for o in objectives.OBJECTIVES if o not in objectives.HEADS], "Choose no sharding.")
    for field in ("use_dora", "train_head", "train_embeddings"):
        if getattr(settings, field):
            message = f"{run_config.FIELDS[field].title} needs whole weights, and here each process holds a part."
            return no(field, message, False, "Leave it out, or choose no sharding.")
    if settings.lora_init != "default":
        message = f"The initialization {settings.lora_init} needs whole weights, and here each process holds a part."
        return no("lora_init", message, "default", "Choose default, or no sharding.")
    return None


def shared(settings: Settings, device: Device) -> list[SettingError]:
    """Return why the batches of a run can't be shared by its processes."""
    return [*_processes(settings, device), *_batch(settings)]


def _processes(settings: Settings, device: Device) -> Iterator[SettingError]:
    """Yield why a run can't be trained by several processes."""
    count = settings.processes
    if count == 1:
        return

    def no(message: str, remedy: str, most: int = 1) -> SettingError:
        return SettingError(message, asked=count, available=f"1 to {most}" if most > 1 else 1, remedy=remedy, field="processes")

    if settings.objective in ("preference", "reward"):
        yield no("Preference and reward training measure their pairs in one process.", "Train with one process.")
    if device.kind not in ("cpu", "cuda"):
        yield no(f"{device.name} trains with one process.", "Train with one process.")
    elif (most := devices.most_processes(device)) < count:
        what = "cores" if device.kind == "cpu" else "cards that a run may use"
        yield no(f"There are {most} {what} here.", f"Choose {most} or fewer.", most)
    if settings.effective_batch and settings.effective_batch % count:
        yield SettingError(
            f"An effective batch size of {settings.effective_batch} can't be shared by {count} processes.",
            asked=settings.effective_batch,
            available=f"multiples of {count}",
            remedy=f"Choose a multiple of {count}.",
            field="effective_batch",
        )


def _trackers(settings: Settings) -> Iterator[SettingError]:
    if lacking := trackers.missing(settings.report_to):
        yield SettingError(
            f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not installed, so the run can't be reported there.",
            asked=settings.report_to,
            available=[name for name in trackers.TRACKERS if not trackers.missing(name)] or "no tracker is installed",
            remedy=f"`pip install {' '.join(lacking)}`, or leave the setting empty.",
            field="report_to",
        )


def _length(settings: Settings, facts: models.ModelFacts) -> Iterator[SettingError]:
    room = facts.context - (settings.virtual_tokens if settings.method in methods.PROMPT_METHODS else 0)
    if room < ROOM:
        yield SettingError(
            f"{facts.name} has a context of {facts.context} tokens, and {settings.virtual_tokens} virtual tokens leave no room for the text.",
            asked=settings.virtual_tokens,
            available=f"1 to {facts.context - ROOM}",
            remedy="Choose fewer.",
            field="virtual_tokens",
        )
    elif (settings.max_length or 0) > room:
        yield SettingError(
            f"{facts.name} has a context of {facts.context} tokens" + (", virtual tokens included." if room < facts.context else "."),
            asked=settings.max_length,
            available=f"16 to {room}",
            remedy=f"Choose a maximum length up to {room}.",
            field="max_length",
        )


def _batch(settings: Settings) -> Iterator[SettingError]:
    micro, effective = settings.micro_batch, settings.effective_batch
    together = (micro or 1) * settings.processes
    if micro and effective and not effective % settings.processes and (together > effective or effective % together):
        yield SettingError(
            f"An effective batch size of {effective} can't be split into micro-batches of {micro}"
            + (f" for {settings.processes} processes." if settings.processes > 1 else "."),
            asked=micro,
            available=[d for d in range(1, effective + 1) if effective % (d * settings.processes) == 0],
            remedy="Choose a micro-batch that divides the effective batch size.",
            field="micro_batch",
        )


def _intervals(settings: Settings) -> Iterator[SettingError]:
    save, evaluate = settings.save_steps, settings.eval_steps
    if save and evaluate and save % evaluate:
        yield SettingError(
            f"Saving every {save} steps does not coincide with evaluating every {evaluate} steps, so the best checkpoint can't be kept.",
            asked=save,
            available=f"{evaluate}, {2 * evaluate}, {3 * evaluate} ...",
            remedy=f"Choose a multiple of {evaluate}.",
            field="save_steps",
        )


def _targets(settings: Settings, facts: models.ModelFacts) -> Iterator[SettingError]:
    if settings.method not in ("lora", "qlora") or settings.lora_targets == "all-linear":
        return
    if (unknown := _unknown_targets(settings.lora_targets, facts)) is None:
        return
    if OUTER & set(unknown):
        message = "LoRA does not adapt the LM head or the input embeddings: choose the last layers (with the head), or all-linear."
    elif unknown:
        message = f"{facts.name} has no {' or '.join(unknown)} to adapt."
    else:
        message = "No layers to adapt are named."
    available = ["all-linear", *models.targets(facts)]
    remedy = "Choose among these, or full module names."
    yield SettingError(message, asked=unknown, available=available, remedy=remedy, field="lora_targets")


def _unknown_targets(targets: str | list[str], facts: models.ModelFacts) -> list[str] | None:
    """Return the targets that the model doesn't have; [] when none were named, None when all are known."""
    named = [t for t in map(str.strip, targets if isinstance(targets, list) else targets.split(",")) if t]
    known = models.targets(facts)
    if not known or not named:
        return None if named else []
    tails = {v.split(".")[-1] for v in known.values()} | set(known.values())
    return [t for t in named if t not in known and t.split(".")[-1] not in tails] or None


def _device(settings: Settings, facts: models.ModelFacts, device: Device) -> Iterator[SettingError]:
    """Yield what this device can't do at all."""
    if settings.precision == "fp16" and (no := mixed_precision.refusal(facts, device)):
        can = ["bf16", "fp32"] if device.bf16 else ["fp32"]
        yield SettingError(no, asked="fp16", available=can, remedy=f"Choose {can[0]}.", field="precision")
    if device.quantizes:
        return
    why = f"{device.name} supports neither quantized weights nor 8-bit optimizers (bitsandbytes)."
    if facts.quantized:
        message = f"{facts.name} is stored {methods.STORED[facts.quantized]}, and {device.name} can't read such weights."
        remedy = "Choose the 16-bit model it was made from, or a computer with an NVIDIA card."
        yield SettingError(message, asked=facts.quantized, available="16-bit weights", remedy=remedy, field="model")
    elif settings.method == "qlora":
        others = [m for m in methods.METHODS if m != "qlora"]
        yield SettingError(why, asked="qlora", available=others, remedy="Choose LoRA.", field="method")
    if "8bit" in settings.optimizer:
        yield SettingError(why, asked=settings.optimizer, available=["adamw", "adafactor"], remedy="Choose adamw.", field="optimizer")
