"""What works inside a Hugging Face Job: `python -m tuner.jobs.hub_job_worker REPOSITORY RUN_ID`.

It trains the bundle that lies in the repository and writes there what `hub_jobs` reads: every minute what the run says of itself, every ten minutes
its newest checkpoint, and at the end the packed run. A network that fails is tried again at the next look; the training does not wait for it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_download, snapshot_download

from tuner import paths, runs
from tuner.jobs.hub_jobs import ABOUT, BUNDLE, CONTROL, LOG, METRICS, MIRRORED, RESULT, RUN, STATE
from tuner.network import retries

EVERY = float(os.environ.get("TUNESMITH_JOB_EVERY", "60"))  # seconds between two commits: the Hub takes 128 an hour from an account
STATE_EVERY = 10 * EVERY
TRIES = 5  # for what must arrive: the result
DOCUMENTS = ("config.yaml", "plan.json", "about.json", "status.json")


class Mirror:
    """The repository, and what of the run in `folder` has been written there."""

    def __init__(self, repo: str, folder: Path, token: str):
        self.repo, self.folder = repo, folder
        self.api = HfApi(token=token)
        self.sent: dict[str, bytes] = {}
        self.step, self.logged, self.saved, self.saved_at = -1, 0, "", 0.0

    def commit(self, operations: list, message: str) -> None:
        self.api.create_commit(self.repo, operations, commit_message=message, repo_type="dataset")

    def progress(self) -> None:
        """Write what is new of the run: its documents, and a piece of metrics and log."""
        if not (self.folder / "status.json").exists():
            return
        now, new = f"{time.time_ns() // 1000:020d}", {}
        for name in MIRRORED:
            content = (self.folder / name).read_bytes() if (self.folder / name).exists() else b""
            if content and self.sent.get(name) != content:
                new[f"{RUN}/{name}"] = content
        rows = runs.metrics(runs.Run(self.folder.name, self.folder, runs.RunStatus(), {}, {}), since=self.step - 1)
        if rows and (rows[-1][0] != self.step or new):
            new[f"{METRICS}{now}.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
        with open(self.folder / "worker.log", "rb") as log:
            log.seek(self.logged)
            text = log.read(1 << 20)
        if text:
            new[f"{LOG}{now}.txt"] = text
        if not new:
            return
        self.commit([CommitOperationAdd(path, content) for path, content in new.items()], f"Step {rows[-1][0] if rows else 0}")
        self.sent |= {path.removeprefix(f"{RUN}/"): content for path, content in new.items() if not path.startswith((METRICS, LOG))}
        self.step, self.logged = rows[-1][0] if rows else self.step, self.logged + len(text)

    def state(self) -> None:
        """Write the newest checkpoint, so that another job can go on from it, and remove the one before."""
        newest = runs.newest_whole_checkpoint(self.folder)
        if newest is None or newest.name == self.saved:
            return
        files = [self.folder / name for name in DOCUMENTS if (self.folder / name).exists()]
        files += [f for f in newest.rglob("*") if f.is_file()]
        operations = [CommitOperationAdd(f"{STATE}/{f.relative_to(self.folder).as_posix()}", f) for f in files]
        if self.saved:
            operations.append(CommitOperationDelete(f"{STATE}/checkpoints/{self.saved}/", is_folder=True))
        self.commit(operations, newest.name)
        self.saved, self.saved_at = newest.name, time.monotonic()

    def result(self, file: Path) -> None:
        """Write the packed run, then what it must be."""
        told = json.dumps({"bytes": file.stat().st_size, "sha256": paths.sha256(file)}).encode()
        self.commit([CommitOperationAdd(RESULT, file), CommitOperationAdd(ABOUT, told)], "The result")

    def restore(self) -> None:
        """Bring the state of an earlier job of this run, if there was one."""
        place = snapshot_download(self.repo, repo_type="dataset", allow_patterns=f"{STATE}/**", token=self.api.token)
        if (source := Path(place) / STATE).is_dir() and not self.folder.exists():
            shutil.copytree(source, self.folder)
            newest = runs.newest_whole_checkpoint(self.folder)
            self.saved = newest.name if newest else ""

    def stop_asked(self) -> bool:
        return self.api.file_exists(self.repo, CONTROL, repo_type="dataset")


def attempt(work: Callable[[], object]) -> object:
    """Do what talks to the Hub; what fails is told, and is done again at the next look."""
    try:
        return work()
    except Exception as error:  # whatever the network does, the training goes on
        print(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {str(error)[:300]}", flush=True)
        return None


def insist(work: Callable[[], None]) -> None:
    """Do what must arrive: whatever fails is tried again, and after some tries the error is the job's."""
    for n in range(TRIES):
        if n == TRIES - 1:
            return work()
        try:
            return work()
        except Exception as error:
            print(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {str(error)[:300]}", flush=True)
            time.sleep(min(EVERY, 10 * 2**n))


def main(repo: str, id: str) -> int:
    token, work, out = os.environ["HF_TOKEN"], Path("work").resolve(), Path("result.zip").resolve()
    mirror = Mirror(repo, work / "me" / "runs" / id, token)
    bundle = retries.with_retries(lambda: hf_hub_download(repo, BUNDLE, repo_type="dataset", token=token))
    retries.with_retries(mirror.restore)
    child = subprocess.Popen([sys.executable, "-m", "tuner.cli", "run-bundle", bundle, "--folder", str(work), "--out", str(out), "--json"])
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append("term"))  # the time is up, or it was cancelled
    while child.poll() is None:
        time.sleep(EVERY)
        attempt(mirror.progress)
        if time.monotonic() - mirror.saved_at > STATE_EVERY:
            attempt(mirror.state)
        if mirror.folder.exists() and (asked or attempt(mirror.stop_asked)):
            (mirror.folder / "control").write_text("stop")
    attempt(mirror.progress)
    if child.returncode:  # a packed run has no optimizer: it is not what is resumed
        attempt(mirror.state)
    if out.exists():
        insist(lambda: mirror.result(out))
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
