"""Is the memory estimate right? `python -m bench.memory [--every] [--json FILE]` against traces; `--card` against a card of this machine.

A trace is the real step of the real trainer on fake tensors (`bench/trace`): no card and no weights are needed. On a card the same cases
run with random weights, and what CUDA allocated, what it reserved and what NVML saw stand beside the estimate; `--keep` writes that to
presets/calibration/. Goals: traces, median 1%, nine of ten within 3%, never more than 8% below; cards, 3% and 8% of what is reserved.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from typing import Any

from bench.trace.cases import judged
from bench.trace.predicted import allocated, predicted
from bench.trace.step import Case, trace_by_two


def judge(name: str, case: Case) -> dict[str, Any]:
    begun = time.monotonic()
    seen, guess = trace_by_two(case), predicted(case)
    off = allocated(guess) / max(seen.peak, seen.evaluation) - 1
    return {
        "case": name,
        "traced": max(seen.peak, seen.evaluation),
        "predicted": allocated(guess),
        "off": off,
        "moment": guess.moment,
        "still": [seen.still, sum(guess.terms[k] for k in ("weights", "quantization", "adapters", "optimizer"))],
        "seconds": round(time.monotonic() - begun, 1),
    }


def _send(there, name: str, case: Case) -> None:
    there.send(judge(name, case))


def judged_apart(name: str, case: Case) -> dict[str, Any]:
    """In a forked process: fake tensors of some kinds corrupt the heap after some hundred traces."""
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_send, args=(there, name, case))
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        return {"case": name, "failed": True}
    finally:
        child.join()


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    offs = [f["off"] for f in found if "off" in f]
    size = sorted(abs(o) for o in offs)
    return {
        "cases": len(offs),
        "median": statistics.median(size),
        "p90": size[int(0.9 * (len(size) - 1))],
        "worst_below": min(0.0, min(offs)),
        "worst_above": max(0.0, max(offs)),
        "failed": [f["case"] for f in found if "failed" in f],
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--every", action="store_true", help="all cases, not the few of the tests")
    ask.add_argument("--only", default="", help="cases whose name holds this")
    ask.add_argument("--json", help="write what was found to this file")
    ask.add_argument("--card", action="store_true", help="run on the card of this machine instead of tracing")
    ask.add_argument("--keep", action="store_true", help="with --card: keep what was measured as calibration data")
    args = ask.parse_args()
    if args.card:
        from bench import card

        return card.main(args)
    found = []
    for name, case in judged(every=args.every):
        if args.only in name:
            found.append(judged_apart(name, case))
            f = found[-1]
            told = f"{f['off']:+7.2%} of {f['traced'] / 1e9:6.2f} GB at {f['moment']:5}" if "off" in f else "FAILED"
            print(f"{f['case'][:80]:80} {told}", file=sys.stderr, flush=True)
    if not found:
        sys.exit(f"There is no case whose name holds {args.only!r}.")
    document = summary(found) | {"found": found}
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
    print({k: round(v, 4) if isinstance(v, float) else v for k, v in document.items() if k != "found"})


if __name__ == "__main__":
    main()
