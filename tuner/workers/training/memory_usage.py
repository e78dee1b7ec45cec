"""Peak memory of this process in bytes, from torch, the GPU driver and the operating system."""

import os
import sys
from pathlib import Path

import psutil
import torch


def peaks() -> dict[str, int | None]:
    """Return {"allocated_bytes", "reserved_bytes", "process_bytes"} since the process started, loading included; None where it is unknown.

    `process_bytes`: on a GPU the driver's current figure, which stays at the peak because torch keeps its reserved memory; else the
    computer's memory.
    """
    if torch.cuda.is_available():
        counts = {"allocated_bytes": torch.cuda.max_memory_allocated(), "reserved_bytes": torch.cuda.max_memory_reserved()}
        return counts | {"process_bytes": on_cards(os.getpid())}
    return {"allocated_bytes": None, "reserved_bytes": None, "process_bytes": resident()}


def on_cards(pid: int) -> int | None:
    """Return the GPU memory of a process in bytes, from NVML. None on Windows, where drivers don't report it, and in containers without the
    host's process ids."""
    if sys.platform == "win32":
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        found = [p.usedGpuMemory for h in handles for p in pynvml.nvmlDeviceGetComputeRunningProcesses(h) if p.pid == pid]
    except pynvml.NVMLError:
        return None  # an AMD GPU, or a driver that does not answer
    return sum(b for b in found if b) or None


def resident() -> int:
    """Return the peak resident memory of this process. The trainers start no long-lived child processes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    if mark := next((line for line in lines if line.startswith("VmHWM:")), None):
        return int(mark.split()[1]) * 1024
    import resource  # only without VmHWM: Linux's ru_maxrss also counts the parent process

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
