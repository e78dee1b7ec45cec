"""A run on a cluster that SLURM schedules, through submitit: the file for sbatch, the state by sacct, an end by scancel.

The workspace must be on a disk that the nodes see, as home directories of clusters are; the nodes use the Python of this program.
"""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tuner import runs
from tuner.errors import SettingError, WorkError
from tuner.system import processes

EXTRA = "cluster"
# what a person may say: (submitit's name for it, its kind)
OPTIONS = {
    "partition": ("slurm_partition", str),
    "account": ("slurm_account", str),
    "qos": ("slurm_qos", str),
    "constraint": ("slurm_constraint", str),
    "gres": ("slurm_gres", str),
    "time": ("timeout_min", int),  # minutes
    "gpus": ("gpus_per_node", int),
    "cpus": ("cpus_per_task", int),
    "memory": ("mem_gb", float),  # GB
}
USUAL = {"time": 24 * 60}
WAITS = ("PENDING", "REQUEUED", "RESIZING", "SUSPENDED", "UNKNOWN", "CONFIGURING")
WORKS = ("RUNNING", "COMPLETING")


def options(pairs: list[str]) -> dict[str, Any]:
    """Return the options of `--slurm KEY=VALUE`; SettingError for what SLURM is not told."""
    found: dict[str, Any] = dict(USUAL)
    for pair in pairs:
        key, _, value = pair.partition("=")
        key, value = key.strip(), value.strip()
        try:
            kind = OPTIONS[key][1]
            found[key] = kind(value)
            if not value or kind is not str and found[key] <= 0 or "\n" in value:
                raise ValueError(value)
        except (KeyError, ValueError) as error:
            raise SettingError(
                f"{pair[:80]!r} is nothing that SLURM can be told here.",
                asked=pair[:80],
                available=", ".join(f"{name}={'minutes' if name == 'time' else kind.__name__}" for name, (_, kind) in OPTIONS.items()),
                remedy="Write, for example, --slurm partition=gpu --slurm gpus=1 --slurm time=120.",
                field="slurm",
            ) from error
    return found


def require() -> None:
    """Raise SettingError when submitit is not installed."""
    if find_spec("submitit") is None:
        raise SettingError(
            "Runs on a cluster need submitit, which is not installed.",
            asked="slurm",
            available="this computer",
            remedy=f'Install it with `pip install "tunesmith[{EXTRA}]"`.',
            field="where",
        )
    if lacking := [name for name in ("sbatch", "srun", "sacct", "scancel") if shutil.which(name) is None]:
        raise SettingError(
            f"SLURM is not on this computer: there is no {' and no '.join(lacking)}.",
            asked="slurm",
            available="this computer",
            remedy="Start Tunesmith on a login node of the cluster, or train here.",
            field="where",
        )


class Slurm:
    """Submits a bundle in `place`, asks after its job, ends it. `there`: where the run appears."""

    name, shared = "SLURM", True  # its nodes see the workspace's disk
    again = "Resume the run to submit it again."
    settles = 30.0  # seconds after the end of a job for its files to be seen here: a network's disk is late

    def __init__(self, place: Path, there: Path, wanted: dict[str, Any]):
        self.place, self.folder, self.there, self.wanted = place, place / "jobs", there, wanted

    def submit(self, bundle: Path, out: Path, title: str) -> str:
        """Return the id of the job; WorkError with what sbatch said."""
        import submitit

        command = [
            sys.executable,
            "-m",
            "tuner.cli",
            "run-bundle",
            str(bundle),
            "--folder",
            str(self.place / "work"),
            "--out",
            str(out),
            "--json",
        ]
        try:
            executor = submitit.SlurmExecutor(folder=self.folder, python=sys.executable)
            told = {OPTIONS[key][0]: value for key, value in self.wanted.items()}
            plain = {name.removeprefix("slurm_"): value for name, value in told.items() if name not in ("timeout_min", "mem_gb")}
            if "mem_gb" in told:
                plain["mem"] = f"{told['mem_gb']:g}GB"
            executor.update_parameters(job_name=title, time=told["timeout_min"], stderr_to_stdout=True, use_srun=False, **plain)
            setup = [
                f"export PYTHONPATH={processes.PACKAGE_ROOT!r}",
                "export TUNESMITH_MACHINE=$(mktemp -d)",
            ]  # its queue: not on a network's disk
            executor.update_parameters(setup=setup)
            return executor.submit(submitit.helpers.CommandFunction(command, verbose=False)).job_id
        except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
            raise WorkError(
                f"SLURM did not take the run: {str(error).strip()[-300:] or type(error).__name__}",
                asked=title,
                available="what `sinfo` and `sacctmgr show assoc` list",
                remedy="Check partition, account and limits (--slurm KEY=VALUE), and resume the run.",
                field="slurm",
            ) from error

    def state(self, job: str) -> str:
        """Return "waits", "works", or the word with which SLURM says how it ended."""
        import submitit

        said = submitit.SlurmJob(self.folder, job).get_info(mode="force").get("State") or "UNKNOWN"
        word = said.split()[0].rstrip("+")  # "CANCELLED by 1000"
        return "waits" if word in WAITS else "works" if word in WORKS else word

    def fetch(self) -> None:
        """Do nothing: what the run writes is seen here."""

    def stop(self) -> None:
        (self.there / "control").write_text("stop")

    def kept(self) -> str | None:
        """Return the step that a resume goes on from."""
        saved = runs.newest_whole_checkpoint(self.there) if self.there.exists() else None
        return saved.name.rpartition("-")[2] if saved else None

    def forget(self) -> None:
        """Do nothing: it leaves nothing elsewhere."""

    def cancel(self, job: str) -> None:
        import submitit

        submitit.SlurmJob(self.folder, job).cancel(check=False)
