"""The run folder and the list of all runs: one run is one folder, and its lock shows whether a process is working in it.

In: a config and a plan (from `jobs.training`), status and metrics (from a worker). Out: `Run`, its metrics, its checkpoints.
May import `system`, `network`, `errors`, `paths`, `locks`. Other packages use the names below: `runs.get(...)`.
"""

from tuner.runs.checkpoint_files import checkpoints, is_whole, newest_whole_checkpoint, write_manifest
from tuner.runs.metrics_file import metrics, metrics_db, metrics_table, read_metrics, write_metrics
from tuner.runs.run_folder import (
    ENDED,
    LIVE,
    RESERVE,
    SENTENCES,
    Run,
    alive,
    drop_unfinished,
    fill,
    log_tail,
    read,
    scorecards,
    write_status,
)
from tuner.runs.run_status import Progress, RunStatus
from tuner.runs.store import ask_to_stop, create, delete, describe, get, get_settled, listing, using_dataset, version

__all__ = [
    "ENDED",
    "LIVE",
    "RESERVE",
    "SENTENCES",
    "Progress",
    "Run",
    "RunStatus",
    "alive",
    "ask_to_stop",
    "checkpoints",
    "create",
    "delete",
    "describe",
    "drop_unfinished",
    "fill",
    "get",
    "get_settled",
    "is_whole",
    "listing",
    "log_tail",
    "metrics",
    "metrics_db",
    "metrics_table",
    "newest_whole_checkpoint",
    "read",
    "read_metrics",
    "scorecards",
    "using_dataset",
    "version",
    "write_manifest",
    "write_metrics",
    "write_status",
]
