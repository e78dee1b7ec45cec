"""From Start to the first loss, and training throughput, of a run beside the bare TRL script with the same rows and settings.

    python -m bench.training [--steps 60] [--repeat 3] [--rows FILE.jsonl]

Prints seconds, tokens per second and ratios; runs alternate, so that a busy machine slows all. `forked` is a run from the page, which has had
the libraries imported while the form was filled in (`tuner/system/fork_server.py`); `started` one that imports them itself. Goals: first
loss of `started` within 12 s and within 2 s of the bare script; throughput at least 0.97 of it (above 1 is faster).
"""

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tuner import devices, paths, runs
from tuner.data.store import store
from tuner.jobs import training
from tuner.paths import Workspace
from tuner.system import fork_server, processes

PRECISION = "bf16" if devices.bf16_is_fast() else "fp32"  # of both
SETTINGS = {"micro_batch": 8, "effective_batch": 8, "learning_rate": 2e-3, "lora_rank": 16, "max_length": 256}


def ours(ws: Workspace, ref: str, steps: int) -> dict:
    began = time.time()
    values = {"model": "starter", "data": ref, "max_steps": steps, "epochs": 1000, "eval_steps": 100_000, "save_steps": 100_000, **SETTINGS}
    values["precision"] = PRECISION
    run = training.start(ws, values, name="bench")
    while not any(k == "loss" for _, k, _ in runs.metrics(run)):
        run = runs.get(ws, run.id)
        if not run.live:
            raise SystemExit(runs.log_tail(run))
        time.sleep(0.05)
    first = time.time() - began
    run = training.wait(ws, run.id)
    line = next(x for x in runs.log_tail(run, 10**7).splitlines() if "train_runtime" in x)
    return {"first_loss_seconds": first, "train_runtime": float(ast.literal_eval(line)["train_runtime"]), "loss": run.best}


def bare(rows: Path, steps: int, out: Path) -> dict:
    job = {
        "rows": str(rows),
        "model": str(paths.STARTER),
        "steps": steps,
        "out": str(out),
        "threads": devices.cores(),
        "bf16": PRECISION == "bf16",
        **SETTINGS,
    }
    done = subprocess.run([sys.executable, "-m", "bench.bare_trl", json.dumps(job)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--steps", type=int, default=60)
    parse.add_argument("--repeat", type=int, default=3)
    parse.add_argument("--rows", type=Path, default=paths.SAMPLES / "persona.jsonl")
    args = parse.parse_args()
    device = devices.get(None).id
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = {"bare": [], "started": [], "forked": []}
        places = {}
        for how in ("started", "forked"):  # a workspace for each: a supervisor keeps the environment that it was started with
            ws = Workspace(Path(folder) / how, machine=Path(folder) / f"{how}-machine").prepare()
            places[how] = ws, store.add(ws, args.rows, held_out=0.0).ref
        os.environ[fork_server.SWITCH] = folder
        processes.prepare(device)
        while not fork_server.listening(processes.environment(device, True)):
            time.sleep(0.2)
        for n in range(args.repeat):
            found["bare"].append(bare(args.rows, args.steps, Path(folder) / f"bare{n}"))
            for how, (ws, ref) in places.items():
                os.environ[fork_server.SWITCH] = folder if how == "forked" else "0"
                found[how].append(ours(ws, ref, args.steps))
            print(json.dumps({k: v[-1] for k, v in found.items()}), flush=True)
    middle = {k: {m: statistics.median(r[m] for r in rows) for m in ("first_loss_seconds", "train_runtime")} for k, rows in found.items()}
    first, took = ({k: m[what] for k, m in middle.items()} for what in ("first_loss_seconds", "train_runtime"))
    print(f"precision of all: {PRECISION}")
    for how in places:
        print(f"first loss: {how} {first[how]:.1f} s, bare {first['bare']:.1f} s: {first[how] / first['bare']:.2f}")
        print(f"throughput: {how} {took['bare'] / took[how]:.2f} of the bare script")


if __name__ == "__main__":
    main()
