"""Run a model in ONNX Runtime: `python -m tuner.workers.exporting.probe_onnx FILE FOLDER` (in-N.npz in it, out-N.npz comes beside each). No torch."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main(file: Path, folder: Path) -> None:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for place in folder.glob("in-*.npz"):
        with np.load(place) as given:
            found = dict(zip(names, session.run(None, {i.name: given[i.name] for i in session.get_inputs()}), strict=True))
        wanted = [found[name] for name in ("logits", "start_logits", "end_logits") if name in found]
        np.savez(place.with_name(place.name.replace("in-", "out-")), **{f"{n}": value for n, value in enumerate(wanted)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
