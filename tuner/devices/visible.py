"""Which NVIDIA cards this process may use: CUDA_VISIBLE_DEVICES, as SLURM, containers and people set it, limits what is offered.

Cards are numbered as NVML does, in the order of their PCI addresses; workers are started with CUDA_DEVICE_ORDER=PCI_BUS_ID, so that CUDA numbers
them alike (its own order is the fastest first: on a computer with two kinds of cards a run would be on the other one).
"""

import os
from typing import Any

MIG = "MIG-"


def wanted() -> list[str] | None:
    """Return the entries of CUDA_VISIBLE_DEVICES up to the first that names nothing, as CUDA reads them; None when it is not set."""
    text = os.environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return None
    found: list[str] = []
    for entry in (part.strip() for part in text.split(",")):
        if not (entry.isdecimal() or entry.upper().startswith(("GPU-", MIG))) or entry in found:
            break
        found.append(entry)
    return found


def handles(pynvml: Any) -> list[tuple[str, Any]]:
    """Return (id, NVML's handle) of the cards that may be used: "cuda:1", or "cuda:MIG-..." for a slice of one. A card that does not answer is
    left out (see `silent`)."""
    entries = wanted()
    out: list[tuple[str, Any]] = []
    for number in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            if entries is None or _names(entries, number, pynvml.nvmlDeviceGetUUID(handle)):
                out.append((f"cuda:{number}", handle))
        except pynvml.NVMLError:
            continue
    for entry in entries or []:
        if entry.upper().startswith(MIG):
            try:
                out.append((f"cuda:{entry}", pynvml.nvmlDeviceGetHandleByUUID(entry)))
            except pynvml.NVMLError:
                continue
    return out


def handle(pynvml: Any, id: str) -> Any:
    """Return NVML's handle of a card by its id; NVMLError when it does not answer."""
    name = id.removeprefix("cuda:")
    return pynvml.nvmlDeviceGetHandleByUUID(name) if name.upper().startswith(MIG) else pynvml.nvmlDeviceGetHandleByIndex(int(name))


def allowed(id: str) -> bool:
    """Return whether CUDA_VISIBLE_DEVICES lets this process use a card; other devices are always allowed."""
    entries = wanted()
    if entries is None or not id.startswith("cuda:"):
        return True
    name = id.removeprefix("cuda:")
    if name in entries:
        return True
    if not any(entry.upper().startswith("GPU-") for entry in entries):
        return False
    import pynvml

    try:
        pynvml.nvmlInit()
        return _names(entries, int(name), pynvml.nvmlDeviceGetUUID(handle(pynvml, id)))
    except (pynvml.NVMLError, ValueError):
        return False


def _names(entries: list[str], number: int, uuid: str | bytes) -> bool:
    """Return whether an entry names a card: by its number, or by its UUID or the beginning of it."""
    uuid = uuid.decode() if isinstance(uuid, bytes) else uuid
    return any(entry == str(number) or entry.upper().startswith("GPU-") and uuid.startswith(entry) for entry in entries)


def troubles(pynvml: Any) -> list[dict[str, str]]:
    """Return what is wrong with the cards of this computer, or keeps them from being used: [{"message", "remedy"}]."""
    out, entries = [], wanted()
    for number in range(pynvml.nvmlDeviceGetCount()):
        try:
            card = pynvml.nvmlDeviceGetHandleByIndex(number)
            pynvml.nvmlDeviceGetMemoryInfo(card)
            if entries is not None and not _names(entries, number, pynvml.nvmlDeviceGetUUID(card)):
                message = f"The card cuda:{number} is not used: CUDA_VISIBLE_DEVICES is {os.environ['CUDA_VISIBLE_DEVICES']!r}."
                out.append({"message": message, "remedy": "Name it there as well to use it."})
        except pynvml.NVMLError as error:
            message = f"The card cuda:{number} does not answer ({error})."
            out.append({"message": message, "remedy": "Look at `nvidia-smi`, and restart the computer."})
    return out
