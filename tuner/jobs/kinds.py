"""The kinds of background work, one entry each: what runs, where its state stands, what it takes of a device, how it is stopped.

Every job is a folder and at most one process, which holds the folder's `lock`. All kinds go through the same states:

    queued ──► starting ──► running ──► finished
      │            │         │   ▲
      │            │    stop │   │ queued again: a model was downloaded, a dry run is done, a person resumed it
      ▼            ▼         ▼   │
    stopped      failed    stopping ──► stopped            no process, and nothing was written ──► interrupted

    queued       the request is on disk; kinds that take no device skip it
    starting     a process was started and has not taken the lock yet
    running      the lock is held; a run is more exact: `preparing`, then `running`
    stopping     the stop file is there and the lock is still held
    finished     the process wrote its result (of jobs with `result.json`: `done`)
    stopped      it left because of the stop file, or never began (`cancelled`)
    failed       it wrote an error, or left one in the disk reserve
    interrupted  the lock is free and nothing was written (`failed`, with the cause)

The names of kinds and tasks, the files and the states are stored in workspaces and queues: they are contract.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.jobs.leases import Use
from tuner.settings import objectives

STATUS, RESULT = "status.json", "result.json"  # the files in which the state of a job stands
DOWNLOAD, DOWNLOADING = "tuner.workers.download", "Downloading the model."


@dataclass(frozen=True)
class Stage:
    """Work in a job's folder that comes before its own, as long as the file `marker` is there."""

    marker: str
    module: str
    network: bool = False
    reason: str | None = None  # what a person reads meanwhile


@dataclass(frozen=True)
class Kind:
    """One kind of background work."""

    module: str | Callable[[Path], str]  # the worker: `python -m MODULE FOLDER DEVICE`; a function chooses it by what the folder contains
    title: str = "a job"  # what people know it by
    record: str | None = None  # STATUS, RESULT, or None for a kind whose state is seen by its lock and its own files
    stop: str = "control"  # the file that asks it to stop
    use: Use = Use.NOTHING  # how it uses its device
    queued: bool = True  # False: the page or the terminal starts it at once, without the supervisor
    network: bool | Callable[[Path], bool] = False  # whether it may use the network, and is handed the Hub's token
    reason: str | None = None  # what a person reads while it begins
    evicts: tuple[Use, ...] = ()  # what is ended for it; chats give way as `leases` says
    progress: str | None = None  # the file in which its process says what it does, and the supervisor what it waits for
    killed_to_stop: bool = False  # its process is ended at once: it has nothing to save
    kept: float | None = None  # seconds that its folder stays after its end; None: until somebody removes it
    stages: tuple[Stage, ...] = ()

    def stage(self, folder: Path) -> Stage | None:
        """Return the stage that comes next in this folder; None when it is the kind's own work."""
        return next((s for s in self.stages if (folder / s.marker).exists()), None)

    def module_of(self, folder: Path) -> str:
        """Return the module to start next in this folder."""
        if stage := self.stage(folder):
            return stage.module
        return self.module if isinstance(self.module, str) else self.module(folder)

    def reason_of(self, folder: Path) -> str | None:
        """Return what a person reads while what comes next in this folder begins."""
        stage = self.stage(folder)
        return stage.reason if stage else self.reason

    def online(self, folder: Path) -> bool:
        """Return whether what comes next in this folder may use the network."""
        stage = self.stage(folder)
        if stage:
            return stage.network
        return self.network(folder) if callable(self.network) else self.network


def trainer(folder: Path) -> str:
    """Return the module that trains a run or a dry run: the worker, or what starts several of it (a dry run measures one of them)."""
    plan = paths.read_json(folder / "plan.json", {}) or {}
    if plan.get("where"):
        return "tuner.jobs.remote"
    several = plan.get("settings", {}).get("processes", 1) > 1 and not plan.get("dry_run")
    return "tuner.jobs.data_parallel" if several else worker_of(plan)


def follows_the_hub(folder: Path) -> bool:
    """Return whether a run's process follows a job on Hugging Face's machines."""
    return ((paths.read_json(folder / "plan.json", {}) or {}).get("where") or {}).get("kind") == "jobs"


def worker_of(plan: dict[str, Any]) -> str:
    """Return the training worker for the objective of a plan."""
    return f"tuner.workers.training.{objectives.get(plan.get('settings', {}).get('objective', 'chat')).worker}"


DAY = 24 * 3600.0
KINDS = {
    "train": Kind(
        trainer,
        "a run",
        record=STATUS,
        network=follows_the_hub,
        use=Use.WHOLE,
        evicts=(Use.IDLE,),
        stages=(
            Stage("fetch", DOWNLOAD, network=True, reason=DOWNLOADING),
            Stage("measure", "tuner.workers.training.preflight"),
        ),
    ),
    "measure": Kind(trainer, "a dry run", record=STATUS, use=Use.WHOLE, evicts=(Use.IDLE,), killed_to_stop=True, kept=DAY),  # a dry run
    "serve": Kind("tuner.workers.serving.server", "a chat", use=Use.SHARED),
    "probe": Kind("tuner.workers.device_benchmark", "a benchmark", use=Use.IDLE),  # a benchmark of a device
    "fetch": Kind(DOWNLOAD, "a download", record=STATUS, network=True, reason=DOWNLOADING),  # a download ahead of a run
    "export": Kind("tuner.workers.exporting.main", "an export", record=RESULT, progress="progress.json"),
    "import": Kind("tuner.workers.data_tasks", "work on data", record=RESULT, stop="cancel", queued=False, kept=DAY),  # all of TASKS
    "preview": Kind("tuner.workers.token_preview", "a token preview", record=RESULT, stop="cancel", queued=False, kept=DAY),
}


@dataclass(frozen=True)
class Task:
    """What a task of the kind `import` needs."""

    limited: bool = True  # it parses files of strangers, within limits of memory and time (`tuner.system.limits`)
    network: bool = False
    keeps: bool = False  # what is done stays when it ends early


TASKS = {
    "add": Task(),
    "paste": Task(),
    "hub": Task(network=True),
    "check": Task(),
    "remap": Task(),
    "mend": Task(),
    "edit": Task(),
    "mix": Task(limited=False),
    "export": Task(limited=False),
    "health": Task(limited=False),
    "pairs": Task(keeps=True),
    "generate": Task(limited=False, keeps=True),
    "judge": Task(limited=False, keeps=True),
    "evaluate": Task(limited=False),
    "benchmark": Task(limited=False, network=True),
    "push": Task(limited=False, network=True),
    "take-in": Task(limited=False),  # each byte is counted against the list that the file brings
}
