"""The health report's three passes on a made-up dataset: rows a second, and the memory above the start.

    python -m bench.health [--rows 100000] [--characters 300]

One row in fifty nearly repeats an earlier one. Goal: near-duplicates of 100,000 rows of 300 characters in at most 30 s on 2 cores.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from tuner.data.quality import report
from tuner.data.store import store
from tuner.paths import Workspace


def words(count: int = 8000, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choice("bcdfglmnprst") + draw.choice("aeiou") for _ in range(draw.randint(1, 4))) for _ in range(count)]


def make(path: Path, rows: int, characters: int) -> None:
    """Words are drawn as in a language: few often, many seldom."""
    draw, vocabulary, kept = random.Random(2), words(), []
    with open(path, "w", encoding="utf-8") as out:
        for i in range(rows):
            if i % 50 == 49 and kept:
                text = draw.choice(kept)
                text[draw.randrange(len(text))] = "changed"
            else:
                text = [vocabulary[min(7999, int(draw.paretovariate(0.6)) - 1)] for _ in range(characters // 6)]
                kept = [*kept[-500:], text]
            half = len(text) // 3
            out.write(json.dumps({"question": " ".join(text[:half]) + "?", "answer": " ".join(text[half:]) + "."}) + "\n")


def peak() -> float:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--rows", type=int, default=100_000)
    parse.add_argument("--characters", type=int, default=300)
    args = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.jsonl"
        make(path, args.rows, args.characters)
        ds = store.add(Workspace(Path(folder) / "home"), path)
        before, marks = peak(), [time.perf_counter()]
        found = report.report(ds, each=lambda findings: marks.append(time.perf_counter()))
        for name, a, b in zip(("each row", "personal data", "near-duplicates and leaks"), marks, marks[1:], strict=False):
            print(f"{name:<28}{b - a:7.1f} s {args.rows / (b - a):12,.0f} rows/s")
        print(f"{'together':<28}{marks[-1] - marks[0]:7.1f} s, {peak() - before:,.0f} MB above the import")
        for one in found:
            print(f"  {one.severity}: {one.title}")


if __name__ == "__main__":
    main()
