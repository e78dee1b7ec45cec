"""Fine-tuning jobs: each is validated as a dataset and trained as an ordinary run, which the page shows and the queue orders.

A job's record says how far it came: `importing` (its files are read), `run` (a run was made; from then on the run's own state counts), `failed` or
`cancelled` before that. One server of a workspace carries jobs forward (`driver`); each step can be repeated after a crash, since the import and the
run have the job's id.
"""

import io
import shutil
import time
from contextlib import suppress
from typing import Any

from tuner import runs
from tuner.api import events, model_map, names, results
from tuner.api.files import RESULTS, Files
from tuner.api.records import Records
from tuner.api.requests import KINDS, JobRequest
from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.errors import ConflictError, DataError, DiskError, NotFoundError, TunerError, restore, translate
from tuner.jobs import data_jobs, run_queue, training
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
PAIRS = "Lines of prompt and completion are trained as a question and its answer: ask the model by /v1/chat/completions."
ENDED = ("succeeded", "failed", "cancelled")
RESUMES = 20  # of a run that was interrupted, before it counts as failed
TOLD = 5  # problems of a file that an error names


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, ws: Workspace, files: Files):
        self.ws, self.files, self.records = ws, files, Records(ws.api / "jobs", "ftjob")
        self._settled: set[str] = set()

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
            "integrations": [],
            "seed": run.plan["settings"]["seed"] if run else asked.seed or 0,
            "user_provided_suffix": asked.suffix,
            "fine_tuned_model": names.of(job) if done else None,
            "trained_tokens": run.status.measured.get("tokens") if done and run else None,
            "result_files": [job["results"]] if done and job.get("results") else [],
            "error": self._error(job, run) if state == "failed" else None,
            "finished_at": self._ended(job, run) if state in ENDED else None,
            "estimated_finish": _finish(run) if state == "running" else None,
            "tunesmith": {"model": job["base"], "run": job["run"], "state": run.state if run else job["state"]},
        }
        return found

    def _error(self, job: dict[str, Any], run: Run | None) -> dict[str, Any]:
        if job["error"]:
            return job["error"]
        if run is None:
            return {"code": "run_deleted", "message": "The run of this job was deleted.", "param": None}
        told = run.status.error or {}
        message = f"{told.get('message') or run.status.reason or 'The run stopped unexpectedly.'} {told.get('remedy') or ''}".strip()
        return {"code": told.get("code") or "training_failed", "message": message, "param": None}

    def _ended(self, job: dict[str, Any], run: Run | None) -> int:
        return job.get("finished_at") or int((run.status.document.get("updated") if run else None) or job["created_at"])

    # --- carried forward ------------------------------------------------------------------------------------------------

    def unsettled(self) -> list[dict[str, Any]]:
        """Return the jobs with something left to do, in the order in which they came. Those that have ended are read once."""
        found = self.records.all(without=self._settled)
        self._settled |= {job["id"] for job in found if job.get("settled")}
        return [job for job in found if not job.get("settled")]

    def advance(self, job: dict[str, Any], *, first: bool = True) -> None:
        """Carry a job as far as it goes now; its files are read, and its run is made when it is the `first` that waits for one. What goes wrong fails
        this job alone."""
        try:
            if job["state"] == "importing":
                self._import(job, first)
            if job["state"] == "run":
                self._watch(job)
        except Exception as error:
            known = translate(error)
            if known is None or isinstance(known, DiskError):  # a full disk passes: it is tried again
                raise
            self._fail(job, known)

    def _import(self, job: dict[str, Any], first: bool) -> None:
        """Read the files in a process of its own; then plan, and queue the run."""
        id, asked = import_of(job), JobRequest.model_validate(job["request"])
        if self.wanted(job, "cancel"):
            return self._settle(job, state="cancelled")
        if not (self.ws.jobs / id / "job.json").exists():
            self._begin(job, asked, id)
        now = data_jobs.progress(self.ws, id)
        if now.running or not first:
            return None
        if now.state == "failed":
            raise restore(now.errors)
        if now.state == "cancelled":
            return self._settle(job, state="cancelled")
        ds = store.get(self.ws, now.result["dataset"])
        try:
            _require_rows(ds, asked)
        except DataError:
            store.delete(self.ws, ds.id)
            raise
        job["run"] = self._train(job, asked, ds).id
        job["state"] = "run"
        self.records.write(job)
        events.add(self.ws, job, "Files validated, moving job to queued state")
        if ds.held_out and not asked.validation_file:
            events.add(
                self.ws,
                job,
                f"{ds.held_out} of {ds.rows} rows are validation rows, since no validation file was given: nothing is trained on them.",
            )
        if "answer" in ds.mapping:
            events.add(self.ws, job, PAIRS, level="warn")
        for warning in runs.get(self.ws, job["run"]).plan.get("warnings", []):
            events.add(self.ws, job, f"{warning['message']} {warning.get('remedy') or ''}".strip(), level="warn")
        return None

    def _begin(self, job: dict[str, Any], asked: JobRequest, id: str) -> None:
        file = self.files.get(job["owner"], asked.training_file)
        test = self.files.path(asked.validation_file) if asked.validation_file else None
        data_jobs.begin(
            self.ws,
            "add",
            id,
            path=[str(self.files.path(asked.training_file).resolve())],
            name=file["filename"].rpartition(".")[0] or file["filename"],
            held_out=asked.tunesmith.validation_share,
            **({"test_file": str(test.resolve())} if test else {}),
        )

    def _train(self, job: dict[str, Any], asked: JobRequest, ds: Dataset) -> Run:
        """Return the run with the job's id, which is made if it is not there yet."""
        folder = self.ws.run(job["id"])
        if folder.exists():
            try:
                run = runs.get(self.ws, job["id"])
                run_queue.enqueue(self.ws, run)  # where a crash came in between; a run that is in the queue stays there
                return run
            except NotFoundError:
                shutil.rmtree(folder)  # it had only begun to be written
        values = {"model": job["base"], "data": ds.ref} | asked.settings()
        if (times := asked.numbers.learning_rate_multiplier) != "auto" and "learning_rate" not in values:
            plan, *_ = training.prepare(self.ws, values, preset=asked.tunesmith.preset, need_data=True)
            values["learning_rate"] = plan.settings.learning_rate * times
        return training.start(
            self.ws,
            values,
            preset=asked.tunesmith.preset,
            name=training.unused_name(self.ws, asked.suffix) if asked.suffix else None,
            id=job["id"],
        )

    def _watch(self, job: dict[str, Any]) -> None:
        """Note what happens to the run, resume one that was interrupted, and write the result file of one that has ended well."""
        run = self.run_of(job)
        if run is None:
            return self._fail(
                job, DataError("The run of this job was deleted.", asked=job["id"], available="the other jobs", remedy="Create it again.")
            )
        if run.state != "queued" and not job.get("begun"):
            job["begun"] = time.time()
            self.records.write(job)
            events.add(self.ws, job, "Fine-tuning job started")
        state = self.state(job)
        if self.wanted(job, "cancel") and run.live:
            with suppress(ConflictError):  # it ended a moment ago
                runs.ask_to_stop(self.ws, run.id)  # once more, where the run was made while the job was cancelled
            return None
        if run.state == "interrupted" and state == "running":
            return self._resume(job, run)
        if run.state == "finished":
            content = io.BytesIO(results.as_csv(run).encode())
            job["results"] = self.files.add_results(job["owner"], f"step_metrics_{job['id']}.csv", content)["id"]
            self.records.write(job)
            events.add(self.ws, job, f"New fine-tuned model created: {names.of(job)}")
            return self._settle(job, message="The job has successfully completed")
        if state == "cancelled":
            return self._settle(job, message="The job was cancelled.")
        if state == "failed":
            return self._settle(job, message=f"The job failed: {self._error(job, run)['message']}", level="error")
        return None

    def _resume(self, job: dict[str, Any], run: Run) -> None:
        job["resumes"] = job.get("resumes", 0) + 1
        self.records.write(job)
        if job["resumes"] > RESUMES:
            raise DataError(
                f"The training was interrupted {RESUMES} times.",
                asked=job["id"],
                available="its log on the Runs page",
                remedy="Create the job again.",
            )
        training.resume(self.ws, run.id)
        events.add(self.ws, job, "The training was interrupted; it continues from its last checkpoint.", level="warn")

    def _fail(self, job: dict[str, Any], error: TunerError) -> None:
        first = error.as_list()[0]
        told = f"{first['message']} {first['remedy'] or ''}".strip()
        param = "training_file" if job["state"] == "importing" and isinstance(error, DataError) else None
        code = "invalid_training_file" if param else first["code"]
        self._settle(
            job, state="failed", error={"code": code, "message": told, "param": param}, message=f"The job failed: {told}", level="error"
        )

    def _settle(self, job: dict[str, Any], *, message: str | None = None, level: str = "info", **values: Any) -> None:
        job |= values | {"settled": True, "finished_at": int(time.time())}
        job["final"] = self.described(job)
        self.records.write(job)
        if message:
            events.add(self.ws, job, message, level=level)


def import_of(job: dict[str, Any]) -> str:
    """Return the id of the import of a job's files."""
    return f"import-{job['id']}"


def _require_rows(ds: Dataset, asked: JobRequest) -> None:
    """Raise DataError for a file with bad lines, or of another kind than the method takes. Hosted jobs train on whole files or not at all."""
    if ds.problem_count:
        told = " ".join(f"Line {p['row']}: {p['message']} {p['remedy']}" for p in ds.problems[:TOLD])
        more = f" And {ds.problem_count - TOLD:,} more." if ds.problem_count > TOLD else ""
        raise DataError(
            f"The job failed due to an invalid training file. {told}{more}",
            asked=ds.name,
            available="a file without bad lines",
            remedy="Mend these lines and upload the file again.",
        )
    if ds.kind not in KINDS[asked.type]:
        raise DataError(
            f"The file has rows for {ds.kind}; the method {asked.type} takes {', '.join(KINDS[asked.type])}.",
            asked=ds.kind,
            available=KINDS[asked.type],
            remedy='Lines with {"messages": [...]} for supervised, {"input", "preferred_output", "non_preferred_output"} for dpo.',
        )


def _finish(run: Run | None) -> int | None:
    left = run.progress.eta_seconds if run else None
    return int(time.time() + left) if left is not None else None
