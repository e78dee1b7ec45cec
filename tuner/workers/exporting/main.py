"""Make an export that needs torch: `python -m tuner.workers.exporting.main FOLDER` (request.json in it says which)."""

import sys
from pathlib import Path
from typing import Any

from tuner import locks, paths
from tuner.errors import ModelError, translate
from tuner.jobs import worker_exit
from tuner.runs import settling
from tuner.workers.exporting import gguf, merge


def made(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Make the export and return its check; what is being done stands in progress.json."""

    def tell(said: str) -> None:
        paths.write_json(folder / "progress.json", {"said": said})

    if request.get("kind") == "gguf":
        return gguf.export(folder, request, tell)
    tell("Merging the adapter into the base model.")
    return merge.merge(folder, request)


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock"):
        return 1
    try:
        worker_exit.result(folder, {"state": "done", "check": made(folder, paths.read_json(folder / "request.json"))})
        return 0
    except Exception as error:
        known = translate(error) or ModelError(
            f"The export failed: {type(error).__name__}: {str(error)[:300]}",
            remedy="Export again; if it fails again, export another format.",
        )
        known.__cause__ = error if known is not error else known.__cause__
        document = worker_exit.begin(known, folder)
        worker_exit.attempt(worker_exit.result, folder, {"state": "failed", "errors": [document]})
        return settling.code_of(document)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
