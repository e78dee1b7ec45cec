"""What this process took of its device at the peak, in bytes: torch's own counts, the driver's, the system's."""

import os
import sys
from pathlib import Path

import psutil
import torch


def peaks() -> dict[str, int | None]:
    """{"allocated_bytes", "reserved_bytes", "process_bytes"} since the process began, loading included; None where nobody counts.

    `process_bytes`: of a card as its driver counts it now, which torch's hoard keeps at the peak; else of the computer's memory.
    """
    if torch.cuda.is_available():
        counts = {"allocated_bytes": torch.cuda.max_memory_allocated(), "reserved_bytes": torch.cuda.max_memory_reserved()}
        return counts | {"process_bytes": on_cards(os.getpid())}
    return {"allocated_bytes": None, "reserved_bytes": None, "process_bytes": resident()}


def on_cards(pid: int) -> int | None:
    """Bytes of all cards that a process holds, from NVML. Windows' drivers tell nobody's share; a container may not know its own number."""
    if sys.platform == "win32":
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        found = [p.usedGpuMemory for h in handles for p in pynvml.nvmlDeviceGetComputeRunningProcesses(h) if p.pid == pid]
    except pynvml.NVMLError:
        return None  # AMD's cards, or a driver that does not answer
    return sum(b for b in found if b) or None


def resident() -> int:
    """The largest part of this process that ever lay in memory. No trainer of ours starts children that hold more than a moment."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    if mark := next((line for line in lines if line.startswith("VmHWM:")), None):
        return int(mark.split()[1]) * 1024
    import resource  # after the kernel's own mark: Linux's ru_maxrss also counts the parent from which a process was started

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
