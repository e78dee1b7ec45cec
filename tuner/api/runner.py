"""What carries a job forward: its files are read, a run is made and queued, watched, resumed; at its end the result file is written.

Each step can be repeated after a crash: the import and the run have the job's id, and a record is written when a step is done.
"""

import io
import shutil
import time
from contextlib import suppress
from typing import Any

from tuner import runs
from tuner.api import events, names, results
from tuner.api.jobs import Jobs, import_of
from tuner.api.requests import KINDS, JobRequest
from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.errors import ConflictError, DataError, DiskError, NotFoundError, TunerError, restore, translate
from tuner.jobs import data_jobs, training
from tuner.jobs.job import Job
from tuner.jobs.kinds import RESULT
from tuner.runs import Run
from tuner.system import machine

IMPORTS = 2  # times that files are read again whose process was stopped
RESUMES = 20  # of a run that was interrupted, before it counts as failed
TOLD = 5  # problems of a file that an error names
PAIRS = "Lines of prompt and completion are trained as a question and its answer: ask the model by /v1/chat/completions."


class JobRunner:
    """Carries the jobs of a workspace; one at a time does (`driver`)."""

    def __init__(self, jobs: Jobs):
        self.jobs = jobs
        self._settled: set[str] = set()

    def unsettled(self) -> list[dict[str, Any]]:
        """Return the jobs with something left to do, in the order in which they came. Those that have ended are read once."""
        found = self.jobs.records.all(without=self._settled)
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
        if self.jobs.wanted(job, "cancel"):
            return self._settle(job, state="cancelled")
        if not (self.jobs.ws.jobs / id / "job.json").exists():
            self._begin(job, asked, id)
        if self._read_again(job, id):
            return None
        now = data_jobs.progress(self.jobs.ws, id)
        if now.running or not first:
            return None
        if now.state == "failed":
            raise restore(now.errors)
        if now.state == "cancelled":
            return self._settle(job, state="cancelled")
        ds = store.get(self.jobs.ws, now.result["dataset"])
        try:
            _require_rows(ds, asked)
        except DataError:
            store.delete(self.jobs.ws, ds.id)
            raise
        job["run"] = self._train(job, asked, ds).id
        job["state"] = "run"
        self.jobs.records.write(job)
        events.add(self.jobs.ws, job, "Files validated, moving job to queued state")
        if ds.held_out and not asked.validation_file:
            events.add(
                self.jobs.ws,
                job,
                f"{ds.held_out} of {ds.rows} rows are validation rows, since no validation file was given: nothing is trained on them.",
            )
        if "answer" in ds.mapping:
            events.add(self.jobs.ws, job, PAIRS, level="warn")
        for warning in runs.get(self.jobs.ws, job["run"]).plan.get("warnings", []):
            events.add(self.jobs.ws, job, f"{warning['message']} {warning.get('remedy') or ''}".strip(), level="warn")
        return None

    def _read_again(self, job: dict[str, Any], id: str) -> bool:
        """Return whether the files are read once more: the process that read them is gone without a result, which says nothing about them."""
        folder = self.jobs.ws.jobs / id
        reading = Job(self.jobs.ws, "import", folder)
        going = reading.alive()  # asked first: a process may write its result and end in between
        if going or (folder / RESULT).exists() or job.get("imports", 0) >= IMPORTS:
            return False
        job["imports"] = job.get("imports", 0) + 1
        self.jobs.records.write(job)
        reading.remove()
        events.add(self.jobs.ws, job, "The process that read the files was stopped; they are read once more.", level="warn")
        return True

    def _begin(self, job: dict[str, Any], asked: JobRequest, id: str) -> None:
        file = self.jobs.files.get(job["owner"], asked.training_file)
        test = self.jobs.files.path(asked.validation_file) if asked.validation_file else None
        data_jobs.begin(
            self.jobs.ws,
            "add",
            id,
            path=[str(self.jobs.files.path(asked.training_file).resolve())],
            name=file["filename"].rpartition(".")[0] or file["filename"],
            held_out=asked.tunesmith.validation_share,
            **({"test_file": str(test.resolve())} if test else {}),
        )

    def _train(self, job: dict[str, Any], asked: JobRequest, ds: Dataset) -> Run:
        """Return the run with the job's id, which is made if it is not there yet."""
        folder = self.jobs.ws.run(job["id"])
        if folder.exists():
            with suppress(NotFoundError):
                run = runs.get(self.jobs.ws, job["id"])
                if run.state != "queued" or str(folder) in machine.Machine(self.jobs.ws.machine_folder()).work:
                    return run
            shutil.rmtree(folder)  # a crash came while it was made
        values = {"model": job["base"], "data": ds.ref} | asked.settings()
        if (times := asked.numbers.learning_rate_multiplier) != "auto" and "learning_rate" not in values:
            plan, *_ = training.prepare(self.jobs.ws, values, preset=asked.tunesmith.preset, need_data=True)
            values["learning_rate"] = plan.settings.learning_rate * times
        return training.start(
            self.jobs.ws,
            values,
            preset=asked.tunesmith.preset,
            name=training.unused_name(self.jobs.ws, asked.suffix) if asked.suffix else None,
            id=job["id"],
            about=asked.about(),
        )

    def _watch(self, job: dict[str, Any]) -> None:
        """Note what happens to the run, resume one that was interrupted, and write the result file of one that has ended well."""
        run = self.jobs.run_of(job)
        if run is None:
            return self._fail(
                job, DataError("The run of this job was deleted.", asked=job["id"], available="the other jobs", remedy="Create it again.")
            )
        if run.state != "queued" and not job.get("begun"):
            job["begun"] = time.time()
            self.jobs.records.write(job)
            events.add(self.jobs.ws, job, "Fine-tuning job started")
        state = self.jobs.state(job)
        if self.jobs.wanted(job, "cancel") and run.live:
            with suppress(ConflictError):  # it ended a moment ago
                runs.ask_to_stop(self.jobs.ws, run.id)  # once more, where the run was made while the job was cancelled
            return None
        if run.state == "interrupted" and state == "running":
            return self._resume(job, run)
        if run.state == "finished":
            if not job.get("results"):
                content = io.BytesIO(results.as_csv(run).encode())
                job["results"] = self.jobs.files.add_results(job["owner"], f"step_metrics_{job['id']}.csv", content)["id"]
                self.jobs.records.write(job)
                events.add(self.jobs.ws, job, f"New fine-tuned model created: {names.of(job)}")
            return self._settle(job, message="The job has successfully completed")
        if state == "cancelled":
            return self._settle(job, message="The job was cancelled.")
        if state == "failed":
            return self._settle(job, message=f"The job failed: {self.jobs.error(job, run)['message']}", level="error")
        return None

    def _resume(self, job: dict[str, Any], run: Run) -> None:
        job["resumes"] = job.get("resumes", 0) + 1
        self.jobs.records.write(job)
        if job["resumes"] > RESUMES:
            raise DataError(
                f"The training was interrupted {RESUMES} times.",
                asked=job["id"],
                available="its log on the Runs page",
                remedy="Create the job again.",
            )
        training.resume(self.jobs.ws, run.id)
        events.add(self.jobs.ws, job, "The training was interrupted; it continues from its last checkpoint.", level="warn")

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
        job["final"] = self.jobs.described(job)
        self.jobs.records.write(job)
        if message:
            events.add(self.jobs.ws, job, message, level=level)


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
