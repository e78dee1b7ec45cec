"""Predicted and achieved seconds of real runs of the starter, one after another, as ratios.

    python -m bench.pace [--again] [--only NAME]

Each run is planned with what the device was measured to reach; `--again` does the runs twice, so that the second time the plan knows what
the first taught. A step's ratio is achieved over predicted: 1 is right, 2 took twice as long; `in_range` tells whether the
whole run ended between the plan's two figures.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path

from tuner import devices, paths, runs
from tuner.data.store import store
from tuner.devices import roofline
from tuner.jobs import benchmarks, training
from tuner.paths import Workspace

CASES = {  # sample, settings
    "lora": ("persona.jsonl", {"epochs": 2}),
    "lora, one row at once": ("persona.jsonl", {"epochs": 1, "micro_batch": 1, "effective_batch": 8}),
    "lora, checkpointing": ("persona.jsonl", {"epochs": 1, "gradient_checkpointing": True}),
    "lora, bf16": ("persona.jsonl", {"epochs": 1, "precision": "bf16"}),
    "full": ("persona.jsonl", {"epochs": 2, "method": "full"}),
    "ia3": ("persona.jsonl", {"epochs": 2, "method": "ia3"}),
    "last layers": ("persona.jsonl", {"epochs": 2, "method": "last_layers"}),
    "prompt": ("persona.jsonl", {"epochs": 2, "method": "prompt"}),
    "chats of a help desk": ("helpdesk.csv", {"epochs": 1}),
    "labels": ("tickets.csv", {"epochs": 3}),
    "translation, full": ("translation.csv", {"epochs": 2, "method": "full"}),
    "preferences": ("preferences.jsonl", {"epochs": 1, "micro_batch": 4, "effective_batch": 8}),
}


def one(ws: Workspace, ref: str, settings: dict) -> dict:
    """Seconds of the whole run ("predicted", "low", "high", "took"), and of a step achieved over predicted: with what runs taught before
    ("step"), and by arithmetic alone ("uncorrected"); of a test and a save likewise."""
    began = time.time()
    run = training.wait(ws, training.start(ws, {"model": "starter", "data": ref, **settings}, name="bench").id)
    took = time.time() - began
    if run.state != "finished":
        raise SystemExit(runs.log_tail(run))
    plan, part = run.plan, run.plan["pace"]
    taught = paths.read_json(paths.machine_folder() / "speed.json")["factors"].get(part["key"], [math.nan])[-1]
    low, high = plan["seconds_low"], plan["seconds_high"]
    found = {"predicted": plan["seconds"], "low": low, "high": high, "took": took, "in_range": low <= took <= high}
    seen = run.status.measured
    others = {k: (seen[f"{k}_seconds"] or math.nan) / part[k] for k in ("test", "save")}
    return found | {"step": taught / part["factor"], "uncorrected": taught} | others


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--again", action="store_true")
    parse.add_argument("--only", choices=CASES)
    args = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ws = Workspace(Path(folder) / "home", machine=Path(folder) / "machine").prepare()
        os.environ["TUNESMITH_MACHINE"] = str(ws.machine)
        print(f"on paper {roofline.of(devices.cpu())}")
        print(f"measured {benchmarks.measure(ws, devices.cpu())}")
        refs = {sample: store.add(ws, paths.SAMPLES / sample).ref for sample, _ in CASES.values()}
        for round_ in range(2 if args.again else 1):
            ratios = []
            for name, (sample, settings) in CASES.items():
                if args.only in (None, name):
                    found = one(ws, refs[sample], {"device": "cpu", **settings})
                    ratios.append(found["step"])
                    print(json.dumps({"case": name, "round": round_, **{k: round(v, 3) for k, v in found.items()}}), flush=True)
            print(f"steps, achieved over predicted: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
