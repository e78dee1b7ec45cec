"""Make an export that needs torch: `python -m tuner.workers.exporting.main FOLDER` (request.json in it says which)."""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from tuner import locks, paths
from tuner.errors import ModelError, translate
from tuner.jobs import worker_exit
from tuner.runs import settling

LOOKS = 0.3  # seconds between two looks at whether the export was cancelled


def made(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Make the export and return its check; what is being done stands in progress.json."""

    def tell(said: str) -> None:
        paths.write_json(folder / "progress.json", {"said": said})

    tell("Loading the libraries.")
    from tuner.workers.exporting import (  # some seconds, in which it can be cancelled already
        adapter_gguf,
        gguf,
        merge,
        onnx,
        script,
        space,
        verify,
    )

    makers = {
        "merged": merge.merge,
        "gguf": gguf.export,
        "ollama": gguf.export,
        "adapter-gguf": adapter_gguf.export,
        "onnx": onnx.export,
        "script": script.export,
        "space": space.check,
        "verify": verify.verify,
    }
    return makers[request["kind"]](folder, request, tell)


def leave_when_asked(folder: Path) -> None:
    """End this process and those it started as soon as somebody cancels the export; the one who asked for it removes its folder."""
    while not (folder / "control").exists():
        time.sleep(LOOKS)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os._exit(0)


def main(folder: Path) -> int:
    if not locks.acquire(folder / "lock"):
        return 1
    threading.Thread(target=leave_when_asked, args=(folder,), daemon=True).start()
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
