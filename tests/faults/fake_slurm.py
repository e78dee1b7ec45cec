"""A SLURM of one computer for the tests: `sbatch`, `sacct` and `scancel` as programs in a folder that stands first on the PATH.

A job is the script that sbatch was given, started in a session of its own; `jobs/ID` holds its process, its state and its script. With a file
`hold` there jobs wait; `refuse` makes sbatch say no.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parent  # of the copy that a test makes


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def begin(job: Path) -> None:
    log = open(job / "log", "ab")
    script = f"export SLURM_JOB_ID={job.name}; bash {job / 'script.sh'}; echo $? > {job / 'code'}"
    process = subprocess.Popen(["bash", "-c", script], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    (job / "pid").write_text(str(process.pid))


def sbatch(script: str) -> int:
    if (PLACE / "refuse").exists():
        print("sbatch: error: invalid partition specified: nowhere", file=sys.stderr)
        return 1
    jobs = PLACE / "jobs"
    jobs.mkdir(exist_ok=True)
    id = str(101 + len(list(jobs.iterdir())))
    job = jobs / id
    job.mkdir()
    (job / "script.sh").write_text(Path(script).read_text())
    if not (PLACE / "hold").exists():
        begin(job)
    print(f"Submitted batch job {id}")
    return 0


def state(job: Path) -> str:
    if (job / "state").exists():
        return (job / "state").read_text()
    if not (job / "pid").exists():
        if (PLACE / "hold").exists():
            return "PENDING"
        begin(job)
    if (job / "code").exists():
        return "COMPLETED" if (job / "code").read_text().strip() == "0" else "FAILED"
    return "RUNNING" if alive(int((job / "pid").read_text())) else "NODE_FAIL"


def sacct(arguments: list[str]) -> int:
    print("JobID|State|NodeList")
    for id in [arguments[n + 1] for n, word in enumerate(arguments) if word == "-j"]:
        if (PLACE / "jobs" / id).exists():
            print(f"{id}|{state(PLACE / 'jobs' / id)}|node1\n{id}.batch|{state(PLACE / 'jobs' / id)}|node1")
    return 0


def end(job: Path, word: str) -> None:
    """End a job as SLURM does: all of its processes, those in sessions of their own as well."""
    (job / "state").write_text(word)
    if not (job / "pid").exists():
        return
    marked = f"SLURM_JOB_ID={job.name}".encode()
    for place in Path("/proc").iterdir():
        if place.name.isdecimal() and int(place.name) != os.getpid():
            try:
                if marked in (place / "environ").read_bytes().split(b"\0"):
                    os.kill(int(place.name), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                continue


def scancel(arguments: list[str]) -> int:
    end(PLACE / "jobs" / arguments[0], "CANCELLED by 0")
    return 0


def install(place: Path) -> Path:
    """Make the three programs in a folder and return it."""
    place.mkdir(parents=True)
    source = Path(__file__).read_text()
    (place / "fake.py").write_text(source)
    for name in ("sbatch", "sacct", "scancel", "srun"):
        (place / name).write_text(f'#!/bin/sh\nexec {json.dumps(sys.executable)} {place / "fake.py"} {name} "$@"\n')
        (place / name).chmod(0o755)
    return place


if __name__ == "__main__":
    command, rest = sys.argv[1], sys.argv[2:]
    sys.exit({"sbatch": lambda: sbatch(rest[-1]), "sacct": lambda: sacct(rest), "scancel": lambda: scancel(rest)}[command]())
