"""Device detection: which devices exist, how much memory is free and what they don't support. No torch.

NVML (nvidia-ml-py) for NVIDIA cards, sysfs for AMD cards (ROCm), psutil for the CPU and for Apple GPUs, which share its memory. ROCm and
Apple GPUs have not been tested yet; their names say so.
"""

import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from tuner.devices import data_sheets, visible
from tuner.errors import DeviceError
from tuner.formatting import human_bytes

CORE_WATTS = 10  # rough power per busy core, in watts (data sheets: 4 in a server to 15 in a desktop)
APPLE_WATTS = 20  # rough power of the GPU
AMPERE = (8, 0)  # compute capability of the first NVIDIA generation with bf16 (CUDA programming guide)


@dataclass(frozen=True)
class Device:
    """A device.

    `total`, `free`: memory in bytes. `tflops`: peak throughput from the data sheet (CPU: from a short matrix product). `bf16`: it computes
    in bf16 natively. `quantizes`: bitsandbytes supports quantization (4 and 8 bits) and 8-bit optimizers on it. `watts`: power at full load (a
    card: the limit that its driver enforces), 0 if unknown.
    """

    id: str
    kind: str
    name: str
    total: int
    free: int
    tflops: float
    bf16: bool = True
    quantizes: bool = True
    watts: float = 0.0

    @property
    def title(self) -> str:
        return self.name

    @property
    def bandwidth(self) -> float:
        """Memory bandwidth in bytes per second, from the data sheet."""
        return data_sheets.bandwidth(self.name, self.kind)


def listing() -> list[Device]:
    """Return all devices that a run can use: the fastest first, then those with the most free memory; the CPU is always last."""
    return [*sorted(cards(), key=lambda card: (-card.tflops, -card.free)), *_mps(), cpu()]


def cards() -> list[Device]:
    """Return the cards that respond and that the installed torch can use: NVIDIA's, or AMD's with a ROCm build."""
    if torch_build()["hip"]:
        return _amd_cards()
    return _nvml_cards() if torch_build()["cuda"] else []


def _nvml_cards() -> list[Device]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []  # no driver: a computer without a card is the usual case
    found = []
    for id, handle in visible.handles(pynvml):
        try:
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            name = pynvml.nvmlDeviceGetName(handle)
            generation = pynvml.nvmlDeviceGetCudaComputeCapability(_whole(pynvml, id, handle))
        except pynvml.NVMLError:
            continue  # a card that has fallen off the bus; the others still work, and `troubles` tells of it
        found.append(
            Device(
                id,
                "cuda",
                name,
                memory.total,
                memory.free,
                data_sheets.tflops(name),
                bf16=generation >= AMPERE,
                watts=_watts(pynvml, handle),
            )
        )
    return found


def _whole(pynvml, id: str, handle):
    """Return the handle of the card of which a MIG device is a part; NVML knows the capability of cards only."""
    return pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle) if visible.MIG in id else handle


def troubles() -> list[dict[str, str]]:
    """Return which cards don't answer or are not to be used, and what to do: [{"message", "remedy"}]."""
    if torch_build()["hip"] or not torch_build()["cuda"]:
        return []
    import pynvml

    try:
        pynvml.nvmlInit()
        return visible.troubles(pynvml)
    except pynvml.NVMLError:
        return []


def not_allowed(id: str) -> DeviceError:
    """Return the error of a card that CUDA_VISIBLE_DEVICES keeps from this process."""
    return DeviceError(
        f"The card {id} is not among those that may be used here.",
        asked=id,
        available=f"CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES')}",
        remedy="Start the run again, with one of these cards.",
        field="device",
    )


def _watts(pynvml, handle) -> float:
    try:
        return pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    except pynvml.NVMLError:
        return 0.0  # some laptop and virtual cards don't report it


def used_by(device: Device, pid: int) -> int:
    """Return the bytes that a process uses on an NVIDIA card, from NVML; 0 where it is unavailable (another vendor, Windows)."""
    if device.kind != "cuda" or torch_build()["hip"] or sys.platform == "win32":
        return 0
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = visible.handle(pynvml, device.id)
        return sum(p.usedGpuMemory or 0 for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle) if p.pid == pid)
    except pynvml.NVMLError:
        return 0


def _amd_cards(drm: Path = Path("/sys/class/drm")) -> list[Device]:
    """Return AMD's cards from sysfs, named cuda:0, cuda:1 ... as in torch's ROCm build."""
    found = []
    for card in sorted(drm.glob("card[0-9]*/device")):
        try:
            if (card / "vendor").read_text().strip() != "0x1002":
                continue
            total, used = (int((card / f"mem_info_vram_{what}").read_text()) for what in ("total", "used"))
        except (OSError, ValueError):
            continue  # another vendor's card, or a display without memory of its own
        named = card / "product_name"
        name = named.read_text().strip() if named.exists() else "AMD GPU"
        found.append(Device(f"cuda:{len(found)}", "cuda", f"{name} (ROCm, not yet tried)", total, total - used, data_sheets.tflops(name)))
    return found


def _mps() -> list[Device]:
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return []
    memory = psutil.virtual_memory()
    return [
        Device(
            "mps",
            "mps",
            "Apple GPU (not yet tried)",
            int(memory.total * 0.7),
            int(memory.available * 0.7),
            5.0,
            quantizes=False,
            watts=APPLE_WATTS,
        )
    ]


def cpu() -> Device:
    memory = psutil.virtual_memory()
    limit = _cgroup_limit()
    total = min(memory.total, limit or memory.total)
    return Device(
        "cpu",
        "cpu",
        f"CPU with {cores()} cores",
        total,
        min(memory.available, total),
        cpu_tflops(),
        bf16=bf16_is_fast(),
        watts=CORE_WATTS * cores(),
    )


def cores() -> int:
    """Return the number of physical cores that this process may use."""
    allowed = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def threads() -> int:
    """Return the number of compute threads: OMP_NUM_THREADS, or the number of cores."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) else cores()


def _cgroup_limit() -> int | None:
    """Return a container's memory limit in bytes; None without one."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 60:
            return int(text)
    return None


@cache
def cpu_tflops() -> float:
    """Return the throughput of a small fp32 matrix product in TFLOP/s; measured once, in about 30 ms."""
    import time

    import numpy as np

    a = np.ones((512, 512), dtype=np.float32)
    best = 1e9
    for _ in range(4):
        begin = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begin)
    return 2 * 512**3 / best / 1e12


def bf16_is_fast() -> bool:
    """Return whether the processor computes in bf16 natively (avx512_bf16, AMX or Arm's bf16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return sys.platform == "darwin"
    return any(f in flags for f in ("avx512_bf16", "amx_bf16", " bf16"))


def hypothetical(memory: int) -> Device:
    """Return a typical card with this many bytes of memory, all of them free, to plan for another computer."""
    return Device("cuda:0", "cuda", f"a card with {human_bytes(memory)}", memory, memory, data_sheets.DEFAULT_TFLOPS)


def named(ids: str | None) -> list[str]:
    """Return the devices that are named, each once: "cuda:0,cuda:2" names two."""
    return list(dict.fromkeys(ids.split(","))) if ids else []


def get(id: str | None) -> Device:
    """Return the device with this id (of several the first), or the fastest one; DeviceError when one of them is not available."""
    found = listing()
    if id is None:
        return found[0]
    if "," in id:
        return [get(one) for one in named(id)][0]
    for device in found:
        if device.id == id:
            return device
    raise not_there(id, found)


def together(first: Device, count: int, ids: str | None = None) -> list[Device]:
    """Return the devices of a run in `count` processes: those that are named, or `first` and the cards with most free memory, or the CPU that
    all share."""
    if len(chosen := named(ids)) > 1:
        return [get(id) for id in chosen]
    if count == 1 or first.kind != "cuda":
        return [first]
    others = sorted((d for d in listing() if d.kind == "cuda" and d.id != first.id), key=lambda d: -d.free)
    return sorted([first, *others[: count - 1]], key=lambda d: d.id)


def most_processes(device: Device) -> int:
    """Return how many processes can train on a device of this kind: one for each card, or for each core."""
    return cores() if device.kind == "cpu" else sum(d.kind == "cuda" and "MIG" not in d.id for d in listing())


def not_there(id: str, found: list[Device] | None = None) -> DeviceError:
    """Return the error of a device that this computer does not have, or that does not answer."""
    ids = [d.id for d in (listing() if found is None else found)]
    return DeviceError(
        f"The device {id} is not available.",
        asked=id,
        available=ids,
        remedy=f"Choose {' or '.join(ids)}; `tunesmith doctor` shows what is missing.",
        field="device",
    )


@cache
def torch_build() -> dict:
    """Return {"version": "2.13.0+cpu", "cuda": None or "12.8", "hip": None or "6.4"} without importing torch."""
    try:
        installed = version("torch")
    except PackageNotFoundError:
        return {"version": None, "cuda": None, "hip": None}
    import importlib.util

    spec = importlib.util.find_spec("torch")
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8") if spec and spec.origin else ""

    def built(what: str) -> str | None:
        values = (line.split("=")[1].strip().strip("'\"") for line in text.splitlines() if line.startswith(what) and "=" in line)
        return None if (found := next(values, "None")) == "None" else found

    return {"version": installed, "cuda": built("cuda"), "hip": built("hip")}


@cache
def versions() -> dict[str, str | None]:
    """Return the versions of the libraries that a result depends on; None for one that is not installed."""
    found = {}
    for name in ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "datasets", "gradio", "tokenizers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def gpu_without_torch() -> str | None:
    """Return the command that replaces a CPU build of torch on a computer with an NVIDIA card; None when nothing is wrong."""
    if torch_build()["cuda"] or torch_build()["hip"] or not _nvml_cards():
        return None
    return f'"{sys.executable}" -m pip install --force-reinstall "torch>=2.9,<2.14" --index-url https://download.pytorch.org/whl/cu128'
