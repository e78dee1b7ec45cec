"""Token preview: rows as tokens, and the lengths of a whole dataset: `python -m tuner.workers.token_preview JOB_FOLDER` (no torch).

See tuner/jobs/token_preview.py.
"""

import os
import sys
import time
import traceback
from pathlib import Path

from tuner import locks, paths
from tuner.data import length_statistics
from tuner.data.store import store
from tuner.errors import ModelError, TunerError, translate
from tuner.jobs import worker_exit
from tuner.paths import Workspace
from tuner.runs import run_warnings
from tuner.workers.tokenization import tokenizer_loader
from tuner.workers.tokenization.loss_mask import Masker
from tuner.workers.tokenization.row_view import view

EVERY, STAYS = 0.1, 120.0  # seconds


class Cancelled(Exception):
    pass


# --- the job ----------------------------------------------------------------------------------------------------------------


class Job:
    """Answers questions about rows, and in between counts the whole dataset."""

    def __init__(self, folder: Path):
        self.folder, self.asked = folder, paths.read_json(folder / "job.json")
        self.ds = store.get(Workspace(Path(self.asked["home"]), self.asked["owner"]), self.asked["data"])
        self.tokenizer = tokenizer_loader.tokenizer(Path(self.asked["folder"]))
        self.last, self.looked, self.reported = time.monotonic(), 0.0, 0.0

    def masker(self) -> Masker:
        return Masker(self.tokenizer, kind=self.ds.kind, objective=self.asked["objective"])

    def listen(self) -> None:
        """Answer the questions that arrived meanwhile, at most ten times a second; raises Cancelled when the job is cancelled."""
        if time.monotonic() - self.looked < EVERY:
            return
        if (self.folder / "cancel").exists() or not self.folder.exists():
            raise Cancelled
        for ask in sorted(self.folder.glob("asks/[!.]*.json")):
            answer = self.answer(paths.read_json(ask))
            (self.folder / "answers").mkdir(exist_ok=True)
            paths.write_json(self.folder / "answers" / ask.name, answer)
            ask.unlink(missing_ok=True)
            self.last = time.monotonic()
        self.looked = time.monotonic()

    def answer(self, ask: dict) -> dict:
        try:
            if "values" in ask:
                rows = [{"row": n, "held_out": False, "value": v} for n, v in enumerate(ask["values"], 1)]
            else:
                rows = store.rows(self.ds, ask["offset"], ask["count"], ask["held_out"])
            masker = self.masker()
            seen = masker.batch([r["value"] for r in rows])
            about = [{"row": r["row"], "held_out": r["held_out"]} for r in rows]
            return {"rows": [a | view(row, self.tokenizer, masker.special) for a, row in zip(about, seen, strict=True)]}
        except Exception as error:  # one question must not end the others; the log has the details
            traceback.print_exc()
            return {"errors": _as_errors(error, self.folder)}

    def measure(self) -> dict:
        """Count every row, write rows.npz and return the content of result.json."""
        masker, began, rows, refused = self.masker(), time.monotonic(), [], {}
        numbers: list[tuple[int, bool]] = []

        def values():
            for r in store.iterate(self.ds):
                numbers.append((r["row"], r["held_out"]))
                yield r["value"]

        for batch in masker.stream(values()):
            for row in batch:
                rows.append((*numbers[len(rows)], len(row.ids), row.ranges))
                if row.refused is not None:
                    refused[row.refused] = refused.get(row.refused, 0) + 1
            self.tell(len(rows), began)
            self.listen()
        with open(self.folder / "rows.tmp", "wb") as file:
            length_statistics.np.savez(file, **length_statistics.arrays(rows))
        os.replace(self.folder / "rows.tmp", self.folder / "rows.npz")
        return {
            "state": "done",
            "rows": len(rows),
            "how": masker.how,
            "notes": [*(run_warnings.not_seen(part, n, len(rows)) for part, n in masker.unseen.items()), *masker.notes()],
            "refused": refused,
            "seconds": round(time.monotonic() - began, 2),
        }

    def tell(self, done: int, began: float) -> None:
        if time.monotonic() - self.reported < EVERY and done < self.ds.rows:
            return
        self.reported = time.monotonic()
        spent = self.reported - began
        eta = round(spent * (self.ds.rows - done) / done, 1) if spent > 0.5 and done else None
        paths.write_json(self.folder / "progress.json", {"done": done, "total": self.ds.rows, "eta_seconds": eta})

    def stay(self) -> None:
        """Answer questions until there was none for two minutes."""
        while time.monotonic() - self.last < STAYS:
            self.listen()
            time.sleep(EVERY / 2)


def _as_errors(error: Exception, folder: Path) -> list[dict]:
    known = error if isinstance(error, TunerError) else translate(error)
    return (
        known
        or ModelError(
            f"The tokens can't be shown: {type(error).__name__}: {error}"[:300],
            asked=folder.name,
            available="see worker.log",
            remedy=f"See {folder / 'worker.log'} for details.",
        )
    ).as_list()


def work(folder: Path) -> None:
    """Count the dataset if that was asked and is not done, then wait for questions."""
    try:
        job = Job(folder)
        job.listen()  # answer the first questions before the long count
        if paths.read_json(folder / "result.json") is None:
            result = job.measure() if job.asked["measure"] else {"state": "done", "rows": job.ds.rows, "how": job.masker().how, "notes": []}
            paths.write_json(folder / "result.json", result)
        job.last = time.monotonic()
        job.stay()
    except Cancelled:
        if folder.exists() and paths.read_json(folder / "result.json") is None:
            paths.write_json(folder / "result.json", {"state": "cancelled"})
    except Exception as error:
        worker_exit.begin(error, folder)
        worker_exit.attempt(worker_exit.result, folder, {"state": "failed", "errors": _as_errors(error, folder)})


def main(folder: Path) -> None:
    if not locks.acquire(folder / "lock"):
        return  # another process answers already
    if not (folder / "progress.json").exists():
        paths.write_json(folder / "progress.json", {"done": 0, "total": 0})  # from now on the lock shows whether this process is alive
    work(folder)
    locks.release(folder / "lock")


if __name__ == "__main__":
    sys.modules.setdefault("torch", None)  # transformers works without torch, and starts three times as fast
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # a hanging tokenizer thread must not keep this process alive
