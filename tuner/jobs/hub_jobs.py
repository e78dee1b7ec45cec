"""A run on Hugging Face's own machines (Jobs), paid by the person's account: submitted, followed and ended by the Hub's own client.

What goes there and comes back lies in a private dataset repository of the account, one for each run:

    bundle.zip                  the rows, the settings and this program (`bundles`)
    run/status.json ...         what the run says of itself, again every minute (`hub_job_worker`)
    run/metrics/*.jsonl         its metrics in pieces, each written once; run/log/*.txt its log
    state/                      what it resumes from, after a time-out
    control                     asks it to stop
    result.json, result.zip     size and sha256 of the packed run, and the packed run

A run counts as finished only when `result.zip` is listed with the size that `result.json` tells, and its bytes have that sha256.
"""

import json
import shlex
import shutil
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import ConflictError, RequestError, WorkError
from tuner.network import hub_token, retries
from tuner.paths import Workspace
from tuner.runs import metrics_file, run_archive

BUNDLE, RUN, STATE, CONTROL, RESULT, ABOUT = "bundle.zip", "run", "state", "control", "result.zip", "result.json"
METRICS, LOG = f"{RUN}/metrics/", f"{RUN}/log/"
MIRRORED = ("status.json", "plan.json", "samples.jsonl")
LABEL = "tunesmith-run"
# Debian with Python 3.12 and uv, the image of the Hub's own `run_uv_job`
IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
ASK = 15.0  # seconds between two looks into the repository
SCRIPT = """set -e
mkdir -p /tmp/tunesmith && cd /tmp/tunesmith
uv pip install --system -q huggingface_hub
python -c 'import os, sys, zipfile
from huggingface_hub import hf_hub_download
file = hf_hub_download(sys.argv[1], "bundle.zip", repo_type="dataset", token=os.environ["HF_TOKEN"])
zipfile.ZipFile(file).extractall("bundle")' {repo}
uv pip install --system -q -r bundle/requirements.txt
PYTHONPATH=bundle/code exec python -m tuner.jobs.hub_job_worker {repo} {id}
"""


def require_token(token: str | None) -> str:
    """Return the token for Jobs; RequestError without one."""
    found = hub_token.for_calls(token)
    if not found:
        raise RequestError(
            "Training on Hugging Face Jobs needs a token of your account.",
            asked="jobs",
            available="a token that may start jobs and write repositories",
            remedy="Log in with `hf auth login`, or enter a token in Settings.",
            field="where",
        )
    return str(found)


class HubJobs:
    """Submits the bundle of a run, brings back what it writes, asks after it, ends it. `place`: the folder of the driver; `there`: where the run
    appears here."""

    name, shared = "Hugging Face Jobs", False
    again = "Resume the run to start another job, which costs again."
    settles = 60.0  # seconds after the end of a job for its result to be listed

    def __init__(self, place: Path, there: Path, wanted: dict[str, Any]):
        from huggingface_hub import HfApi

        self.place, self.there, self.wanted = place, there, wanted
        self.token = require_token(None)
        self.api = HfApi(token=self.token)
        known = paths.read_json(place / "hub.json") or {}
        # of this run alone: another computer of the account, or an earlier run that was deleted, may have one of the same name
        self.key: str = known.get("key") or f"{there.name[:30].rstrip('-._')}-{uuid.uuid4().hex[:8]}"
        self.owner: str = known.get("owner", "")  # known once it was submitted: no network is needed then
        self.seen: dict[str, str] = paths.read_json(place / "seen.json", {}) or {}
        self.asked_at = -ASK
        self.files: dict[str, int] = {}

    @property
    def repo(self) -> str:
        return f"{self.owner}/tunesmith-{self.key}"

    # --- there -------------------------------------------------------------------------------------------------------------------

    def submit(self, bundle: Path, out: Path, title: str) -> str:
        """Upload the bundle and start the job; return its id. A job that this run has already is taken instead of a second one."""
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return retries.with_retries(lambda: self._submit(bundle, title), tell=lambda said: print(said, flush=True))
        except HfHubHTTPError as error:
            raise WorkError(
                f"Hugging Face Jobs did not take the run: {str(error).strip()[-300:]}",
                asked=self.wanted["flavor"],
                available="hardware that your account may use, and credit for it",
                remedy="Look at https://huggingface.co/settings/billing and at what the token may do, and resume the run.",
                field="where",
            ) from error

    def _submit(self, bundle: Path, title: str) -> str:
        from huggingface_hub import CommitOperationDelete

        self.owner = self.api.whoami()["name"]
        paths.write_json(self.place / "hub.json", {"key": self.key, "owner": self.owner})
        if found := self.at_work():
            return found
        self._private_repository()
        self.api.upload_file(path_or_fileobj=bundle, path_in_repo=BUNDLE, repo_id=self.repo, repo_type="dataset")
        old = [p for p in self._listed() if p in (CONTROL, RESULT, ABOUT, f"{RUN}/status.json")]  # of the job before this one
        if old:
            told = {"commit_message": "Another job begins", "repo_id": self.repo, "repo_type": "dataset"}
            self.api.create_commit(operations=[CommitOperationDelete(p) for p in old], **told)
        (self.there / "status.json").unlink(missing_ok=True)
        return self.api.run_job(
            image=IMAGE,
            command=["bash", "-c", SCRIPT.format(repo=shlex.quote(self.repo), id=shlex.quote(self.there.name))],
            secrets={"HF_TOKEN": self.token},
            flavor=self.wanted["flavor"],
            timeout=f"{self.wanted['timeout']}m",
            labels={LABEL: self.key},
            name=title[:60],
            namespace=self.owner,
        ).id

    def at_work(self) -> str | None:
        """Return the job that works for this run, or waits; None without one."""
        found = self.api.list_jobs(labels={LABEL: self.key}, namespace=self.owner)
        return next((job.id for job in found if job.status.stage in ("SCHEDULING", "RUNNING")), None)

    def _private_repository(self) -> None:
        self.api.create_repo(self.repo, repo_type="dataset", private=True, exist_ok=True)
        if not self.api.repo_info(self.repo, repo_type="dataset").private:
            raise ConflictError(
                f"The repository {self.repo} is public, and your rows would be, too.",
                asked=self.repo,
                available="a private repository",
                remedy="Make it private or delete it on the Hub, and resume the run.",
                field="where",
            )

    def _listed(self) -> dict[str, int]:
        """Return {path: bytes} of the files in the repository, and keep what they are known by."""
        tree = self.api.list_repo_tree(self.repo, recursive=True, repo_type="dataset")
        found = [entry for entry in tree if hasattr(entry, "size")]
        self.marks = {entry.path: (entry.lfs.sha256 if entry.lfs else entry.blob_id) for entry in found}
        self.files = {entry.path: entry.size for entry in found}
        return self.files

    def state(self, job: str) -> str:
        """Return "waits", "works", or the word with which Hugging Face says how it ended."""
        stage = str(getattr(found := self.api.inspect_job(job_id=job, namespace=self.owner).status.stage, "value", found))
        return {"SCHEDULING": "waits", "RUNNING": "works"}.get(stage, stage)

    def cancel(self, job: str) -> None:
        self.api.cancel_job(job_id=job, namespace=self.owner)

    def stop(self) -> None:
        """Ask the run there to save and stop; it looks every minute."""
        if CONTROL not in self.files:
            self.api.upload_file(path_or_fileobj=b"stop", path_in_repo=CONTROL, repo_id=self.repo, repo_type="dataset")
            self.files[CONTROL] = 4

    def kept(self) -> str | None:
        """Return the step that a resume goes on from."""
        steps = [int(p.split("/")[2].rpartition("-")[2]) for p in self.files if p.startswith(f"{STATE}/checkpoints/")]
        return str(max(steps)) if steps else None

    # --- back --------------------------------------------------------------------------------------------------------------------

    def fetch(self) -> None:
        """Bring what is new in the repository into the folder `there`."""
        if time.monotonic() - self.asked_at < ASK:
            return
        self.asked_at = time.monotonic()
        self._listed()
        self.there.mkdir(parents=True, exist_ok=True)
        for path in sorted(p for p in self.files if p.startswith((METRICS, LOG)) and p not in self.seen):
            self._piece(path)
        for name in MIRRORED:
            path = f"{RUN}/{name}"
            if path in self.files and self.seen.get(path) != self.marks[path]:
                self._download(path).replace(self.there / name)
                self._know(path)
        if ABOUT in self.files and RESULT in self.files and not (self.place / RESULT).exists():
            self._result()

    def _piece(self, path: str) -> None:
        """Add a piece of the metrics or of the log."""
        text = self._download(path).read_text(encoding="utf-8", errors="replace")
        if path.startswith(LOG):
            with open(self.there / "worker.log", "a", encoding="utf-8") as log:
                log.write(text)
        else:
            rows = [tuple(json.loads(line)) for line in text.splitlines()]
            with closing(metrics_file.metrics_db(self.there)) as db, db:
                db.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?)", rows)
        self._know(path)

    def _know(self, path: str) -> None:
        self.seen[path] = self.marks[path]
        paths.write_json(self.place / "seen.json", self.seen)

    def _result(self) -> None:
        """Bring the packed run, when it is listed as it was told, and unpack it into `there`."""
        told = paths.read_json(self._download(ABOUT)) or {}
        if self.files[RESULT] != told.get("bytes"):
            return  # the listing is late
        file = self._download(RESULT)
        if paths.sha256(file) != told["sha256"]:
            raise WorkError(
                "The result of the job is not what it wrote.",
                asked=told["sha256"],
                available=paths.sha256(file),
                remedy="Resume the run: it continues from what is kept there.",
            )
        taken = run_archive.take_in(Workspace(self.place / "taken"), file)
        shutil.copytree(taken.path, self.there, dirs_exist_ok=True)
        file.replace(self.place / RESULT)

    def _download(self, path: str) -> Path:
        from huggingface_hub import hf_hub_download

        place = self.place / "downloads"
        found = hf_hub_download(self.repo, path, repo_type="dataset", local_dir=place, token=self.token)
        return Path(found)

    def forget(self) -> None:
        """Delete the repository of a run whose result is here, checked."""
        self.api.delete_repo(self.repo, repo_type="dataset", missing_ok=True)
