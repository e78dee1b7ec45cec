"""Fine-tuning jobs: each is validated as a dataset and trained as an ordinary run, which the page shows and the queue orders.

A job's record says how far it came: `importing` (its files are read), `run` (a run was made; from then on the run's own state counts), `failed` or
`cancelled` before that. `runner` carries jobs forward.
"""

import time
from contextlib import suppress
from typing import Any

from tuner import runs
from tuner.api import events, model_map, names, results
from tuner.api.files import RESULTS, Files
from tuner.api.records import Records
from tuner.api.requests import JobRequest
from tuner.errors import ConflictError, NotFoundError
from tuner.jobs import data_jobs, training
from tuner.paths import Workspace
from tuner.runs import Run
from tuner.serving.keys import OWN
from tuner.serving.protocol import Refused

STATES = {  # of a run -> of a job
    "queued": "queued",
    "preparing": "running",
    "running": "running",
    "stopping": "running",
    "interrupted": "running",  # it is resumed
    "finished": "succeeded",
    "failed": "failed",
}
ENDED = ("succeeded", "failed", "cancelled")


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, ws: Workspace, files: Files):
        self.ws, self.files, self.records = ws, files, Records(ws.api / "jobs", "ftjob")

    # --- what clients ask ---------------------------------------------------------------------------------------------

    def create(self, owner: str, asked: JobRequest) -> dict[str, Any]:
        """Write a job down and return its object. Refused for files that are not there, and for a model that is mapped to nothing."""
        for field in ("training_file", "validation_file"):
            if id := getattr(asked, field):
                self._require_file(owner, field, id)
        base = self._base(owner, asked.model)
        job = self.records.create(owner, request=asked.model_dump(exclude_none=True), base=base, state="importing", run=None, error=None)
        events.add(self.ws, job, f"Created fine-tuning job: {job['id']}")
        if base != asked.model:
            events.add(self.ws, job, f"{asked.model} is trained as {base}, which it is mapped to.")
        events.add(
            self.ws,
            job,
            f"Validating training file: {asked.training_file}"
            + (f" and validation file: {asked.validation_file}" if asked.validation_file else ""),
        )
        return self.described(job)

    def _require_file(self, owner: str, field: str, id: str) -> None:
        try:
            file = self.files.get(owner, id)
        except Refused as error:
            raise Refused(400, f"invalid {field}: {id[:100]}", param=field, code="invalid_file") from error
        if file["purpose"] == RESULTS:
            raise Refused(400, f"{id} has the purpose {RESULTS}; {field} must be a file for fine-tune.", param=field, code="invalid_file")

    def _base(self, owner: str, model: str) -> str:
        """Return what is trained: the model that a job of this key made, or what the name is mapped to."""
        found = names.TunedModels(self.ws).find(model) if model.startswith("ft:") else None
        if found is None:
            return model_map.find(self.ws, model, any_model=owner == OWN)
        if self.records.get(owner, found.ref)["run"] is None or found.step is not None:
            raise Refused(400, "A checkpoint can't be trained further here; name the model of a job.", param="model")
        return found.ref

    def get(self, owner: str, id: str) -> dict[str, Any]:
        return self.described(self.records.get(owner, id))

    def listing(self, owner: str, *, after: str | None, limit: int, metadata: dict[str, str]) -> tuple[list[dict], bool]:
        """Return (jobs as they are shown, whether there are more)."""
        found, more = self.records.listing(
            owner, after=after, limit=limit, where=lambda job: metadata.items() <= (job["request"].get("metadata") or {}).items()
        )
        return [self.described(job) for job in found], more

    def cancel(self, owner: str, id: str) -> dict[str, Any]:
        """Cancel a job; Refused when it has ended."""
        job = self._unfinished(owner, id)
        (self._folder(job) / "cancel").touch()
        if run := self.run_of(job):
            with suppress(ConflictError):  # it ended a moment ago
                runs.ask_to_stop(self.ws, run.id)
        elif job["state"] == "importing":
            with suppress(NotFoundError):
                data_jobs.cancel(self.ws, import_of(job))
        events.add(self.ws, job, "The job is cancelled at the next step." if job["run"] else "The job is cancelled.")
        return self.described(self.records.get(owner, id))

    def pause(self, owner: str, id: str) -> dict[str, Any]:
        """Stop a job at its next step, saved; Refused where nothing is trained."""
        job = self._unfinished(owner, id)
        run = self.run_of(job)
        if run is None or not run.live:
            raise Refused(400, f"The job {id} is {self.state(job)}: only a queued or running one can be paused.", param="id")
        (self._folder(job) / "pause").touch()
        runs.ask_to_stop(self.ws, run.id)
        events.add(self.ws, job, "The job is paused: it saves at the next step, then stops.")
        return self.described(job)

    def resume(self, owner: str, id: str) -> dict[str, Any]:
        """Let a paused job go on from where it stopped."""
        job = self._unfinished(owner, id)
        run = self.run_of(job)
        if not (self._folder(job) / "pause").exists() or run is None:
            raise Refused(400, f"The job {id} is not paused.", param="id")
        if run.live:
            raise Refused(409, f"The job {id} is still saving; try again in a moment.", param="id")
        (self._folder(job) / "pause").unlink()
        training.resume(self.ws, run.id)
        events.add(self.ws, job, "The job is resumed.")
        return self.described(job)

    def _unfinished(self, owner: str, id: str) -> dict[str, Any]:
        job = self.records.get(owner, id)
        if (state := self.state(job)) in ENDED or self.wanted(job, "cancel"):
            raise Refused(400, f"The job {id} is {'being cancelled' if state not in ENDED else state} already.", param="id")
        return job

    # --- what a job is -------------------------------------------------------------------------------------------------

    def run_of(self, job: dict[str, Any]) -> Run | None:
        """Return the run of a job; None while there is none, or when it was deleted."""
        if not job["run"]:
            return None
        try:
            return runs.get(self.ws, job["run"])
        except NotFoundError:
            return None

    def _folder(self, job: dict[str, Any]):
        folder = self.records.folder / job["id"]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def wanted(self, job: dict[str, Any], what: str) -> bool:
        """Return whether somebody asked for "cancel" or "pause"."""
        return (self.records.folder / job["id"] / what).exists()

    def state(self, job: dict[str, Any]) -> str:
        """Return the state that OpenAI's API has for it. A paused job counts as queued; what has ended stays so."""
        if final := job.get("final"):
            return final["status"]
        if job["state"] == "importing":
            return "cancelled" if self.wanted(job, "cancel") else "validating_files"
        if job["state"] != "run":
            return job["state"]
        run = self.run_of(job)
        if run is None:
            return "failed"
        if self.wanted(job, "cancel") and run.state != "finished":
            return "running" if run.live and run.state != "queued" else "cancelled"
        if run.state == "stopped":
            return "queued" if self.wanted(job, "pause") else "cancelled"  # cancelled on the page
        if run.state == "finished" and not job.get("settled"):
            return "running"  # its result file is still to be written
        return STATES[run.state]

    def described(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return a job as OpenAI's API shows it, and as `tunesmith` what it has no name for; one that has ended as it was then, also when its run is
        deleted later."""
        if final := job.get("final"):
            return final
        asked, run, state = JobRequest.model_validate(job["request"]), self.run_of(job), self.state(job)
        done = state == "succeeded"
        numbers = results.hyperparameters(asked, run)
        found = {"object": "fine_tuning.job", "organization_id": names.OWNER, "status": state, "model": asked.model}
        found |= {key: job[key] for key in ("id", "created_at")}
        found |= {
            "training_file": asked.training_file,
            "validation_file": asked.validation_file,
            "hyperparameters": {k: v for k, v in numbers.items() if k != "beta"},
            "method": {"type": asked.type, asked.type: {"hyperparameters": numbers}},
            "metadata": asked.metadata or None,
            "integrations": [i.model_dump(exclude_none=True) for i in asked.integrations],
            "seed": run.plan["settings"]["seed"] if run else asked.seed or 0,
            "user_provided_suffix": asked.suffix,
            "fine_tuned_model": names.of(job) if done else None,
            "trained_tokens": run.status.measured.get("tokens") if done and run else None,
            "result_files": [job["results"]] if done and job.get("results") else [],
            "error": self.error(job, run) if state == "failed" else None,
            "finished_at": self._ended(job, run) if state in ENDED else None,
            "estimated_finish": _finish(run) if state == "running" else None,
            "tunesmith": {"model": job["base"], "run": job["run"], "state": run.state if run else job["state"]},
        }
        return found

    def error(self, job: dict[str, Any], run: Run | None) -> dict[str, Any]:
        """Return why a job failed, in the shape of OpenAI's API."""
        if job["error"]:
            return job["error"]
        if run is None:
            return {"code": "run_deleted", "message": "The run of this job was deleted.", "param": None}
        told = run.status.error or {}
        message = f"{told.get('message') or run.status.reason or 'The run stopped unexpectedly.'} {told.get('remedy') or ''}".strip()
        return {"code": told.get("code") or "training_failed", "message": message, "param": None}

    def _ended(self, job: dict[str, Any], run: Run | None) -> int:
        return job.get("finished_at") or int((run.status.document.get("updated") if run else None) or job["created_at"])


def import_of(job: dict[str, Any]) -> str:
    """Return the id of the import of a job's files."""
    return f"import-{job['id']}"


def _finish(run: Run | None) -> int | None:
    left = run.progress.eta_seconds if run else None
    return int(time.time() + left) if left is not None else None
