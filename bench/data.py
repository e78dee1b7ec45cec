"""How fast a large file is imported and checked, beside pandas's bare read of the same file: `python -m bench.data [MEGABYTES]`.

Like pandas, ours reads the file where it is (by its path). Each measurement is a process of its own; prints seconds, peak memory above an idle interpreter with the same imports, and the ratios.
"""

import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = """
import resource, sys, time
from pathlib import Path
import pyarrow.csv, pyarrow.json, pyarrow.parquet
from tuner.data.store import store
from tuner.paths import Workspace
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.monotonic()
ds = store.add(Workspace(Path(sys.argv[2]), "me"), sys.argv[1], limit_bytes=10**11, reference=True)
print(time.monotonic() - begun, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024, ds.rows)
"""
PANDAS = """
import resource, sys, time
import pandas as pd
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.monotonic()
frame = pd.read_json(sys.argv[1], lines=True) if sys.argv[1].endswith("jsonl") else pd.read_csv(sys.argv[1])
print(time.monotonic() - begun, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024, len(frame))
"""


def make(folder: Path, megabytes: int) -> list[Path]:
    """A JSONL of chats and a CSV of questions and answers, with quoted newlines, of that size each."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    jsonl, table = folder / "chats.jsonl", folder / "faq.csv"
    with open(jsonl, "w", encoding="utf-8") as a, open(table, "w", encoding="utf-8", newline="") as b:
        writer = csv.writer(b)
        writer.writerow(["prompt", "answer"])
        while min(a.tell(), b.tell()) < megabytes * 10**6:
            for _ in range(1000):
                question, answer = (" ".join(rng.choices(words, k=rng.randint(*n))) for n in ((5, 25), (20, 80)))
                turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
                a.write(json.dumps({"messages": turns}) + "\n")
                writer.writerow([question, f'{answer}, "so"\nit ends.'])
    return [jsonl, table]


def measure(code: str, *args: str) -> tuple[float, float]:
    out = subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), float(out[1])


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        for file in make(Path(name), megabytes):
            seconds, memory = measure(OURS, str(file), str(Path(name) / file.stem))
            bare, taken = measure(PANDAS, str(file))
            print(f"{file.name} ({file.stat().st_size / 1e6:.0f} MB): ours {seconds:.1f} s and {memory:.0f} MB, ", end="")
            print(f"pandas alone {bare:.1f} s and {taken:.0f} MB; time {seconds / bare:.2f}, memory {memory / max(taken, 1):.2f}")


if __name__ == "__main__":
    main()
