"""The devices of this computer: which exist, how much memory is free, and their peak throughput (`roofline`). No torch.

In: NVML, sysfs, psutil, benchmark results. Out: `Device`, `Roofline`. May import only the lowest packages.
Other packages use the names below: `devices.get(...)`.
"""

from tuner.devices.detection import (
    AMPERE,
    APPLE_WATTS,
    CORE_WATTS,
    DEFAULT_TFLOPS,
    Device,
    bf16_is_fast,
    cards,
    cores,
    cpu,
    cpu_tflops,
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
    "AMPERE",
    "APPLE_WATTS",
    "CORE_WATTS",
    "DEFAULT_TFLOPS",
    "Device",
    "bf16_is_fast",
    "cards",
    "cores",
    "cpu",
    "cpu_tflops",
    "get",
    "gpu_without_torch",
    "hypothetical",
    "listing",
    "threads",
    "torch_build",
    "used_by",
    "versions",
]
