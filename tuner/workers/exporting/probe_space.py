"""Ask the app of a Space in the current folder: `python -m tuner.workers.exporting.probe_space REQUEST.json`.

REQUEST: {"asked": [{"question", "length"}], "out": file for the answers}. The app is loaded as it is, and not launched.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.workers.modelling import load


def main(request: dict[str, Any]) -> None:
    load.use_cores()
    spec = importlib.util.spec_from_file_location("app", "app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    app.SYSTEM = ""  # the tuned model is asked without one
    paths.write_json(Path(request["out"]), [["", *app.reply(q["question"], [], 0.0, q["length"])][-1] for q in request["asked"]])


if __name__ == "__main__":
    main(paths.read_json(Path(sys.argv[1])))
