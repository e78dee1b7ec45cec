"""Download a model into the Hub's cache: `python -m tuner.workers.download RUN_DIR`. The only process that may be given a token.

It reads the login that the Hub's own tools store, and writes it nowhere. No torch.
"""

import fnmatch
import functools
import shutil
import sys
import time
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download
from tqdm import tqdm

from tuner import locks, paths, runs
from tuner.errors import DiskError, NetworkError, translate
from tuner.formatting import human_bytes, human_time
from tuner.jobs import training, worker_exit
from tuner.models import hub
from tuner.network.retries import with_retries
from tuner.paths import Workspace
from tuner.system import processes

WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "merges.txt", "README.md")  # no pickles, no code
# bytes between two checks for a stop; the client's default of ten million takes a minute on a slow connection
constants.DOWNLOAD_CHUNK_SIZE = 1 << 20
EVERY = 0.5  # seconds between two progress updates


class Stopped(Exception):
    """A person stopped the download."""


class Progress:
    """Progress of a download: bytes, speed and remaining time. Checks for a stop in the middle of a file."""

    def __init__(self, folder: Path, id: str, total: int):
        self.folder, self.id, self.total = folder, id, total
        self.done = self.fetched = 0  # bytes on disk, and those of them downloaded now
        self.began, self.reported = time.monotonic(), 0.0

    def more(self, size: int) -> None:
        self.done, self.fetched = self.done + size, self.fetched + size
        if time.monotonic() - self.reported >= EVERY:
            self.tell()

    def tell(self) -> None:
        self.reported, spent = time.monotonic(), time.monotonic() - self.began
        speed = self.fetched / spent if spent > 1 and self.fetched else 0
        left = (self.total - self.done) / speed if speed else None
        pace = f", {human_bytes(int(speed))}/s, about {human_time(left)} left" if speed else ""
        runs.write_status(
            self.folder,
            reason=f"Downloading {self.id}: {human_bytes(self.done)} of {human_bytes(self.total)}{pace}.",
            progress={"step": 0, "steps": 0, "epoch": 0, "eta_seconds": left, "elapsed_seconds": round(spent, 1)},
        )
        if (self.folder / "control").exists():
            raise Stopped

    def bar(self) -> type[tqdm]:
        """Return a tqdm class through which the Hub's client reports each chunk."""
        progress = self

        class Bar(tqdm):
            def __init__(self, *args, **kwargs):
                kwargs.pop("name", None)
                super().__init__(*args, **kwargs | {"disable": True})

            def update(self, n: float | None = 1) -> None:
                progress.more(int(n or 0))

        return Bar


def fetch(folder: Path, id: str) -> None:
    """Download file by file, the small ones first; files that are already in the cache are skipped. NetworkError without safetensors weights."""
    ask = functools.partial(with_retries, tell=lambda why: waits(folder, why), cancelled=(folder / "control").exists)
    # asked for by name, so that the cache knows the revision of `main`
    sha = ask(lambda: Path(hf_hub_download(id, "config.json")).parent.name)
    info = ask(lambda: HfApi().model_info(id, revision=sha, files_metadata=True))
    files = [f for f in info.siblings if "/" not in f.rfilename and any(fnmatch.fnmatch(f.rfilename, w) for w in WANTED)]
    if not any(f.rfilename.endswith(".safetensors") for f in files):
        raise NetworkError(
            f"{id} has no safetensors weights.",
            asked=id,
            available="models with *.safetensors files",
            remedy="Choose another model, or a copy of it in safetensors.",
            field="model",
        )
    progress = Progress(folder, id, sum(f.size or 0 for f in files))
    cached = {f.rfilename for f in files if isinstance(_cached(id, f.rfilename, sha), str)}
    room(sum(f.size or 0 for f in files if f.rfilename not in cached), id)
    for f in sorted(files, key=lambda f: f.size or 0):
        before = progress.done
        if f.rfilename not in cached:
            ask(lambda name=f.rfilename: hf_hub_download(id, name, revision=sha, tqdm_class=progress.bar()))
        progress.done = before + (f.size or 0)
        progress.tell()


def waits(folder: Path, why: str) -> None:
    """Report what the download is waiting for; raises Stopped when a person stopped it meanwhile."""
    if (folder / "control").exists():
        raise Stopped
    print(why, flush=True)
    runs.write_status(folder, reason=why)


def _cached(id: str, name: str, revision: str):
    from huggingface_hub import try_to_load_from_cache

    return try_to_load_from_cache(id, name, revision=revision)


def room(need: int, id: str) -> None:
    """Check that the disk of the Hub's cache has room for `need` more bytes; raises DiskError."""
    cache = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(p for p in (cache, *cache.parents) if p.exists())).free
    if need > free - 500_000_000:
        raise DiskError(
            f"{id} needs {human_bytes(need)} more; the disk has {human_bytes(free)} free.",
            asked=need,
            available=free,
            remedy="Free some space, or set HF_HOME to a folder on a larger disk, and resume the run.",
            field="model",
        )


def done(folder: Path) -> None:
    """Write the final status: a run goes back into the queue, a download without a run is finished."""
    if not (folder / "plan.json").exists():
        runs.write_status(folder, state="finished", reason=None)
        return
    if (plan := paths.read_json(folder / "plan.json")).get("data") and plan.get("rows", ...) is None:
        runs.write_status(folder, reason="Counting the tokens of all rows.")
        training.replan(Workspace(folder.parents[2], folder.parents[1].name), folder.name)
    (folder / "fetch").unlink()  # before it is queued again: with the mark it would be downloaded again
    runs.write_status(folder, state="queued", reason=None)


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock"):
        return 1
    processes.take_token()
    id = (folder / "fetch").read_text().strip()
    try:
        runs.write_status(folder, state="preparing", reason=f"Downloading {id}.", error=None)
        with paths.with_user_umask():  # the Hub's cache may be shared among accounts; the run folder is private as a whole
            fetch(folder, id)
        done(folder)
        return 0
    except Stopped:
        runs.write_status(folder, state="stopped", reason="Stopped while downloading; what was downloaded is kept.")
        return 3
    except Exception as error:
        if (folder / "control").exists():  # stopped while waiting for the server
            runs.write_status(folder, state="stopped", reason="Stopped while downloading; what was downloaded is kept.")
            return 3
        known = translate(error) or NetworkError(f"The download failed: {str(error)[:200]}", remedy="Check the network and resume the run.")
        if "gated" in str(known).lower():
            known.remedy += " " + hub.how_to_open(id)
        known.__cause__ = error
        return worker_exit.failed(folder, known)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
