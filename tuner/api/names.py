"""The names of models that jobs made: `ft:BASE:tunesmith:SUFFIX:ID` and those of their checkpoints, `...:ckpt-step-8`."""

from collections.abc import Iterator
from typing import Any

from tuner import runs
from tuner.api import model_map
from tuner.api.records import Records
from tuner.errors import TunerError
from tuner.paths import Workspace
from tuner.runs import checkpoint_files
from tuner.serving.served_models import Served

OWNER = "tunesmith"
STEP = ":ckpt-step-"


def of(job: dict[str, Any]) -> str:
    """Return the name of a job's model: as OpenAI's, `ft:gpt-4o-mini:my-org:suffix:id`."""
    return f"ft:{job['request']['model']}:{OWNER}:{job['request'].get('suffix') or ''}:{job['id'].rpartition('-')[2][:8]}"


def checkpoint(job: dict[str, Any], step: int) -> str:
    return f"{of(job)}{STEP}{step}"


class TunedModels:
    """What jobs made, for the server: by name, and as a list."""

    def __init__(self, ws: Workspace):
        self.ws, self.jobs = ws, Records(ws.api / "jobs", "ftjob")

    def find(self, name: str) -> Served | None:
        """Return the model or checkpoint of this name, or what it is mapped to; None where no job made one and it is mapped to nothing."""
        if mapped := model_map.read(self.ws).get(name):
            return Served(name, mapped)
        whole, _, step = name.partition(STEP)
        few = (
            self.jobs.beginning(whole.rpartition(":")[2]) if name.startswith("ft:") else []
        )  # each question comes here: not all jobs are read
        job = next((job for job in few if job.get("run") and of(job) == whole), None)
        if job is None or (step and not step.isdecimal()):
            return None
        return Served(name, job["run"], step=int(step) if step else None, created=job["created_at"])

    def listing(self) -> list[Served]:
        """Return the mapped names, which answer as the untrained models that they stand for, and the models of all jobs that have one, each with its
        checkpoints."""
        mapped = [Served(name, model) for name, model in model_map.read(self.ws).items()]
        return mapped + [served for job in self.jobs.all() for served in self._of(job)]

    def _of(self, job: dict[str, Any]) -> Iterator[Served]:
        try:
            run = runs.get(self.ws, job["run"]) if job.get("run") else None
        except TunerError:
            return  # the run was deleted on the page
        if run and run.can_answer:
            yield Served(of(job), run.id, created=job["created_at"])
        for found in checkpoint_files.checkpoints(run.path) if run else ():
            if (found / "MANIFEST.json").exists():
                step = checkpoint_files.step_of(found)
                yield Served(checkpoint(job, step), run.id, step=step, created=job["created_at"])
