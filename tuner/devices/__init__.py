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
    threads,
    torch_build,
    used_by,
    versions,
)

__all__ = [
    "Device",
    "bf16_is_fast",
    "cards",
    "cores",
    "cpu",
    "get",
    "gpu_without_torch",
    "hypothetical",
    "listing",
    "threads",
    "torch_build",
    "used_by",
    "versions",
]
