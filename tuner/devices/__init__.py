"""The devices of this computer: which exist, how much memory is free, and their peak throughput (`roofline`). No torch.

In: NVML, sysfs, psutil, benchmark results. Out: `Device`, `Roofline`. May import only the lowest packages.
Other packages use the names below: `devices.get(...)`.
"""

from tuner.devices.detection import (
    Device,
    bf16_is_fast,
    cards,
    cores,
    cpu,
    get,
    gpu_without_torch,
    hypothetical,
    listing,
    most_processes,
    named,
    not_allowed,
    not_there,
    threads,
    together,
    torch_build,
    troubles,
    used_by,
    versions,
)
from tuner.devices.visible import allowed

__all__ = [
    "Device",
    "allowed",
    "bf16_is_fast",
    "cards",
    "cores",
    "cpu",
    "get",
    "most_processes",
    "named",
    "gpu_without_torch",
    "hypothetical",
    "listing",
    "not_allowed",
    "not_there",
    "threads",
    "together",
    "torch_build",
    "troubles",
    "used_by",
    "versions",
]
