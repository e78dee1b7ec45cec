"""Start a run's worker in several processes and wait for them: `python -m tuner.jobs.data_parallel RUN_DIR DEVICES`.

On GPUs Accelerate's launcher does it, on a CPU torchrun, which it is made of (Accelerate asks for MPI there). Each process sees the device that
its number names; the first one holds the run's lock and writes its folder, so that for everything else the run is as any other. When one process
ends badly the launcher ends the others.
"""

import os
import sys
from pathlib import Path

from tuner import devices, paths
from tuner.jobs import kinds

# one computer: the processes hear of each other on the loopback interface only
LOCAL = {"GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo", "NCCL_SOCKET_IFNAME": "lo"}


def command(folder: Path, device: str) -> tuple[str, list[str]]:
    """Return (the launcher: "accelerate" or "torchrun", its arguments) for a run."""
    plan = paths.read_json(folder / "plan.json")
    count, module = plan["settings"]["processes"], kinds.worker_of(plan)
    if device.startswith("cuda"):
        how = ["--multi_gpu", "--num_processes", str(count), "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        return "accelerate", [*how, "--module", module, str(folder), device]
    return "torchrun", ["--standalone", "--nproc-per-node", str(count), "-m", module, str(folder), device]


def main(folder: Path, device: str) -> int:
    launcher, arguments = command(folder, device)
    count = int(arguments[arguments.index("--num_processes" if launcher == "accelerate" else "--nproc-per-node") + 1])
    for name, value in LOCAL.items():
        os.environ.setdefault(name, value)
    os.environ["OMP_NUM_THREADS"] = str(max(1, devices.threads() // count))
    (folder / PEER).unlink(missing_ok=True)
    print(f"{count} processes by {launcher}: {' '.join(arguments)}", flush=True)
    if launcher == "accelerate":
        from accelerate.commands.launch import launch_command, launch_command_parser

        launch_command(launch_command_parser().parse_args(arguments))
        return 0
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ["ACCELERATE_USE_CPU"] = "true"
    try:
        run.main(arguments)
    except ChildFailedError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


PEER = "peer.json"  # in the run folder: the error of a process that is not the first, for the first to tell


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2]))
