"""From Start to the first loss, and training throughput, of a run beside the bare TRL script with the same rows and settings.

    python -m bench.training [--steps 60] [--repeat 3] [--rows FILE.jsonl]

Prints seconds, tokens per second and ratios; runs alternate, so that a busy machine slows both. Goals: first loss within
12 s and within 2 s of the bare script; throughput at least 0.97 of it (above 1 is faster).
"""

import argparse
import ast
import json
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
    with tempfile.TemporaryDirectory() as folder:
        ws = Workspace(Path(folder) / "home", machine=Path(folder) / "machine").prepare()
        ref = store.add(ws, args.rows, held_out=0.0).ref
        found = {"ours": [], "bare": []}
        for n in range(args.repeat):
            found["bare"].append(bare(args.rows, args.steps, Path(folder) / f"bare{n}"))
            found["ours"].append(ours(ws, ref, args.steps))
            print(json.dumps({k: v[-1] for k, v in found.items()}), flush=True)
    middle = {k: {m: statistics.median(r[m] for r in rows) for m in ("first_loss_seconds", "train_runtime")} for k, rows in found.items()}
    first = {k: m["first_loss_seconds"] for k, m in middle.items()}
    print(f"precision of both: {PRECISION}")
    print(f"first loss: ours {first['ours']:.1f} s, bare {first['bare']:.1f} s: {first['ours'] / first['bare']:.2f}")
    print(f"throughput: {middle['bare']['train_runtime'] / middle['ours']['train_runtime']:.2f} of the bare script")


if __name__ == "__main__":
    main()
