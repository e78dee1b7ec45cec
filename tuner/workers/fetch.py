"""Download a model into the Hub's cache: `python -m tuner.workers.fetch RUN_DIR`. The only process that may be given a token.

It reads the login that the Hub's own tools keep and writes it nowhere. No torch.
"""

import fnmatch
import sys
import time
import traceback
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download

from tuner import locks, runs
from tuner.errors import NetworkError, translate
from tuner.hardware import human_bytes

WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "merges.txt")  # no pickles, no code


def fetch(folder: Path, id: str) -> None:
    """File by file, so that the run can say how far it is; what was fetched before an interruption is not fetched again."""
    info = HfApi().model_info(id, files_metadata=True)
    files = [f for f in info.siblings if "/" not in f.rfilename and any(fnmatch.fnmatch(f.rfilename, w) for w in WANTED)]
    if not any(f.rfilename.endswith(".safetensors") for f in files):
        raise NetworkError(
            f"{id} offers no safetensors weights.",
            asked=id,
            available="models with *.safetensors files",
            remedy="Choose another model, or a copy of it in safetensors.",
            field="model",
        )
    total, done, began = sum(f.size or 0 for f in files), 0, time.monotonic()
    for f in sorted(files, key=lambda f: f.size or 0):
        left = (time.monotonic() - began) / done * (total - done) if done else None
        runs.write_status(
            folder,
            reason=f"Downloading {id}: {human_bytes(done)} of {human_bytes(total)}.",
            progress={"step": 0, "steps": 0, "epoch": 0, "eta_seconds": left, "elapsed_seconds": round(time.monotonic() - began, 1)},
        )
        if (folder / "control").exists():
            runs.write_status(folder, state="stopped", reason="Stopped while downloading; what was downloaded is kept.")
            sys.exit(3)
        hf_hub_download(id, f.rfilename, revision=info.sha)
        done += f.size or 0


def main(folder: Path) -> int:
    if not locks.hold(folder / "lock"):
        return 1
    try:
        fetch(folder, (folder / "fetch").read_text().strip())
        return 0
    except Exception as error:
        traceback.print_exc()
        known = translate(error) or NetworkError(f"The download failed: {str(error)[:200]}", remedy="Check the network and resume the run.")
        runs.write_status(folder, state="failed", reason=str(known), error=known.as_dict())
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
