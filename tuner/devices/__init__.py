"""The devices of this computer: which there are, how full they are, what they reach (`roofline`). No torch.

In: NVML, sysfs, psutil, what a benchmark measured. Out: `Device`, `Roofline`. May import what stands on the ground floor.
Outside of this room it is `devices.get(...)`, from here:
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
    imagined,
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
    "imagined",
    "listing",
    "threads",
    "torch_build",
    "used_by",
    "versions",
]
