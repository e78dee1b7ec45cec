"""Benchmark a device in at most five seconds: `python -m tuner.workers.device_benchmark FOLDER DEVICE`.

Measures matrix products in fp32 and bf16 (FLOP/s), memory copies (bytes/s), and the overhead of one layer's many small operations, forward
and backward (seconds), which dominates the steps of small models. `tuner/devices/roofline.py` reads the result.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
import torch.nn.functional as F

from tuner import devices, locks, paths
from tuner.devices import roofline

BUDGET = 5.0  # seconds for all of it
SIDES = {"cpu": (256, 512, 1024, 2048)}  # of the square matrices; a GPU needs larger ones to be busy
LARGE = (1024, 2048, 4096, 8192)
COPIED = {"cpu": 128 << 20}  # bytes: more than the caches hold
MUCH = 1 << 30
SHARES = {"fp32": 0.36, "bf16": 0.36, "bandwidth": 0.1, "layer": 0.1}  # of the budget; the rest is slack


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished: GPUs run asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def timed(work: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """Return the seconds of one call of `work`: the median of as many calls as fit into `seconds`, at least one."""
    work()  # the first call compiles, allocates, wakes threads
    wait_for(device)
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        begun = time.perf_counter()
        work()
        wait_for(device)
        found.append(time.perf_counter() - begun)
    return sorted(found)[len(found) // 2]


def product(device: torch.device, kind: torch.dtype, seconds: float) -> float:
    """Return the FLOP/s of square matrix products, the best of a few sizes; larger ones are skipped where they would take too long."""
    best, end = 0.0, time.perf_counter() + seconds
    sides = SIDES.get(device.type, LARGE)
    for side in sides:
        a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
        took = timed(lambda a=a, b=b: a @ b, device, seconds / len(sides) / 2)
        best = max(best, 2 * side**3 / took)
        if time.perf_counter() + 24 * took > end:  # twice the side is eight times the work, done twice at least
            break
    return best


def bandwidth(device: torch.device, seconds: float) -> float:
    """Return the bytes read and written per second when a large block is copied."""
    block = torch.ones(COPIED.get(device.type, MUCH) // 4, device=device)
    to = torch.empty_like(block)
    return 2 * block.nbytes / timed(lambda: to.copy_(block), device, seconds)


def layer(device: torch.device, seconds: float) -> float:
    """Return the seconds of one transformer layer, forward and backward, so small that only overhead counts."""
    wide, heads = 64, 4
    weights = [torch.randn(wide, wide, device=device, requires_grad=True) for _ in range(7)]
    x = torch.randn(1, 8, wide, device=device)

    def norm(v):
        return v * torch.rsqrt(v.pow(2).mean(-1, keepdim=True) + 1e-6)

    def work():
        q, k, v = (F.linear(norm(x), m).view(1, 8, heads, -1).transpose(1, 2) for m in weights[:3])
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(1, 8, wide)
        y = x + F.linear(seen, weights[3])
        y = y + F.linear(F.silu(F.linear(norm(y), weights[4])) * F.linear(norm(y), weights[5]), weights[6])
        y.sum().backward()

    return timed(work, device, seconds)


def measure(name: str, budget: float) -> dict[str, Any]:
    """Return {"fp32", "bf16": FLOP/s, "bandwidth": bytes/s, "layer": s, ...} of a device ('cpu', 'cuda:0', 'mps'), within `budget` seconds."""
    begun = time.perf_counter()
    torch.set_num_threads(devices.threads())  # as training does, without importing its modules
    device = torch.device("cuda:0" if name.startswith("cuda") else name)  # the launcher makes only one GPU visible to a worker
    others = psutil.cpu_percent(interval=0.2) / 100  # other programs make the CPU seem slow, and delay launches on a GPU
    share = {what: budget * part for what, part in SHARES.items()}
    found = {
        "fp32": product(device, torch.float32, share["fp32"]),
        "bf16": product(device, torch.bfloat16, share["bf16"]),
        "bandwidth": bandwidth(device, share["bandwidth"]),
        "layer": layer(device, share["layer"]),
    }
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    return found | about | {"others": others, "seconds": round(time.perf_counter() - begun, 2)}


def main(folder: Path, name: str, budget: float = BUDGET) -> int:
    if not locks.acquire(folder / "lock", timeout=0.5):
        print("another process is benchmarking this device", flush=True)
        return 1
    found = measure(name, budget)
    paths.write_json(folder / roofline.RESULT, found)
    print(found, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2]))
