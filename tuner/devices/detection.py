"""Which devices exist, how full they are and what they can't do: NVML through nvidia-ml-py for NVIDIA's cards, sysfs for AMD's (ROCm),
psutil for the CPU and for Apple's memory, which both share. No torch. ROCm and Apple's GPU have not been tried yet, and say so."""

import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from tuner.errors import DeviceError
from tuner.formatting import human_bytes

# dense bf16 TFLOP/s from the makers' data sheets; an unknown card counts as DEFAULT until its runs have taught better
TFLOPS = {
    "H200": 989,
    "H100": 989,
    "B200": 2250,
    "A100": 312,
    "A10": 125,
    "L40": 181,
    "L4": 121,
    "T4": 65,
    "V100": 125,
    "5090": 210,
    "4090": 165,
    "4080": 97,
    "4070": 58,
    "4060": 30,
    "3090": 71,
    "3080": 60,
    "3060": 25,
}
DEFAULT_TFLOPS = 30
BANDWIDTH = {  # GB/s of their memory, from the same sheets
    "H200": 4800,
    "H100": 3350,
    "B200": 8000,
    "A100": 1555,
    "A10": 600,
    "L40": 864,
    "L4": 300,
    "T4": 320,
    "V100": 900,
    "5090": 1792,
    "4090": 1008,
    "4080": 717,
    "4070": 504,
    "4060": 272,
    "3090": 936,
    "3080": 760,
    "3060": 360,
}
OTHERS = {"cuda": 300, "mps": 100, "cpu": 20}  # GB/s where no sheet is known: a guess
CORE_WATTS = 10  # what a processor at work draws for each core, roughly (data sheets: 4 in a server to 15 on a desk)
APPLE_WATTS = 20  # likewise
AMPERE = (8, 0)  # the first of NVIDIA's generations that computes in bf16 (CUDA programming guide, compute capabilities)


@dataclass(frozen=True)
class Device:
    """`total` and `free` in bytes; `tflops` what it reaches on paper (the CPU: what a short product measured); `bf16`: it computes in
    bf16 itself; `packs`: bitsandbytes packs weights (4 and 8 bits) and has its 8-bit optimizers there; `watts` at full work (a card: the
    limit that its driver enforces), 0 where nobody knows."""

    id: str
    kind: str
    name: str
    total: int
    free: int
    tflops: float
    bf16: bool = True
    packs: bool = True
    watts: float = 0.0

    @property
    def title(self) -> str:
        return self.name

    @property
    def bandwidth(self) -> float:
        """Bytes per second of its memory, on paper."""
        return 1e9 * next((v for part, v in BANDWIDTH.items() if self.kind == "cuda" and part in self.name), OTHERS[self.kind])


def listing() -> list[Device]:
    """All devices that a run could take, the fastest first, of equal ones the emptiest; the CPU is always there."""
    return [*sorted(cards(), key=lambda card: (-card.tflops, -card.free)), *_mps(), cpu()]


def cards() -> list[Device]:
    """Cards that answer and that the installed torch can use: NVIDIA's, or AMD's with a ROCm build."""
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
    for i in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(i)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            name = pynvml.nvmlDeviceGetName(handle)
            generation = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        except pynvml.NVMLError:
            continue  # a card that fell off the bus is not a device; the others are
        found.append(
            Device(
                f"cuda:{i}", "cuda", name, memory.total, memory.free, _tflops(name), bf16=generation >= AMPERE, watts=_watts(pynvml, handle)
            )
        )
    return found


def _watts(pynvml, handle) -> float:
    try:
        return pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    except pynvml.NVMLError:
        return 0.0  # some laptops' and virtual cards don't tell


def used_by(device: Device, pid: int) -> int:
    """Bytes of an NVIDIA card that a process holds, as NVML tells; 0 where it doesn't (another maker's card, Windows)."""
    if device.kind != "cuda" or torch_build()["hip"] or sys.platform == "win32":
        return 0
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(int(device.id.removeprefix("cuda:")))
        return sum(p.usedGpuMemory or 0 for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle) if p.pid == pid)
    except pynvml.NVMLError:
        return 0


def _amd_cards(drm: Path = Path("/sys/class/drm")) -> list[Device]:
    """AMD's cards from sysfs; torch's ROCm build calls them cuda:0, cuda:1 ..., and so does everything here."""
    found = []
    for card in sorted(drm.glob("card[0-9]*/device")):
        try:
            if (card / "vendor").read_text().strip() != "0x1002":
                continue
            total, used = (int((card / f"mem_info_vram_{what}").read_text()) for what in ("total", "used"))
        except (OSError, ValueError):
            continue  # another maker's, or a display without memory of its own
        named = card / "product_name"
        name = named.read_text().strip() if named.exists() else "AMD GPU"
        found.append(Device(f"cuda:{len(found)}", "cuda", f"{name} (ROCm, not yet tried)", total, total - used, _tflops(name)))
    return found


def _tflops(name: str) -> float:
    return next((value for part, value in TFLOPS.items() if part in name), DEFAULT_TFLOPS)


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
            packs=False,
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
    """Physical cores this process may use."""
    allowed = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def threads() -> int:
    """Of a process that computes: as many as cores, or as OMP_NUM_THREADS says."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) else cores()


def _cgroup_limit() -> int | None:
    """A container's memory limit in bytes; None where there is none."""
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
    """What a small fp32 matrix product reaches here, in TFLOP/s; measured once, in about 30 ms."""
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
    """Whether the processor computes in bf16 itself (avx512_bf16, AMX or Arm's bf16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return sys.platform == "darwin"
    return any(f in flags for f in ("avx512_bf16", "amx_bf16", " bf16"))


def imagined(memory: int) -> Device:
    """A card of today with that many bytes, all of them free: to plan for a machine that is not this one."""
    return Device("cuda:0", "cuda", f"a card with {human_bytes(memory)}", memory, memory, DEFAULT_TFLOPS)


def get(id: str | None) -> Device:
    """The device of that id, or the fastest one; DeviceError when it is not there (any more)."""
    found = listing()
    if id is None:
        return found[0]
    for device in found:
        if device.id == id:
            return device
    raise DeviceError(
        f"The device {id} is not there.",
        asked=id,
        available=[d.id for d in found],
        remedy=f"Choose {' or '.join(d.id for d in found)}; `tunesmith doctor` says what is missing.",
        field="device",
    )


@cache
def torch_build() -> dict:
    """{"version": "2.13.0+cpu", "cuda": None or "12.8", "hip": None or "6.4"} without importing torch."""
    try:
        installed = version("torch")
    except PackageNotFoundError:
        return {"version": None, "cuda": None, "hip": None}
    import importlib.util

    spec = importlib.util.find_spec("torch")
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8") if spec and spec.origin else ""

    def built(what: str) -> str | None:
        words = (line.split("=")[1].strip().strip("'\"") for line in text.splitlines() if line.startswith(what) and "=" in line)
        return None if (found := next(words, "None")) == "None" else found

    return {"version": installed, "cuda": built("cuda"), "hip": built("hip")}


@cache
def versions() -> dict[str, str | None]:
    """Of the libraries that a result depends on."""
    found = {}
    for name in ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "datasets", "gradio", "tokenizers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def gpu_without_torch() -> str | None:
    """The command that mends a CPU build of torch beside an NVIDIA card; None when all is well."""
    if torch_build()["cuda"] or torch_build()["hip"] or not _nvml_cards():
        return None
    return f'"{sys.executable}" -m pip install --force-reinstall "torch>=2.9,<2.14" --index-url https://download.pytorch.org/whl/cu128'
