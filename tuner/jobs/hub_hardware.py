"""What Hugging Face Jobs rents: which hardware a run fits on, how long it takes there, and what that costs."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from tuner.devices import Device, data_sheets
from tuner.errors import RequestError, SettingError
from tuner.jobs import hub_jobs, training
from tuner.paths import Workspace
from tuner.planning import planner

SETUP = 6 * 60.0  # seconds for the libraries, the model and the data: a guess, counted into the price
LEAST, MOST = 30, 24 * 60  # minutes after which a job is ended whatever it does
PER = {"minute": 60.0, "hour": 3600.0, "second": 1.0}
CORE_TFLOPS = 0.03  # of a virtual core


def dollars(amount: float) -> str:
    """Return an amount as it is shown: a cent at least."""
    return f"{max(amount, 0.01):,.2f}"


@dataclass(frozen=True)
class Offer:
    """A kind of hardware for a run. `cost` in US dollars: what the estimated time costs, with the set-up; `most`: what `timeout` minutes cost."""

    flavor: str
    title: str
    memory: int
    fits: bool
    needed: int
    seconds: float
    timeout: int
    per_hour: float
    cost: float
    most: float

    def __str__(self) -> str:
        return f"{self.flavor} (${dollars(self.per_hour)} an hour, about ${dollars(self.cost)})"


def offers(ws: Workspace, values: dict[str, Any], *, preset: str | None = None) -> list[Offer]:
    """Return what Hugging Face rents now, with a plan for each: those that a run fits on first, the cheapest for the whole run before the others."""
    from huggingface_hub import HfApi

    _, model, ds, asked = training.prepare(ws, {k: v for k, v in values.items() if k != "device"}, preset=preset, need_data=True)
    effort = training.preset_of(ws, preset)
    counts = training.data_facts(ds, model, ws, training.chosen(asked, effort), wait=None)
    out = []
    for hardware in HfApi(token=hub_jobs.require_token(ws.token)).list_jobs_hardware():
        if (device := device_of(hardware)) is None:
            continue
        plan = planner.plan(asked, model, counts, preset=effort, device=device, device_memory=device.total, remedies=False)
        out.append(_offer(hardware, device, plan))
    return sorted(out, key=lambda o: (not o.fits, o.cost))


def device_of(hardware: Any) -> Device | None:
    """Return the device that a kind of hardware is, one card of several; None for accelerators that this program does not train on."""
    card = hardware.accelerator
    if card is None:
        cores, memory = _number(hardware.cpu), int(_number(hardware.ram) * 1e9)
        return Device("cpu", "cpu", hardware.pretty_name, memory, memory, CORE_TFLOPS * max(1.0, cores))
    if "nvidia" not in card.manufacturer.lower():
        return None
    memory = int(_number(card.vram) * 1e9 / max(1.0, _number(card.quantity)))
    return Device("cuda:0", "cuda", card.model, memory, memory, data_sheets.tflops(card.model), bf16="T4" not in card.model)


def _number(text: str) -> float:
    found = re.search(r"[\d.]+", str(text))
    return float(found.group()) if found else 0.0


def _offer(hardware: Any, device: Device, plan: planner.Plan) -> Offer:
    second = hardware.unit_cost_usd / PER.get(hardware.unit_label, 60.0)
    high = SETUP + (plan.seconds_high or plan.seconds)
    timeout = min(MOST, max(LEAST, math.ceil(2 * high / 60)))
    return Offer(
        hardware.name,
        hardware.pretty_name,
        device.total,
        plan.fits,
        plan.peak_bytes,
        plan.seconds,
        timeout,
        3600 * second,
        second * (SETUP + plan.seconds),
        second * 60 * timeout,
    )


def choose(found: list[Offer], flavor: str | None, timeout: int | None) -> Offer:
    """Return the offer of a flavor, or the cheapest that fits; SettingError when there is none."""
    offer = next((o for o in found if (o.flavor == flavor if flavor else o.fits)), None)
    if offer is None:
        fitting = [str(o) for o in found if o.fits] or [o.flavor for o in found]
        raise SettingError(
            f"Hugging Face rents no hardware called {flavor!r}." if flavor else "The run fits on nothing that Hugging Face rents.",
            asked=flavor,
            available=fitting,
            remedy="Choose one of these." if flavor else "Choose a smaller model, or QLoRA.",
            field="flavor",
        )
    if timeout is None:
        return offer
    if not 1 <= timeout <= 7 * MOST:
        raise SettingError(
            f"A job can't be given {timeout} minutes.",
            asked=timeout,
            available=f"1 to {7 * MOST} minutes",
            remedy="Choose a number of minutes in which the run ends.",
            field="timeout",
        )
    return replace(offer, timeout=timeout, most=offer.per_hour * timeout / 60)


def where(offer: Offer, agreed: bool) -> dict[str, Any]:
    """Return the other computer as `training.start` takes it; RequestError with the price unless it was agreed to."""
    if not agreed:
        raise RequestError(
            f"This costs about ${dollars(offer.cost)} on {offer.title}, and at most ${dollars(offer.most)}: the job is ended after {offer.timeout} minutes.",
            asked=offer.flavor,
            available=f"${dollars(offer.per_hour)} an hour, from your Hugging Face account; the rows go to a private repository there",
            remedy="Agree to this price (--yes, or the box on the page), or choose other hardware.",
            field="yes",
        )
    return {"kind": "jobs", "options": {"flavor": offer.flavor, "timeout": offer.timeout}}
