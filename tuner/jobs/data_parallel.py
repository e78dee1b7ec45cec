"""Start a run's worker in several processes and wait for them: `python -m tuner.jobs.data_parallel RUN_DIR DEVICES`.

On GPUs Accelerate's launcher does it, on a CPU torchrun, which it is made of (Accelerate asks for MPI there). Each process sees the device that
its number names; the first one holds the run's lock and writes its folder, so that for everything else the run is as any other. When one process
ends badly the launcher ends the others.
"""

import os
import subprocess
import sys
from pathlib import Path

from tuner import devices, paths
from tuner.jobs import kinds

PEER = "peer.json"  # in the run folder: the error of a process that is not the first, for the first to tell
ACCELERATE, TORCHRUN = "accelerate.commands.launch", "torch.distributed.run"
# one computer: the processes hear of each other on the loopback interface only
LOCAL = {"GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo", "NCCL_SOCKET_IFNAME": "lo"}


def command(folder: Path, device: str) -> tuple[str, list[str]]:
    """Return (the launcher's module, its arguments) for a run."""
    plan = paths.read_json(folder / "plan.json")
    count, module = plan["settings"]["processes"], kinds.worker_of(plan)
    if device.startswith("cuda"):
        how = ["--multi_gpu", "--num_processes", str(count), "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        return ACCELERATE, [*how, "--module", module, str(folder), device]
    return TORCHRUN, ["--standalone", "--nproc-per-node", str(count), "-m", module, str(folder), device]


def main(folder: Path, device: str) -> int:
    module, arguments = command(folder, device)
    count = paths.read_json(folder / "plan.json")["settings"]["processes"]
    for name, value in LOCAL.items():
        os.environ.setdefault(name, value)
    os.environ["OMP_NUM_THREADS"] = str(max(1, devices.threads() // count))
    if module == TORCHRUN:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    (folder / PEER).unlink(missing_ok=True)
    print(f"{count} processes: python -m {module} {' '.join(arguments)}", flush=True)
    line = [sys.executable, "-m", module, *arguments]
    if sys.platform == "win32":
        return subprocess.call(line)
    os.execv(sys.executable, line)  # in its place: the supervisor watches this process


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2]))
