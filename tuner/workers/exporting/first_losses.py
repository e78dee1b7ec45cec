"""Run an exported script for a few steps, in a process of its own: `python -m tuner.workers.exporting.first_losses REQUEST.json`.

REQUEST: {"base": the base model here, "steps": how many, "out": file for the losses}. The script itself knows nothing of it: its
trainer is asked to stop, and its schedule stays that of the whole run.
"""

import contextlib
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tuner import devices, paths
from tuner.export.script.assembly import FILE
from tuner.system import processes
from tuner.workers.exporting import fresh_process

MODULE = "tuner.workers.exporting.first_losses"


class Enough(Exception):
    """The steps that were asked for are done."""


def of_script(folder: Path, base: Path, steps: int, device: str) -> list[float] | str:
    """Return the losses of the first steps of the script in `folder`, or why it can't be run."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-script-") as scratch:
        request, out = Path(scratch) / "request.json", Path(scratch) / "losses.json"
        paths.write_json(request, {"base": str(base), "steps": steps, "out": str(out)})
        env = processes.environment(device, offline=True) | {"HF_DATASETS_CACHE": str(Path(scratch) / "datasets")}
        code, said = fresh_process.run(MODULE, str(request), env=env, cwd=folder)
        return paths.read_json(out) if code == 0 and out.is_file() else said


def losses(script: str, steps: int) -> list[float]:
    """Return the losses of the first steps of a script, run in the current folder."""
    from transformers import Trainer, TrainerCallback

    class Stop(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            found.extend([logs["loss"]] if logs and "loss" in logs else [])
            if len(found) >= steps:
                raise Enough

    found: list[float] = []
    train = Trainer.train

    def train_some(self, *args, **kwargs):
        self.add_callback(Stop())
        return train(self, *args, **kwargs)

    Trainer.train = train_some
    with contextlib.suppress(Enough):
        exec(compile(script, FILE, "exec"), {"__name__": "__main__"})
    return found


def here(script: str, base: Path, scratch: Path) -> str:
    """Return a script with the base model of this computer, and its checkpoints in another folder."""
    for line, said in (
        (r"^MODEL, REVISION = .*$", f"MODEL, REVISION = {str(base)!r}, None"),
        (r"^    output_dir=.*$", f"    output_dir={str(scratch)!r},"),
    ):
        script, n = re.subn(line, lambda _, said=said: said, script, flags=re.MULTILINE)
        if n != 1:
            raise ValueError(f"{n} lines of the script are {line}")
    return script


def main(request: dict[str, Any]) -> None:
    import torch

    torch.set_num_threads(devices.threads())
    script = here(Path(FILE).read_text(encoding="utf-8"), Path(request["base"]), Path(request["out"]).parent / "checkpoints")
    found = losses(script, request["steps"])
    Path(request["out"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(paths.read_json(Path(sys.argv[1])))
